"""Patches, windows and receptive fields: [PG] Equation 1 and every computation of an index (theory §2).

A `Box` is top, left, height, width, half open, rows before columns. A `Patch` is a box of pixels, a `Window`
a box of features. On a map that wraps around, as that of column bands does, a window that passes the right edge
goes on at column 0.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int

from pg_core.arrays import WindowValues
from pg_core.parameters import coerce_fields
from pg_core.sums import integral, largest_apart, overlaps

Size = tuple[int, int]
"""Height and width, or rows and columns."""


@dataclass(frozen=True, slots=True)
class Box:
    """Rows [top, top + height), columns [left, left + width); the top left may lie outside the image."""

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


@dataclass(frozen=True, slots=True)
class ReceptiveField:
    """Feature (i, j) sees pixel rows [i*s - o, i*s - o + r), and columns likewise, and nothing else.

    size r, stride s and offset o are in pixels, per axis. `offset` is the padding above and to the left (and,
    by the same amount, below and to the right). `wrapping` is for column bands ([DS]): feature (0, j) sees all
    rows and the columns [j, j + b) modulo the width of the image; size is then (image height, b), stride (image
    height, 1).
    """

    size: Size
    stride: Size
    offset: Size = (0, 0)
    wrapping: bool = False

    def __post_init__(self) -> None:
        coerce_fields(self)
        if min(self.size) < 1 or min(self.stride) < 1 or min(self.offset) < 0:
            raise ValueError(f"expected size >= 1, stride >= 1 and offset >= 0, got {self!r}")
        if self.wrapping and (self.stride != (self.size[0], 1) or max(self.offset) > 0):
            raise ValueError(f"expected bands of stride ({self.size[0]}, 1) and offset 0, got {self!r}")

    def __str__(self) -> str:
        """In words.

        >>> print(ReceptiveField((17, 17), (8, 8)))
        17x17 pixels, stride 8
        """
        if self.wrapping:
            return f"bands of {self.size[1]} columns"
        stride = str(self.stride[0]) if self.stride[0] == self.stride[1] else _times(self.stride)
        padded = f", padded by {_times(self.offset)}" if max(self.offset) else ""
        return f"{_times(self.size)} pixels, stride {stride}{padded}"

    def map_size(self, image_size: Size) -> Size:
        """Rows and columns of the map for an image: floor((H + 2o - r)/s) + 1.

        >>> ReceptiveField((17, 17), (8, 8)).map_size((224, 224))
        (26, 26)
        """
        rows, columns = (
            (n + 2 * o - r) // s + 1
            for n, r, s, o in zip(image_size, self.size, self.stride, self.offset, strict=True)
        )
        if self.wrapping and columns >= 1:
            columns = image_size[1]
        if rows < 1 or columns < 1:
            raise ValueError(
                f"expected an image of at least {self.size[0]}x{self.size[1]} pixels, the receptive field, "
                f"got {image_size[0]}x{image_size[1]}"
            )
        return rows, columns

    def window_size(self, patch_size: Size) -> Size:
        """Features that a patch of p pixels can corrupt: k = ceil((p + r - 1)/s) ([PG] Equation 1).

        >>> ReceptiveField((17, 17), (8, 8)).window_size((32, 32))
        (6, 6)
        """
        if min(patch_size) < 1:
            raise ValueError(f"expected a patch of at least 1x1 pixels, got {patch_size[0]}x{patch_size[1]}")
        height, width = (
            -(-(p + r - 1) // s) for p, r, s in zip(patch_size, self.size, self.stride, strict=True)
        )
        return (1, width) if self.wrapping else (height, width)

    def patch_size(self, window_size: Size) -> Size:
        """The largest patch that corrupts no more than k features: s*k - r + 1 pixels, below 1 if none does.

        >>> ReceptiveField((17, 17), (8, 8)).patch_size((6, 6))
        (32, 32)
        """
        height, width = (s * k - r + 1 for k, r, s in zip(window_size, self.size, self.stride, strict=True))
        return (self.size[0], width) if self.wrapping else (height, width)

    def footprint(self, patch: Patch, map_size: Size) -> Window | None:
        """The features that see at least one pixel of the patch; None if no feature does. Of bands it may wrap.

        >>> ReceptiveField((32, 4), (32, 1), wrapping=True).footprint(Patch(0, 1, 5, 5), (1, 32))
        Window(top=0, left=30, height=1, width=8)
        """
        spans = []
        for axis, (start, end) in enumerate(((patch.top, patch.bottom), (patch.left, patch.right))):
            first, end = self.spans(np.array([[start, end]]), map_size, axis)[0].tolist()
            if first >= end:
                return None
            spans.append((first, end - first))
        (top, height), (left, width) = spans
        return Window(top, left, height, width)

    def spans(
        self, pixels: Int[np.ndarray, "spans 2"], map_size: Size, axis: int
    ) -> Int[np.ndarray, "spans 2"]:
        """First and last + 1 feature along an axis that see one of the pixels [a, a + p), given as a and a + p;
        where no feature does, the first is not below the end.

        ceil((a + o - r + 1)/s) .. floor((a + o + p - 1)/s), cut to the map (theory §2). Bands wrap around instead of
        being cut: their end may lie beyond the map; all of them, from the first, if a patch meets all.
        """
        r, s, o = self.size[axis], self.stride[axis], self.offset[axis]
        if self.wrapping and axis == 1:
            met = np.minimum(pixels[:, 1] - pixels[:, 0] + r - 1, map_size[1])
            first = np.where(met < map_size[1], (pixels[:, 0] - r + 1) % map_size[1], 0)
            return np.stack([first, first + met], axis=-1)
        first = np.maximum(-(-(pixels[:, 0] + o - r + 1) // s), 0)
        end = np.minimum((pixels[:, 1] + o - 1) // s + 1, map_size[axis])
        return np.stack([first, end], axis=-1)

    def patch_in(self, window: Window, patch_size: Size, image_size: Size) -> Patch:
        """A place for a patch whose footprint is a window of Equation 1's size: its first pixel is the last that the
        window's first feature sees, s*i - o + r - 1 pixels down, and across (theory §2, Footprints; derived).

        Bands around the right edge are met by no patch that lies there; it is put as near as the image allows.

        >>> ReceptiveField((17, 17), (8, 8)).patch_in(Window(3, 18, 6, 6), (32, 32), (224, 224))
        Patch(top=40, left=160, height=32, width=32)
        """
        top, left = (
            s * first - o + r - 1
            for first, s, o, r in zip(
                (window.top, window.left), self.stride, self.offset, self.size, strict=True
            )
        )
        if self.wrapping:
            top, left = 0, left % image_size[1]
        top, left = (
            min(start, n - p) for start, p, n in zip((top, left), patch_size, image_size, strict=True)
        )
        return Patch(top, left, *patch_size)

    def pixels(self, window: Window) -> Patch:
        """The pixels that the features of a window see: s*(k - 1) + r per axis. They may pass the border: into
        padding, or, of bands, on to the left edge."""
        top, left = (
            a * s - o for a, s, o in zip((window.top, window.left), self.stride, self.offset, strict=True)
        )
        height, width = (s * (k - 1) + r for k, s, r in zip(window.size, self.stride, self.size, strict=True))
        return Patch(top, left, height, width)

    def seen(self, window: Window, image_size: Size) -> Bool[np.ndarray, "height width"]:
        """Which pixels of an image the features of a window see."""
        box = self.pixels(window)
        seen = np.zeros(image_size, bool)
        if self.wrapping:
            seen[:, np.arange(box.left, box.right) % image_size[1]] = True
        else:
            seen[max(0, box.top) : max(0, box.bottom), max(0, box.left) : max(0, box.right)] = True
        return seen

    def crop(self, window: Window, image_size: Size) -> tuple[Patch, Window]:
        """The smallest crop whose own map holds the features of a window as the image's map does, and where in it.

        It contains what they see, so far as that lies in the image; it begins on a multiple of the stride, for a
        padded network subsamples from there, and at a border of the image it ends with it, for there is the padding
        that they see. Without padding it is `pixels(window)` and all of its map. Raises ValueError for bands, which
        are no crops.

        >>> ReceptiveField((35, 35), (8, 8), (17, 17)).crop(Window(4, 0, 1, 2), (64, 64))
        (Patch(top=8, left=0, height=42, width=26), Window(top=3, left=0, height=1, width=2))
        """
        if self.wrapping:
            raise ValueError("expected a network that runs on crops, got bands that wrap around the image")
        seen = self.pixels(window)
        (top, bottom), (left, right) = (
            (max(0, first // s * s), min(n, last))
            for first, last, s, n in zip(
                (seen.top, seen.left), (seen.bottom, seen.right), self.stride, image_size, strict=True
            )
        )
        at = Window(window.top - top // self.stride[0], window.left - left // self.stride[1], *window.size)
        return Patch(top, left, bottom - top, right - left), at


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
        """The window at a position."""
        if not (0 <= row < self.shape[0] and 0 <= column < self.shape[1]):
            raise IndexError(
                f"expected a window position within {self.shape[0]}x{self.shape[1]}, got ({row}, {column})"
            )
        return Window(row, column, *self.window_size)

    def at(self, index: int) -> Window:
        """The window at a flat, row-major position, as `first_largest` gives it."""
        return self.window(*divmod(index, self.shape[1]))

    def containing(self, footprint: Window) -> Window:
        """The first window (lowest row, then column) that contains a footprint of at most its size."""
        if footprint.height > self.window_size[0] or footprint.width > self.window_size[1]:
            raise ValueError(f"expected a footprint within {self.window_size}, got {footprint.size}")
        top = max(0, footprint.bottom - self.window_size[0])
        whole = self.window_size[1] == self.map_size[1]  # where a footprint may go on around the edge
        return self.window(top, 0 if whole else max(0, footprint.right - self.window_size[1]))

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


def _times(size: Size) -> str:
    return f"{size[0]}x{size[1]}"


_PAIRS_AT_A_TIME = 2**21
"""Pairs of windows in memory at once, 16 MB for each intermediate array."""
