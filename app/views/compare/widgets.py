"""Which two defences are set against each other."""

from collections.abc import Mapping

import streamlit as st

from app.cache.analysis import Photo
from app.state import pages
from app.state.windows import pick
from pg_core.analysis.comparison import Comparison, DefenceResult
from pg_core.analysis.photo import Analysis
from pg_core.defences.base import Claim
from pg_core.defences.registry import DEFENCES
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
        key=pages.number("masks", 2, 6, _FEW),
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
        step=0.01,
        key=pages.number("alert", 0.0, 1.0, _HALF),
        help="A masked window that predicts another class with more confidence than this raises an alert. A smaller τ "
        "certifies more, and raises more alerts on clean photos, which count as wrong.",
    )


def pair(found: Comparison, window: Window) -> tuple[DefenceResult, DefenceResult] | None:
    """Two defences to compare at a window: the chosen ones, else one that proves it and one that does not, else the
    first two with a defence; None if there are not two."""
    if len(found.results) < 2:
        return None
    by_name = {one.name: one for one in found.results}
    by_interest = sorted(found.results, key=lambda one: one.certificate.claim is Claim.NOTHING)
    first, second = found.differing(window) or by_interest[:2]
    left, right = st.columns(2)
    with left:
        one = _picked("first", "One defence", by_name) or first.name
    with right:
        other = _picked("second", "Another", by_name) or second.name
    return by_name.get(one, first), by_name.get(other, second)


def follow(found: Comparison, clean: Analysis, photo: Photo, canvas: str) -> None:
    """Take the window that was picked on a map of the canvas with this key, or that the picked place stands for."""
    message = st.session_state[canvas].window
    if not isinstance(message, Mapping):
        return
    match message.get("map"), message.get("row"), message.get("column"):
        case int(number), int(row), int(column) if 0 <= number <= len(found.results):
            one = found.results[number - 1] if number else None
            rows, columns = (found.windows if one is None else one.certificate.positions).shape
            if 0 <= row < rows and 0 <= column < columns:
                window = (
                    found.windows.window(row, column) if one is None else found.window_at(one, row, column)
                )
                if window is not None:
                    pick(clean, photo, window.top, window.left)


def _picked(part: str, title: str, by_name: dict[str, DefenceResult]) -> str:
    options = ["", *by_name]
    return st.selectbox(
        title,
        options,
        format_func=lambda name: "automatic" if not name else DEFENCES[name].title,
        key=pages.option(part, options, ""),
        help="Left alone: the first that proves the window, and the first that does not, where they differ.",
    )
