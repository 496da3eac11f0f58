"""Which part of a photo a network sees, and what of it a patch on the original photo can touch (theory §1)."""

import math
from dataclasses import dataclass
from enum import StrEnum

from pg_core.geometry import Size
from pg_core.io.parameters import coerce_fields, member
from pg_core.networks.base import Part
from pg_core.photos.upright import SUPPORT

_SHORT_SIDE = 256 / 224
"""The short side of the photo in sizes of the network's image, as in ImageNet's evaluation."""
_MUCH_CUT_AWAY, _MUCH_ENLARGED = 0.25, 2.0
"""A share of the photo, and a factor for an axis, beyond which a person is told."""


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

    @property
    def share_seen(self) -> float:
        """Which share of the photo's area the network sees, in (0, 1].

        >>> round(frame((300, 400), (224, 224)).share_seen, 3)
        0.574
        """
        return math.prod(self.crop) / math.prod(self.photo_size)

    @property
    def enlargement(self) -> tuple[float, float]:
        """Pixels of the network's image for each pixel of the photo, along rows and along columns: below 1 where it is
        reduced. The two differ where the whole photo is stretched."""
        rows, columns = (n / c for n, c in zip(self.image_size, self.crop, strict=True))
        return rows, columns

    def sentence(self) -> str | None:
        """What has to be said of the photo where the network sees it much cut or much enlarged: more than a quarter
        cut away, or more than two pixels for one along an axis.

        >>> frame((100, 100), (224, 224)).sentence()
        'The network sees this photo enlarged 2.6 times (224x224 pixels made of 88x88).'
        """
        cut = 1 - self.share_seen > _MUCH_CUT_AWAY
        enlarged = self._enlarged()
        if not cut and not enlarged:
            return None
        seen = f"the middle {100 * self.share_seen:.0f} % of this photo" if cut else "this photo"
        if enlarged:
            seen += f"{',' if cut else ''} enlarged {enlarged}"
        (height, width), (rows, columns) = self.image_size, map(round, self.crop)
        made = f"({height}x{width} pixels made of {rows}x{columns})"
        rest = "; nothing is claimed about the rest" if cut else ""
        return f"The network sees {seen} {made}{rest}."

    def _enlarged(self) -> str:
        named = dict(zip(("height", "width"), self.enlargement, strict=True))
        much = {axis: factor for axis, factor in named.items() if factor > _MUCH_ENLARGED}
        if much and math.isclose(*self.enlargement, rel_tol=0.01):
            return f"{max(much.values()):.2g} times"
        return " and ".join(f"{factor:.2g} times in {axis}" for axis, factor in much.items())

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

    def __post_init__(self) -> None:
        coerce_fields(self)

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


def frame(photo_size: Size, image_size: Size, part: Part = Part.MIDDLE) -> Framing:
    """The part of a photo that a network sees: the middle, 224/256 of its short side, as in ImageNet's evaluation, or
    the whole of it, stretched; the whole in any case if it has the network's size already."""
    if photo_size == image_size or member(Part, part) is Part.WHOLE:
        return Framing(photo_size, (float(photo_size[0]), float(photo_size[1])), image_size)
    scale = min(n / m for n, m in zip(photo_size, image_size, strict=True)) / _SHORT_SIDE
    return Framing(photo_size, (image_size[0] * scale, image_size[1] * scale), image_size)


def _touched(patch: int, scale: float) -> int:
    if scale == 1:
        return patch
    support = SUPPORT * max(1.0, 1 / scale)
    return math.ceil(scale * (patch - 1 + 2 * support))
