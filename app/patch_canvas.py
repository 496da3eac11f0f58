"""The linked panels in the browser: a figure in; the window that a person picks on the margin map out.

Marks under the pointer are drawn by the browser alone; Python hears of picked windows only.
"""

from collections.abc import Callable

import plotly.graph_objects as go
import streamlit as st

from app.charts import PLOTLY_URL, component
from pg_core.analysis import Analysis
from pg_core.geometry import Window


def patch_canvas(
    figure: go.Figure,
    analysis: Analysis,
    malicious: Window,
    key: str,
    on_window: Callable[[int, int], None],
) -> None:
    """Draw a figure of `app.figures.stage` and call on_window(row, column) for each window that is picked.

    The component marks the pointed-at cell or window in all panels, in the browser alone.
    """
    features, windows = analysis.features, analysis.certificate.windows

    def picked() -> None:
        window = st.session_state[key].window
        if window is not None:
            row, column = int(window["row"]), int(window["column"])
            if 0 <= row < windows.shape[0] and 0 <= column < windows.shape[1]:
                on_window(row, column)

    at = malicious.top, malicious.left
    margin = float(analysis.certificate.margin[at])
    component("patch_canvas")(
        key=key,
        data={
            "figure": figure.to_json(),
            "plotly": PLOTLY_URL,
            "field": _axes(features.receptive_field.size),
            "stride": _axes(features.receptive_field.stride),
            "offset": _axes(features.receptive_field.offset),
            "map": _axes(features.map_size),
            "window": _axes(windows.window_size),
            "positions": _axes(windows.shape),
            "picked": {"row": at[0], "column": at[1]},
            "spoken": f"Malicious window at row {at[0]}, column {at[1]}: margin {margin:.3g} against "
            f"{analysis.rival(malicious)}.",
        },
        on_window_change=picked,
    )


def _axes(size: tuple[int, int]) -> list[int]:
    return list(size)
