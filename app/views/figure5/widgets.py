"""What fills the malicious window, and the class whose case is drawn."""

from collections.abc import Sequence

import streamlit as st

from app.state import pages, tables
from app.views.figure5.results import Filling

_TABLE, _DRAWN, _PICKED = "case-table", "case-drawn", "case-picked"


def filling(options: Sequence[Filling]) -> Filling:
    """What the malicious window holds."""
    key = pages.option("filling", options, options[0], of="-".join(options))
    return st.segmented_control("The window holds", options, required=True, key=key) or options[0]


def drawn(rows: Sequence[dict[str, object]], order: Sequence[int], classes: Sequence[str], usual: int) -> int:
    """The table of all classes in this order, and the index of the one that is drawn: of the row that is picked, or
    was on this page before, or in a link; else the usual one."""
    state = st.session_state
    linked = pages.linked("drawn", lambda text: pages.within(text or "-1", -1, len(classes) - 1, int))
    if linked is not None:
        state[_DRAWN] = "" if linked < 0 else classes[linked]
    there = _TABLE in state
    picked = tables.row_of_table([rows[index] for index in order], _TABLE)
    if picked is not None:
        state[_DRAWN] = classes[order[picked]]
    elif there and state.get(_PICKED):
        state.pop(_DRAWN, None)
    state[_PICKED] = picked is not None
    name = state.get(_DRAWN)
    index = classes.index(name) if name in classes else usual
    pages.say("drawn", "" if index == usual else str(index))
    return index
