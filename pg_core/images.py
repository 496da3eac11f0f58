"""Photos, hostile ones included, as the pixels that a network sees; and patches pasted on them.

The photo is turned upright, cropped to the middle and resized once, so that what a patch on the *original*
photo touches after resizing is known exactly (section 1). It leaves out data sets of photos.
"""

import io
import math
import warnings
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from pg_core.geometry import Size
from pg_core.models.local import Part, Pixels

FORMATS = ("JPEG", "PNG", "WEBP")
MAX_BYTES = 20 * 2**20
MAX_PIXELS = 50_000_000
MIN_SIDE = 16
MAX_ASPECT = 16
_SHORT_SIDE = 256 / 224
"""The short side of the photo in sizes of the network's image, as in ImageNet's evaluation."""
_SUPPORT = 2.0
"""Support of the bicubic kernel, in source pixels when enlarging and in target pixels when reducing."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each EXIF orientation."""


class ImageError(ValueError):
    """A file that is no usable photo; the text is one sentence for the person who gave it."""


@dataclass(frozen=True, slots=True)
class Framing:
    """Which part of a photo the network sees: `crop` source pixels (height, width) from the middle, resized
    to `image_size`."""

    photo_size: Size
    crop: tuple[float, float]
    image_size: Size

    @property
    def top_left(self) -> tuple[float, float]:
        """Where the crop begins, in whole source pixels: half a pixel would blur, and spread a patch, even
        where nothing is resized."""
        top, left = ((n - c) // 2 for n, c in zip(self.photo_size, self.crop, strict=True))
        return top, left

    def patch_on_network(self, patch_size: Size) -> Size:
        """Pixels of the network's image that a patch of the *original* photo's pixels can touch.

        A target pixel is touched if the kernel around its centre reaches the centre of a patch pixel:
        ceil(scale * (p - 1 + 2 * support)) per axis, and just p where nothing is resized.

        >>> Framing((32, 32), (32.0, 32.0), (192, 192)).patch_on_network((5, 5))
        (48, 48)
        """
        height, width = (
            min(n, _touched(p, n / c)) for p, n, c in zip(patch_size, self.image_size, self.crop, strict=True)
        )
        return height, width


class Space(StrEnum):
    """Where the adversary's patch is measured, and so where the guarantee holds."""

    NETWORK = "network"
    """On the image that the network sees, after cropping and resizing."""
    PHOTO = "photo"
    """On the original photo: resizing spreads such a patch over its border."""


@dataclass(frozen=True, slots=True)
class Threat:
    """The adversary's budget: one rectangle of at most patch_size pixels, anywhere, with any content."""

    patch_size: Size
    space: Space = Space.NETWORK

    def on_network(self, framing: Framing) -> Size:
        """Pixels of the network's image that the patch can touch.

        Raises ValueError for a patch larger than the image that it is put on.
        """
        image = framing.image_size if self.space is Space.NETWORK else framing.photo_size
        if not (1 <= self.patch_size[0] <= image[0] and 1 <= self.patch_size[1] <= image[1]):
            raise ValueError(
                f"expected a patch of 1x1 to {image[0]}x{image[1]} pixels, the size of the image, "
                f"got {self.patch_size[0]}x{self.patch_size[1]}"
            )
        return self.patch_size if self.space is Space.NETWORK else framing.patch_on_network(self.patch_size)


def square(share: float, image_size: Size) -> Size:
    """The square patch that covers at least a share in (0, 1] of an image, a rectangle where none fits.

    >>> square(0.02, (224, 224))
    (32, 32)
    """
    if not 0 < share <= 1:
        raise ValueError(f"expected more than 0 and at most 100 % of the image, got {100 * share:g} %")
    area = share * image_size[0] * image_size[1]
    side = min(math.ceil(math.sqrt(area)), *image_size)
    other = max(side, math.ceil(area / side))
    return (side, other) if image_size[0] <= image_size[1] else (other, side)


def decode(data: bytes) -> Image.Image:
    """The upright RGB photo in the bytes of a JPEG, PNG or WebP file.

    EXIF orientation is honoured; grey, palette, CMYK and 16-bit images are converted, transparency is laid
    over white. Raises ImageError for anything else, for more than MAX_BYTES or MAX_PIXELS (checked before
    decoding), and for strips and specks that no classifier can look at.
    """
    if len(data) > MAX_BYTES:
        raise ImageError(f"The file is too large; at most {MAX_BYTES // 2**20} MB are read.")
    with warnings.catch_warnings():
        # What Pillow warns of is either refused below or, like broken EXIF, no reason to refuse a photo.
        warnings.simplefilter("ignore")
        return _decode(data)


def _decode(data: bytes) -> Image.Image:
    try:
        photo = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise ImageError(
            f"The image has too many pixels; at most {MAX_PIXELS // 10**6} million are read."
        ) from error
    except Exception as error:
        raise ImageError("This is not a JPEG, PNG or WebP image.") from error
    width, height = photo.size
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"The image has {width}x{height} pixels; at most {MAX_PIXELS // 10**6} million are read."
        )
    if min(width, height) < MIN_SIDE or max(width, height) > MAX_ASPECT * min(width, height):
        raise ImageError(
            f"The image has {width}x{height} pixels; expected sides of at least {MIN_SIDE} pixels, "
            f"none more than {MAX_ASPECT} times the other."
        )
    try:
        return upright_rgb(photo)
    except Exception as error:  # a decoder may fail on hostile bytes in any way it likes
        raise ImageError("The image is damaged or cut short.") from error


def read(path: str | Path) -> Image.Image:
    """The photo in a file; raises ImageError if it is none."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ImageError(f"{path.name}: {error.strerror or 'cannot be read'}.") from error
    try:
        return decode(data)
    except ImageError as error:
        raise ImageError(f"{path.name}: {error}") from error


def upright_rgb(photo: Image.Image) -> Image.Image:
    """A photo of any mode as `decode` returns it; one that has been through this stays as it is."""
    photo.load()
    rgb = _to_rgb(_upright(photo)).copy()
    rgb.info.clear()  # or its orientation would be honoured twice
    return rgb


def frame(photo_size: Size, image_size: Size, part: Part = Part.MIDDLE) -> Framing:
    """The part of a photo that a network sees: the middle, 224/256 of its short side, as in ImageNet's evaluation, or
    the whole of it, stretched; the whole in any case if it has the network's size already."""
    if photo_size == image_size or part is Part.WHOLE:
        return Framing(photo_size, (float(photo_size[0]), float(photo_size[1])), image_size)
    scale = min(n / m for n, m in zip(photo_size, image_size, strict=True)) / _SHORT_SIDE
    return Framing(photo_size, (image_size[0] * scale, image_size[1] * scale), image_size)


def to_pixels(photo: Image.Image, image_size: Size, part: Part = Part.MIDDLE) -> Pixels:
    """What a network of this image size sees of the photo."""
    framing = frame((photo.height, photo.width), image_size, part)
    height, width = image_size
    if framing.photo_size != image_size:
        top, left = framing.top_left
        box = (left, top, left + framing.crop[1], top + framing.crop[0])
        photo = photo.resize((width, height), Image.Resampling.BICUBIC, box=box)
    return np.ascontiguousarray(np.asarray(photo, np.float32).transpose(2, 0, 1) / np.float32(255))


def to_photo(pixels: Pixels) -> Image.Image:
    """Pixels as an 8-bit image."""
    return Image.fromarray(np.rint(pixels.transpose(1, 2, 0) * 255).astype(np.uint8))


def _touched(patch: int, scale: float) -> int:
    if scale == 1:
        return patch
    support = _SUPPORT * max(1.0, 1 / scale)
    return math.ceil(scale * (patch - 1 + 2 * support))


def _upright(photo: Image.Image) -> Image.Image:
    try:
        turn = _TURNS.get(photo.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # unreadable EXIF says nothing; the pixels are still a photo
        return photo
    return photo if turn is None else photo.transpose(turn)


def _to_rgb(photo: Image.Image) -> Image.Image:
    if photo.mode.startswith("I") or photo.mode == "F":
        values = np.asarray(photo, np.float64) / 257  # 16-bit PNG, the only such mode in these formats
        return Image.fromarray(np.rint(np.clip(values, 0, 255)).astype(np.uint8)).convert("RGB")
    if photo.mode in ("RGBA", "LA", "PA") or "transparency" in photo.info:
        opaque = photo.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", opaque.size, "white"), opaque).convert("RGB")
    return photo.convert("RGB")
