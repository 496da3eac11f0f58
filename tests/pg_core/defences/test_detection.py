"""Detection: prediction and certificate are the literal ones, and no attack gets past them without an alert."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pg_core.defences.base import ALERT, Verdict
from pg_core.defences.detection import MaskedDetection
from tests import reference
from tests.pg_core.defences.patchguard.test_masking import led_maps
from tests.reference import detection as literal

SIZES = st.tuples(st.integers(1, 3), st.integers(1, 3))
THRESHOLDS = (0.0, 0.3, 0.5, 0.8, 0.99)


@st.composite
def defences(draw):
    return MaskedDetection(draw(SIZES), draw(st.sampled_from(THRESHOLDS)), draw(st.booleans()))


def literal_windows(defence, local_logits):
    return reference.windows(*local_logits.shape[-2:], *defence.window_size, defence.wrapping)


def exact(local_logits):
    """On a grid that both take as it is, so that equal means are equal."""
    return np.rint(local_logits * 2**20) / 2**20


def near_a_threshold(defence, local_logits):
    """Where the literal softmax and logarithms could round to different sides."""
    τ = defence.alert_threshold
    for w in literal_windows(defence, local_logits):
        p, g = literal.masked_softmax(local_logits, w)
        if min(abs(x - τ) for x in p) < 1e-9 or np.diff(np.sort(g))[-1] < 1e-9:
            return True
    return False


@given(defences(), led_maps())
def test_prediction_and_certificate_are_the_literal_ones(defence, drawn):
    local_logits, label = exact(drawn[0]), drawn[1]
    assume(not near_a_threshold(defence, local_logits))
    W, τ = literal_windows(defence, local_logits), defence.alert_threshold
    detection, certificate = defence.predict(local_logits), defence.certify(local_logits, label)
    expected = literal.predict(local_logits, W, τ)
    assert detection.label == certificate.prediction == (ALERT if expected == literal.ALERT else expected)
    for n, w in enumerate(W):
        p, logits = literal.masked_softmax(local_logits, w)
        assert detection.masked.ravel()[n] == np.argmax(logits)
        assert math.exp(detection.log_confidence.ravel()[n]) == pytest.approx(max(p))
        assert math.exp(certificate.lower.ravel()[n]) == pytest.approx(p[label])
        assert math.exp(certificate.upper.ravel()[n]) == pytest.approx(max(τ, *np.delete(p, label)))
        proved = certificate.margin.ravel()[n] > certificate.tolerance.ravel()[n]
        assert proved == literal.certified(local_logits, label, w, τ)


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_the_informed_adversary_gets_past_no_certificate_without_an_alert(threshold):
    """Just enough evidence to win, or all there can be, for each rival in each window."""
    tried = []

    @settings(max_examples=25)
    @given(SIZES, st.booleans(), led_maps(1.5, 3), st.integers(0, 2**32 - 1))
    def check(size, wrapping, drawn, seed):
        defence = MaskedDetection(size, threshold, wrapping)
        local_logits, leader = drawn[0] * (2 if threshold < 0.9 else 9), drawn[1]
        certificate = defence.certify(local_logits)
        assume(certificate.certified)
        assert certificate.label == leader
        W, attacked = literal_windows(defence, local_logits), []
        random = np.random.default_rng(seed)
        for w in W:
            for rival in set(range(len(local_logits))) - {leader}:
                for strength in (0.5, 2, 5, 20, 1e30):
                    attacked.append(literal.adversary(local_logits, w, leader, rival, strength))
            content = local_logits.copy()
            content[:, w > 0] = random.choice([-1e30, 1e30, 9, 0], content[:, w > 0].shape)
            attacked.append(content)
        labels = defence.predict(np.stack(attacked)).label
        assert set(labels.tolist()) <= {leader, ALERT}
        assert (labels == ALERT).any()
        tried.append(certificate)

    check()
    assert len(tried) >= 15


def test_a_confidence_at_the_threshold_is_no_certificate_for_it_would_be_no_alert():
    """Published: certified. The patch makes class 1 win, and the masked prediction is not sure enough to object."""
    local_logits = np.zeros((2, 1, 4))
    W = reference.windows(1, 4, 1, 2)
    assert literal.published_certified(local_logits, 0, W, 0.5)
    attacked = literal.adversary(local_logits, W[0], 0, 1, 10)
    assert literal.predict(attacked, W, 0.5) == 1

    defence = MaskedDetection((1, 2), 0.5)
    assert defence.predict(attacked).label == 1
    certificate = defence.certify(local_logits)
    assert (certificate.label, certificate.prediction) == (0, 0)
    assert (certificate.margin == 0).all()
    assert certificate.verdict is Verdict.NOT_CERTIFIED


def test_in_log_space_a_threshold_next_to_one_is_not_saturated():
    """Confidences of 1 - 4e-18 and 1 - 2e-16; as floats they are 1 and the number before it, or nothing in between."""
    threshold = np.nextafter(1.0, 0.0)
    defence = MaskedDetection((1, 1), float(threshold))
    for lead, sure in ((40.0, True), (37.0, True), (36.5, False), (30.0, False)):
        assert (-math.log1p(math.exp(-lead)) > math.log(threshold)) == sure
        local_logits = np.zeros((2, 1, 5))
        local_logits[0] = lead * 5 / 4  # of five cells four are left
        certificate = defence.certify(local_logits)
        assert (certificate.verdict is Verdict.CERTIFIED) == sure
        assert defence.predict(np.where([[[False], [True]]], 0, local_logits)).label == 0
    assert not MaskedDetection((1, 1), 1.0).certify(np.array([[[1e4] * 5], [[0.0] * 5]])).certified


def test_an_alert_on_a_clean_image_is_an_outcome_of_its_own_and_wrong():
    local_logits = np.zeros((3, 1, 4))
    local_logits[0] = [2, 2, 2, 2]
    local_logits[1] = [12, 0, 0, 0]
    defence = MaskedDetection((1, 1), 0.5)
    detection = defence.predict(local_logits)
    assert detection.label == ALERT
    assert detection.undefended == 1
    np.testing.assert_array_equal(detection.alerts, [[True, False, False, False]])
    np.testing.assert_array_equal(detection.masked, [[0, 1, 1, 1]])
    certificate = defence.certify(local_logits)
    assert certificate.label == 1
    assert certificate.prediction == ALERT
    assert not certificate.certified
    assert certificate.verdict is Verdict.ALERT
    assert MaskedDetection((1, 1), 0.9).predict(local_logits).label == 1


@given(defences(), led_maps(), st.sampled_from([1e-3, 0.1]), st.integers(0, 2**32 - 1))
def test_an_error_of_delta_moves_no_margin_past_the_tolerance(defence, drawn, delta, seed):
    local_logits, label = drawn
    certificate = defence.certify(local_logits, label, delta)
    error = np.random.default_rng(seed).choice([-delta, delta], local_logits.shape)
    moved = defence.certify(local_logits + error, label).margin - certificate.margin
    assert (np.abs(moved) <= certificate.tolerance).all()


def test_without_a_threshold_any_other_class_is_an_alert():
    local_logits = np.zeros((2, 1, 3))
    local_logits[0, 0, 0] = 1e-6
    assert MaskedDetection((1, 1), 0.0).predict(local_logits[::-1].copy()).label == ALERT
    assert MaskedDetection((1, 1), 0.6).predict(local_logits[::-1].copy()).label == 1


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="at least 1x1"):
        MaskedDetection((0, 1))
    for threshold in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="expected 0 <= alert_threshold <= 1"):
            MaskedDetection((1, 1), threshold)
    with pytest.raises(ValueError, match="expected finite local logits"):
        MaskedDetection((1, 1)).predict(np.full((2, 3, 3), np.inf))
