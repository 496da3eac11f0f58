"""Files with local logits: maps whose axes, wrapping and error are stated, since a proof does not guess.

`save_local_logits` writes files that state all of it; for any other .npz file the reader states it (`Stated`), by the
options of `certify`. A file may be hostile, and large: shapes and types are read from the first bytes of each map, and
one map is in memory at a time. Not here: what is proved about the maps.
"""

import math
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from io import BufferedIOBase, BytesIO
from pathlib import Path
from typing import IO, TypeVar

import numpy as np
from jaxtyping import Float64

from pg_core import __version__
from pg_core.evidence.types import CEILING, EvidenceType
from pg_core.geometry import Size
from pg_core.io.files import UnreadableError, regular, write
from pg_core.io.json import as_json, from_json
from pg_core.io.parameters import coerce_fields, position_of, shown
from pg_core.photos.inference import LocalFeatures

_DESCRIPTION = "pg_core.description"
"""The name of the array that is no map but a text: JSON, with the entries of `_Description`."""
_MAX_FILE_BYTES = 2**31
"""Of all maps of a file in float64."""
_MAX_VALUES = 2**25
"""Of one map, whose cells count like `_CELL` classes more: a defence holds some copies of the evidence, and some
numbers for each window, 1.5 GB at this limit."""
_CELL = 4
_LARGEST = 1e100
"""Of a value: sums of such have no end in float64."""
_MAX_ENTRIES = 100_000
_MAX_DESCRIPTION_BYTES = 2**26
_T = TypeVar("_T")


class Layout(StrEnum):
    """The order of an array's axes."""

    CLASSES_FIRST = "classes,rows,columns"
    """The library's own, and torch's."""
    CLASSES_LAST = "rows,columns,classes"


@dataclass(frozen=True, slots=True)
class Stated:
    """What the reader of a file states about its maps; None leaves it to the file, or to the default."""

    layout: Layout | None = None
    wrapping: bool | None = None
    evidence: EvidenceType | None = None
    delta: float | None = None

    def __post_init__(self) -> None:
        coerce_fields(self)


@dataclass(frozen=True, slots=True)
class LocalLogitMap:
    """A map in a file, before its values are read: its shape (classes, rows, columns) and the layout of its array,
    whether its windows wrap around in columns, its type of evidence, the largest error `delta` of a value and where
    that is from (`delta_is`); and network and classes, where the file names them."""

    path: Path
    name: str
    shape: tuple[int, int, int]
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
    """Write the local features of one image, or of several by name, as an .npz file for `certify --local-logits`.

    The file names its axes, wrapping, network, classes, evidence and delta, so that the command gives the same
    verdicts. Raises ValueError for no features and for those of several networks, FileError for a file that cannot be
    written.
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
        "evidence": evidence.name,
        "delta": {name: own.delta for name, own in named.items()},
    }
    arrays = {_DESCRIPTION: np.array(as_json(description))}
    arrays |= {name: own.local_logits for name, own in named.items()}
    content = BytesIO()
    # Not by np.savez, to which a map named "file" is an argument.
    with zipfile.ZipFile(content, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array, allow_pickle=False)
    write({Path(path): content.getbuffer()})


def read_local_logits(path: Path, stated: Stated) -> dict[str, LocalLogitMap]:
    """The maps of an .npz file by their names, without their values.

    Raises ValueError for a file of another kind, an array of another shape, more than 2 GB of float64, and a map for
    which a defence would need too much memory; where neither the file nor `stated` has the layout, or, for a map of
    one row or column, whether it wraps; and where what is stated contradicts the file, or is an error smaller than the
    file's. No pickle is read.
    """
    with _reading(path) as archive:
        names = _names(archive)
        description = _description(archive) if _DESCRIPTION in names else None
        names = [name for name in names if name != _DESCRIPTION]
        if not names:
            raise ValueError("no array in it")
        total = 0
        maps = {}
        for name in names:
            with archive.open(f"{name}.npy") as file:
                shape, dtype = _header(file, name)
            maps[name] = _map(path, name, shape, dtype, description, stated)
            total += 8 * math.prod(shape)
            if total > _MAX_FILE_BYTES:
                raise ValueError("more than 2 GB of float64 are in it: put its maps into several files")
    return maps


def with_values(
    maps: Iterable[LocalLogitMap],
) -> Iterator[tuple[LocalLogitMap, Float64[np.ndarray, "classes rows columns"]]]:
    """Each map of one file with its values, one in memory at a time. Raises ValueError for values that are not finite
    or above 1e100, and for logits that would be evidence above `CEILING`."""
    maps = tuple(maps)
    if len({own.path for own in maps}) != 1:
        raise ValueError("expected maps of one file")
    with _reading(maps[0].path) as archive:
        for own in maps:
            with archive.open(f"{own.name}.npy") as file:
                array = _array(file, own.name)
            yield own, _values(array, own)


def read_labels(path: Path, maps: Mapping[str, LocalLogitMap]) -> dict[str, int]:
    """A JSON object with the class of each map, by name; raises ValueError if it is anything else."""
    try:
        with regular(path) as file:
            labels = from_json(file.read(_MAX_DESCRIPTION_BYTES))
    except (OSError, ValueError) as error:
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
    count = own.shape[0]
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < count:
        named = "" if own.classes is None else f"a name ({', '.join(own.classes[:3])}, ...) or "
        raise ValueError(
            f"expected {named}a class index from 0 to {count - 1} for '{name}', got {shown(label)}"
        )
    return index


def _named(path: Path) -> str:
    """The file as an error names it: a path such as . has no name of its own."""
    return path.name or str(path)


@contextmanager
def _reading(path: Path) -> Iterator[zipfile.ZipFile]:
    """The archive, with every error as a sentence that names the file."""
    try:
        with regular(path) as file, zipfile.ZipFile(file) as archive:
            yield archive
    except UnreadableError as error:
        raise ValueError(str(error)) from error
    except ValueError as error:
        raise ValueError(f"{_named(path)}: {error}") from error
    except Exception as error:  # on hostile bytes zipfile and numpy fail in any way they like
        raise ValueError(f"{_named(path)}: not an .npz file of arrays") from error


def _names(archive: zipfile.ZipFile) -> list[str]:
    entries = archive.infolist()
    if len(entries) > _MAX_ENTRIES:
        raise ValueError(f"expected at most {_MAX_ENTRIES} arrays, got {len(entries)}")
    counted = Counter(entry.filename for entry in entries)
    other = [name for name in counted if not name.endswith(".npy")]
    if other:
        raise ValueError(f"expected arrays (.npy) only, got {shown(other[0])}")
    name, count = max(counted.items(), key=lambda item: item[1], default=("", 0))
    if count > 1:
        raise ValueError(f"expected each array once, got {shown(name.removesuffix('.npy'))} {count} times")
    return [name.removesuffix(".npy") for name in counted]


def _header(file: IO[bytes] | BufferedIOBase, name: str) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of an array, from its first bytes."""
    try:
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, _, dtype = read[version](file)
    except Exception as error:  # what numpy says of hostile bytes is for programmers
        raise ValueError(f"{shown(name)} is no array that can be read") from error
    return shape, dtype


def _array(file: IO[bytes] | BufferedIOBase, name: str) -> np.ndarray:
    try:
        array = np.lib.format.read_array(file, allow_pickle=False)
        if file.read(1):  # at its end the archive compares the checksum
            raise ValueError("expected nothing behind the array")
        return array
    except Exception as error:  # the same
        raise ValueError(f"{shown(name)} is no array that can be read") from error


def _values(array: np.ndarray, own: LocalLogitMap) -> Float64[np.ndarray, "classes rows columns"]:
    first = array if own.layout is Layout.CLASSES_FIRST else array.transpose(2, 0, 1)
    values = np.ascontiguousarray(first, np.float64)
    if values.shape != own.shape:
        raise ValueError(f"the file has changed: '{own.name}' had the shape {list(own.shape)}")
    largest = float(max(values.max(), -values.min()))
    if not largest <= _LARGEST:
        raise ValueError(
            f"expected finite values, of at most {_LARGEST:g}, in '{own.name}', got NaN, infinite or larger ones"
        )
    if own.evidence == EvidenceType.LOGITS and values.max() > CEILING:
        raise ValueError(
            f"'{own.name}' holds {values.max():g}; sums are exact up to {CEILING:g} only: divide the map (and c_h) by "
            "a constant, which changes no verdict on logits"
        )
    return values


def _map(
    path: Path,
    name: str,
    stored: tuple[int, ...],
    dtype: np.dtype,
    description: _Description | None,
    stated: Stated,
) -> LocalLogitMap:
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
    shape = _checked(stored, dtype, name, layout)
    said = _agreed("wrapping", stated.wrapping, description.wrapping if description else None)
    wrapping = _wrapping(said, shape[1:], name)
    if description is None:
        source = "assumed: exact" if stated.delta is None else "stated"
        return LocalLogitMap(path, name, shape, layout, wrapping, evidence, stated.delta or 0.0, source)
    if len(description.classes) != shape[0] or name not in description.delta:
        raise ValueError(f"its {_DESCRIPTION} does not fit '{name}', which has {shape[0]} classes")
    least = description.delta[name]
    delta = least if stated.delta is None else stated.delta
    if delta < least:
        raise ValueError(f"expected --delta of at least {least!r}, the error of '{name}', got {delta:g}")
    source = "estimated" if stated.delta is None else "stated"
    return LocalLogitMap(
        path,
        name,
        shape,
        layout,
        wrapping,
        evidence,
        delta,
        source,
        description.model,
        description.classes,
    )


def _agreed(what: str, stated: _T | None, known: _T | None) -> _T | None:
    """What is stated or known; raises ValueError if both are, and differ."""
    if None not in (stated, known) and stated != known:
        raise ValueError(f"expected {what} {known}, as the file says itself, got {stated}")
    return known if stated is None else stated


def _wrapping(stated: bool | None, map_size: Size, name: str) -> bool:
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


def _checked(stored: tuple[int, ...], dtype: np.dtype, name: str, layout: Layout) -> tuple[int, int, int]:
    """The shape of an array as classes, rows and columns."""
    if len(stored) != 3 or dtype.kind not in "fiu" or dtype.itemsize > 8:
        raise ValueError(
            f"expected numbers of at most 64 bits, of shape [{layout}], in '{name}', got {dtype} of shape "
            f"{list(stored)}"
        )
    one, two, three = stored
    classes, rows, columns = (one, two, three) if layout is Layout.CLASSES_FIRST else (three, one, two)
    if min(rows, columns) < 1 or classes < 2:
        raise ValueError(
            f"expected cells and at least two classes in '{name}', got shape {list(stored)} as [{layout}]"
        )
    most = _MAX_VALUES // (classes + _CELL)
    if rows * columns > most:
        raise ValueError(
            f"expected at most {most} cells of {classes} classes in '{name}', got {rows}x{columns}"
        )
    return classes, rows, columns


def _description(archive: zipfile.ZipFile) -> _Description:
    with archive.open(f"{_DESCRIPTION}.npy") as file:
        shape, dtype = _header(file, _DESCRIPTION)
    if 0 <= math.prod(shape) * dtype.itemsize <= _MAX_DESCRIPTION_BYTES and dtype.kind == "U":
        with archive.open(f"{_DESCRIPTION}.npy") as file:
            return _described(_array(file, _DESCRIPTION))
    return _described(None)


def _described(text: object) -> _Description:
    """What a file says of itself; raises ValueError for anything that `save_local_logits` does not write."""
    try:
        if not isinstance(text, np.ndarray) or text.ndim or text.dtype.kind != "U":
            raise ValueError(f"expected a text of at most {_MAX_DESCRIPTION_BYTES} bytes")
        content = from_json(str(text))
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
        layout, evidence = Layout(content["layout"]), EvidenceType.named(content["evidence"])
        return _Description(layout, wrapping, model, tuple(classes), evidence, delta)
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        why = f" ({error})" if type(error) is ValueError else ""  # what others say is for programmers
        raise ValueError(f"its {_DESCRIPTION} is not as pg_core.save_local_logits writes it{why}") from error
