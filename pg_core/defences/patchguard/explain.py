"""Why a malicious window fails: how both bounds of [PG] Algorithm 2 come about from all evidence of a class, and what
a witness does at each failing window (theory §4 to §6).

Not here: the bounds themselves, see `pg_core.defences.patchguard.certificate`, and the words about them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from pg_core.defences.patchguard.cases import Case, cases
from pg_core.defences.patchguard.certificate import Bound, MaskingCertificate
from pg_core.defences.patchguard.masking import Masking, RobustMasking
from pg_core.defences.patchguard.tight import Surroundings
from pg_core.defences.patchguard.witness import WindowStatus, duel, find_contents, without_witness
from pg_core.geometry import Window
from pg_core.io.parameters import coerce_fields


class Branch(StrEnum):
    """Which part of a bound decides, for the label and for a rival."""

    OTHER = "other"
    """m > T t: the best other window is detected even with nothing in w; t - m."""
    STRADDLING = "straddling"
    """m <= T t: a window w' that overlaps w is detected with some evidence in w; t less what w' holds outside w."""
    SPARED = "spared"
    """m <= T t, and no straddling window takes anything: t. The published bound says so of all."""
    LEMMA = "lemma"
    """Lemma 1: t/(1 - T)."""
    HIDDEN = "hidden"
    """Tight bound: e* is the most evidence that hides in w below T; t + e*."""
    MASKED = "masked"
    """Tight bound: whatever is in w, some window is detected; t."""


@dataclass(frozen=True, slots=True)
class Account:
    """How the bound of one class comes about: total - inside = outside, outside - taken + hidden = bound."""

    label: int
    branch: Branch
    total: float
    """SUM(û): all evidence of the class."""
    inside: float
    """SUM(w ⊙ û): the evidence in the malicious window, which the adversary replaces."""
    outside: float
    """t: what is left, out of the adversary's reach."""
    taken: float
    """What the other window w' takes of t; 0 for a rival."""
    hidden: float
    """What the adversary can add to t unmasked: tT/(1 - T), or e*; 0 for the label."""
    bound: float
    """The lower bound of the label, or the upper bound of a rival."""
    other: Window | None = None
    """The window w' that takes most of t, the first of several."""

    def __post_init__(self) -> None:
        coerce_fields(self)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The bounds of label and rival at one malicious window; `missing` is how much more the label must keep there to
    be certified, the tolerance included (not positive where it is certified, or where nothing is claimed)."""

    window: Window
    label: Account
    rival: Account
    margin: float
    missing: float


@dataclass(frozen=True, slots=True)
class Failure:
    """A malicious window that is not certified: its rival, its margin, and what is known of it. Where a witness breaks
    it, the class that wins and the cases of Figure 5 that label and winner are in."""

    window: Window
    rival: int
    margin: float
    missing: float
    status: WindowStatus
    winner: int | None = None
    label_case: Case | None = None
    winner_case: Case | None = None

    def __post_init__(self) -> None:
        coerce_fields(self)


def diagnose(
    defence: RobustMasking, masking: Masking, certificate: MaskingCertificate, window: Window
) -> Diagnosis:
    """How the bounds of one map at a malicious window come about; the numbers are those of its certificate."""
    at = window.top, window.left
    margin = float(certificate.margin[at])
    return Diagnosis(
        window,
        _of_label(defence, masking, certificate, window),
        _of_rival(defence, masking, certificate, window),
        margin,
        float(certificate.tolerance[at]) - margin,
    )


def failures(defence: RobustMasking, masking: Masking, certificate: MaskingCertificate) -> Iterator[Failure]:
    """Every window of one map that is not certified, in row-major order; one program or more for each at T > 0."""
    for row, column in np.argwhere(~certificate.proved).tolist():
        yield failure(defence, masking, certificate, (row, column))


def failure(
    defence: RobustMasking, masking: Masking, certificate: MaskingCertificate, position: tuple[int, int]
) -> Failure:
    """What is known of a window of one map that is not certified.

    Witnesses are tried on Algorithm 1 with label and rival alone: a class that the rival beats is not predicted.
    """
    window, label = certificate.windows.window(*position), int(certificate.label)
    margin, rival = float(certificate.margin[position]), int(certificate.rival[position])
    missing = float(certificate.tolerance[position]) - margin
    found = find_contents(defence, masking, label, window)
    if found is None:
        status = without_witness(defence, certificate, position)
        return Failure(window, rival, margin, missing, status)
    benign, attacked = duel(masking, label, window, found)
    of_label, of_winner = cases(defence, benign, defence.mask(attacked), window)
    status, winner = WindowStatus.COUNTEREXAMPLE, found[0]
    return Failure(window, rival, margin, missing, status, winner, of_label.case, of_winner.case)


def _of_label(
    defence: RobustMasking, masking: Masking, certificate: MaskingCertificate, window: Window
) -> Account:
    label = int(certificate.label)
    around = Surroundings.of(masking.evidence[label], masking.windows, window, defence.threshold)
    bound = float(certificate.lower[window.top, window.left])
    taken = around.outside - bound
    detected = around.benign.max() > defence.threshold * around.outside
    takers = around.benign == taken
    if not detected:
        takers &= around.held.any(axis=1)
    if detected:
        branch = Branch.OTHER
    elif taken > 0:
        branch = Branch.STRADDLING
    else:
        branch = Branch.SPARED
    assert defence.bound is not Bound.PUBLISHED or branch is not Branch.STRADDLING
    other = masking.windows.at(int(np.argmax(takers))) if taken > 0 and takers.any() else None
    total = float(masking.evidence[label].sum())
    return Account(label, branch, total, total - around.outside, around.outside, taken, 0.0, bound, other)


def _of_rival(
    defence: RobustMasking, masking: Masking, certificate: MaskingCertificate, window: Window
) -> Account:
    at = window.top, window.left
    rival, bound = int(certificate.rival[at]), float(certificate.upper[at])
    total, inside = float(masking.evidence[rival].sum()), float(masking.window_sums[rival, *at])
    outside = total - inside
    if bound == outside / (1 - defence.threshold):
        branch = Branch.LEMMA
    else:
        branch = Branch.HIDDEN if bound > outside else Branch.MASKED
    return Account(rival, branch, total, inside, outside, 0.0, bound - outside, bound)
