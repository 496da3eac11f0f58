"""Filters that a person gave a name: each is a scenario with its certified rate, for this session."""

import streamlit as st

from app.cache.tables import Atlas
from app.state import tables
from app.views.atlas import filters, results, widgets
from app.views.atlas.results import Selection
from pg_core.defences.base import Verdict
from pg_core.io.printable import printable

_KEPT, _NAME = "atlas-scenarios", "scenario-name"
_MOST, _LETTERS = 50, 60


def listed(name: str, selection: Selection) -> None:
    """The scenarios, and the field that keeps the filters of now as another one."""
    st.subheader("Scenarios")
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    left.text_input("Name of a scenario", key=_NAME, max_chars=_LETTERS, placeholder="the filters in words")
    right.button(
        "Keep these filters",
        on_click=_keep,
        args=(name, selection),
        disabled=not selection.filters.chosen(),
        width="stretch",
    )
    known = selection.atlas.keys
    own = [one for one in st.session_state.get(_KEPT, []) if one["table"] == name and one["setting"] in known]
    if not own:
        st.caption("Filters that you keep stand here with their certified rate, until this page is closed.")
        return
    tables.windows(
        [_row(one, selection.atlas) for one in own],
        f"scenarios-{len(own)}",
        lambda place: _choose(own[place]),
    )
    st.caption("A row that you pick brings its filters and its setting back.")


def _row(one: dict[str, str], atlas: Atlas) -> dict[str, object]:
    trial = atlas.keys.index(one["setting"])
    chosen = filters.read(one["filters"])
    own = Selection(atlas, trial, chosen)
    share = results.certified(own)
    nothing = own.failing is Verdict.UNPROVED or not share.n
    return {
        "Scenario": printable(one["name"]),
        "Defence and patch": widgets.titled(own.setting),
        "Filters": printable("; ".join(chosen.in_words(atlas.classes).values())),
        "Photos": share.n,
        "Certified (95 % interval)": "–" if nothing else str(share),
    }


def _keep(name: str, selection: Selection) -> None:
    state = st.session_state
    words = state.get(_NAME) or "; ".join(selection.filters.in_words(selection.atlas.classes).values())
    kept = {
        "name": words[:200],
        "table": name,
        "setting": selection.atlas.keys[selection.trial],
        "filters": selection.filters.in_link(),
    }
    state[_KEPT] = [*state.get(_KEPT, []), kept][-_MOST:]
    state[_NAME] = ""


def _choose(one: dict[str, str]) -> None:
    st.session_state["atlas-trial"] = widgets.named(one["setting"])
    widgets.choose(filters.read(one["filters"]))
