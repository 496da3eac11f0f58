"""The networks trained here by name. A study is imported, and torch with it, when it is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pg_core.training.recipe import Recipe, Study


@dataclass(frozen=True, slots=True)
class Listed:
    """A study as the command line lists it: the module whose `STUDY` it is, and its network in a sentence."""

    module: str
    sentence: str


_HERE = "pg_core.training.studies"
STUDIES: dict[str, Listed] = {
    "tiles": Listed(
        f"{_HERE}.tiles",
        "EfficientNet-Lite on square tiles, from ImageNet's weights, for ImageNette's ten classes at 224x224",
    ),
    "grids": Listed(
        f"{_HERE}.grids",
        "the same on whole grids of tiles, by what double masking on features takes from label and rival",
    ),
    "bands": Listed(
        f"{_HERE}.bands",
        "column bands of 32x32 images, for CIFAR-10's ten classes (Mask-DS, de-randomized smoothing)",
    ),
    "pointwise": Listed(
        f"{_HERE}.pointwise", "a small receptive field on 32x32 images, for CIFAR-10's ten classes"
    ),
    "interval": Listed(f"{_HERE}.interval", "the same for interval bounds, against patches of one size"),
    "whole": Listed(
        f"{_HERE}.whole",
        "a network that sees all of a 32x32 image: nothing to certify, but a teacher for the others",
    ),
}


def study(name: str) -> "Study":
    """The study of this name; raises KeyError for any other."""
    found: Study = import_module(STUDIES[name].module).STUDY
    return found


def recipes() -> Mapping[str, type["Recipe"]]:
    """The types of recipes by their names in checkpoints."""
    kinds = (type(study(name).recipe) for name in STUDIES)
    return {kind.__name__: kind for kind in kinds}
