"""The architecture of a network trained here, as a value that its card keeps. Not here: layers, each in a module
beside this one with their own architecture, which is imported when a card names it, and torch with it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from pg_core.geometry import ReceptiveField, Size

if TYPE_CHECKING:
    from torch import nn

    from pg_core.networks.network import Network


@dataclass(frozen=True, slots=True)
class Architecture(ABC):
    """The whole numbers from which a network is built. `kind` is its name in `ARCHITECTURES`, `placed` the class of
    network that it becomes, which determines how a window of its map is computed."""

    kind: ClassVar[str]
    placed: ClassVar[type["Network"]]

    @property
    @abstractmethod
    def receptive_field(self) -> ReceptiveField:
        """The pixels that a local logit sees."""

    @property
    @abstractmethod
    def image_size(self) -> Size:
        """Height and width of its images, in pixels."""

    @abstractmethod
    def untrained(self, classes: int) -> "nn.Module":
        """The module that is trained, with the random weights that torch gives it; it takes images in [-1, 1]."""

    def local(self, base: "nn.Module", classes: int) -> "nn.Module":
        """The module that gives local logits of images in [-1, 1], from the trained one. Raises TypeError for a
        network without local logits."""
        return base


@dataclass(frozen=True, slots=True)
class SmallMap(Architecture):
    """Maps of 32x32 images: each location sees `field` x `field` pixels, `stride` apart."""

    field: int
    stride: int

    @property
    def receptive_field(self) -> ReceptiveField:
        return ReceptiveField((self.field, self.field), (self.stride, self.stride))

    @property
    def image_size(self) -> Size:
        return 32, 32


ARCHITECTURES = {
    "tiles": ("pg_core.networks.bodies.tiles", "SquareTiles"),
    "bands": ("pg_core.networks.bodies.narrow_bands", "Bands"),
    "pointwise": ("pg_core.networks.bodies.pointwise", "Pointwise"),
    "interval": ("pg_core.networks.bodies.interval_net", "Interval"),
    "whole": ("pg_core.networks.bodies.whole", "Whole"),
}
"""By kind, the module and the class."""


def to_json(architecture: Architecture) -> dict[str, object]:
    """The architecture as JSON takes it."""
    return {"kind": architecture.kind, **asdict(architecture)}


def from_json(content: Mapping[str, Any]) -> Architecture:
    """The architecture that `to_json` wrote; raises KeyError, TypeError or ValueError for anything else."""
    numbers = {name: int(value) for name, value in content.items() if name != "kind"}
    module, name = ARCHITECTURES[content["kind"]]
    kind: type[Architecture] = getattr(import_module(module), name)
    return kind(**numbers)
