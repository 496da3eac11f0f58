"""Algorithm 2 is the literal one, and no content of a window breaks what it certifies."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pg_core.defences.base import Verdict
from pg_core.defences.patchguard.certificate import Bound
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.evidence.grid import clip
from pg_core.evidence.types import EVIDENCE_TYPES, EvidenceType
from pg_core.geometry import Window
from tests import reference
from tests.pg_core.defences.patchguard.test_masking import (
    KINDS,
    THRESHOLDS,
    defences,
    led_maps,
    literal_windows,
    spelt_out,
)

HOSTILE = (0.0, -1e30, 1e30, 1e4, 3.0, 0.5)
SIZES = st.tuples(st.integers(1, 3), st.integers(1, 3))


def in_feature_space(defence):
    """The same defence on evidence: what an adversary who writes evidence itself is up against."""
    top = defence.clip_high if defence.evidence == EvidenceType.LOGITS else min(defence.clip_high, 1.0)
    return replace(defence, evidence=EvidenceType.LOGITS, clip_high=top)


@pytest.mark.parametrize("bound", [Bound.PUBLISHED, Bound.SOUND])
@given(st.data(), led_maps())
def test_the_certificate_is_algorithm_2_exactly(bound, data, drawn):
    defence = data.draw(defences(bound))
    local_logits, leader = drawn
    evidence, literal = spelt_out(defence, local_logits)
    certificate = defence.certify(local_logits, leader)
    lower, upper, rival = reference.algorithm_2(evidence, leader, literal, defence.threshold, bound.value)
    np.testing.assert_array_equal(certificate.lower.ravel(), lower)
    np.testing.assert_array_equal(certificate.rival.ravel(), rival)
    np.testing.assert_array_max_ulp(certificate.upper.ravel(), np.array(upper), int(defence.threshold > 0))
    for n, w in enumerate(literal):
        v = evidence[leader] * (1 - w)
        assert certificate.outside.ravel()[n] == v.sum()
        assert certificate.other.ravel()[n] == max((w_ * v).sum() for w_ in literal)
        if defence.threshold == 0:
            assert lower[n] == min((v * (1 - w_)).sum() for w_ in literal)


@pytest.mark.parametrize(("threshold", "rest"), [(0.0, 6.0), (0.5, 3.5)])
def test_a_tie_is_no_certificate(threshold, rest):
    local_logits = np.zeros((2, 1, 8))
    local_logits[0] = 1  # keeps 6 of 8 at T = 0, and 7 at T = 0.5, where no window is detected
    local_logits[1, 0, 0] = rest
    certificate = RobustMasking((1, 1), threshold).certify(local_logits, 0)
    assert certificate.margin.min() == 0
    assert not certificate.certified
    local_logits[1, 0, 0] -= 1e-3
    assert RobustMasking((1, 1), threshold).certify(local_logits, 0).margin.min() > 0


def leading(rivals):
    """Class 1 of three says 1 everywhere: two windows of 2x2 leave it 28 of 36, and one leaves rivals 32 each."""
    local_logits = np.full((3, 6, 6), rivals)
    local_logits[1] = 1
    return local_logits


def test_the_four_verdicts():
    defence = RobustMasking((2, 2))
    sure = defence.certify(leading(0.5))
    assert sure.label == sure.prediction == 1
    assert sure.margin.min() == 28 - 16
    assert (sure.verdict, bool(sure.certified)) == (Verdict.CERTIFIED, True)
    wrong = defence.certify(leading(0.5), 0)
    assert (wrong.verdict, bool(wrong.certified)) == (Verdict.MISCLASSIFIED, False)
    weak = defence.certify(leading(0.9))
    assert weak.label == 1
    assert (weak.verdict, bool(weak.certified)) == (Verdict.NOT_CERTIFIED, False)
    doubtful = defence.certify(leading(0.5), delta=12 / (2 * 36))
    assert doubtful.undecided.any()
    assert not doubtful.not_certified.any()
    assert (doubtful.verdict, bool(doubtful.certified)) == (Verdict.UNDECIDED, False)
    assert defence.certify(leading(0.5), delta=11.9 / (2 * 36)).verdict is Verdict.CERTIFIED


def test_the_worst_window_is_the_first_with_the_smallest_margin():
    local_logits = leading(0.5)
    local_logits[1, 2:, 2:] = 0.9
    assert RobustMasking((1, 1)).certify(leading(0.5)).worst == Window(0, 0, 1, 1)
    local_logits[1, [3, 5], [4, 0]] = 2
    assert RobustMasking((1, 1)).certify(local_logits).worst == Window(3, 4, 1, 1)


@pytest.mark.parametrize("window_size", [(6, 6), (9, 9), (100, 6)])
@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_a_window_that_covers_the_map_certifies_nothing(window_size, threshold):
    certificate = RobustMasking(window_size, threshold).certify(leading(-1.0))
    assert certificate.margin.shape == (1, 1)
    assert certificate.margin[0, 0] == 0
    assert not certificate.certified


def test_bad_settings_and_bad_labels_are_refused():
    for threshold in (-0.1, 1.0, math.nan):
        with pytest.raises(ValueError, match="expected 0 <= threshold < 1"):
            RobustMasking((2, 2), threshold)
    with pytest.raises(ValueError, match="expected clip_high > 0"):
        RobustMasking((2, 2), clip_high=0.0)
    with pytest.raises(ValueError, match="at least 1x1"):
        RobustMasking((0, 2))
    for label in (-1, 3):
        with pytest.raises(ValueError, match="expected 0 <= label < 3"):
            RobustMasking((2, 2)).certify(leading(0.5), label)
    with pytest.raises(ValueError, match="classes >= 2"):
        RobustMasking((2, 2)).certify(leading(0.5)[:1])
    with pytest.raises(ValueError, match="expected finite local logits"):
        RobustMasking((2, 2)).certify(leading(0.5) * math.nan)


def test_a_delta_that_is_no_error_bound_is_refused():
    for delta in (-1.0, math.nan):
        with pytest.raises(ValueError, match="expected delta >= 0"):
            RobustMasking((2, 2)).certify(leading(0.5), 1, delta)


def attacked_everywhere(values, defence, contents):
    """A batch: values with the cells of each window in turn replaced by each of the contents."""
    literal = np.stack(literal_windows(defence, values))[:, None, None] > 0
    return np.where(literal, contents, values).reshape(-1, *values.shape)


@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize("kind", list(EVIDENCE_TYPES.values()))
def test_no_random_content_of_a_window_breaks_a_certificate(kind, threshold):
    tried = []

    @settings(max_examples=15)
    @given(defences(Bound.SOUND, (threshold,), (kind,), 2), led_maps(1.0, 4), st.integers(0, 2**32 - 1))
    def check(defence, drawn, seed):
        local_logits, _ = drawn
        certificate = defence.certify(local_logits)
        assume(certificate.certified)
        random = np.random.default_rng(seed)
        contents = random.choice(HOSTILE, (8, *local_logits.shape)) * random.choice([1.0, random.random()])
        contents[:4] = random.choice(HOSTILE, (4, len(local_logits), 1, 1))
        pixels = attacked_everywhere(local_logits, defence, contents)
        assert (defence.predict(pixels).label == certificate.label).all()
        evidence = clip(local_logits, kind, defence.clip_high)
        features = attacked_everywhere(evidence, defence, contents)
        assert (in_feature_space(defence).predict(features).label == certificate.label).all()
        tried.append(certificate)

    check()
    assert len(tried) >= 10


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_the_informed_adversary_breaks_no_certificate(threshold):
    tried = []

    @settings(max_examples=30)
    @given(defences(Bound.SOUND, (threshold,)), led_maps(0.5, 3))
    def check(defence, drawn):
        local_logits, leader = drawn
        certificate = defence.certify(local_logits, leader)
        assume(certificate.certified)
        evidence, literal = spelt_out(defence, local_logits)
        featured = in_feature_space(defence)
        for n in np.argsort(certificate.margin.ravel())[:5]:
            attack = (evidence, leader, literal[n], literal, threshold, featured.clip_high)
            content = reference.informed_adversary(*attack)
            masking = featured.predict(content)
            assert masking.label == leader
            assert masking.scores[leader] >= certificate.lower.ravel()[n] * (1 - 1e-12)
            best = np.delete(masking.scores, leader).max()
            assert best <= certificate.upper.ravel()[n] * (1 + 1e-12)
        tried.append(certificate)

    check()
    assert len(tried) >= 20


@settings(max_examples=50)
@given(led_maps(0, 2), SIZES, st.sampled_from([math.inf, 1.5]))
def test_without_a_threshold_the_informed_adversary_breaks_each_negative_margin(drawn, size, clip_high):
    local_logits, leader = drawn
    defence = RobustMasking(size, clip_high=clip_high)
    certificate = defence.certify(local_logits, leader)
    evidence, literal = spelt_out(defence, local_logits)
    for w, lower, upper in zip(literal, certificate.lower.ravel(), certificate.upper.ravel(), strict=True):
        masking = defence.predict(reference.informed_adversary(evidence, leader, w, literal, 0.0, clip_high))
        assert masking.scores[leader] == lower
        assert np.delete(masking.scores, leader).max() == upper
        if lower < upper:
            assert masking.label != leader


@settings(max_examples=50)
@given(led_maps(0, 2), SIZES, st.sampled_from(THRESHOLDS))
def test_without_clipping_the_informed_adversary_attains_the_sound_bound(drawn, size, threshold):
    local_logits, leader = drawn
    defence = RobustMasking(size, threshold)
    evidence, literal = spelt_out(defence, local_logits)
    for w, lower in zip(literal, defence.certify(local_logits, leader).lower.ravel(), strict=True):
        attacked = clip(reference.attack_label(evidence[leader], w, literal, threshold, math.inf)[None])
        kept = defence.mask(attacked).scores[0]
        assert kept == pytest.approx(lower, rel=1e-12, abs=1e-7)


def test_the_published_bound_certifies_what_the_adversary_breaks_and_the_sound_bound_refuses():
    label = [2.0, 1.0, 2.0, 2.0, 0.0, 3.0, 1.0, 3.0]
    rival = [2.0, 0.0, 0.0, 0.0, 0.0, 3.0, 0.0, 0.0]
    benign = np.array([[label], [rival]])
    published, sound = (RobustMasking((1, 2), 0.4, bound=bound) for bound in (Bound.PUBLISHED, Bound.SOUND))
    believed = published.certify(benign, 0)
    assert (believed.margin > 0).all()
    assert believed.verdict is Verdict.UNPROVED
    assert not believed.proved.any()
    assert sound.certify(benign, 0).verdict is Verdict.NOT_CERTIFIED

    stored = benign.copy()
    stored[:, 0, 6:] = [[2, 0], [0, 3.3]]  # window at 6: 2 for the label, so that {5, 6} holds 5 > 0.4 * 12
    masking = published.predict(stored)
    assert masking.window(0) == Window(0, 5, 1, 2)
    assert masking.window(1) is None
    np.testing.assert_allclose(masking.scores, [7, 8.3], atol=1e-6)
    assert masking.label == 1

    literal = literal_windows(published, benign)
    found = reference.informed_adversary(benign, 0, literal[6], literal, 0.4)
    np.testing.assert_array_equal(found[:, 0, :6], benign[:, 0, :6])
    assert published.predict(found).label == 1


def test_rounding_next_to_t_of_one_breaks_no_certificate():
    """Nothing is detected where e <= T(t + e) *as computed*, which leaves a rival more than t/(1 - T)."""
    unit, threshold = 2.0**-32, 1 - 2.0**-20
    label, rival = np.zeros((1, 16)), np.zeros((1, 16))
    label[0, :4] = 2.0**16
    label[0, 7:] = (2**50 + 2**30 + 512) // 9 * unit
    rival[0, 15] = (2**30 + 1024) * unit
    benign = np.stack([label, rival])
    attacked = benign.copy()
    attacked[:, 0, :4] = [[0], [2.0**16]]
    defence = RobustMasking((1, 4), threshold)
    assert defence.predict(attacked).label == 1
    assert defence.certify(benign, 0).verdict is not Verdict.CERTIFIED


@pytest.mark.parametrize("delta", [1e-3, 0.1])
@settings(max_examples=50)
@given(kind=st.sampled_from(KINDS), drawn=led_maps(), seed=st.integers(0, 2**32 - 1))
def test_without_a_threshold_delta_moves_no_margin_past_the_tolerance(delta, kind, drawn, seed):
    local_logits, leader = drawn
    defence = RobustMasking((2, 2), evidence=kind)
    certificate = defence.certify(local_logits, leader, delta)
    error = np.random.default_rng(seed).choice([-delta, delta], local_logits.shape)
    moved = defence.certify(local_logits + error, leader).margin - certificate.margin
    assert (np.abs(moved) <= certificate.tolerance + 1e-9).all()


def test_an_error_of_delta_that_has_a_benign_window_detected_is_doubt():
    """At T > 0 the lower bound jumps from t - m_o to t - m where m passes T t: a small delta can do that."""
    label, rival = np.ones((1, 7)), np.array([[0, 0, 0.7, 0, 0.7, 0, 0.7]])
    exact, delta = np.stack([label, rival]), 1e-3
    measured = exact.copy()
    measured[0, 0, 2] += delta
    measured[:, 0, :2] = [[0, 0], [0.69, 0.69]]
    defence = RobustMasking((1, 2), 0.4)
    assert defence.predict(measured).label == 1
    assert defence.certify(exact, 0, delta).verdict is not Verdict.CERTIFIED


def test_an_error_of_delta_that_crosses_a_step_of_the_grid_is_doubt():
    step, delta = 2.0**-34, 1e-13  # of 1x3 cells of logits
    rival = np.array([[1.0, 0, 0]])
    above, below = (
        np.stack([rival, np.full((1, 3), 1 + step / 2 + half)]) for half in (delta / 2, -delta / 2)
    )
    defence = RobustMasking((1, 1))
    assert defence.certify(below, 1).verdict is Verdict.NOT_CERTIFIED
    assert defence.certify(above, 1, delta).verdict is not Verdict.CERTIFIED
