"""Random views of photos, and their grids of tiles, as functions of tensors that compute where the tensors are."""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor


def varied(
    photos: UInt8[Tensor, "photos 3 height width"],
    least_area: float,
    colour: float,
    generator: np.random.Generator,
) -> Float[Tensor, "photos 3 height width"]:
    """Photos in [-1, 1], each a crop of `least_area` in (0, 1] to all of it, enlarged to the whole size and mirrored
    at random, its brightness, contrast and saturation changed by factors within 1/(1 + colour) and 1 + colour."""
    drawn = torch.from_numpy(generator.random((7, len(photos)))).to(photos.device, torch.float32)
    side = (least_area + (1 - least_area) * drawn[0]).sqrt()
    mirror = torch.where(drawn[1] < 0.5, -1.0, 1.0)
    down, right = (1 - side) * (2 * drawn[2] - 1), (1 - side) * (2 * drawn[3] - 1)
    zero = torch.zeros_like(side)
    rows = torch.stack([side * mirror, zero, right, zero, side, down], dim=1).view(-1, 2, 3)
    grid = F.affine_grid(rows, list(photos.shape), align_corners=False)
    shown = F.grid_sample(photos.float() / 255, grid, padding_mode="border", align_corners=False)
    brightness, contrast, saturation = ((1 + colour) ** (2 * drawn[4:] - 1))[:, :, None, None, None]
    grey = shown.mean(dim=1, keepdim=True)
    coloured = grey + saturation * (shown - grey)
    middle = grey.mean(dim=(2, 3), keepdim=True)
    return (brightness * (middle + contrast * (coloured - middle))).clamp(0, 1) * 2 - 1


def grid_of_tiles(
    images: Float[Tensor, "photos 3 height width"], tile: int, step: int, side: int, corner: tuple[int, int]
) -> Float[Tensor, "tiles 3 side side"]:
    """All tiles of `tile` pixels, `step` apart from a corner (row, column) on, photo by photo and row by row, each
    resized on its own to `side` pixels."""
    top, left = corner
    tiles = images[:, :, top:, left:].unfold(2, tile, step).unfold(3, tile, step)
    tiles = tiles.permute(0, 2, 3, 1, 4, 5).reshape(-1, 3, tile, tile)
    if tile != side:
        tiles = F.interpolate(tiles, (side, side), mode="bilinear", align_corners=False)
    return tiles.contiguous(memory_format=torch.channels_last)
