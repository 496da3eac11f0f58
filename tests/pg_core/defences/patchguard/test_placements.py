"""Each placement has the bounds of its footprint, and no content of a certified footprint changes the prediction."""

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pg_core import Threat, analyse
from pg_core.defences.patchguard.certificate import Bound
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.defences.patchguard.placements import Finding, certify_placements
from pg_core.evidence.grid import clip
from pg_core.evidence.tolerance import EXACT, Tolerance
from pg_core.evidence.types import EVIDENCE_TYPES, EvidenceType
from pg_core.geometry import Patch, ReceptiveField, Windows, cells
from pg_core.geometry.footprints import Footprints
from tests import reference
from tests.colours import Colours
from tests.pg_core.analysis.test_analysis import defence, photo
from tests.pg_core.defences.patchguard.test_certificate import HOSTILE, in_feature_space
from tests.pg_core.defences.patchguard.test_masking import (
    THRESHOLDS,
    defences,
    led_maps,
    literal_windows,
)
from tests.reference.placements import most_of_rival

UNIT = ReceptiveField((1, 1), (1, 1))
"""Each feature is a pixel, so that patches are footprints."""


@st.composite
def footprints_on(draw, map_size):
    """The footprints of a patch of any size, small or as large as the image; of bands if the map has one row."""
    field, image = UNIT, map_size
    if map_size[0] == 1 and draw(st.booleans()):
        band = draw(st.integers(1, min(3, map_size[1])))
        field, image = ReceptiveField((3, band), (3, 1), wrapping=True), (3, map_size[1])
    size = tuple(draw(st.one_of(st.integers(1, min(n, 3)), st.integers(1, n))) for n in image)
    return Footprints.of(field, size, image)


def led(smallest_lead=0.0, smallest_side=1):
    """Maps in which a class leads, of several rows or of one."""

    def in_a_row(drawn):
        local_logits, leader = drawn
        return local_logits.reshape(len(local_logits), 1, -1)[..., :9], leader

    maps = led_maps(smallest_lead, smallest_side)
    return st.one_of(maps, maps, maps.map(in_a_row))


def certified(defence, local_logits, footprints, label=None, tolerance=EXACT):
    masking = defence.predict(local_logits)
    certificate = defence.certify_masking(masking, label, tolerance)
    return certify_placements(defence, masking, certificate, footprints, tolerance), certificate


def each(placements):
    """Index, 0/1 array of the cells, lower and upper bound of every distinct footprint."""
    for at in np.ndindex(placements.footprints.shape):
        f = np.zeros(placements.footprints.map_size)
        f[cells(placements.footprints.footprint(*at), f.shape)] = 1
        yield at, f, placements.lower[at], placements.upper[at]


# --- Footprints -------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(st.data(), defences(), led())
def test_the_bounds_are_those_of_the_literal_loops_over_masks(data, defence, drawn):
    local_logits, label = drawn
    footprints = data.draw(footprints_on(local_logits.shape[1:]))
    placements, certificate = certified(defence, local_logits, footprints, label)
    evidence, literal = (
        clip(local_logits, defence.evidence, defence.clip_high),
        literal_windows(defence, local_logits),
    )
    threshold, top = defence.threshold, defence.top(local_logits.shape[1:])
    for at, f, lower, upper in each(placements):
        most = [
            -np.inf if c == label else most_of_rival(evidence[c], f, literal, threshold, top)
            for c in range(len(evidence))
        ]
        least = reference.lower_bound(evidence[label], f, literal, threshold, "sound")
        windows = [n for n, M in enumerate(literal) if (M * f).sum() == f.sum()]
        if threshold == 0:
            assert (lower, upper) == (least, max(most))
            assert placements.rival[at] == int(np.argmax(most))
            assert all(lower - upper >= certificate.margin.ravel()[n] for n in windows)
        else:
            margins = [least - max(most), *certificate.margin.ravel()[windows]]
            assert lower - upper == pytest.approx(max(margins), rel=1e-9, abs=1e-9)


@settings(max_examples=60)
@given(st.data(), led(0, 2), st.tuples(st.integers(1, 3), st.integers(1, 3)), st.sampled_from(THRESHOLDS))
def test_without_clipping_a_rival_keeps_what_section_7_says(data, drawn, size, threshold):
    """(t_c - k_c)/(1 - T), with k_c the most that a mask which contains the footprint holds besides it."""
    local_logits, label = drawn
    defence = RobustMasking(size, threshold)
    smaller = tuple(
        data.draw(st.integers(1, min(k, n))) for k, n in zip(size, local_logits.shape[1:], strict=True)
    )
    footprints = Footprints.of(UNIT, smaller, local_logits.shape[1:])
    placements, certificate = certified(defence, local_logits, footprints, label)
    evidence, literal = clip(local_logits), literal_windows(defence, local_logits)
    for _, f, _, upper in each(placements):
        kept = []
        for c in set(range(len(evidence))) - {label}:
            v = evidence[c] * (1 - f)
            kept.append(v.sum() - max((M * v).sum() for M in literal if (M * f).sum() == f.sum()))
        taken = certificate.upper.ravel()
        assert upper == pytest.approx(max(kept) / (1 - threshold), rel=1e-12) or (
            threshold and upper in taken
        )


@settings(max_examples=40)
@given(defences(Bound.TIGHT), led(0.0, 2))
def test_a_footprint_of_the_shape_of_a_mask_proves_no_less_than_the_window_does(defence, drawn):
    local_logits, label = drawn
    windows = Windows(local_logits.shape[1:], defence.window_size)
    footprints = Footprints.of(UNIT, windows.window_size, windows.map_size)
    placements, certificate = certified(defence, local_logits, footprints, label)
    rows, columns = placements.footprints.shape
    assert (rows, columns) == windows.shape
    inside = np.s_[:, :columns]  # the first of the windows that wrap around are those inside the map
    proved = (certificate.margin > certificate.tolerance)[inside]
    assert (placements.margin > placements.tolerance)[proved].all()
    if defence.threshold == 0:
        np.testing.assert_array_equal(placements.lower, certificate.lower[inside])
        np.testing.assert_array_equal(placements.upper, certificate.upper[inside])
        np.testing.assert_array_equal(placements.rival, certificate.rival[inside])


# --- The adversaries --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(EVIDENCE_TYPES.values()))
@settings(max_examples=40)
@given(data=st.data(), drawn=led(0.0, 2))
def test_without_a_threshold_each_footprint_is_certified_or_has_a_witness(kind, data, drawn):
    """Of any size: the label has nothing there and the rival the top of the range in every cell."""
    local_logits, label = drawn
    defence = data.draw(defences(thresholds=(0.0,), kinds=(kind,)))
    placements, _ = certified(defence, local_logits, data.draw(footprints_on(local_logits.shape[1:])), label)
    evidence = clip(local_logits, kind, defence.clip_high)
    for at, f, lower, upper in each(placements):
        rival = int(placements.rival[at])
        attacked = evidence * (1 - f)
        attacked[rival] += defence.top(local_logits.shape[1:]) * f
        masking = defence.mask(attacked)
        assert masking.scores[label] == lower
        assert masking.scores[rival] == upper
        finding = placements.findings[at]
        if finding == Finding.CERTIFIED:
            assert masking.label == label
        else:
            assert finding == Finding.NOT_CERTIFIED
            assert (
                masking.label != label or (lower == upper and label < rival) or placements.prediction != label
            )


@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize("kind", list(EVIDENCE_TYPES.values()))
def test_no_content_of_a_certified_footprint_changes_the_prediction(kind, threshold):
    """Random contents, and those of the informed adversary; footprints smaller and larger than the masks."""
    tried = Counter()

    @settings(max_examples=150)
    @given(
        st.data(),
        defences(Bound.SOUND, (threshold,), (kind,)),
        led(0.5, 3),
        st.integers(0, 2**32 - 1),
    )
    def check(data, defence, drawn, seed):
        local_logits, _ = drawn
        placements, _ = certified(defence, local_logits, data.draw(footprints_on(local_logits.shape[1:])))
        evidence, label = clip(local_logits, kind, defence.clip_high), placements.label
        featured, literal = in_feature_space(defence), literal_windows(defence, local_logits)
        random, windows = np.random.default_rng(seed), Windows(local_logits.shape[1:], defence.window_size)
        proved = [found for found in each(placements) if placements.findings[found[0]] == Finding.CERTIFIED]
        for at, f, lower, upper in sorted(proved, key=lambda found: found[2] - found[3])[:4]:
            contents = random.choice(HOSTILE, (8, *local_logits.shape)) * random.choice(
                [1.0, random.random()]
            )
            contents[:4] = random.choice(HOSTILE, (4, len(local_logits), 1, 1))
            assert (defence.predict(np.where(f > 0, contents, local_logits)).label == label).all()
            assert (featured.predict(np.where(f > 0, contents, evidence)).label == label).all()
            informed = reference.informed_adversary(
                evidence, label, f, literal, threshold, featured.clip_high
            )
            masking = featured.predict(informed)
            assert masking.label == label
            assert masking.scores[label] >= lower * (1 - 1e-12)
            assert np.delete(masking.scores, label).max() <= upper * (1 + 1e-12)
            size = placements.footprints.footprint(*at).size
            fits = all(n <= k for n, k in zip(size, windows.window_size, strict=True))
            tried["larger" if not fits else "equal" if size == windows.window_size else "smaller"] += 1

    check()
    assert tried["smaller"] >= 5
    assert kind == EvidenceType.LOGITS or tried["larger"] >= 2


def test_a_patch_larger_than_the_masks_is_certified_where_the_range_of_the_evidence_is_small():
    """A rival keeps 16 - 9 of what a 4x4 footprint can hold, and nothing bounds that without clipping."""
    local_logits = np.stack([np.full((9, 9), 1.0), np.zeros((9, 9))])
    footprints = Footprints.of(UNIT, (4, 4), (9, 9))
    clipped, free = (
        certified(RobustMasking((3, 3), clip_high=c_h), local_logits, footprints)[0]
        for c_h in (1.0, math.inf)
    )
    assert (clipped.upper == 7).all()
    assert (clipped.lower == 81 - 16 - 9).all()
    assert (clipped.share, free.share) == (1, 0)
    assert (free.upper == 7 * 2.0**16).all()


# --- The largest patch at each place ----------------------------------------------------------------------


def test_a_patch_that_no_feature_sees_is_certified_as_unseen_and_keeps_the_margin():
    field = ReceptiveField((2, 2), (4, 4))
    local_logits = np.stack([np.full((3, 3), 1.0), np.full((3, 3), 0.9)])
    placements, _ = certified(RobustMasking((1, 1)), local_logits, Footprints.of(field, (1, 1), (11, 11)))
    seen = [n % 4 < 2 for n in range(11)]
    expected = np.logical_and.outer(seen, seen)
    np.testing.assert_array_equal(placements.finding_map == Finding.UNSEEN, ~expected)
    assert (placements.finding_map[expected] == Finding.NOT_CERTIFIED).all()
    assert placements.benign == pytest.approx(8 - 8 * 0.9)
    assert (placements.margin_map[~expected] == placements.benign).all()
    assert placements.counts[Finding.NOT_CERTIFIED] == 36
    assert placements.share == (121 - 36) / 121
    wrong, _ = certified(RobustMasking((1, 1)), local_logits, placements.footprints, 1)
    assert set(wrong.finding_map.ravel()) == {Finding.NOT_CERTIFIED.value}
    assert wrong.share == 0


@settings(max_examples=30)
@given(st.data(), defences(), led(0.0, 2), st.sampled_from([0.0, 0.3, 5.0]))
def test_the_maps_repeat_what_is_known_of_the_footprint_and_a_margin_within_the_tolerance_is_undecided(
    data, defence, drawn, tolerance
):
    local_logits, label = drawn
    footprints = data.draw(footprints_on(local_logits.shape[1:]))
    placements, certificate = certified(defence, local_logits, footprints, label, Tolerance(tolerance))
    for at in np.ndindex(footprints.placements):
        own = footprints.row_of[at[0]], footprints.column_of[at[1]]
        margin = placements.margin_map[at]
        assert margin == placements.margin[own]
        finding = placements.finding_map[at]
        assert finding == placements.findings[own]
        assert (finding == Finding.CERTIFIED) == (
            certificate.prediction == label and margin > placements.tolerance[own]
        )
        if finding == Finding.UNDECIDED:
            assert 0 < margin <= placements.tolerance[own]
    assert placements.tolerance.min() >= tolerance
    assert sum(placements.counts.values()) == math.prod(footprints.placements)
    worst = placements.worst
    assert placements.margin_map[worst.top, worst.left] == placements.margin_map.min()
    assert isinstance(worst, Patch)


def test_an_image_is_certified_exactly_if_every_placement_of_the_patch_is():
    model = Colours()
    for image in (photo(), photo(half=(10, 250, 20)), photo((250, 240, 20))):
        analysis = analyse(image, model, defence(model, (8, 8)), Threat((8, 8)))
        placements = analysis.placements()
        assert placements.footprints.placements == (48 - 8 + 1, 64 - 8 + 1)
        assert (placements.share == 1) == bool(analysis.certificate.certified)
        assert placements.margin_map.min() == analysis.certificate.margin.min()


def test_the_published_bound_proves_no_placement_that_the_sound_bound_does_not():
    random = np.random.default_rng(2)
    for _ in range(50):
        local_logits = random.integers(0, 4, (2, 1, 8)) * 1.0
        sound = RobustMasking((1, 2), 0.4)
        footprints = Footprints.of(UNIT, (1, 2), (1, 8))
        ours, _ = certified(replace(sound, bound=Bound.PUBLISHED), local_logits, footprints, 0)
        theirs, _ = certified(sound, local_logits, footprints, 0)
        np.testing.assert_array_equal(ours.findings, theirs.findings)


def test_an_error_of_delta_that_has_a_benign_mask_detected_is_doubt_at_a_placement_too():
    label, rival = np.ones((1, 7)), np.array([[0, 0, 0.7, 0, 0.7, 0, 0.7]])
    exact, delta = np.stack([label, rival]), 1e-3
    defence, footprints = RobustMasking((1, 2), 0.4), Footprints.of(UNIT, (1, 2), (1, 7))
    tolerance = defence.tolerance(exact, delta)
    placements, _ = certified(defence, exact, footprints, 0, tolerance)
    assert placements.margin[0, 0] > tolerance.error
    assert placements.findings[0, 0] == Finding.UNDECIDED


def test_what_does_not_belong_together_is_refused():
    defence, local_logits = RobustMasking((2, 2)), np.random.default_rng(0).random((2, 3, 5, 5))
    masking, footprints = defence.predict(local_logits), Footprints.of(UNIT, (1, 1), (5, 5))
    certificate = defence.certify_masking(masking)
    with pytest.raises(ValueError, match="expected the map of one image"):
        certify_placements(defence, masking, certificate, footprints)
    with pytest.raises(ValueError, match="expected the tolerance of the certificate"):
        certify_placements(defence, masking[0], certificate[0], footprints, Tolerance(1.0))
    with pytest.raises(ValueError, match="expected footprints on a map"):
        certify_placements(defence, masking[0], certificate[0], Footprints.of(UNIT, (1, 1), (5, 6)))


def test_a_patch_that_no_row_of_features_can_see_is_certified_everywhere():
    field, image = ReceptiveField((1, 1), (9, 1), (1, 0)), (8, 8)
    values = np.random.default_rng(0).random((3, *field.map_size(image)))
    for threshold in (0.0, 0.3):
        defence = RobustMasking((1, 1), threshold)
        masking = defence.predict(values)
        footprints = Footprints.of(field, (1, 1), image)
        proved = certify_placements(defence, masking, defence.certify_masking(masking), footprints)
        assert proved.margin_map.shape == (8, 8)
        assert (proved.margin_map > 0).all()
