"""The contents of a patch that a person can choose, and how they are pasted on an image.

Not here: optimised contents, see `pg_core.attacks` (theory §12).
"""

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from pg_core.geometry import Patch, Size
from pg_core.networks.base import Pixels, check_pixels

PatchPixels = Float32[np.ndarray, "3 patch_height patch_width"]
"""What is in a patch: red, green, blue in [0, 1]."""


def noise(size: Size, seed: int = 0) -> PatchPixels:
    """Independent uniform values in [0, 1]; the same for the same seed."""
    return np.random.default_rng(seed).random((3, *size), np.float32)


def solid(size: Size, colour: tuple[int, int, int]) -> PatchPixels:
    """One colour, red, green, blue in 0..255."""
    values = np.array(colour, np.float32)[:, None, None] / np.float32(255)
    return np.broadcast_to(values, (3, *size)).copy()


def checkerboard(size: Size, side: int = 8) -> PatchPixels:
    """Black and white squares of `side` pixels, the first one black."""
    rows, columns = np.indices(size) // side
    return np.broadcast_to(((rows + columns) % 2).astype(np.float32), (3, *size)).copy()


def sticker(size: Size, picture: Image.Image) -> PatchPixels:
    """A picture, stretched to the size of the patch. One that holds each pixel of the patch as a block of one colour,
    of any size, gives these pixels back as they are."""
    blocks = _blocks(size, np.asarray(picture.convert("RGB")))
    if blocks is not None:
        return np.ascontiguousarray(blocks.transpose(2, 0, 1).astype(np.float32) / np.float32(255))
    resized = picture.resize((size[1], size[0]), Image.Resampling.BICUBIC)
    return np.ascontiguousarray(np.asarray(resized, np.float32).transpose(2, 0, 1) / np.float32(255))


def enlarged(size: Size, picture: Image.Image, smallest: int) -> Image.Image:
    """A picture of this size in blocks, so that no side has fewer than `smallest` pixels; `sticker` gives it back."""
    factor = -(-smallest // min(size))
    height, width = size
    return picture.resize((factor * width, factor * height), Image.Resampling.NEAREST)


def _blocks(
    size: Size, picture: UInt8[np.ndarray, "height width 3"]
) -> UInt8[np.ndarray, "patch_height patch_width 3"] | None:
    """The colours of the blocks that a picture is made of, one for each pixel of a patch; None if it is not."""
    rows, columns = (length // n for length, n in zip(picture.shape[:2], size, strict=True))
    if min(rows, columns) < 1:
        return None
    first = picture[::rows, ::columns]
    whole = first.repeat(rows, axis=0).repeat(columns, axis=1)
    return first if np.array_equal(whole, picture) else None


def paste(pixels: Pixels, patch: Patch, contents: PatchPixels) -> Pixels:
    """A copy of the image with the contents in place of the patch's pixels. Raises ValueError for contents of another
    size, and for a patch that is not inside the image."""
    for values in (pixels, contents):
        check_pixels(values)
    if contents.shape[1:] != patch.size:
        raise ValueError(f"expected contents of {patch.size}, got {contents.shape[1:]}")
    height, width = pixels.shape[1:]
    if patch.top < 0 or patch.left < 0 or patch.bottom > height or patch.right > width:
        raise ValueError(f"expected a patch within {height}x{width} pixels, got {patch}")
    patched = pixels.copy()
    patched[:, *patch.slices] = contents
    return patched
