"""The score of each class before and after masking."""

import numpy as np
import plotly.graph_objects as go

from app.markup import in_figure
from app.plots import style
from pg_core.analysis.photo import Answer


def scores(answer: Answer, count: int = 8) -> go.Figure:
    """The classes with most evidence, by their score after masking; the predictions are named at the axis."""
    masking = answer.masking
    totals = masking.evidence.sum(axis=(-2, -1))
    defended, undefended = int(masking.label), answer.undefended
    order = sorted(range(len(totals)), key=lambda index: (-masking.scores[index], index))
    chosen = order[: min(count, len(order))]
    if undefended not in chosen:
        chosen[-1] = undefended
    names = [_named(answer, index, defended, undefended) for index in chosen]
    figure = go.Figure()
    for values, name, colour, pattern in (
        (totals, "before masking: all evidence", style.BEFORE, "/"),
        (masking.scores, "after masking: the score", style.AFTER, ""),
    ):
        figure.add_trace(
            go.Bar(
                y=names,
                x=np.asarray(values)[chosen],
                name=name,
                orientation="h",
                marker={"color": colour, "pattern": {"shape": pattern}},
                hovertemplate="%{y}<br>" + name + " <b>%{x:.4g}</b><extra></extra>",
            )
        )
    style.finish(figure)
    return figure.update_layout(
        barmode="group",
        height=60 + 44 * len(chosen),
        showlegend=True,
        legend={"orientation": "h", "x": 0, "y": 1.02, "xanchor": "left", "yanchor": "bottom"},
        xaxis={"title": {"text": "evidence, summed over the map"}, "rangemode": "tozero"},
        yaxis={"autorange": "reversed", "automargin": True, "ticklabelstandoff": 6},
        margin={"l": 8, "r": 8, "t": 40, "b": 48},
    )


def in_words(answer: Answer, count: int = 3) -> str:
    """The first bars, for those who cannot see them."""
    scores = answer.masking.scores
    order = sorted(range(len(scores)), key=lambda index: (-scores[index], index))[:count]
    listed = ", ".join(f"{answer.classes[index]} {scores[index]:.4g}" for index in order)
    return f"Class scores after masking, the largest first: {listed}"


def _named(answer: Answer, index: int, defended: int, undefended: int) -> str:
    roles = [role for role, at in (("defended", defended), ("undefended", undefended)) if at == index]
    name = in_figure(answer.classes[index])
    return f"<b>{name}</b> ({' and '.join(roles)})" if roles else name
