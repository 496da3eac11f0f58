"""Figures in the browser with one Plotly.js for the whole page, taken from the installed plotly package.

Streamlit's own chart would load a second one, hands on no click on a heat map, and starts anew at each change.
"""

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import plotly
import plotly.graph_objects as go
import streamlit as st

_ROOT = Path(__file__).parent
_ASSETS = _ROOT.parent / "assets"
_STATIC = _ROOT / "static"
PLOTLY_URL = "app/static/plotly.min.js"


@cache
def component(name: str, *parts: str) -> Callable[..., object]:
    """The component whose code is assets/{name}.js and {name}.css, with the loader of Plotly and its parts before."""
    _serve_plotly()
    script = [
        (_ASSETS / f"{part}.js").read_text(encoding="utf-8") for part in ("plotly_loader", *parts, name)
    ]
    return st.components.v2.component(
        name,
        html=f'<div class="pg-{name.replace("_", "-")}"></div>',
        css=(_ASSETS / f"{name}.css").read_text(encoding="utf-8"),
        js="\n".join(script),
        # In a shadow root Plotly loses its tool bar, its titles and its hover boxes.
        isolate_styles=False,
    )


def preload() -> None:
    """Let the browser fetch Plotly.js while the network is still being loaded."""
    component("chart")(key="preload", data={"plotly": PLOTLY_URL, "figure": None}, height=1)


def chart(figure: go.Figure, key: str, description: str) -> None:
    """A figure of its own height; the description is read out in its place."""
    component("chart")(
        key=key, data={"plotly": PLOTLY_URL, "figure": figure.to_json(), "description": description}
    )


def _serve_plotly() -> None:
    source = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    target = _STATIC / source.name
    if target.is_file() and target.stat().st_size == source.stat().st_size:
        return
    _STATIC.mkdir(exist_ok=True)
    # Under a name of its own until it is whole: several sessions may start at once.
    with tempfile.NamedTemporaryFile(dir=_STATIC, delete=False) as fresh:
        fresh.write(source.read_bytes())
    Path(fresh.name).chmod(0o644)
    Path(fresh.name).replace(target)
