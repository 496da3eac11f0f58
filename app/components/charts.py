"""Figures in the browser with one Plotly.js for the whole page, taken from the installed plotly package.

Streamlit's own chart would load a second one, hands on no click on a heat map, and starts anew at each change.
"""

import plotly.graph_objects as go

from app.components.component import PLOTLY_URL, component


def preload() -> None:
    """Let the browser fetch Plotly.js and the modules of the stage while the network is still being loaded."""
    component("charts")(key="preload", data={"plotly": PLOTLY_URL, "figure": None}, height=1)


def chart(figure: go.Figure, key: str, description: str) -> None:
    """A figure of its own height; the description is read out in its place."""
    component("charts")(
        key=key, data={"plotly": PLOTLY_URL, "figure": figure.to_json(), "description": description}
    )
