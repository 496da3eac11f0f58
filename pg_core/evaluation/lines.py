"""The outcome of each photo of a run, as JSON lines on the disk, from which a run that was killed goes on.

The first line is the configuration and the name of the photos' folder, each further one an outcome, with the hash of
its photo's content, for which alone it holds. Not here: what an outcome is, see `pg_core.evaluation.outcomes` and
`pg_core.evaluation.bracket`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from pg_core.datasets.folders import LabelledPhoto
from pg_core.io import files
from pg_core.io.json import as_json, from_json
from pg_core.photos.read import ImageError

JSON = dict[str, object]
_BEGINNING = b'{"configuration": '
_SHA256 = re.compile("[0-9a-f]{64}")


@runtime_checkable
class Outcome(Protocol):
    """The outcome of a photo, by its name; sha256 is the hash of its content (None where it has no file)."""

    @property
    def photo(self) -> str: ...
    @property
    def sha256(self) -> str | None: ...
    @property
    def label(self) -> int: ...


OutcomeT = TypeVar("OutcomeT", bound=Outcome)
Reader = Callable[[Mapping[str, Any], Mapping[str, Any]], OutcomeT]
"""From a line and a configuration to an outcome; raises ValueError, KeyError, TypeError or AttributeError for a line
that no run of this configuration writes."""


@dataclass(frozen=True, slots=True)
class Lines(Generic[OutcomeT]):
    """The content of a file of lines: the folder of its photos, the outcomes by photo, the numbers of damaged lines,
    counted from 1, and the file without these."""

    folder: str
    outcomes: Mapping[str, OutcomeT]
    spoilt: tuple[int, ...]
    content: bytes


@dataclass(frozen=True, slots=True)
class Earlier(Generic[OutcomeT]):
    """The outcomes of an earlier run that still hold, by photo; photos that changed since or are missing; the numbers
    of damaged lines."""

    known: Mapping[str, OutcomeT] = field(default_factory=dict)
    changed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    spoilt: tuple[int, ...] = ()


def earlier(
    path: Path, configuration: JSON, photos: Sequence[LabelledPhoto], read: Reader[OutcomeT]
) -> Earlier[OutcomeT]:
    """The outcomes of a file of lines that hold for these photos; the file is rewritten without damaged lines, so that
    further lines can be added. An outcome holds for a photo of the same name, content and label. Raises ValueError if
    the lines are all about the photos of another folder, and as `read_lines` does."""
    root = photos[0].root
    lines = read_lines(path, configuration, folder_name(root), read)
    outcomes, folder = lines.outcomes, lines.folder
    listed = {photo.name: photo for photo in photos}
    known = {name: outcome for name, outcome in outcomes.items() if _holds(outcome, listed.get(name))}
    if folder != folder_name(root) and not known:
        raise ValueError(f"{path.name}: outcomes of other photos, those of {folder}; name another file")
    changed = sorted(name for name in outcomes if name in listed and name not in known)
    # Photos that are there but were not asked for are left alone.
    missing = sorted(name for name in outcomes if name not in listed and not (root / name).is_file())
    begin(path, lines)
    return Earlier(known, tuple(changed), tuple(missing), lines.spoilt)


def read_lines(path: Path, configuration: JSON, folder: str, read: Reader[OutcomeT]) -> Lines[OutcomeT]:
    """The outcomes in a file of an earlier run, without a line cut short at its end; of a new or empty file, its first
    line, with the configuration and the folder. Of two lines about a photo the later one holds.

    A damaged line costs that line alone: one that is no JSON, or no outcome that a run of this configuration writes.
    Whether the photos are still the same is for `earlier` to say. Raises ValueError if the file was written under
    another configuration or by something else, FileError for a pipe, a device or a folder.
    """
    files.check_regular(path)
    content = path.read_bytes() if path.exists() else b""
    first, *rest = content[: content.rfind(b"\n") + 1].split(b"\n")[:-1] or [b""]
    expected = from_json(as_json(configuration))
    if not first:
        if content[: len(_BEGINNING)] != _BEGINNING[: len(content)]:
            raise _foreign(path)
        begun = as_json({"configuration": configuration, "folder": folder})
        return Lines(folder, {}, (), begun.encode() + b"\n")
    try:
        said = from_json(first)
        found, folder = dict(said["configuration"]), str(said["folder"])
    except (ValueError, KeyError, TypeError) as error:
        raise _foreign(path) from error
    different = [key for key in expected | found if expected.get(key) != found.get(key)]
    if different:
        raise ValueError(f"{path.name}: another configuration ({', '.join(different)}); name another file")
    outcomes, spoilt, good = {}, [], [first]
    for position, line in enumerate(rest, 2):
        try:
            said = from_json(line)
            if not isinstance(said["sha256"], str) or not _SHA256.fullmatch(said["sha256"]):
                raise ValueError("expected a SHA-256")
            outcome = read(said, expected)
        except (ValueError, KeyError, TypeError, AttributeError):
            spoilt.append(position)
        else:
            outcomes[outcome.photo] = outcome
            good.append(line)
    return Lines(folder, outcomes, tuple(spoilt), b"\n".join([*good, b""]))


def begin(path: Path, lines: Lines[OutcomeT]) -> None:
    """Write the content of lines to their file if it is another, so that further lines can be added."""
    if not path.exists() or path.read_bytes() != lines.content:
        files.write({path: lines.content})


def append(path: Path, outcome: Outcome) -> None:
    """Add a line, which is on the disk when this returns; an outcome is a dataclass."""
    files.append(path, as_json(asdict(outcome)).encode() + b"\n")  # type: ignore[call-overload]


def folder_name(root: Path) -> str:
    """A folder's name, with its parent's."""
    return "/".join(part for part in root.parts[-2:] if part != root.anchor)


def _holds(outcome: Outcome, photo: LabelledPhoto | None) -> bool:
    """Whether an outcome is about this photo as it is now."""
    if photo is None or photo.label != outcome.label:
        return False
    try:
        return photo.hashed().sha256 == outcome.sha256
    except ImageError:
        return False  # Measuring it says what is wrong.


def _foreign(path: Path) -> ValueError:
    return ValueError(
        f"{path.name}: not the lines of an evaluation, for its first line is no configuration; name another file"
    )
