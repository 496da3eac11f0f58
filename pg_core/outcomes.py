"""What each photo of a dataset run came to, as JSON lines on the disk: a run that was killed goes on from them.

The first line is the configuration and the name of the photos' folder, each further one an outcome, with the hash of
its photo's content: what is known of a photo is known of this content alone. It leaves out what is counted: see
`pg_core.evaluation`.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pg_core.defences.base import Verdict
from pg_core.parameters import coerce_fields
from pg_core.schema import as_json

JSON = dict[str, object]
_BEGINNING = b'{"configuration": '


@dataclass(frozen=True, slots=True)
class DefenceResult:
    """What one defence says of one photo: its prediction, the verdict on the true class, the least margin (None if
    there is no bound)."""

    prediction: int
    verdict: Verdict
    smallest_margin: float | None

    def __post_init__(self) -> None:
        coerce_fields(self)


@dataclass(frozen=True, slots=True)
class PhotoResult:
    """One photo under all defences of a run, in their order; sha256 is the hash of its content (None where it has no
    file), delta as in `LocalFeatures`."""

    photo: str
    sha256: str | None
    label: int
    undefended: int
    delta: float
    results: tuple[DefenceResult, ...]


def resume(path: Path, configuration: JSON, folder: str) -> tuple[dict[str, PhotoResult], str]:
    """The outcomes in a file of an earlier run, by photo, up to a line cut short, which is removed, and the name of
    the folder that its photos were in; a new or empty file gets both as its first line. Of two lines about a photo
    the later one holds.

    Whether the photos are still the same is for the caller to say. Raises ValueError, and leaves the file as it is,
    if it was written under another configuration or by something else.
    """
    content = path.read_bytes() if path.exists() else b""
    complete = content[: content.rfind(b"\n") + 1]
    outcomes: list[PhotoResult] = []
    if complete:
        try:
            first, *rest = [json.loads(line) for line in complete.splitlines()]
            found = dict(first["configuration"])
            expected = json.loads(as_json(configuration))
            different = [key for key, value in expected.items() if found.get(key) != value]
            if not different:
                folder, outcomes = str(first["folder"]), [_outcome(line) for line in rest]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path.name}: not the lines of an evaluation; name another file") from error
        if different:
            raise ValueError(
                f"{path.name}: another configuration ({', '.join(different)}); name another file"
            )
    elif content[: len(_BEGINNING)] != _BEGINNING[: len(content)]:
        raise ValueError(f"{path.name}: not the lines of an evaluation; name another file")
    if len(complete) < len(content):
        with path.open("rb+") as file:
            file.truncate(len(complete))
    if not complete:
        _write(path, {"configuration": configuration, "folder": folder})
    return {outcome.photo: outcome for outcome in outcomes}, folder


def append(path: Path, outcome: PhotoResult) -> None:
    """Add a line, which is on the disk when this returns."""
    _write(path, asdict(outcome))


def hash_of_photos(outcomes: Iterable[PhotoResult]) -> str:
    """The SHA-256 of a line for each photo, in the order of the names: its name, the hash of its content, its label,
    as a JSON list."""
    photos = sorted((outcome.photo, outcome.sha256, outcome.label) for outcome in outcomes)
    return hashlib.sha256("\n".join(map(json.dumps, photos)).encode()).hexdigest()


def _write(path: Path, line: JSON) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(as_json(line) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _outcome(line: Mapping[str, Any]) -> PhotoResult:
    results = tuple(
        DefenceResult(int(r["prediction"]), Verdict(r["verdict"]), r["smallest_margin"])
        for r in line["results"]
    )
    return PhotoResult(
        str(line["photo"]),
        str(line["sha256"]),
        int(line["label"]),
        int(line["undefended"]),
        float(line["delta"]),
        results,
    )
