"""A person's own network as they describe it, and the card that keeps the description beside its file.

Not here: torch. `pg_core.networks.loading` makes a network of it, and `pg_core.networks.locality` tests the receptive
field that is stated here.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from pg_core.evidence.types import EVIDENCE_TYPES, EvidenceType
from pg_core.geometry import ReceptiveField, Size
from pg_core.io.files import UnreadableError, regular
from pg_core.io.json import as_json
from pg_core.io.parameters import coerce_fields
from pg_core.networks.base import Part
from pg_core.networks.catalogue import MODELS, Description

_NO_CARD = "not the card of a network"
_NO_NAME = frozenset("/\\\0")
"""What no name of a file has, on any system."""
_MOST_DIGITS = 18
_SHOWN = 60
"""Letters of what came, in an error."""

Colour = tuple[float, float, float]

MAX_CLASSES = 25_000
MAX_SIDE = 1024
"""Pixels of an image or a tile per axis."""
MAX_FIELD = 4096
"""Pixels of a receptive field per axis."""
MAX_LETTERS = 200
"""Of a name: a network's, a class's or a file's."""
MAX_CARD_BYTES = 16 * 2**20
"""Of the file of a card: `MAX_CLASSES` names of the longest words of any language."""


class Format(StrEnum):
    """What a network's file is."""

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
    """A person's description of their network. `file` is the file's name without a folder, `base` the classifier of
    `TILES`, 'torchvision/resnet18' or 'timm/resnet18', which sees each tile resized to `side` pixels.

    Raises ValueError, one sentence, for values that cannot be.
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
        coerce_fields(self)
        if not self.title.strip():
            raise ValueError("expected a name for the network, got none")
        for name in (self.title, self.file, *self.classes):
            if len(name) > MAX_LETTERS:
                raise ValueError(f"expected names of at most {MAX_LETTERS} letters, got {_shown(name)}")
        if self.title in MODELS:  # which hides it wherever both are offered
            raise ValueError(
                f"expected a title that is no network's name here, got {self.title!r}: give another"
            )
        if set(self.file) & _NO_NAME or Path(self.file).name != self.file or format_of(self.file) is None:
            raise ValueError(f"expected a file name that ends in {', '.join(SUFFIXES)}, got {self.file!r}")
        if not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise ValueError(f"expected a SHA-256 of 64 hexadecimal digits, got {_shown(self.sha256)}")
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
        if max(numbers) > 1:
            raise ValueError(
                f"expected means and deviations of pixels in [0, 1], got {self.mean}, {self.deviation}: divide those "
                "of pixels in 0..255 by 255"
            )
        field = self.receptive_field
        if max(*field.size, *field.stride, *field.offset) > MAX_FIELD:
            raise ValueError(
                f"expected a receptive field of at most {MAX_FIELD} pixels per axis, got {field}"
            )
        field.map_size(self.image_size)
        if self.format is Format.TILES:
            if not self.base.startswith(("torchvision/", "timm/")):
                raise ValueError(f"expected a base such as 'torchvision/resnet18', got {self.base!r}")
            if not 1 <= self.side <= MAX_SIDE:
                raise ValueError(f"expected tiles resized to 1 to {MAX_SIDE} pixels, got {self.side}")
            if max(self.receptive_field.offset) or self.receptive_field.wrapping:
                raise ValueError(
                    f"expected tiles without padding that do not wrap around, got {self.receptive_field}"
                )

    @property
    def format(self) -> Format:
        """The format of the file, by its suffix."""
        found = format_of(self.file)
        assert found is not None
        return found

    @property
    def description(self) -> Description:
        """The network in the form in which those of `MODELS` are described."""
        return Description(
            f"own-{self.sha256[:12]}",
            self.title,
            self.image_size,
            self.receptive_field,
            self.evidence,
            "own",
            self.part,
            defence="mask-ds" if self.receptive_field.wrapping else "masking",
        )


def format_of(file: str) -> Format | None:
    """The format of a file by its suffix; None for a suffix that no format has."""
    return SUFFIXES.get(Path(file).suffix.lower())


def write_card(own: OwnNetwork) -> str:
    """The network as JSON, to be kept beside its file as NAME.network.json."""
    card = {entry.name: getattr(own, entry.name) for entry in fields(own)}
    card |= {"receptive_field": asdict(own.receptive_field), "evidence": own.evidence.name}
    return as_json(card, indent=2) + "\n"


def card_in(path: Path) -> OwnNetwork:
    """The network of the card in a file; raises ValueError, which says what is wrong with it but not the file's
    name."""
    try:
        with regular(path) as file:
            content = file.read(MAX_CARD_BYTES + 1)
    except UnreadableError as error:
        raise ValueError(error.reason) from error
    if len(content) > MAX_CARD_BYTES:
        raise ValueError(f"{_NO_CARD}: expected at most {MAX_CARD_BYTES // 2**20} MB, got more")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"{_NO_CARD}: expected a text in UTF-8, got other bytes at {error.start}") from None
    return read_card(text)


def read_card(text: str) -> OwnNetwork:
    """The network of the text of a card; raises ValueError that says what is wrong with it."""
    try:
        content = _object(_json(text), "the card", [entry.name for entry in fields(OwnNetwork)])
        field = _object(
            content["receptive_field"], "receptive_field", ["size", "stride", "offset", "wrapping"]
        )
        return OwnNetwork(
            _text(content, "title"),
            _text(content, "file"),
            _text(content, "sha256"),
            _pair(content["image_size"], "image_size"),
            ReceptiveField(
                _pair(field["size"], "size"),
                _pair(field["stride"], "stride"),
                _pair(field.get("offset", [0, 0]), "offset"),
                _truth(field.get("wrapping", False), "wrapping"),
            ),
            _names(content["classes"]),
            _colour(content.get("mean", [0, 0, 0]), "mean"),
            _colour(content.get("deviation", [1, 1, 1]), "deviation"),
            _evidence(content.get("evidence", EvidenceType.CONFIDENCE.name)),
            _part(content.get("part", Part.MIDDLE)),
            _text(content, "base", ""),
            _whole(content.get("side", 0), "side"),
        )
    except KeyError as error:
        raise ValueError(f"{_NO_CARD}: {error} is missing") from None
    except RecursionError:
        raise ValueError(f"{_NO_CARD}: too many brackets in one another") from None
    except ValueError as error:
        raise ValueError(f"{_NO_CARD}: {error}") from error


def _json(text: str) -> object:
    """What the text says, in which each entry stands once, and no number has more digits than any needs."""
    try:
        # Some editors begin a file with a byte order mark.
        content = json.loads(text.removeprefix("\ufeff"), object_pairs_hook=_once, parse_int=_few_digits)
        # JSON can name halves of letters, which nothing can print.
        json.dumps(content, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise ValueError(
            f"expected JSON, got something else in line {error.lineno}, column {error.colno}"
        ) from error
    except UnicodeEncodeError as error:
        raise ValueError(f"expected letters, got half of one, {_shown(error.object[error.start])}") from None
    return content


def _once(entries: list[tuple[str, object]]) -> dict[str, object]:
    twice = [name for name, count in Counter(name for name, _ in entries).items() if count > 1]
    if twice:
        raise ValueError(f"expected each entry once, got {_shown(twice[0])} more often")
    return dict(entries)


def _few_digits(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(
            f"expected numbers of at most {_MOST_DIGITS} digits, got {_shown(digits, quoted=False)}"
        )
    return int(digits)


def _object(value: object, what: str, known: Sequence[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _unexpected(what, "an object {...}", value)
    unknown = sorted(value.keys() - set(known))
    if unknown:
        raise ValueError(
            f"{what}: expected {', '.join(known)}, got unknown: {_shown(', '.join(unknown), quoted=False)}"
        )
    return value


def _text(content: Mapping[str, object], key: str, missing: str | None = None) -> str:
    value = content[key] if missing is None else content.get(key, missing)
    if not isinstance(value, str):
        raise _unexpected(key, "a text in quotes", value)
    return value


def _whole(value: object, what: str) -> int:
    # JSON's true is an int of Python.
    if not isinstance(value, int) or isinstance(value, bool):
        raise _unexpected(what, "a whole number", value)
    return value


def _truth(value: object, what: str) -> bool:
    if not isinstance(value, bool):
        raise _unexpected(what, "true or false", value)
    return value


def _pair(value: object, what: str) -> Size:
    if not isinstance(value, list) or len(value) != 2:
        raise _unexpected(what, "two whole numbers, [rows, columns]", value)
    return _whole(value[0], what), _whole(value[1], what)


def _colour(value: object, what: str) -> Colour:
    if not isinstance(value, list) or len(value) != 3 or not all(type(n) in (int, float) for n in value):
        raise _unexpected(what, "three numbers, [red, green, blue]", value)
    red, green, blue = map(float, value)
    return red, green, blue


def _names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise _unexpected("classes", 'a list of names, ["cat", "dog"]', value)
    return tuple(value)


def _evidence(value: object) -> EvidenceType:
    try:
        return EvidenceType.named(value)
    except ValueError:
        raise _unexpected("evidence", f"one of {', '.join(EVIDENCE_TYPES)}", value) from None


def _part(value: object) -> Part:
    for part in Part:
        if value == part:
            return part
    raise _unexpected("part", f"one of {', '.join(Part)}", value)


def _unexpected(what: str, expected: str, value: object) -> ValueError:
    return ValueError(f"{what}: expected {expected}, got {_shown(json.dumps(value), quoted=False)}")


def _shown(text: str, quoted: bool = True) -> str:
    """The beginning of what may be very long."""
    cut = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    return repr(cut) if quoted else cut
