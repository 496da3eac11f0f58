"""Where a person is in an algorithm that runs step by step, and the widgets that go on, back and play."""

import time
from collections.abc import Sequence
from itertools import takewhile

import streamlit as st

from app.state import pages
from app.views.steps.results import Algorithm, Scene
from pg_core.defences.patchcleanser.trace import FeatureLine, FeatureStep
from pg_core.defences.patchguard.trace import Line, Step

Steps = Sequence[Step] | Sequence[FeatureStep]
_AT, _OF, _PLAYING, _SINCE = "step-at", "step-of", "step-playing", "step-since"
PACES = {"slow": 2.4, "normal": 1.2, "fast": 0.5}
"""Seconds that a step is shown while it plays."""
_PACE = "step-pace"
_LOOPS = 30
"""While it plays, the windows that a loop goes through pass in about so many steps."""
_LOOPING = (Line.MARGIN, FeatureLine.ONE, FeatureLine.STANDS, FeatureLine.MARGIN)


def algorithm() -> Algorithm:
    """Which algorithm runs."""
    key = pages.option("algorithm", list(Algorithm), Algorithm.PREDICTION)
    return st.segmented_control("Algorithm", list(Algorithm), required=True, key=key) or Algorithm.PREDICTION


def scene(options: Sequence[Scene]) -> Scene:
    """What it runs on."""
    return (
        st.selectbox("On", options, key=pages.option("scene", options, options[0], of="-".join(options)))
        or options[0]
    )


def playing() -> bool:
    """Whether the steps go on by themselves."""
    return bool(st.session_state.get(_PLAYING))


def pace() -> float:
    """Seconds that a step is shown while it plays."""
    return PACES[st.session_state.get(_PACE) or "normal"]


def position(steps: Steps, key: str) -> int:
    """The step that is shown: the first when something else is run, the next when a playing step has had its time."""
    state = st.session_state
    if state.get(_OF) != key or _AT not in state:
        state[_OF], state[_AT], state[_PLAYING] = key, 0, False
    linked = pages.linked("step", lambda text: pages.within(text, 1, len(steps), int), "1")
    if linked is not None:
        state[_AT], state[_PLAYING] = linked - 1, False
    at = min(state[_AT], len(steps) - 1)
    if playing() and time.monotonic() - state[_SINCE] >= pace() * 0.9:
        state[_SINCE] = time.monotonic()
        at = min(at + _stride(steps, at), len(steps) - 1)
        state[_PLAYING] = at < len(steps) - 1
    state[_AT] = at
    return at


def player(steps: Steps) -> None:
    """The buttons, which work with the keyboard, and a slider to jump."""
    at, last = st.session_state[_AT], len(steps) - 1
    with st.container(horizontal=True):
        st.button("|◀ Start", on_click=_go, args=(0,), disabled=at == 0, key="step-start")
        st.button("◀ Back", on_click=_go, args=(at - 1,), disabled=at == 0, key="step-back", shortcut="Alt+B")
        st.button(
            "Pause" if playing() else "Play",
            on_click=_play,
            disabled=at == last and not playing(),
            key="step-play",
            shortcut="Alt+P",
        )
        st.button(
            "Next ▶", on_click=_go, args=(at + 1,), disabled=at == last, key="step-next", shortcut="Alt+N"
        )
        st.button("End ▶|", on_click=_go, args=(last,), disabled=at == last, key="step-end")
        st.segmented_control(
            "Speed", list(PACES), default="normal", required=True, key=_PACE, label_visibility="collapsed"
        )
    st.session_state["step-slider"] = at + 1
    st.slider(
        f"Step {at + 1} of {last + 1}",
        1,
        last + 1,
        key="step-slider",
        on_change=lambda: _go(st.session_state["step-slider"] - 1),
    )


def _go(at: int) -> None:
    st.session_state[_AT], st.session_state[_PLAYING] = at, False


def _play() -> None:
    st.session_state[_PLAYING] = not playing()
    st.session_state[_SINCE] = time.monotonic()


def _stride(steps: Steps, at: int) -> int:
    """One, or more through a loop over windows, but not past it."""
    lines = [step.line for step in steps]
    line = lines[at]
    if line not in _LOOPING:
        return 1
    left = len(list(takewhile(lambda later: later is line, lines[at + 1 :])))
    return max(1, min(lines.count(line) // _LOOPS, left))
