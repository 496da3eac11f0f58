"""How a network is trained, as a value whose fields are options of the command line; each network has its own in
`pg_core.training.studies`. Not here: the steps, see `pg_core.training.loop`."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from pg_core.networks.base import Pixels
from pg_core.networks.bodies.architectures import Architecture

Targets = Int[Tensor, "photos"] | Float[Tensor, "photos classes"]
"""The targets of a cross-entropy: indices of classes, or probabilities of all classes."""


@dataclass(frozen=True, slots=True)
class Recipe(ABC):
    """The settings that all training has in common, with defaults for images of 32x32 pixels.

    Two runs with equal recipes, photos and machine end in equal weights. The rate rises for `warmup` steps, stays at
    `peak_rate`, and falls to 0 over the last part `decay` of the steps. A `relative` rate is in units of the root mean
    square of each tensor at the beginning (folded batch normalisation leaves some a hundred times larger than others).
    Large matrices follow their momentum made `orthogonal` (Muon, Jordan 2024), all other weights AdamW. `weight_decay`
    is of matrices alone; gradients are clipped to a norm of `largest_gradient`. The result is the exponential moving
    average of the weights, with the decay `averaging`. `shards` threads share a step. With a teacher (knowledge
    distillation) its probabilities are the share `teacher_share` of the targets, in [0, 1], and the label is the rest.
    With `bfloat16` matrix products are rounded to it on a CPU too, as they always are on CUDA. Raises ValueError for
    values out of range.
    """

    teaches_parts: ClassVar[bool] = False
    """Whether a teacher runs on the parts that the network sees, in each step, and not once on each photo."""
    photos_per_step: int = 128
    steps: int = 6750
    peak_rate: float = 1.5e-3
    relative: bool = False
    orthogonal: bool = True
    warmup: int = 500
    decay: float = 0.6
    weight_decay: float = 0.05
    largest_gradient: float = 1.0
    averaging: float = 0.998
    bfloat16: bool = True
    held_out: int = 2000
    shards: int = 2
    seed: int = 0
    teacher_share: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.teacher_share <= 1:
            raise ValueError(f"expected 0 <= teacher_share <= 1, got {self.teacher_share}")
        if self.steps < 1 or self.photos_per_step % self.shards:
            raise ValueError(
                f"expected steps >= 1 and photos_per_step a multiple of {self.shards} shards, "
                f"got {self.steps} and {self.photos_per_step}"
            )

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        falling = (self.steps - step) / max(1.0, self.decay * self.steps)
        return self.peak_rate * min(1.0, (step + 1) / self.warmup, falling)

    def begin(self, network: Architecture, classes: int) -> nn.Module:
        """The network to be trained, before the first step: random weights of the seed."""
        torch.manual_seed(self.seed)
        return network.untrained(classes)

    @abstractmethod
    def inputs(self, images: list[Pixels], step: int, generator: np.random.Generator) -> tuple[Tensor, ...]:
        """The inputs of the network for some photos in a step; all that is random is drawn from the generator."""

    @abstractmethod
    def loss(
        self,
        logits: Float[Tensor, "*outputs"],
        labels: Int[Tensor, "photos"],
        targets: Targets,
        part_targets: Float[Tensor, "parts classes"] | None = None,
    ) -> Float[Tensor, ""]:
        """The loss of the logits of the network for these photos.

        Masks and adversaries act on the labels. The targets of the cross-entropies are the labels too, or with a
        teacher probabilities (knowledge distillation, Hinton et al. 2015): of photos, or of all their parts, photo by
        photo.
        """


@dataclass(frozen=True, slots=True)
class Study:
    """A network, its recipe unless options say otherwise, the name of its weights, the data set whose classes it has,
    and the study whose network may be its teacher."""

    network: Architecture
    recipe: Recipe
    name: str
    dataset: str
    teacher: str = "whole"
