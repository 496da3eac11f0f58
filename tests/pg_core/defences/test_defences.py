"""What every defence promises: the interface, batches, the default label, and refusals."""

import json
import math

import numpy as np
import pytest

from pg_core.defences.base import ALERT, Certificate, Defence, Prediction, Rule, Verdict
from pg_core.defences.bounded import BoundedEvidence, Squashing
from pg_core.defences.detection import MaskedDetection
from pg_core.defences.interval.bounds import Convolution, Dense, IntervalBounds, Layers
from pg_core.defences.patchcleanser.features import FeatureMasking
from pg_core.defences.patchcleanser.head import HeadMasking
from pg_core.defences.patchcleanser.masks import MaskSet
from pg_core.defences.patchcleanser.pixels import PatchCleanser
from pg_core.defences.patchguard.certificate import Bound
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.defences.smoothing import Smoothing
from pg_core.defences.undefended import Undefended
from pg_core.evidence.head import MaskingHead
from pg_core.evidence.types import EvidenceType

RANDOM = np.random.default_rng(7)
MAPS = RANDOM.normal(0, 1, (4, 3, 6, 5))
MAPS[:, 1] += np.array([3.0, 0.5, 0.0, 6.0])[:, None, None]
PAIRS = RANDOM.normal(0, 1, (4, 3, 4, 4))
PAIRS[:, 2] += np.array([4.0, 1.0, 0.0, 6.0])[:, None, None]
PAIRS = (PAIRS + PAIRS.swapaxes(-2, -1)) / 2
LAYERS = Layers(
    "small",
    (6, 5),
    (Convolution(RANDOM.normal(size=(4, 3, 2, 2)), RANDOM.normal(size=4), 2),),
    (Dense(RANDOM.normal(size=(3, 24)) * 0.1, np.zeros(3)),),
)

HEAD = MaskingHead(tuple(map(tuple, RANDOM.normal(size=(3, 9)).tolist())), (0.0, 0.1, 0.0))

DEFENCES = (
    (RobustMasking((2, 2)), MAPS),
    (RobustMasking((2, 2), 0.2, EvidenceType.CONFIDENCE, bound=Bound.TIGHT), MAPS),
    (RobustMasking((1, 2), 0.0, EvidenceType.CONFIDENCE, wrapping=True), MAPS[:, :, :1]),
    (BoundedEvidence((2, 1)), MAPS * 30),
    (BoundedEvidence((2, 1), Squashing.CLIP, clip_high=3.0), MAPS),
    (Smoothing.columns((8, 5), 2, (2, 2)), MAPS[:, :, :1]),
    (Smoothing((6, 5), (2, 2), (2, 1), rule=Rule.PUBLISHED), MAPS),
    (MaskedDetection((2, 2), 0.4), MAPS),
    (FeatureMasking((2, 2)), MAPS),
    (FeatureMasking((1, 2), EvidenceType.SHARPENED, wrapping=True), MAPS[:, :, :1]),
    (HeadMasking((2, 2), HEAD), MAPS),
    (HeadMasking((1, 2), HEAD, wrapping=True), MAPS[:, :, :1]),
    (PatchCleanser(MaskSet((7, 9), (2, 3), 2)), PAIRS),
    (PatchCleanser(MaskSet((7, 9), (2, 3), 2), Rule.PUBLISHED), PAIRS),
    (IntervalBounds(LAYERS, (2, 2)), RANDOM.random((4, 3, 6, 5))),
    (Undefended((2, 2)), MAPS),
)
every = pytest.mark.parametrize(("defence", "seen"), DEFENCES, ids=lambda value: str(value)[:40])


@every
def test_a_defence_is_a_value_with_the_common_interface(defence, seen):
    assert isinstance(defence, Defence)
    assert defence.certify(seen).claim is defence.claim
    assert hash(defence) == hash(type(defence)(*(getattr(defence, name) for name in defence.__slots__)))
    assert isinstance(defence.predict(seen), Prediction)
    assert isinstance(defence.certify(seen), Certificate)
    assert str(defence) != repr(defence)


@every
def test_a_batch_is_its_images_one_by_one(defence, seen):
    predictions, certificates = defence.predict(seen), defence.certify(seen, 1, 1e-3)
    # Sums on a grid are exact; matrix products are not.
    rounding = 1e-12 if isinstance(defence, IntervalBounds) else 0.0
    for n, image in enumerate(seen):
        prediction, certificate = defence.predict(image), defence.certify(image, 1, 1e-3)
        np.testing.assert_array_equal(predictions[n].label, prediction.label)
        np.testing.assert_allclose(predictions[n].scores, prediction.scores, rounding, rounding)
        for name in ("label", "prediction", "lower", "upper", "rival", "tolerance"):
            ours = getattr(certificates[n], name)
            np.testing.assert_allclose(ours, getattr(certificate, name), rounding, rounding)
            assert ours.ndim == getattr(certificate, name).ndim
        assert certificates[n].verdict is certificate.verdict
        assert certificates[n].worst_position == certificate.worst_position


@every
def test_prediction_and_certificate_have_one_shape_and_one_answer(defence, seen):
    prediction, certificate = defence.predict(seen), defence.certify(seen)
    classes = seen.shape[1]
    np.testing.assert_array_equal(certificate.prediction, prediction.label)
    settled = certificate.prediction != ALERT
    np.testing.assert_array_equal(certificate.label[settled], prediction.label[settled])
    assert prediction.scores.shape == (len(seen), classes)
    for name in ("lower", "upper", "margin", "rival", "tolerance", "not_certified", "undecided"):
        assert getattr(certificate, name).shape == (len(seen), *certificate.positions.shape)
    assert (certificate.rival != certificate.label[:, None, None]).all()
    assert ((certificate.rival >= 0) & (certificate.rival < classes)).all()
    assert (certificate.tolerance >= 0).all()


@every
def test_an_empty_batch_has_an_empty_answer(defence, seen):
    assert defence.predict(seen[:0]).label.shape == (0,)
    assert defence.certify(seen[:0]).certified.shape == (0,)


@every
def test_only_a_class_is_certified_and_only_an_error_is_a_delta(defence, seen):
    for label in (-1, seen.shape[1], ALERT):
        with pytest.raises(ValueError, match="expected 0 <= label < 3"):
            defence.certify(seen, label)
    for delta in (-1.0, math.nan):
        with pytest.raises(ValueError, match="expected delta >= 0"):
            defence.certify(seen, 1, delta)
    with pytest.raises(IndexError, match="expected a batch"):
        defence.certify(seen[0])[0]
    with pytest.raises(IndexError, match="expected a batch"):
        defence.predict(seen[0])[0]


@every
def test_a_larger_error_certifies_no_more(defence, seen):
    exact, doubtful = defence.certify(seen, 1), defence.certify(seen, 1, 0.5)
    assert (doubtful.tolerance >= exact.tolerance).all()
    assert (doubtful.certified <= exact.certified).all()


def test_an_alert_is_no_class():
    with pytest.raises(IndexError):
        ("cat", "dog")[ALERT]
    json.dumps(ALERT)


def test_the_undefended_network_predicts_the_mean_of_unclipped_logits_and_certifies_nothing():
    local_logits = np.zeros((2, 2, 3))
    local_logits[0, 0, 0], local_logits[1, 1] = 9.0, [4.0, 4.0, -50.0]
    certificate = Undefended((1, 2)).certify(local_logits)
    assert certificate.prediction == 0
    np.testing.assert_array_equal(certificate.lower, [[0, 9], [9, 9]])
    assert (certificate.margin == -np.inf).all()
    assert certificate.verdict is Verdict.UNPROVED
    assert Undefended().certify(local_logits, 1).verdict is Verdict.MISCLASSIFIED


def test_a_clean_check_on_the_undefended_sum_calls_a_certified_image_wrong():
    """As the published code does. Every 4x4 window of 6x6 cells holds the middle, where all of class 1 is."""
    local_logits = np.zeros((2, 6, 6))
    local_logits[0] = 1
    local_logits[1, 2:4, 2:4] = 100
    certificate = RobustMasking((4, 4)).certify(local_logits)
    assert Undefended().predict(local_logits).label == 1
    assert certificate.prediction == 0
    assert certificate.verdict is Verdict.CERTIFIED
    assert certificate.margin.min() == 36 - 28
