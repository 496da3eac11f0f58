"""A network for interval bounds ([IBP], Chiang et al. 2020): made local, and with intervals that cannot grow.

A convolution without padding, layers at each location alone, and a linear layer on all locations. What a location
passes on to that lies in [0, 1], so the intervals of a patch, which double with every layer of random weights, end
there: a location that is lost costs no more than it can say. `pg_core.defences.interval.bounds` certifies.
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
    """Logits, and in training how far an adversary gets. `image_side`, `field` and `stride` are in pixels; `blocks`
    layers of `width` channels and one of `narrow` follow the convolution."""

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
        """What each location says, in [0, 1]."""
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
        """By how much the logit of each class (third axis) exceeds that of each class (fourth axis): without a patch,
        and at least, where a patch of `patch` x `patch` pixels moves all that its worst window of locations says by
        the share `grown` of the way to the worst in [0, 1]. Intervals are never wider."""
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
    """Local logits whose mean are the logits of an `IntervalNet`: what each location adds to them."""

    def __init__(self, base: IntervalNet) -> None:
        super().__init__()
        self.base = base

    def forward(
        self, images: Float[Tensor, "batch 3 height width"], top: int = 0, left: int = 0
    ) -> Float[Tensor, "batch classes rows columns"]:
        """Local logits of images in [-1, 1], or of crops of them that begin at the pixel (top, left): what is said is
        weighed for each location in its own way."""
        says = self.base.features(images)
        row, column = top // self.base.stride, left // self.base.stride
        own = self.base.evidence[..., row : row + says.shape[2], column : column + says.shape[3]]
        return torch.einsum("bkij,ckij->bcij", says, own) * self.base.side + self.base.bias[:, None, None]
