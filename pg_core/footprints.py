"""The features that a patch can touch, for every place that it may have in the image (sections 2 and 7).

Placements of a patch share few footprints: 193x193 placements of 32x32 pixels on 224x224 have 25x25 under BagNet-17.
They are the product of spans of rows and spans of columns. It leaves out what is proved about them: see
`pg_core.placements`.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int

from pg_core.geometry import ReceptiveField, Size, Window, Windows
from pg_core.sums import integral

FootprintValues = Float64[np.ndarray, "*batch row_spans column_spans"]
PairValues = Float64[np.ndarray, "*batch row_spans column_spans window_rows window_columns"]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Footprints:
    """The distinct footprints of a patch of `patch_size` pixels at every placement inside an image.

    `rows` and `columns` hold the first and the last + 1 feature of each distinct span. `row_of` gives, for each pixel
    row that the top of the patch may have, the index of its span in `rows`, and -1 where no feature sees the patch;
    `column_of` does so for its left side.
    """

    map_size: Size
    patch_size: Size
    rows: Int[np.ndarray, "row_spans 2"]
    columns: Int[np.ndarray, "column_spans 2"]
    row_of: Int[np.ndarray, "placement_rows"]
    column_of: Int[np.ndarray, "placement_columns"]

    @classmethod
    def of(cls, field: ReceptiveField, patch_size: Size, image_size: Size) -> "Footprints":
        """Raises ValueError for a patch that does not fit into the image.

        >>> Footprints.of(ReceptiveField((17, 17), (8, 8)), (32, 32), (224, 224))
        Footprints(25x25 of 193x193 placements of 32x32 pixels)
        """
        if not all(1 <= p <= n for p, n in zip(patch_size, image_size, strict=True)):
            raise ValueError(
                f"expected a patch of 1x1 to {image_size[0]}x{image_size[1]} pixels, the size of the image, "
                f"got {patch_size[0]}x{patch_size[1]}"
            )
        map_size = field.map_size(image_size)
        (rows, row_of), (columns, column_of) = (
            _distinct(field.spans(np.arange(n - p + 1), p, map_size, axis))
            for axis, (p, n) in enumerate(zip(patch_size, image_size, strict=True))
        )
        return cls(map_size, patch_size, rows, columns, row_of, column_of)

    @property
    def shape(self) -> Size:
        """Distinct spans of rows and of columns."""
        return len(self.rows), len(self.columns)

    @property
    def placements(self) -> Size:
        """Pixel rows and columns that the top left of the patch may have."""
        return len(self.row_of), len(self.column_of)

    def footprint(self, row: int, column: int) -> Window:
        """The footprint of a span of rows and a span of columns, by their indices."""
        (top, bottom), (left, right) = self.rows[row].tolist(), self.columns[column].tolist()
        return Window(top, left, bottom - top, right - left)

    def sums(self, values: Float64[np.ndarray, "*batch rows columns"]) -> FootprintValues:
        """SUM(F ⊙ values) for each footprint F, by integral image."""
        table = integral(values)
        bands = table[..., self.rows[:, 1], :] - table[..., self.rows[:, 0], :]
        return bands[..., self.columns[:, 1]] - bands[..., self.columns[:, 0]]

    def shared_sums(self, windows: Windows, values: Float64[np.ndarray, "*batch rows columns"]) -> PairValues:
        """SUM(M ⊙ F ⊙ values) for each footprint F and each window M; of ones, how many cells they share.

        Raises ValueError for windows that wrap around.
        """
        if windows.wrapping:
            raise ValueError("expected windows inside the map, got windows that wrap around")
        (top, bottom), (left, right) = (
            _intersections(spans, positions, size)
            for spans, positions, size in zip(
                (self.rows, self.columns), windows.shape, windows.window_size, strict=True
            )
        )
        table = integral(values)
        bands = table[..., bottom, :] - table[..., top, :]
        return np.swapaxes(bands[..., right] - bands[..., left], -3, -2)

    def __repr__(self) -> str:
        (rows, columns), (down, across) = self.shape, self.placements
        height, width = self.patch_size
        return f"Footprints({rows}x{columns} of {down}x{across} placements of {height}x{width} pixels)"


def _distinct(
    spans: Int[np.ndarray, "starts 2"],
) -> tuple[Int[np.ndarray, "distinct 2"], Int[np.ndarray, "starts"]]:
    """The distinct spans that are not empty, in order, and for each start the index of its own, or -1."""
    seen = spans[:, 0] < spans[:, 1]
    index = np.full(len(spans), -1)
    distinct, index[seen] = np.unique(spans[seen], axis=0, return_inverse=True)
    return distinct, index


def _intersections(
    spans: Int[np.ndarray, "spans 2"], positions: int, size: int
) -> tuple[Int[np.ndarray, "spans positions"], Int[np.ndarray, "spans positions"]]:
    """First and last + 1 cell that each span shares with the window at each position; equal if none."""
    position = np.arange(positions)
    first = np.maximum(spans[:, :1], position)
    return first, np.maximum(first, np.minimum(spans[:, 1:], position + size))
