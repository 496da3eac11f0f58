"""Where a certificate holds: at the windows of a map of features, or at the placements of a patch of pixels."""

from dataclasses import dataclass

from pg_core.geometry.boxes import Patch, Size
from pg_core.geometry.windows import Windows
from pg_core.io.parameters import coerce_fields


@dataclass(frozen=True, slots=True)
class PatchPositions:
    """All placements of a patch on an image, by the row and column of its top left pixel.

    Where all rows are alike, as to column bands that see the whole height of the image, there is one row of positions,
    which stands for all; columns likewise.

    >>> PatchPositions((32, 32), (5, 5)).shape
    (28, 28)
    """

    image_size: Size
    patch_size: Size
    rows_alike: bool = False
    columns_alike: bool = False

    def __post_init__(self) -> None:
        coerce_fields(self)
        if not all(1 <= p <= n for p, n in zip(self.patch_size, self.image_size, strict=True)):
            raise ValueError(f"expected a patch within {self.image_size} pixels, got {self.patch_size}")

    @property
    def shape(self) -> Size:
        """Rows and columns of positions."""
        rows, columns = (n - p + 1 for n, p in zip(self.image_size, self.patch_size, strict=True))
        return 1 if self.rows_alike else rows, 1 if self.columns_alike else columns

    @property
    def count(self) -> int:
        return self.shape[0] * self.shape[1]

    def patch(self, row: int, column: int) -> Patch:
        """The patch at a position; where all rows or columns are alike, the first of them."""
        if not (0 <= row < self.shape[0] and 0 <= column < self.shape[1]):
            raise IndexError(
                f"expected a position within {self.shape[0]}x{self.shape[1]}, got ({row}, {column})"
            )
        return Patch(row, column, *self.patch_size)

    def at(self, index: int) -> Patch:
        """The patch at a flat, row-major position."""
        return self.patch(*divmod(index, self.shape[1]))


Positions = Windows | PatchPositions
