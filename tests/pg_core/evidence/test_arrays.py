"""Evidence lies on a grid that makes all sums exact, stays in its range, and says what the paper says."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pg_core.evidence.arrays import first_largest
from pg_core.evidence.grid import clip
from pg_core.evidence.types import CEILING, EVIDENCE_TYPES, VOTE_THRESHOLD, EvidenceType, confidence
from tests import reference

KINDS = st.sampled_from(list(EVIDENCE_TYPES.values()))
CLIP_HIGHS = st.sampled_from([math.inf, 1.0, 0.3, 2.0, 7.7, 1e-6, 1e6])
MAPS = st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(1, 5))


def local_logits(largest=30.0):
    return MAPS.flatmap(lambda shape: hnp.arrays(np.float64, shape, elements=st.floats(-largest, largest)))


def top_of(kind, clip_high):
    """The largest evidence there can be, before rounding to the grid."""
    return min(clip_high, CEILING) if kind == EvidenceType.LOGITS else min(clip_high, 1.0)


def grid(shape, top):
    """The distance of neighbouring values: a power of two, rows*columns*top is at most 2^52 of it."""
    cells = shape[-2] * shape[-1]
    exponent = math.ceil(math.log2(cells * top))
    return math.ldexp(1.0, exponent - 52)


@given(local_logits(1e30), KINDS, CLIP_HIGHS)
def test_evidence_is_float64_between_zero_and_the_clipping_value(values, kind, clip_high):
    evidence = clip(values, kind, clip_high)
    top = top_of(kind, clip_high)
    assert evidence.dtype == np.float64
    assert evidence.shape == values.shape
    assert (evidence >= 0).all()
    assert (evidence <= top + grid(values.shape, top) / 2).all()


@given(local_logits(), KINDS, CLIP_HIGHS)
def test_evidence_is_that_of_the_paper_to_half_a_grid_step(values, kind, clip_high):
    step = grid(values.shape, top_of(kind, clip_high))
    expected = reference.evidence(values, kind.name, min(clip_high, CEILING))
    np.testing.assert_allclose(clip(values, kind, clip_high), expected, rtol=0, atol=step / 2 + 1e-15)


def test_the_grid_is_as_fine_as_promised_on_26x26_cells():
    assert grid((26, 26), CEILING) / 2 <= 1e-8
    assert grid((26, 26), 1.0) / 2 <= 1.2e-13


@given(local_logits(1e6), KINDS, CLIP_HIGHS, st.randoms(use_true_random=False))
def test_sums_in_any_order_are_bit_identical_and_exact(values, kind, clip_high, random):
    cells = [float(value) for value in clip(values, kind, clip_high)[0].ravel()]
    exact = math.fsum(cells)
    random.shuffle(cells)
    one_by_one = 0.0
    for cell in cells:
        one_by_one += cell
    assert one_by_one == exact
    assert np.sum(cells) == exact
    assert np.cumsum(cells)[-1] == exact


@pytest.mark.parametrize("cells", [(26, 26), (112, 112), (1, 192), (7, 5)])
@pytest.mark.parametrize("clip_high", [math.inf, 1.0, 0.3])
def test_sums_are_exact_even_where_every_cell_is_at_the_top(cells, clip_high):
    random = np.random.default_rng(5)
    values = np.where(random.random((1, *cells)) < 0.9, 1e30, random.random((1, *cells)))
    evidence = clip(values, clip_high=clip_high)
    exact = math.fsum(evidence.ravel())
    assert evidence.cumsum(axis=-1).cumsum(axis=-2)[0, -1, -1] == exact
    assert evidence.cumsum(axis=-2).cumsum(axis=-1)[0, -1, -1] == exact
    assert evidence[..., ::-1].sum() == exact


@given(local_logits(), KINDS, CLIP_HIGHS)
def test_clipping_evidence_again_changes_nothing(values, kind, clip_high):
    evidence = clip(values, kind, clip_high)
    again = clip(evidence, EvidenceType.LOGITS, top_of(kind, clip_high))
    np.testing.assert_array_equal(again, evidence)


def test_a_huge_value_is_cut_at_the_ceiling_and_swallows_no_other():
    values = np.array([[[1e30, 0.25], [1e20, 0.5]]])
    evidence = clip(values)
    np.testing.assert_array_equal(evidence, [[[CEILING, 0.25], [CEILING, 0.5]]])
    assert evidence.sum() - 2 * CEILING == 0.75


@given(local_logits(1e4), KINDS)
def test_each_location_says_the_same_alone_and_on_a_larger_batch(values, kind):
    batch = np.stack([values, values[..., ::-1, :]])
    np.testing.assert_array_equal(clip(batch, kind)[0], clip(values, kind))
    np.testing.assert_array_equal(clip(batch, kind)[1], clip(values[..., ::-1, :], kind))


def test_clipping_leaves_its_argument_alone():
    values = np.array([[[-1.0, 3.0]], [[0.5, 1e30]]])
    before = values.copy()
    for kind in EVIDENCE_TYPES.values():
        clip(values, kind, 2.0)
    np.testing.assert_array_equal(values, before)


@given(local_logits(1e30))
def test_confidences_of_a_location_are_a_distribution_that_keeps_the_order_of_the_logits(values):
    shares = confidence(values)
    np.testing.assert_allclose(shares.sum(axis=-3), 1.0, atol=1e-12)
    largest = np.take_along_axis(shares, values.argmax(axis=-3)[None], axis=-3)
    assert (largest >= shares).all()


def test_a_location_votes_above_the_threshold_only():
    shares = np.array([VOTE_THRESHOLD, 0.3, 0.5])
    powers = np.log(shares)[:, None, None]
    above, at = confidence(powers)[0, 0, 0] > VOTE_THRESHOLD, clip(powers, EvidenceType.PREDICTION)[:, 0, 0]
    np.testing.assert_array_equal(at, [float(above), 1.0, 1.0])
    five = np.zeros((5, 1, 1))
    np.testing.assert_array_equal(clip(five, EvidenceType.PREDICTION), np.zeros((5, 1, 1)))


def test_float32_logits_make_the_evidence_of_the_same_float64_values():
    values = np.random.default_rng(0).normal(size=(3, 4, 4)).astype(np.float32)
    for kind in EVIDENCE_TYPES.values():
        np.testing.assert_array_equal(clip(values, kind), clip(values.astype(np.float64), kind))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("kind", list(EVIDENCE_TYPES.values()))
def test_values_that_are_not_finite_are_refused(bad, kind):
    values = np.zeros((2, 3, 3))
    values[1, 2, 0] = bad
    with pytest.raises(ValueError, match="expected finite local logits"):
        clip(values, kind)


@pytest.mark.parametrize("clip_high", [0.0, -1.0, math.nan, -math.inf])
def test_a_clipping_value_that_leaves_no_range_is_refused(clip_high):
    with pytest.raises(ValueError, match="expected clip_high > 0"):
        clip(np.zeros((2, 3, 3)), clip_high=clip_high)


@pytest.mark.parametrize("clip_high", [1e-300, 5e-324])
def test_a_clipping_value_however_small_makes_no_nan(clip_high):
    try:
        evidence = clip(np.ones((2, 3, 3)), clip_high=clip_high)
    except ValueError:
        return  # refusing it is as good
    assert np.isfinite(evidence).all()


@given(hnp.arrays(np.float64, st.tuples(st.integers(0, 3), st.integers(1, 6)), elements=st.integers(0, 2)))
def test_of_equal_largest_values_the_first_is_taken(values):
    found = first_largest(values)
    for row, index in zip(values, found, strict=True):
        assert row[index] == row.max()
        assert (row[:index] < row.max()).all()
