"""What if the settings were others: the widgets of the window debugger, and the filters of its table."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import streamlit as st

from app.cache import analysis as cached
from app.cache.analysis import DefenceChoice
from app.sidebar import Choices
from pg_core.defences.patchguard.explain import Failure
from pg_core.defences.patchguard.spec import THRESHOLD
from pg_core.defences.patchguard.witness import WindowStatus
from pg_core.defences.spec import CLIP_HIGH, EVIDENCE
from pg_core.evidence.types import EVIDENCE_TYPES
from pg_core.photos.read import Space, Threat

_BASE = "whatif-base"
_THRESHOLD, _CLIP, _EVIDENCE = "whatif-threshold", "whatif-clip", "whatif-evidence"
_HEIGHT, _WIDTH = "whatif-height", "whatif-width"


@dataclass(frozen=True, slots=True)
class WhatIf:
    """Another defence against another patch, and in words what is not as in the sidebar."""

    asked: DefenceChoice
    threat: Threat
    differences: tuple[str, ...]


def what_if(chosen: Choices) -> WhatIf:
    """T, c_h, patch size and evidence, beginning with those of the sidebar."""
    asked, threat, state = chosen.asked, chosen.threat, st.session_state
    base = str((chosen.choice, asked, threat))
    if state.get(_BASE) != base or _THRESHOLD not in state:
        _as_in_sidebar(chosen)
        state[_BASE] = base
    framing = cached.framing(chosen.photo, chosen.choice)
    space = framing.image_size if threat.space is Space.NETWORK else framing.photo_size
    first, second, third, fourth, fifth, last = st.columns([3, 2, 2, 2, 3, 3], vertical_alignment="bottom")
    threshold = first.slider("What if T were", 0.0, 0.95, step=0.01, key=_THRESHOLD)
    clip_high = second.number_input(
        "c_h",
        0.01,
        65536.0,
        key=_CLIP,
        placeholder="∞",
        help="Evidence is clipped from above at c_h; empty: not.",
    )
    height = third.number_input(
        "Patch height", 1, space[0], key=_HEIGHT, help="In pixels, as in the sidebar."
    )
    width = fourth.number_input("Patch width", 1, space[1], key=_WIDTH)
    evidence = fifth.selectbox("Evidence", list(EVIDENCE_TYPES), key=_EVIDENCE)
    last.button("As in the sidebar", on_click=_as_in_sidebar, args=(chosen,), width="stretch")
    other = Threat((height, width), threat.space)
    tried = replace(asked, patch_size=other.on_network(framing)).having(
        {THRESHOLD.name: threshold, CLIP_HIGH.name: clip_high, EVIDENCE.name: evidence}
    )
    return WhatIf(tried, other, tuple(_differences(chosen, tried, other)))


def filtered(failures: Sequence[Failure], classes: Sequence[str]) -> list[Failure]:
    """The failures that a person wants to see."""
    rivals = sorted({failure.rival for failure in failures})
    known = [status for status in WindowStatus if any(f.status is status for f in failures)]
    cases = sorted({str(f.label_case) for f in failures if f.label_case})
    first, second, third = st.columns(3)
    by_rival = first.multiselect(
        "Rival", rivals, format_func=lambda index: classes[index], key="failing-rival", placeholder="all"
    )
    by_status = second.multiselect("Status", known, key="failing-status", placeholder="all")
    by_case = third.multiselect(
        "Label's case", cases, key="failing-case", placeholder="all", help="In the witness, by Figure 5."
    )
    return [
        failure
        for failure in failures
        if (not by_rival or failure.rival in by_rival)
        and (not by_status or failure.status in by_status)
        and (not by_case or str(failure.label_case) in by_case)
    ]


def _as_in_sidebar(chosen: Choices) -> None:
    state, asked = st.session_state, chosen.asked
    state[_THRESHOLD], state[_EVIDENCE], state[_CLIP] = asked[THRESHOLD], asked[EVIDENCE], asked[CLIP_HIGH]
    state[_HEIGHT], state[_WIDTH] = chosen.threat.patch_size


def _differences(chosen: Choices, tried: DefenceChoice, threat: Threat) -> list[str]:
    base = chosen.asked
    pairs = (
        ("T", f"{base[THRESHOLD]:g}", f"{tried[THRESHOLD]:g}"),
        ("c_h", _clip(base), _clip(tried)),
        ("patch", "{}x{}".format(*chosen.threat.patch_size), "{}x{}".format(*threat.patch_size)),
        ("evidence", str(base[EVIDENCE]), str(tried[EVIDENCE])),
    )
    return [f"{name} {before} → {after}" for name, before, after in pairs if before != after]


def _clip(asked: DefenceChoice) -> str:
    clip_high = asked[CLIP_HIGH]
    return "∞" if clip_high is None else f"{clip_high:g}"
