"""The features that a patch can corrupt, for every placement in the image (theory §2 and §7).

Placements of a patch share few footprints: 193x193 placements of 32x32 pixels on 224x224 have 25x25 under BagNet-17.
They are the product of spans of rows and spans of columns. Not here: what is proved about them, see
`pg_core.defences.patchguard.placements`.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int

from pg_core.geometry import ReceptiveField, Size, Window, Windows
from pg_core.geometry.sums import integral

FootprintValues = Float64[np.ndarray, "*batch row_spans column_spans"]
PairValues = Float64[np.ndarray, "*batch row_spans column_spans window_rows window_columns"]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Footprints:
    """The distinct footprints of a patch of `patch_size` pixels at every placement in an image.

    `rows` and `columns` hold the first and the last + 1 feature of each distinct span; columns of bands may end beyond
    the map, around its right edge. `row_of` gives for each pixel row of a placement the index of its span in `rows`,
    and -1 where no feature sees the patch; `column_of` does so for columns.
    """

    map_size: Size
    patch_size: Size
    rows: Int[np.ndarray, "row_spans 2"]
    columns: Int[np.ndarray, "column_spans 2"]
    row_of: Int[np.ndarray, "placement_rows"]
    column_of: Int[np.ndarray, "placement_columns"]

    @classmethod
    def of(cls, field: ReceptiveField, patch_size: Size, image_size: Size) -> "Footprints":
        """The placements inside the image, by the pixel of their top left.

        Raises ValueError for a patch that does not fit into the image.

        >>> Footprints.of(ReceptiveField((17, 17), (8, 8)), (32, 32), (224, 224))
        Footprints(25x25 of 193x193 placements of 32x32 pixels)
        """
        if not all(1 <= p <= n for p, n in zip(patch_size, image_size, strict=True)):
            raise ValueError(
                f"expected a patch of 1x1 to {image_size[0]}x{image_size[1]} pixels, the size of the image, "
                f"got {patch_size[0]}x{patch_size[1]}"
            )
        tops, lefts = (np.arange(n - p + 1) for p, n in zip(patch_size, image_size, strict=True))
        return cls._at(field, patch_size, image_size, tops, lefts)

    @classmethod
    def centred(cls, field: ReceptiveField, side: int, image_size: Size) -> "Footprints":
        """The squares of this side (pixels) around every pixel of the image, by that pixel; what passes the border is
        cut off. Raises ValueError for a side below 1.

        Pixel a is the middle of [a - (side - 1)//2, a + side//2], so that each square lies in the next larger one.
        """
        if side < 1:
            raise ValueError(f"expected a patch of at least 1x1 pixels, got {side}x{side}")
        tops, lefts = (np.arange(n) - (side - 1) // 2 for n in image_size)
        return cls._at(field, (side, side), image_size, tops, lefts)

    @classmethod
    def _at(
        cls,
        field: ReceptiveField,
        patch_size: Size,
        image_size: Size,
        tops: Int[np.ndarray, "placement_rows"],
        lefts: Int[np.ndarray, "placement_columns"],
    ) -> "Footprints":
        map_size = field.map_size(image_size)
        (rows, row_of), (columns, column_of) = (
            _distinct(field.spans(np.clip(np.stack([first, first + p], axis=-1), 0, n), map_size, axis))
            for axis, (first, p, n) in enumerate(zip((tops, lefts), patch_size, image_size, strict=True))
        )
        return cls(map_size, patch_size, rows, columns, row_of, column_of)

    @property
    def shape(self) -> Size:
        """The numbers of distinct spans of rows and of columns."""
        return len(self.rows), len(self.columns)

    def alike(self, other: "Footprints") -> bool:
        """Whether both have the same distinct footprints; which placement has which of them may differ."""
        return np.array_equal(self.rows, other.rows) and np.array_equal(self.columns, other.columns)

    @property
    def placements(self) -> Size:
        """The numbers of placements along pixel rows and columns."""
        return len(self.row_of), len(self.column_of)

    @property
    def blocks(self) -> tuple[Int[np.ndarray, "row_edges"], Int[np.ndarray, "column_edges"]]:
        """Where blocks of placements that share a footprint begin, along rows and along columns, and the last one's
        end.

        >>> rows, _ = Footprints.of(ReceptiveField((17, 17), (8, 8)), (32, 32), (224, 224)).blocks
        >>> rows[:4].tolist(), len(rows)
        ([0, 1, 9, 17], 26)
        """
        rows, columns = (
            np.concatenate([[0], np.flatnonzero(np.diff(spans)) + 1, [len(spans)]])
            for spans in (self.row_of, self.column_of)
        )
        return rows, columns

    def footprint(self, row: int, column: int) -> Window:
        """The footprint of a span of rows and a span of columns, by their indices."""
        (top, bottom), (left, right) = self.rows[row].tolist(), self.columns[column].tolist()
        return Window(top, left, bottom - top, right - left)

    def sums(self, values: Float64[np.ndarray, "*batch rows columns"]) -> FootprintValues:
        """SUM(F ⊙ values) for each footprint F, by integral image."""
        table = self._integral(values)
        bands = table[..., self.rows[:, 1], :] - table[..., self.rows[:, 0], :]
        return bands[..., self.columns[:, 1]] - bands[..., self.columns[:, 0]]

    def shared_sums(self, windows: Windows, values: Float64[np.ndarray, "*batch rows columns"]) -> PairValues:
        """SUM(M ⊙ F ⊙ values) for each footprint F and each window M; of a map of ones, how many cells they share."""
        (down, across), (height, width) = windows.shape, windows.window_size
        top, bottom = _intersections(self.rows, np.arange(down), height)
        table = self._integral(values)
        bands = table[..., bottom, :] - table[..., top, :]
        # Around a ring, a window is met where it is, and again a turn before and a turn after.
        turns = (-1, 0, 1) if windows.wrapping or self._wrapping else (0,)
        parts = (
            _intersections(self.columns, np.arange(across) + turn * self.map_size[1], width) for turn in turns
        )
        shared = sum(bands[..., right] - bands[..., left] for left, right in parts)
        return np.swapaxes(np.asarray(shared), -3, -2)

    @property
    def _wrapping(self) -> bool:
        return bool((self.columns > self.map_size[1]).any())

    def _integral(
        self, values: Float64[np.ndarray, "*batch rows columns"]
    ) -> Float64[np.ndarray, "*batch table_rows table_columns"]:
        """The integral image, a second turn included where footprints wrap around."""
        return integral(np.concatenate([values, values], axis=-1) if self._wrapping else values)

    def __repr__(self) -> str:
        (rows, columns), (down, across) = self.shape, self.placements
        height, width = self.patch_size
        return f"Footprints({rows}x{columns} of {down}x{across} placements of {height}x{width} pixels)"


def _distinct(
    spans: Int[np.ndarray, "placements 2"],
) -> tuple[Int[np.ndarray, "distinct 2"], Int[np.ndarray, "placements"]]:
    """The distinct spans that are not empty, in order, and for each placement the index of its own, or -1."""
    seen = spans[:, 0] < spans[:, 1]
    index = np.full(len(spans), -1)
    distinct, index[seen] = np.unique(spans[seen], axis=0, return_inverse=True)
    return distinct, index


def _intersections(
    spans: Int[np.ndarray, "spans 2"], starts: Int[np.ndarray, "starts"], size: int
) -> tuple[Int[np.ndarray, "spans starts"], Int[np.ndarray, "spans starts"]]:
    """First and last + 1 cell that each span shares with [start, start + size); equal if none."""
    first = np.minimum(np.maximum(spans[:, :1], starts), spans[:, 1:])
    return first, np.maximum(first, np.minimum(spans[:, 1:], starts + size))
