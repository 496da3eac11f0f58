"""The logits of a classifier under every pair of masks: the table from which PatchCleanser predicts.

The classifier is anything that takes images to logits; it runs once for each of the pairs, in batches. A mask is a
grey rectangle, under which nothing of the image, patch or not, is left.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Float32, Int

from pg_core.defences.patchcleanser.masks import MaskSet
from pg_core.io.progress import Pace, Report
from pg_core.networks.base import LocalModel, Pixels, check_pixels

Classifier = Callable[[Float32[np.ndarray, "batch 3 height width"]], Float[np.ndarray, "batch classes"]]
"""From images in [0, 1] to logits, which may not depend on the batch by more than delta."""

GREY = np.float32(0.5)


def two_mask_predictions(
    classify: Classifier,
    pixels: Pixels,
    masks: MaskSet,
    batch: int = 32,
    report: Report | None = None,
) -> Float32[np.ndarray, "classes masks masks"]:
    """Logits under masks i and j, those under mask i alone on the diagonal: count * (count + 1)/2 masked images, of
    which `batch` are classified at a time.

    Raises ValueError for an image of another size than the masks are for, and a batch below 1.
    """
    check_pixels(pixels)
    if pixels.shape[1:] != masks.image_size:
        raise ValueError(f"expected an image of {masks.image_size} pixels, got {pixels.shape[1:]}")
    if batch < 1:
        raise ValueError(f"expected a batch of at least 1 image, got {batch}")
    first, second = np.triu_indices(masks.count)
    pace, parts = Pace(len(first)), []
    for start in range(0, len(first), batch):
        pairs = np.column_stack([first, second])[start : start + batch]
        parts.append(np.asarray(classify(_masked(pixels, masks, pairs)), np.float32))
        if report is not None:
            report(pace.progress(min(start + batch, len(first)), "pairs of masks"))
    logits = np.concatenate(parts).T
    table = np.empty((len(logits), masks.count, masks.count), np.float32)
    table[:, first, second] = table[:, second, first] = logits
    return table


def mean_logits(model: LocalModel) -> Classifier:
    """The undefended network as a classifier of whole images: the mean of its local logits."""

    def classify(images: Float32[np.ndarray, "batch 3 height width"]) -> Float[np.ndarray, "batch classes"]:
        return np.stack([model.local_logits(image).mean(axis=(1, 2), dtype=np.float64) for image in images])

    return classify


def _masked(
    pixels: Pixels, masks: MaskSet, pairs: Int[np.ndarray, "batch 2"]
) -> Float32[np.ndarray, "batch 3 height width"]:
    images = np.repeat(pixels[None], len(pairs), axis=0)
    for image, pair in zip(images, pairs.tolist(), strict=True):
        for index in pair:
            image[:, *masks.at(index).slices] = GREY
    return images
