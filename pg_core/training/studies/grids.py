"""Whole grids of square tiles, of which label and rival lose the two windows that double masking on features takes."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from pg_core.geometry import ReceptiveField
from pg_core.networks import IMAGENETTE
from pg_core.networks.base import Pixels
from pg_core.networks.bodies.architectures import Architecture
from pg_core.networks.bodies.tiles import SquareTiles
from pg_core.training.objectives import LEAST, double_masking_loss
from pg_core.training.recipe import Recipe, Study, Targets
from pg_core.training.studies.tiles import tile_classifier
from pg_core.training.views import grid_of_tiles, varied


@dataclass(frozen=True, slots=True)
class GridRecipe(Recipe):
    """Every `every`-th tile of a photo, down and across, from a random corner: tiles of `tile` pixels, `stride` apart
    in the map, of which the network sees `side`.

    Label and rival lose the two windows of theory §9 that a patch of `patch` x `patch` pixels reaches on that grid.
    Evidence is the confidence to the `power`, `sharpness` the power of its mean in the loss; `clean_weight` is the
    share of the loss of all evidence, `part_weight` that of the tiles' own cross-entropy. A photo is a random crop of
    `least_area` to all of it, its colours change by up to 1 + `colour`. Raises ValueError for values out of range.
    """

    teaches_parts: ClassVar[bool] = True
    photos_per_step: int = 8
    steps: int = 5000
    peak_rate: float = 6e-4
    relative: bool = True
    orthogonal: bool = False
    warmup: int = 100
    decay: float = 0.7
    weight_decay: float = 0.0
    bfloat16: bool = False
    held_out: int = 400
    tile: int = 33
    stride: int = 11
    side: int = 64
    every: int = 2
    patch: int = 32
    power: int = 3
    sharpness: float = 2.0
    clean_weight: float = 0.25
    part_weight: float = 0.5
    least_area: float = 0.6
    colour: float = 0.35

    def __post_init__(self) -> None:
        Recipe.__post_init__(self)
        if min(self.tile, self.stride, self.side, self.every, self.patch, self.power) < 1:
            raise ValueError(
                "expected tile, stride, side, every, patch and power >= 1, got "
                f"{self.tile}, {self.stride}, {self.side}, {self.every}, {self.patch} and {self.power}"
            )
        if not (0 < self.least_area <= 1 and self.colour >= 0):
            raise ValueError(
                f"expected 0 < least_area <= 1 and colour >= 0, got {self.least_area} and {self.colour}"
            )

    def begin(self, network: Architecture, classes: int) -> nn.Module:
        """The pretrained EfficientNet-Lite, with a head for ImageNette's ten classes."""
        if not isinstance(network, SquareTiles):
            raise ValueError(f"expected a network of square tiles, got {network}")
        return tile_classifier(IMAGENETTE, network.lite)

    def inputs(self, images: list[Pixels], step: int, generator: np.random.Generator) -> tuple[Tensor, ...]:
        photos = torch.from_numpy(np.rint(np.stack(images) * 255).astype(np.uint8))
        height, width = photos.shape[-2:]
        if self.tile > min(height, width):
            raise ValueError(f"expected tile <= {min(height, width)}, the photo's side, got {self.tile}")
        distance = self.stride * self.every
        down, right = ((length - self.tile) % distance + 1 for length in (height, width))
        corner = int(generator.integers(down)), int(generator.integers(right))
        shown = varied(photos, self.least_area, self.colour, generator)
        return (grid_of_tiles(shown, self.tile, distance, self.side, corner),)

    def loss(
        self,
        logits: Float[Tensor, "*outputs"],
        labels: Int[Tensor, "photos"],
        targets: Targets,
        part_targets: Float[Tensor, "parts classes"] | None = None,
    ) -> Float[Tensor, ""]:
        parts = len(logits) // len(labels)
        rows = math.isqrt(parts)
        confidence = logits.softmax(dim=-1) ** self.power
        evidence = confidence.view(len(labels), rows, parts // rows, -1).permute(0, 3, 1, 2)
        distance = self.stride * self.every
        field = ReceptiveField((self.tile, self.tile), (distance, distance))
        window = min(rows, parts // rows, field.window_size((self.patch, self.patch))[0])
        provable = double_masking_loss(evidence, labels, targets, window, self.sharpness)
        clean = F.cross_entropy(self.sharpness * (evidence.mean(dim=(2, 3)) + LEAST).log(), targets)
        wanted = targets.repeat_interleave(parts, dim=0) if part_targets is None else part_targets
        return provable + self.clean_weight * clean + self.part_weight * F.cross_entropy(logits, wanted)


STUDY = Study(SquareTiles(lite=2), GridRecipe(), "imagenette-grids", "imagenette", teacher="tiles")
