"""What each photo of a dataset run came to, as JSON lines on the disk: a run that was killed goes on from them.

The first line is the configuration and the name of the photos' folder, each further one an outcome, with the hash of
its photo's content: what is known of a photo is known of this content alone. Not here: what is counted, see
`pg_core.evaluation.run`.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pg_core.defences.base import ALERT, Claim, Verdict
from pg_core.io import files
from pg_core.io.json import as_json, from_json
from pg_core.io.parameters import coerce_fields, non_negative, number, whole

JSON = dict[str, object]
_BEGINNING = b'{"configuration": '
_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class CaseResult:
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
    results: tuple[CaseResult, ...]


@dataclass(frozen=True, slots=True)
class Lines:
    """What a file of an earlier run holds: the folder of its photos, the outcomes by photo, the numbers of lines that
    are spoilt, counted from 1, and the file without these."""

    folder: str
    outcomes: Mapping[str, PhotoResult]
    spoilt: tuple[int, ...]
    content: bytes


def read_lines(path: Path, configuration: JSON, folder: str) -> Lines:
    """The outcomes in a file of an earlier run, without a line cut short at its end; of a new or empty file, its first
    line, with the configuration and the folder. Of two lines about a photo the later one holds.

    A line that is spoilt costs that line alone: one that is no JSON, or no outcome that a run of this configuration
    writes. Whether the photos are still the same is for the caller to say. Raises ValueError if the file was written
    under another configuration or by something else, FileError for a pipe, a device or a folder.
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
    different = [key for key, value in expected.items() if found.get(key) != value]
    if different:
        raise ValueError(f"{path.name}: another configuration ({', '.join(different)}); name another file")
    outcomes, spoilt, good = {}, [], [first]
    for position, line in enumerate(rest, 2):
        try:
            outcome = _outcome(from_json(line), expected)
        except (ValueError, KeyError, TypeError, AttributeError):
            spoilt.append(position)
        else:
            outcomes[outcome.photo] = outcome
            good.append(line)
    return Lines(folder, outcomes, tuple(spoilt), b"\n".join([*good, b""]))


def begin(path: Path, lines: Lines) -> None:
    """Make a file what its lines were read as, so that further ones can be added."""
    if not path.exists() or path.read_bytes() != lines.content:
        files.write({path: lines.content})


def append(path: Path, outcome: PhotoResult) -> None:
    """Add a line, which is on the disk when this returns."""
    files.append(path, as_json(asdict(outcome)).encode() + b"\n")


def _foreign(path: Path) -> ValueError:
    return ValueError(
        f"{path.name}: not the lines of an evaluation, for its first line is no configuration; name another file"
    )


def _outcome(line: Mapping[str, Any], configuration: Mapping[str, Any]) -> PhotoResult:
    """The outcome in a line; raises ValueError, KeyError, TypeError or AttributeError for one that no run of the
    configuration writes."""
    classes, settings = len(configuration["classes"]), configuration["settings"]
    name, sha256 = line["photo"], line["sha256"]
    if not isinstance(name, str) or not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise ValueError("expected a name and a SHA-256")
    label = _class(line["label"], classes)
    results = tuple(
        CaseResult(
            whole(own["prediction"], "prediction"),
            Verdict(own["verdict"]),
            None if own["smallest_margin"] is None else number(own["smallest_margin"], "smallest_margin"),
        )
        for own in line["results"]
    )
    for result, setting in zip(results, settings, strict=True):
        if result.prediction != ALERT:
            _class(result.prediction, classes)
        if result.verdict not in _verdicts(result, label, Claim(setting["claim"])):
            raise ValueError(f"expected another verdict than {result.verdict}")
    delta = non_negative(line["delta"], "delta")
    if not math.isfinite(delta):
        raise ValueError("expected a finite delta")
    return PhotoResult(name, sha256, label, _class(line["undefended"], classes), delta, results)


def _class(value: object, classes: int) -> int:
    index = whole(value, "a class")
    if not 0 <= index < classes:
        raise ValueError(f"expected 0 <= class < {classes}, got {index}")
    return index


def _verdicts(result: CaseResult, label: int, claim: Claim) -> tuple[Verdict, ...]:
    """The verdicts that `Certificate` may give for such a prediction and margin: a positive margin may be within the
    tolerance, and one without a bound is infinite, to either side."""
    if result.prediction == ALERT:
        return (Verdict.ALERT,)
    if result.prediction != label:
        return (Verdict.MISCLASSIFIED,)
    if claim is Claim.NOTHING:
        return (Verdict.UNPROVED,)
    least = result.smallest_margin
    positive, negative = (Verdict.CERTIFIED, Verdict.UNDECIDED), (Verdict.NOT_CERTIFIED,)
    if least is None:
        return positive + negative
    return positive if least > 0 else negative
