"""How every figure looks: colours that colour-blind readers can tell apart, and the finish that all share."""

import plotly.graph_objects as go
from plotly.colors import make_colorscale, sequential

SEQUENTIAL = [list(stop) for stop in make_colorscale(sequential.Cividis)]
DIVERGING = [[0.0, "#b2182b"], [0.25, "#f4a582"], [0.5, "#f7f7f7"], [0.75, "#92c5de"], [1.0, "#2166ac"]]
"""ColorBrewer's RdBu, red for negative; plotly's scale of that name runs the other way."""

MALICIOUS = {"color": "#d55e00", "width": 3, "dash": "dot"}
DETECTED = {"color": "#56b4e9", "width": 3, "dash": "solid"}
OTHER = {"color": "#009e73", "width": 3, "dash": "dashdot"}
FOOTPRINT = {"color": "#cc79a7", "width": 2, "dash": "dash"}
CURRENT = {"color": "#111111", "width": 3, "dash": "solid"}
"""Outlines differ in line style as well as in colour (Okabe and Ito's palette)."""

BROKEN = "#e69f00"
"""A star: pixels change the defended answer there."""

BENIGN_CELLS = [[0.0, "#f3f6f8"], [1.0, "#7fb8d8"]]
MALICIOUS_CELLS = [[0.0, "#fdf3ec"], [1.0, "#f0a878"]]
HATCH = "#8a8a8a"
"""Cells of a board, light enough for dark figures on them."""

BEFORE = "#999999"
AFTER = "#0072b2"
GAINED = "#009e73"
LOST = "#d55e00"


def finish(figure: go.Figure) -> go.Figure:
    """The last step of every figure: no template, no background, room for titles."""
    return figure.update_layout(
        template="none",
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        margin={"l": 8, "r": 8, "t": 30, "b": 30},
        font={"size": 13},
        hovermode="closest",
        showlegend=False,
    )
