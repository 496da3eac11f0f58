"""An analysis as four linked panels: photo, local logits, clipped evidence, and the margin of every window.

The first three panels are in pixels of the image that the network sees, so that a cell lies where its
receptive field has its middle; the fourth is in positions of windows.
"""

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float64
from plotly.subplots import make_subplots

from app.figures import style
from app.figures.photo import add_photo, middle, outline
from pg_core.analysis import Analysis
from pg_core.geometry import Box, Patch, ReceptiveField, Window

CELLS = "cell"
WINDOWS = "window"
"""What a point of a panel is, in the trace's `meta`: the canvas links the panels by it."""


def stage(
    clean: Analysis,
    shown: Analysis,
    shown_class: int,
    malicious: Window,
    patch: Patch | None = None,
) -> go.Figure:
    """The four panels. `clean` is the photo, which the certificate is about; `shown` the same, or the photo
    with a simulated patch."""
    name = clean.classes[shown_class]
    figure = make_subplots(
        rows=1,
        cols=4,
        horizontal_spacing=0.03,
        subplot_titles=(
            "Photo" if patch is None else "Photo with the patch",
            f"Local logits: {name}",
            f"Clipped evidence: {name}",
            "Margin of each window",
        ),
    )
    field = clean.features.receptive_field
    logits = shown.features.local_logits[shown_class].astype(np.float64)
    evidence = shown.masking.evidence[shown_class]
    figure.add_trace(_cells(logits, field, "local logit", opacity=0.0, showscale=False), 1, 1)
    figure.add_trace(_cells(logits, field, "local logit", opacity=0.65), 1, 2)
    figure.add_trace(_cells(evidence, field, "evidence", zmin=0.0), 1, 3)
    _margins(figure, clean)
    add_photo(figure, shown.features.pixels, ("", "2"))
    _outlines(figure, shown, shown_class, malicious, patch)
    _axes(figure, clean)
    return style.finish(figure)


def _cells(
    values: Float64[np.ndarray, "rows columns"],
    field: ReceptiveField,
    what: str,
    opacity: float = 1.0,
    showscale: bool = True,
    zmin: float | None = None,
) -> go.Heatmap:
    rows, columns = values.shape
    return go.Heatmap(
        z=values,
        x0=middle(field, 0, 1),
        dx=field.stride[1],
        y0=middle(field, 0, 0),
        dy=field.stride[0],
        zmin=zmin,
        zmax=None if zmin is None else max(float(values.max()), 1e-9),
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
    reach = max(float(np.abs(margin).max()), 1e-9)
    rivals = np.array(analysis.classes, dtype=object)[certificate.rival]
    holds = "certified" if analysis.defence.sound else "passes the published bound"
    verdicts = np.where(certificate.failing, "fails", np.where(certificate.undecided, "undecided", holds))
    figure.add_trace(
        go.Heatmap(
            z=margin,
            zmin=-reach,
            zmax=reach,
            colorscale=style.DIVERGING,
            colorbar=_colour_bar(),
            customdata=np.stack([rivals, verdicts], axis=-1),
            hovertemplate="window at row %{y}, column %{x}: %{customdata[1]}<br>margin <b>%{z:.4g}</b>"
            "<br>rival %{customdata[0]}<extra></extra>",
            meta=WINDOWS,
        ),
        1,
        4,
    )
    for flags, symbol, name in (
        (certificate.failing, "x-thin-open", "fails"),
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


def _outlines(
    figure: go.Figure, shown: Analysis, shown_class: int, malicious: Window, patch: Patch | None
) -> None:
    field = shown.features.receptive_field
    detected = shown.masking.window(shown_class)
    footprint = None if patch is None else field.footprint(patch, shown.features.map_size)
    for column in (1, 2, 3):
        if footprint is not None and column > 1:
            _rectangle(figure, column, "footprint", style.FOOTPRINT, outline(field, footprint))
        if detected is not None and column > 1:
            _rectangle(figure, column, "detected", style.DETECTED, outline(field, detected))
        _rectangle(figure, column, "malicious", style.MALICIOUS, outline(field, malicious))
    if patch is not None:
        _rectangle(figure, 1, "patch", style.CURRENT, _edges(patch))
    _rectangle(figure, 4, "current", style.CURRENT, _edges(Window(malicious.top, malicious.left, 1, 1), 0.5))


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
    rows, columns = analysis.certificate.windows.shape
    bare = {"showgrid": False, "zeroline": False, "showticklabels": False, "ticks": ""}
    for column in (1, 2, 3):
        linked = {} if column == 1 else {"matches": "x"}
        figure.update_xaxes(range=[0, width], constrain="domain", **bare, **linked, col=column, row=1)
        linked = {"scaleanchor": "x"} if column == 1 else {"matches": "y"}
        figure.update_yaxes(range=[height, 0], constrain="domain", **bare, **linked, col=column, row=1)
    figure.update_xaxes(range=[-0.5, columns - 0.5], constrain="domain", **bare, col=4, row=1)
    figure.update_yaxes(range=[rows - 0.5, -0.5], scaleanchor="x4", constrain="domain", **bare, col=4, row=1)


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
