"""The views of the page Atlas: verdicts, the windows in which certificates fail, who overtakes whom, and margins.

What can be clicked is a trace with `meta` "place": a row and a column come first in what its points carry.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from app.markup import in_figure
from app.plots import style
from pg_core.defences.base import Verdict
from pg_core.evaluation.proportion import Proportion

if TYPE_CHECKING:
    from app.views.atlas.comparison import Difference
    from app.views.atlas.results import Failing, Frame, Histogram

PLACE = "place"
_HEIGHT = 360
_MOST_CLASSES = 40
"""Of the figure of who overtakes whom: those with the most photos."""
_COLOURS = {
    Verdict.CERTIFIED: style.AFTER,
    Verdict.UNDECIDED: "#f0e442",
    Verdict.NOT_CERTIFIED: "#e69f00",
    Verdict.UNPROVED: "#999999",
    Verdict.ALERT: "#cc79a7",
    Verdict.MISCLASSIFIED: "#d55e00",
}
_GRID = "rgba(128,128,128,0.25)"


def verdicts(counted: dict[Verdict, Proportion], chosen: Verdict | None) -> go.Figure:
    """How many per cent of the photos got each verdict, with 95 % intervals."""
    ends = [share.interval for share in counted.values()]
    shares = [share.share if share.n else 0.0 for share in counted.values()]
    figure = go.Figure(
        go.Bar(
            y=[str(verdict) for verdict in counted],
            x=[100 * share for share in shares],
            orientation="h",
            marker={
                "color": [_COLOURS[verdict] for verdict in counted],
                "line": {
                    "color": style.CURRENT["color"],
                    "width": [3 if verdict is chosen else 0 for verdict in counted],
                },
            },
            error_x={
                "array": [100 * (high - share) for share, (_, high) in zip(shares, ends, strict=True)],
                "arrayminus": [100 * (share - low) for share, (low, _) in zip(shares, ends, strict=True)],
                "color": "#808080",
                "thickness": 1.5,
            },
            customdata=[
                [list(Verdict).index(verdict), 0, f"{share.count:,} of {share.n:,}", str(share)]
                for verdict, share in counted.items()
            ],
            hovertemplate="%{y}: <b>%{customdata[2]}</b> photos<br>%{customdata[3]}<extra></extra>",
            meta=PLACE,
        )
    )
    style.finish(figure)
    return figure.update_layout(
        height=_HEIGHT,
        margin={"l": 8, "r": 8, "t": 8, "b": 48},
        xaxis={"title": {"text": "% of the photos"}, "gridcolor": _GRID, "range": [0, 101]},
        yaxis={"autorange": "reversed", "automargin": True, "ticklabelstandoff": 6},
    )


def failing(
    found: "Failing", chosen: tuple[int, int] | None, what: str, frame: "Frame | None" = None
) -> go.Figure:
    """For each window the share of photos that are not certified there; with a frame, in its pixels: each cell around
    the middle of its window, and the pixels of the one that is chosen in a rectangle."""
    n = max(found.n, 1)
    figure = _map(
        [[100 * count / n for count in row] for row in found.counts],
        [[f"{count:,} of {found.n:,} photos" for count in row] for row in found.counts],
        what,
    )
    figure.data[0].update(
        colorscale=style.SEQUENTIAL,
        zmin=0,
        colorbar={
            "thickness": 10,
            "outlinewidth": 0,
            "title": {"text": "% not certified", "side": "right"},
        },
        hovertemplate=_place(what) + "<b>%{z:.1f} %</b> not certified<br>%{customdata[2]}<extra></extra>",
    )
    return _marked(figure, chosen) if frame is None else _on_frame(figure, chosen, frame)


def overtaken(
    counted: dict[tuple[int, int], int], classes: Sequence[str], chosen: tuple[int | None, int | None]
) -> go.Figure:
    """How many photos of a class (down) are not certified against which strongest rival (across)."""
    totals: dict[int, int] = {}
    for (label, rival), count in counted.items():
        for one in {label, rival}:
            totals[one] = totals.get(one, 0) + count
    shown = sorted(sorted(totals, key=lambda one: -totals[one])[:_MOST_CLASSES])
    names = [in_figure(classes[one]) for one in shown]
    places = list(range(len(shown)))
    figure = go.Figure(
        go.Heatmap(
            # Where nothing is to be counted a cell is empty.
            z=[[counted.get((label, rival)) for rival in shown] for label in shown],
            x=places,
            y=places,
            customdata=[
                [[label, rival, down, across] for rival, across in zip(shown, names, strict=True)]
                for label, down in zip(shown, names, strict=True)
            ],
            colorscale=style.SEQUENTIAL,
            zmin=0,
            xgap=1,
            ygap=1,
            colorbar={"thickness": 10, "outlinewidth": 0, "title": {"text": "photos", "side": "right"}},
            hovertemplate="class <b>%{customdata[2]}</b>, overtaken by <b>%{customdata[3]}</b>: %{z} photos"
            "<extra></extra>",
            meta=PLACE,
            hoverongaps=False,
        )
    )
    style.finish(figure)
    ticks = {"tickvals": places, "ticktext": names, "showgrid": False, "zeroline": False, "automargin": True}
    end = len(shown) - 0.5
    for axis, own in (("y", chosen[0]), ("x", chosen[1])):
        if own in shown:
            middle = shown.index(own)
            other = "x" if axis == "y" else "y"
            edges = {f"{axis}0": middle - 0.5, f"{axis}1": middle + 0.5, f"{other}0": -0.5, f"{other}1": end}
            figure.add_shape(type="rect", name="chosen", line={"color": style.LOST, "width": 3}, **edges)
    return figure.update_layout(
        height=_HEIGHT,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        xaxis={"title": {"text": "strongest rival"}, "tickangle": -45, **ticks},
        yaxis={"title": {"text": "class"}, "autorange": "reversed", **ticks},
    )


def histogram(found: "Histogram", low: float | None, high: float | None) -> go.Figure:
    """How many photos have which smallest margin; those that are chosen in the stronger colour."""
    pairs = list(zip(found.edges, found.edges[1:], strict=False))
    inside = [(low is None or start >= low) and (high is None or end <= high) for start, end in pairs]
    figure = go.Figure(
        go.Bar(
            x=[(start + end) / 2 for start, end in pairs],
            width=[end - start for start, end in pairs],
            y=list(found.counts),
            marker={
                "color": [style.AFTER if start >= 0 else "#e69f00" for start, _ in pairs],
                "opacity": [1.0 if one else 0.35 for one in inside],
                "line": {"width": 0.5, "color": "#808080"},
            },
            customdata=[[index, 0, f"{start:g}", f"{end:g}"] for index, (start, end) in enumerate(pairs)],
            hovertemplate="%{customdata[2]} ≤ margin < %{customdata[3]}: <b>%{y}</b> photos<extra></extra>",
            meta=PLACE,
        )
    )
    style.finish(figure)
    return figure.update_layout(
        height=_HEIGHT,
        margin={"l": 56, "r": 8, "t": 8, "b": 48},
        xaxis={"title": {"text": "margin of the worst window"}, "gridcolor": _GRID, "zeroline": True},
        yaxis={"title": {"text": "photos"}, "gridcolor": _GRID, "rangemode": "tozero"},
    )


def difference(found: "Difference", what: str) -> go.Figure:
    """For each window how many photos the second trial wins there, less those that it loses."""
    net = [
        [100 * (won - lost) / max(found.n, 1) for won, lost in zip(*rows, strict=True)]
        for rows in zip(found.won, found.lost, strict=True)
    ]
    told = [
        [f"{won:,} won, {lost:,} lost, of {found.n:,} photos" for won, lost in zip(*rows, strict=True)]
        for rows in zip(found.won, found.lost, strict=True)
    ]
    reach = max((abs(value) for row in net for value in row), default=0.0) or 1.0
    figure = _map(net, told, what)
    figure.data[0].update(
        colorscale=style.DIVERGING,
        zmin=-reach,
        zmax=reach,
        colorbar={"thickness": 10, "outlinewidth": 0, "title": {"text": "% won - lost", "side": "right"}},
        hovertemplate=_place(what) + "%{customdata[2]}<extra></extra>",
        meta=None,
    )
    return figure


def _map(values: list[list[float]], told: list[list[str]], what: str) -> go.Figure:
    rows, columns = len(values), len(values[0])
    figure = go.Figure(
        go.Heatmap(
            z=values,
            customdata=[
                [[row, column, words] for column, words in enumerate(own)] for row, own in enumerate(told)
            ],
            meta=PLACE,
        )
    )
    style.finish(figure)
    bare = {"showgrid": False, "zeroline": False, "constrain": "domain"}
    anchor = {"scaleanchor": "x"} if rows > 1 and columns > 1 else {}
    return figure.update_layout(
        height=_HEIGHT,
        margin={"l": 48, "r": 8, "t": 8, "b": 48},
        xaxis={"title": {"text": f"column of the {what}"}, "range": [-0.5, columns - 0.5], **bare},
        yaxis={"title": {"text": "row"}, "range": [rows - 0.5, -0.5], **anchor, **bare},
    )


def _on_frame(figure: go.Figure, chosen: tuple[int, int] | None, frame: "Frame") -> go.Figure:
    height, width = frame.image_size
    figure.data[0].update(x=_edges(frame.columns, width), y=_edges(frame.rows, height))
    if chosen is not None:
        (top, bottom), (left, right) = frame.rows[chosen[0]], frame.columns[chosen[1]]
        figure.add_shape(
            type="rect",
            name="chosen",
            x0=left,
            x1=right,
            y0=top,
            y1=bottom,
            line={"color": style.LOST, "width": 3},
        )
    return figure.update_layout(
        xaxis={"title": {"text": "pixel column of the image that the network sees"}, "range": [0, width]},
        yaxis={"title": {"text": "pixel row"}, "range": [height, 0], "scaleanchor": "x"},
    )


def _edges(spans: Sequence[tuple[int, int]], end: int) -> list[float]:
    """The borders between cells, each around the middle of its span, from 0 to the end of the image."""
    middles = [(start + stop) / 2 for start, stop in spans]
    return [0.0, *((one + other) / 2 for one, other in pairwise(middles)), float(end)]


def _place(what: str) -> str:
    return f"{what} at row %{{customdata[0]}}, column %{{customdata[1]}}<br>"


def _marked(figure: go.Figure, chosen: tuple[int, int] | None) -> go.Figure:
    if chosen is None:
        return figure
    row, column = chosen
    edges = {"x0": column - 0.5, "x1": column + 0.5, "y0": row - 0.5, "y1": row + 0.5}
    return figure.add_shape(type="rect", name="chosen", line={"color": style.LOST, "width": 3}, **edges)
