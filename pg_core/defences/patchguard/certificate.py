"""The provable analysis of robust masking: [PG] Algorithm 2 on evidence and its windows (theory §5, §6).

Not here: the prediction, see `pg_core.defences.patchguard.masking`; the linear programs of the tight bound, see
`pg_core.defences.patchguard.tight`.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from jaxtyping import Float64

from pg_core.defences.base import Certificate, Claim
from pg_core.defences.patchguard.tight import PRECISION, Surroundings, least_kept, most_kept
from pg_core.evidence.arrays import (
    EvidenceMap,
    Labels,
    WindowLabels,
    WindowValues,
    first_largest,
    of_label,
    strongest_rival,
)
from pg_core.evidence.tolerance import Tolerance
from pg_core.geometry import Window, Windows
from pg_core.io.parameters import member

Sums = Float64[np.ndarray, "*batch classes window_rows window_columns"]
"""The evidence of each class inside each window, or outside it."""


class Bound(StrEnum):
    """How the label's score is bounded from below, and a rival's from above."""

    PUBLISHED = "published"
    """t - m if m > T t, else t ([PG] Algorithm 2 as printed). Wrong for T > 0 (theory §10): for comparison only."""
    SOUND = "sound"
    """t - m if m > T t, else t - m_o (the authors' correction of December 2021)."""
    TIGHT = "tight"
    """As sound, and where that refuses a window at T > 0, the bounds of linear programs: t or t + e* for each rival,
    and only straddling windows that the range of the evidence lets the adversary have detected (theory §6; derived).
    An adversary in feature space attains both at once for logits, with or without c_h. Votes are whole, so that no
    content need attain e*; for confidence and sharpened evidence label and rival want the same cells, and each bound
    is attained alone. At T = 0 the sound bound is attained for every evidence type."""

    def claim(self, threshold: float) -> Claim:
        """What certificates by this bound claim at a threshold T."""
        return Claim.NOTHING if self is Bound.PUBLISHED and threshold > 0 else Claim.LABEL


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class MaskingCertificate(Certificate):
    """The bounds of Algorithm 2 on the scores. `outside` is t, the label's evidence outside the malicious window,
    `other` the most that one other window holds of it (m). `tolerance` is that of theory §5, Numerics:
    where an error within it would lower the bound by a jump, the height of that jump is part of it."""

    outside: WindowValues
    other: WindowValues

    @property
    def worst(self) -> Window:
        """The malicious window with the smallest margin, the first on ties, of one image."""
        return self.windows.window(*self.worst_position)


def certify_windows(
    windows: Windows,
    evidence: EvidenceMap,
    outside: Sums,
    labels: Labels,
    prediction: Labels,
    threshold: float,
    bound: Bound,
    tolerance: Tolerance,
) -> MaskingCertificate:
    """Bounds on the scores of label and rival under any content of each window, by the plain bounds of theory §5.

    outside is the evidence of each class outside each window; the tolerance (of the whole batch) is that of the
    evidence, and the certificate's is larger where its bounds round or jump. The bound TIGHT is that of SOUND here:
    see `sharpened`.
    """
    bound = member(Bound, bound)
    upper, rival = _most_of_rivals(outside, labels, threshold)
    own = of_label(outside, labels)
    lower, other, jump = _least_of_label(
        windows, of_label(evidence, labels), own, threshold, bound, tolerance
    )
    return MaskingCertificate(
        claim=bound.claim(threshold),
        positions=windows,
        label=labels,
        prediction=prediction,
        lower=lower,
        upper=upper,
        rival=rival,
        outside=own,
        other=other,
        tolerance=tolerance.rounded(threshold, upper).spread(lower.shape, jump),
    )


def _most_of_rivals(outside: Sums, labels: Labels, threshold: float) -> tuple[WindowValues, WindowLabels]:
    """The most that the strongest rival keeps, t/(1 - T) (Lemma 1), and which class that is."""
    best, rival = strongest_rival(outside, labels)
    return best / (1 - threshold), rival


def _least_of_label(
    windows: Windows,
    evidence: Float64[np.ndarray, "*batch rows columns"],
    outside: WindowValues,
    threshold: float,
    bound: Bound,
    tolerance: Tolerance,
) -> tuple[WindowValues, WindowValues, WindowValues]:
    """The least that the label keeps, m, and how far that least falls if an error within the tolerance
    lets a benign window be detected: the bound jumps where m passes T t."""
    other, overlapping = windows.largest_others(evidence)
    spared = outside if bound is Bound.PUBLISHED else outside - overlapping
    lower = np.where(other > threshold * outside, outside - other, spared)
    in_doubt = tolerance.lets_pass(other, threshold * outside)
    return lower, other, np.where(in_doubt, lower - (outside - other), 0.0)


def sharpened(
    certificate: MaskingCertificate,
    evidence: EvidenceMap,
    outside: Sums,
    threshold: float,
    top: float,
    whole: bool,
    tolerance: Tolerance,
) -> MaskingCertificate:
    """The certificate with the tight bounds in the windows that the plain bounds do not certify (theory §6).

    top is the largest value of evidence, and whole says that it takes no value between 0 and that; the tolerance is
    the one that the certificate was made with.
    """
    windows, tolerance = certificate.windows, tolerance.rounded(threshold, certificate.upper)
    tolerance = tolerance.of_batch(certificate.label.shape)
    by_class = np.moveaxis(outside, -3, -1)
    lower, upper = certificate.lower.copy(), certificate.upper.copy()
    rival, tolerances = certificate.rival.copy(), certificate.tolerance.copy()
    for at in map(tuple, np.argwhere(certificate.margin <= certificate.tolerance).tolist()):
        batch, window, label = at[:-2], windows.window(*at[-2:]), int(certificate.label[at[:-2]])
        own, other = float(certificate.outside[at]), float(certificate.other[at])
        doubt = float(tolerance[batch].error)
        if other <= threshold * own:
            around = Surroundings.of(evidence[batch][label], windows, window, threshold)
            lower[at] = worst = least_kept(around, top)
            if doubt:
                unsure = tolerance[batch].lets_pass(other, threshold * own)
                worst = own - other if unsure else least_kept(around, top, doubt)
            tolerances[at] = doubt + float(tolerance[batch].rounding) + lower[at] - worst
        most = by_class[at] / (1 - threshold)
        most[label] = -np.inf
        best, jump, least = -np.inf, 0.0, lower[at] - tolerances[at]
        # The strongest first; a rival that its plain bound leaves below the label or the best needs no program.
        for c in np.argsort(-most, kind="stable"):
            if most[c] < max(best, least):
                break
            around = Surroundings.of(evidence[batch][c], windows, window, threshold)
            most[c] = most_kept(around, top, whole)
            best = max(best, most[c])
            if doubt:
                jump = max(jump, most_kept(around, top, whole, doubt) - most[c])
        rival[at] = first_largest(most)
        upper[at] = most[rival[at]]
        # A program's bound errs upwards, so that an exact tie would look like a failure. Neither is a certificate;
        # `upper` may then lie below what is attained, by less than PRECISION.
        if 0 < upper[at] - lower[at] <= PRECISION * upper[at]:
            upper[at] = lower[at]
        tolerances[at] += jump
    return replace(certificate, lower=lower, upper=upper, rival=rival, tolerance=tolerances)
