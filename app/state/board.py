"""The toy board of this session, every step of it kept for undo, and the widgets that change it."""

import dataclasses

import streamlit as st

from pg_core.defences.patchguard.boards import COUNTEREXAMPLE, EXAMPLES, Board
from pg_core.defences.patchguard.cases import Case

CANVAS = "toy-board"
_NOW, _PAST = "board-now", "board-past"
_STEPS = 200
_LARGEST = 10
_LONGEST = 2000
"""Signs of a board in a link."""
_START = EXAMPLES[Case.PARTIAL]


def board() -> Board:
    """The board as it is."""
    plain = st.session_state.get(_NOW)
    return _START if plain is None else Board(*plain)


def in_link() -> str | None:
    """The board as a link says it: T, the corner of the window, the benign evidence and the content of the window, row
    by row; None for the board that a session begins with.

    >>> _written(EXAMPLES[Case.BENIGN])[:30]
    '0.4;3,2;0,1,2,1,1,0/1,1,2,2,1,'
    """
    now = board()
    return None if now == _START else _written(now)


def follow_link(text: str) -> None:
    """Put the board of a link there, which can be undone; raises ValueError for what is no board."""
    if len(text) > _LONGEST:
        raise ValueError(f"expected at most {_LONGEST} signs of a board, got {len(text)}")
    threshold, corner, *maps = text.split(";")
    values, content = (
        tuple(tuple(float(value) for value in row.split(",")) for row in rows.split("/")) for rows in maps
    )
    row, column = (int(place) for place in corner.split(",") if place.isascii() and place.isdigit())
    if max(len(values), len(values[0])) > _LARGEST:
        raise ValueError(f"expected a board of at most {_LARGEST}x{_LARGEST} cells")
    try:
        linked = Board(values, content, (row, column), float(threshold))
    except IndexError as error:
        raise ValueError(f"expected a window on the board: {error}") from error
    _become(linked)


def start() -> None:
    """Put the board there that a session begins with."""
    _become(_START)


def edited() -> None:
    """Do what a person did on the canvas; nothing if it makes no sense for the board."""
    edit, now = st.session_state[CANVAS].edit, board()
    rows, columns = now.windows.map_size
    match edit:
        case {"kind": "undo"}:
            _undo()
        case {"kind": "move", "row": int(row), "column": int(column)}:
            _become(now.moved(row, column))
        case {"kind": "paint", "cells": [*cells], "value": int(value) | float(value)} if 0 <= value <= 99:
            inside = [(row, column) for row, column in cells if 0 <= row < rows and 0 <= column < columns]
            _become(now.painted(inside, float(value)))


def case_button(case: Case) -> None:
    """A button that puts an example of a case on the board."""
    st.button(
        f"Case {case} on the board",
        key=f"case-{case}",
        on_click=_become,
        args=(EXAMPLES[case],),
        width="stretch",
    )


def counterexample_button() -> None:
    """A button that puts the counterexample to the published bound on the board."""
    st.button(
        "Put the counterexample on the board",
        key="counterexample",
        on_click=_become,
        args=(COUNTEREXAMPLE,),
        help="Found by a search over boards of whole numbers; a test keeps it.",
    )


def history_buttons() -> None:
    """Undo, reset, and an empty window."""
    now = board()
    empty = dataclasses.replace(now, content=tuple((0.0,) * len(row) for row in now.content))
    with st.container(horizontal=True):
        st.button("Undo", on_click=_undo, disabled=not st.session_state.get(_PAST))
        st.button("Reset", on_click=_become, args=(_START,), disabled=now == _START)
        st.button("Empty w", on_click=_become, args=(empty,), disabled=now == empty)


def brush() -> float:
    """What a click on a cell paints."""
    return st.number_input(
        "Brush",
        0.0,
        99.0,
        3.0,
        1.0,
        format="%.3g",
        key="board-brush",
        help="The evidence that a click, a stroke, Enter or the space bar paints. Keys 0 to 9 set the cell in focus.",
    )


def settings() -> None:
    """T, and the size of the map and of the window."""
    now = board()
    state = st.session_state
    state["board-threshold"] = now.threshold
    state["board-rows"], state["board-columns"] = now.windows.map_size
    state["board-height"], state["board-width"] = now.windows.window_size

    def threshold() -> None:
        _become(dataclasses.replace(board(), threshold=state["board-threshold"]))

    def size() -> None:
        map_size = state["board-rows"], state["board-columns"]
        _become(board().resized(map_size, (state["board-height"], state["board-width"])))

    st.slider(
        "Threshold T",
        0.0,
        0.95,
        step=0.01,
        key="board-threshold",
        on_change=threshold,
        help="The largest window is masked if it holds more than this part of all evidence.",
    )
    for column, title, key, least in zip(
        st.columns(4),
        ("Rows", "Columns", "Rows of w", "Columns of w"),
        ("board-rows", "board-columns", "board-height", "board-width"),
        (2, 2, 1, 1),
        strict=True,
    ):
        column.number_input(title, least, _LARGEST, key=key, on_change=size)


def _written(now: Board) -> str:
    maps = (
        "/".join(",".join(f"{value:g}" for value in row) for row in rows)
        for rows in (now.values, now.content)
    )
    return ";".join([f"{now.threshold:g}", "{},{}".format(*now.corner), *maps])


def _become(fresh: Board) -> None:
    now = board()
    if fresh == now:
        return
    past = st.session_state.setdefault(_PAST, [])
    past.append(dataclasses.astuple(now))
    del past[:-_STEPS]
    st.session_state[_NOW] = dataclasses.astuple(fresh)


def _undo() -> None:
    if st.session_state.get(_PAST):
        st.session_state[_NOW] = st.session_state[_PAST].pop()
