"""Each exhibit: the bound as published certifies, one patch breaks it, and ours does not certify; the published rules
are those of the literal oracles."""

import math

import numpy as np
import pytest

from pg_core.analysis.exhibits import exhibits
from pg_core.defences.base import ALERT
from tests import reference
from tests.reference import bounded, detection, smoothing

EXHIBITS = {exhibit.name: exhibit for exhibit in exhibits()}


@pytest.fixture(params=EXHIBITS)
def exhibit(request):
    return EXHIBITS[request.param]


def test_what_was_published_certifies_what_one_patch_breaks(exhibit):
    assert int(exhibit.clean.label) == exhibit.label
    assert exhibit.as_printed().certified
    broken = exhibit.broken()
    assert int(broken.prediction.label) not in (exhibit.label, ALERT)
    changed = (broken.local_logits != exhibit.local_logits).any(axis=0)
    assert changed.any()
    assert not (changed & ~exhibit.where).any()


def test_what_holds_gives_no_certificate_or_keeps_it(exhibit):
    corrected = int(exhibit.broken().corrected.label)
    assert exhibit.holds().certified == (corrected == exhibit.label)
    assert (exhibit.name == "no-wrap") == exhibit.holds().certified


def test_an_attack_outside_the_patch_is_refused():
    exhibit = EXHIBITS["no-wrap"]
    cheat = exhibit.local_logits + 1
    forged = type(exhibit)(
        *(getattr(exhibit, name) if name != "attack" else lambda: cheat for name in exhibit.__slots__)
    )
    with pytest.raises(AssertionError, match="one patch"):
        forged.broken()


def test_the_cells_are_those_of_one_patch():
    """A window, or the bands that a patch meets, all its pixels tried."""
    stride, tie = EXHIBITS["stride"], EXHIBITS["tie"]
    for exhibit, width, patch, step, size in ((stride, 19, 32, 10, 224), (tie, 4, 4, 1, 48)):
        left = exhibit.position[1]
        met = [
            any((start + x) % size in range(left, left + patch) for x in range(width))
            for start in range(0, size, step)
        ]
        assert exhibit.where[0].tolist() == met
    assert EXHIBITS["no-wrap"].where[0].tolist() == [True, *6 * [False], True]
    for name, k in (("printed-bound", (2, 2)), ("runner-up", (2, 2)), ("equal-confidence", (1, 1))):
        where, (row, column) = EXHIBITS[name].where, EXHIBITS[name].position
        assert where.sum() == k[0] * k[1]
        assert where[row : row + k[0], column : column + k[1]].all()


def test_the_printed_bound_is_that_of_algorithm_2():
    exhibit = EXHIBITS["printed-bound"]
    rows, columns = exhibit.where.shape
    literal = reference.windows(rows, columns, 2, 2)
    lower, upper, _ = reference.algorithm_2(exhibit.local_logits, 0, literal, 0.4, "published")
    at = next(n for n, window in enumerate(literal) if (window > 0).tolist() == exhibit.where.tolist())
    printed = exhibit.as_printed()
    assert (printed.lower, printed.upper) == pytest.approx((lower[at], upper[at]))
    assert all(one > other for one, other in zip(lower, upper, strict=True))


def test_the_runner_up_is_that_of_the_published_certificate():
    exhibit = EXHIBITS["runner-up"]
    values = np.tanh(0.05 * exhibit.local_logits - 1)
    assert bounded.published_certificate(values, reference.windows(6, 6, 2, 2), -1, 1)
    assert bounded.mean_class(np.tanh(0.05 * exhibit.broken().local_logits - 1)) == 2


def test_the_count_is_that_of_the_published_quotient():
    exhibit = EXHIBITS["stride"]
    votes = exhibit.evidence(exhibit.local_logits)[:, 0].tolist()
    assert smoothing.published_delta(32, 19, 10) == 5
    assert exhibit.where.sum() == 6
    assert smoothing.published_certified(votes, 0, 5)
    assert not smoothing.published_certified(votes, 0, 6)


def test_the_tie_is_certified_against_one_of_two_alone():
    exhibit = EXHIBITS["tie"]
    counts = exhibit.evidence(exhibit.local_logits).sum(axis=(-2, -1)).astype(int).tolist()
    assert counts == [5, 3, 3, 3, 19, 3, 0, 4, 5, 3]
    assert counts[4] - counts[8] == 2 * 7
    assert not smoothing.published_certified(exhibit.evidence(exhibit.local_logits)[:, 0].tolist(), 4, 7)


def test_a_confidence_of_the_threshold_certifies_and_alerts_nobody():
    exhibit = EXHIBITS["equal-confidence"]
    literal = reference.windows(1, 4, 1, 1)
    assert detection.published_certified(exhibit.local_logits, 0, literal, 1.0)
    assert not all(detection.certified(exhibit.local_logits, 0, window, 1.0) for window in literal)
    assert detection.predict(exhibit.broken().local_logits, literal, 1.0) == 1


def test_bounds_are_finite_numbers(exhibit):
    for bounds in (exhibit.as_printed(), exhibit.holds()):
        assert math.isfinite(bounds.lower)
        assert math.isfinite(bounds.upper)
