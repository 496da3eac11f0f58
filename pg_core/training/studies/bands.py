"""Column bands, each classified on its own (Mask-DS, de-randomized smoothing)."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor

from pg_core.networks.base import Pixels
from pg_core.networks.bodies.narrow_bands import Bands
from pg_core.training.batches import coloured, moved, signed
from pg_core.training.recipe import Study
from pg_core.training.studies.parts import PartsRecipe


@dataclass(frozen=True, slots=True)
class BandRecipe(PartsRecipe):
    """Bands of `width` columns that wrap around the right edge, evenly spread but for up to `jitter` columns; photos
    are mirrored at random and translated by up to `shift` pixels."""

    parts_per_photo: int = 4
    sharpness: float = 2.0
    width: int = 4
    jitter: int = 2
    shift: int = 4

    @property
    def most_zoom(self) -> int:
        return 2 * self.shift

    def inputs(self, images: list[Pixels], step: int, generator: np.random.Generator) -> tuple[Tensor, ...]:
        varied = [
            coloured(moved(image, self.shift, generator, self.zoom), self.colour, generator)
            for image in images
        ]
        return _bands(np.stack(varied), self, generator)


def _bands(
    images: Float32[np.ndarray, "photos 3 rows columns"], recipe: BandRecipe, generator: np.random.Generator
) -> tuple[Float[Tensor, "bands 3 rows width"], Int[Tensor, "bands"]]:
    """Bands photo by photo, in [-1, 1], and the columns that they begin with."""
    photos, columns = len(images), images.shape[-1]
    spread = np.arange(recipe.parts_per_photo) * columns // recipe.parts_per_photo
    jitter = generator.integers(0, recipe.jitter + 1, (photos, recipe.parts_per_photo))
    first = (generator.integers(0, columns, (photos, 1)) + spread + jitter) % columns
    inside = (first[..., None] + np.arange(recipe.width)) % columns
    bands = np.take_along_axis(images[:, None], inside[:, :, None, None, :], axis=-1)
    return signed(bands.reshape(-1, *bands.shape[2:])), torch.from_numpy(first.reshape(-1))


STUDY = Study(Bands(), BandRecipe(), "cifar10-bands", "cifar10")
