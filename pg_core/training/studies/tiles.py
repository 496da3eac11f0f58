"""Square tiles, each classified on its own by an EfficientNet-Lite that begins with ImageNet's weights."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from pg_core.networks import IMAGENETTE
from pg_core.networks.base import Pixels
from pg_core.networks.bodies.architectures import Architecture
from pg_core.networks.bodies.efficientnet import LITES, EfficientNetLite, fold_batch_norm, pretrained
from pg_core.networks.bodies.tiles import SquareTiles
from pg_core.training.batches import coloured, signed
from pg_core.training.recipe import Study
from pg_core.training.studies.parts import PartsRecipe


@dataclass(frozen=True, slots=True)
class TileRecipe(PartsRecipe):
    """Square tiles of a photo, anywhere: `tile` pixels are cropped, of which the network sees `side`."""

    teaches_parts: ClassVar[bool] = True
    photos_per_step: int = 16
    steps: int = 5000
    peak_rate: float = 6e-4
    relative: bool = True
    orthogonal: bool = False
    warmup: int = 100
    decay: float = 0.4
    weight_decay: float = 0.0
    largest_gradient: float = float("inf")
    averaging: float = 0.995
    bfloat16: bool = False
    held_out: int = 400
    dropped: int = 2
    power: int = 3
    tile: int = 33
    side: int = 64

    @property
    def most_zoom(self) -> int:
        return self.tile - 1

    def begin(self, network: Architecture, classes: int) -> nn.Module:
        """The pretrained EfficientNet-Lite, with a head for ImageNette's ten classes."""
        if not isinstance(network, SquareTiles):
            raise ValueError(f"expected a network of square tiles, got {network}")
        return tile_classifier(IMAGENETTE, network.lite)

    def inputs(self, images: list[Pixels], step: int, generator: np.random.Generator) -> tuple[Tensor, ...]:
        return (_tiles(images, self, generator),)


def tile_classifier(classes: tuple[int, ...], lite: int = 0, frozen_blocks: int = 3) -> EfficientNetLite:
    """The network before training: the pretrained EfficientNet-Lite with batch normalisation folded and a head for
    these classes (ImageNet's indices); its first layers, whose backward pass costs most, are frozen."""
    network = pretrained(LITES[lite])
    head = nn.Linear(network._fc.in_features, len(classes))
    with torch.no_grad():
        head.weight.copy_(network._fc.weight[list(classes)])
        head.bias.copy_(network._fc.bias[list(classes)])
    network._fc = head
    fold_batch_norm(network)
    for part in (network._conv_stem, *network._blocks[:frozen_blocks]):
        part.requires_grad_(False)
    return network


def _tiles(
    images: list[Pixels], recipe: TileRecipe, generator: np.random.Generator
) -> Float[Tensor, "tiles 3 side side"]:
    """Tiles from anywhere, photo by photo, in [-1, 1]."""
    tiles = []
    for pixels in images:
        tile = recipe.tile + int(generator.integers(-recipe.zoom, recipe.zoom + 1))
        corners = generator.integers(0, np.array(pixels.shape[1:]) - tile + 1, (recipe.parts_per_photo, 2))
        shown = coloured(pixels, recipe.colour, generator)
        own = signed(
            np.stack([shown[:, top : top + tile, left : left + tile] for top, left in corners.tolist()])
        )
        if tile != recipe.side:
            own = F.interpolate(own, (recipe.side, recipe.side), mode="bilinear", align_corners=False)
        tiles.append(own)
    return torch.cat(tiles).contiguous(memory_format=torch.channels_last)


STUDY = Study(SquareTiles(lite=2), TileRecipe(), "imagenette", "imagenette", teacher="tiles")
