"""A decoded photo, converted to upright sRGB a few rows at a time, for the whole of a large one takes too much memory.

Not here: how a file is decoded, see `pg_core.photos.formats`, and which part of a photo a network sees, see
`pg_core.photos.read`.
"""

import math
from collections.abc import Iterator

import numpy as np
from PIL import ExifTags, Image

from pg_core.geometry import Size
from pg_core.photos.colour import to_srgb
from pg_core.photos.formats import orientation_in
from pg_core.photos.memory import give_back

SMALL = 2**22
"""Photos of at most so many pixels are resized at once by Pillow, which does rows or columns first, whichever costs
less; what is measured on data sets was measured so."""
_PIXELS_AT_ONCE = 2**18
"""Of a band of rows: some copies of it exist at the same time, of 4 bytes for each pixel."""
SUPPORT = 2.0
"""Of the bicubic kernel, in source pixels when enlarging and in target pixels when reducing."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each EXIF orientation. `PIL.ImageOps.exif_transpose`, with which the tests compare it, turns photos as a
whole only, and reads EXIF by a parser that warns of broken ones."""
_SIDEWAYS = (
    Image.Transpose.TRANSPOSE,
    Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSVERSE,
    Image.Transpose.ROTATE_90,
)
_FROM_THE_END = (
    Image.Transpose.ROTATE_180,
    Image.Transpose.FLIP_TOP_BOTTOM,
    Image.Transpose.TRANSVERSE,
    Image.Transpose.ROTATE_90,
)
"""Turns after which the first upright row is the last row, or the last column, of what the file stores."""


class UprightPhoto:
    """A photo of any mode of 8 or 16 bits, loaded, as upright sRGB: its EXIF orientation is honoured, its embedded
    profile converted (`pg_core.photos.colour`), transparency laid over white, and 16 bits are rounded to 8."""

    def __init__(self, stored: Image.Image) -> None:
        self._stored = stored
        self._turn = _turn(stored)
        sideways = self._turn in _SIDEWAYS
        self.size: Size = (stored.width, stored.height) if sideways else (stored.height, stored.width)

    def rows(self, top: int, bottom: int) -> Image.Image:
        """The upright RGB rows from top up to bottom."""
        if self._turn is None:
            return _rgb(self._stored.crop((0, top, self._stored.width, bottom)))
        if self._turn in _FROM_THE_END:
            top, bottom = self.size[0] - bottom, self.size[0] - top
        if self._turn in _SIDEWAYS:
            part = (top, 0, bottom, self._stored.height)
        else:
            part = (0, top, self._stored.width, bottom)
        return _rgb(self._stored.crop(part).transpose(self._turn))

    @property
    def transparent(self) -> bool:
        """Whether any pixel is not opaque."""
        stored = self._stored
        if not _has_alpha(stored) or stored.mode.startswith("I"):
            return False  # a grey of 16 bits keeps its transparent value, but is not shown so
        step = max(1, _PIXELS_AT_ONCE // stored.width)
        for top in range(0, stored.height, step):
            band = stored.crop((0, top, stored.width, min(stored.height, top + step)))
            if np.asarray(_rgba(band).getchannel("A")).min() < 255:
                return True
        return False

    def whole(self) -> Image.Image:
        """All rows; of a large photo that takes as much memory as the photo itself."""
        height, width = self.size
        photo = Image.new("RGB", (width, height))
        for top, band in self._bands(0, height):
            photo.paste(band, (0, top))
        return photo

    def resized(self, box: tuple[float, float, float, float], size: Size) -> Image.Image:
        """What is inside a box (top, left, bottom, right; in pixels, which they may cut) as an image of this size, by
        bicubic interpolation over all pixels, as `PIL.Image.Image.resize` does it; of a large photo along rows first,
        then along columns."""
        top, left, bottom, right = box
        height, width = size
        if self.size[0] * self.size[1] <= SMALL:
            at_once = (left, top, right, bottom)
            return self.rows(0, self.size[0]).resize((width, height), Image.Resampling.BICUBIC, at_once)
        reach = SUPPORT * max(1.0, (bottom - top) / height) + 1
        first, last = max(0, math.floor(top - reach)), min(self.size[0], math.ceil(bottom + reach))
        narrow = Image.new("RGB", (width, last - first))
        for at, band in self._bands(first, last):
            shape, part = (width, band.height), (left, 0, right, band.height)
            narrow.paste(band.resize(shape, Image.Resampling.BICUBIC, part), (0, at - first))
        return narrow.resize(
            (width, height), Image.Resampling.BICUBIC, (0, top - first, width, bottom - first)
        )

    def release(self) -> None:
        """Forget the pixels, which nobody asks for any more; the memory of a large photo goes back to the system."""
        self._stored = Image.new("L", (1, 1))
        if self.size[0] * self.size[1] > SMALL:  # a small one leaves little
            give_back()

    def _bands(self, first: int, last: int) -> Iterator[tuple[int, Image.Image]]:
        step = max(1, _PIXELS_AT_ONCE // self.size[1])
        for top in range(first, last, step):
            yield top, self.rows(top, min(last, top + step))


def _turn(photo: Image.Image) -> Image.Transpose | None:
    exif = photo.info.get("exif")
    try:
        orientation = (
            orientation_in(exif)
            if isinstance(exif, bytes)
            else photo.getexif().get(ExifTags.Base.Orientation, 1)
        )
    except Exception:  # unreadable EXIF says nothing; the pixels are still a photo
        return None
    return _TURNS.get(orientation)


def _rgb(photo: Image.Image) -> Image.Image:
    profile = photo.info.get("icc_profile")
    if photo.mode.startswith("I"):
        return to_srgb(_eight_bits(photo), profile).convert("RGB")
    mode = "L" if photo.mode in ("1", "L", "LA", "La") else "CMYK" if photo.mode == "CMYK" else "RGB"
    if _has_alpha(photo):
        opaque = _rgba(photo)
        rgba = to_srgb(opaque.convert(mode), profile).convert("RGB")
        rgba.putalpha(opaque.getchannel("A"))
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return to_srgb(photo.convert(mode), profile).convert("RGB")


def _has_alpha(photo: Image.Image) -> bool:
    return photo.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in photo.info


def _rgba(photo: Image.Image) -> Image.Image:
    return photo.convert("LA").convert("RGBA") if photo.mode == "La" else photo.convert("RGBA")


def _eight_bits(photo: Image.Image) -> Image.Image:
    """Grey of 16 bits; 257 is odd, so that no value lies halfway."""
    return Image.fromarray(((np.asarray(photo).astype(np.uint32) + 128) // 257).astype(np.uint8))
