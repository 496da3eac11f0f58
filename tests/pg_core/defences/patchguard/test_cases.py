"""Every class is in one of the four cases of Figure 5, and what is left of it is bounded as its case says."""

import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pg_core.defences.patchguard.cases import Case, Region, cases, regions
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.geometry import Window, Windows, cells
from tests import reference
from tests.pg_core.defences.patchguard.test_masking import THRESHOLDS, spelt_out

LETTERS = {
    "t": "outside",
    "e": "malicious",
    "e_": "detected",
    "q1": "spilled",
    "q2": "caught",
    "q3": "missed",
    "s": "remaining",
}


@st.composite
def attacks(draw, thresholds=THRESHOLDS, clip_highs=(math.inf, 2.0)):
    """A defence, benign evidence, a window, and the evidence with another content in it, of every size: as small
    as to hide under T, as large as to be detected, spread or in one cell."""
    shape = draw(st.integers(1, 4)), draw(st.integers(2, 8)), draw(st.integers(2, 8))
    size = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    defence = RobustMasking(
        size,
        draw(st.sampled_from(thresholds)),
        clip_high=draw(st.sampled_from(clip_highs)),
        wrapping=draw(st.booleans()),
    )
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = draw(  # even evidence hides a content at any T, whole numbers tie
        st.sampled_from([np.ones(shape), random.integers(0, 4, shape) * 1.0, random.uniform(0, 2, shape)])
    )
    values = values * (random.random(shape) < draw(st.sampled_from([0.3, 1.0, 1.0])))
    benign, literal = spelt_out(defence, values)
    windows = Windows(shape[1:], size, defence.wrapping)
    window = windows.at(draw(st.integers(0, windows.count - 1)))
    heights = np.array(draw(st.lists(st.sampled_from([0, 0, 1, 2, 5, 40]), min_size=9, max_size=9)))
    content = np.resize(heights, (shape[0], *window.size)) * draw(st.sampled_from([1.0, 0.3]))
    values[:, *cells(window, shape[1:])] = content
    attacked, _ = spelt_out(defence, values)
    return defence, benign, attacked, window, literal


def indicator(window, map_size):
    w = np.zeros(map_size)
    w[cells(window, map_size)] = 1
    return w


@given(attacks())
def test_the_case_and_its_numbers_are_the_literal_ones_for_every_class(drawn):
    defence, benign, attacked, window, literal = drawn
    known = cases(defence, benign, defence.mask(attacked), window)
    assert len(known) == len(benign)
    w = indicator(window, benign.shape[1:])
    for evidence, û_y in zip(known, attacked, strict=True):
        name, numbers = reference.figure_5(û_y, w, literal, defence.threshold)
        assert evidence.case == name
        for letter, attribute in LETTERS.items():
            assert getattr(evidence, attribute) == numbers[letter]
        assert evidence.bound == evidence.outside / (1 - defence.threshold)


@given(attacks())
def test_the_identities_of_section_5_are_exact(drawn):
    defence, benign, attacked, window, _ = drawn
    kept = benign.sum(axis=(1, 2)) - benign[:, *cells(window, benign.shape[1:])].sum(axis=(1, 2))
    for evidence, t in zip(cases(defence, benign, defence.mask(attacked), window), kept, strict=True):
        assert evidence.outside == t
        assert evidence.malicious == evidence.caught + evidence.missed
        assert evidence.detected == evidence.spilled + evidence.caught
        assert evidence.remaining == evidence.outside + evidence.malicious - evidence.detected
        assert min(evidence.spilled, evidence.caught, evidence.missed) >= 0


@given(attacks())
def test_the_evidence_of_each_region_is_that_of_its_cells(drawn):
    defence, benign, attacked, window, _ = drawn
    masking = defence.mask(attacked)
    for label, evidence in enumerate(cases(defence, benign, masking, window)):
        parts = regions(benign.shape[1:], masking.window(label), window)
        assert attacked[label][parts == Region.SPILLED].sum() == evidence.spilled
        assert attacked[label][parts == Region.CAUGHT].sum() == evidence.caught
        assert attacked[label][parts == Region.MISSED].sum() == evidence.missed


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_each_case_keeps_its_promise_and_lemma_1_holds_of_all(threshold):
    """In fractions, so that nothing is lost but what Algorithm 1 itself rounds in T times the total."""
    seen, exact = Counter(), Fraction(threshold)

    @settings(max_examples=150)
    @given(attacks((threshold,)))
    def check(drawn):
        defence, benign, attacked, window, _ = drawn
        for evidence in cases(defence, benign, defence.mask(attacked), window):
            t, e, s = (Fraction(x) for x in (evidence.outside, evidence.malicious, evidence.remaining))
            seen[evidence.case] += 1
            rounding = Fraction(2.0**-50) * (t + e)
            assert s * (1 - exact) <= t + rounding
            match evidence.case:
                case Case.EXACT:
                    assert evidence.spilled == evidence.missed == 0
                    assert s == t
                case Case.BENIGN:
                    assert evidence.caught == 0
                    assert evidence.malicious <= evidence.detected
                    assert s <= t
                case Case.PARTIAL:
                    assert evidence.missed <= evidence.spilled
                    assert s == t + Fraction(evidence.missed) - Fraction(evidence.spilled) <= t
                case Case.NONE:
                    assert e <= exact * (t + e) + rounding
                    assert s == t + e

    check()
    # Without a threshold nothing is detected only where there is no evidence at all.
    expected = set(Case) if threshold else set(Case) - {Case.NONE}
    assert all(seen[case] >= 5 for case in expected), seen


@settings(max_examples=60)
@given(attacks())
def test_the_informed_adversary_gets_no_class_past_lemma_1(drawn):
    defence, benign, _, window, literal = drawn
    top = defence.top(benign.shape[1:])
    w = indicator(window, benign.shape[1:])
    attacked = reference.informed_adversary(benign, len(benign), w, literal, defence.threshold, top)
    for evidence in cases(defence, benign, defence.mask(attacked), window):
        assert evidence.remaining <= evidence.bound * (1 + 1e-12)


def test_the_four_cases_on_one_row_by_hand():
    """Benign 1 1 1 1 1 0 0 1 with w at the two zeros; windows of two."""
    benign = np.array([[[1.0, 1, 1, 1, 1, 0, 0, 1]]])
    window = Window(0, 5, 1, 2)

    def attacked(threshold, *content):
        defence, evidence = RobustMasking((1, 2), threshold), benign.copy()
        evidence[0, 0, 5:7] = content
        (known,) = cases(defence, benign, defence.mask(evidence), window)
        return known

    exact = attacked(0.0, 3, 3)
    assert (exact.case, exact.remaining, exact.detected) == (Case.EXACT, 6, 6)
    elsewhere = attacked(0.0, 0.25, 0.5)
    assert (elsewhere.case, elsewhere.detected, elsewhere.remaining) == (Case.BENIGN, 2, 4.75)
    partial = attacked(0.0, 3, 0.5)
    assert (partial.case, partial.remaining) == (Case.PARTIAL, 5.5)
    assert (partial.spilled, partial.caught, partial.missed) == (1, 3, 0.5)
    hidden = attacked(0.5, 2, 2)
    assert (hidden.case, hidden.detected, hidden.remaining, hidden.bound) == (Case.NONE, 0, 10, 12)


def test_a_window_smaller_than_those_of_the_defence_is_never_exact():
    benign = np.zeros((1, 4, 4))
    attacked = benign.copy()
    attacked[0, 1, 1] = 5
    defence = RobustMasking((2, 2))
    (known,) = cases(defence, benign, defence.mask(attacked), Window(1, 1, 1, 1))
    assert (known.case, known.caught, known.spilled, known.remaining) == (Case.PARTIAL, 5, 0, 0)


@pytest.mark.parametrize("window", [Window(0, 0, 3, 2), Window(3, 0, 2, 2), Window(-1, 0, 2, 2)])
def test_a_window_that_is_too_large_or_off_the_map_is_refused(window):
    defence, benign = RobustMasking((2, 2)), np.zeros((1, 4, 4))
    with pytest.raises(ValueError, match=r"expected a malicious window of at most \(2, 2\)"):
        cases(defence, benign, defence.mask(benign), window)


def test_evidence_that_differs_outside_the_window_is_refused():
    defence, benign = RobustMasking((2, 2)), np.zeros((1, 4, 4))
    attacked = benign.copy()
    attacked[0, 3, 3] = 1
    with pytest.raises(ValueError, match="inside the window only"):
        cases(defence, benign, defence.mask(attacked), Window(0, 0, 2, 2))
