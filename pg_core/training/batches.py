"""The batch of a training step, drawn from the seed and the step alone, so that a run that goes on sees the same
batches.

Photos are augmented by a few lines of ours: the transforms of torchvision.transforms.v2 draw from torch's one
generator, which the threads of a step would share, and its functions clip to [0, 1] after each change of colour.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from pg_core.datasets.folders import LabelledPhoto, framed_in_folder
from pg_core.geometry import Size
from pg_core.networks.base import Pixels
from pg_core.photos.read import to_photo
from pg_core.training.recipe import Recipe

_SMALL = 64
"""Photos that become at most this many pixels high and wide stay in memory: a whole CIFAR-10 takes 154 MB."""


def batch(
    photos: tuple[LabelledPhoto, ...], image_size: Size, recipe: Recipe, step: int, shard: int
) -> tuple[tuple[Tensor, ...], Int[Tensor, "photos"]]:
    """The inputs of the network for one shard of a step, and the indices of its photos."""
    epoch, place = divmod(step, max(1, len(photos) // recipe.photos_per_step))
    order = np.random.default_rng([recipe.seed, epoch]).permutation(len(photos))
    share = recipe.photos_per_step // recipe.shards
    first = place * recipe.photos_per_step + shard * share
    generator = np.random.default_rng([recipe.seed, 1, step, shard])
    chosen = torch.from_numpy(order[first : first + share])
    images = [_mirrored(pixels_of(photos[index].path, image_size), generator) for index in chosen]
    return recipe.inputs(images, step, generator), chosen


def moved(pixels: Pixels, shift: int, generator: np.random.Generator, zoom: int = 0) -> Pixels:
    """A photo translated by up to `shift` pixels each way and scaled so that up to `zoom` pixels more or fewer are
    shown; beyond its border it is mirrored."""
    height, width = pixels.shape[1:]
    more = int(generator.integers(-zoom, zoom + 1)) if zoom else 0
    top, left = generator.integers(0, 2 * shift - more + 1, 2)
    around = np.pad(pixels, ((0, 0), (shift, shift), (shift, shift)), mode="reflect")
    shown = around[:, top : top + height + more, left : left + width + more]
    if more == 0:
        return shown
    return F.interpolate(torch.from_numpy(shown)[None], (height, width), mode="bilinear")[0].numpy()


def coloured(pixels: Pixels, most: float, generator: np.random.Generator) -> Pixels:
    """A photo with its brightness, contrast and saturation changed by factors within 1/(1 + most) and 1 + most."""
    if most == 0:
        return pixels
    factors = (1 + most) ** generator.uniform(-1, 1, 3)
    brightness, contrast, saturation = factors.astype(np.float32)
    grey = pixels.mean(axis=0, keepdims=True)
    coloured = grey + saturation * (pixels - grey)
    middle = grey.mean()
    return np.clip(brightness * (middle + contrast * (coloured - middle)), 0, 1)


def signed(pixels: Float[np.ndarray, "batch 3 height width"]) -> Float[Tensor, "batch 3 height width"]:
    """Pixels in [-1, 1], as the networks here see them."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).mul_(2).sub_(1)


def pixels_of(path: Path, image_size: Size) -> Pixels:
    """A photo at the size that the network sees, in [0, 1]; raises ImageError for a file that is no photo."""
    if max(image_size) > _SMALL:
        return framed_in_folder(path, image_size).pixels
    return _kept(path, image_size).transpose(2, 0, 1).astype(np.float32) / np.float32(255)


@lru_cache(maxsize=100_000)
def _kept(path: Path, image_size: Size) -> UInt8[np.ndarray, "height width 3"]:
    return np.asarray(to_photo(framed_in_folder(path, image_size).pixels))


def _mirrored(pixels: Pixels, generator: np.random.Generator) -> Pixels:
    return pixels[..., ::-1] if generator.random() < 0.5 else pixels
