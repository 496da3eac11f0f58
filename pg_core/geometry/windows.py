"""W, all windows of a map, and what they hold (theory §2)."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from pg_core.evidence.arrays import WindowValues
from pg_core.geometry.boxes import Size, Window
from pg_core.geometry.sums import integral, largest_apart, overlaps
from pg_core.io.parameters import coerce_fields

_PAIRS_AT_A_TIME = 2**21
"""Pairs of windows in memory at once, 16 MB for each intermediate array."""


@dataclass(frozen=True, slots=True)
class Windows:
    """W: all windows of k_h x k_w features inside a map, by the row and column of their top left cell.

    A window larger than the map is the whole map, and the only one. With `wrapping`, column 0 follows the last one,
    and a window begins at every column (unless it holds all columns, which one window does).
    """

    map_size: Size
    window_size: Size
    wrapping: bool = False

    def __post_init__(self) -> None:
        coerce_fields(self)
        if min(self.window_size) < 1 or min(self.map_size) < 1:
            raise ValueError(
                f"expected a window and a map of at least 1x1 features, got {self.window_size} on {self.map_size}"
            )
        fitted = (min(self.window_size[0], self.map_size[0]), min(self.window_size[1], self.map_size[1]))
        object.__setattr__(self, "window_size", fitted)
        object.__setattr__(self, "wrapping", self.wrapping and fitted[1] < self.map_size[1])

    @property
    def shape(self) -> Size:
        """Rows and columns of positions: (rows - k_h + 1, columns - k_w + 1), or all columns with wrapping."""
        rows = self.map_size[0] - self.window_size[0] + 1
        return rows, self.map_size[1] if self.wrapping else self.map_size[1] - self.window_size[1] + 1

    @property
    def count(self) -> int:
        return self.shape[0] * self.shape[1]

    @property
    def covering_map(self) -> bool:
        """Whether a window is the whole map, so that nothing is left to certify with."""
        return self.window_size == self.map_size

    def window(self, row: int, column: int) -> Window:
        """The window at a position; raises IndexError for another position."""
        if not (0 <= row < self.shape[0] and 0 <= column < self.shape[1]):
            raise IndexError(
                f"expected a window position within {self.shape[0]}x{self.shape[1]}, got ({row}, {column})"
            )
        return Window(row, column, *self.window_size)

    def at(self, index: int) -> Window:
        """The window at a flat, row-major position, as `first_largest` gives it."""
        return self.window(*divmod(index, self.shape[1]))

    def containing(self, footprint: Window) -> Window:
        """The first window (lowest row, then column) that contains a footprint; raises ValueError for a footprint
        larger than a window."""
        if footprint.height > self.window_size[0] or footprint.width > self.window_size[1]:
            raise ValueError(f"expected a footprint within {self.window_size}, got {footprint.size}")
        top = max(0, footprint.bottom - self.window_size[0])
        whole = self.window_size[1] == self.map_size[1]  # where a footprint may go on around the edge
        return self.window(top, 0 if whole else max(0, footprint.right - self.window_size[1]))

    def around(self, box: Window) -> Bool[np.ndarray, "window_rows window_columns"]:
        """Whether each window contains a whole box of cells.

        >>> Windows((1, 4), (1, 3)).around(Window(0, 2, 1, 1)).astype(int)
        array([[1, 1]])
        """
        axes = []
        for axis, (first, size) in enumerate(((box.top, box.height), (box.left, box.width))):
            ahead = first - np.arange(self.shape[axis])
            if axis == 1:  # of a window that is the whole ring, too; without wrapping it changes nothing
                ahead %= self.map_size[1]
            whole = self.window_size[axis] == self.map_size[axis]  # where a box may go on around the edge
            axes.append((ahead + size <= self.window_size[axis]) & (ahead >= 0) | whole)
        return np.outer(*axes)

    def holding(self, window: Window) -> Bool[np.ndarray, "windows cells"]:
        """Whether each window w', by its flat position in W, holds each cell of a box, both in row-major order.

        >>> Windows((1, 4), (1, 2)).holding(Window(0, 1, 1, 2)).astype(int)
        array([[1, 0],
               [1, 1],
               [0, 1]])
        """
        axes = []
        for axis, (first, size) in enumerate(((window.top, window.height), (window.left, window.width))):
            distance = np.arange(first, first + size) - np.arange(self.shape[axis])[:, None]
            if axis == 1:  # of a window that is the whole ring, too; without wrapping it changes nothing
                distance %= self.map_size[1]
            axes.append((distance >= 0) & (distance < self.window_size[axis]))
        rows, columns = axes
        pairs = rows[:, None, :, None] & columns[None, :, None, :]
        return pairs.reshape(self.count, window.height * window.width)

    def sums(self, values: Float64[np.ndarray, "*batch rows columns"]) -> WindowValues:
        """SUM(w ⊙ values) for each window w, by integral image. Raises ValueError for a map of another size."""
        if values.shape[-2:] != self.map_size:
            raise ValueError(f"expected a map of {self.map_size}, got {values.shape[-2:]}")
        height, width = self.window_size
        table = integral(self._continued(values))
        return (
            table[..., height:, width:]
            - table[..., :-height, width:]
            - table[..., height:, :-width]
            + table[..., :-height, :-width]
        )

    def largest_others(
        self, values: Float64[np.ndarray, "*batch rows columns"]
    ) -> tuple[WindowValues, WindowValues]:
        """For each window w, how much another window w' can take of the values outside w; w itself takes nothing.

        The largest SUM(w' ⊙ values ⊙ (1 - w)) over all windows w', and over those that overlap w: m and m_o
        of theory §5. Windows that overlap w are tried by their distance from it, fewer than 2k along each
        axis; the best disjoint one lies wholly above, below, left or right of it.
        """
        sums = self.sums(values)
        overlapping = self._largest_overlapping(values, sums)
        disjoint = np.zeros_like(sums)
        for axis, size in zip((-2, -1), self.window_size, strict=True):
            lines = np.moveaxis(sums, axis, -1)
            best = np.moveaxis(disjoint, axis, -1)
            across = lines.max(axis=-2, keepdims=True)
            best[...] = np.maximum(best, largest_apart(across, size, axis == -1 and self.wrapping))
        return np.maximum(overlapping, disjoint), overlapping

    def _largest_overlapping(
        self, values: Float64[np.ndarray, "*batch rows columns"], sums: WindowValues
    ) -> WindowValues:
        """max over w' overlapping w of SUM(w') - SUM(w ∩ w'); at least 0, which w' = w takes."""
        other_row, ((top, bottom),) = overlaps(self.shape[0], self.window_size[0], False)
        other_column, spans = overlaps(self.shape[1], self.window_size[1], self.wrapping)
        inside = (other_row >= 0)[:, :, None, None] & (other_column >= 0)
        tables = integral(self._continued(values).reshape(-1, self.map_size[0], self._continued_columns))
        flat = sums.reshape(-1, *self.shape)
        largest = np.zeros(flat.shape)
        # As many maps and rows of windows at a time as memory should hold; usually all rows.
        rows = max(1, min(self.shape[0], _PAIRS_AT_A_TIME // (inside.size // self.shape[0])))
        maps = max(1, _PAIRS_AT_A_TIME // inside.size)
        for first in range(0, len(flat), maps):
            table, window_sums = tables[first : first + maps], flat[first : first + maps]
            for row in range(0, self.shape[0], rows):
                part = slice(row, row + rows)
                bands = table[:, bottom[part]] - table[:, top[part]]
                gains = window_sums[:, other_row[part, :, None, None], other_column]
                for left, right in spans:
                    gains -= bands[..., right] - bands[..., left]
                gains = np.where(inside[part], gains, 0.0)
                largest[first : first + maps, part] = gains.max(axis=(2, 4))
        return largest.reshape(sums.shape)

    @property
    def _continued_columns(self) -> int:
        return self.map_size[1] + (self.window_size[1] - 1 if self.wrapping else 0)

    def _continued(
        self, values: Float64[np.ndarray, "*batch rows columns"]
    ) -> Float64[np.ndarray, "*batch rows continued"]:
        """The map, with as many of its first columns again at its right as a window can pass the edge."""
        again = self._continued_columns - self.map_size[1]
        return np.concatenate([values, values[..., :again]], axis=-1) if again else values
