"""The score of each class before and after masking."""

import numpy as np
import plotly.graph_objects as go

from app.markup import in_figure
from app.plots import style
from pg_core.analysis.photo import Answer
from pg_core.defences.patchguard.masking import Masking


def scores(answer: Answer, count: int = 8) -> go.Figure:
    """The classes with the largest scores of the defence; the predictions are named at the axis. Of robust masking,
    all evidence is drawn beside the score, which is what masking leaves of it."""
    found, masked = answer.defended.scores, isinstance(answer.defended, Masking)
    defended, undefended = int(answer.defended.label), answer.undefended
    order = sorted(range(len(found)), key=lambda index: (-found[index], index))
    chosen = order[: min(count, len(order))]
    if undefended not in chosen:
        chosen[-1] = undefended
    names = [_named(answer, index, defended, undefended) for index in chosen]
    figure = go.Figure()
    bars = [(found, "after masking: the score" if masked else "score of the defence", style.AFTER, "")]
    if isinstance(answer.defended, Masking):
        totals = answer.defended.evidence.sum(axis=(-2, -1))
        bars.insert(0, (totals, "before masking: all evidence", style.BEFORE, "/"))
    for values, name, colour, pattern in bars:
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
        xaxis={
            "title": {"text": "evidence, summed over the map" if masked else "in the defence's own units"},
            "rangemode": "tozero",
        },
        yaxis={"autorange": "reversed", "automargin": True, "ticklabelstandoff": 6},
        margin={"l": 8, "r": 8, "t": 40, "b": 48},
    )


def in_words(answer: Answer, count: int = 3) -> str:
    """The first bars, for those who cannot see them."""
    scores = answer.defended.scores
    order = sorted(range(len(scores)), key=lambda index: (-scores[index], index))[:count]
    after = " after masking" if isinstance(answer.defended, Masking) else ""
    listed = ", ".join(f"{answer.classes[index]} {scores[index]:.4g}" for index in order)
    return f"Class scores{after}, the largest first: {listed}"


def _named(answer: Answer, index: int, defended: int, undefended: int) -> str:
    roles = [role for role, at in (("defended", defended), ("undefended", undefended)) if at == index]
    name = in_figure(answer.classes[index])
    return f"<b>{name}</b> ({' and '.join(roles)})" if roles else name
