"""Accuracies over photos, measured here beside published ones, and the verdicts of each class.

What was measured is a line with 95 % intervals; what was published is an open mark without any.
"""

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import plotly.graph_objects as go

from app.markup import in_figure
from app.plots import style
from pg_core.defences.base import Claim, Verdict, in_words
from pg_core.evaluation.proportion import Share
from pg_core.evaluation.results import Accuracy
from pg_core.evaluation.table import Origin, Point, described

_SYMBOLS = ("circle", "square", "triangle-up", "cross", "star", "triangle-down")
_TOP = 101
"""Of the axis of per cents."""
_END = 1.04
"""Of the other axis, as a multiple of its largest value."""
_LABEL, _LETTERS = 30, 44
"""Pixels that the name of a curve needs from the next one, and letters in one of its two lines."""
_DASHES = ("solid", "dash", "dot", "dashdot")
_COLOURS = {
    "masking": "#0072b2",
    "mask-ds": "#009e73",
    "clipping": "#e69f00",
    "smoothing": "#cc79a7",
    "detection": "#56b4e9",
    "feature-masking": "#882255",
    "double-masking": "#d55e00",
    "undefended": "#999999",
}
"""Of each defence; the series of one colour differ in symbol and dash."""
_OTHER_COLOUR = "#808080"
_GRID = "rgba(128,128,128,0.25)"
"""Faint on white and on black."""
_PUBLISHED = {
    "Mask-BN": "diamond-open",
    "Mask-DS": "diamond-wide-open",
    "CBN": "diamond-tall-open",
    "DS": "star-diamond-open",
    "IBP": "hourglass-open",
}
_OTHER_MARK = "hexagram-open"

_VERDICTS = {
    Verdict.CERTIFIED: ("certified", style.AFTER, ""),
    Verdict.UNDECIDED: ("undecided", "#f0e442", "."),
    Verdict.NOT_CERTIFIED: ("right, but not certified", "#e69f00", "/"),
    Verdict.UNPROVED: ("right; nothing is claimed", "#999999", "\\"),
    Verdict.ALERT: ("alert without any patch", "#cc79a7", "+"),
    Verdict.MISCLASSIFIED: ("misclassified without any patch", "#d55e00", "x"),
}


class Measure(StrEnum):
    """What of an accuracy is drawn."""

    CERTIFIED = "certified"
    CLEAN = "clean (defended)"


class Against(StrEnum):
    """What it is drawn against."""

    PATCH_SIZE = "patch size"
    THRESHOLD = "threshold T"


@dataclass(frozen=True, slots=True)
class _Series:
    """The points that one line joins."""

    network: str
    defence: str
    method: str
    origin: Origin
    described: str
    claim: Claim

    @property
    def title(self) -> str:
        where = self.described if self.origin is Origin.MEASURED else f"{self.origin}: {self.described}"
        alert = " (label or alert)" if self.claim is Claim.LABEL_OR_ALERT else ""
        return f"{self.method}{alert}, {self.network}; {where}"


def accuracies(points: Sequence[Point], measure: Measure, against: Against) -> go.Figure:
    """Per cent of photos against the share of the image that a patch covers, or against T; no line where nothing is
    claimed."""
    figure = go.Figure()
    networks = sorted({(point.network, point.photos) for point in points if point.n is not None})
    for series, own in _series(points).items():
        shares = [(point, share) for point in own if (share := _share(point, measure)) is not None]
        shares.sort(key=lambda pair: _place(pair[0], against))
        if shares:
            look = (
                networks.index((series.network, shares[0][0].photos)) if shares[0][0].n is not None else None
            )
            figure.add_trace(_trace(series, shares, against, look))
    style.finish(figure)
    reach = max((place for trace in figure.data for place in trace.x), default=0.0) or 1.0
    across = (
        "patch, % of the image's area"
        if against is Against.PATCH_SIZE
        else "T: a window is masked above this share"
    )
    height = max(420, 90 + _LABEL * len(figure.data))
    return figure.update_layout(
        height=height,
        annotations=_at_the_curves(figure.data, 1.1 * reach, _TOP * _LABEL / (height - 56)),
        xaxis={
            "title": {"text": across},
            "gridcolor": _GRID,
            "range": [-0.02 * reach, _END * reach],
            # The names of the curves stand to the right of it, as if it went on.
            "domain": [0, 0.6],
            "zeroline": False,
        },
        yaxis={
            "title": {"text": f"{measure} accuracy, %"},
            "gridcolor": _GRID,
            "range": [0, _TOP],
            "zeroline": False,
        },
        margin={"l": 56, "r": 8, "t": 8, "b": 48},
    )


def by_class(run: Accuracy, classes: Sequence[str]) -> go.Figure:
    """For each class, how many of its photos got which verdict."""
    counted = [(name, own) for name, own in zip(classes, run.verdicts, strict=True) if own]
    figure = go.Figure()
    for verdict, (title, colour, pattern) in _VERDICTS.items():
        figure.add_trace(
            go.Bar(
                y=[in_figure(name) for name, _ in counted],
                x=[own.get(verdict, 0) for _, own in counted],
                name=in_words(verdict, run.setting.claim) if verdict is Verdict.CERTIFIED else title,
                orientation="h",
                marker={"color": colour, "pattern": {"shape": pattern}},
                customdata=[sum(own.values()) for _, own in counted],
                hovertemplate="%{y}: <b>%{x}</b> of %{customdata} " + title + "<extra></extra>",
            )
        )
    style.finish(figure)
    return figure.update_layout(
        barmode="stack",
        height=90 + 26 * len(counted),
        showlegend=True,
        legend={
            "orientation": "h",
            "x": 0,
            "y": 1.02,
            "xanchor": "left",
            "yanchor": "bottom",
            "traceorder": "normal",
        },
        xaxis={"title": {"text": "photos"}, "gridcolor": _GRID, "rangemode": "tozero"},
        yaxis={"autorange": "reversed", "automargin": True, "ticklabelstandoff": 6},
        margin={"l": 8, "r": 8, "t": 40, "b": 48},
    )


def accuracies_in_words(points: Sequence[Point], measure: Measure, against: Against) -> str:
    """The same for those who cannot see it."""
    listed = [
        f"{point.method}, {point.network}, {_across(point, against)}: {share} ({point.origin}"
        f"{', label or alert' if point.claim is Claim.LABEL_OR_ALERT else ''})"
        for point in points
        if (share := _share(point, measure)) is not None
    ]
    return f"{measure} accuracy in per cent against {against}. " + "; ".join(listed)


def by_class_in_words(run: Accuracy, classes: Sequence[str]) -> str:
    """The same for those who cannot see it."""
    listed = [
        f"{name} {own.get(Verdict.CERTIFIED, 0)} of {sum(own.values())}"
        for name, own in zip(classes, run.verdicts, strict=True)
        if own
    ]
    return f"Photos of each class that are {in_words(Verdict.CERTIFIED, run.setting.claim)}: " + ", ".join(
        listed
    )


def _series(points: Iterable[Point]) -> dict[_Series, list[Point]]:
    series: dict[_Series, list[Point]] = {}
    for point in points:
        key = _Series(point.network, point.defence, point.method, point.origin, described(point), point.claim)
        series.setdefault(key, []).append(point)
    return series


def _trace(
    series: _Series, shares: list[tuple[Point, Share]], against: Against, look: int | None
) -> go.Scatter:
    colour = _COLOURS.get(series.defence, _OTHER_COLOUR)
    published = look is None
    intervals = [share.interval or (share.per_cent, share.per_cent) for _, share in shares]
    return go.Scatter(
        x=[_place(point, against) for point, _ in shares],
        y=[share.per_cent for _, share in shares],
        name=in_figure(series.title),
        mode="markers" if published else "lines+markers",
        marker={
            "color": colour,
            "size": 11 if published else 8,
            "symbol": _PUBLISHED.get(series.method, _OTHER_MARK)
            if look is None
            else _SYMBOLS[look % len(_SYMBOLS)],
            "line": {"width": 2, "color": colour},
        },
        line={"color": colour, "width": 2, "dash": "solid" if look is None else _DASHES[look % len(_DASHES)]},
        error_y=None
        if published
        else {
            "type": "data",
            "symmetric": False,
            "array": [high - share.per_cent for (_, share), (_, high) in zip(shares, intervals, strict=True)],
            "arrayminus": [
                share.per_cent - low for (_, share), (low, _) in zip(shares, intervals, strict=True)
            ],
            "thickness": 1.2,
            "width": 4,
        },
        customdata=[
            [
                in_figure(text)
                for text in (
                    str(share),
                    _across(point, against),
                    described(point),
                    point.origin,
                    point.parameters,
                )
            ]
            for point, share in shares
        ],
        hovertemplate=f"<b>%{{customdata[0]}} %</b>, %{{customdata[1]}}<br>"
        f"{in_figure(f'{series.method}, {series.network}')}<br>"
        "%{customdata[3]}: %{customdata[2]}<br>%{customdata[4]}<extra></extra>",
    )


def _at_the_curves(traces: Sequence[go.Scatter], x: float, gap: float) -> list[dict[str, object]]:
    """The name of each curve beside its last point, at least a gap from the next name."""
    ends = sorted(traces, key=lambda trace: -trace.y[-1])
    heights: list[float] = []
    for trace in ends:
        heights.append(min(trace.y[-1], heights[-1] - gap if heights else _TOP - gap / 2))
    lowest = gap / 2
    for number in reversed(range(len(heights))):
        heights[number] = max(heights[number], lowest)
        lowest = heights[number] + gap
    return [
        {
            "x": trace.x[-1],
            "y": trace.y[-1],
            "ax": x,
            "ay": height,
            "axref": "x",
            "ayref": "y",
            "xanchor": "left",
            "align": "left",
            "text": "<br>".join(textwrap.wrap(trace.name, _LETTERS)),
            "font": {"size": 11},
            "arrowcolor": trace.line.color,
            "arrowwidth": 1,
            "arrowhead": 0,
        }
        for trace, height in zip(ends, heights, strict=True)
    ]


def _share(point: Point, measure: Measure) -> Share | None:
    return point.certified if measure is Measure.CERTIFIED else point.clean


def _place(point: Point, against: Against) -> float:
    return point.patch_per_cent if against is Against.PATCH_SIZE else point.threshold or 0.0


def _across(point: Point, against: Against) -> str:
    patch = f"patch {point.patch} on {point.image}"
    return (
        patch
        if against is Against.PATCH_SIZE or point.threshold is None
        else f"T = {point.threshold:g}, {patch}"
    )
