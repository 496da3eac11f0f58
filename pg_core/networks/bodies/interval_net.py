"""A network for interval bounds ([IBP], Chiang et al. 2020) with local features in [0, 1].

A convolution without padding, layers at each location alone, and a linear layer on all locations. The features that
this takes are cut to [0, 1]: however wide the intervals become in the layers before, a location that sees the patch
costs the label no more than the range of its features. `pg_core.defences.interval.bounds` certifies.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from pg_core.networks.bodies.architectures import SmallMap
from pg_core.networks.bodies.pointwise import shifted
from pg_core.networks.network import Network, PlacedNetwork


@dataclass(frozen=True, slots=True)
class Interval(SmallMap):
    """`blocks` layers of `width` channels and one of `narrow`, in [0, 1]."""

    kind: ClassVar[str] = "interval"
    placed: ClassVar[type[Network]] = PlacedNetwork
    field: int = 5
    stride: int = 3
    width: int = 256
    blocks: int = 2
    narrow: int = 64

    def untrained(self, classes: int) -> nn.Module:
        side = self.image_size[0]
        return IntervalNet(side, self.field, self.stride, classes, self.width, self.blocks, self.narrow)

    def local(self, base: nn.Module, classes: int) -> nn.Module:
        assert isinstance(base, IntervalNet)
        return LocalIntervalNet(base)


class IntervalNet(nn.Module):
    """Differences of logits, clean and, for training, under the worst patch. `image_side`, `field` and `stride` are in
    pixels; `blocks` layers of `width` channels and one of `narrow` follow the convolution."""

    def __init__(
        self, image_side: int, field: int, stride: int, classes: int, width: int, blocks: int, narrow: int
    ) -> None:
        super().__init__()
        self.field = field
        self.stride = stride
        self.side = (image_side - field) // stride + 1
        sizes = (3 * field**2, width, *(width,) * blocks, narrow)
        self.linear = [nn.Linear(*pair) for pair in pairwise(sizes)]
        self.layers = nn.ModuleList(self.linear)
        self.evidence = nn.Parameter(torch.randn(classes, narrow, self.side, self.side) / narrow**0.5)
        self.bias = nn.Parameter(torch.zeros(classes))

    def features(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch narrow rows columns"]:
        """The features of each location, in [0, 1]."""
        values = shifted(images.permute(0, 2, 3, 1), (self.field, self.field), self.stride)
        for layer in self.linear:
            values = F.relu(layer(values))
        return F.relu(1.0 - values.float()).permute(0, 3, 1, 2)

    def forward(
        self,
        images: Float[Tensor, "batch 3 height width"],
        patch: Int[Tensor, ""],
        grown: Float[Tensor, ""],
    ) -> Float[Tensor, "batch 2 classes classes"]:
        """Differences of logits: of each class (third axis) over each other class (fourth axis); first without a
        patch, then their least values under a patch of `patch` x `patch` pixels, which moves the contributions of its
        worst window by the share `grown` in [0, 1] of the way to their least values. Interval bounds are never wider
        than at `grown` = 1."""
        says = self.features(images)
        local = torch.einsum("bkij,ckij->bcij", says, self.evidence)
        leads = local[:, :, None] - local[:, None]
        worst = (self.evidence[:, None] - self.evidence).clamp(max=0).sum(dim=2)
        size = -(-(int(patch) + self.field - 1) // self.stride)
        lost = F.avg_pool2d((leads - worst).flatten(0, 1), size, stride=1).amax(dim=(2, 3)) * size**2
        clean = leads.sum(dim=(3, 4))
        least = clean - grown * lost.reshape(clean.shape)
        return torch.stack([clean, least], dim=1) / self.side + (self.bias[:, None] - self.bias)


class LocalIntervalNet(nn.Module):
    """Local logits whose mean is the logits of an `IntervalNet`: the contribution of each location."""

    def __init__(self, base: IntervalNet) -> None:
        super().__init__()
        self.base = base

    def forward(
        self, images: Float[Tensor, "batch 3 height width"], top: int = 0, left: int = 0
    ) -> Float[Tensor, "batch classes rows columns"]:
        """Local logits of images in [-1, 1], or of crops of them that begin at the pixel (top, left), since each
        location has weights of its own."""
        says = self.base.features(images)
        row, column = top // self.base.stride, left // self.base.stride
        own = self.base.evidence[..., row : row + says.shape[2], column : column + says.shape[3]]
        return torch.einsum("bkij,ckij->bcij", says, own) * self.base.side + self.base.bias[:, None, None]
