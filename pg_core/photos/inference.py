"""The local features of an image: its local logits by a network, and an estimate of their error.

The network runs once for an image; for a patch on it, it runs again on the crop that the patch touches.
"""

from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Float32
from PIL import Image

from pg_core.evidence.types import EvidenceType
from pg_core.geometry import Patch, ReceptiveField, Size, Window, cells
from pg_core.io.parameters import coerce_fields
from pg_core.networks.base import LocalModel, Pixels
from pg_core.photos.framing import USUAL, Framing, View
from pg_core.photos.patches import PatchPixels, paste
from pg_core.photos.read import FramedPhoto, framed

SAFETY = 8
"""By how much delta exceeds the largest difference in its sample. It is a choice and no bound: with five cells of the
photo as the sample, 10 of 11,361 patches on plain photos differed by more than delta, by up to 1.34 times; hence the
most active cell, and the noise."""

_NOISE: MutableMapping[LocalModel, dict[str | None, float]] = WeakKeyDictionary()
"""The largest difference on an image of noise, once for each network on each device."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LocalFeatures:
    """The local features of one image by a network. delta is the error of a local logit that certificates must
    survive, across shapes, batches, crops and devices. It is *estimated*: `SAFETY` times the largest difference
    between an image and some of its cells, computed alone, of this image and of noise (theory §5, Numerics).
    Certificates rest on another property, which holds bit for bit: inputs of equal shapes give equal bits. evidence is
    the type that certifies best with this network."""

    model: str
    classes: tuple[str, ...]
    receptive_field: ReceptiveField
    framing: Framing
    pixels: Pixels
    local_logits: Float32[np.ndarray, "classes rows columns"]
    delta: float
    evidence: EvidenceType = EvidenceType.LOGITS

    def __post_init__(self) -> None:
        coerce_fields(self)

    @property
    def map_size(self) -> Size:
        """Rows and columns of the map."""
        rows, columns = self.local_logits.shape[1:]
        return rows, columns

    def __repr__(self) -> str:
        return f"LocalFeatures({self.model}, {len(self.classes)} classes, map {self.map_size}, delta {self.delta:.2g})"


def extract(
    image: Image.Image | Path | str | bytes | FramedPhoto, model: LocalModel, view: View | str = USUAL
) -> LocalFeatures:
    """Run the network on a photo (the photo itself, the path or the bytes of its file, or a photo that is framed
    already); view says which part of it the network sees.

    Raises ImageError for a file that is no photo and for an image that no such file can hold
    (`pg_core.photos.read.upright_rgb`), and ValueError for local logits that are not finite, for a photo framed for
    another image size, and for a view outside the photo.
    """
    if not isinstance(image, FramedPhoto):
        image = framed(image, model.image_size, model.part, view)
    if image.framing.image_size != model.image_size:
        raise ValueError(f"expected {model.image_size} pixels, got {image.framing.image_size}")
    pixels = image.pixels
    local_logits = _finite(model, model.local_logits(pixels))
    delta = _measured_delta(model, pixels, local_logits)
    return LocalFeatures(
        model.name,
        model.classes,
        model.receptive_field,
        image.framing,
        pixels,
        local_logits,
        delta,
        model.evidence,
    )


def update(features: LocalFeatures, model: LocalModel, patch: Patch, contents: PatchPixels) -> LocalFeatures:
    """The features of the image with a patch on it, from a run on the crop that the patch touches alone: the footprint
    of k features depends on s*(k - 1) + r pixels per axis (theory §2).

    A crop has another shape, so that its local logits may differ in the last bits from those of `extract` on the
    patched image; delta is an estimate of this difference, not a bound. Raises ValueError as
    `pg_core.photos.patches.paste`.
    """
    pixels = paste(features.pixels, patch, contents)
    footprint = features.receptive_field.footprint(patch, features.map_size)
    local_logits = features.local_logits
    if footprint is not None:
        local_logits = local_logits.copy()
        local_logits[:, *cells(footprint, features.map_size)] = model.local_logits(pixels, footprint)
    return replace(features, pixels=pixels, local_logits=local_logits)


def _measured_delta(
    model: LocalModel, pixels: Pixels, local_logits: Float32[np.ndarray, "classes rows columns"]
) -> float:
    """From some cells of the image and of noise; at least the resolution of float32."""
    device, on_noise = getattr(model, "device", None), _NOISE.setdefault(model, {})
    if device not in on_noise:
        noise = np.random.default_rng(0).random(pixels.shape, np.float32)
        on_noise[device] = _largest_difference(model, noise, _finite(model, model.local_logits(noise)))
    resolution = float(np.finfo(np.float32).eps * np.abs(local_logits).max())
    return SAFETY * max(resolution, on_noise[device], _largest_difference(model, pixels, local_logits))


def _largest_difference(
    model: LocalModel, pixels: Pixels, local_logits: Float32[np.ndarray, "classes rows columns"]
) -> float:
    """Between local logits of the whole image and of a sample of its cells, each computed alone."""
    largest = 0.0
    for cell in _sampled(local_logits):
        alone = _finite(model, model.local_logits(pixels, cell))[:, 0, 0]
        largest = max(largest, float(np.abs(alone - local_logits[:, cell.top, cell.left]).max()))
    return largest


def _sampled(local_logits: Float32[np.ndarray, "classes rows columns"]) -> Iterator[Window]:
    """The cells at the corners, in the middle, and the most active one: a plain photo is easy elsewhere."""
    rows, columns = local_logits.shape[1:]
    activity = np.abs(local_logits).max(axis=0)
    most_active = divmod(int(activity.argmax()), columns)
    corners = product((0, rows - 1), (0, columns - 1))
    for row, column in sorted({*corners, (rows // 2, columns // 2), most_active}):
        yield Window(row, column, 1, 1)


def _finite(
    model: LocalModel, local_logits: Float32[np.ndarray, "classes rows columns"]
) -> Float32[np.ndarray, "classes rows columns"]:
    if not np.isfinite(local_logits).all():
        raise ValueError(f"{model.name} gave local logits that are NaN or infinite: are its weights damaged?")
    return local_logits
