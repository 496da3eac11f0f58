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
    al. 2020), on photos mirrored at random and moved by up to `shift` pixels.

    The adversary's reach grows from nothing to all of it in the first `growth` steps; `share` is that of the worst
    patch in the loss, the rest is that of no patch.
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
        """The adversary's reach in a step, counted from 0."""
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
    """Cross-entropy of logits as far as the label's least leads allow: those under the worst patch, where each class
    gets as near to the label as it gets anywhere, count `share`; those without a patch the rest."""
    clean, worst = leads[torch.arange(len(labels)), :, labels].unbind(dim=1)
    return (1 - share) * F.cross_entropy(-clean, targets) + share * F.cross_entropy(-worst, targets)


STUDY = Study(Interval(), IntervalRecipe(), "cifar10-interval", "cifar10")
