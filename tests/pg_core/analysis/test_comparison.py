"""All defences on one image: the same answers as alone, one run of the network, and signs that can be compared."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pg_core import LocalFeatures, RobustMasking, Verdict, extract
from pg_core.analysis.comparison import Comparison, DefenceResult, Positions, compare
from pg_core.defences.base import Certificate, Claim, Prediction
from pg_core.defences.patchcleanser.inference import mean_logits, two_mask_predictions
from pg_core.defences.patchcleanser.pixels import mask_set
from pg_core.defences.registry import DEFENCES, build
from pg_core.defences.spec import DefenceConfig
from pg_core.geometry import Patch, PatchPositions, ReceptiveField, Window
from pg_core.photos.framing import Space, Threat, frame
from tests.colours import Colours


@pytest.fixture(scope="module")
def features():
    values = np.random.default_rng(0).integers(0, 100, (48, 64, 3), np.uint8)
    values[..., 0] += 120
    return extract(Image.fromarray(values), Colours())


def config_of(features, patch_size=(8, 8), **settings):
    return DefenceConfig(
        features.receptive_field, features.framing.image_size, Colours.evidence, patch_size, settings
    )


def test_every_defence_is_in_the_comparison_or_says_in_a_sentence_why_not(features):
    found = compare(features, config_of(features))
    names = [one.name for one in found.results] + [gone.name for gone in found.not_applicable]
    assert sorted(names) == sorted(DEFENCES)
    assert {"undefended", "masking", "clipping"} <= {one.name for one in found.results}
    reasons = {gone.name: gone.reason for gone in found.not_applicable}
    assert "needs a network of column bands" in reasons["mask-ds"]
    assert "was trained for" in reasons["interval"]
    assert "it needs 45 more runs of the network" in reasons["double-masking"]


@pytest.mark.parametrize("label", [None, "red", "blue"])
def test_a_defence_says_in_the_comparison_what_it_says_alone(features, label):
    settings = {"threshold": 0.1, "clip_high": 5.0}
    found = compare(features, config_of(features, **settings), label)
    index = None if label is None else features.classes.index(label)
    for one in found.results:
        defence = build(one.name, config_of(features, **settings))
        alone = defence.certify(features.local_logits, label=index, delta=features.delta)
        assert str(one.defence) == str(defence)
        assert one.prediction.label == defence.predict(features.local_logits).label
        assert np.array_equal(one.certificate.margin, alone.margin)
        assert one.certificate.verdict is alone.verdict
        assert one.seconds > 0


def test_the_network_does_not_run():
    model = Colours()
    seen = extract(Image.new("RGB", (64, 48), "red"), model)
    runs = len(model.seen)
    found = compare(seen, config_of(seen))
    assert len(model.seen) == runs
    masking = next(one for one in found.results if one.name == "masking")
    assert masking.certificate.verdict is Verdict.CERTIFIED


def test_double_masking_takes_part_once_its_pairs_of_masks_have_been_tried(features):
    config = config_of(features, masks_per_axis=2)
    pairs = two_mask_predictions(mean_logits(Colours()), features.pixels, mask_set(config))
    found = compare(features, config, names=["double-masking"], two_mask=pairs)
    (one,) = found.results
    alone = build("double-masking", config).certify(pairs, delta=features.delta)
    assert np.array_equal(one.certificate.margin, alone.margin)
    assert one.certificate.positions == PatchPositions((48, 64), (8, 8))
    assert np.array_equal(one.values, pairs)
    assert one.certificate.certified
    assert all(found.proves(one, found.windows.at(index)) for index in range(found.windows.count))


@pytest.mark.parametrize("space", Space)
def test_a_photo_and_a_network_are_compared_as_what_was_seen_and_a_configuration_are(space):
    photo = Image.fromarray(np.random.default_rng(1).integers(0, 256, (96, 128, 3), np.uint8))
    settings = {"threshold": np.float64(0.5), "clip_high": 5}
    seen = extract(photo, Colours())
    size = Threat((8, 8), space).on_network(seen.framing)
    expected = compare(seen, config_of(seen, size, threshold=0.5, clip_high=5.0))
    for one in (photo, seen):
        found = compare(one, Colours(), patch=8, settings=settings, space=space)
        assert found.config == expected.config
        assert found.not_applicable == expected.not_applicable
        for one, other in zip(found.results, expected.results, strict=True):
            assert str(one.defence) == str(other.defence)
            assert np.array_equal(one.certificate.margin, other.certificate.margin)


def test_what_does_not_go_together_is_refused_in_a_sentence(features):
    photo = Image.new("RGB", (64, 48))
    with pytest.raises(ValueError, match=r"^expected a network for a photo, got a configuration"):
        compare(photo, config_of(features))
    with pytest.raises(ValueError, match=r"^expected local features of tiles, got those of colours"):
        compare(features, "tiles")
    with pytest.raises(ValueError, match=r"^expected one of threshold, .*, got 'magic'"):
        compare(photo, Colours(), settings={"magic": 1})
    with pytest.raises(ValueError, match=r"^expected a number in \[0, 0\.99\] for threshold, got 2"):
        compare(photo, Colours(), settings={"threshold": 2})
    with pytest.raises(ValueError, match=r"^expected a patch such as '2%'"):
        compare(photo, Colours(), patch="large")


def test_a_label_that_is_no_class_is_refused(features):
    with pytest.raises(ValueError, match="expected one of the 3 classes, got 'pink'"):
        compare(features, config_of(features), "pink")


@given(st.sampled_from([(4, 4), (8, 8), (20, 12)]), st.sampled_from([0.0, 0.3]))
def test_relative_margins_keep_their_sign_and_their_order(features, patch_size, threshold):
    for one in compare(features, config_of(features, patch_size, threshold=threshold)).results:
        margin, relative = one.certificate.margin, one.relative
        assert relative.shape == margin.shape
        assert np.array_equal(np.sign(relative), np.sign(margin))
        assert np.abs(relative).max() == 1
        order = np.argsort(margin, axis=None, kind="stable")
        assert (np.diff(relative.reshape(-1)[order]) >= 0).all()


def test_a_window_without_any_bound_is_a_whole_unit_below_zero(features):
    found = compare(features, config_of(features), names=["undefended"])
    (undefended,) = found.results
    assert not found.proves(undefended, found.windows.at(0))
    assert (undefended.relative == -1).all()


def test_two_defences_that_differ_are_found_and_the_undefended_one_only_if_no_other_fails(features):
    found = compare(features, config_of(features, (16, 16), clip_high=30.0))
    by_name = {one.name: one for one in found.results}
    masking = by_name["masking"]
    different = 0
    for at in np.ndindex(masking.certificate.windows.shape):
        window = masking.certificate.windows.window(*at)
        proving = {one.name for one in found.results if found.proves(one, window)}
        pair = found.differing(window)
        if not proving:
            assert pair is None
            continue
        one, other = pair
        assert found.proves(one, window)
        assert not found.proves(other, window)
        others = set(by_name) - proving - {"undefended"}
        assert (other.name == "undefended") == (not others)
        different += bool(others)
    assert different > 0


def test_a_bound_that_is_not_sound_proves_no_window(features):
    settings = {"threshold": 0.2, "bound": "published"}
    found = compare(features, config_of(features, **settings), names=["masking"])
    (masking,) = found.results
    assert isinstance(masking, DefenceResult)
    assert (masking.certificate.margin > 0).any()
    windows = masking.certificate.windows
    assert not any(found.proves(masking, windows.window(*at)) for at in np.ndindex(windows.shape))


def test_a_network_of_bands_has_windows_that_wrap():
    field = ReceptiveField((32, 4), (32, 1), wrapping=True)
    for_bands = DefenceConfig(field, (32, 32), Colours.evidence, (5, 5))
    assert build("mask-ds", for_bands).wrapping
    with pytest.raises(ValueError, match="Mask-DS"):
        build("masking", for_bands)


def placed(features, patch_size, margin_of):
    """A result that certifies places of the patch in pixels, with a margin for each."""
    positions = PatchPositions(features.framing.image_size, patch_size)
    margin = np.array(
        [
            [margin_of(row, column) for column in range(positions.shape[1])]
            for row in range(positions.shape[0])
        ]
    )
    return result(positions, margin)


def result(positions, margin):
    zero = np.zeros(positions.shape)
    rival, label = np.ones(positions.shape, np.int64), np.array(0)
    certificate = Certificate(Claim.LABEL, positions, label, label, margin, zero, rival, zero)
    prediction = Prediction(label, np.zeros(3))
    return DefenceResult("masking", RobustMasking((1, 1)), np.zeros((3, 1, 1)), prediction, certificate, 0.0)


@pytest.mark.parametrize("patch_size", [(8, 8), (5, 11), (1, 1)])
def test_a_window_is_proved_by_a_defence_of_places_iff_all_places_whose_footprint_lies_in_it_are(
    features, patch_size
):
    generator = np.random.default_rng(1)
    chances = generator.random((48, 64)) - 0.02
    one = placed(features, patch_size, lambda row, column: chances[row, column])
    found = Comparison(features, config_of(features, patch_size), (one,))
    field, map_size = features.receptive_field, features.map_size
    boxes = {
        at: field.footprint(Patch(*at, *patch_size), map_size)
        for at in np.ndindex(one.certificate.positions.shape)
    }
    verdicts = set()
    for index in range(0, found.windows.count, 3):
        window = found.windows.at(index)
        inside = []
        for (row, column), box in boxes.items():
            if (
                box is not None
                and window.top <= box.top
                and box.bottom <= window.bottom
                and window.left <= box.left
                and box.right <= window.right
            ):
                inside.append((row, column))
        proved = bool(inside) and all(chances[at] > 0 for at in inside)
        verdicts.add(proved)
        assert found.proves(one, window) == proved
        assert set(np.ndindex(*found.positions(one, window).size)) == {
            (row - inside[0][0], column - inside[0][1]) for row, column in inside
        }
        at = found.worst_at(one, window)
        assert chances[at] == min(chances[place] for place in inside)
        assert found.windows.window(window.top, window.left) == window
    assert verdicts == {True, False}


def test_a_place_stands_for_a_window_that_contains_its_footprint(features):
    one = placed(features, (8, 8), lambda row, column: 1.0)
    found = Comparison(features, config_of(features), (one,))
    for row, column in ((0, 0), (17, 23), (40, 56)):
        window = found.window_at(one, row, column)
        box = found.positions(one, window)
        assert box.top <= row < box.bottom
        assert box.left <= column < box.right


def test_places_of_bands_are_columns_around_the_edge():
    pixels = np.random.default_rng(0).random((3, 32, 32)).astype(np.float32)
    field = ReceptiveField((32, 4), (32, 1), wrapping=True)
    logits = np.random.default_rng(1).normal(size=(3, 1, 32)).astype(np.float32)
    framing = frame((32, 32), (32, 32))
    seen = LocalFeatures("bands", ("a", "b", "c"), field, framing, pixels, logits, 0.0)
    bands = DefenceConfig(field, (32, 32), Colours.evidence, (5, 5))
    one = result(PatchPositions((32, 32), (5, 5), rows_alike=True), np.arange(28.0)[None])
    found = Comparison(seen, bands, (one,))
    assert found.windows.wrapping
    for column in range(28):
        window = found.window_at(one, 0, column)
        assert window == Window(0, (column - 3) % 32, 1, 8)
        assert found.positions(one, window) == Positions(0, column, 1, 1)
        assert found.worst_at(one, window) == (0, column)
    # A patch does not wrap: the windows around the edge that would need one hold no place.
    assert found.positions(one, found.windows.window(0, 28)) is None
    assert not found.proves(one, found.windows.window(0, 28))
