"""Which part of a photo a network sees, and how many pixels of the network's image a patch on the original photo can
touch (theory §1).

Not here: the pixels, see `pg_core.photos.read`.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from pg_core.geometry import Box, Size
from pg_core.io.parameters import coerce_fields, member, position_of, shown
from pg_core.networks.base import Part
from pg_core.photos.upright import SUPPORT

_SHORT_SIDE = 256 / 224
"""The short side of the photo in sizes of the network's image, as in ImageNet's evaluation."""
_MUCH_CUT_AWAY, _MUCH_ENLARGED = 0.25, 2.0
"""A share of the photo, and a factor for an axis, beyond which a person is told."""


class Fit(StrEnum):
    """How a photo is made to fit the image of a network."""

    USUAL = "usual"
    """As in the network's training: the middle of the photo, or the whole of it, stretched (`Part`)."""
    CROP = "crop"
    """A part of the photo that has the shape of the image."""
    PAD = "pad"
    """The whole photo in its own shape, between bars."""


@dataclass(frozen=True, slots=True)
class View:
    """The part of a photo that a person wants a network to see: how it is made to fit, and the first row and column of
    a crop in whole pixels of the photo, None for its middle. In words: usual, centre, pad, or TOP,LEFT.

    >>> View.named("12,30")
    View(fit=<Fit.CROP: 'crop'>, top_left=(12, 30))
    """

    fit: Fit = Fit.USUAL
    top_left: Size | None = None

    def __post_init__(self) -> None:
        coerce_fields(self)
        if self.top_left is not None and (self.fit is not Fit.CROP or min(self.top_left) < 0):
            raise ValueError(
                f"expected the first row and column of a crop, both at least 0, got {self.fit} at {self.top_left}"
            )

    @classmethod
    def named(cls, value: object) -> "View":
        """The view itself, or that of these words; raises ValueError for anything else."""
        if isinstance(value, cls):
            return value
        if isinstance(value, str) and value.isascii():
            if value in _VIEWS:
                return _VIEWS[value]
            numbers = [position_of(digits) for digits in value.split(",")]
            match numbers:
                case [int(top), int(left)]:
                    return cls(Fit.CROP, (top, left))
        raise ValueError(f"expected {', '.join(_VIEWS)} or TOP,LEFT such as 12,30, got {shown(value)}")

    def __str__(self) -> str:
        if self.top_left is not None:
            return "{},{}".format(*self.top_left)
        return next(name for name, view in _VIEWS.items() if view == self)


USUAL = View()
_VIEWS = {"usual": USUAL, "centre": View(Fit.CROP), "pad": View(Fit.PAD)}


@dataclass(frozen=True, slots=True)
class Framing:
    """Which part of a photo the network sees: `crop` source pixels (height, width), of the middle or where the view
    says, resized to `image_size`, or to the part of it that is left between bars."""

    photo_size: Size
    crop: tuple[float, float]
    image_size: Size
    view: View = USUAL

    @property
    def top_left(self) -> tuple[float, float]:
        """Where the crop begins, in whole source pixels: half a pixel would blur, and spread a patch, even
        where nothing is resized."""
        if self.view.top_left is not None:
            return float(self.view.top_left[0]), float(self.view.top_left[1])
        top, left = ((n - c) // 2 for n, c in zip(self.photo_size, self.crop, strict=True))
        return top, left

    @property
    def last_top_left(self) -> Size:
        """The last row and column in which a crop of this size can begin."""
        # A crop as wide as the photo may have lost a bit of its width in the division by the image's.
        row, column = (
            max(0, math.floor(n - c + 1e-9)) for n, c in zip(self.photo_size, self.crop, strict=True)
        )
        return row, column

    @property
    def content(self) -> Box:
        """The pixels of the network's image that the photo fills: all of them, or the middle between bars."""
        if self.view.fit is not Fit.PAD:
            return Box(0, 0, *self.image_size)
        scale = min(m / n for n, m in zip(self.photo_size, self.image_size, strict=True))
        height, width = (
            min(m, max(1, round(scale * n))) for n, m in zip(self.photo_size, self.image_size, strict=True)
        )
        return Box((self.image_size[0] - height) // 2, (self.image_size[1] - width) // 2, height, width)

    @property
    def share_of_bars(self) -> float:
        """Which share of the network's image bars fill, in [0, 1)."""
        return 1 - math.prod(self.content.size) / math.prod(self.image_size)

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
        rows, columns = (n / c for n, c in zip(self.content.size, self.crop, strict=True))
        return rows, columns

    def sentence(self) -> str | None:
        """The sentence about the framing that a person has to read, or None: where the photo is seen between bars, or
        cut where a person chose, or much cut or enlarged (more than a quarter cut away, or more than two pixels for
        one along an axis).

        >>> frame((100, 100), (224, 224)).sentence()
        'The network sees this photo enlarged 2.6 times (224x224 pixels made of 88x88).'
        """
        placed = self.view.top_left is not None
        cut = placed or 1 - self.share_seen > _MUCH_CUT_AWAY
        enlarged = self._enlarged()
        if not cut and not enlarged and not self.share_of_bars:
            return None
        seen = "this photo"
        if cut:
            seen = f"{'' if placed else 'the middle '}{100 * self.share_seen:.0f} % of this photo"
        elif self.share_of_bars:
            seen = "all of this photo"
        if placed:
            seen += ", from row {:g} and column {:g} on".format(*self.top_left)
        if enlarged:
            seen += f"{',' if cut or self.share_of_bars else ''} enlarged {enlarged}"
        (height, width), (rows, columns) = self.content.size, map(round, self.crop)
        seen += f" ({height}x{width} pixels made of {rows}x{columns})"
        if self.share_of_bars:
            seen += (
                f" between grey bars: they fill {100 * self.share_of_bars:.0f} % of its image, and a patch on that "
                "image may cover them too"
            )
        return f"The network sees {seen}{'; nothing is claimed about the rest' if cut else ''}."

    def _enlarged(self) -> str:
        named = dict(zip(("height", "width"), self.enlargement, strict=True))
        much = {axis: factor for axis, factor in named.items() if factor > _MUCH_ENLARGED}
        if much and math.isclose(*self.enlargement, rel_tol=0.01):
            return f"{max(much.values()):.2g} times"
        return " and ".join(f"{factor:.2g} times in {axis}" for axis, factor in much.items())

    def patch_on_network(self, patch_size: Size) -> Size:
        """Pixels of the network's image that a patch of the *original* photo's pixels can touch.

        A target pixel is touched if the kernel around its centre reaches the centre of a patch pixel:
        ceil(scale * (p - 1 + 2 * support)) per axis, and just p where nothing is resized; never one of a bar.

        >>> Framing((32, 32), (32.0, 32.0), (192, 192)).patch_on_network((5, 5))
        (48, 48)
        """
        height, width = (
            min(n, _touched(p, n / c))
            for p, n, c in zip(patch_size, self.content.size, self.crop, strict=True)
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
    """The square patch (height, width) that covers at least a share in (0, 1] of an image, a rectangle where none
    fits. Raises ValueError for another share.

    >>> square(0.02, (224, 224))
    (32, 32)
    """
    if not 0 < share <= 1:
        raise ValueError(f"expected more than 0 and at most 100 % of the image, got {100 * share:g} %")
    area = share * image_size[0] * image_size[1]
    side = min(math.ceil(math.sqrt(area)), *image_size)
    other = max(side, math.ceil(area / side))
    return (side, other) if image_size[0] <= image_size[1] else (other, side)


def frame(photo_size: Size, image_size: Size, part: Part = Part.MIDDLE, view: View | str = USUAL) -> Framing:
    """The part of a photo that a network sees. Usually the middle, 224/256 of its short side, as in ImageNet's
    evaluation, or the whole of it, stretched; the whole in any case if it has the network's size already. Else as the
    view says: a crop of the same size (of the whole short side, where a network sees all of a photo) that begins at a
    pixel of the photo, or the whole between bars. Raises ValueError for a crop that leaves the photo."""
    view, part = View.named(view), member(Part, part)
    found = Framing(photo_size, (float(photo_size[0]), float(photo_size[1])), image_size, view)
    if view.fit is Fit.PAD:
        return found
    stretched = part is Part.WHOLE and view.fit is Fit.USUAL
    if photo_size != image_size and not stretched:
        scale = min(n / m for n, m in zip(photo_size, image_size, strict=True))
        if part is Part.MIDDLE:
            scale /= _SHORT_SIDE
        height, width = (min(float(n), m * scale) for n, m in zip(photo_size, image_size, strict=True))
        found = Framing(photo_size, (height, width), image_size, view)
    if view.top_left is not None:
        last = found.last_top_left
        if any(first > most for first, most in zip(view.top_left, last, strict=True)):
            raise ValueError(
                f"expected a crop that begins in row 0 to {last[0]} and column 0 to {last[1]} of this "
                f"{photo_size[0]}x{photo_size[1]} photo, got {view}"
            )
    return found


def _touched(patch: int, scale: float) -> int:
    if scale == 1:
        return patch
    support = SUPPORT * max(1.0, 1 / scale)
    return math.ceil(scale * (patch - 1 + 2 * support))
