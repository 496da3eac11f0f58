"""A network for small images with a small receptive field, and 1x1 layers at each location.

Two convolutions without padding, then residual blocks of 1x1 layers, as in a BagNet (Brendel and Bethge 2019) that
leaves its 3x3 layers at the beginning. All are matrix products, of shifted copies where a convolution is one, which
run at the full speed of a processor. Each location has a learned position embedding, added before the blocks, which
keeps it local. The stride is that of the second convolution, so a map can be finer or coarser than in training.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from pg_core.geometry import Size
from pg_core.networks.bodies.architectures import SmallMap
from pg_core.networks.network import Network, PlacedNetwork


@dataclass(frozen=True, slots=True)
class Pointwise(SmallMap):
    """`blocks` residual blocks of `width` channels."""

    kind: ClassVar[str] = "pointwise"
    placed: ClassVar[type[Network]] = PlacedNetwork
    field: int = 5
    stride: int = 1
    width: int = 384
    blocks: int = 4

    def untrained(self, classes: int) -> nn.Module:
        return PointwiseNet(self.image_size[0], self.field, self.stride, classes, self.width, self.blocks)


class PointwiseBlock(nn.Module):
    """x + B relu(A norm(x)) at each location; the block begins as the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, width)
        self.project = nn.Linear(width, width)
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def forward(self, values: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch width"]:
        """The block's output."""
        return values + self.project(F.relu(self.expand(self.norm(values))))


class PointwiseNet(nn.Module):
    """Local logits >= 0 (a softplus: clipping takes nothing) of images in [-1, 1], `side` pixels each way.

    A location sees `field` x `field` pixels, 3 at least, and is `stride` pixels from the next.
    """

    def __init__(
        self, side: int, field: int, stride: int, classes: int, width: int, blocks: int, channels: int = 64
    ) -> None:
        super().__init__()
        self.field = field
        self.stride = stride
        self.edges = nn.Linear(3 * 3 * 3, channels)
        self.embed = nn.Linear((field - 2) ** 2 * channels, width)
        places = side - field + 1
        self.place = nn.Parameter(torch.zeros(places, places, width))
        self.blocks = nn.Sequential(*(PointwiseBlock(width) for _ in range(blocks)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)
        # Little evidence for anything to begin with, but enough for a gradient.
        nn.init.constant_(self.head.bias, -1.0)

    def forward(
        self, images: Float[Tensor, "batch 3 height width"], top: int | Tensor = 0, left: int | Tensor = 0
    ) -> Float[Tensor, "batch classes rows columns"]:
        """Local logits of images, or of crops of them that begin at the pixel (top, left).

        Rows are floor((H - field)/stride) + 1, columns likewise.
        """
        values = F.relu(self.edges(shifted(images.permute(0, 2, 3, 1), (3, 3), 1)))
        values = self.embed(shifted(values, (self.field - 2, self.field - 2), self.stride))
        rows, columns = values.shape[1:3]
        place = self.place[top :: self.stride, left :: self.stride][:rows, :columns]
        logits = self.head(self.norm(self.blocks(values + place)))
        return F.softplus(logits.float()).permute(0, 3, 1, 2).contiguous()


def shifted(
    values: Float[Tensor, "batch height width channels"], size: Size, stride: int
) -> Float[Tensor, "batch rows columns inputs"]:
    """The inputs of a convolution of `size` cells at each of its locations, side by side (im2col).

    Raises ValueError if the map is smaller than `size`.
    """
    if min(_places(values.shape, size, stride)) < 1:
        height, width = values.shape[1:3]
        raise ValueError(f"expected at least {size[0]}x{size[1]} cells, got {height}x{width}")
    return _Shifted.apply(values, size, stride)


_Context = Any
"""What torch keeps for a gradient; it takes any attribute."""


class _Shifted(torch.autograd.Function):
    """Copies whose gradients are added up where they came from: that of slices makes an image of zeros for each,
    which costs more than the matrix product."""

    @staticmethod
    def forward(ctx: _Context, values: Tensor, size: Size, stride: int) -> Tensor:
        ctx.shape, ctx.size, ctx.stride = values.shape, size, stride
        return torch.cat([values[cell] for cell in _copies(values.shape, size, stride)], dim=3)

    @staticmethod
    @once_differentiable
    def backward(ctx: _Context, gradient: Tensor) -> tuple[Tensor, None, None]:
        total = gradient.new_zeros(ctx.shape)
        channels = ctx.shape[3]
        for index, cell in enumerate(_copies(ctx.shape, ctx.size, ctx.stride)):
            total[cell] += gradient[..., index * channels : (index + 1) * channels]
        return total, None, None


def _copies(shape: torch.Size, size: Size, stride: int) -> list[tuple[slice, slice, slice]]:
    """What each cell of a convolution sees at all of its places, row by row."""
    rows, columns = _places(shape, size, stride)
    return [
        (
            slice(None),
            slice(i, i + stride * (rows - 1) + 1, stride),
            slice(j, j + stride * (columns - 1) + 1, stride),
        )
        for i in range(size[0])
        for j in range(size[1])
    ]


def _places(shape: torch.Size, size: Size, stride: int) -> tuple[int, int]:
    """Rows and columns of a convolution's places."""
    return (shape[1] - size[0]) // stride + 1, (shape[2] - size[1]) // stride + 1
