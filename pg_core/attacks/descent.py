"""Projected gradient descent on the contents of one patch, with momentum and in several restarts at once (theory §12).

Only the crop that the patch touches is run; under masks on pixels (PatchCleanser) that crop of each masked image. Not
here: where the contents begin and when an attack has succeeded, see `pg_core.attacks.pixels`.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64
from torch import Tensor

from pg_core.analysis.inputs import supply
from pg_core.analysis.photo import Analysis
from pg_core.attacks.objectives import Maps, Objective
from pg_core.defences.base import ALERT, Defence
from pg_core.defences.patchcleanser.inference import GREY
from pg_core.defences.patchcleanser.pixels import PatchCleanser
from pg_core.geometry import Patch, cells
from pg_core.networks.base import Pixels
from pg_core.networks.network import Network
from pg_core.photos.inference import update
from pg_core.photos.patches import PatchPixels, paste

MOMENTUM = 0.75


class Descent:
    """The contents of a patch in each restart, and what the network sees of the image with them: the image as it is,
    or, for PatchCleanser, the image under each single mask that does not hide the patch.

    start are the initial contents in [0, 1], shares the factor of each restart's step size. Raises ValueError for a
    placement that is not inside the image.
    """

    def __init__(
        self,
        analysis: Analysis,
        model: Network,
        placement: Patch,
        start: Float32[np.ndarray, "restarts 3 height width"],
        shares: Float32[np.ndarray, "restarts"],
    ) -> None:
        pixels = analysis.features.pixels
        # Checks the placement, too.
        paste(pixels, placement, start[0])
        self._analysis, self._model, self._placement = analysis, model, placement
        self._window = analysis.footprint(placement)
        self._masks = _masks(analysis.defence, placement)
        device = model.mean.device
        self._contents = torch.tensor(start, device=device)
        self._velocity = torch.zeros_like(self._contents)
        self._shares = torch.tensor(shares, device=device)[:, None, None, None]
        if self._masks:
            seen = [_masked(pixels, mask) for mask in self._masks.values()]
            maps = [model.local_logits(image) for image in seen]
        else:
            seen, maps = [pixels], [analysis.features.local_logits]
        self._images = torch.tensor(np.stack(seen), device=device).repeat(len(start), 1, 1, 1, 1)
        self._maps = torch.tensor(np.stack(maps), device=device).repeat(len(start), 1, 1, 1)
        self._hidden = torch.tensor(_hidden(tuple(self._masks.values()), placement), device=device)

    @property
    def views(self) -> int:
        """The number of images that the network sees in each restart."""
        return max(1, len(self._masks))

    def step(self, goal: Objective, size: float) -> Float64[np.ndarray, "restarts"]:
        """Move all contents by one step against the sign of the gradient, of `size` in [0, 1] of the range of a
        colour; returns the losses before it, summed over the views."""
        placed = self._images[..., *self._placement.slices]
        placed.copy_(torch.where(self._hidden, placed, self._contents[:, None]))
        losses, gradient = self._model.descent(
            self._images.flatten(0, 1), self._window, lambda seen: goal(self._whole_maps(seen))
        )
        slopes = gradient.reshape(self._images.shape)[..., *self._placement.slices]
        # What is under a mask is none of the contents.
        slope = slopes.masked_fill(self._hidden, 0.0).sum(dim=1)
        # Steps of equal weight: a gradient that shrinks by far would be forgotten.
        slope = slope / slope.abs().mean(dim=(1, 2, 3), keepdim=True).clamp(min=1e-12)
        self._velocity = MOMENTUM * self._velocity + slope
        self._contents = (self._contents - size * self._shares * self._velocity.sign()).clamp(0.0, 1.0)
        return losses.reshape(-1, self.views).sum(dim=1).to(torch.float64).cpu().numpy()

    def keep(self, restarts: list[int]) -> None:
        """Go on with these restarts alone, in this order."""
        self._contents, self._velocity = self._contents[restarts], self._velocity[restarts]
        self._shares, self._images = self._shares[restarts], self._images[restarts]
        maps = self._maps.reshape(-1, self.views, *self._maps.shape[1:])
        self._maps = maps[restarts].flatten(0, 1)

    def of_8_bits(self) -> Float32[np.ndarray, "restarts 3 height width"]:
        """The contents rounded to multiples of 1/255, as a file can hold them."""
        levels = (self._contents.cpu().numpy() * 255).round().astype(np.uint8)
        return levels.astype(np.float32) / np.float32(255)

    def seems_broken(self, contents: PatchPixels, label: int) -> bool:
        """Whether the defence, or for PatchCleanser the majority of its first round, predicts another class than the
        label, from runs on the crop alone."""
        if self._masks:
            return self._majority(contents) != label
        features = update(self._analysis.features, self._model, self._placement, contents)
        said = self._analysis.defence.predict(supply(self._analysis.defence, features, self._model)[0])
        return int(said.label) not in (label, ALERT)

    def _majority(self, contents: PatchPixels) -> int:
        """The class that most single masks leave; those that hide the patch say what they said without it."""
        attacked = paste(self._analysis.features.pixels, self._placement, contents)
        said = np.diagonal(self._analysis.values.argmax(axis=0)).copy()
        map_size = self._analysis.features.map_size
        for (number, mask), maps in zip(self._masks.items(), self._maps.cpu().numpy(), strict=False):
            if self._window is not None:
                seen = self._model.local_logits(_masked(attacked, mask), self._window)
                maps[:, *cells(self._window, map_size)] = seen
            said[number] = maps.mean(axis=(-2, -1), dtype=np.float64).argmax()
        return int(np.bincount(said).argmax())

    def _whole_maps(self, seen: Maps) -> Float[Tensor, "batch classes map_rows map_columns"]:
        if self._window is None:
            return self._maps + 0.0 * seen.sum()
        maps = self._maps.clone()
        maps[:, :, *cells(self._window, self._analysis.features.map_size)] = seen
        return maps


def _masks(defence: Defence, placement: Patch) -> dict[int, Patch]:
    """The masks of PatchCleanser that leave something of a patch, by their numbers; none of another defence."""
    if not isinstance(defence, PatchCleanser):
        return {}
    masks = {number: defence.masks.at(number) for number in range(defence.masks.count)}
    return {number: mask for number, mask in masks.items() if not _under(mask, placement).all()}


def _masked(pixels: Pixels, mask: Patch) -> Pixels:
    masked = pixels.copy()
    masked[:, *mask.slices] = GREY
    return masked


def _hidden(masks: tuple[Patch, ...], placement: Patch) -> Bool[np.ndarray, "1 views 1 height width"]:
    """Which pixels of a patch lie under the mask of each view."""
    hidden = [_under(mask, placement) for mask in masks] or [np.zeros(placement.size, bool)]
    return np.stack(hidden)[None, :, None]


def _under(mask: Patch, placement: Patch) -> Bool[np.ndarray, "height width"]:
    rows = placement.top + np.arange(placement.height)[:, None]
    columns = placement.left + np.arange(placement.width)
    return (mask.top <= rows) & (rows < mask.bottom) & (mask.left <= columns) & (columns < mask.right)
