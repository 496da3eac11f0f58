"""A photo below a figure, and where a cell of the map lies on it; axes are in pixels of the image the network sees."""

import base64
import io
from collections.abc import Iterable

import plotly.graph_objects as go

from pg_core.geometry import Box, Patch, ReceptiveField, Size, Window
from pg_core.images import to_photo
from pg_core.models.local import Pixels


def add_photo(figure: go.Figure, pixels: Pixels, axes: Iterable[str] = ("",)) -> None:
    """Lay the photo below everything on these axes: "" is the first pair, "2" the second."""
    data = io.BytesIO()
    to_photo(pixels).save(data, "JPEG", quality=95)
    source = "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode()
    _add_picture(figure, source, Box(0, 0, *pixels.shape[1:]), axes)


def add_patch(figure: go.Figure, pixels: Pixels, patch: Patch, axes: Iterable[str] = ("",)) -> None:
    """Lay a patch over the photo, as it is in the pixels of the patched image."""
    data = io.BytesIO()
    to_photo(pixels[:, *patch.slices]).save(data, "PNG")
    source = "data:image/png;base64," + base64.b64encode(data.getvalue()).decode()
    _add_picture(figure, source, patch, axes)


def middle(field: ReceptiveField, cell: int, axis: int) -> float:
    """Where along an axis the receptive field of a cell has its middle, in pixels; a column band is drawn where it
    begins, or the last ones would lie beyond the image."""
    if field.wrapping and axis == 1:
        return cell + 0.5
    return cell * field.stride[axis] - field.offset[axis] + field.size[axis] / 2


def outlines(field: ReceptiveField, window: Window, image_size: Size) -> list[dict[str, float]]:
    """The same for a window that may wrap around: then there are two rectangles."""
    edges = outline(field, window)
    width = image_size[1]
    if not field.wrapping or edges["x1"] <= width:
        return [edges]
    return [edges | {"x1": float(width)}, edges | {"x0": 0.0, "x1": edges["x1"] - width}]


def outline(field: ReceptiveField, window: Window) -> dict[str, float]:
    """A window of cells as a rectangle on the photo; a cell is as wide as the stride."""
    return {
        "x0": middle(field, window.left, 1) - field.stride[1] / 2,
        "x1": middle(field, window.right - 1, 1) + field.stride[1] / 2,
        "y0": middle(field, window.top, 0) - field.stride[0] / 2,
        "y1": middle(field, window.bottom - 1, 0) + field.stride[0] / 2,
    }


def _add_picture(figure: go.Figure, source: str, box: Box, axes: Iterable[str]) -> None:
    for axis in axes:
        figure.add_layout_image(
            source=source,
            xref=f"x{axis}",
            yref=f"y{axis}",
            x=box.left,
            y=box.top,
            sizex=box.width,
            sizey=box.height,
            xanchor="left",
            yanchor="top",
            sizing="stretch",
            layer="below",
        )
