"""What a step of training looks at, from the seed and the step alone, so that no state can be lost.

Photos are varied by a few lines of ours: the transforms of torchvision.transforms.v2 draw from torch's one generator,
which the threads of a step would share, and its functions cut to [0, 1] after each of the changes of colour.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32, Int, UInt8
from torch import Tensor

from pg_core.datasets.folders import LabelledPhoto, framed_in_folder
from pg_core.geometry import Size
from pg_core.networks.base import Pixels
from pg_core.photos.read import to_photo
from pg_core.training.recipe import (
    BandRecipe,
    IntervalRecipe,
    MapRecipe,
    Recipe,
    TileRecipe,
    WholeRecipe,
)

_SMALL = 64
"""Photos that become at most this many pixels high and wide stay in memory: a whole CIFAR-10 takes 154 MB."""


def batch(
    photos: tuple[LabelledPhoto, ...], image_size: Size, recipe: Recipe, step: int, shard: int
) -> tuple[tuple[Tensor, ...], Int[Tensor, "photos"]]:
    """A shard's inputs for the network in a step, and which of the photos they are."""
    epoch, place = divmod(step, max(1, len(photos) // recipe.photos_per_step))
    order = np.random.default_rng([recipe.seed, epoch]).permutation(len(photos))
    share = recipe.photos_per_step // recipe.shards
    first = place * recipe.photos_per_step + shard * share
    generator = np.random.default_rng([recipe.seed, 1, step, shard])
    chosen = torch.from_numpy(order[first : first + share])
    images = [_mirrored(pixels_of(photos[index].path, image_size), generator) for index in chosen]
    match recipe:
        case TileRecipe():
            return (_tiles(images, recipe, generator),), chosen
        case BandRecipe():
            varied = [
                _coloured(_moved(image, recipe.shift, generator, recipe.zoom), recipe.colour, generator)
                for image in images
            ]
            return _bands(np.stack(varied), recipe, generator), chosen
        case MapRecipe():
            moved = np.stack([_moved(image, recipe.shift, generator) for image in images])
            corner = generator.integers(0, recipe.training_stride, 2)
            top, left = corner
            return (signed(moved[..., top:, left:]), *torch.from_numpy(corner)), chosen
        case IntervalRecipe():
            moved = np.stack([_moved(image, recipe.shift, generator) for image in images])
            grown = torch.tensor(recipe.grown(step), dtype=torch.float32)
            return (signed(moved), torch.tensor(recipe.patch), grown), chosen
        case WholeRecipe():
            moved = np.stack(
                [
                    _erased(_moved(image, recipe.shift, generator), recipe.erased, generator)
                    for image in images
                ]
            )
            return (signed(moved).contiguous(memory_format=torch.channels_last),), chosen
        case _:
            raise TypeError(f"expected a recipe with batches, got {type(recipe).__name__}")


def _tiles(
    images: list[Pixels], recipe: TileRecipe, generator: np.random.Generator
) -> Float[Tensor, "tiles 3 side side"]:
    """Tiles from anywhere, photo by photo, in [-1, 1]."""
    tiles = []
    for pixels in images:
        tile = recipe.tile + int(generator.integers(-recipe.zoom, recipe.zoom + 1))
        corners = generator.integers(0, np.array(pixels.shape[1:]) - tile + 1, (recipe.parts_per_photo, 2))
        shown = _coloured(pixels, recipe.colour, generator)
        own = signed(
            np.stack([shown[:, top : top + tile, left : left + tile] for top, left in corners.tolist()])
        )
        if tile != recipe.side:
            own = F.interpolate(own, (recipe.side, recipe.side), mode="bilinear", align_corners=False)
        tiles.append(own)
    return torch.cat(tiles).contiguous(memory_format=torch.channels_last)


def _coloured(pixels: Pixels, most: float, generator: np.random.Generator) -> Pixels:
    """A photo with its brightness, contrast and saturation changed by factors within 1/(1 + most) and 1 + most."""
    if most == 0:
        return pixels
    factors = (1 + most) ** generator.uniform(-1, 1, 3)
    brightness, contrast, saturation = factors.astype(np.float32)
    grey = pixels.mean(axis=0, keepdims=True)
    coloured = grey + saturation * (pixels - grey)
    middle = grey.mean()
    return np.clip(brightness * (middle + contrast * (coloured - middle)), 0, 1)


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


def _mirrored(pixels: Pixels, generator: np.random.Generator) -> Pixels:
    return pixels[..., ::-1] if generator.random() < 0.5 else pixels


def _moved(pixels: Pixels, shift: int, generator: np.random.Generator, zoom: int = 0) -> Pixels:
    """A photo moved by up to `shift` pixels each way, of which up to `zoom` pixels more or less are shown; what comes
    in mirrors what was there."""
    height, width = pixels.shape[1:]
    more = int(generator.integers(-zoom, zoom + 1)) if zoom else 0
    top, left = generator.integers(0, 2 * shift - more + 1, 2)
    around = np.pad(pixels, ((0, 0), (shift, shift), (shift, shift)), mode="reflect")
    shown = around[:, top : top + height + more, left : left + width + more]
    if more == 0:
        return shown
    return F.interpolate(torch.from_numpy(shown)[None], (height, width), mode="bilinear")[0].numpy()


def _erased(pixels: Pixels, side: int, generator: np.random.Generator) -> Pixels:
    """A photo that is grey in a square whose middle is anywhere."""
    top, left = generator.integers(-(side // 2), np.array(pixels.shape[1:]) - side // 2)
    erased = pixels.copy()
    erased[:, max(0, top) : max(0, top + side), max(0, left) : max(0, left + side)] = 0.5
    return erased


def signed(pixels: Float[np.ndarray, "batch 3 height width"]) -> Float[Tensor, "batch 3 height width"]:
    """Pixels in [-1, 1], as the networks here see them."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).mul_(2).sub_(1)


def pixels_of(path: Path, image_size: Size) -> Pixels:
    """A photo of the size that the network sees, in [0, 1]."""
    if max(image_size) > _SMALL:
        return framed_in_folder(path, image_size).pixels
    return _kept(path, image_size).transpose(2, 0, 1).astype(np.float32) / np.float32(255)


@lru_cache(maxsize=100_000)
def _kept(path: Path, image_size: Size) -> UInt8[np.ndarray, "height width 3"]:
    return np.asarray(to_photo(framed_in_folder(path, image_size).pixels))
