"""All defences on one image: the same answers as alone, one run of the network, and signs that can be compared."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pg_core import LocalFeatures, RobustMasking, Verdict, extract
from pg_core.analysis.comparison import Contender, Lineup, Positions, line_up
from pg_core.defences.base import Certificate, Claim, Prediction
from pg_core.defences.patchcleanser.inference import mean_logits, two_mask_predictions
from pg_core.defences.patchguard.masking import Bound
from pg_core.defences.registry import Fitting, Kind
from pg_core.geometry import Patch, ReceptiveField, Window, Windows
from pg_core.photos.read import frame
from tests.colours import Colours


@pytest.fixture(scope="module")
def features():
    values = np.random.default_rng(0).integers(0, 100, (48, 64, 3), np.uint8)
    values[..., 0] += 120
    return extract(Image.fromarray(values), Colours())


def fitting(features, patch_size=(8, 8), **settings):
    return Fitting(
        features.receptive_field, features.framing.image_size, Colours.evidence, patch_size, **settings
    )


def test_every_defence_is_in_the_lineup_or_says_in_a_sentence_why_not(features):
    found = line_up(features, fitting(features))
    kinds = [one.kind for one in found.contenders] + [gone.kind for gone in found.absent]
    assert sorted(kinds) == sorted(Kind)
    assert {Kind.UNDEFENDED, Kind.MASKING, Kind.CLIPPING} <= {one.kind for one in found.contenders}
    reasons = {gone.kind: gone.reason for gone in found.absent}
    assert "needs a network of column bands" in reasons[Kind.MASK_DS]
    assert "was trained for" in reasons[Kind.INTERVAL]
    assert "it needs 666 more runs of the network" in reasons[Kind.DOUBLE_MASKING]


@pytest.mark.parametrize("label", [None, "red", "blue"])
def test_a_defence_says_in_the_lineup_what_it_says_alone(features, label):
    settings = {"threshold": 0.1, "clip_high": 5.0}
    found = line_up(features, fitting(features, **settings), label)
    index = None if label is None else features.classes.index(label)
    for one in found.contenders:
        defence = fitting(features, **settings).defence(one.kind)
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
    found = line_up(seen, fitting(seen))
    assert len(model.seen) == runs
    masking = next(one for one in found.contenders if one.kind is Kind.MASKING)
    assert masking.certificate.verdict is Verdict.CERTIFIED


def test_double_masking_takes_part_once_its_pairs_of_masks_have_been_tried(features):
    fitted = fitting(features, masks_per_axis=2)
    pairs = two_mask_predictions(mean_logits(Colours()), features.pixels, fitted.masks)
    found = line_up(features, fitted, kinds=[Kind.DOUBLE_MASKING], pairs=pairs)
    (one,) = found.contenders
    alone = fitted.defence(Kind.DOUBLE_MASKING).certify(pairs, delta=features.delta)
    assert np.array_equal(one.certificate.margin, alone.margin)
    assert one.certificate.windows.shape == (41, 57)
    assert one.certificate.certified
    assert all(found.proves(one, found.windows.at(index)) for index in range(found.windows.count))


def test_a_label_that_is_no_class_is_refused(features):
    with pytest.raises(ValueError, match="expected one of the 3 classes, got 'pink'"):
        line_up(features, fitting(features), "pink")


@given(st.sampled_from([(4, 4), (8, 8), (20, 12)]), st.sampled_from([0.0, 0.3]))
def test_relative_margins_keep_their_sign_and_their_order(features, patch_size, threshold):
    for one in line_up(features, fitting(features, patch_size, threshold=threshold)).contenders:
        margin, relative = one.certificate.margin, one.relative
        assert relative.shape == margin.shape
        assert np.array_equal(np.sign(relative), np.sign(margin))
        assert np.abs(relative).max() == 1
        order = np.argsort(margin, axis=None, kind="stable")
        assert (np.diff(relative.reshape(-1)[order]) >= 0).all()


def test_a_window_without_any_bound_is_a_whole_unit_below_zero(features):
    found = line_up(features, fitting(features), kinds=[Kind.UNDEFENDED])
    (undefended,) = found.contenders
    assert not found.proves(undefended, found.windows.at(0))
    assert (undefended.relative == -1).all()


def test_two_defences_that_differ_are_found_and_the_undefended_one_only_if_no_other_fails(features):
    found = line_up(features, fitting(features, (16, 16), clip_high=30.0))
    by_kind = {one.kind: one for one in found.contenders}
    masking = by_kind[Kind.MASKING]
    different = 0
    for at in np.ndindex(masking.certificate.windows.shape):
        window = masking.certificate.windows.window(*at)
        proving = {one.kind for one in found.contenders if found.proves(one, window)}
        pair = found.differing(window)
        if not proving:
            assert pair is None
            continue
        one, other = pair
        assert found.proves(one, window)
        assert not found.proves(other, window)
        others = set(by_kind) - proving - {Kind.UNDEFENDED}
        assert (other.kind is Kind.UNDEFENDED) == (not others)
        different += bool(others)
    assert different > 0


def test_a_bound_that_is_not_sound_proves_no_window(features):
    settings = {"threshold": 0.2, "bound": Bound.PUBLISHED}
    found = line_up(features, fitting(features, **settings), kinds=[Kind.MASKING])
    (masking,) = found.contenders
    assert isinstance(masking, Contender)
    assert (masking.certificate.margin > 0).any()
    windows = masking.certificate.windows
    assert not any(found.proves(masking, windows.window(*at)) for at in np.ndindex(windows.shape))


def test_a_network_of_bands_has_a_lineup_of_windows_that_wrap():
    field = ReceptiveField((32, 4), (32, 1), wrapping=True)
    for_bands = Fitting(field, (32, 32), Colours.evidence, (5, 5))
    assert for_bands.defence(Kind.MASK_DS).wrapping
    with pytest.raises(ValueError, match="Mask-DS"):
        for_bands.defence(Kind.MASKING)


def placed(features, patch_size, margin_of):
    """A contender that certifies places of the patch in pixels, with a margin for each."""
    height, width = features.framing.image_size
    windows = Windows((height, width), patch_size)
    margin = np.array(
        [[margin_of(row, column) for column in range(windows.shape[1])] for row in range(windows.shape[0])]
    )
    zero = np.zeros(windows.shape)
    certificate = Certificate(
        Claim.LABEL, windows, np.array(0), np.array(0), margin, zero, np.ones(windows.shape, np.int64), zero
    )
    return Contender(
        Kind.MASKING, RobustMasking((1, 1)), Prediction(np.array(0), np.zeros(3)), certificate, 0.0
    )


@pytest.mark.parametrize("patch_size", [(8, 8), (5, 11), (1, 1)])
def test_a_window_is_proved_by_a_defence_of_places_iff_all_places_whose_footprint_lies_in_it_are(
    features, patch_size
):
    generator = np.random.default_rng(1)
    chances = generator.random((48, 64)) - 0.02
    one = placed(features, patch_size, lambda row, column: chances[row, column])
    found = Lineup(features, fitting(features, patch_size), (one,))
    field, map_size = features.receptive_field, features.map_size
    boxes = {
        at: field.footprint(Patch(*at, *patch_size), map_size)
        for at in np.ndindex(one.certificate.windows.shape)
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
    found = Lineup(features, fitting(features), (one,))
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
    bands = Fitting(field, (32, 32), Colours.evidence, (5, 5))
    windows = Windows((1, 32), (1, 5))
    zero, margin = np.zeros(windows.shape), np.arange(28.0)[None]
    certificate = Certificate(
        Claim.LABEL, windows, np.array(0), np.array(0), margin, zero, np.ones(windows.shape, np.int64), zero
    )
    one = Contender(
        Kind.MASKING, RobustMasking((1, 1)), Prediction(np.array(0), np.zeros(3)), certificate, 0.0
    )
    found = Lineup(seen, bands, (one,))
    assert found.windows.wrapping
    for column in range(28):
        window = found.window_at(one, 0, column)
        assert window == Window(0, (column - 3) % 32, 1, 8)
        assert found.positions(one, window) == Positions(0, column, 1, 1)
        assert found.worst_at(one, window) == (0, column)
    # A patch does not wrap: the windows around the edge that would need one hold no place.
    assert found.positions(one, found.windows.window(0, 28)) is None
    assert not found.proves(one, found.windows.window(0, 28))
