"""What a network saw of an image: its local logits, and how exact they are.

The network runs once for an image; a patch on it costs only the crop that the patch touches.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from PIL import Image

from pg_core.attacks import PatchPixels, paste
from pg_core.geometry import Patch, ReceptiveField, Size, Window, cells
from pg_core.images import Framing, frame, read, to_pixels, upright_rgb
from pg_core.models.local import LocalModel, Pixels

SAFETY = 8
"""By how much delta exceeds the largest difference in its sample of cells: over all cells of a photo, alone and
in crops, it was up to 1.5 times that (tiles, `chelsea`)."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LocalFeatures:
    """What a network saw of one image. delta is the error of a local logit that certificates must survive:
    `SAFETY` times the largest difference found between the whole image and five of its cells, computed alone
    (section 5, Numerics)."""

    model: str
    classes: tuple[str, ...]
    receptive_field: ReceptiveField
    framing: Framing
    pixels: Pixels
    local_logits: Float32[np.ndarray, "classes rows columns"]
    delta: float

    @property
    def map_size(self) -> Size:
        """Rows and columns of the map."""
        rows, columns = self.local_logits.shape[1:]
        return rows, columns

    def __repr__(self) -> str:
        return f"LocalFeatures({self.model}, {len(self.classes)} classes, map {self.map_size}, delta {self.delta:.2g})"


def extract(image: Image.Image | Path | str, model: LocalModel) -> LocalFeatures:
    """Run the network on a photo, or the photo in a file.

    Raises ImageError for a file that is no photo and for an image that no such file holds (`images.upright_rgb`), and
    ValueError for a network whose local logits are not finite.
    """
    photo = upright_rgb(image) if isinstance(image, Image.Image) else read(image)
    pixels = to_pixels(photo, model.image_size, model.part)
    local_logits = model.local_logits(pixels)
    if not np.isfinite(local_logits).all():
        raise ValueError(f"{model.name} gave local logits that are NaN or infinite: are its weights damaged?")
    delta = _measured_delta(model, pixels, local_logits)
    return LocalFeatures(
        model.name,
        model.classes,
        model.receptive_field,
        frame((photo.height, photo.width), model.image_size, model.part),
        pixels,
        local_logits,
        delta,
    )


def update(features: LocalFeatures, model: LocalModel, patch: Patch, contents: PatchPixels) -> LocalFeatures:
    """The features of the image with a patch on it, from a run on the crop that the patch touches alone.

    Equal to `extract` of the patched image within delta: the footprint of k features depends on
    s*(k - 1) + r pixels per axis (section 2).
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
    """From the cells at the corners and in the middle; at least the resolution of float32."""
    rows, columns = local_logits.shape[1:]
    sample = {
        (0, 0),
        (0, columns - 1),
        (rows - 1, 0),
        (rows - 1, columns - 1),
        (rows // 2, columns // 2),
    }
    largest = float(np.finfo(np.float32).eps * np.abs(local_logits).max())
    for row, column in sample:
        alone = model.local_logits(pixels, Window(row, column, 1, 1))
        largest = max(largest, float(np.abs(alone[:, 0, 0] - local_logits[:, row, column]).max()))
    return SAFETY * largest
