"""The mask set of PatchCleanser: masks of pixels, one of which covers the patch wherever it is (theory §9,
PatchCleanser).

From [PC] section 3.4 (Xiang, Mahloujifar, Mittal 2022). Not here: predictions under the masks, see
`pg_core.defences.patchcleanser.inference`.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from pg_core.geometry import Patch, PatchPositions, Size
from pg_core.io.parameters import coerce_fields


@dataclass(frozen=True, slots=True)
class MaskSet:
    """At most `per_axis` x `per_axis` masks of one size, the smallest for which each placement of a patch lies in one
    of them. Raises ValueError for a patch that does not fit into the image, and per_axis < 1.

    >>> masks = MaskSet((224, 224), (32, 32))
    >>> masks.stride, masks.mask_size, masks.starts(0)
    ((33, 33), (64, 64), (0, 33, 66, 99, 132, 160))
    """

    image_size: Size
    patch_size: Size
    per_axis: int = 6

    def __post_init__(self) -> None:
        coerce_fields(self)
        if not all(1 <= p <= n for p, n in zip(self.patch_size, self.image_size, strict=True)):
            raise ValueError(f"expected a patch within {self.image_size} pixels, got {self.patch_size}")
        if self.per_axis < 1:
            raise ValueError(f"expected per_axis >= 1, got {self.per_axis}")

    @property
    def stride(self) -> Size:
        """d = ceil((N - p + 1)/k) pixels between masks."""
        down, across = (
            -(-(n - p + 1) // self.per_axis) for n, p in zip(self.image_size, self.patch_size, strict=True)
        )
        return down, across

    @property
    def mask_size(self) -> Size:
        """min(p + d - 1, N): a patch that begins less than d pixels after a mask ends in it."""
        height, width = (
            min(p + d - 1, n) for n, p, d in zip(self.image_size, self.patch_size, self.stride, strict=True)
        )
        return height, width

    @property
    def shape(self) -> Size:
        """The numbers of masks along rows and along columns."""
        return len(self.starts(0)), len(self.starts(1))

    @property
    def count(self) -> int:
        return self.shape[0] * self.shape[1]

    @property
    def positions(self) -> PatchPositions:
        """The placements of the patch."""
        return PatchPositions(self.image_size, self.patch_size)

    def starts(self, axis: int) -> tuple[int, ...]:
        """First pixels of the masks along an axis: 0, d, 2d, ... and N - side."""
        last = self.image_size[axis] - self.mask_size[axis]
        return (*range(0, last, self.stride[axis]), last)

    def at(self, index: int) -> Patch:
        """The mask with this index, in row-major order."""
        row, column = divmod(index, self.shape[1])
        return Patch(self.starts(0)[row], self.starts(1)[column], *self.mask_size)

    def covers(self, axis: int) -> Bool[np.ndarray, "placements masks"]:
        """Whether the span of each mask along an axis contains that of the patch at each placement."""
        place, start = np.arange(self.positions.shape[axis])[:, None], np.array(self.starts(axis))
        end = start + self.mask_size[axis]
        return (start <= place) & (place + self.patch_size[axis] <= end)
