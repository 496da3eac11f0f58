"""What the window debugger asks: what is known of a position, all that are not certified, and what other settings
change."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from app.cache import analysis as cached
from app.cache.analysis import BY_DIGEST, Choice, DefenceChoice, Photo
from app.views.debugger.text import status_in_table
from pg_core.analysis.photo import Analysis
from pg_core.defences.base import Certificate, Claim
from pg_core.defences.patchcleanser.features import FeatureMasking
from pg_core.defences.patchguard.cases import Case, CaseEvidence, cases
from pg_core.defences.patchguard.explain import Diagnosis, diagnose, failures
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.defences.patchguard.witness import WindowStatus, Witness
from pg_core.geometry import Window, box_at
from pg_core.photos.framing import Threat

LISTED = 1000
"""Positions in the table: on the image of a large network there are a hundred thousand placements of a patch."""
TRIED = 200
"""So many of them are tried with a counterexample, for which the defence runs again."""


@dataclass(frozen=True, slots=True)
class Change:
    """How many positions are proved under the settings of the sidebar and under others, of how many; and how many of
    the same positions are newly proved, and no longer, where the positions are the same."""

    before: int
    before_of: int
    after: int
    after_of: int
    gained: int | None
    lost: int | None


@dataclass(frozen=True, slots=True)
class Failing:
    """A position that is not certified: row and column, its rival, its margin, what the lower bound lacks, and what is
    known of it (None where that was not looked for). Where there is a counterexample, the class that wins; and under
    robust masking the cases of Figure 5 that label and winner are in."""

    position: tuple[int, int]
    rival: int
    margin: float
    missing: float
    status: WindowStatus | None
    winner: int | None = None
    label_case: Case | None = None
    winner_case: Case | None = None


@st.cache_resource(max_entries=16, show_spinner=False, hash_funcs=BY_DIGEST)
def failing(
    photo: Photo, choice: Choice, asked: DefenceChoice, threat: Threat, label: str | None
) -> tuple[Failing, ...]:
    """The positions that are not certified, in row-major order; of more than `LISTED`, those with the least margins.

    Under robust masking a program or more is solved for each at T > 0; another defence runs on a counterexample for
    each of the first `TRIED`.
    """
    analysis = cached.analysis(photo, choice, asked, threat, label)
    if not isinstance(analysis.defence, RobustMasking):
        return tuple(_failing(analysis))
    not_certified = failures(analysis.robust_masking, analysis.masking, analysis.masking_certificate)
    return tuple(
        Failing(
            (failure.window.top, failure.window.left),
            failure.rival,
            failure.margin,
            failure.missing,
            failure.status,
            failure.winner,
            failure.label_case,
            failure.winner_case,
        )
        for failure in not_certified
    )


@st.cache_resource(max_entries=16, show_spinner=False, hash_funcs=BY_DIGEST)
def double_masking(
    photo: Photo, choice: Choice, asked: DefenceChoice, threat: Threat, label: str | None
) -> Certificate:
    """What double masking of the same evidence proves, which is never less at T = 0."""
    analysis = cached.analysis(photo, choice, asked, threat, label)
    fitted = analysis.robust_masking
    other = FeatureMasking(fitted.window_size, fitted.evidence, fitted.clip_high, fitted.wrapping)
    features = analysis.features
    return other.certify(features.local_logits, int(analysis.certificate.label), features.delta)


def diagnosis(analysis: Analysis, window: Window) -> Diagnosis:
    """How both bounds at a window come about."""
    return diagnose(analysis.robust_masking, analysis.masking, analysis.masking_certificate, window)


def witness_cases(analysis: Analysis, witness: Witness) -> tuple[CaseEvidence, ...]:
    """The case of every class under a witness."""
    return cases(analysis.robust_masking, analysis.masking.evidence, witness.masking, witness.window)


def change(base: Analysis, other: Analysis) -> Change:
    """What other settings do to the positions that are proved."""
    before, after = base.certificate, other.certificate
    gained = lost = None
    if before.positions == after.positions:
        gained = int(np.count_nonzero(after.proved & ~before.proved))
        lost = int(np.count_nonzero(before.proved & ~after.proved))
    return Change(
        int(before.proved.sum()),
        before.positions.count,
        int(after.proved.sum()),
        after.positions.count,
        gained,
        lost,
    )


def failing_table(analysis: Analysis, shown: Sequence[Failing]) -> list[dict[str, object]]:
    """A row for each position, with the names of the glossary; cases belong to robust masking."""
    nothing = analysis.certificate.claim is Claim.NOTHING
    rows: list[dict[str, object]] = []
    for one in shown:
        row, column = one.position
        told: dict[str, object] = {
            "row": row,
            "column": column,
            "margin": one.margin,
            "rival": analysis.classes[one.rival],
        }
        if isinstance(analysis.defence, RobustMasking):
            told |= {
                "missing evidence": None if nothing else one.missing,
                "status": status_in_table(analysis, one.status),
                "label's case": one.label_case and str(one.label_case),
                "winner": None if one.winner is None else analysis.named(one.winner),
                "winner's case": one.winner_case and str(one.winner_case),
            }
        else:
            told |= {
                "missing": None if nothing else one.missing,
                "status": status_in_table(analysis, one.status),
            }
            if analysis.spec.witness is not None:
                told["winner"] = None if one.winner is None else analysis.named(one.winner)
        rows.append(told)
    return rows


def _failing(analysis: Analysis) -> Iterator[Failing]:
    certificate = analysis.certificate
    positions = np.argwhere(~certificate.proved)
    if len(positions) > LISTED:
        least = np.argsort(certificate.margin[tuple(positions.T)], kind="stable")[:LISTED]
        positions = positions[np.sort(least)]
    for n, (row, column) in enumerate(positions.tolist()):
        at = box_at(certificate.positions, row, column)
        status, found = None, None
        if analysis.spec.witness is None or n < TRIED:
            status, found = analysis.known(at)
        margin = float(certificate.margin[row, column])
        yield Failing(
            (row, column),
            int(certificate.rival[row, column]),
            margin,
            float(certificate.tolerance[row, column]) - margin,
            status,
            None if found is None else int(found.prediction.label),
        )
