"""Double masking on features line by line (theory §9), with the numbers of one map: prediction and certificate.

A trace is a tuple of values taken from prediction and certificate. Of the second round a prediction keeps only the
mask that decided, so that the evidence outside each second mask is summed again, as the defence does. Not here: how a
step is drawn and worded.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from jaxtyping import Float64

from pg_core.defences.base import Certificate, Verdict
from pg_core.defences.patchcleanser.pixels import DoubleMasking
from pg_core.defences.patchcleanser.rounds import second_round
from pg_core.evidence.arrays import first_largest
from pg_core.geometry import Window, Windows, cells
from pg_core.io.parameters import coerce_fields

OneMap = Float64[np.ndarray, "classes rows columns"]
"""The clipped evidence û of one image."""


class FeatureLine(StrEnum):
    """The lines of prediction and certificate, in the letters of theory §9; a loop's body is indented."""

    CLIP = "û_c ← clip(u_c, 0, c_h), for each class c"
    MASKS = "for each window i of W:"
    ONE = "    o_i ← the class c with the largest SUM(û_c ⊙ (1 - i))"
    AGREE = "if all o_i are the same class: return it"
    MAJORITY = "majority ← the class of most o_i"
    DISAGREER = "for each i with o_i ≠ majority:"
    SECOND = "    p_ij ← the class c with the largest SUM(û_c ⊙ (1 - i) ⊙ (1 - j)), for each window j of W"
    STANDS = "    if all p_ij are o_i: return o_i"
    RETURN = "return majority"

    CLEAN = "if the two rounds do not predict y: return not certified"
    WINDOWS = "for each window w of W, which may be malicious, and each class c ≠ y:"
    LEAD = "    lower ← SUM((û_y - û_c) ⊙ (1 - w))"
    TAKEN = "    upper ← the most that a window j takes of it, SUM((û_y - û_c) ⊙ (1 - w) ⊙ j)"
    MARGIN = "    margin ← lower - upper, of the c for which it is least"
    CERTIFY = "return certified if every margin is above the tolerance, else not certified"


FEATURE_PREDICTION = tuple(FeatureLine)[: list(FeatureLine).index(FeatureLine.CLEAN)]
FEATURE_CERTIFICATE = tuple(FeatureLine)[len(FEATURE_PREDICTION) :]


@dataclass(frozen=True, slots=True)
class FeatureStep:
    """One line as it is run: the class that it is about or that it found, numbers by their symbols, the mask i or the
    malicious window w, the second mask j that contradicts i or takes most, and the verdict of the last line."""

    line: FeatureLine
    label: int
    numbers: tuple[tuple[str, float], ...] = ()
    window: Window | None = None
    other: Window | None = None
    verdict: Verdict | None = None

    def __post_init__(self) -> None:
        coerce_fields(self)

    def number(self, letters: str) -> float:
        """The number of the step under this symbol; raises KeyError if it has none."""
        return dict(self.numbers)[letters]


def trace_feature_prediction(evidence: OneMap, prediction: DoubleMasking) -> tuple[FeatureStep, ...]:
    """The two rounds on one map: the class of each single mask, in row-major order; then the disagreers until one
    stands, the first and that one line by line.

    evidence is the û that `FeatureMasking.mask` made the prediction of. Raises ValueError for a prediction on pixels.
    """
    return tuple(_prediction(evidence, prediction, _windows(prediction)))


def trace_feature_certificate(
    evidence: OneMap, prediction: DoubleMasking, certificate: Certificate, window: Window
) -> tuple[FeatureStep, ...]:
    """The certificate of one map: line by line for one malicious window against its rival, then the margin of each
    other one in row-major order. It goes on after a window that fails, so that all are known."""
    return tuple(_certificate(evidence, prediction, certificate, window))


def _prediction(evidence: OneMap, prediction: DoubleMasking, windows: Windows) -> Iterator[FeatureStep]:
    label, majority, decided = (
        int(value) for value in (prediction.label, prediction.majority, prediction.disagreer)
    )
    one = prediction.one_mask.tolist()
    sums, totals = windows.sums(evidence).reshape(len(evidence), -1), evidence.sum(axis=(-2, -1))
    yield FeatureStep(FeatureLine.CLIP, label, (("SUM(û)", float(totals[label])),))
    yield FeatureStep(FeatureLine.MASKS, label, (("windows", float(windows.count)),))
    for i, found in enumerate(one):
        yield FeatureStep(FeatureLine.ONE, found, _left(totals[found] - sums[found, i]), windows.at(i))
    votes = ("votes", float(prediction.scores[majority])), ("windows", float(windows.count))
    yield FeatureStep(FeatureLine.AGREE, majority, votes)
    disagreers = [i for i, found in enumerate(one) if found != majority]
    if not disagreers:
        return
    yield FeatureStep(FeatureLine.MAJORITY, majority, votes)
    for i in disagreers:
        (second,) = second_round(evidence, windows, np.array([i]))
        consistent, mask = second == one[i], windows.at(i)
        assert consistent.all() == (i == decided)
        j = None if i == decided else int(np.argmin(consistent))
        other = None if j is None else windows.at(j)
        if i in (disagreers[0], decided):
            yield FeatureStep(FeatureLine.DISAGREER, one[i], _left(totals[one[i]] - sums[one[i], i]), mask)
            winner = one[i] if j is None else int(second[j])
            left = _without(evidence[winner], mask)
            if other is not None:
                left = _without(left, other)
            yield FeatureStep(FeatureLine.SECOND, winner, _left(left.sum()), mask, other)
        agreeing = ("agreeing", float(consistent.sum())), ("windows", float(windows.count))
        yield FeatureStep(FeatureLine.STANDS, one[i], agreeing, mask, other)
        if i == decided:
            return
    yield FeatureStep(FeatureLine.RETURN, majority, votes)


def _certificate(
    evidence: OneMap, prediction: DoubleMasking, certificate: Certificate, window: Window
) -> Iterator[FeatureStep]:
    windows, at = certificate.windows, (window.top, window.left)
    predicted, label, rival = int(prediction.label), int(certificate.label), int(certificate.rival[at])
    votes = ("votes", float(prediction.scores[predicted])), ("windows", float(windows.count))
    yield FeatureStep(FeatureLine.CLEAN, predicted, votes)
    yield FeatureStep(FeatureLine.WINDOWS, label, (), window)
    lead = evidence[label] - evidence[rival]
    lower, upper = float(certificate.lower[at]), float(certificate.upper[at])
    total, inside = float(lead.sum()), float(windows.sums(lead)[at])
    led = ("SUM(û_y - û_c)", total), ("SUM((û_y - û_c) ⊙ w)", inside), ("lower", lower)
    yield FeatureStep(FeatureLine.LEAD, rival, led, window)
    taken = windows.sums(_without(lead, window)).ravel()
    # w itself takes nothing of what is outside it, and is no other window.
    best = windows.at(int(first_largest(taken))) if upper > 0 else None
    yield FeatureStep(FeatureLine.TAKEN, rival, (("upper", upper),), window, best)
    yield _margin(certificate, window)
    for row, column in np.ndindex(windows.shape):
        if (row, column) != at:
            yield _margin(certificate, windows.window(row, column))
    counts = (
        ("windows", float(windows.count)),
        ("proved", float(certificate.proved.sum())),
        ("undecided", float(certificate.undecided.sum())),
    )
    yield FeatureStep(FeatureLine.CERTIFY, label, counts, verdict=certificate.verdict)


def _margin(certificate: Certificate, window: Window) -> FeatureStep:
    at = window.top, window.left
    bounds = (certificate.lower, certificate.upper, certificate.margin)
    numbers = zip(("lower", "upper", "margin"), (float(values[at]) for values in bounds), strict=True)
    return FeatureStep(FeatureLine.MARGIN, int(certificate.rival[at]), tuple(numbers), window)


def _without(
    values: Float64[np.ndarray, "*classes rows columns"], window: Window
) -> Float64[np.ndarray, "*classes rows columns"]:
    """values ⊙ (1 - w)."""
    rows, columns = values.shape[-2:]
    left = values.copy()
    left[..., *cells(window, (rows, columns))] = 0.0
    return left


def _left(value: np.floating) -> tuple[tuple[str, float], ...]:
    """The evidence of the step's class outside the masks."""
    return (("left", float(value)),)


def _windows(prediction: DoubleMasking) -> Windows:
    if prediction.windows is None:
        raise ValueError("expected a prediction by double masking on features, got one on pixels")
    return prediction.windows
