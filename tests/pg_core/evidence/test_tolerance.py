"""How far an error of the local logits moves a margin: no sum moves by more, and a batch is its images."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pg_core.evidence.grid import clip
from pg_core.evidence.tolerance import EXACT, Tolerance
from pg_core.evidence.types import EVIDENCE_TYPES

KINDS = st.sampled_from(list(EVIDENCE_TYPES.values()))
SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=100)
@given(KINDS, st.sampled_from([math.inf, 0.7]), st.sampled_from([1e-9, 1e-3, 0.1, 1e6]), SEEDS)
def test_no_sum_of_evidence_moves_past_the_error_of_a_class(kind, clip_high, delta, seed):
    random = np.random.default_rng(seed)
    exact = random.normal(size=(3, 4, 5))
    moved = exact + random.choice([-delta, 0.0, delta], exact.shape)
    difference = clip(moved, kind, clip_high) - clip(exact, kind, clip_high)
    most = np.maximum(difference, 0).sum(axis=(-2, -1)), -np.minimum(difference, 0).sum(axis=(-2, -1))
    error = Tolerance.of_evidence(exact, kind, clip_high, delta, 1.0).error
    assert np.max(most) <= error * (1 + 1e-12)


@given(KINDS, st.sampled_from([0.0, 1e-3]), st.sampled_from([0.0, 0.4]), SEEDS)
def test_the_tolerance_of_a_batch_is_that_of_its_images(kind, delta, threshold, seed):
    random = np.random.default_rng(seed)
    maps, upper = random.normal(size=(2, 3, 4, 5)), random.random((2, 3, 3))
    both = Tolerance.of_evidence(maps, kind, math.inf, delta).rounded(threshold, upper)
    spread = both.of_batch((2,)).spread(upper.shape)
    for n in range(2):
        one = Tolerance.of_evidence(maps[n], kind, math.inf, delta).rounded(threshold, upper[n])
        assert both.of_batch((2,))[n,].error == one.error
        np.testing.assert_array_equal(spread[n], one.spread((3, 3)))


def test_an_error_lets_pass_what_is_within_it_of_more():
    held = np.array([[[1.0, 1.5]], [[1.0, 1.5]]])
    np.testing.assert_array_equal(
        Tolerance([0.25, 0.75]).lets_pass(held, 1.5 + 0 * held), [[[False, True]], [[True, True]]]
    )
    assert not EXACT.lets_pass(1.5, 1.5)


@pytest.mark.parametrize("bad", [-1.0, math.nan, "0.1", [0.1, -0.1], None])
def test_what_is_no_tolerance_is_refused(bad):
    for fields in ((bad,), (0.0, bad)):
        with pytest.raises(ValueError, match="expected tolerance >= 0"):
            Tolerance(*fields)


def test_a_tolerance_for_another_number_of_images_is_refused():
    with pytest.raises(ValueError, match="one for each image of"):
        Tolerance([0.1, 0.2]).of_batch((3,))
