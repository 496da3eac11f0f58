"""Where a certificate holds: at the windows of a map of features, or at the placements of a patch of pixels."""

from dataclasses import dataclass

from pg_core.geometry.boxes import Patch, Size, Window
from pg_core.geometry.field import ReceptiveField
from pg_core.geometry.windows import Windows
from pg_core.io.parameters import coerce_fields


@dataclass(frozen=True, slots=True)
class PatchPositions:
    """All placements of a patch on an image, by the row and column of its top left pixel.

    Where all rows are alike, as for column bands, which see the whole height of the image, there is one row of
    positions, which stands for all; columns likewise. Raises ValueError for a patch that does not fit into the image.

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

    @property
    def field(self) -> ReceptiveField:
        """The receptive field under which positions are windows: single pixels, or whole rows or columns that are
        alike."""
        rows, columns = self.image_size
        size = rows if self.rows_alike else 1, columns if self.columns_alike else 1
        return ReceptiveField(size, size)

    @property
    def windows(self) -> Windows:
        """The positions as windows of the map of that receptive field."""
        return Windows(self.field.map_size(self.image_size), self.field.window_size(self.patch_size))

    def extent(self, row: int, column: int) -> Patch:
        """The pixels that a position stands for: those of its patch, over all rows or columns that are alike."""
        patch, (height, width) = self.patch(row, column), self.image_size
        top, left = 0 if self.rows_alike else patch.top, 0 if self.columns_alike else patch.left
        tall, wide = height if self.rows_alike else patch.height, width if self.columns_alike else patch.width
        return Patch(top, left, tall, wide)

    def patch(self, row: int, column: int) -> Patch:
        """The patch at a position; where all rows or columns are alike, the first of them. Raises IndexError for
        another position."""
        if not (0 <= row < self.shape[0] and 0 <= column < self.shape[1]):
            raise IndexError(
                f"expected a position within {self.shape[0]}x{self.shape[1]}, got ({row}, {column})"
            )
        return Patch(row, column, *self.patch_size)

    def at(self, index: int) -> Patch:
        """The patch at a flat, row-major position."""
        return self.patch(*divmod(index, self.shape[1]))

    def containing(self, patch: Patch) -> Patch | None:
        """The first position whose patch contains this one; rows or columns that are all alike do not count. None for
        a patch that is larger than `patch_size` along an axis that counts."""
        alike = self.rows_alike, self.columns_alike
        if any(p > k and not same for p, k, same in zip(patch.size, self.patch_size, alike, strict=True)):
            return None
        row = 0 if self.rows_alike else max(0, patch.bottom - self.patch_size[0])
        return self.patch(row, 0 if self.columns_alike else max(0, patch.right - self.patch_size[1]))


def box_at(positions: "Positions", row: int, column: int) -> Window | Patch:
    """The window or the patch at a position; its top and left are the position again."""
    if isinstance(positions, Windows):
        return positions.window(row, column)
    return positions.patch(row, column)


Positions = Windows | PatchPositions
