"""The largest certified patch around each pixel: a literal search, the adversary inside it, and its progress."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.defences.patchguard.placements import largest_inside, largest_patches
from pg_core.evidence.grid import clip
from pg_core.geometry import ReceptiveField
from pg_core.geometry.footprints import Footprints
from tests import reference
from tests.pg_core.defences.patchguard.test_certificate import HOSTILE, in_feature_space
from tests.pg_core.defences.patchguard.test_masking import (
    defences,
    literal_windows,
)
from tests.pg_core.defences.patchguard.test_placements import UNIT, led
from tests.reference.placements import most_of_rival


def square_around(centre, side, image):
    """Top, left, height and width of what lies in the image of the square of this side around a pixel."""
    tops = [max(a - (side - 1) // 2, 0) for a in centre]
    ends = [min(a + side // 2 + 1, n) for a, n in zip(centre, image, strict=True)]
    return (*tops, *(end - top for top, end in zip(tops, ends, strict=True)))


@settings(max_examples=25)
@given(st.data(), defences(thresholds=(0.0,), largest=2), st.integers(0, 2**32 - 1))
def test_the_largest_patch_is_the_largest_that_the_literal_bounds_certify(data, defence, seed):
    size, stride = (data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3))) for _ in range(2))
    field, image = ReceptiveField(size, stride), (data.draw(st.integers(3, 7)), data.draw(st.integers(3, 7)))
    map_size = field.map_size(image)
    local_logits = np.random.default_rng(seed).uniform(-1, 2, (2, *map_size))
    local_logits[0] += 1.5
    masking = defence.predict(local_logits)
    ours = largest_patches(defence, masking, defence.certify_masking(masking, 0), field, image)
    evidence, literal = (
        clip(local_logits, defence.evidence, defence.clip_high),
        literal_windows(defence, local_logits),
    )
    for centre in np.ndindex(image):
        largest = 0
        for side in range(1, 2 * max(image) + 1):
            f = np.zeros(map_size)
            box = square_around(centre, side, image)
            for cell in reference.footprint(box, size, stride, (0, 0), *map_size):
                f[cell] = 1
            lower = reference.lower_bound(evidence[0], f, literal, 0.0, "sound")
            upper = most_of_rival(evidence[1], f, literal, 0.0, defence.top(map_size))
            if masking.label != 0 or (f.any() and lower <= upper):
                break
            largest = side
        assert ours[centre] == largest


def test_no_patch_inside_the_largest_square_breaks_the_prediction():
    """Whatever its shape, and wherever in the square it is."""
    tried = Counter()

    @settings(max_examples=40)
    @given(st.data(), defences(), led(0.5, 3), st.integers(0, 2**32 - 1))
    def check(data, defence, drawn, seed):
        local_logits, _ = drawn
        image = local_logits.shape[1:]
        masking = defence.predict(local_logits)
        sides = largest_patches(defence, masking, defence.certify_masking(masking), UNIT, image)
        random, label = np.random.default_rng(seed), int(masking.label)
        evidence, literal = (
            clip(local_logits, defence.evidence, defence.clip_high),
            literal_windows(defence, local_logits),
        )
        featured = in_feature_space(defence)
        for centre in random.permutation(np.argwhere(sides > 0))[:4].tolist():
            top, left, height, width = square_around(centre, sides[*centre], image)
            h, w = int(random.integers(1, height + 1)), int(random.integers(1, width + 1))
            a, b = top + int(random.integers(height - h + 1)), left + int(random.integers(width - w + 1))
            f = np.zeros(image)
            f[a : a + h, b : b + w] = 1
            content = reference.informed_adversary(
                evidence, label, f, literal, defence.threshold, featured.clip_high
            )
            assert featured.predict(content).label == label
            noise = random.choice(HOSTILE, (8, *evidence.shape))
            assert (featured.predict(np.where(f > 0, noise, evidence)).label == label).all()
            tried[label] += 1

    check()
    assert tried.total() >= 40


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_the_largest_inside_the_image_is_the_first_of_the_largest_that_a_search_finds(height, width, seed):
    sides = np.random.default_rng(seed).integers(0, 2 * max(height, width) + 1, (height, width))
    best = None
    for centre in np.ndindex(height, width):
        for side in range(1, sides[centre] + 1):
            box = square_around(centre, side, (height, width))
            whole = box[2:] == (side, side)
            if whole and (best is None or side > best[2]):
                best = box
    found = largest_inside(sides)
    assert best == (None if found is None else (found.top, found.left, found.height, found.width))


def test_the_progress_of_the_search_is_reported():
    told = []
    local_logits = np.stack([np.full((9, 9), 1.0), np.zeros((9, 9))])
    defence = RobustMasking((3, 3), clip_high=1.0)
    masking = defence.predict(local_logits)
    sides = largest_patches(
        defence, masking, defence.certify_masking(masking), UNIT, (9, 9), report=told.append
    )
    assert [progress.done for progress in told] == list(range(1, sides.max() + 2))
    assert all(progress.done <= progress.total for progress in told)


def test_a_square_of_no_pixels_is_refused():
    with pytest.raises(ValueError, match="at least 1x1"):
        Footprints.centred(UNIT, 0, (8, 12))


# --- What is said of them ---------------------------------------------------------------------------------
