"""Boxes of pixels and of features (theory §2).

A `Box` is top, left, height, width, half open, rows before columns. A `Patch` is a box of pixels, a `Window`
a box of features. On a map that wraps around, as that of column bands does, a window that passes the right edge
goes on at column 0.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from pg_core.io.parameters import coerce_fields

Size = tuple[int, int]
"""Height and width, or rows and columns."""


def times(size: Size) -> str:
    """A size in words, rows before columns.

    >>> times((32, 48))
    '32x48'
    """
    return f"{size[0]}x{size[1]}"


@dataclass(frozen=True, slots=True)
class Box:
    """Rows [top, top + height), columns [left, left + width); the top left may lie outside the image. Raises
    ValueError for a height or width below 1."""

    top: int
    left: int
    height: int
    width: int

    def __post_init__(self) -> None:
        coerce_fields(self)
        if self.height < 1 or self.width < 1:
            raise ValueError(f"expected height >= 1 and width >= 1, got {self.height}x{self.width}")

    @property
    def bottom(self) -> int:
        return self.top + self.height

    @property
    def right(self) -> int:
        return self.left + self.width

    @property
    def size(self) -> Size:
        return self.height, self.width


class Patch(Box):
    """A box of pixels of the image that the network sees."""

    __slots__ = ()

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the patch in the last two axes of an image."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


class Window(Box):
    """A box of features, cells of the map of local logits. It wraps around the map if it passes the right edge; its
    index is given by `cells`."""

    __slots__ = ()


def cells(window: Window, map_size: Size) -> tuple[slice, slice | Int[np.ndarray, "columns"]]:
    """Index of a window in the last two axes of a map, around its right edge where it wraps.

    >>> cells(Window(0, 30, 1, 4), (1, 32))
    (slice(0, 1, None), array([30, 31,  0,  1]))
    """
    rows = slice(window.top, window.bottom)
    if window.right <= map_size[1]:
        return rows, slice(window.left, window.right)
    return rows, np.arange(window.left, window.right) % map_size[1]
