"""Networks for interval bounds ([IBP]): the label has to lead under the worst patch (theory §8)."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from pg_core.networks.base import Pixels
from pg_core.networks.bodies.interval_net import Interval
from pg_core.training.batches import moved, signed
from pg_core.training.recipe import Recipe, Study, Targets


@dataclass(frozen=True, slots=True)
class IntervalRecipe(Recipe):
    """A network whose intervals under patches of `patch` x `patch` pixels leave the label in front ([IBP], Chiang et
    al. 2020), on photos mirrored at random and translated by up to `shift` pixels.

    The adversary's reach grows from 0 to 1 in the first `growth` steps; the loss is the cross-entropy under the worst
    patch, weighted by `share` in [0, 1], and that without a patch, weighted by the rest. Raises ValueError for values
    out of range.
    """

    steps: int = 10000
    patch: int = 5
    share: float = 0.75
    growth: int = 2000
    shift: int = 4

    def __post_init__(self) -> None:
        Recipe.__post_init__(self)
        if self.patch < 1 or self.growth < 1 or not 0 <= self.share <= 1:
            raise ValueError(
                f"expected patch and growth >= 1 and 0 <= share <= 1, got {self.patch}, {self.growth} and "
                f"{self.share}"
            )

    def grown(self, step: int) -> float:
        """The adversary's reach in a step, counted from 0, in [0, 1]."""
        return min(1.0, step / self.growth)

    def inputs(self, images: list[Pixels], step: int, generator: np.random.Generator) -> tuple[Tensor, ...]:
        shown = np.stack([moved(image, self.shift, generator) for image in images])
        grown = torch.tensor(self.grown(step), dtype=torch.float32)
        return signed(shown), torch.tensor(self.patch), grown

    def loss(
        self,
        logits: Float[Tensor, "*outputs"],
        labels: Int[Tensor, "photos"],
        targets: Targets,
        part_targets: Float[Tensor, "parts classes"] | None = None,
    ) -> Float[Tensor, ""]:
        return interval_loss(logits, labels, targets, self.share)


def interval_loss(
    leads: Float[Tensor, "batch 2 classes classes"],
    labels: Int[Tensor, "batch"],
    targets: Targets,
    share: float,
) -> Float[Tensor, ""]:
    """Cross-entropy of the differences between the label's logit and each class's: their least values under the worst
    patch for each class have the weight `share`, those without a patch the rest."""
    clean, worst = leads[torch.arange(len(labels)), :, labels].unbind(dim=1)
    return (1 - share) * F.cross_entropy(-clean, targets) + share * F.cross_entropy(-worst, targets)


STUDY = Study(Interval(), IntervalRecipe(), "cifar10-interval", "cifar10")
