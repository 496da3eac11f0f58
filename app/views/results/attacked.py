"""What is proved of photos, what pixels break, and what is open between: a bar for each defence and patch."""

from collections.abc import Sequence

import plotly.graph_objects as go

from app.markup import in_figure
from app.plots import style
from pg_core.defences.registry import DEFENCES
from pg_core.evaluation.bracket import Bracket, State
from pg_core.evaluation.proportion import Proportion

_LOOKS = {
    State.PROVED: (style.AFTER, ""),
    State.OPEN: ("#999999", "/"),
    State.BROKEN: (style.BROKEN, "x"),
}
_ROW = 42
"""Pixels for a bar."""


def bars(brackets: list[Bracket]) -> go.Figure:
    """Per cent of the photos; the whiskers are the 95 % intervals of certified and of attacked accuracy."""
    figure = go.Figure()
    names = [_name(bracket) for bracket in brackets]
    for state, (colour, pattern) in _LOOKS.items():
        counts = [bracket.states.get(state, 0) for bracket in brackets]
        shares = [100 * count / bracket.n for count, bracket in zip(counts, brackets, strict=True)]
        figure.add_trace(
            go.Bar(
                name=str(state),
                x=shares,
                y=names,
                orientation="h",
                # The colour of a pattern is that of its lines; what lies between them is the page's.
                marker={"color": colour, "pattern": {"shape": pattern}},
                customdata=[
                    f"{count} of {bracket.n} photos" for count, bracket in zip(counts, brackets, strict=True)
                ],
                hovertemplate=f"{state}: %{{x:.1f}} %, %{{customdata}}<extra></extra>",
            )
        )
    figure.add_trace(_whiskers("certified", names, [bracket.certified for bracket in brackets]))
    figure.add_trace(_whiskers("attacked", names, [bracket.attacked for bracket in brackets]))
    style.finish(figure)
    return figure.update_layout(
        barmode="stack",
        height=110 + _ROW * len(brackets),
        showlegend=True,
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0.0},
        margin={"l": 8, "r": 8, "t": 50, "b": 46},
        xaxis={
            "range": [0, 100],
            "title": {"text": "% of the photos"},
            "gridcolor": "rgba(128,128,128,0.25)",
        },
        yaxis={"automargin": True, "autorange": "reversed"},
    )


def in_words(brackets: list[Bracket]) -> str:
    """The bars for whoever does not see them."""
    told = "; ".join(
        f"{_name(bracket).replace('<br>', ', ')}: certified {_or_nothing(bracket)}, attacked {bracket.attacked}"
        for bracket in brackets
    )
    return f"Certified and attacked accuracy. {told}"


def rows(brackets: list[Bracket]) -> list[dict[str, str | int]]:
    """The same as a table."""
    return [
        {
            "Patch": "{}x{}".format(*bracket.setting.patch_size),
            "Network": bracket.configuration.model,
            "Defence": _defence(bracket),
            "n": bracket.n,
            "Clean (%)": str(bracket.clean.in_per_cent),
            "Certified (%)": _or_nothing(bracket),
            "Attacked (%)": str(bracket.attacked.in_per_cent),
            "Open (photos)": bracket.states.get(State.OPEN, 0),
            "Attack": str(bracket.budget),
        }
        for bracket in brackets
    ]


def _whiskers(title: str, names: list[str], accuracies: Sequence[Proportion | None]) -> go.Scatter:
    known = [
        (name, share.in_per_cent) for name, share in zip(names, accuracies, strict=True) if share is not None
    ]
    ends = [share.interval or (share.per_cent, share.per_cent) for _, share in known]
    return go.Scatter(
        name=f"{title}, 95 % interval",
        x=[share.per_cent for _, share in known],
        y=[name for name, _ in known],
        mode="markers",
        marker={
            "symbol": "triangle-down" if title == "certified" else "triangle-up",
            "size": 9,
            "color": "#ffffff",
            "line": {"color": "#000000", "width": 1.5},
        },
        error_x={
            "array": [high - share.per_cent for (_, share), (_, high) in zip(known, ends, strict=True)],
            "arrayminus": [share.per_cent - low for (_, share), (low, _) in zip(known, ends, strict=True)],
            "color": "#000000",
            "thickness": 1.5,
        },
        hovertemplate=f"{title}: %{{x:.1f}} %<extra></extra>",
    )


def _name(bracket: Bracket) -> str:
    patch = "{}x{}".format(*bracket.setting.patch_size)
    return (
        in_figure(f"{_defence(bracket)}, {patch}")
        + "<br>"
        + in_figure(f"{bracket.configuration.model}, n = {bracket.n:,}")
    )


def _defence(bracket: Bracket) -> str:
    kind = bracket.setting.defence
    return DEFENCES[kind].title if kind in DEFENCES else kind


def _or_nothing(bracket: Bracket) -> str:
    return "nothing claimed" if bracket.certified is None else str(bracket.certified.in_per_cent)
