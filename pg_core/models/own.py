"""A person's own network as they describe it, and the card that keeps the description beside its file.

It leaves out torch: `pg_core.models.loading` makes a network of it, and `pg_core.locality` tests what is said here.
"""

import json
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from pg_core.arrays import EvidenceType
from pg_core.geometry import ReceptiveField, Size
from pg_core.models.descriptions import Description
from pg_core.models.local import Part

Colour = tuple[float, float, float]

MAX_CLASSES = 25_000
MAX_SIDE = 1024
"""Pixels of an image or a tile per axis."""


class Format(StrEnum):
    """What is in the file."""

    EXPORTED = "exported"
    """A program saved by torch.export.save: normalised images [1, 3, H, W] to local logits [1, C, rows, columns]."""
    SCRIPTED = "scripted"
    """The same, saved by TorchScript."""
    TILES = "tiles"
    """Weights of a classifier of torchvision or timm, each tile of the image classified on its own."""


SUFFIXES = {
    ".pt2": Format.EXPORTED,
    ".ts": Format.SCRIPTED,
    ".torchscript": Format.SCRIPTED,
    ".pth": Format.TILES,
    ".pt": Format.TILES,
    ".tar": Format.TILES,
    ".safetensors": Format.TILES,
}


@dataclass(frozen=True, slots=True)
class OwnNetwork:
    """What a person says of their network. `file` is its name without a folder, `base` the classifier of `TILES`,
    'torchvision/resnet18' or 'timm/resnet18', which sees each tile resized to `side` pixels.

    Raises ValueError, one sentence, for what cannot be.
    """

    title: str
    file: str
    sha256: str
    image_size: Size
    receptive_field: ReceptiveField
    classes: tuple[str, ...]
    mean: Colour = (0.0, 0.0, 0.0)
    deviation: Colour = (1.0, 1.0, 1.0)
    evidence: EvidenceType = EvidenceType.CONFIDENCE
    part: Part = Part.MIDDLE
    base: str = ""
    side: int = 0

    def __post_init__(self) -> None:
        if not self.title.strip():
            raise ValueError("expected a name for the network, got none")
        if Path(self.file).name != self.file or Path(self.file).suffix not in SUFFIXES:
            raise ValueError(f"expected a file name that ends in {', '.join(SUFFIXES)}, got {self.file!r}")
        if not all(1 <= n <= MAX_SIDE for n in self.image_size):
            raise ValueError(f"expected an image of 1 to {MAX_SIDE} pixels per axis, got {self.image_size}")
        if not 2 <= len(self.classes) <= MAX_CLASSES:
            raise ValueError(f"expected 2 to {MAX_CLASSES} class names, got {len(self.classes)}")
        name, count = Counter(self.classes).most_common(1)[0]
        if count > 1 or not all(map(str.strip, self.classes)):
            raise ValueError(f"expected different class names, none empty, got {name!r} {count} times")
        numbers = (*self.mean, *self.deviation)
        if not all(map(math.isfinite, numbers)) or min(self.deviation) <= 0:
            raise ValueError(
                f"expected finite means and deviations above 0, got {self.mean}, {self.deviation}"
            )
        self.receptive_field.map_size(self.image_size)
        if self.format is Format.TILES:
            if not self.base.startswith(("torchvision/", "timm/")):
                raise ValueError(f"expected a base such as 'torchvision/resnet18', got {self.base!r}")
            if not 1 <= self.side <= MAX_SIDE:
                raise ValueError(f"expected tiles resized to 1 to {MAX_SIDE} pixels, got {self.side}")
            if max(self.receptive_field.offset) or self.receptive_field.wrapping:
                raise ValueError("expected tiles without padding that do not wrap around")

    @property
    def format(self) -> Format:
        """What the name of the file says that it is."""
        return SUFFIXES[Path(self.file).suffix]

    @property
    def description(self) -> Description:
        """As the networks of `MODELS` are described."""
        return Description(
            f"own-{self.sha256[:12]}",
            self.title,
            self.image_size,
            self.receptive_field,
            self.evidence,
            "own",
            self.part,
        )


def write_card(own: OwnNetwork) -> str:
    """The network as JSON, to be kept beside its file as NAME.network.json."""
    return json.dumps(asdict(own), indent=2) + "\n"


def read_card(text: str) -> OwnNetwork:
    """The network of such a text; raises ValueError that says what is wrong with it."""
    try:
        content = dict(json.loads(text))
        unknown = content.keys() - {entry.name for entry in fields(OwnNetwork)}
        if unknown:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
        field = dict(content.pop("receptive_field"))
        axes: dict[str, Any] = {
            key: _pair(field[key]) for key in ("size", "stride", "offset") if key in field
        }
        content["receptive_field"] = ReceptiveField(**axes, wrapping=bool(field.get("wrapping", False)))
        content["image_size"] = _pair(content["image_size"])
        content["classes"] = tuple(map(str, content["classes"]))
        for key in ("mean", "deviation"):
            if key in content:
                red, green, blue = map(float, content[key])
                content[key] = red, green, blue
        content["evidence"] = EvidenceType(content.get("evidence", EvidenceType.CONFIDENCE))
        content["part"] = Part(content.get("part", Part.MIDDLE))
        return OwnNetwork(**content)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"not the card of a network: {error}") from error


def _pair(values: Iterable[object]) -> Size:
    first, second = (int(str(value)) for value in values)
    return first, second
