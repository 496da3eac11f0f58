"""How an attack went: the least loss of its restarts so far, step by step."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from app.plots import style


def descent(losses: Sequence[float], steps: int) -> go.Figure:
    """The least loss so far at even distances over the steps; below zero the attack has what it is after."""
    figure = go.Figure(
        go.Scatter(
            x=np.linspace(1, max(1, steps), len(losses)),
            y=list(losses),
            mode="lines",
            line={"color": style.LOST, "width": 2},
            hovertemplate="step %{x:.0f}<br>loss <b>%{y:.4g}</b><extra></extra>",
        )
    )
    style.finish(figure)
    figure.update_xaxes(title={"text": "step"})
    figure.update_yaxes(title={"text": "least loss so far"}, zeroline=True)
    return figure.update_layout(height=200, margin={"l": 60, "r": 8, "t": 8, "b": 44})
