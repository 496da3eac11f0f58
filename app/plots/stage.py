"""An analysis as four linked panels: photo, local logits, clipped evidence, and the margin of every window.

The first three panels are in pixels of the image that the network sees, so that a cell lies where its
receptive field has its middle; the fourth is in positions of windows.
"""

from collections.abc import Collection

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Bool, Float64
from plotly.subplots import make_subplots

from app.markup import in_figure
from app.plots import style
from app.plots.photo import add_patch, add_photo, outlines
from pg_core.analysis.effect import BROKEN, PatchEffect, broken_by
from pg_core.analysis.photo import Analysis, Answer
from pg_core.analysis.words import places
from pg_core.geometry import Box, Patch, ReceptiveField, Window
from pg_core.plots.drawing import middle

CELLS = "cell"
WINDOWS = "window"
"""What a point of a panel is, in the trace's `meta`: the canvas links the panels by it."""

_MASKS = 12
"""So many of what a defence took out are drawn."""


def stage(
    clean: Analysis,
    shown: Answer,
    shown_class: int,
    malicious: Box,
    patch: Patch | None = None,
    found: Collection[Patch] = (),
) -> go.Figure:
    """The four panels. `clean` is the photo, which the certificate is about; `shown` the same, or the photo
    with a simulated patch. Colours span the values of both. At the places `found`, pixels are known to change the
    defended answer."""
    name = in_figure(clean.classes[shown_class])
    figure = make_subplots(
        rows=1,
        cols=4,
        horizontal_spacing=0.03,
        subplot_titles=(
            "Clean photo" if patch is None else "Patched photo",
            f"Local logits: {name}",
            "No evidence is added up" if clean.spec.evidence is None else f"Evidence: {name}",
            f"Margin of each {places(clean.certificate, one=True)}",
        ),
    )
    field = clean.features.receptive_field
    logits, evidence = maps_of(shown, shown_class)
    usual_logits, usual_evidence = maps_of(clean, shown_class)
    values = np.concatenate([logits, usual_logits])
    span = float(values.min()), float(values.max())
    figure.add_trace(_cells(logits, field, "local logit", span, opacity=0.0, showscale=False), 1, 1)
    figure.add_trace(_cells(logits, field, "local logit", span, opacity=0.65), 1, 2)
    values = np.concatenate([evidence, usual_evidence])
    span = min(0.0, float(values.min())), float(values.max())
    figure.add_trace(_cells(evidence, field, "evidence", span), 1, 3)
    _margins(figure, clean)
    broken = broken_by(clean, found)
    if patch is not None:
        broken |= PatchEffect(clean, shown, patch).broken
    if patch is not None or found:
        _broken(figure, broken)
    add_photo(figure, clean.features.pixels, ("", "2"))
    if patch is not None:
        add_patch(figure, shown.features.pixels, patch, ("", "2"))
    _outlines(figure, clean, shown, shown_class, malicious, patch)
    _axes(figure, clean)
    return style.finish(figure)


def maps_of(
    answer: Answer, shown_class: int
) -> tuple[Float64[np.ndarray, "rows columns"], Float64[np.ndarray, "rows columns"]]:
    """What the second and third panel show of a class: its local logits, and what the defence adds up of it, nothing
    if it adds up no evidence of cells."""
    logits, evidence = answer.features.local_logits[shown_class].astype(np.float64), answer.evidence
    return logits, np.zeros_like(logits) if evidence is None else evidence[shown_class]


def _cells(
    values: Float64[np.ndarray, "rows columns"],
    field: ReceptiveField,
    what: str,
    span: tuple[float, float],
    opacity: float = 1.0,
    showscale: bool = True,
) -> go.Heatmap:
    rows, columns = values.shape
    return go.Heatmap(
        z=values,
        x0=middle(field, 0, 1),
        dx=field.stride[1],
        y0=middle(field, 0, 0),
        dy=field.stride[0],
        zmin=span[0],
        zmax=max(span[1], span[0] + 1e-9),
        colorscale=style.SEQUENTIAL,
        opacity=opacity,
        showscale=showscale,
        colorbar=_colour_bar(),
        customdata=np.moveaxis(np.indices((rows, columns)), 0, -1),
        hovertemplate="row %{customdata[0]}, column %{customdata[1]}<br>"
        + what
        + " <b>%{z:.4g}</b><extra></extra>",
        meta=CELLS,
    )


def _margins(figure: go.Figure, analysis: Analysis) -> None:
    certificate = analysis.certificate
    margin = certificate.margin
    # Without any bound a margin is infinite, and drawn like the largest finite one.
    finite = np.abs(margin[np.isfinite(margin)])
    reach = max(float(finite.max(initial=0.0)), 1e-9) if finite.size else 1.0
    drawn = np.clip(margin, -reach, reach)
    rivals = np.array([in_figure(name) for name in analysis.classes], dtype=object)[certificate.rival]
    what = places(certificate, one=True)
    figure.add_trace(
        go.Heatmap(
            z=drawn,
            zmin=-reach,
            zmax=reach,
            colorscale=style.DIVERGING,
            colorbar=_colour_bar(),
            customdata=np.stack([rivals, certificate.verdicts, margin], axis=-1),
            hovertemplate=f"{what} at row %{{y}}, column %{{x}}: "
            "%{customdata[1]}<br>margin <b>%{customdata[2]:.4g}</b><br>rival %{customdata[0]}<extra></extra>",
            meta=WINDOWS,
        ),
        1,
        4,
    )
    for flags, symbol, name in (
        (certificate.not_certified, "x-thin-open", "not certified"),
        (certificate.undecided, "circle-open", "undecided"),
    ):
        rows, columns = np.nonzero(flags)
        figure.add_trace(
            go.Scatter(
                x=columns,
                y=rows,
                mode="markers",
                name=name,
                marker={
                    "symbol": symbol,
                    "size": max(4, min(12, 160 // max(margin.shape))),
                    "color": "#111111",
                    "line": {"width": 1.5},
                },
                hoverinfo="skip",
            ),
            1,
            4,
        )


def _broken(figure: go.Figure, broken: Bool[np.ndarray, "window_rows window_columns"]) -> None:
    """A star on each window that holds a patch whose pixels change the defended answer."""
    rows, columns = np.nonzero(broken)
    size = max(9, min(18, 160 // max(broken.shape)))
    marker = {"symbol": "star", "size": size, "color": style.BROKEN, "line": {"width": 1, "color": "#111111"}}
    figure.add_trace(
        go.Scatter(x=columns, y=rows, mode="markers", name=BROKEN, marker=marker, hoverinfo="skip"), 1, 4
    )


def _outlines(
    figure: go.Figure, clean: Analysis, shown: Answer, shown_class: int, malicious: Box, patch: Patch | None
) -> None:
    footprint = None if patch is None else shown.footprint(patch)
    detected = shown.masked(shown_class)[:_MASKS]
    for name, line, boxes, columns in (
        ("footprint", style.FOOTPRINT, () if footprint is None else (footprint,), (1, 2, 3)),
        ("detected", style.DETECTED, detected, (2, 3)),
        ("malicious", style.MALICIOUS, (clean.extent(malicious),), (1, 2, 3)),
    ):
        for box in boxes:
            for edges in _around(shown, box):
                for column in columns:
                    _rectangle(figure, column, name, line, edges)
    if patch is not None:
        _rectangle(figure, 1, "patch", style.CURRENT, _edges(patch))
    _rectangle(figure, 4, "current", style.CURRENT, _edges(Window(malicious.top, malicious.left, 1, 1), 0.5))


def _around(shown: Answer, box: Box) -> list[dict[str, float]]:
    """A window where its cells lie in the image; a patch as it is, or all that are like it."""
    if isinstance(box, Window):
        return outlines(shown.features.receptive_field, box, shown.features.framing.image_size)
    return [_edges(box)]


def _edges(box: Box, shift: float = 0.0) -> dict[str, float]:
    return {
        "x0": box.left - shift,
        "x1": box.right - shift,
        "y0": box.top - shift,
        "y1": box.bottom - shift,
    }


def _rectangle(
    figure: go.Figure, column: int, name: str, line: dict[str, object], edges: dict[str, float]
) -> None:
    figure.add_shape(type="rect", name=name, line=line, row=1, col=column, **edges)


def _axes(figure: go.Figure, analysis: Analysis) -> None:
    """Linked axes in pixels, row 0 on top; the margin map in positions of windows."""
    height, width = analysis.features.framing.image_size
    rows, columns = analysis.certificate.positions.shape
    bare = {"showgrid": False, "zeroline": False, "showticklabels": False, "ticks": ""}
    for column in (1, 2, 3):
        linked = {} if column == 1 else {"matches": "x"}
        figure.update_xaxes(range=[0, width], constrain="domain", **bare, **linked, col=column, row=1)
        linked = {"scaleanchor": "x"} if column == 1 else {"matches": "y"}
        figure.update_yaxes(range=[height, 0], constrain="domain", **bare, **linked, col=column, row=1)
    figure.update_xaxes(range=[-0.5, columns - 0.5], constrain="domain", **bare, col=4, row=1)
    # The one row of a band network's windows is drawn as high as the panel.
    square = {} if rows == 1 else {"scaleanchor": "x4"}
    figure.update_yaxes(range=[rows - 0.5, -0.5], constrain="domain", **square, **bare, col=4, row=1)


def _colour_bar() -> dict[str, object]:
    return {
        "orientation": "h",
        "thickness": 9,
        "outlinewidth": 0,
        "nticks": 5,
        "tickfont": {"size": 11},
        "ypad": 0,
        "yanchor": "top",
    }
