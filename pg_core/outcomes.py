"""What each photo of a dataset run came to, as JSON lines on the disk: a run that was killed goes on from them.

The first line is the configuration, each further one an outcome. It leaves out what is counted: see
`pg_core.evaluation`.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pg_core.defences.base import Verdict

JSON = dict[str, object]
_BEGINNING = b'{"configuration": '


@dataclass(frozen=True, slots=True)
class DefenceResult:
    """What one defence says of one photo: its prediction, the verdict on the true class, the least margin (None if
    there is no bound)."""

    prediction: int
    verdict: Verdict
    smallest_margin: float | None


@dataclass(frozen=True, slots=True)
class PhotoResult:
    """One photo under all defences of a run, in their order; delta as in `LocalFeatures`."""

    photo: str
    label: int
    undefended: int
    delta: float
    results: tuple[DefenceResult, ...]


def resume(path: Path, configuration: JSON) -> dict[str, PhotoResult]:
    """The outcomes in a file of an earlier run, by photo, up to a line cut short, which is removed; a new or
    empty file gets the configuration as its first line.

    Raises ValueError, and leaves the file as it is, if it was written under another configuration or by
    something else.
    """
    content = path.read_bytes() if path.exists() else b""
    complete = content[: content.rfind(b"\n") + 1]
    outcomes: list[PhotoResult] = []
    if complete:
        try:
            first, *rest = [json.loads(line) for line in complete.splitlines()]
            found = dict(first["configuration"])
            outcomes = [_outcome(line) for line in rest]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path.name}: not the lines of an evaluation; name another file") from error
        expected = json.loads(json.dumps(configuration))
        different = [key for key, value in expected.items() if found.get(key) != value]
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
        _write(path, {"configuration": configuration})
    return {outcome.photo: outcome for outcome in outcomes}


def append(path: Path, outcome: PhotoResult) -> None:
    """Add a line, which is on the disk when this returns."""
    _write(path, asdict(outcome))


def _write(path: Path, line: JSON) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _outcome(line: Mapping[str, Any]) -> PhotoResult:
    results = tuple(
        DefenceResult(int(r["prediction"]), Verdict(r["verdict"]), r["smallest_margin"])
        for r in line["results"]
    )
    return PhotoResult(
        str(line["photo"]), int(line["label"]), int(line["undefended"]), float(line["delta"]), results
    )
