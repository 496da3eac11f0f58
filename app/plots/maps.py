"""Maps of evidence, over the photo or cell by cell, and the windows on them."""

from collections.abc import Iterable

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float64

from app.plots import style
from app.plots.photo import add_photo
from pg_core.geometry import Box, Size, Window
from pg_core.photos.inference import LocalFeatures
from pg_core.plots.drawing import middle

_BARE = {"showgrid": False, "zeroline": False, "showticklabels": False, "ticks": "", "constrain": "domain"}


def evidence_over_photo(
    features: LocalFeatures, evidence: Float64[np.ndarray, "rows columns"], opacity: float
) -> go.Figure:
    """The evidence of a class over the photo, axes in pixels."""
    field, (height, width) = features.receptive_field, features.framing.image_size
    figure = go.Figure(
        go.Heatmap(
            z=evidence,
            x0=middle(field, 0, 1),
            dx=field.stride[1],
            y0=middle(field, 0, 0),
            dy=field.stride[0],
            zmin=0.0,
            zmax=max(float(evidence.max()), 1e-9),
            colorscale=style.SEQUENTIAL,
            opacity=opacity,
            colorbar={"thickness": 10, "outlinewidth": 0, "title": {"text": "û", "side": "top"}},
            customdata=np.moveaxis(np.indices(evidence.shape), 0, -1),
            hovertemplate="row %{customdata[0]}, column %{customdata[1]}<br>evidence <b>%{z:.4g}</b>"
            "<extra></extra>",
        )
    )
    add_photo(figure, features.pixels)
    style.finish(figure)
    axes = {
        "xaxis": {"range": [0, width], **_BARE},
        "yaxis": {"range": [height, 0], "scaleanchor": "x", **_BARE},
    }
    return figure.update_layout(axes)


def cell_axes(map_size: Size, panel: int = 1) -> dict[str, dict[str, object]]:
    """Axes of a panel in cells, square, row 0 on top; parts of a layout are cheap, updates of a figure are not."""
    suffix, (rows, columns) = _suffix(panel), map_size
    # The one row of a band network would be a line.
    anchor = {"scaleanchor": f"x{suffix}"} if rows > 1 else {}
    return {
        f"xaxis{suffix}": {"range": [-0.6, columns - 0.4], **_BARE},
        f"yaxis{suffix}": {"range": [rows - 0.4, -0.6], **anchor, **_BARE},
    }


def around_cells(window: Window, map_size: Size, reach: float = 0.5) -> list[dict[str, float]]:
    """The edges of a window on axes in cells, half a cell around their middles but for what keeps two outlines apart;
    two rectangles if it wraps around the right edge of its map."""
    edges = {
        "x0": window.left - reach,
        "x1": window.right - 1 + reach,
        "y0": window.top - reach,
        "y1": window.bottom - 1 + reach,
    }
    columns = map_size[1]
    if window.right <= columns:
        return [edges]
    return [edges | {"x1": columns - 0.5}, edges | {"x0": -0.5, "x1": edges["x1"] - columns}]


def edges_of(box: Box) -> dict[str, float]:
    """The edges of a box on axes in its own unit."""
    return {"x0": box.left, "x1": box.right, "y0": box.top, "y1": box.bottom}


def outlined(
    name: str, line: dict[str, object], around: Iterable[dict[str, float]], panel: int = 1
) -> list[dict[str, object]]:
    """The outline of a window by its name, in the style of what it means."""
    axes = {"xref": f"x{_suffix(panel)}", "yref": f"y{_suffix(panel)}"}
    return [{"type": "rect", "name": name, "line": line, **axes, **edges} for edges in around]


def named(x: float, y: float, text: str, corner: bool = False) -> dict[str, object]:
    """A short name on the map, with its middle or its top left corner at a place."""
    return {
        "x": x,
        "y": y,
        "text": f"<b>{text}</b>",
        "showarrow": False,
        "xanchor": "left" if corner else "center",
        "yanchor": "top" if corner else "middle",
        "font": {"color": "#111111", "size": 13},
        "bgcolor": "rgba(255,255,255,0.85)",
        "borderpad": 2,
    }


def _suffix(panel: int) -> str:
    return "" if panel == 1 else str(panel)
