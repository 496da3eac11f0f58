"""What the network saw, and that a patch costs only the crop that it touches."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pg_core import Patch, ReceptiveField, extract, load_model, sample_path, update
from pg_core.photos import patches as attacks
from pg_core.photos.inference import SAFETY
from pg_core.photos.read import to_photo
from tests.colours import Colours


def photo(height=48, width=64, seed=0):
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(values)


@given(data=st.data(), height=st.integers(1, 48), width=st.integers(1, 64))
def test_an_update_differs_from_the_full_analysis_by_less_than_delta_on_a_network_of_sums(
    data, height, width
):
    model = Colours()
    features = extract(photo(), model)
    patch = Patch(
        data.draw(st.integers(0, 48 - height)), data.draw(st.integers(0, 64 - width)), height, width
    )
    contents = np.rint(attacks.noise(patch.size) * 255).astype(np.float32) / np.float32(255)
    updated = update(features, model, patch, contents)
    whole = extract(to_photo(updated.pixels), model)
    np.testing.assert_array_equal(updated.pixels, whole.pixels)
    assert np.abs(updated.local_logits - whole.local_logits).max() <= features.delta


def test_delta_is_sampled_where_the_photo_is_most_active_and_on_noise():
    class Rounding(Colours):
        """Wrong alone by as much as `error` says of a cell."""

        def __init__(self, error):
            super().__init__()
            self.error = error

        def local_logits(self, pixels, window=None):
            logits = super().local_logits(pixels, window)
            return logits if window is None else logits + np.float32(self.error(pixels, window))

    plain = np.full((48, 64, 3), 90, np.uint8)
    plain[20:32, 24:36] = [250, 10, 10]  # what cell (5, 6) sees
    where = extract(Image.fromarray(plain), Rounding(lambda _, cell: (cell.top, cell.left) == (5, 6)))
    assert where.delta == pytest.approx(SAFETY)
    busy = extract(Image.fromarray(plain), Rounding(lambda pixels, _: 2.0 * (np.unique(pixels).size > 100)))
    assert busy.delta == pytest.approx(2 * SAFETY)


def test_noise_is_sampled_once_for_each_network():
    model = Colours()
    extract(photo(), model)
    runs = len(model.seen)
    extract(photo(seed=1), model)
    assert len(model.seen) - runs < runs


def test_an_update_runs_the_network_on_the_touched_crop_only():
    model = Colours()
    features = extract(photo(), model)
    model.seen.clear()
    update(features, model, Patch(20, 20, 5, 5), attacks.noise((5, 5)))
    # Features 3 to 6 see pixels 20 to 24: 4*(4 - 1) + 12 pixels per axis.
    assert model.seen == [(24, 24)]


def test_an_update_leaves_its_argument_alone():
    model = Colours()
    features = extract(photo(), model)
    pixels, logits = features.pixels.copy(), features.local_logits.copy()
    update(features, model, Patch(0, 0, 9, 9), attacks.solid((9, 9), (255, 0, 0)))
    np.testing.assert_array_equal(features.pixels, pixels)
    np.testing.assert_array_equal(features.local_logits, logits)


def test_a_patch_that_no_feature_sees_changes_nothing():
    class Sparse(Colours):
        image_size = (50, 64)
        receptive_field = ReceptiveField((12, 12), (20, 20))

    model = Sparse()
    features = extract(photo(50, 64), model)
    updated = update(features, model, Patch(14, 14, 4, 4), attacks.noise((4, 4)))
    np.testing.assert_array_equal(updated.local_logits, features.local_logits)
    assert (updated.pixels != features.pixels).any()


@pytest.mark.parametrize("patch", [Patch(40, 0, 9, 4), Patch(0, 61, 4, 4), Patch(-1, 0, 4, 4)])
def test_a_patch_outside_the_image_is_refused(patch):
    model = Colours()
    with pytest.raises(ValueError, match="within 48x64"):
        update(extract(photo(), model), model, patch, attacks.noise(patch.size))


def test_delta_covers_the_difference_of_a_crop_on_a_real_network():
    model = load_model("tiles-coarse", "cpu")
    features = extract(sample_path("coffee"), model)
    patch = Patch(150, 200, 64, 64)
    contents = attacks.checkerboard(patch.size)
    updated = update(features, model, patch, contents)
    whole = model.local_logits(updated.pixels)
    largest = float(np.abs(updated.local_logits - whole).max())
    assert (updated.local_logits != features.local_logits).any()
    assert largest <= features.delta < 1e-3


@given(seed=st.integers(0, 9999))
def test_noise_is_the_same_for_the_same_seed(seed):
    first, second = attacks.noise((4, 7), seed), attacks.noise((4, 7), seed)
    np.testing.assert_array_equal(first, second)
    assert first.min() >= 0
    assert first.max() <= 1
    assert (first != attacks.noise((4, 7), seed + 1)).any()


def test_contents_are_what_they_are_called():
    assert attacks.solid((2, 3), (255, 0, 51))[:, 1, 2].tolist() == pytest.approx([1, 0, 0.2])
    board = attacks.checkerboard((4, 4), side=2)[0]
    assert board.tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [1, 1, 0, 0], [1, 1, 0, 0]]
    picture = Image.new("RGB", (50, 20), (0, 255, 0))
    assert attacks.sticker((3, 5), picture).shape == (3, 3, 5)
    assert attacks.sticker((3, 5), picture)[:, 1, 1].tolist() == [0, 1, 0]
