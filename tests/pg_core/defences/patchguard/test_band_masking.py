"""Mask-DS: robust masking of column bands, whose windows wrap around, against the published code that does not."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pg_core.defences.base import Verdict
from pg_core.defences.patchguard.certificate import Bound
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.evidence.types import EvidenceType
from pg_core.geometry import Windows, cells
from tests import reference


def bands(width):
    """W of a map [1, 8]."""
    return reference.windows(1, 8, 1, width, True)


def published(benign, label, width, threshold):
    """Whether the published code certifies the label in every window."""
    literal = bands(width)
    return all(
        reference.mask_ds_published_lower_bound(benign[label], n, literal, threshold)
        > reference.upper_bound(benign, label, w, threshold)[0]
        for n, w in enumerate(literal)
    )


@pytest.mark.parametrize(("band_width", "patch_width", "columns"), [(4, 5, 32), (25, 42, 299), (4, 2, 32)])
def test_the_bands_that_meet_a_patch_are_a_window_of_p_plus_b_minus_1(band_width, patch_width, columns):
    windows = Windows((1, columns), (1, patch_width + band_width - 1), wrapping=True)
    assert windows.count == columns
    for first in range(columns - patch_width + 1):
        patch = set(range(first, first + patch_width))
        met = {j for j in range(columns) if patch & {(j + x) % columns for x in range(band_width)}}
        window = windows.window(0, (first - band_width + 1) % columns)
        _, covered = cells(window, windows.map_size)
        assert set(np.arange(columns)[covered].tolist()) == met


@pytest.mark.parametrize("bound", list(Bound))
def test_without_a_threshold_the_published_code_loses_certificates(bound):
    label, rival = np.ones((1, 8)), np.full((1, 8), 0.3)
    label[0, 0] = 5
    benign = np.stack([label, rival])
    assert not published(benign, 0, 2, 0.0)
    certificate = RobustMasking((1, 2), bound=bound, wrapping=True).certify(benign)
    assert certificate.verdict is Verdict.CERTIFIED
    assert certificate.lower[0, 7] == 4
    assert reference.mask_ds_published_lower_bound(label, 7, bands(2), 0.0) == 0


@pytest.mark.parametrize("bound", [Bound.SOUND, Bound.TIGHT])
def test_with_a_threshold_the_published_code_certifies_what_the_adversary_breaks(bound):
    """Malicious is {7, 0}; evidence in 0 has {0, 1} detected, across the edge, which takes the 3 of 1 along."""
    label = [0.0, 3.0, 1.0, 2.0, 2.0, 2.0, 1.0, 3.0]
    rival = [0.0, 0.0, 3.0, 0.0, 1.0, 0.0, 1.0, 0.0]
    benign = np.array([[label], [rival]])
    assert published(benign, 0, 2, 0.4)
    defence = RobustMasking((1, 2), 0.4, bound=bound, wrapping=True)
    certificate = defence.certify(benign, 0)
    assert certificate.verdict is Verdict.NOT_CERTIFIED
    assert certificate.margin[0, 7] < 0

    attacked = benign.copy()
    attacked[:, 0, [7, 0]] = [[0, 2.4], [0, 3.3]]
    masking = defence.predict(attacked)
    assert masking.label == 1
    np.testing.assert_array_equal(masking.detected, [0, -1])


@given(
    st.lists(st.integers(0, 4), min_size=16, max_size=16), st.integers(1, 5), st.sampled_from([math.inf, 2.0])
)
def test_without_a_threshold_the_published_code_certifies_nothing_that_ours_does_not(
    values, width, clip_high
):
    benign = np.array(values, np.float64).reshape(2, 1, 8)
    benign[0] += 1
    defence = RobustMasking((1, width), clip_high=clip_high, wrapping=True)
    certificate = defence.certify(benign, 0)
    literal = bands(width)
    evidence = defence.predict(benign).evidence
    for n, lower in enumerate(certificate.lower[0]):
        assert reference.mask_ds_published_lower_bound(evidence[0], n, literal, 0.0) <= lower


def test_windows_of_every_column_are_seen_as_one_ring():
    """Turning the map turns bounds, rivals and scores, and changes none."""
    random = np.random.default_rng(2)
    local_logits = random.normal(0, 2, (5, 1, 32))
    local_logits[3] += 1.5
    defence = RobustMasking((1, 8), 0.0, EvidenceType.CONFIDENCE, wrapping=True)
    certificate = defence.certify(local_logits)
    for turn in (1, 7, 31):
        turned = defence.certify(np.roll(local_logits, turn, axis=-1))
        for name in ("lower", "upper", "rival", "outside", "other"):
            expected = np.roll(getattr(certificate, name), turn, axis=-1)
            np.testing.assert_array_equal(getattr(turned, name), expected)


def test_a_tie_that_rounds_into_a_win_is_within_the_tolerance():
    """The audit's map: 0.7 * 10 rounds to 7.0, so 7 of class 0 hides in cell 4 at T = 0.7 and wins by the tie rule,
    although the margin looks positive. Without the rounding term of the bound this would be a false certificate."""
    local_logits = np.zeros((3, 1, 9))
    local_logits[0, 0, 7] = 3
    local_logits[1, 0] = [1, 1, 5, 5, 2, 2, 1, 1, 1]
    defence = RobustMasking((1, 2), 0.7, wrapping=True)
    attacked = local_logits.copy()
    attacked[:, 0, 4:6] = [[7, 0], [100, 0], [0, 0]]
    assert defence.predict(local_logits).label == 1
    assert defence.mask(attacked).label == 0
    for bound in (Bound.SOUND, Bound.TIGHT):
        certificate = replace(defence, bound=bound).certify(local_logits, 1)
        assert not certificate.proved[0, 4]
        assert certificate.margin[0, 4] <= certificate.tolerance[0, 4]
