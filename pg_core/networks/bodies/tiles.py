"""A small receptive field out of any classifier: each square tile of the image is classified on its own.

The ensemble approach of [PG] section 3.2: the map of the tiles' logits has the tile as its receptive field
and the distance between tiles as its stride. A tile is cropped *before* it is resized, or locality would be
lost.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from pg_core.geometry import ReceptiveField, Size
from pg_core.networks.bodies.architectures import Architecture
from pg_core.networks.bodies.efficientnet import LITES, EfficientNetLite, fold_batch_norm
from pg_core.networks.network import Network

_TILES_AT_A_TIME = 32
"""Tiles in one pass of the base network: bounds memory, and no larger batch is faster on a CPU."""


@dataclass(frozen=True, slots=True)
class SquareTiles(Architecture):
    """EfficientNet-Lite, batch normalisation folded, on square tiles of `tile` pixels, `stride` apart, of which it
    sees `side`; `lite` is its number in the family, 0, 1 or 2."""

    kind: ClassVar[str] = "tiles"
    placed: ClassVar[type[Network]] = Network
    tile: int = 33
    stride: int = 11
    side: int = 64
    lite: int = 0

    def __post_init__(self) -> None:
        if self.lite not in (0, 1, 2):
            raise ValueError(f"expected EfficientNet-Lite0, 1 or 2, got {self.lite}")

    @property
    def receptive_field(self) -> ReceptiveField:
        return ReceptiveField((self.tile, self.tile), (self.stride, self.stride))

    @property
    def image_size(self) -> Size:
        return 224, 224

    def untrained(self, classes: int) -> nn.Module:
        return fold_batch_norm(EfficientNetLite(LITES[self.lite], classes).eval())

    def local(self, base: nn.Module, classes: int) -> nn.Module:
        groups = tuple((index,) for index in range(classes))
        return Tiles(base.to(memory_format=torch.channels_last), self.receptive_field, self.side, groups)


class Tiles(nn.Module):
    """Local logits of every tile; the logit of a group of classes is the log-sum-exp of their logits.

    base maps [batch, 3, side, side] to class logits; groups are indices of its classes, so that a group's confidence
    is the sum of its classes' confidences (over the classes that some group names).
    """

    members: Tensor

    def __init__(
        self, base: nn.Module, tile: ReceptiveField, side: int, groups: tuple[tuple[int, ...], ...]
    ) -> None:
        super().__init__()
        self.base = base
        self.tile = tile
        self.side = side
        largest = max(map(len, groups))
        # Short groups repeat nothing: the place after the last class holds a logit of minus infinity.
        padded = [group + (-1,) * (largest - len(group)) for group in groups]
        self.single = largest == 1
        self.register_buffer("members", torch.tensor(padded))

    def forward(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch classes rows columns"]:
        """Local logits of normalised images, of any size from one tile on."""
        (height, width), (down, right) = self.tile.size, self.tile.stride
        tiles = images.unfold(2, height, down).unfold(3, width, right)
        batch, _, rows, columns = tiles.shape[:4]
        tiles = tiles.permute(0, 2, 3, 1, 4, 5).reshape(-1, 3, height, width)
        parts = [self._classify(part) for part in torch.split(tiles, _TILES_AT_A_TIME)]
        return torch.cat(parts).reshape(batch, rows, columns, -1).permute(0, 3, 1, 2).contiguous()

    def _classify(self, tiles: Float[Tensor, "tiles 3 height width"]) -> Float[Tensor, "tiles classes"]:
        if tiles.shape[-2:] != (self.side, self.side):
            tiles = F.interpolate(tiles, (self.side, self.side), mode="bilinear", align_corners=False)
        logits = self.base(tiles.contiguous(memory_format=torch.channels_last))
        if self.single:
            return logits[:, self.members[:, 0]]
        padded = F.pad(logits, (0, 1), value=-torch.inf)
        return padded[:, self.members].logsumexp(dim=-1)
