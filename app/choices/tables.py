"""Rows of a table that a person picks, and what fills a malicious window."""

from collections.abc import Callable, Sequence

import streamlit as st

from app.compute.cases import Filling


def row_of_table(rows: Sequence[dict[str, object]], key: str) -> int | None:
    """Show a table; the position of the row that is picked, by mouse or by keyboard."""
    height = min(420, 38 + 35 * max(len(rows), 1))
    shown = st.dataframe(
        rows, key=key, hide_index=True, height=height, on_select="rerun", selection_mode="single-row"
    )
    picked = [index for index in shown.selection.rows if index < len(rows)]
    return picked[0] if picked else None


def filling(options: Sequence[Filling]) -> Filling:
    """What the malicious window holds."""
    return st.segmented_control(
        "The window holds", options, default=options[0], required=True, key=f"filling-{'-'.join(options)}"
    )


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
        on_select=picked,
        selection_mode="single-row",
    )
