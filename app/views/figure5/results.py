"""The cases of Figure 5 on a photo: what is in the malicious window, and the case of every class."""

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from app.cache import analysis as cached
from app.plots import cases as figures
from pg_core.analysis.photo import Analysis, Answer
from pg_core.defences.patchguard.boards import EXAMPLES
from pg_core.defences.patchguard.cases import Case, CaseEvidence, cases
from pg_core.defences.patchguard.masking import Masking
from pg_core.geometry import Window


class Filling(StrEnum):
    """What the malicious window holds."""

    PATCH = "the simulated patch"
    WITNESS = "the witness"
    PHOTO = "the photo as it is"


@dataclass(frozen=True, slots=True, eq=False)
class Filled:
    """A malicious window with something in it: what Algorithm 1 saw and did, and the case of every class."""

    window: Window
    masking: Masking
    evidence: tuple[CaseEvidence, ...]


@st.cache_resource(max_entries=len(Case), show_spinner=False)
def example(case: Case) -> go.Figure:
    """The example of a case, which is the same after every edit of the board; all have one scale of colours."""
    most = max(float(example.attacked.max()) for example in EXAMPLES.values())
    return figures.board(EXAMPLES[case], most)


def outgrown(clean: Analysis, footprint: Window) -> bool:
    """Whether a patch reaches more than any malicious window holds; the cases of Figure 5 are not about it."""
    return any(n > k for n, k in zip(footprint.size, clean.certificate.windows.window_size, strict=True))


def fillings(clean: Analysis, shown: Answer, footprint: Window | None, window: Window) -> list[Filling]:
    """What the window can be filled with here; the simulated patch takes its own window along, if there is one."""
    attacked = footprint is not None and shown is not clean and not outgrown(clean, footprint)
    patched = [Filling.PATCH] if attacked else []
    _, witness = cached.window_status(clean, window)
    return [*patched, *([] if witness is None else [Filling.WITNESS]), Filling.PHOTO]


def filled(
    clean: Analysis, shown: Answer, footprint: Window | None, window: Window, filling: Filling
) -> Filled:
    """The window, or for a patch that it does not contain the one that does, with its filling."""
    masking = clean.masking
    if filling is Filling.PATCH and footprint is not None:
        masking, windows = shown.masking, clean.certificate.windows
        around = np.all(windows.holding(footprint), axis=1)
        here = np.ravel_multi_index((window.top, window.left), windows.shape)
        window = window if around[here] else windows.containing(footprint)
    elif filling is Filling.WITNESS:
        _, witness = cached.window_status(clean, window)
        masking = masking if witness is None else witness.masking
    return Filled(window, masking, cases(clean.robust_masking, clean.masking.evidence, masking, window))


def case_table(clean: Analysis, filled: Filled) -> list[dict[str, object]]:
    """A row for every class, in the order of the classes."""
    return [
        {
            "class": name,
            "case": str(evidence.case),
            "t": evidence.outside,
            "e": evidence.malicious,
            "e'": evidence.detected,
            "q1": evidence.spilled,
            "q2": evidence.caught,
            "q3": evidence.missed,
            "s": evidence.remaining,
            "t/(1 - T)": evidence.bound,
        }
        for name, evidence in zip(clean.classes, filled.evidence, strict=True)
    ]


def by_score(filled: Filled) -> list[int]:
    """The classes, the largest score first, the lowest index on ties."""
    return sorted(range(len(filled.evidence)), key=lambda index: (-filled.evidence[index].remaining, index))


def counts(filled: Filled) -> dict[Case, int]:
    """How many classes are in each case that occurs."""
    counted = Counter(evidence.case for evidence in filled.evidence)
    return {case: counted[case] for case in Case if counted[case]}
