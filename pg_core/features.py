"""What a network saw of an image: its local logits, and how exact they are.

The network runs once for an image; a patch on it costs only the crop that the patch touches.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from PIL import Image

from pg_core.attacks import PatchPixels, paste
from pg_core.geometry import Patch, ReceptiveField, Size, Window
from pg_core.images import Framing, frame, read, to_pixels
from pg_core.models.local import LocalModel, Pixels


@dataclass(frozen=True, slots=True, eq=False)
class LocalFeatures:
    """What a network saw of one image. delta is the largest difference of a local logit measured between the
    whole image and single crops of it: the error that certificates must survive (section 5, Numerics)."""

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


def extract(image: Image.Image | Path | str, model: LocalModel) -> LocalFeatures:
    """Run the network on a photo (or the photo in a file; raises ImageError if it is none)."""
    photo = image if isinstance(image, Image.Image) else read(image)
    photo = photo.convert("RGB")
    pixels = to_pixels(photo, model.image_size)
    local_logits = model.local_logits(pixels)
    delta = _measured_delta(model, pixels, local_logits)
    return LocalFeatures(
        model.name,
        model.classes,
        model.receptive_field,
        frame(photo, model.image_size),
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
        crop = features.receptive_field.pixels(footprint)
        local_logits = local_logits.copy()
        local_logits[:, *footprint.slices] = model.local_logits(np.ascontiguousarray(pixels[:, *crop.slices]))
    return replace(features, pixels=pixels, local_logits=local_logits)


def _measured_delta(
    model: LocalModel, pixels: Pixels, local_logits: Float32[np.ndarray, "classes rows columns"]
) -> float:
    """The largest difference of a local logit at the corners and in the middle, computed alone; at least the
    resolution of float32 at the largest logit."""
    rows, columns = local_logits.shape[1:]
    cells = {
        (0, 0),
        (0, columns - 1),
        (rows - 1, 0),
        (rows - 1, columns - 1),
        (rows // 2, columns // 2),
    }
    measured = float(np.finfo(np.float32).eps * np.abs(local_logits).max())
    for row, column in cells:
        crop = model.receptive_field.pixels(Window(row, column, 1, 1))
        alone = model.local_logits(np.ascontiguousarray(pixels[:, *crop.slices]))
        measured = max(measured, float(np.abs(alone[:, 0, 0] - local_logits[:, row, column]).max()))
    return measured
