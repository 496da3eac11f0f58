"""Figures in the browser with one Plotly.js for the whole page, taken from the installed plotly package.

Streamlit's own chart would load a second one, hands on no click on a heat map, and starts anew at each change.
"""

from collections.abc import Callable, Mapping

import plotly.graph_objects as go
import streamlit as st

from app.components.component import PLOTLY_URL, component


def preload() -> None:
    """Let the browser fetch Plotly.js and the modules of the stage while the network is still being loaded."""
    component("charts")(key="preload", data={"plotly": PLOTLY_URL, "figure": None}, height=1)


def chart(figure: go.Figure, key: str, description: str, on_pick: Callable[[], None] | None = None) -> None:
    """A figure of its own height; the description is read out in its place. Calls back when a point of a trace with
    `meta` "place" is clicked: `picked` says which."""
    listening = {} if on_pick is None else {"on_picked_change": on_pick}
    component("charts")(
        key=key,
        data={"plotly": PLOTLY_URL, "figure": figure.to_json(), "description": description},
        **listening,
    )


def picked(key: str) -> tuple[int, int] | None:
    """Row and column of the point that was clicked on the figure with this key; a browser may send anything."""
    message = getattr(st.session_state.get(key), "picked", None)
    if not isinstance(message, Mapping):
        return None
    row, column = message.get("row"), message.get("column")
    return (row, column) if type(row) is int and type(column) is int else None
