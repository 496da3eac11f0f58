"""The margin maps of all defences in the browser: a figure in; the window that a person picks on any of them out."""

from collections.abc import Callable

import plotly.graph_objects as go

from app.components.component import PLOTLY_URL, component
from pg_core.geometry import Size, Window


def maps_canvas(
    figure: go.Figure,
    positions: Size,
    window: Window,
    spoken: str,
    key: str,
    on_window: Callable[[], None],
) -> None:
    """Draw a figure of `app.views.compare.figure` over `positions` windows, and call back when one is picked: `window`
    of the state under the key then holds the number of the map (0: by the arrow keys, in windows), row and column."""
    component("maps")(
        key=key,
        data={
            "figure": figure.to_json(),
            "plotly": PLOTLY_URL,
            "positions": list(positions),
            "picked": {"row": window.top, "column": window.left},
            "spoken": spoken,
        },
        on_window_change=on_window,
    )
