"""Photos, hostile ones included, as the pixels that a network sees.

The photo is turned upright, cropped or laid between bars, and resized once, so that what a patch on the *original*
photo touches after resizing is known exactly (`pg_core.photos.framing`). A photo may take `MAX_DECODED_BYTES` to be
decoded: two of the largest are decoded at once, or many small ones, while others wait. Not here: data sets of photos,
how a format is told (`pg_core.photos.formats`), and upright sRGB (`pg_core.photos.upright`).
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from pg_core.evidence.arrays import type_and_shape
from pg_core.geometry import Size
from pg_core.io.files import UnreadableError, regular
from pg_core.io.printable import printable
from pg_core.networks.base import Part, Pixels
from pg_core.photos.formats import Declared, declared_size, kind_of, opened
from pg_core.photos.framing import USUAL, Framing, View, frame
from pg_core.photos.memory import SharedMemory
from pg_core.photos.upright import SMALL, UprightPhoto

FORMATS: dict[str, tuple[str, ...]] = {
    "JPEG": (".jpg", ".jpeg", ".jfif", ".jpe", ".mpo"),
    "PNG": (".png",),
    "WebP": (".webp",),
    "AVIF": (".avif",),
    "HEIC": (".heic", ".heif", ".hif"),
}
"""The formats that are read, by content, and the suffixes of their files. MPO, in which phones and stereo cameras keep
several pictures, begins with a JPEG, and often ends in .jpg."""
SUFFIXES = tuple(suffix for suffixes in FORMATS.values() for suffix in suffixes)
READABLE = f"{', '.join(list(FORMATS)[:-1])} and {list(FORMATS)[-1]}"
"""The formats in words."""
MAX_BYTES = 20 * 2**20
MAX_PIXELS = 50_000_000
MAX_DECODED_BYTES = 235 * 2**20
"""What decoding a photo may take, copies of its file included. Where a format needs more than 4 bytes for each pixel,
fewer pixels than `MAX_PIXELS` are read of it."""
REDUCED = 1024
"""The longer side of what `reduced` makes of a photo, in pixels."""
MIN_SIDE = 16
MAX_ASPECT = 16
BAR = (128, 128, 128)
"""The colour of bars: a grey that is within half a standard deviation of the mean that ImageNet's networks take
from each channel. Black is 1.8 to 2.1 of them away, with a stronger edge to most photos."""
_memory = SharedMemory(2 * MAX_DECODED_BYTES)
_IMAGE_BYTES, _COPY_BYTES = 4.0, 12.0
"""Of a pixel of an image that is no file, and for the copies of a photo of up to `SMALL` pixels, resized at once."""
_DAMAGED = "The image is damaged or cut short."
_NO_IMAGES = ("PDF", "PostScript", "ZIP", "video")


class ImageError(ValueError):
    """A file that is no usable photo; the text is one sentence for the person who gave it."""


@dataclass(frozen=True, slots=True, eq=False)
class FramedPhoto:
    """The pixels that a network sees of a photo, and which part of the photo they are."""

    framing: Framing
    pixels: Pixels


def framed(
    photo: Image.Image | Path | str | bytes,
    image_size: Size,
    part: Part = Part.MIDDLE,
    view: View | str = USUAL,
) -> FramedPhoto:
    """What a network of this image size sees of a photo, given as such, as the path or as the bytes of its file,
    without the memory for all of it in RGB. Raises ImageError as `decode` and `upright_rgb` do, and ValueError for a
    view outside the photo."""
    with _upright(photo) as upright:
        framing = frame(upright.size, image_size, part, view)
        return FramedPhoto(framing, _pixels(upright, framing))


class Reduced(NamedTuple):
    """A small copy of a photo, the size of the photo, and whether any of it is transparent."""

    copy: Image.Image
    size: Size
    transparent: bool


def reduced(photo: Image.Image | Path | str | bytes) -> Reduced:
    """A photo with a longer side of at most `REDUCED` pixels, as it is where it is small. Raises ImageError as
    `decode` and `upright_rgb` do."""
    with _upright(photo) as upright:
        height, width = upright.size
        factor = min(1.0, REDUCED / max(height, width))
        size = max(1, round(factor * height)), max(1, round(factor * width))
        if size == upright.size:
            copy = upright.whole()
        else:
            copy = upright.resized((0.0, 0.0, float(height), float(width)), size)
        return Reduced(copy, upright.size, upright.transparent)


def decode(data: bytes) -> Image.Image:
    """The upright RGB photo, in sRGB, in the bytes of a JPEG, PNG, WebP, AVIF or HEIC file, of several pictures the
    first.

    EXIF orientation is honoured; grey, palette, CMYK and 16-bit images are converted, transparency is laid over
    white. An embedded ICC profile is converted to sRGB (`pg_core.photos.colour`, which says what that changes);
    colours that a file declares in another way (nclx, gAMA) are taken as sRGB. Raises ImageError for anything else,
    for more than MAX_BYTES or MAX_PIXELS, for more pixels than its decoder has MAX_DECODED_BYTES for, and for
    strips and specks that no classifier can look at (all checked before decoding).
    """
    with _upright(data) as photo:
        return photo.whole()


def read(path: str | Path) -> Image.Image:
    """The photo in a file, as `decode` returns it; raises ImageError if it is none."""
    with _upright(Path(path)) as photo:
        return photo.whole()


def upright_rgb(photo: Image.Image) -> Image.Image:
    """A photo of any mode of 8 or 16 bits as `decode` returns it; one that has been through this stays as it is.

    Raises ImageError for what `decode` refuses, and for pixels that are no numbers of 8 or 16 bits.
    """
    with _upright(photo) as upright:
        return upright.whole()


def to_pixels(
    photo: Image.Image, image_size: Size, part: Part = Part.MIDDLE, view: View | str = USUAL
) -> Pixels:
    """What a network of this image size sees of an RGB photo, however small. Raises ValueError for a view outside the
    photo."""
    upright = UprightPhoto(photo)
    return _pixels(upright, frame(upright.size, image_size, part, view))


def to_photo(pixels: Pixels) -> Image.Image:
    """Pixels [3, height, width] in [0, 1] as an 8-bit RGB image."""
    return Image.fromarray(np.rint(pixels.transpose(1, 2, 0) * 255).astype(np.uint8))


def between_bars(content: Image.Image, framing: Framing) -> Image.Image:
    """An RGB picture in the place that a framing leaves it between its bars."""
    height, width = framing.image_size
    image = Image.new("RGB", (width, height), BAR)
    image.paste(content, (framing.content.left, framing.content.top))
    return image


@contextmanager
def _upright(photo: Image.Image | Path | str | bytes) -> Iterator[UprightPhoto]:
    """A photo that is decoded, while it may take the memory that this needs."""
    match photo:
        case bytes() | Image.Image():
            source = photo
        case Path() | str():
            source = _content(Path(photo))
        case _:
            raise ImageError(f"Expected a photo or the path of one, got {type_and_shape(photo)}.")
    try:
        # What is opened to know what it needs is forgotten: it holds copies of the file, and may have to wait.
        with _memory.taken(_needed(source)):
            upright = _loaded(_opened(source)[0] if isinstance(source, bytes) else source)
            yield upright
            upright.release()
    except ImageError as error:
        if isinstance(photo, bytes | Image.Image):
            raise
        raise ImageError(f"{printable(Path(photo).name)}: {error}") from error


def _content(path: Path) -> bytes:
    try:
        with regular(path) as file:
            return file.read(MAX_BYTES + 1)
    except UnreadableError as error:
        raise ImageError(f"{printable(path.name)}: {error.reason}.") from error


def _needed(photo: Image.Image | bytes) -> int:
    """The most bytes that decoding takes, at most `MAX_DECODED_BYTES`. Raises ImageError for what needs more."""
    declared = _declared(photo) if isinstance(photo, bytes) else Declared(*photo.size, _IMAGE_BYTES)
    pixels, file = declared.width * declared.height, len(photo) if isinstance(photo, bytes) else 0
    decoded = 2 * file + declared.bytes_per_pixel * pixels + _COPY_BYTES * min(pixels, SMALL)
    return min(MAX_DECODED_BYTES, math.ceil(decoded))


def _declared(data: bytes) -> Declared:
    """What the header of a photo says, if the memory for it is small enough."""
    if len(data) > MAX_BYTES:
        raise ImageError(f"The file is too large; at most {MAX_BYTES // 2**20} MB are read.")
    kind = kind_of(data)
    if kind not in FORMATS:
        raise ImageError(_refusal(kind, data))
    declared = declared_size(kind, data)
    if declared is None:
        return _opened(data)[1]
    _check_memory(declared, kind, data)
    return declared


def _opened(data: bytes) -> tuple[Image.Image, Declared]:
    """A photo that is not decoded yet."""
    kind = kind_of(data)
    try:
        photo, declared = opened(kind, data)
    except ImportError as error:
        raise ImageError(f"{error}.") from error
    except Exception as error:  # a decoder may fail on hostile bytes in any way it likes
        raise ImageError(_DAMAGED) from error
    _check_memory(declared, kind, data)
    return photo, declared


def _loaded(photo: Image.Image) -> UprightPhoto:
    _check_size(*photo.size)
    if photo.mode == "F":
        raise ImageError(
            "The image has floating-point pixels; expected 8 bits for each channel: Image.fromarray of "
            "np.rint(255 * values).astype(np.uint8) for values from 0 to 1."
        )
    try:
        photo.load()
        upright = UprightPhoto(photo)
        upright.rows(0, 1)  # Whether the mode can be converted at all.
    except Exception as error:  # here too
        raise ImageError(_DAMAGED) from error
    _check_size(*photo.size)  # HEIC says its true size when it is decoded
    lowest, highest = np.array(photo.getextrema() if photo.mode == "I" else (0, 0))
    if not 0 <= lowest <= highest < 2**16:
        raise ImageError(
            f"The image has pixels from {lowest} to {highest}; expected 0 to 65535 where they are integers of "
            "more than 8 bits."
        )
    return upright


def _pixels(photo: UprightPhoto, framing: Framing) -> Pixels:
    if framing.photo_size == framing.image_size:
        seen = photo.whole()
    else:
        top, left = framing.top_left
        bottom, right = (
            min(float(n), start + c)
            for n, start, c in zip(framing.photo_size, framing.top_left, framing.crop, strict=True)
        )
        seen = photo.resized((float(top), float(left), bottom, right), framing.content.size)
    if framing.share_of_bars:
        seen = between_bars(seen, framing)
    return np.ascontiguousarray(np.asarray(seen, np.float32).transpose(2, 0, 1) / np.float32(255))


def _refusal(kind: str, data: bytes) -> str:
    if not data:
        what = "The file is empty"
    elif kind == "text":
        what = "This is text, not an image"
    elif kind == "unknown":
        what = "This is no image of a known format"
    else:
        article = "an" if kind == "SVG" else "a"
        what = f"This is {article} {kind} {'file' if kind in _NO_IMAGES else 'image'}"
    return f"{what}; {READABLE} are read: export the photo as JPEG."


def _check_memory(declared: Declared, kind: str, data: bytes) -> None:
    _check_size(declared.width, declared.height)
    most = (MAX_DECODED_BYTES - 2 * len(data)) / declared.bytes_per_pixel
    if declared.width * declared.height > most:
        raise ImageError(
            f"The image has {declared.width}x{declared.height} pixels; of a {kind} file like this one at most "
            f"{most / 10**6:.0f} million are read: export it smaller."
        )


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"The image has {width}x{height} pixels; at most {MAX_PIXELS // 10**6} million are read."
        )
    if min(width, height) < MIN_SIDE or max(width, height) > MAX_ASPECT * min(width, height):
        raise ImageError(
            f"The image has {width}x{height} pixels; expected sides of at least {MIN_SIDE} pixels, "
            f"none more than {MAX_ASPECT} times the other."
        )
