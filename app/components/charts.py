"""Figures in the browser with one Plotly.js for the whole page, taken from the installed plotly package.

Streamlit's own chart would load a second one, hands on no click on a heat map, and starts anew at each change.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import plotly
import plotly.graph_objects as go
import streamlit as st
from streamlit.components.v1 import declare_component

PLOTLY_URL = f"component/{__name__}.plotly/plotly.min.js?{plotly.__version__}"
"""Where Streamlit serves the files of the component that `_serve_plotly` declares. A browser may keep them: those of
another version have another address."""


@cache
def component(name: str, *parts: str) -> Callable[..., object]:
    """The component whose code is {name}.js and {name}.css beside this file, after the loader of Plotly and parts."""
    _serve_plotly()
    script = [_file(f"{part}.js") for part in ("plotly_loader", *parts, name)]
    return st.components.v2.component(
        name,
        html=f'<div class="pg-{name.replace("_", "-")}"></div>',
        css=_file(f"{name}.css"),
        js="\n".join(script),
        # In a shadow root Plotly loses its tool bar, its titles and its hover boxes.
        isolate_styles=False,
    )


def preload() -> None:
    """Let the browser fetch Plotly.js while the network is still being loaded."""
    component("charts")(key="preload", data={"plotly": PLOTLY_URL, "figure": None}, height=1)


def chart(figure: go.Figure, key: str, description: str) -> None:
    """A figure of its own height; the description is read out in its place."""
    component("charts")(
        key=key, data={"plotly": PLOTLY_URL, "figure": figure.to_json(), "description": description}
    )


def _serve_plotly() -> None:
    """Let Streamlit serve the folder of the plotly package that holds Plotly.js, as that of a component which no page
    shows: nothing is copied."""
    declare_component("plotly", Path(plotly.__file__).parent / "package_data")


def _file(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")
