"""What a person dropped on the page Atlas: photos, the run that measures them, and tables. All of it is let go at
once, here and with *Forget my photos*."""

import streamlit as st

from app.cache import runs
from app.cache.runs import PhotoRun

RUN, TAKEN, PHOTOS, NAME = "atlas-run", "atlas-run-taken", "atlas-photos", "atlas-run-table"
OWN_TABLE, UPLOADS = "atlas-own", "atlas-uploads"
_TIMES = "atlas-forgotten"
"""How often all was let go: uploaders have new keys then, since nothing else takes their files from them."""


def run() -> PhotoRun | None:
    """The run on the photos that were dropped last."""
    return st.session_state.get(RUN)


def uploader(kind: str) -> str:
    """The key of an uploader, of the kind folder or upload."""
    return f"atlas-{kind}-{st.session_state.get(_TIMES, 0)}"


def forget() -> None:
    """Let go of photos, tables and the run, which stops."""
    state, running = st.session_state, run()
    if running is not None and running.running:
        runs.DESK.withdraw(running)
    for key in (RUN, TAKEN, PHOTOS, NAME, OWN_TABLE, UPLOADS):
        state.pop(key, None)
    state[_TIMES] = state.get(_TIMES, 0) + 1
