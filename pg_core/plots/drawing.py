"""Where the cells of a map and its windows are drawn on the image: every figure asks here, on a page or on paper.

A cell is as large as the stride, in the middle of what it sees; a column band is drawn where it begins, or the last
ones would lie beyond the image. Not here: colours and lines, which are a matter of each figure.
"""

from dataclasses import dataclass

from pg_core.geometry import ReceptiveField, Size, Window


@dataclass(frozen=True, slots=True)
class Outline:
    """A rectangle on the image, its edges in pixels from the top left corner."""

    top: float
    bottom: float
    left: float
    right: float


def middle(field: ReceptiveField, cell: int, axis: int) -> float:
    """Where a cell is drawn along an axis: the middle of it, in pixels.

    >>> middle(ReceptiveField((17, 17), (8, 8)), 1, axis=0)
    16.5
    >>> middle(ReceptiveField((32, 4), (32, 1), wrapping=True), 31, axis=1)
    31.5
    """
    if field.wrapping and axis == 1:
        return cell + 0.5
    return cell * field.stride[axis] - field.offset[axis] + field.size[axis] / 2


def outline(field: ReceptiveField, window: Window) -> Outline:
    """The cells of a window, as one rectangle; it passes the right edge of the image if the window wraps around."""
    (top, left), (bottom, right) = (
        (middle(field, row, 0), middle(field, column, 1))
        for row, column in ((window.top, window.left), (window.bottom - 1, window.right - 1))
    )
    down, across = field.stride[0] / 2, field.stride[1] / 2
    return Outline(top - down, bottom + down, left - across, right + across)


def outlines(field: ReceptiveField, window: Window, image_size: Size) -> list[Outline]:
    """The same inside the image: two rectangles for a window that wraps around its right edge."""
    whole, width = outline(field, window), float(image_size[1])
    if not field.wrapping or whole.right <= width:
        return [whole]
    before = Outline(whole.top, whole.bottom, whole.left, width)
    return [before, Outline(whole.top, whole.bottom, 0.0, whole.right - width)]
