"""What robust masking proves for each placement of a patch, and not only for each window (theory §7).

The footprint F of a placement may be smaller or larger than the masks M of Algorithm 1, so the bounds are those of
masks that need not fit. The upper ones are derived: published nowhere we know of. Not here: patches of other shapes
than rectangles.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from jaxtyping import Bool, Float64, Int, Shaped

from pg_core.defences.base import Certificate, Claim
from pg_core.defences.patchguard.masking import Masking, RobustMasking
from pg_core.evidence.arrays import first_largest
from pg_core.evidence.tolerance import EXACT, Tolerance
from pg_core.geometry import Patch, ReceptiveField, Size, Window, Windows
from pg_core.geometry.footprints import Footprints, FootprintValues, PairValues
from pg_core.io.parameters import coerce_fields, shown
from pg_core.io.progress import Pace, Report


class Finding(StrEnum):
    """What is known of a placement of the patch."""

    CERTIFIED = "certified"
    """No content of the patch there changes the prediction."""
    UNSEEN = "unseen"
    """The same, because no feature sees the patch."""
    NOT_CERTIFIED = "not certified"
    """No proof. At T = 0 a content of the footprint, in feature space, makes a rival win or draw level."""
    UNDECIDED = "undecided"
    """The margin is positive, but within the tolerance."""


@dataclass(frozen=True, slots=True)
class Placed:
    """What is known of one placement; without a footprint the margin is that of the scores without a patch."""

    finding: Finding
    margin: float
    lower: float | None = None
    upper: float | None = None
    rival: int | None = None
    footprint: Window | None = None

    def __post_init__(self) -> None:
        coerce_fields(self)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Placements:
    """Bounds on the scores of the label and of its best rival for each distinct footprint of a patch.

    `benign` is the margin of the defended scores without a patch, which a patch that no feature sees leaves as it is.
    """

    footprints: Footprints
    label: int
    prediction: int
    lower: FootprintValues
    upper: FootprintValues
    rival: Int[np.ndarray, "row_spans column_spans"]
    tolerance: FootprintValues
    benign: float

    @property
    def margin(self) -> FootprintValues:
        return self.lower - self.upper

    @property
    def findings(self) -> Shaped[np.ndarray, "row_spans column_spans"]:
        """What is known of each distinct footprint: values of `Finding`."""
        predicted, margin = self.prediction == self.label, self.margin
        known = np.where(margin > self.tolerance, Finding.CERTIFIED.value, Finding.UNDECIDED.value)
        return np.where(predicted & (margin > 0), known, Finding.NOT_CERTIFIED.value)

    @property
    def finding_map(self) -> Shaped[np.ndarray, "placement_rows placement_columns"]:
        """What is known of each placement, by the pixel row and column of the patch's top left."""
        unseen = Finding.UNSEEN if self.prediction == self.label else Finding.NOT_CERTIFIED
        return self._expanded(self.findings, unseen.value)

    @property
    def safe_map(self) -> Bool[np.ndarray, "placement_rows placement_columns"]:
        """Whether no content of the patch changes the prediction, for each placement."""
        return self._expanded(self.findings == Finding.CERTIFIED.value, self.prediction == self.label)

    @property
    def margin_map(self) -> Float64[np.ndarray, "placement_rows placement_columns"]:
        """The margin of each placement, by the pixel row and column of the patch's top left."""
        return self._expanded(self.margin, self.benign)

    def at(self, top: int, left: int) -> Placed:
        """What is known of one placement, by the pixel row and column of the patch's top left."""
        row, column = int(self.footprints.row_of[top]), int(self.footprints.column_of[left])
        if min(row, column) < 0:
            unseen = Finding.UNSEEN if self.prediction == self.label else Finding.NOT_CERTIFIED
            return Placed(unseen, self.benign)
        return Placed(
            Finding(str(self.findings[row, column])),
            float(self.margin[row, column]),
            float(self.lower[row, column]),
            float(self.upper[row, column]),
            int(self.rival[row, column]),
            self.footprints.footprint(row, column),
        )

    @property
    def counts(self) -> dict[Finding, int]:
        """The number of placements of each finding."""
        found = self.finding_map
        return {finding: int((found == finding.value).sum()) for finding in Finding}

    @property
    def share(self) -> float:
        """The share of all placements at which no content of the patch changes the prediction, in [0, 1]."""
        return float(self.safe_map.mean())

    @property
    def worst(self) -> Patch:
        """The placement with the smallest margin, the first in row-major order on ties."""
        row, column = divmod(int(first_largest(-self.margin_map.reshape(-1))), self.footprints.placements[1])
        return Patch(row, column, *self.footprints.patch_size)

    def _expanded(
        self, values: Shaped[np.ndarray, "row_spans column_spans"], unseen: float | str | bool
    ) -> Shaped[np.ndarray, "placement_rows placement_columns"]:
        bordered = np.pad(values, [(0, 1), (0, 1)], constant_values=unseen)
        return bordered[self.footprints.row_of[:, None], self.footprints.column_of]

    def __repr__(self) -> str:
        return f"Placements({self.footprints}, label {self.label}, {self.share:.1%} certified)"


def certify_placements(
    defence: RobustMasking,
    masking: Masking,
    certificate: Certificate,
    footprints: Footprints,
    tolerance: Tolerance = EXACT,
) -> Placements:
    """Sound bounds under any content of each footprint, for one map, its certificate and the same tolerance.

    The label: `lower` as in theory §5, with masks M for the windows w'; its proof does not ask that F fits into one.

    A rival, with t outside F, at most `top` in each of the |F| cells and e in all of F. If a mask is detected, the
    largest is removed, so that min over M of SUM((v + a) ⊙ (1 - M)) is left. That never falls as a grows, and is
    largest at a = top everywhere: t + top |F| - max over M of SUM(M ⊙ (v + top F)). At T = 0 this is attained, for
    every footprint, by a content that is legal for every evidence type. If no mask is
    detected, t + e is left, where e <= top |F| and, if masks contain F, e + k_c <= T(t + e) for the one that holds
    most besides it: t + e <= (t - k_c)/(1 - T). Where no mask contains F, Algorithm 1 leaves part of a to the rival;
    nothing is proved if `top` is large, as for logits without clipping, and often much if it is 1.

    At T > 0 a footprint inside a window takes the window's bounds where their margin is larger: its contents are among
    the window's. Bounds of a certificate that claims nothing are not used.
    """
    windows, threshold = masking.windows, defence.threshold
    if masking.label.ndim:
        raise ValueError(f"expected the map of one image, got a batch of {masking.label.shape}")
    if footprints.map_size != windows.map_size:
        raise ValueError(f"expected footprints on a map of {windows.map_size}, got {footprints.map_size}")
    if not isinstance(tolerance, Tolerance) or not (tolerance.error <= certificate.tolerance.min()).all():
        raise ValueError(f"expected the tolerance of the certificate, got {shown(tolerance)}")
    tolerance = tolerance.of_batch(())
    label, scores = int(certificate.label), masking.scores
    pairs = _Pairs.of(footprints, windows)
    lower, jump = _lower(pairs, masking.evidence[label], threshold, tolerance)
    upper, rival = _upper(pairs, masking, label, threshold, defence.top(windows.map_size))
    found = Placements(
        footprints,
        label,
        int(certificate.prediction),
        lower,
        upper,
        rival,
        tolerance.rounded(threshold, upper).spread(upper.shape, jump),
        float(scores[label] - np.delete(scores, label).max()),
    )
    return _by_windows(found, certificate, pairs) if threshold and certificate.claim is Claim.LABEL else found


def largest_patches(
    defence: RobustMasking,
    masking: Masking,
    certificate: Certificate,
    field: ReceptiveField,
    image_size: Size,
    tolerance: Tolerance = EXACT,
    report: Report | None = None,
) -> Int[np.ndarray, "height width"]:
    """For each pixel, the side of the largest square around it that is certified: whatever is in it, the prediction
    stays. 0 where a patch of a single pixel fails. Squares are those of `Footprints.centred`: what passes the border
    of the image is cut off, so that a side may be larger than any square that fits there; see `largest_inside`.

    A certificate of a square is one of every patch inside it, for the same defence: such a patch touches some of the
    same pixels and no others, so whatever it holds, the square could hold too. (A defence built for another patch is
    another defence, and may prove more or less.) Sides are tried from 1 up to the first that is certified nowhere; at
    T = 0, where the bounds are attained, no larger one is. At T > 0 the side is proved, and a larger one may be safe.
    """
    sides, found = np.zeros(image_size, np.int64), None
    # From twice the image on, every square is the image.
    pace = Pace(2 * max(image_size))
    for side in range(1, pace.total + 1):
        footprints = Footprints.centred(field, side, image_size)
        if found is not None and footprints.alike(found.footprints):
            found = replace(found, footprints=footprints)
        else:
            found = certify_placements(defence, masking, certificate, footprints, tolerance)
            if report is not None:
                report(pace.progress(side, f"squares of {side} pixels"))
        safe = found.safe_map
        if not safe.any():
            break
        sides[safe] = side
    return sides


def largest_inside(sides: Int[np.ndarray, "height width"]) -> Patch | None:
    """The largest certified square that lies inside the image, given `largest_patches`; the first on ties, by the
    pixel in its middle; None if no pixel has one. A smaller square about the same pixel is certified with the larger.

    >>> largest_inside(np.full((3, 4), 6))
    Patch(top=0, left=0, height=3, width=3)
    """
    fitting = []
    for n in sides.shape:
        before = np.arange(n)
        fitting.append(np.minimum(2 * before + 2, 2 * (n - 1 - before) + 1))
    inside = np.minimum(sides, np.minimum(fitting[0][:, None], fitting[1]))
    row, column = divmod(int(inside.argmax()), sides.shape[1])
    side = int(inside[row, column])
    return Patch(row - (side - 1) // 2, column - (side - 1) // 2, side, side) if side else None


_PAIRS_AT_A_TIME = 2**21
"""Pairs of footprint and mask in memory at once, 16 MB for each intermediate array."""


@dataclass(frozen=True, slots=True, eq=False)
class _Pairs:
    """Footprints F, masks M, the cells |F| of each footprint and those that it shares with each mask."""

    footprints: Footprints
    windows: Windows
    cells: FootprintValues
    shared: PairValues

    @classmethod
    def of(cls, footprints: Footprints, windows: Windows) -> "_Pairs":
        ones = np.ones(windows.map_size)
        return cls(footprints, windows, footprints.sums(ones), footprints.shared_sums(windows, ones))

    @property
    def containing(self) -> Bool[np.ndarray, "row_spans column_spans window_rows window_columns"]:
        """Whether M holds all of F."""
        return self.shared == self.cells[..., None, None]

    def outside(self, values: Float64[np.ndarray, "*batch rows columns"]) -> FootprintValues:
        """SUM(values ⊙ (1 - F)): t."""
        return values.sum(axis=(-2, -1))[..., None, None] - self.footprints.sums(values)

    def held(self, values: Float64[np.ndarray, "*batch rows columns"]) -> PairValues:
        """SUM(M ⊙ values ⊙ (1 - F))."""
        whole = self.windows.sums(values)[..., None, None, :, :]
        return whole - self.footprints.shared_sums(self.windows, values)


def _lower(
    pairs: _Pairs, evidence: Float64[np.ndarray, "rows columns"], threshold: float, tolerance: Tolerance
) -> tuple[FootprintValues, FootprintValues]:
    """The least that the label keeps, and how far that falls if an error within the tolerance lets a benign mask be
    detected."""
    outside, held = pairs.outside(evidence), pairs.held(evidence)
    other = held.max(axis=(-2, -1))
    overlapping = np.where(pairs.shared > 0, held, 0.0).max(axis=(-2, -1))
    lower = np.where(other > threshold * outside, outside - other, outside - overlapping)
    in_doubt = tolerance.lets_pass(other, threshold * outside)
    return lower, np.where(in_doubt, lower - (outside - other), 0.0)


def _upper(
    pairs: _Pairs, masking: Masking, label: int, threshold: float, top: float
) -> tuple[FootprintValues, Int[np.ndarray, "row_spans column_spans"]]:
    """The most that a wrong class keeps, and that class: the strongest first, until no other can keep as much."""
    evidence = masking.evidence
    outside = pairs.outside(evidence)
    everything = top * pairs.cells
    hidden = np.broadcast_to(everything, outside.shape)
    if pairs.containing.any():
        contained = pairs.containing.any(axis=(-2, -1))
        hidden = np.where(contained, np.minimum(hidden, threshold / (1 - threshold) * outside), hidden)
    missed = everything - top * pairs.shared.max(axis=(-2, -1))
    plain = outside + (np.maximum(missed, hidden) if threshold else missed)
    most = np.full(outside.shape, -np.inf)
    remaining = np.argsort(-outside.sum(axis=(-2, -1)), kind="stable")
    remaining = remaining[remaining != label]
    step = max(1, _PAIRS_AT_A_TIME // max(1, pairs.shared.size))
    while remaining.size:
        some, remaining = remaining[:step], remaining[step:]
        most[some] = _kept(pairs, evidence[some], outside[some], threshold, top)
        remaining = remaining[(plain[remaining] >= most.max(axis=0)).any(axis=(-2, -1))]
    rival = first_largest(np.moveaxis(most, 0, -1))
    return np.take_along_axis(most, rival[None], axis=0)[0], rival


def _kept(
    pairs: _Pairs,
    evidence: Float64[np.ndarray, "classes rows columns"],
    outside: Float64[np.ndarray, "classes row_spans column_spans"],
    threshold: float,
    top: float,
) -> Float64[np.ndarray, "classes row_spans column_spans"]:
    """The most that each of these classes keeps under any content of each footprint."""
    held, everything = pairs.held(evidence), top * pairs.cells
    detected = outside + everything - (held + top * pairs.shared).max(axis=(-2, -1))
    if not threshold:
        return detected
    covering = np.where(pairs.containing, held, -np.inf).max(axis=(-2, -1))
    # Where no mask contains F, nothing is known of e but its range: -inf makes the second bound infinite.
    hidden = np.minimum(everything, (threshold * outside - covering) / (1 - threshold))
    return np.maximum(detected, outside + hidden)


def _by_windows(found: Placements, certificate: Certificate, pairs: _Pairs) -> Placements:
    """The same with the bounds of the window that proves most where a footprint lies inside one that proves more."""
    proved = (certificate.margin - certificate.tolerance).reshape(-1)
    inside = pairs.containing.reshape(*pairs.cells.shape, pairs.windows.count)
    of_windows = np.where(inside, proved, -np.inf)
    best = first_largest(of_windows)
    better = of_windows.max(axis=-1, initial=-np.inf) > found.margin - found.tolerance
    lower, upper, rival, tolerance = (
        np.where(better, theirs.reshape(-1)[best], own)
        for theirs, own in (
            (certificate.lower, found.lower),
            (certificate.upper, found.upper),
            (certificate.rival, found.rival),
            (certificate.tolerance, found.tolerance),
        )
    )
    return replace(found, lower=lower, upper=upper, rival=rival, tolerance=tolerance)
