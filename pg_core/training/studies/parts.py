"""What tiles and bands have in common: parts of a photo, classified one by one, of which the label loses those with
most evidence.

This is the lower bound of theory §5 for parts instead of windows.
"""

from dataclasses import dataclass

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from pg_core.training.objectives import LEAST
from pg_core.training.recipe import Recipe, Targets


@dataclass(frozen=True, slots=True)
class PartsRecipe(Recipe):
    """A network that classifies parts of a photo, one by one: `parts_per_photo` of them in a step.

    `dropped` of a photo's parts do not count for the label, those with most evidence, which is their confidence to the
    `power` (3 for sharpened evidence); `sharpness` is the power of a photo's mean evidence in the loss, `part_weight`
    the share of the parts' own cross-entropy. For each photo the cropped parts are up to `zoom` pixels smaller or
    larger, and its brightness, contrast and saturation change by factors of up to 1 + `colour`: evidence should depend
    on neither. Raises ValueError for values out of range.
    """

    parts_per_photo: int = 8
    dropped: int = 1
    power: int = 1
    sharpness: float = 1.0
    part_weight: float = 0.5
    zoom: int = 0
    colour: float = 0.0

    def __post_init__(self) -> None:
        Recipe.__post_init__(self)
        if not 0 <= self.dropped < self.parts_per_photo:
            raise ValueError(
                f"expected 0 <= dropped < parts_per_photo = {self.parts_per_photo}, got {self.dropped}"
            )
        if not (0 <= self.zoom <= self.most_zoom and self.colour >= 0):
            raise ValueError(
                f"expected 0 <= zoom <= {self.most_zoom} and colour >= 0, got {self.zoom} and {self.colour}"
            )

    @property
    def most_zoom(self) -> int:
        """The largest `zoom` for which something is left of a part, and the photo has enough pixels around it."""
        return 0

    def loss(
        self,
        logits: Float[Tensor, "*outputs"],
        labels: Int[Tensor, "photos"],
        targets: Targets,
        part_targets: Float[Tensor, "parts classes"] | None = None,
    ) -> Float[Tensor, ""]:
        parts = logits.reshape(len(labels), -1, logits.shape[-1])
        wanted = targets.repeat_interleave(parts.shape[1], dim=0) if part_targets is None else part_targets
        of_photos = masked_loss(parts, labels, targets, self.dropped, self.power, self.sharpness)
        return of_photos + self.part_weight * F.cross_entropy(parts.flatten(0, 1), wanted)


def masked_loss(
    part_logits: Float[Tensor, "photos parts classes"],
    labels: Int[Tensor, "photos"],
    targets: Targets,
    dropped: int,
    power: int,
    sharpness: float,
) -> Float[Tensor, ""]:
    """Cross-entropy of the photos' evidence, the label without its `dropped` best parts.

    The evidence of a class is the mean of its confidences to the `power`; the probabilities of the loss are
    proportional to it to the power `sharpness`. The label loses as in the lower bound of theory §5, the other classes
    nothing, as in the upper bound.
    """
    photos, parts, _ = part_logits.shape
    confidence = part_logits.softmax(dim=-1) ** power
    own = confidence.gather(2, labels[:, None, None].expand(photos, parts, 1))[..., 0]
    kept = own.sum(dim=1) - own.topk(dropped, dim=1).values.sum(dim=1)
    evidence = confidence.sum(dim=1).scatter(1, labels[:, None], kept[:, None]) / parts
    return F.cross_entropy(sharpness * (evidence + LEAST).log(), targets)
