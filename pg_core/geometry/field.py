"""Receptive fields: which features a patch can corrupt, which pixels a feature sees ([PG] Equation 1, theory §2)."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from pg_core.geometry.boxes import Patch, Size, Window, times
from pg_core.io.parameters import coerce_fields


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
        stride = str(self.stride[0]) if self.stride[0] == self.stride[1] else times(self.stride)
        padded = f", padded by {times(self.offset)}" if max(self.offset) else ""
        return f"{times(self.size)} pixels, stride {stride}{padded}"

    def map_size(self, image_size: Size) -> Size:
        """Rows and columns of the map for an image: floor((H + 2o - r)/s) + 1. Raises ValueError for an image that is
        smaller than the receptive field.

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
        """Features that a patch of p pixels can corrupt, at most: k = ceil((p + r - 1)/s) per axis ([PG] Equation 1).
        Raises ValueError for a patch without a pixel.

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
        """The features that see at least one pixel of the patch; None if no feature does. The footprint of bands may
        wrap around.

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
        """First and last + 1 feature along an axis that see one of the pixels [a, a + p), given as a and a + p; where
        no feature does, the first is not below the end.

        ceil((a + o - r + 1)/s) .. floor((a + o + p - 1)/s), cut to the map (theory §2). Spans of bands wrap around
        instead of being cut, so that their end may lie beyond the map; a patch that meets all bands has the span of
        all, from the first.
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
        """A placement of a patch (pixels) whose footprint is a window of Equation 1's size: its first pixel is the
        last that the window's first feature sees, s*i - o + r - 1 pixels down, and across (theory §2, Footprints;
        derived).

        For a window that only a patch around the edge of the image would reach, the patch is put as near as the image
        allows.

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
        """The pixels that the features of a window see: s*(k - 1) + r per axis. They may pass the border of the image:
        into the padding, or, with bands, around to the left edge."""
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
        """The smallest crop whose own map has the same features as the image's map in a window, and that window in the
        crop's map.

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
