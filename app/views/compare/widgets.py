"""Which two defences are set against each other."""

from collections.abc import Mapping

import streamlit as st

from app.cache.analysis import Photo
from app.state.windows import pick
from pg_core.analysis.comparison import Contender, Lineup
from pg_core.analysis.photo import Analysis
from pg_core.defences.registry import TITLES, Kind
from pg_core.geometry import Window

_MASKS, _FEW = "masks-per-axis", 3
_ALERT, _HALF = "alert-threshold", 0.5


def masks_per_axis() -> int:
    """How many masks double masking has along each axis, as far as it has been asked."""
    return int(st.session_state.get(_MASKS, _FEW))


def ask_masks_per_axis() -> None:
    """Ask for it; the widget stands below what depends on it."""
    st.number_input(
        "Masks along each axis",
        2,
        6,
        _FEW,
        key=_MASKS,
        help="With k x k masks the network runs k²(k² + 1)/2 times. Published: 6, which is 666 runs.",
    )


def alert_threshold() -> float:
    """τ of detection, as far as it has been asked."""
    return float(st.session_state.get(_ALERT, _HALF))


def ask_alert_threshold() -> None:
    """Ask for it; the widget stands below what depends on it."""
    st.slider(
        "Alert threshold τ of detection",
        0.0,
        1.0,
        _HALF,
        0.01,
        key=_ALERT,
        help="A masked window that predicts another class with more confidence than this raises an alert. A smaller τ "
        "certifies more, and raises more alerts on clean photos, which count as wrong.",
    )


def pair(found: Lineup, window: Window) -> tuple[Contender, Contender] | None:
    """Two defences to compare at a window: the chosen ones, else one that proves it and one that does not, else the
    first two with a defence; None if there are not two."""
    if len(found.contenders) < 2:
        return None
    by_kind = {one.kind: one for one in found.contenders}
    by_interest = sorted(found.contenders, key=lambda one: one.kind is Kind.UNDEFENDED)
    first, second = found.differing(window) or by_interest[:2]
    left, right = st.columns(2)
    with left:
        one = _picked("One defence", by_kind) or first.kind
    with right:
        other = _picked("Another", by_kind) or second.kind
    return by_kind.get(one, first), by_kind.get(other, second)


def follow(found: Lineup, clean: Analysis, photo: Photo, canvas: str) -> None:
    """Take the window that was picked on a map of the canvas with this key, or that the picked place stands for."""
    message = st.session_state[canvas].window
    if not isinstance(message, Mapping):
        return
    match message.get("map"), message.get("row"), message.get("column"):
        case int(number), int(row), int(column) if 0 <= number <= len(found.contenders):
            one = found.contenders[number - 1] if number else None
            windows = found.windows if one is None else one.certificate.windows
            if 0 <= row < windows.shape[0] and 0 <= column < windows.shape[1]:
                window = windows.window(row, column) if one is None else found.window_at(one, row, column)
                if window is not None:
                    pick(clean, photo, window.top, window.left)


def _picked(title: str, by_kind: dict[Kind, Contender]) -> Kind | None:
    options: list[Kind | None] = [None, *by_kind]
    return st.selectbox(
        title,
        options,
        format_func=lambda kind: "as it suits the window" if kind is None else TITLES[kind],
        key=f"lineup-{title}",
        help="Left alone: the first that proves the window, and the first that does not, where they differ.",
    )
