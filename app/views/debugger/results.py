"""What the window debugger asks: why a window is not certified, all that are not, and what other settings change."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from app.cache import analysis as cached
from app.cache.analysis import BY_DIGEST, Choice, DefenceChoice, Photo
from pg_core.analysis.photo import Analysis
from pg_core.defences.base import Certificate, Claim
from pg_core.defences.patchcleanser.features import FeatureMasking
from pg_core.defences.patchguard.cases import CaseEvidence, cases
from pg_core.defences.patchguard.explain import Diagnosis, Failure, diagnose, failures
from pg_core.defences.patchguard.witness import Witness
from pg_core.geometry import Window
from pg_core.photos.read import Threat


@dataclass(frozen=True, slots=True)
class Change:
    """How many windows are proved under the settings of the sidebar and under others, of how many; and how many of the
    same windows are newly proved, and no longer, where the windows are the same."""

    before: int
    before_of: int
    after: int
    after_of: int
    gained: int | None
    lost: int | None


@st.cache_resource(max_entries=16, show_spinner=False, hash_funcs=BY_DIGEST)
def failing(
    photo: Photo, choice: Choice, asked: DefenceChoice, threat: Threat, label: str | None
) -> tuple[Failure, ...]:
    """Every window that is not certified; a program or more for each at T > 0."""
    analysis = cached.analysis(photo, choice, asked, threat, label)
    return tuple(failures(analysis.robust_masking, analysis.masking, analysis.masking_certificate))


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
    """What other settings do to the windows that are proved."""
    before, after = base.certificate, other.certificate
    gained = lost = None
    if before.windows == after.windows:
        gained = int(np.count_nonzero(after.proved & ~before.proved))
        lost = int(np.count_nonzero(before.proved & ~after.proved))
    return Change(
        int(before.proved.sum()),
        before.windows.count,
        int(after.proved.sum()),
        after.windows.count,
        gained,
        lost,
    )


def failure_table(analysis: Analysis, shown: Sequence[Failure]) -> list[dict[str, object]]:
    """A row for each window, with the names of the glossary."""
    return [
        {
            "row": failure.window.top,
            "column": failure.window.left,
            "margin": failure.margin,
            "rival": analysis.classes[failure.rival],
            "missing evidence": None if analysis.certificate.claim is Claim.NOTHING else failure.missing,
            "status": str(failure.status),
            "label's case": failure.label_case and str(failure.label_case),
            "winner": None if failure.winner is None else analysis.classes[failure.winner],
            "winner's case": failure.winner_case and str(failure.winner_case),
        }
        for failure in shown
    ]
