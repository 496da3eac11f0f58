"""ResNet-50, which pads, and the networks of column bands, which wrap: what a local logit sees, and what follows."""

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pg_core import (
    Patch,
    ReceptiveField,
    RobustMasking,
    Window,
    analyse,
    examine,
    extract,
    update,
)
from pg_core.evidence.types import EvidenceType
from pg_core.geometry import cells
from pg_core.networks import MODELS
from pg_core.networks.bodies.resnet import ResNet50
from pg_core.networks.network import Network
from pg_core.photos import patches as attacks
from pg_core.photos.framing import Space, Threat, frame
from pg_core.photos.read import Part, to_photo
from tests.untrained import untrained

TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def resnet(tmp_path_factory):
    return untrained("resnet50", tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def bands(tmp_path_factory):
    return untrained("ds4-resnet18", tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def wide_bands(tmp_path_factory):
    return untrained("ds25-resnet50", tmp_path_factory.mktemp("weights"))


def noise(height, width, seed=0):
    return np.random.default_rng(seed).random((3, height, width), np.float32)


def gradient(network, pixels, row, column, logits=None):
    """How strongly each pixel moves the local logits of a cell."""
    images = torch.from_numpy(pixels)[None].requires_grad_()
    values = (logits or network)(images)[0, :, row, column]
    weights = 1 + torch.rand(len(values), generator=torch.Generator().manual_seed(0))
    (strength,) = torch.autograd.grad((weights * values).sum(), images)
    return strength[0].abs().sum(dim=0).numpy()


def test_resnet_50_is_the_one_of_torchvision():
    theirs = torchvision.models.resnet50(weights=None, num_classes=7).eval()
    ours = ResNet50(7).eval()
    ours.load_state_dict(theirs.state_dict())
    images = torch.from_numpy(noise(96, 64))[None]
    with torch.inference_mode():
        logits = ours(images)
        assert logits.shape == (1, 7, 3, 2)
        assert torch.allclose(logits.mean(dim=(2, 3)), theirs(images), atol=1e-4)


def test_a_local_logit_of_resnet_50_sees_427_pixels_from_213_before_its_cell(resnet):
    field = resnet.receptive_field
    pixels = noise(473, 448)
    assert field.map_size((473, 448)) == (15, 14)
    for cell in (Window(7, 7, 1, 1), Window(8, 7, 1, 1)):
        box = field.pixels(cell)
        assert (box.top, box.left, box.size) == (32 * cell.top - 213, 32 * cell.left - 213, (427, 427))
        strength = gradient(resnet, pixels, cell.top, cell.left)
        inside = strength[box.slices]
        assert all((inside[edge] > 0).any() for edge in ((0,), (-1,), np.s_[:, 0], np.s_[:, -1]))
        strength[box.slices] = 0
        assert not strength.any()


def test_resnet_50_can_certify_nothing_and_says_why(resnet):
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8))
    features = extract(photo, resnet)
    for size in ((1, 1), (32, 32)):
        window = resnet.receptive_field.window_size(size)
        result = examine(features, RobustMasking(window), Threat(size))
        assert result.certificate.windows.covering_map
        assert not result.certificate.certified
        assert (
            "sees 427x427 pixels, stride 32, padded by 213x213, so the patch can touch all 7x7"
            in result.sentence()
        )
        assert "the only window is the whole map" in result.sentence()


class PaddedConvolutions(torch.nn.Module):
    """5x3 by 2, 3x3 pool by 2, 3x3: fields of 5 + 4 + 8 = 17 rows and 3 + 4 + 8 = 15 columns, stride 4."""

    field = ReceptiveField((17, 15), (4, 4), (8, 7))

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.layers = torch.nn.Sequential(
                torch.nn.Conv2d(3, 4, (5, 3), 2, padding=(2, 1)),
                torch.nn.ReLU(),
                torch.nn.MaxPool2d(3, 2, padding=1),
                torch.nn.Conv2d(4, 3, 3, 1, padding=1),
            )

    def forward(self, images):
        return self.layers(images)


def padded(image_size):
    body = PaddedConvolutions().eval().requires_grad_(False)
    return Network(
        "padded",
        body,
        ("a", "b", "c"),
        image_size,
        body.field,
        EvidenceType.LOGITS,
        "",
        (0.5,) * 3,
        (0.25,) * 3,
    )


SIZES = st.integers(17, 45)


@given(SIZES, SIZES, st.data())
def test_a_window_of_a_padded_network_is_the_same_from_its_crop(height, width, data):
    network = padded((height, width))
    pixels = noise(height, width)
    whole = network.local_logits(pixels)
    rows, columns = network.receptive_field.map_size((height, width))
    assert whole.shape == (3, rows, columns)
    top, left = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, columns - 1))
    window = Window(
        top, left, data.draw(st.integers(1, rows - top)), data.draw(st.integers(1, columns - left))
    )
    alone = network.local_logits(pixels, window)
    assert np.abs(alone - whole[:, *cells(window, (rows, columns))]).max() <= TOLERANCE
    crop, _ = network.receptive_field.crop(window, (height, width))
    blank = np.zeros_like(pixels)
    blank[:, *crop.slices] = pixels[:, *crop.slices]
    assert np.array_equal(network.local_logits(blank, window), alone)


@given(SIZES, SIZES, st.data())
def test_a_patch_on_a_padded_network_costs_its_crop_and_no_more(height, width, data):
    network = padded((height, width))
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))
    features = extract(photo, network)
    assert features.delta < 1e-3
    patch = Patch(data.draw(st.integers(0, height - 5)), data.draw(st.integers(0, width - 5)), 5, 5)
    updated = update(features, network, patch, attacks.checkerboard(patch.size))
    whole = network.local_logits(updated.pixels)
    assert np.abs(updated.local_logits - whole).max() <= features.delta


@given(st.data())
def test_a_crop_holds_what_a_window_sees_and_starts_on_the_stride(data):
    draw = data.draw
    stride, field = draw(st.integers(1, 8)), draw(st.integers(1, 30))
    offset = draw(st.integers(0, field - 1))
    size = draw(st.integers(max(1, field - 2 * offset), 80))
    axis = ReceptiveField((field, field), (stride, stride), (offset, offset))
    rows, _ = axis.map_size((size, size))
    top = draw(st.integers(0, rows - 1))
    window = Window(top, top, draw(st.integers(1, rows - top)), 1)
    crop, at = axis.crop(window, (size, size))
    assert crop.top % stride == crop.left % stride == 0
    assert 0 <= crop.top <= max(0, axis.pixels(window).top)
    assert min(size, axis.pixels(window).bottom) == crop.bottom <= size
    assert axis.pixels(at).top + crop.top == axis.pixels(window).top
    assert at.size == window.size
    assert at.bottom <= axis.map_size(crop.size)[0]
    if offset == 0:
        assert (crop, at) == (axis.pixels(window), Window(0, 0, *window.size))


def test_the_logits_of_a_band_depend_on_its_columns_and_wrap(bands):
    pixels = noise(32, 32)
    assert bands.local_logits(pixels).shape == (10, 1, 32)
    for first in (0, 7, 29, 31):
        strength = gradient(bands, pixels, 0, first)
        band = [(first + column) % 32 for column in range(4)]
        assert (strength[:, band].sum(axis=1) > 0).all()
        assert (strength[:, band].sum(axis=0) > 0).all()
        strength[:, band] = 0
        assert not strength.any()


def test_wide_bands_see_25_columns_of_299_and_wrap(wide_bands):
    pixels = noise(299, 299)
    assert wide_bands.receptive_field.map_size(wide_bands.image_size) == (1, 299)
    alone = lambda images: wide_bands.window(images, Window(0, 280, 1, 1))  # noqa: E731
    strength = gradient(wide_bands, pixels, 0, 0, alone)
    band = [column % 299 for column in range(280, 305)]
    assert (strength[:, band].sum(axis=0) > 0).all()
    strength[:, band] = 0
    assert not strength.any()


def banded(pixels, first, width):
    """What patchSmoothing gives its networks, column by column."""
    out = np.zeros((6, *pixels.shape[1:]), np.float32)
    for step in range(width):
        column = (first + step) % pixels.shape[2]
        out[:3, :, column] = pixels[:, :, column]
        out[3:, :, column] = 1 - pixels[:, :, column]
    return torch.from_numpy(out)[None]


@pytest.mark.parametrize("name", ["bands", "wide_bands"])
def test_a_band_is_given_with_its_complement_after_normalisation(name, request):
    network = request.getfixturevalue(name)
    pixels = noise(*network.image_size)
    mean, deviation = (0, 0, 0), (1, 1, 1)
    if name == "wide_bands":
        mean, deviation = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    normalised = np.stack([(pixels[c] - mean[c]) / deviation[c] for c in range(3)])
    width = network.receptive_field.size[1]
    last = network.image_size[1] - 1
    logits = network.local_logits(pixels, Window(0, last, 1, 2))
    with torch.inference_mode():
        expected = [network.body.base(banded(normalised, first, width))[0].numpy() for first in (last, 0)]
    assert np.abs(logits[:, 0] - np.stack(expected, axis=1)).max() <= TOLERANCE * np.abs(logits).max()


def test_a_window_of_bands_is_that_of_the_whole_map_around_the_edge_too(bands):
    pixels = noise(32, 32)
    whole = bands.local_logits(pixels)
    for window in (Window(0, 3, 1, 5), Window(0, 30, 1, 4), Window(0, 0, 1, 32)):
        alone = bands.local_logits(pixels, window)
        assert np.abs(alone - whole[:, *cells(window, (1, 32))]).max() <= TOLERANCE * np.abs(whole).max()


@pytest.mark.parametrize("left", [0, 11, 27])
def test_a_patch_changes_the_bands_of_its_footprint_alone(bands, left):
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8))
    features = extract(photo, bands)
    patch = Patch(4, left, 5, 5)
    updated = update(features, bands, patch, attacks.noise(patch.size))
    whole = extract(to_photo(updated.pixels), bands)
    footprint = features.receptive_field.footprint(patch, features.map_size)
    assert footprint.size == (1, 8)
    touched = {(footprint.left + step) % 32 for step in range(8)}
    assert touched == {j for j in range(32) if {(j + c) % 32 for c in range(4)} & set(range(left, left + 5))}
    others = sorted(set(range(32)) - touched)
    assert np.array_equal(updated.local_logits[..., others], features.local_logits[..., others])
    rounded = update(features, bands, patch, whole.pixels[:, *patch.slices])
    assert np.abs(rounded.local_logits - whole.local_logits).max() <= features.delta


def test_the_window_of_a_patch_on_bands_has_one_row_and_covers_any_height():
    field = MODELS["ds4-resnet18"].receptive_field
    assert field.window_size((5, 5)) == (1, 8)
    assert field.patch_size((1, 8)) == (32, 5)
    assert field.footprint(Patch(0, 0, 5, 29), (1, 32)) == Window(0, 0, 1, 32)
    with pytest.raises(ValueError, match="bands that wrap"):
        field.crop(Window(0, 0, 1, 1), (32, 32))
    with pytest.raises(ValueError, match="expected bands of stride"):
        ReceptiveField((32, 4), (1, 1), wrapping=True)


@pytest.mark.parametrize("name", ["bagnet17-192", "resnet50-192"])
def test_a_small_photo_is_enlarged_whole_and_its_patch_with_its_spread(name):
    description = MODELS[name]
    assert (description.image_size, description.part) == ((192, 192), Part.WHOLE)
    framing = frame((32, 32), description.image_size, description.part)
    assert framing.crop == (32.0, 32.0)
    assert Threat((5, 5), Space.PHOTO).on_network(framing) == (48, 48)


def test_bagnet_at_192_pixels_names_the_space_of_its_guarantee(tmp_path):
    network = untrained("bagnet9-192", tmp_path)
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8))
    threat = Threat((5, 5), Space.PHOTO)
    window = network.receptive_field.window_size((48, 48))
    result = analyse(photo, network, RobustMasking(window), threat)
    assert result.features.map_size == (23, 23)
    assert "5x5-pixel patch anywhere on the original 32x32 photo (at most 48x48 pixels of the 192x192" in (
        result.sentence()
    )
