"""Column bands for small images, after [DS] (Levine and Feizi 2020), by a network that is given the band alone.

A network on a 32x4 band costs a fraction of one on the 32x32 image that is blank outside of it ([DS], and
`pg_core.networks.bodies.bands`). It is given the column in which the band begins, which keeps it local. Convolutions
along the rows are matrix products of shifted copies: on a CPU that is several times faster to train.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from pg_core.geometry import ReceptiveField, Size
from pg_core.networks.bodies.architectures import Architecture
from pg_core.networks.bodies.bands import BandNetwork
from pg_core.networks.bodies.pointwise import shifted
from pg_core.networks.network import Network


@dataclass(frozen=True, slots=True)
class Bands(Architecture):
    """Bands of `width` columns of a 32x32 image."""

    kind: ClassVar[str] = "bands"
    placed: ClassVar[type[Network]] = BandNetwork
    width: int = 4

    @property
    def receptive_field(self) -> ReceptiveField:
        return ReceptiveField((32, self.width), (32, 1), wrapping=True)

    @property
    def image_size(self) -> Size:
        return 32, 32

    def untrained(self, classes: int) -> nn.Module:
        return BandClassifier(self.image_size[0], self.width, classes)

    def local(self, base: nn.Module, classes: int) -> nn.Module:
        return NarrowBands(base, self.width)


class RowConv(nn.Module):
    """A convolution along the rows, of `kernel` rows with zeros around."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.kernel = kernel
        self.stride = stride
        self.linear = nn.Linear(inputs * kernel, outputs)

    def forward(self, values: Float[Tensor, "batch rows inputs"]) -> Float[Tensor, "batch new_rows outputs"]:
        """ceil(rows / stride) rows for the kernels 3, stride 1 and 4, stride 2 that are used here."""
        padded = F.pad(values, (0, 0, 1, 1))[:, :, None]
        return self.linear(shifted(padded, (self.kernel, 1), self.stride)[:, :, 0])


class RowBlock(nn.Module):
    """x + B relu(A norm(x)) with convolutions of three rows; the block begins as the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first = RowConv(width, width, 3)
        self.second = RowConv(width, width, 3)
        nn.init.zeros_(self.second.linear.weight)
        nn.init.zeros_(self.second.linear.bias)

    def forward(self, values: Float[Tensor, "batch rows width"]) -> Float[Tensor, "batch rows width"]:
        """The block's output."""
        return values + self.second(F.relu(self.first(self.norm(values))))


class BandClassifier(nn.Module):
    """Class logits of bands in [-1, 1] of a square image of `side` pixels, from pixels and first columns."""

    def __init__(
        self,
        side: int,
        width: int,
        classes: int,
        channels: int = 64,
        widths: tuple[int, int] = (256, 384),
        depths: tuple[int, int] = (1, 2),
    ) -> None:
        super().__init__()
        fine, coarse = widths
        self.edges = nn.Conv2d(3, channels, 3, padding=1)
        self.across = RowConv(width * channels, fine, 4, 2)
        self.place = nn.Parameter(torch.zeros(side, fine))
        self.fine = nn.Sequential(*(RowBlock(fine) for _ in range(depths[0])), nn.LayerNorm(fine))
        self.down = RowConv(fine, coarse, 4, 2)
        self.coarse = nn.Sequential(*(RowBlock(coarse) for _ in range(depths[1])), nn.LayerNorm(coarse))
        self.mix = nn.Linear(side // 4 * coarse, coarse)
        self.head = nn.Linear(coarse, classes)

    def forward(
        self, bands: Float[Tensor, "bands 3 side width"], first: Int[Tensor, "bands"]
    ) -> Float[Tensor, "bands classes"]:
        """Logits of each band."""
        values = F.relu(self.edges(bands)).permute(0, 2, 3, 1).flatten(2)
        values = self.across(values) + self.place[first][:, None, :]
        values = self.coarse(self.down(self.fine(values)))
        return self.head(F.relu(self.mix(values.flatten(1))))


class NarrowBands(nn.Module):
    """Logits of each band of `width` columns, from a base that takes a band and the column in which it begins."""

    def __init__(self, base: nn.Module, width: int) -> None:
        super().__init__()
        self.base = base
        self.width = width

    def forward(
        self, images: Float[Tensor, "batch 3 height width"], first: Int[Tensor, "bands"] | None = None
    ) -> Float[Tensor, "batch classes 1 bands"]:
        """Local logits of images in [-1, 1], of all bands in order, or of those that begin at the columns `first`."""
        columns = images.shape[-1]
        first = torch.arange(columns, device=images.device) if first is None else first
        inside = (first[:, None] + torch.arange(self.width, device=images.device)) % columns
        bands = images[..., inside].permute(0, 3, 1, 2, 4).flatten(0, 1)
        logits = self.base(bands.contiguous(), first.repeat(len(images)))
        return logits.reshape(len(images), len(first), -1).transpose(1, 2)[:, :, None].contiguous()
