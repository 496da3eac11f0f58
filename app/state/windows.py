"""The position looked at, a malicious window or a placement of the patch: picked on the margin map or typed, else the
one that the simulated patch lies in."""

from collections.abc import Iterable, Mapping
from typing import TypeGuard

import streamlit as st

from app.cache.analysis import Photo
from pg_core.analysis.photo import Analysis
from pg_core.geometry import Box, Patch, Size, Window, box_at

_PICKED, _BY_ITSELF = "picked", "window by itself"
_SHAPE = "windows-shape"
"""The number of windows, along rows and columns, of which one was looked for last."""
_ROW, _COLUMN = "window_row", "window_column"


def malicious_window(analysis: Analysis, patch: Patch | None, photo: Photo) -> Window | Patch:
    """The window a person picked; else the one the simulated patch lies in; else the worst."""
    by_itself = (patch and analysis.position(patch)) or analysis.certificate.worst
    st.session_state[_BY_ITSELF] = (by_itself.top, by_itself.left)
    return picked(analysis, photo) or by_itself


def picked(analysis: Analysis, photo: Photo) -> Window | Patch | None:
    """The window that was picked, until the photo or the windows change."""
    digest, shape, *at = st.session_state.get(_PICKED, (None, None))
    positions = analysis.certificate.positions
    st.session_state[_SHAPE] = positions.shape
    if digest != photo.digest or shape not in (None, positions.shape) or not _inside(at, positions.shape):
        return None
    remember(digest, positions.shape, *at)
    return box_at(positions, *at)


def pick(analysis: Analysis, photo: Photo, row: int, column: int) -> None:
    """Make a window the malicious one, on every page."""
    remember(photo.digest, analysis.certificate.positions.shape, row, column)


def remember(digest: str, shape: Size | None, row: int, column: int) -> None:
    """The same for the photo of a digest, and for a number of windows if it is known yet."""
    st.session_state[_PICKED] = (digest, shape, row, column)


def in_link(digest: str) -> str | None:
    """The row and column of the window that was picked for the photo of a digest, as a link says them."""
    picked_for, shape, *at = st.session_state.get(_PICKED, (None, None))
    if picked_for != digest or shape not in (None, st.session_state.get(_SHAPE)):
        return None
    return "{},{}".format(*at)


def beyond(analysis: Analysis, photo: Photo) -> str | None:
    """What a link says of a window of this photo that is none of its windows, once; it is left out."""
    digest, shape, *at = st.session_state.get(_PICKED, (None, None))
    if digest != photo.digest or shape is not None or _inside(at, analysis.certificate.positions.shape):
        return None
    forget()
    return "window={},{}".format(*at)


def forget() -> None:
    """The malicious window is the one the patch lies in, or the worst, until another is picked."""
    st.session_state.pop(_PICKED, None)


def follow_canvas(analysis: Analysis, photo: Photo, canvas: str) -> None:
    """Take the window that was picked on the margin map of the canvas with this key."""
    message, shape = st.session_state[canvas].window, analysis.certificate.positions.shape
    if isinstance(message, Mapping) and _inside(at := (message.get("row"), message.get("column")), shape):
        pick(analysis, photo, *at)


def controls(analysis: Analysis, malicious: Box, photo: Photo) -> None:
    """Row and column of the malicious window, and a way back to the worst one.

    A browser that is behind still sends what the fields held before, for another photo perhaps. So a window that
    becomes another by itself has other fields, in which nothing but what a person did can differ from what is shown.
    """
    rows, columns = analysis.certificate.positions.shape
    there = f"{photo.digest}-{rows}x{columns}-{st.session_state.get(_BY_ITSELF)}"
    row_key, column_key = f"{_ROW}-{there}", f"{_COLUMN}-{there}"
    st.session_state[row_key], st.session_state[column_key] = malicious.top, malicious.left

    def typed() -> None:
        at = st.session_state[row_key], st.session_state[column_key]
        if at != (malicious.top, malicious.left):
            pick(analysis, photo, *at)

    def worst() -> None:
        window = analysis.certificate.worst
        pick(analysis, photo, window.top, window.left)

    row, column, button = st.columns([1, 1, 1], vertical_alignment="bottom")
    unit = "cells" if isinstance(malicious, Window) else "px"
    row.number_input(f"Row ({unit})", 0, rows - 1, key=row_key, on_change=typed)
    column.number_input(f"Column ({unit})", 0, columns - 1, key=column_key, on_change=typed)
    button.button("Go to the worst", on_click=worst, width="stretch")


def _inside(at: Iterable[object], shape: Size) -> TypeGuard[Iterable[int]]:
    """Whether it is the position of a window: a browser may send anything."""
    return all(isinstance(place, int) and 0 <= place < count for place, count in zip(at, shape, strict=True))
