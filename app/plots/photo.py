"""A photo below a figure, and where a cell of the map lies on it; axes are in pixels of the image the network sees."""

import base64
import io
from collections.abc import Iterable

import plotly.graph_objects as go

from pg_core.geometry import Box, Patch, ReceptiveField, Size, Window
from pg_core.networks.base import Pixels
from pg_core.photos.read import to_photo
from pg_core.plots import drawing
from pg_core.plots.drawing import Outline


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


def outlines(field: ReceptiveField, window: Window, image_size: Size) -> list[dict[str, float]]:
    """A window of cells as a rectangle on the photo, or as two if it wraps around; as a shape of a figure."""
    return [_edges(place) for place in drawing.outlines(field, window, image_size)]


def outline(field: ReceptiveField, window: Window) -> dict[str, float]:
    """The same as one rectangle, which may pass the right edge."""
    return _edges(drawing.outline(field, window))


def _edges(place: Outline) -> dict[str, float]:
    return {"x0": place.left, "x1": place.right, "y0": place.top, "y1": place.bottom}


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
