"""Equal shapes give equal bits: what certificates rest on, for each shipped network on each device there is.

Full passes of two images that differ in a patch agree bit for bit outside the footprint of the patch (theory §5,
Numerics). Nothing of the kind is claimed across shapes, batches, crops or devices.
"""

import numpy as np
import pytest
import torch

from pg_core import Patch, load_model, sample_path
from pg_core.geometry import cells
from pg_core.networks import MODELS
from pg_core.photos import patches as attacks
from pg_core.photos.read import read, to_pixels

SHIPPED = tuple(name for name, model in MODELS.items() if not model.needs_checkpoint)
DEVICES = [
    name
    for name, present in (
        ("cpu", True),
        ("cuda", torch.cuda.is_available()),
        ("mps", torch.backends.mps.is_available()),
    )
    if present
]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", SHIPPED)
def test_full_passes_agree_bit_for_bit_outside_the_footprint_of_a_patch(name, device):
    model = load_model(name, device)
    height, width = model.image_size
    pixels = to_pixels(read(sample_path("coffee")), model.image_size, model.part)
    benign = model.local_logits(pixels)
    np.testing.assert_array_equal(model.local_logits(pixels.copy()), benign)
    side = max(1, height // 7)
    for top, left in ((0, 0), (height - side, width - side), (height // 3, width // 2)):
        patch = Patch(top, left, side, side)
        patched = model.local_logits(attacks.paste(pixels, patch, attacks.noise(patch.size)))
        touched = np.zeros(benign.shape[1:], bool)
        touched[cells(model.receptive_field.footprint(patch, benign.shape[1:]), benign.shape[1:])] = True
        assert (~touched).any()
        np.testing.assert_array_equal(patched[:, ~touched], benign[:, ~touched])
        assert (patched[:, touched] != benign[:, touched]).any()
