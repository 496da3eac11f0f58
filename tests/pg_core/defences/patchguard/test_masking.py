"""Algorithm 1 is the literal one, also of a batch, and its ties are broken as the paper says."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pg_core.defences.base import Verdict
from pg_core.defences.patchguard.certificate import Bound
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.evidence.grid import clip
from pg_core.evidence.types import EVIDENCE_TYPES
from pg_core.geometry import Window
from tests import reference

KINDS = tuple(EVIDENCE_TYPES.values())
THRESHOLDS = (0.0, 0.05, 0.2, 0.4)


@st.composite
def defences(draw, bound=Bound.SOUND, thresholds=THRESHOLDS, kinds=KINDS, largest=3):
    return RobustMasking(
        window_size=draw(st.tuples(st.integers(1, largest), st.integers(1, largest))),
        threshold=draw(st.sampled_from(thresholds)),
        evidence=draw(st.sampled_from(kinds)),
        clip_high=draw(st.sampled_from([math.inf, math.inf, 0.7, 3.0])),
        bound=bound,
        wrapping=draw(st.booleans()),
    )


@st.composite
def led_maps(draw, smallest_lead=0.0, smallest_side=1):
    """Local logits in which a class leads by up to 3 at each location, and that class."""
    classes = draw(st.integers(2, 4))
    map_size = draw(st.tuples(st.integers(smallest_side, 6), st.integers(smallest_side, 6)))
    noise = draw(st.sampled_from([st.integers(-1, 2).map(float), st.floats(-1, 2)]))
    local_logits = draw(hnp.arrays(np.float64, (classes, *map_size), elements=noise))
    leader = draw(st.integers(0, classes - 1))
    local_logits[leader] += draw(st.floats(smallest_lead, 3))
    return local_logits, leader


def literal_windows(defence, values):
    return reference.windows(*values.shape[-2:], *defence.window_size, defence.wrapping)


def spelt_out(defence, local_logits):
    """What the literal algorithms take: the evidence and W."""
    return clip(local_logits, defence.evidence, defence.clip_high), literal_windows(defence, local_logits)


@given(defences(), led_maps())
def test_the_prediction_is_algorithm_1_exactly(defence, drawn):
    local_logits, _ = drawn
    evidence, literal = spelt_out(defence, local_logits)
    masking = defence.predict(local_logits)
    label, scores, detected = reference.algorithm_1(evidence, literal, defence.threshold)
    np.testing.assert_array_equal(masking.scores, scores)
    np.testing.assert_array_equal(masking.detected, [-1 if n is None else n for n in detected])
    np.testing.assert_array_equal(masking.evidence, evidence)
    assert masking.label == label


@settings(max_examples=40)
@given(defences(), led_maps(), st.integers(0, 2**32 - 1))
def test_a_batch_is_its_maps_one_by_one(defence, drawn, seed):
    local_logits, leader = drawn
    random = np.random.default_rng(seed)
    shuffled = random.permuted(local_logits, axis=-1)
    batch = np.stack([local_logits, shuffled, random.normal(size=local_logits.shape)])
    maskings, certificates = defence.predict(batch), defence.certify(batch, np.array([leader, 0, 1]))
    for n, label in enumerate((leader, 0, 1)):
        masking, certificate = defence.predict(batch[n]), defence.certify(batch[n], label)
        for name in ("evidence", "window_sums", "detected", "scores", "label"):
            np.testing.assert_array_equal(getattr(maskings[n], name), getattr(masking, name))
        for name in ("label", "prediction", "lower", "upper", "rival", "outside", "other", "tolerance"):
            np.testing.assert_array_equal(getattr(certificates[n], name), getattr(certificate, name))
        assert certificates[n].verdict is certificate.verdict
        assert certificates[n].worst == certificate.worst


def test_a_batch_may_have_any_number_of_axes():
    local_logits = np.random.default_rng(0).normal(1, 1, size=(2, 3, 4, 5, 6))
    defence = RobustMasking((2, 3), 0.2)
    maskings, certificates = defence.predict(local_logits), defence.certify(local_logits)
    assert maskings.label.shape == certificates.certified.shape == (2, 3)
    np.testing.assert_array_equal(certificates[1][2].margin, defence.certify(local_logits[1, 2]).margin)


def test_an_empty_batch_has_an_empty_answer():
    for batch in ((0,), (2, 0)):
        local_logits = np.zeros((*batch, 3, 5, 5))
        assert RobustMasking((2, 2)).predict(local_logits).label.shape == batch
        assert RobustMasking((2, 2)).certify(local_logits).certified.shape == batch


def test_one_image_cannot_be_indexed_and_a_batch_has_no_single_verdict():
    local_logits = np.random.default_rng(0).normal(size=(2, 3, 4, 4))
    defence = RobustMasking((2, 2))
    for one in (defence.predict(local_logits[0]), defence.certify(local_logits[0])):
        with pytest.raises(IndexError, match="expected a batch"):
            one[0]
    for single in ("verdict", "worst"):
        with pytest.raises(ValueError, match="expected the certificate of one image"):
            getattr(defence.certify(local_logits), single)


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_a_class_without_evidence_has_no_detected_window(threshold):
    masking = RobustMasking((2, 2), threshold).predict(np.full((3, 4, 4), -1.0))
    np.testing.assert_array_equal(masking.detected, [-1, -1, -1])
    np.testing.assert_array_equal(masking.scores, [0, 0, 0])
    assert masking.label == 0
    assert masking.window(0) is None
    assert RobustMasking((2, 2), threshold).certify(np.full((3, 4, 4), -1.0)).verdict is Verdict.NOT_CERTIFIED


def test_of_equal_windows_the_first_in_row_major_order_is_detected():
    masking = RobustMasking((1, 2)).predict(np.ones((2, 3, 4)))
    assert masking.window(0) == masking.window(1) == Window(0, 0, 1, 2)
    later = np.zeros((1, 3, 3))
    later[0, 1, 2] = later[0, 2, 0] = 1
    assert RobustMasking((1, 1)).mask(later).window(0) == Window(1, 2, 1, 1)


def test_of_equal_classes_the_lowest_is_predicted_and_is_the_rival():
    alike, defence = np.ones((4, 3, 3)), RobustMasking((1, 1))
    assert defence.predict(alike).label == 0
    assert (defence.certify(alike).rival == 1).all()
    assert (defence.certify(alike, 2).rival == 0).all()


def test_a_window_is_detected_above_the_threshold_and_not_at_it():
    at = np.array([[[2.0, 1.0, 0.0, 1.0]]])
    assert RobustMasking((1, 1), 0.5).mask(at).window(0) is None
    assert RobustMasking((1, 1), 0.4999).mask(at).window(0) == Window(0, 0, 1, 1)
    np.testing.assert_array_equal(RobustMasking((1, 1), 0.5).mask(at).scores, [4])
