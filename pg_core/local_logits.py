"""Files with local logits: maps whose axes, wrapping and error are stated, since a proof does not guess.

`save_local_logits` writes files that state all of it. Of any other .npz file whoever reads it has to, with the options
of `pg_core.commands.certify`. Not here: what is proved about the maps.
"""

import json
import math
import zipfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Float64

from pg_core.arrays import CEILING, EvidenceType
from pg_core.features import LocalFeatures
from pg_core.parameters import coerce_fields, position_of, shown
from pg_core.schema import as_json
from pg_core.version import __version__

_DESCRIPTION = "pg_core.description"
"""The name of the array that is no map but a text: JSON, with the entries of `_Description`."""
_MAX_ARRAY_BYTES = 2**31
_MAX_DESCRIPTION_BYTES = 2**26
_T = TypeVar("_T")


class Layout(StrEnum):
    """The order of an array's axes."""

    CLASSES_FIRST = "classes,rows,columns"
    """The library's own, and torch's."""
    CLASSES_LAST = "rows,columns,classes"


@dataclass(frozen=True, slots=True)
class Stated:
    """What whoever reads a file states of its maps; None leaves it to the file, or to the default."""

    layout: Layout | None = None
    wrapping: bool | None = None
    evidence: EvidenceType | None = None
    delta: float | None = None

    def __post_init__(self) -> None:
        coerce_fields(self)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LocalLogitMap:
    """One map out of a file: the layout its array was read in, whether its windows wrap around in columns, the
    evidence to make of it, the largest error of a value and who says so; and network and classes, where the file
    names them."""

    local_logits: Float64[np.ndarray, "classes rows columns"]
    layout: Layout
    wrapping: bool
    evidence: EvidenceType
    delta: float
    delta_is: str
    model: str | None = None
    classes: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        coerce_fields(self)

    def class_name(self, index: int) -> str | int:
        """A class by its name, or by its index where the file names none."""
        return index if self.classes is None else self.classes[index]

    def __repr__(self) -> str:
        shape = self.local_logits.shape
        return f"LocalLogitMap({self.model}, {shape}, wrapping {self.wrapping}, delta {self.delta:.2g})"


@dataclass(frozen=True, slots=True)
class _Description:
    """What a file that the library wrote says of itself; delta by the names of its maps."""

    layout: Layout
    wrapping: bool
    model: str
    classes: tuple[str, ...]
    evidence: EvidenceType
    delta: Mapping[str, float]


def save_local_logits(path: str | Path, features: LocalFeatures | Mapping[str, LocalFeatures]) -> None:
    """Write what a network saw of one image, or of several by name, as an .npz file for `certify --local-logits`.

    The file names its axes, wrapping, network, classes, evidence and delta, so that the command comes to the same
    verdicts. Raises ValueError for the features of several networks in one file.
    """
    named = {"local_logits": features} if isinstance(features, LocalFeatures) else dict(features)
    if not named or _DESCRIPTION in named:
        raise ValueError(f"expected at least one map, and none named {_DESCRIPTION}")
    networks = {(own.model, own.classes, own.receptive_field, own.evidence) for own in named.values()}
    if len(networks) > 1:
        raise ValueError("expected features of one network: save those of another in a file of their own")
    ((model, classes, field, evidence),) = networks
    description = {
        "pg_core": __version__,
        "layout": Layout.CLASSES_FIRST,
        "wrapping": field.wrapping,
        "model": model,
        "classes": classes,
        "evidence": evidence,
        "delta": {name: own.delta for name, own in named.items()},
    }
    arrays = {_DESCRIPTION: np.array(as_json(description))}
    arrays |= {name: own.local_logits for name, own in named.items()}
    # Not by np.savez, to which a map named "file" is an argument.
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array, allow_pickle=False)


def read_local_logits(path: Path, stated: Stated) -> dict[str, LocalLogitMap]:
    """The maps of an .npz file by their names.

    The file may be hostile: no pickle is read, and no more than fits into 2 GB of float64. Raises ValueError
    for a file of another kind, an array of another shape, values that are not finite, and logits that would be
    evidence above `CEILING`; for a layout that nobody states, and a map of bands of which nobody says whether it
    wraps; and where what is stated contradicts the file, or is an error smaller than the file's.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
        size = sum(entry.file_size for entry in entries)
        counted = Counter(entry.filename.removesuffix(".npy") for entry in entries)
        repeated = [name for name, count in counted.items() if count > 1]
        if repeated:
            raise ValueError(
                f"expected each array once, got {shown(repeated[0])} {counted[repeated[0]]} times"
            )
        if size > _MAX_ARRAY_BYTES:
            raise ValueError(f"{size / 2**30:.1f} GB of arrays; at most 2 GB are read")
        with np.load(path, allow_pickle=False) as archive:
            description = _described(archive[_DESCRIPTION]) if _DESCRIPTION in archive.files else None
            names = [name for name in archive.files if name != _DESCRIPTION]
            maps = {name: _map(archive[name], name, description, stated) for name in names}
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file") from None
    except ValueError as error:
        raise ValueError(f"{_named(path)}: {error}") from error
    except Exception as error:  # on hostile bytes zipfile and numpy fail in any way they like
        raise ValueError(f"{_named(path)}: not an .npz file of arrays") from error
    if not maps:
        raise ValueError(f"{_named(path)}: no array in it")
    return maps


def read_labels(path: Path, maps: Mapping[str, LocalLogitMap]) -> dict[str, int]:
    """A JSON object with the class of each map, by name; raises ValueError if it is anything else."""
    try:
        labels = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{_named(path)}: not a JSON file that can be read") from error
    if not isinstance(labels, Mapping) or maps.keys() - labels.keys():
        raise ValueError(f"{_named(path)}: expected an object with a class for each of: {', '.join(maps)}")
    return {name: class_index(labels[name], own, name) for name, own in maps.items()}


def class_index(label: object, own: LocalLogitMap, name: str) -> int:
    """The index of a class, given as a name (in any case) where the file names its classes, as a number or as its
    digits; raises ValueError if the map has no such class."""
    if own.classes is not None and isinstance(label, str):
        names = own.classes if label in own.classes else tuple(each.casefold() for each in own.classes)
        wanted = label if label in own.classes else label.casefold()
        if wanted in names:
            return names.index(wanted)
    index = position_of(label) if isinstance(label, str) else label
    count = len(own.local_logits)
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < count:
        named = "" if own.classes is None else f"a name ({', '.join(own.classes[:3])}, ...) or "
        raise ValueError(
            f"expected {named}a class index from 0 to {count - 1} for '{name}', got {shown(label)}"
        )
    return index


def _named(path: Path) -> str:
    """The file as an error names it: a path such as . has no name of its own."""
    return path.name or str(path)


def _map(array: object, name: str, description: _Description | None, stated: Stated) -> LocalLogitMap:
    layout = _agreed("layout", stated.layout, description.layout if description else None)
    if layout is None:
        bands = (
            "" if stated.wrapping is not None else ", and of one row or column --wrapping or --no-wrapping"
        )
        raise ValueError(
            f"say in which layout '{name}' is: --layout {Layout.CLASSES_FIRST}, the library's own, or "
            f"--layout {Layout.CLASSES_LAST}{bands}; files of pg_core.save_local_logits say it themselves"
        )
    evidence = stated.evidence or (description.evidence if description else EvidenceType.LOGITS)
    values = _checked(array, name, layout, evidence)
    said = _agreed("wrapping", stated.wrapping, description.wrapping if description else None)
    wrapping = _wrapping(said, values.shape[1:], name)
    if description is None:
        source = "assumed: exact" if stated.delta is None else "stated"
        return LocalLogitMap(values, layout, wrapping, evidence, stated.delta or 0.0, source)
    if len(description.classes) != len(values) or name not in description.delta:
        raise ValueError(f"its {_DESCRIPTION} does not fit '{name}', which has {len(values)} classes")
    least = description.delta[name]
    delta = least if stated.delta is None else stated.delta
    if delta < least:
        raise ValueError(f"expected --delta of at least {least!r}, the error of '{name}', got {delta:g}")
    source = "estimated" if stated.delta is None else "stated"
    return LocalLogitMap(
        values, layout, wrapping, evidence, delta, source, description.model, description.classes
    )


def _agreed(what: str, stated: _T | None, known: _T | None) -> _T | None:
    """What is stated or known; raises ValueError if both are, and differ."""
    if None not in (stated, known) and stated != known:
        raise ValueError(f"expected {what} {known}, as the file says itself, got {stated}")
    return known if stated is None else stated


def _wrapping(stated: bool | None, map_size: tuple[int, ...], name: str) -> bool:
    """Whether windows wrap around. One row or column may be bands, which do; other maps do if that is stated."""
    rows, columns = map_size
    if stated is None and 1 in map_size:
        what = "row" if rows == 1 else "column"
        raise ValueError(
            f"'{name}' has one {what}, so it may be of bands, which wrap around: say --wrapping or --no-wrapping"
        )
    if stated and columns == 1 < rows:
        raise ValueError(
            f"windows wrap around from the last column to the first, and '{name}' has one: turn bands of rows into "
            "one row"
        )
    return bool(stated)


def _checked(
    array: object, name: str, layout: Layout, evidence: EvidenceType
) -> Float64[np.ndarray, "classes rows columns"]:
    if not isinstance(array, np.ndarray) or array.ndim != 3 or array.dtype.kind not in "fiu":
        found = (
            f"{array.dtype} of shape {list(array.shape)}" if isinstance(array, np.ndarray) else "other data"
        )
        raise ValueError(f"expected numbers of shape [{layout}] in '{name}', got {found}")
    first = array if layout is Layout.CLASSES_FIRST else array.transpose(2, 0, 1)
    if 0 in first.shape or len(first) < 2:
        raise ValueError(
            f"expected cells and at least two classes in '{name}', got shape {list(array.shape)} as [{layout}]"
        )
    if array.size * 8 > _MAX_ARRAY_BYTES:
        raise ValueError(f"'{name}' has {array.size} values; at most 2 GB of float64 are read")
    values = np.ascontiguousarray(first, np.float64)
    if not np.isfinite(values).all():
        raise ValueError(f"expected finite values in '{name}', got NaN or infinite ones")
    if evidence is EvidenceType.LOGITS and values.max() > CEILING:
        raise ValueError(
            f"'{name}' holds {values.max():g}; sums are exact up to {CEILING:g} only: divide the map (and c_h) "
            "by a constant, which changes no verdict on logits"
        )
    return values


def _described(text: object) -> _Description:
    """What a file says of itself; raises ValueError for anything that `save_local_logits` does not write."""
    try:
        if not isinstance(text, np.ndarray) or text.ndim or text.dtype.kind != "U":
            raise ValueError("expected a text")
        if text.nbytes > _MAX_DESCRIPTION_BYTES:
            raise ValueError(f"expected at most {_MAX_DESCRIPTION_BYTES} bytes, got {text.nbytes}")
        content = json.loads(str(text))
        wrapping, model, classes = content["wrapping"], content["model"], content["classes"]
        if not isinstance(wrapping, bool) or not isinstance(classes, list):
            raise ValueError("expected a truth value and a list")
        if not all(isinstance(name, str) for name in (model, *classes)):
            raise ValueError("expected names")
        delta = dict(content["delta"])
        if not all(type(own) in (int, float) and 0 <= float(own) < math.inf for own in delta.values()):
            raise ValueError("expected finite numbers of at least 0")
        if len(set(classes)) < len(classes):
            raise ValueError("expected different names of classes")
        layout, evidence = Layout(content["layout"]), EvidenceType(content["evidence"])
        return _Description(layout, wrapping, model, tuple(classes), evidence, delta)
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        raise ValueError(
            f"its {_DESCRIPTION} is not as pg_core.save_local_logits writes it ({error})"
        ) from error
