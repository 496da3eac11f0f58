"""Rows of a table that a person picks."""

from collections.abc import Callable, Sequence

import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig


def row_of_table(rows: Sequence[dict[str, object]], key: str) -> int | None:
    """Show a table; the position of the row that is picked, by mouse or by keyboard."""
    height = min(290, 38 + 35 * max(len(rows), 1))
    shown = st.dataframe(
        rows,
        key=key,
        hide_index=True,
        height=height,
        column_config=_columns(rows),
        on_select="rerun",
        selection_mode="single-row",
    )
    picked = [index for index in shown.selection.rows if index < len(rows)]
    return picked[0] if picked else None


def windows(rows: Sequence[dict[str, object]], key: str, on_pick: Callable[[int], None]) -> None:
    """Show a table of windows, and call back with the position of the row that is picked."""

    def picked() -> None:
        chosen = st.session_state[key].selection.rows
        if chosen and chosen[0] < len(rows):
            on_pick(chosen[0])

    st.dataframe(
        rows,
        key=key,
        hide_index=True,
        height=min(420, 38 + 35 * max(len(rows), 1)),
        column_config=_columns(rows),
        on_select=picked,
        selection_mode="single-row",
    )


def _columns(rows: Sequence[dict[str, object]]) -> dict[str, ColumnConfig]:
    """Evidence with four digits that count, so that more columns fit; sorting goes by the numbers themselves."""
    first = rows[0] if rows else {}
    numbers = [name for name, value in first.items() if isinstance(value, float)]
    return {name: st.column_config.NumberColumn(format="%.4g", width=80) for name in numbers}
