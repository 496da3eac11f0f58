"""The evidence of an exhibit, of two of its classes, with the cells that one patch can corrupt."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Bool
from plotly.subplots import make_subplots

from app.plots import style
from app.plots.maps import around_cells, cell_axes, outlined
from pg_core.evidence.arrays import EvidenceMap
from pg_core.geometry import Window

_CELL, _MOST, _TITLE = 44, 240, 34
"""Pixels of a cell, of a map at most, and of its title."""
_WRITTEN = 12
"""Up to so many columns, each cell shows its value."""


def evidence_maps(
    evidence: EvidenceMap,
    classes: tuple[int, int],
    where: Bool[np.ndarray, "rows columns"],
    masked: Sequence[Window | None] = (None, None),
) -> go.Figure:
    """A map for each of two classes, one above the other; dotted: the cells that one patch can corrupt, solid: the
    window that is masked for a class."""
    rows, columns = where.shape
    height = min(rows * _CELL, _MOST)
    figure = make_subplots(rows=2, cols=1)
    low, high = min(0.0, float(evidence.min())), max(float(evidence.max()), 1e-9)
    written = columns <= _WRITTEN
    for row, index in enumerate(classes, 1):
        figure.add_trace(
            go.Heatmap(
                z=evidence[index],
                zmin=low,
                zmax=high,
                colorscale=style.BENIGN_CELLS,
                showscale=False,
                text=[[f"{value:.3g}" for value in line] for line in evidence[index].tolist()],
                texttemplate="%{text}" if written else None,
                textfont={"color": "#111111", "size": 11},
                hovertemplate="row %{y}, column %{x}<br><b>%{z:.4g}</b><extra></extra>",
            ),
            row,
            1,
        )
    style.finish(figure)
    axes = {name: axis for panel in (1, 2) for name, axis in cell_axes((rows, columns), panel).items()}
    share = height / (2 * height + _TITLE)
    axes["yaxis"]["domain"], axes["yaxis2"]["domain"] = [1 - share, 1.0], [0.0, share]
    return figure.update_layout(
        height=2 * height + 2 * _TITLE + 8,
        margin={"l": 4, "r": 4, "t": _TITLE, "b": 8},
        annotations=[
            {
                "text": f"Evidence of class {index}: {evidence[index].sum():.4g} in all",
                "x": 0.5,
                "y": top,
                "xref": "paper",
                "yref": "paper",
                "yanchor": "bottom",
                "showarrow": False,
                "font": {"size": 14},
            }
            for index, top in zip(classes, (1.0, share), strict=True)
        ],
        shapes=[
            shape
            for panel, window in enumerate(masked, 1)
            if window is not None
            for shape in outlined("detected", style.DETECTED, around_cells(window, (rows, columns)), panel)
        ]
        + [
            {
                "type": "rect",
                "name": "malicious",
                "line": style.MALICIOUS,
                "xref": "x" if panel == 1 else "x2",
                "yref": "y" if panel == 1 else "y2",
                "x0": column - 0.46,
                "x1": column + 0.46,
                "y0": row - 0.46,
                "y1": row + 0.46,
            }
            for panel in (1, 2)
            for row, column in np.argwhere(where).tolist()
        ],
        **axes,
    )
