"""[PG] Algorithms 1 and 2 line by line, with the numbers of one map.

A trace is a tuple of values taken from the results of the algorithms; it computes no result of its own. Not here: how
a step is drawn and worded.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from pg_core.defences.base import Verdict
from pg_core.defences.patchguard.certificate import Bound, MaskingCertificate
from pg_core.defences.patchguard.explain import diagnose
from pg_core.defences.patchguard.masking import Masking, RobustMasking
from pg_core.evidence.arrays import first_largest
from pg_core.geometry import Window
from pg_core.io.parameters import coerce_fields, member


class Line(StrEnum):
    """The lines of both algorithms, in the letters of the paper; a loop's body is indented."""

    CLASSES = "for each class y:"
    CLIP = "    û_y ← clip(u_y, 0, c_h)"
    DETECT = "    w*_y ← the window w of W with the largest SUM(w ⊙ û_y)"
    COMPARE = "    if SUM(w*_y ⊙ û_y) ≤ T · SUM(û_y): w*_y ← none"
    SCORE = "    s_y ← SUM(û_y ⊙ (1 - w*_y))"
    PREDICT = "return the class y with the largest s_y"

    CLEAN = "if Algorithm 1 does not predict y: return not certified"
    WINDOWS = "for each window w of W, which may be malicious:"
    UPPER = "    upper ← the largest SUM(û_y' ⊙ (1 - w))/(1 - T) of all y' ≠ y"
    UPPER_TIGHT = "    upper ← the most that any y' ≠ y keeps of û_y' ⊙ (1 - w), at most t/(1 - T)"
    OUTSIDE = "    t ← SUM(û_y ⊙ (1 - w)); m ← the most that a window w' holds of û_y ⊙ (1 - w)"
    LOWER = "    lower ← t - m if m > T t, else t - m_o, with m_o of the w' that overlap w"
    LOWER_TIGHT = "    lower ← t - m if m > T t, else t less what a w' takes that can be detected"
    LOWER_PUBLISHED = "    lower ← t - m if m > T t, else t"
    MARGIN = "    margin ← lower - upper"
    CERTIFY = "return certified if every margin is above the tolerance, else not certified"


ALGORITHM_1 = (Line.CLASSES, Line.CLIP, Line.DETECT, Line.COMPARE, Line.SCORE, Line.PREDICT)


def algorithm_2(bound: Bound) -> tuple[Line, ...]:
    """The lines of Algorithm 2 with the bounds that are used."""
    bound = member(Bound, bound)
    lower = {Bound.SOUND: Line.LOWER, Bound.TIGHT: Line.LOWER_TIGHT, Bound.PUBLISHED: Line.LOWER_PUBLISHED}
    upper = Line.UPPER_TIGHT if bound is Bound.TIGHT else Line.UPPER
    return Line.CLEAN, Line.WINDOWS, upper, Line.OUTSIDE, lower[bound], Line.MARGIN, Line.CERTIFY


@dataclass(frozen=True, slots=True)
class Step:
    """One line as it is run: its class and malicious window, if it is about one, its numbers by their symbols, the
    window that it found (w* or w'), and the verdict of the last line."""

    line: Line
    label: int | None
    numbers: tuple[tuple[str, float], ...]
    window: Window | None = None
    other: Window | None = None
    verdict: Verdict | None = None

    def __post_init__(self) -> None:
        coerce_fields(self)

    def number(self, letters: str) -> float:
        """The number of the step under this symbol; raises KeyError if it has none."""
        return dict(self.numbers)[letters]


def trace_prediction(defence: RobustMasking, masking: Masking, labels: Sequence[int]) -> tuple[Step, ...]:
    """Algorithm 1 on one map, line by line for these classes, and at once for the rest."""
    return tuple(_prediction(defence, masking, labels))


def trace_certificate(
    defence: RobustMasking, masking: Masking, certificate: MaskingCertificate, window: Window
) -> tuple[Step, ...]:
    """Algorithm 2 on one map: line by line for one malicious window, then the margin of each other one in row-major
    order. It goes on after a window that fails, so that all are known."""
    return tuple(_certificate(defence, masking, certificate, window))


def _prediction(defence: RobustMasking, masking: Masking, labels: Sequence[int]) -> Iterator[Step]:
    for label in labels:
        evidence, sums = masking.evidence[label], masking.window_sums[label].ravel()
        total, at = float(evidence.sum()), int(first_largest(sums))
        largest, best = float(sums[at]), masking.windows.at(at)
        yield Step(Line.CLASSES, label, ())
        yield Step(Line.CLIP, label, (("SUM(û)", total),))
        yield Step(Line.DETECT, label, (("SUM(w* ⊙ û)", largest),), other=best)
        passed = masking.window(label)
        compared = (("SUM(w* ⊙ û)", largest), ("T · SUM(û)", defence.threshold * total))
        yield Step(Line.COMPARE, label, compared, other=passed)
        masked = 0.0 if passed is None else largest
        score = (("SUM(û)", total), ("SUM(w* ⊙ û)", masked), ("s", float(masking.scores[label])))
        yield Step(Line.SCORE, label, score, other=passed)
    rest = len(masking.scores) - len(set(labels))
    if rest:
        yield Step(Line.CLASSES, None, (("classes", float(rest)),))
    winner = int(masking.label)
    yield Step(Line.PREDICT, winner, (("s", float(masking.scores[winner])),), other=masking.window(winner))


def _certificate(
    defence: RobustMasking, masking: Masking, certificate: MaskingCertificate, window: Window
) -> Iterator[Step]:
    _, _, upper, outside, lower, _, _ = algorithm_2(defence.bound)
    label, prediction = int(certificate.label), int(certificate.prediction)
    yield Step(Line.CLEAN, prediction, (("s", float(masking.scores[prediction])),))
    told = diagnose(defence, masking, certificate, window)
    t, rival = told.label.outside, told.rival
    yield Step(Line.WINDOWS, label, (), window)
    yield Step(upper, rival.label, (("t", rival.outside), ("upper", rival.bound)), window)
    m = float(certificate.other[window.top, window.left])
    around = (("SUM(û)", told.label.total), ("t", t), ("m", m))
    yield Step(outside, label, around, window, told.label.other)
    compared = (("m", m), ("T t", defence.threshold * t), ("lower", told.label.bound))
    yield Step(lower, label, compared, window, told.label.other)
    yield _margin(certificate, window)
    for row, column in np.ndindex(certificate.windows.shape):
        if (row, column) != (window.top, window.left):
            yield _margin(certificate, certificate.windows.window(row, column))
    counts = (
        ("windows", float(certificate.windows.count)),
        ("proved", float(certificate.proved.sum())),
        ("undecided", float(certificate.undecided.sum())),
    )
    yield Step(Line.CERTIFY, label, counts, verdict=certificate.verdict)


def _margin(certificate: MaskingCertificate, window: Window) -> Step:
    at = window.top, window.left
    bounds = (certificate.lower, certificate.upper, certificate.margin)
    numbers = zip(("lower", "upper", "margin"), (float(values[at]) for values in bounds), strict=True)
    return Step(Line.MARGIN, int(certificate.rival[at]), tuple(numbers), window)
