"""The margin maps of all defences, small and side by side, with the same window marked in each."""

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float64, Int, Shaped
from plotly.subplots import make_subplots

from app.markup import in_figure
from app.plots import style
from app.plots.photo import add_photo, outlines
from pg_core.analysis.comparison import Comparison, DefenceResult
from pg_core.defences.base import Certificate, Verdict
from pg_core.defences.base import in_words as claimed
from pg_core.geometry import Window

WINDOWS = "window"
PLACES = "place"
"""What a point of a map is, in the trace's `meta`: the browser links the maps of windows."""

MARKS = {
    Verdict.CERTIFIED: "✔",
    Verdict.UNPROVED: "?",
    Verdict.NOT_CERTIFIED: "✘",
    Verdict.UNDECIDED: "?",
    Verdict.MISCLASSIFIED: "✘",
    Verdict.ALERT: "!",
}


def maps(found: Comparison, window: Window) -> go.Figure:
    """The photo, and a map for each defence in positions of windows, or of the patch: margins in units of the largest
    of that defence, so that sign and zero mean the same in all of them. The browser arranges the panels."""
    field, pixels = found.features.receptive_field, found.features.pixels
    names = ["Photo", *map(title, found.results)]
    figure = make_subplots(rows=1, cols=len(names), subplot_titles=names)
    bare = {"showgrid": False, "zeroline": False, "showticklabels": False, "ticks": ""}
    height, width = pixels.shape[1:]
    figure.update_xaxes(range=[0, width], **bare, row=1, col=1)
    figure.update_yaxes(range=[height, 0], **bare, row=1, col=1)
    add_photo(figure, pixels)
    for edges in outlines(field, window, (height, width)):
        figure.add_shape(type="rect", name="malicious", line=style.MALICIOUS, **edges, row=1, col=1)
    for column, one in enumerate(found.results, start=2):
        figure.add_trace(_margins(found, one), 1, column)
        for trace in _symbols(one):
            figure.add_trace(trace, 1, column)
        rows, columns = one.certificate.positions.shape
        figure.update_xaxes(range=[-0.5, columns - 0.5], **bare, row=1, col=column)
        figure.update_yaxes(range=[rows - 0.5, -0.5], **bare, row=1, col=column)
        box = found.positions(one, window)
        if box is not None:
            edges = {"x0": box.left, "x1": box.right, "y0": box.top, "y1": box.bottom}
            shifted = {name: value - 0.5 for name, value in edges.items()}
            figure.add_shape(type="rect", name="current", line=style.CURRENT, row=1, col=column, **shifted)
    figure.update_layout(
        coloraxis={
            "colorscale": style.DIVERGING,
            "cmin": -1,
            "cmax": 1,
            "colorbar": {
                "orientation": "h",
                "title": {"text": "margin, in units of the largest of its own map", "side": "top"},
                "tickvals": [-1, 0, 1],
                "ticktext": ["-1", "0: tie", "+1"],
                "thickness": 9,
                "outlinewidth": 0,
            },
        }
    )
    return style.finish(figure)


def title(one: DefenceResult) -> str:
    """The name of a defence, and what it says of the photo."""
    return f"{MARKS[one.certificate.verdict]} {one.spec.title}"


def in_words(found: Comparison, window: Window) -> str:
    """The maps for those who cannot see them."""
    said = [
        f"{one.spec.title}: {'proves' if found.proves(one, window) else 'does not prove'} the window, "
        f"{int(one.certificate.proved.sum())} of {one.certificate.positions.count} proved"
        for one in found.results
    ]
    return f"Margin maps at row {window.top}, column {window.left}. " + "; ".join(said)


def _margins(found: Comparison, one: DefenceResult) -> go.Heatmap:
    certificate, step = one.certificate, _step(one)
    rows, columns = (places.reshape(-1) for places in _worst(certificate.margin, step))
    shape = tuple(-(-count // step) for count in certificate.positions.shape)
    names = np.array([in_figure(name) for name in found.features.classes], dtype=object)
    told = (
        np.array([f"{value:.4g}" for value in certificate.margin[rows, columns]], dtype=object),
        names[certificate.rival[rows, columns]],
        _told(certificate)[rows, columns],
    )
    place = "window at" if certificate.positions == found.windows else "patch at pixel"
    worst = "" if step == 1 else f", the worst of {step}x{step}"
    return go.Heatmap(
        z=one.relative[rows, columns].reshape(shape),
        x0=(step - 1) / 2,
        dx=step,
        y0=(step - 1) / 2,
        dy=step,
        coloraxis="coloraxis",
        customdata=np.stack([*told, rows, columns], axis=-1).reshape(*shape, -1),
        hovertemplate=f"{one.spec.title}<br>{place} row %{{customdata[3]}}, column %{{customdata[4]}}{worst}: "
        "%{customdata[2]}<br>margin <b>%{customdata[0]}</b> against %{customdata[1]}<extra></extra>",
        meta=WINDOWS if certificate.positions == found.windows else PLACES,
    )


def _told(certificate: Certificate) -> Shaped[np.ndarray, "window_rows window_columns"]:
    """The verdict on each position, with what it means."""
    words = {verdict.value: claimed(verdict, certificate.claim) for verdict in Verdict}
    return np.vectorize(words.__getitem__, otypes=[object])(certificate.verdicts)


def _symbols(one: DefenceResult) -> list[go.Scatter]:
    certificate, step = one.certificate, _step(one)
    rows, columns = _worst(certificate.margin, step)
    traces = []
    for flags, symbol in ((certificate.not_certified, "x-thin-open"), (certificate.undecided, "circle-open")):
        down, across = np.nonzero(flags[rows, columns])
        traces.append(
            go.Scatter(
                x=across * step + (step - 1) / 2,
                y=down * step + (step - 1) / 2,
                mode="markers",
                marker={
                    "symbol": symbol,
                    "size": max(3, min(9, 80 // max(rows.shape))),
                    "color": "#111111",
                    "line": {"width": 1},
                },
                hoverinfo="skip",
            )
        )
    return traces


def _step(one: DefenceResult) -> int:
    """Positions along an axis that share a cell of the map, so that it has at most `_CELLS` of them."""
    return -(-max(one.certificate.positions.shape) // _CELLS)


def _worst(
    margin: Float64[np.ndarray, "rows columns"], step: int
) -> tuple[Int[np.ndarray, "cell_rows cell_columns"], Int[np.ndarray, "cell_rows cell_columns"]]:
    """Row and column of the smallest margin in each block of step x step positions."""
    down, across = (-(-count // step) for count in margin.shape)
    padding = [(0, count * step - size) for count, size in zip((down, across), margin.shape, strict=True)]
    padded = np.pad(margin, padding, constant_values=np.inf)
    blocks = padded.reshape(down, step, across, step).swapaxes(1, 2).reshape(down, across, step * step)
    row, column = np.divmod(blocks.argmin(axis=-1), step)
    return np.arange(down)[:, None] * step + row, np.arange(across) * step + column


_CELLS = 48
"""Cells of a small map along its longer side: more could not be told apart."""
