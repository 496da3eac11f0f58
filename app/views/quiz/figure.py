"""The photo with a mark for each window, to be guessed at, and what the guess was worth."""

import numpy as np
import plotly.graph_objects as go

from app.plots import style
from app.plots.maps import edges_of
from app.plots.photo import add_photo
from pg_core.analysis.photo import Analysis
from pg_core.geometry import Patch

_HEIGHT = 460


def guesses(clean: Analysis, places: list[Patch], guess: Patch | None) -> go.Figure:
    """A mark in the middle of a patch in each window (places, row by row), of one colour until there is a guess; then
    in the colour of its margin, with the outline of the guess and of the worst place."""
    height, width = clean.features.framing.image_size
    margins = clean.certificate.margin.reshape(-1)
    reach = max(float(np.abs(margins[np.isfinite(margins)]).max(initial=0.0)), 1e-9)
    colours: dict[str, object] = {"color": "#ffffff"}
    if guess is not None:
        colours = {
            "color": np.clip(margins, -reach, reach),
            "colorscale": style.DIVERGING,
            "cmin": -reach,
            "cmax": reach,
            "colorbar": {"thickness": 10, "outlinewidth": 0, "title": {"text": "margin", "side": "top"}},
        }
    figure = go.Figure(
        go.Scatter(
            y=[place.top + place.height / 2 for place in places],
            x=[place.left + place.width / 2 for place in places],
            customdata=[
                (place.top, place.left, margin) for place, margin in zip(places, margins, strict=True)
            ],
            mode="markers",
            marker={
                "size": max(6, min(14, 260 // max(clean.certificate.margin.shape))),
                "line": {"width": 1.5, "color": "#111111"},
                **colours,
            },
            hovertemplate="row %{customdata[0]}, column %{customdata[1]}"
            + ("" if guess is None else "<br>margin <b>%{customdata[2]:.4g}</b>")
            + "<extra></extra>",
            meta="place",
        )
    )
    if guess is not None:
        worst = places[int(margins.argmin())]
        figure.add_shape(type="rect", name="guess", line=style.CURRENT, **edges_of(guess))
        figure.add_shape(type="rect", name="worst", line=style.MALICIOUS, **edges_of(worst))
    add_photo(figure, clean.features.pixels)
    bare = {"showgrid": False, "zeroline": False, "showticklabels": False, "ticks": "", "constrain": "domain"}
    style.finish(figure)
    figure.update_xaxes(range=[0, width], **bare)
    figure.update_yaxes(range=[height, 0], scaleanchor="x", **bare)
    return figure.update_layout(height=_HEIGHT, margin={"l": 4, "r": 4, "t": 36, "b": 8})
