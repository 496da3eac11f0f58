"""The outcome of each photo of an evaluation: prediction, verdict and margin under each defence.

Not here: the file of lines with the outcomes, see `pg_core.evaluation.lines`, and the accuracies, see
`pg_core.evaluation.run`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pg_core.defences.base import ALERT, Claim, Verdict
from pg_core.io.parameters import coerce_fields, non_negative, number, whole


@dataclass(frozen=True, slots=True)
class CaseResult:
    """The result of one defence on one photo: its prediction (index of a class or `ALERT`), the verdict on the true
    class, the smallest margin (None if it is infinite)."""

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


def photo_result(line: Mapping[str, Any], configuration: Mapping[str, Any]) -> PhotoResult:
    """The outcome of a line; raises ValueError, KeyError, TypeError or AttributeError for a line that no run of this
    configuration writes."""
    classes, settings = len(configuration["classes"]), configuration["settings"]
    name = line["photo"]
    if not isinstance(name, str):
        raise ValueError("expected a name")
    label = class_index(line["label"], classes)
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
            class_index(result.prediction, classes)
        if result.verdict not in _verdicts(result, label, Claim(setting["claim"])):
            raise ValueError(f"expected another verdict than {result.verdict}")
    delta = non_negative(line["delta"], "delta")
    if not math.isfinite(delta):
        raise ValueError("expected a finite delta")
    return PhotoResult(name, line["sha256"], label, class_index(line["undefended"], classes), delta, results)


def class_index(value: object, classes: int) -> int:
    """The index of one of `classes` classes; raises ValueError for anything else."""
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
