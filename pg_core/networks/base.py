"""The one interface of the networks: an image in, a map of local logits out, each from a few pixels.

Not here: torch, see `pg_core.networks.network`; anything with local logits can be a network.
"""

from enum import StrEnum
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

from pg_core.evidence.arrays import type_and_shape
from pg_core.evidence.types import EvidenceType
from pg_core.geometry import ReceptiveField, Size, Window

Pixels = Float32[np.ndarray, "3 height width"]
"""Red, green, blue in [0, 1]."""


def check_pixels(pixels: object) -> None:
    """Raise ValueError for anything but an array [3, height, width] of finite float32 numbers."""
    if (
        not isinstance(pixels, np.ndarray)
        or isinstance(pixels, np.ma.MaskedArray)
        or pixels.dtype != np.float32
        or pixels.ndim != 3
        or len(pixels) != 3
        or not pixels.size
    ):
        raise ValueError(
            f"expected pixels of shape [3, height, width], float32, got {type_and_shape(pixels)}"
        )
    if not np.isfinite(pixels).all():
        raise ValueError("expected finite pixels, got NaN or infinite values")


class Part(StrEnum):
    """Which part of a photo a network is meant to see, as in its training."""

    MIDDLE = "middle"
    """224/256 of the short side, from the middle: ImageNet's evaluation."""
    WHOLE = "whole"
    """All of it, stretched to the network's image: CIFAR-10 enlarged, and patchSmoothing's ImageNet."""


@runtime_checkable
class LocalModel(Protocol):
    """A classifier whose every guarantee rests on locality: logits[y, i, j] depend on the pixels of `receptive_field`
    at (i, j) alone, bit for bit the same in each call with the same pixels.

    A network may have a property `device`, which says in words where it computes: evaluations record it (null without
    it), and keep the local logits of different devices apart.
    """

    @property
    def name(self) -> str:
        """The name by which people and results know it."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names in the order of the logits."""

    @property
    def image_size(self) -> Size:
        """Height and width of the image that it is meant to see, in pixels."""

    @property
    def part(self) -> Part:
        """The part of a photo that becomes this image."""

    @property
    def receptive_field(self) -> ReceptiveField:
        """The pixels that a cell sees."""

    @property
    def evidence(self) -> EvidenceType:
        """The type of evidence that certifies best with this network."""

    def local_logits(
        self, pixels: Pixels, window: Window | None = None
    ) -> Float32[np.ndarray, "classes rows columns"]:
        """Local logits of an image of `image_size`: the whole map, or the cells of one window of it, computed from
        the pixels that they see alone and therefore a little different in float32."""
