"""A small network whose logits stay within intervals that are easy to keep narrow: Chiang et al. 2020, made local.

A convolution without padding, layers at each location alone, and a linear layer on all locations. The intervals of a
patch travel as the window of the features that see it, as in `pg_core.defences.interval`, which certifies.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from pg_core.geometry import Patch, ReceptiveField, Window, Windows
from pg_core.models.network import Network


class IntervalNet(nn.Module):
    """Logits, and in training how far the adversary gets. `image_side`, `field` and `stride` are in pixels; `blocks`
    layers of `width` channels and one of `narrow` follow the convolution."""

    def __init__(
        self, image_side: int, field: int, stride: int, classes: int, width: int, blocks: int, narrow: int
    ) -> None:
        super().__init__()
        channels = (width,) * (blocks + 1) + (narrow,)
        self.layers = [nn.Conv2d(3, width, field, stride)]
        self.layers += [nn.Conv2d(*pair, 1) for pair in pairwise(channels)]
        self.convolutions = nn.ModuleList(self.layers)
        self.side = (image_side - field) // stride + 1
        self.last = nn.Linear(narrow * self.side**2, classes)

    def forward(
        self,
        images: Float[Tensor, "batch 3 height width"],
        patches: Int[Tensor, "placements 4"],
        grown: Float[Tensor, ""],
    ) -> Float[Tensor, "batch outcomes classes classes"]:
        """The least that the logit of each class (third axis) can exceed that of each class (fourth axis) by: without
        a patch, and under each patch (top, left, height, width), whose pixels in [-1, 1] may leave theirs by the
        share `grown` of the way to either end."""
        clean, blocks = images, []
        for top, left, height, width in patches.tolist():
            patch = Patch(top, left, height, width)
            shown = images[..., *patch.slices]
            blocks.append(_Block(patch, shown + grown * (-1.0 - shown), shown + grown * (1.0 - shown)))
        for layer in self.layers:
            outputs = F.relu(layer(clean))
            blocks = _through(layer, clean, blocks, outputs)
            clean = outputs
        logits = self.last(clean.flatten(1))
        classes = logits.shape[1]
        leads = logits[:, :, None] - logits[:, None]
        weights = self.last.weight.reshape(classes, -1, self.side, self.side)
        outcomes = [leads]
        for block in blocks:
            inside = weights[..., *block.at.slices].flatten(1)
            pairs = (inside[:, None] - inside).flatten(0, 1)
            moved = ((block.low + block.high) / 2 - clean[..., *block.at.slices]).flatten(1)
            reach = ((block.high - block.low) / 2).flatten(1)
            outcomes.append(leads + (moved @ pairs.T - reach @ pairs.abs().T).reshape(leads.shape))
        return torch.stack(outcomes, dim=1)


class LocalIntervalNet(nn.Module):
    """Local logits whose mean are the logits of an `IntervalNet`: what each location adds to them."""

    def __init__(self, base: IntervalNet) -> None:
        super().__init__()
        self.base = base

    def forward(
        self, images: Float[Tensor, "batch 3 height width"], top: int = 0, left: int = 0
    ) -> Float[Tensor, "batch classes rows columns"]:
        """Local logits of images in [-1, 1], or of a crop whose map begins at a row and a column of the image's: the
        weights of a location are its own."""
        values = images
        for layer in self.base.layers:
            values = F.relu(layer(values))
        last, side = self.base.last, self.base.side
        weights = last.weight.reshape(len(last.bias), -1, side, side)
        own = weights[..., top : top + values.shape[-2], left : left + values.shape[-1]]
        return torch.einsum("bcij,ycij->byij", values, own) * side**2 + last.bias[:, None, None]


class PlacedNetwork(Network):
    """A network whose body is a `LocalIntervalNet`: what a window of its map says depends on where it is."""

    def window(
        self, images: Float[Tensor, "1 3 height width"], window: Window
    ) -> Float[Tensor, "1 classes rows columns"]:
        """Local logits of a window of an image, from no other pixels than it sees."""
        crop, _ = self.receptive_field.crop(window, (images.shape[-2], images.shape[-1]))
        inside = self.normalised(images[..., *crop.slices].contiguous())
        return self.body(inside, window.top, window.left)


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """Intervals in a box of a layer, the same box in each image; everything outside is as it is without a patch."""

    at: Patch
    low: Float[Tensor, "batch channels height width"]
    high: Float[Tensor, "batch channels height width"]


def _through(
    layer: nn.Conv2d,
    clean: Float[Tensor, "batch channels height width"],
    blocks: Sequence[_Block],
    outputs: Float[Tensor, "batch outputs output_height output_width"],
) -> list[_Block]:
    """The blocks after a convolution and the ReLU. What a layer gives is pixels to the next one."""
    if not blocks:
        return []
    field = ReceptiveField((layer.kernel_size[0],) * 2, (layer.stride[0],) * 2)
    map_size = outputs.shape[-2], outputs.shape[-1]
    windows = Windows(map_size, field.window_size(blocks[0].at.size))
    places, lows, highs = [], [], []
    for block in blocks:
        seen = windows.containing(field.footprint(block.at, map_size) or Window(0, 0, 1, 1))
        places.append(Patch(seen.top, seen.left, *seen.size))
        box = field.pixels(seen)
        lows.append(_around(clean, block.at, block.low, box))
        highs.append(_around(clean, block.at, block.high, box))
    low, high = torch.cat(lows), torch.cat(highs)
    middle = layer((low + high) / 2)
    reach = F.conv2d((high - low) / 2, layer.weight.abs(), stride=layer.stride)
    bounds = (torch.split(F.relu(bound), len(clean)) for bound in (middle - reach, middle + reach))
    return [_Block(place, *pair) for place, *pair in zip(places, *bounds, strict=True)]


def _around(
    clean: Float[Tensor, "batch channels height width"],
    at: Patch,
    values: Float[Tensor, "batch channels block_height block_width"],
    box: Patch,
) -> Float[Tensor, "batch channels box_height box_width"]:
    """The values where the box meets the block that they fill, and the clean ones elsewhere in it."""
    around = clean[..., *box.slices].clone()
    top, left = max(at.top, box.top), max(at.left, box.left)
    height, width = min(at.bottom, box.bottom) - top, min(at.right, box.right) - left
    if height > 0 and width > 0:
        inside = Patch(top - box.top, left - box.left, height, width)
        shown = Patch(top - at.top, left - at.left, height, width)
        around[..., *inside.slices] = values[..., *shown.slices]
    return around
