"""What the networks trained here are made of, as values that their cards keep. Not here: the layers."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from pg_core.geometry import ReceptiveField, Size


@dataclass(frozen=True, slots=True)
class Tiles:
    """EfficientNet-Lite, batch normalisation folded, on square tiles of `tile` pixels, `stride` apart, of which it
    sees `side`; `lite` is its number in the family, 0, 1 or 2."""

    kind: ClassVar[str] = "tiles"
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


@dataclass(frozen=True, slots=True)
class Bands:
    """`pg_core.networks.bodies.narrow_bands` on bands of `width` columns of a 32x32 image."""

    kind: ClassVar[str] = "bands"
    width: int = 4

    @property
    def receptive_field(self) -> ReceptiveField:
        return ReceptiveField((32, self.width), (32, 1), wrapping=True)

    @property
    def image_size(self) -> Size:
        return 32, 32


@dataclass(frozen=True, slots=True)
class _Small:
    """Maps of 32x32 images: each location sees `field` x `field` pixels, `stride` apart."""

    field: int
    stride: int

    @property
    def receptive_field(self) -> ReceptiveField:
        return ReceptiveField((self.field, self.field), (self.stride, self.stride))

    @property
    def image_size(self) -> Size:
        return 32, 32


@dataclass(frozen=True, slots=True)
class Pointwise(_Small):
    """`pg_core.networks.bodies.pointwise`: `blocks` residual blocks of `width` channels."""

    kind: ClassVar[str] = "pointwise"
    field: int = 5
    stride: int = 1
    width: int = 384
    blocks: int = 4


@dataclass(frozen=True, slots=True)
class Interval(_Small):
    """`pg_core.networks.bodies.interval_net`: `blocks` layers of `width` channels and one of `narrow`, in [0, 1]."""

    kind: ClassVar[str] = "interval"
    field: int = 5
    stride: int = 3
    width: int = 256
    blocks: int = 2
    narrow: int = 64


@dataclass(frozen=True, slots=True)
class Whole:
    """`pg_core.networks.bodies.whole`: one answer for a whole 32x32 image: nothing to certify, but a teacher."""

    kind: ClassVar[str] = "whole"

    @property
    def receptive_field(self) -> ReceptiveField:
        return ReceptiveField((32, 32), (32, 32))

    @property
    def image_size(self) -> Size:
        return 32, 32


Architecture = Tiles | Bands | Pointwise | Interval | Whole
KINDS: dict[str, type[Architecture]] = {
    kind.kind: kind for kind in (Tiles, Bands, Pointwise, Interval, Whole)
}


def to_json(architecture: Architecture) -> dict[str, object]:
    """The architecture as JSON takes it."""
    return {"kind": architecture.kind, **asdict(architecture)}


def from_json(content: Mapping[str, Any]) -> Architecture:
    """The architecture that `to_json` wrote; raises KeyError, TypeError or ValueError for anything else."""
    numbers = {name: int(value) for name, value in content.items() if name != "kind"}
    return KINDS[content["kind"]](**numbers)
