"""A map over the photo of what is known of every window: proved, broken by pixels, undecided or open."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from app.plots import style
from app.plots.maps import edges_of
from app.plots.photo import add_photo
from pg_core.analysis.effect import STATES, States
from pg_core.analysis.photo import Analysis
from pg_core.geometry import Patch

PLACE = "place"
"""The `meta` of a trace whose points can be picked: their `customdata` begins with a row and a column."""
_HEIGHT = 500
_MOST = 2500
"""Signs on the map; of more windows some are left out, but none that is broken."""
_SIGNS = {
    "proved": {"symbol": "square", "color": "#2166ac", "line": {"width": 1, "color": "#ffffff"}},
    "undecided": {"symbol": "circle-open", "color": "#111111", "line": {"width": 2}},
    "open": {"symbol": "x", "color": "#b2182b", "line": {"width": 1, "color": "#ffffff"}},
    "broken": {"symbol": "star", "color": style.BROKEN, "line": {"width": 1, "color": "#111111"}},
}


def states_map(clean: Analysis, known: States, places: Sequence[Patch], picked: Patch) -> go.Figure:
    """A sign for each window, in the middle of the patch at its place in the window (places, row by row), and the
    outline of the picked place. Where two windows have one place, the sign that is drawn last counts: a break."""
    height, width = clean.features.framing.image_size
    figure = go.Figure()
    step = max(1, len(places) // _MOST)
    middles = np.array([(place.top + place.height / 2, place.left + place.width / 2) for place in places])
    corners = np.array([(place.top, place.left) for place in places])
    for name, sign in _SIGNS.items():
        flags = getattr(known, name).reshape(-1)
        shown = np.flatnonzero(flags) if name == "broken" else np.flatnonzero(flags[::step]) * step
        figure.add_trace(
            go.Scatter(
                y=middles[shown, 0],
                x=middles[shown, 1],
                customdata=corners[shown],
                mode="markers",
                name=f"{STATES[name]} ({int(flags.sum()):,})",
                marker={"size": 15 if name == "broken" else _size(known.open.shape), "opacity": 0.9} | sign,
                hovertemplate=f"<b>{STATES[name]}</b><br>patch at row %{{customdata[0]}}, column %{{customdata[1]}}"
                "<extra></extra>",
                meta=PLACE,
            )
        )
    figure.add_shape(type="rect", name="picked", line=style.CURRENT, **edges_of(picked))
    add_photo(figure, clean.features.pixels)
    style.finish(figure)
    bare = {"showgrid": False, "zeroline": False, "constrain": "domain"}
    figure.update_xaxes(range=[0, width], title={"text": "column, in pixels"}, constraintoward="left", **bare)
    figure.update_yaxes(
        range=[height, 0], title={"text": "row"}, scaleanchor="x", constraintoward="top", **bare
    )
    return figure.update_layout(
        height=_HEIGHT,
        margin={"l": 60, "r": 8, "t": 64, "b": 48},
        showlegend=True,
        legend={"orientation": "h", "x": 0, "y": 1.02, "xanchor": "left", "yanchor": "bottom"},
    )


def _size(shape: tuple[int, ...]) -> float:
    return max(5, min(11, 260 // max(shape)))
