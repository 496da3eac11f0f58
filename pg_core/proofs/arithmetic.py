"""What a certificate file says in numbers: evidence in steps of its grid, both bounds of every window as ratios.

The bounds are those of the defences' certificates, with T as the ratio that its float64 is, so that a quotient by
1 - T is exact here (theory §13). Not here: what the numbers are about, see `pg_core.proofs.statement`; the checker,
which knows nothing of this.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
from jaxtyping import Float64, Int64

from pg_core.analysis.photo import Analysis
from pg_core.defences.base import Verdict
from pg_core.defences.bounded import SLOPE, BoundedEvidence, Squashing
from pg_core.defences.detection import Detection, MaskedDetection
from pg_core.defences.patchcleanser.features import FeatureMasking
from pg_core.defences.patchguard.certificate import Bound
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.defences.patchguard.witness import find_contents
from pg_core.defences.smoothing import Smoothing
from pg_core.evidence.arrays import first_largest, strongest_rival
from pg_core.evidence.grid import scale
from pg_core.evidence.tolerance import Tolerance
from pg_core.evidence.types import CEILING, EvidenceType
from pg_core.geometry import Size, Window, Windows

Number = Fraction | int
Steps = Int64[np.ndarray, "classes rows columns"]
"""Evidence in steps of its grid."""

_ROUNDING = Fraction(1, 2**50)
"""Of products with T in float64, and of sums of exponentials, relative (theory §5, Numerics)."""
_DIGITS = 50
"""Of exponentials and logarithms, which are no ratios."""


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """The evidence of one image in steps: its type, c_h (None: not clipped), the step, the least and the largest
    value, and how far an error of delta moves the evidence of a class, summed over any cells, in its own units."""

    kind: str
    clip_high: Fraction | None
    step: Fraction
    least: int
    most: int
    moved: Fraction
    values: Steps


@dataclass(frozen=True, slots=True, eq=False)
class WitnessContents:
    """Contents of a window, by its flat position in W, for label and rival, with which the defence errs; the other
    classes have the least value there."""

    window: int
    rival: int
    for_label: list[int]
    for_rival: list[int]


@dataclass(frozen=True, slots=True, eq=False)
class Arithmetic:
    """A certificate in whole numbers and ratios, in steps, by flat positions in W, or by places of the patch
    (smoothing). `other` is the second window that the lower bound loses (robust masking) or that takes most of the
    lead (double masking), -1 where there is none; `threshold` is T, or τ of masked detection."""

    defence: str
    window_size: Size
    threshold: Fraction
    grid: Grid
    lower: list[Number]
    upper: list[Number]
    rival: list[int]
    other: list[int]
    verdict: str
    witnesses: list[WitnessContents]


def arithmetic(analysis: Analysis) -> Arithmetic:
    """The certificate of an analysis in exact numbers; raises as `check_provable`."""
    check_provable(analysis)
    match analysis.defence:
        case RobustMasking() as defence:
            return _robust_masking(analysis, defence)
        case FeatureMasking() as defence:
            return _feature_masking(analysis, defence)
        case BoundedEvidence() as defence:
            return _bounded_evidence(analysis, defence)
        case Smoothing() as defence:
            return _smoothing(analysis, defence)
        case MaskedDetection() as defence:
            return _detection(analysis, defence)
    raise AssertionError(analysis.defence)


def check_provable(analysis: Analysis) -> None:
    """Raise ValueError, one sentence, for a defence, or parameters of one, whose certificates cannot be written as
    proofs."""
    defence, field = analysis.defence, analysis.features.receptive_field
    if not isinstance(
        defence, RobustMasking | FeatureMasking | BoundedEvidence | Smoothing | MaskedDetection
    ):
        raise ValueError(
            f"expected a defence of whose certificates proofs can be written, got {analysis.spec.title}: choose "
            "--defence masking, mask-ds, feature-masking, clipping, smoothing or detection"
        )
    if isinstance(defence, RobustMasking) and defence.threshold and defence.bound is not Bound.SOUND:
        raise ValueError(
            f"expected the sound bound for T > 0, of which proofs can be written, got the {defence.bound} one: choose "
            "--bound sound"
        )
    if isinstance(defence, MaskedDetection) and defence.alert_threshold == 1:
        raise ValueError("expected an alert threshold below 1, at which something can be certified, got 1")
    if isinstance(defence, Smoothing):
        bands = Smoothing.columns(defence.image_size, field.size[1], defence.patch_size)
        if not field.wrapping or defence != bands:
            raise ValueError(f"expected {bands}, of which proofs can be written, got {defence}")


def _robust_masking(analysis: Analysis, defence: RobustMasking) -> Arithmetic:
    threshold, certificate = Fraction(defence.threshold), analysis.masking_certificate
    masking, windows, label = analysis.masking, certificate.windows, int(certificate.label)
    grid = _clipped(analysis, defence.evidence, defence.clip_high, masking.evidence)
    inside = _in_steps(masking.window_sums, grid.step)
    outside = grid.values.sum(axis=(1, 2))[:, None, None] - inside
    best, rival = strongest_rival(outside.astype(np.float64), certificate.label)
    uppers = [Fraction(int(value)) / (1 - threshold) for value in best.ravel()]
    m, m_o, other = _other_windows(windows, grid.values[label].astype(np.float64))
    error = grid.moved / grid.step * (1 + 1 / (1 - threshold))
    tolerance = error + (_ROUNDING / (1 - threshold) * max(uppers) if threshold else 0)
    lowers: list[Number] = []
    counted = []
    for t, most, overlapping, upper in zip(outside[label].ravel().tolist(), m, m_o, uppers, strict=True):
        lower = t - (most if most > threshold * t else overlapping)
        sure = t - most if most + error > threshold * t else lower
        lowers.append(lower)
        counted.append(sure - upper > tolerance)
    verdict = _verdict(analysis, [a > b for a, b in zip(lowers, uppers, strict=True)], counted)
    witnesses = []
    for at in np.flatnonzero(~np.array(counted)).tolist() if verdict is not Verdict.MISCLASSIFIED else ():
        found = find_contents(defence, masking, label, windows.at(at))
        if found is not None:
            against, contents = found
            own, others = (_in_steps(content, grid.step).ravel().tolist() for content in contents)
            # Of a confidence that label and rival share in a cell the checker knows nothing.
            if not defence.evidence.shared or not any(map(all, zip(own, others, strict=True))):
                witnesses.append(WitnessContents(at, against, own, others))
    return Arithmetic(
        "robust masking",
        windows.window_size,
        threshold,
        grid,
        lowers,
        list(uppers),
        rival.ravel().tolist(),
        other,
        verdict,
        witnesses,
    )


def _feature_masking(analysis: Analysis, defence: FeatureMasking) -> Arithmetic:
    """Witnesses are left out: each would take the checker as long as the two rounds of all windows."""
    certificate, windows = analysis.certificate, analysis.certificate.windows
    evidence = analysis.evidence
    assert evidence is not None
    grid = _clipped(analysis, defence.evidence, defence.clip_high, evidence)
    lower, upper, rival = _bounds(analysis, grid.step)
    other = [-1] * windows.count
    for c in np.unique(certificate.rival).tolist():
        lead = grid.values[int(certificate.label)] - grid.values[c]
        _, _, taking = _other_windows(windows, lead.astype(np.float64))
        other = [new if own == c else old for own, new, old in zip(rival, taking, other, strict=True)]
    tolerance = 2 * grid.moved / grid.step
    margins = [a - b for a, b in zip(lower, upper, strict=True)]
    verdict = _verdict(
        analysis, [margin > 0 for margin in margins], [margin > tolerance for margin in margins]
    )
    name = "double masking on features"
    size = windows.window_size
    return Arithmetic(name, size, Fraction(0), grid, [*lower], [*upper], rival, other, verdict, [])


def _bounded_evidence(analysis: Analysis, defence: BoundedEvidence) -> Arithmetic:
    windows, squashed = analysis.certificate.windows, defence.squash(analysis.features.local_logits)
    if defence.squashing is Squashing.TANH:
        grid = _squashed(analysis, squashed)
    else:
        grid = _clipped(analysis, defence.evidence, defence.clip_high, squashed)
    lower, upper, rival = _bounds(analysis, grid.step)
    cells, tolerance = windows.window_size[0] * windows.window_size[1], 2 * grid.moved / grid.step
    margins = [a - b for a, b in zip(lower, upper, strict=True)]
    verdict = _verdict(
        analysis, [margin > 0 for margin in margins], [margin > tolerance for margin in margins]
    )
    witnesses = [
        WitnessContents(at, against, [grid.least] * cells, [grid.most] * cells)
        for at, (margin, against) in enumerate(zip(margins, rival, strict=True))
        if margin < 0 and verdict is not Verdict.MISCLASSIFIED
    ]
    none, size = [-1] * windows.count, windows.window_size
    return Arithmetic(
        "bounded evidence", size, Fraction(0), grid, [*lower], [*upper], rival, none, verdict, witnesses
    )


def _smoothing(analysis: Analysis, defence: Smoothing) -> Arithmetic:
    """Votes are the evidence, of which each has the largest value. Witnesses are left out: they are plain."""
    certificate, features = analysis.certificate, analysis.features
    size = features.receptive_field.window_size(defence.patch_size)
    size = Windows(features.map_size, size, True).window_size
    top, step = map(Fraction, scale(features.map_size, EvidenceType.PREDICTION, float("inf")))
    vote, moved = round(top / step), Fraction(float(certificate.tolerance.max())) / 2
    values = defence.votes(features.local_logits).astype(np.int64) * vote
    grid = Grid(EvidenceType.PREDICTION.name, None, step, 0, vote, moved, values)
    lower, upper = (
        [round(votes) * vote for votes in bound.ravel().tolist()]
        for bound in (certificate.lower, certificate.upper)
    )
    margins = [a - b for a, b in zip(lower, upper, strict=True)]
    counted = [margin > 2 * moved / step for margin in margins]
    verdict = _verdict(analysis, [margin > 0 for margin in margins], counted)
    rival = certificate.rival.ravel().tolist()
    none, name = [-1] * len(rival), "de-randomized smoothing"
    return Arithmetic(name, size, Fraction(0), grid, [*lower], [*upper], rival, none, verdict, [])


def _detection(analysis: Analysis, defence: MaskedDetection) -> Arithmetic:
    """Witnesses are left out: they need a prediction without an alert, which takes logarithms."""
    windows, label = analysis.certificate.windows, int(analysis.certificate.label)
    grid, threshold = _unclipped(analysis, defence), Fraction(defence.alert_threshold)
    cells = windows.map_size[0] * windows.map_size[1]
    unit = grid.step / cells
    inside = np.stack([_in_steps(windows.sums(values * 1.0), Fraction(1)) for values in grid.values])
    outside = (grid.values.sum(axis=(1, 2))[:, None, None] - inside).reshape(len(inside), -1).T.tolist()
    lower, upper, rival, positive, counted = [], [], [], [], []
    for sums in outside:
        own, (best, against) = sums[label], max((held, -c) for c, held in enumerate(sums) if c != label)
        confidence, least = _log_confidence(sums, own, unit), _logarithm(threshold)
        most = max(confidence + (best - own) * unit, least)
        size = min(max(-confidence, -most), Fraction(CEILING))
        tolerance = 2 * grid.moved / cells + len(sums) * _ROUNDING * size
        lower.append(own)
        upper.append(best if confidence > most else max(best, own))
        rival.append(-against)
        positive.append(confidence > most)
        counted.append(confidence - most > tolerance)
    verdict = _verdict(analysis, positive, counted)
    none = [-1] * windows.count
    return Arithmetic(
        "masked detection",
        windows.window_size,
        threshold,
        grid,
        [*lower],
        [*upper],
        rival,
        none,
        verdict,
        [],
    )


def _logarithm(threshold: Fraction) -> Fraction:
    """Of τ; below that of every confidence if it is 0."""
    with localcontext(prec=_DIGITS):
        if not threshold:
            return Fraction(-(2**20))
        return Fraction((Decimal(threshold.numerator) / threshold.denominator).ln())


def _log_confidence(sums: list[int], own: int, unit: Fraction) -> Fraction:
    """Of the class that has `own`, by the means of the sums."""
    with localcontext(prec=_DIGITS):
        each = [Decimal((held - own) * unit.numerator) / unit.denominator for held in sums]
        return Fraction(-sum((mean.exp() for mean in each), Decimal()).ln())


def _unclipped(analysis: Analysis, defence: MaskedDetection) -> Grid:
    features = analysis.features
    top, step = map(Fraction, scale(features.map_size, EvidenceType.LOGITS, float("inf")))
    delta, most = Fraction(features.delta), round(top / step)
    moved = features.map_size[0] * features.map_size[1] * (min(delta, top) + step) if delta else Fraction(0)
    values = _in_steps(defence.on_grid(features.local_logits), step)
    return Grid("local logits", None, step, -most, most, moved, values)


def _clipped(
    analysis: Analysis,
    kind: EvidenceType,
    clip_high: float,
    evidence: Float64[np.ndarray, "classes rows columns"],
) -> Grid:
    features = analysis.features
    top, step = map(Fraction, scale(features.map_size, kind, clip_high))
    delta, moved = Fraction(features.delta), Fraction(0)
    if delta and kind.whole:
        tolerance = Tolerance.of_evidence(features.local_logits, kind, clip_high, features.delta, 1.0)
        moved = Fraction(float(tolerance.error))
    elif delta:
        moved = features.map_size[0] * features.map_size[1] * (min(delta, top) + step)
    clipped = None if np.isinf(clip_high) else Fraction(clip_high)
    return Grid(kind.name, clipped, step, 0, round(top / step), moved, _in_steps(evidence, step))


def _squashed(analysis: Analysis, evidence: Float64[np.ndarray, "classes rows columns"]) -> Grid:
    features, slope = analysis.features, Fraction(str(SLOPE))
    top, step = map(Fraction, scale(features.map_size, EvidenceType.CONFIDENCE, float("inf")))
    delta, cells = Fraction(features.delta), features.map_size[0] * features.map_size[1]
    moved = cells * (min(slope * delta, top) + step) if delta else Fraction(0)
    most = round(top / step)
    return Grid("tanh", None, step, -most, most, moved, _in_steps(evidence, step))


def _in_steps(values: Float64[np.ndarray, "*any"], step: Fraction) -> Int64[np.ndarray, "*any"]:
    """Exact: a multiple of a power of two, divided by it."""
    return np.rint(values / float(step)).astype(np.int64)


def _bounds(analysis: Analysis, step: Fraction) -> tuple[list[int], list[int], list[int]]:
    """Both bounds of a certificate whose bounds lie on the grid, and the rivals."""
    certificate = analysis.certificate
    lower, upper = (
        _in_steps(bound, step).ravel().tolist() for bound in (certificate.lower, certificate.upper)
    )
    return lower, upper, certificate.rival.ravel().tolist()


def _other_windows(
    windows: Windows, values: Float64[np.ndarray, "rows columns"]
) -> tuple[list[int], list[int], list[int]]:
    """For each window w, the most that any window, and that one which overlaps w, holds of what is outside w, and the
    first window that holds the most."""
    held = windows.holding(Window(0, 0, *windows.map_size))
    left = np.where(held.reshape(-1, *windows.map_size), 0.0, values)
    rest = windows.sums(left).reshape(windows.count, windows.count)
    overlapping = np.where(held @ held.T, rest, 0.0)
    most = rest.max(axis=1).astype(np.int64).tolist()
    return most, overlapping.max(axis=1).astype(np.int64).tolist(), first_largest(rest).tolist()


def _verdict(analysis: Analysis, positive: Sequence[bool], counted: Sequence[bool]) -> Verdict:
    defended = analysis.defended
    # An alert is none of the classes: some window is then not certified, or another class is the largest.
    prediction = defended.undefended if isinstance(defended, Detection) else analysis.certificate.prediction
    if prediction != analysis.certificate.label:
        return Verdict.MISCLASSIFIED
    if not all(positive):
        return Verdict.NOT_CERTIFIED
    return Verdict.CERTIFIED if all(counted) else Verdict.UNDECIDED
