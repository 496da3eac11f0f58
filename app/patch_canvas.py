"""The linked panels in the browser: a figure in; the window that a person picks on the margin map out.

Marks under the pointer are drawn by the browser alone; Python hears of picked windows only.
"""

from collections.abc import Callable

import plotly.graph_objects as go

from app.charts import PLOTLY_URL, component
from pg_core.analysis import Analysis
from pg_core.geometry import Window


def patch_canvas(
    figure: go.Figure,
    analysis: Analysis,
    malicious: Window,
    key: str,
    on_window: Callable[[], None],
) -> None:
    """Draw a figure of `app.figures.stage`, and call back when a window is picked: `window` of the state under
    the key then holds its row and column.

    The component marks the pointed-at cell or window in all panels, in the browser alone.
    """
    features, windows = analysis.features, analysis.certificate.windows
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
            "window": _axes(windows.window_size),
            "positions": _axes(windows.shape),
            "picked": {"row": at[0], "column": at[1]},
            "spoken": f"Malicious window at row {at[0]}, column {at[1]}: margin {margin:.3g} against "
            f"{analysis.rival(malicious)}.",
        },
        on_window_change=on_window,
    )


def _axes(size: tuple[int, int]) -> list[int]:
    return list(size)
