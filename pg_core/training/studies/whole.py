"""Whole photos: a network without a certificate, the teacher of the others (knowledge distillation)."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from pg_core.networks.base import Pixels
from pg_core.networks.bodies.whole import Whole
from pg_core.training.batches import moved, signed
from pg_core.training.recipe import Recipe, Study, Targets


@dataclass(frozen=True, slots=True)
class WholeRecipe(Recipe):
    """A network that sees whole photos, mirrored at random, translated by up to `shift` pixels and grey in a square of
    `erased` x `erased` pixels, which may reach outside (Cutout, DeVries and Taylor 2017)."""

    steps: int = 2600
    peak_rate: float = 2e-3
    warmup: int = 500
    decay: float = 0.8
    orthogonal: bool = False
    shift: int = 4
    erased: int = 8

    def inputs(self, images: list[Pixels], step: int, generator: np.random.Generator) -> tuple[Tensor, ...]:
        shown = [_erased(moved(image, self.shift, generator), self.erased, generator) for image in images]
        return (signed(np.stack(shown)).contiguous(memory_format=torch.channels_last),)

    def loss(
        self,
        logits: Float[Tensor, "*outputs"],
        labels: Int[Tensor, "photos"],
        targets: Targets,
        part_targets: Float[Tensor, "parts classes"] | None = None,
    ) -> Float[Tensor, ""]:
        return F.cross_entropy(logits, targets)


def _erased(pixels: Pixels, side: int, generator: np.random.Generator) -> Pixels:
    """A photo that is grey in a square whose middle is anywhere."""
    top, left = generator.integers(-(side // 2), np.array(pixels.shape[1:]) - side // 2)
    erased = pixels.copy()
    erased[:, max(0, top) : max(0, top + side), max(0, left) : max(0, left + side)] = 0.5
    return erased


STUDY = Study(Whole(), WholeRecipe(), "cifar10-whole", "cifar10")
