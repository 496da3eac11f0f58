"""An update by the crop of a patch differs from a full pass by less than delta, in some draws of each network."""

import numpy as np
import pytest
from PIL import Image

from pg_core import Patch, RobustMasking, extract, load_model, sample_path, update
from pg_core.analysis.photo import answer
from pg_core.networks import MODELS
from pg_core.photos.read import read, to_photo, to_pixels
from tests.untrained import untrained

NETWORKS = (
    "tiles",
    "tiles-coarse",
    "tiles-imagenet",
    "tiles-imagenette",
    "imagenette",
    "bagnet9",
    "bagnet17",
    "bagnet33",
    "resnet50",
    "ds4-resnet18",
    "cifar10",
    "cifar10-bands",
    "cifar10-interval",
)
"""Left out are the same networks on CIFAR-10's enlarged images, and DS-25, whose 299 bands take a minute each time."""

DRAWS = 2


@pytest.fixture(scope="module", params=NETWORKS)
def network(request, tmp_path_factory):
    """Every network, those from a checkpoint with random weights."""
    if MODELS[request.param].needs_checkpoint:
        return untrained(request.param, tmp_path_factory.mktemp("weights"))
    return load_model(request.param, "cpu")


def photo(rng, size, part):
    """Noise, or a sample: what the network sees of it fits the image, so that nothing is resized again."""
    if rng.random() < 0.3:
        return Image.fromarray(rng.integers(0, 256, (*size, 3), np.uint8))
    name = str(rng.choice(["chelsea", "coffee", "astronaut", "rocket"]))
    return to_photo(to_pixels(read(sample_path(name)), size, part))


def patch_within(rng, size):
    """Of any size, most of them small; some at a border."""
    height, width = (int(rng.integers(1, max(2, n // int(rng.integers(1, 6))) + 1)) for n in size)
    top, left = (
        int(rng.choice([0, n - p, rng.integers(0, n - p + 1)]))
        for n, p in zip(size, (height, width), strict=True)
    )
    return Patch(top, left, height, width)


def test_the_difference_of_an_update_from_the_full_analysis_stays_below_the_estimate_in_these_draws(
    network, record_testsuite_property
):
    rng = np.random.default_rng(sum(map(ord, network.name)))
    size, differences = network.image_size, []
    for _ in range(DRAWS):
        features = extract(photo(rng, size, network.part), network)
        patch = patch_within(rng, size)
        contents = rng.integers(0, 256, (3, *patch.size)).astype(np.float32) / np.float32(255)
        updated = update(features, network, patch, contents)
        whole = extract(to_photo(updated.pixels), network)
        np.testing.assert_array_equal(updated.pixels, whole.pixels)
        differences.append(np.abs(updated.local_logits - whole.local_logits).max() / features.delta)

        field = network.receptive_field
        defence = RobustMasking(
            field.window_size(patch.size), evidence=network.evidence, wrapping=field.wrapping
        )
        by_crop, full = answer(updated, defence), answer(whole, defence)
        tolerance = defence.tolerance(features.local_logits, features.delta)
        assert np.abs(by_crop.masking.scores - full.masking.scores).max() <= tolerance.error
        touched = features.receptive_field.footprint(patch, features.map_size)
        assert (touched is None) == np.array_equal(updated.local_logits, features.local_logits)
    largest = max(differences)
    record_testsuite_property(f"largest difference / delta, {network.name}", f"{largest:.3f}")
    print(f"{network.name}: largest difference {largest:.3f} delta in {DRAWS} draws")
    assert largest <= 1
