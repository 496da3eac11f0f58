"""Defences by name: each is what it is called, and fits the window of the patch."""

import math
from dataclasses import replace

import numpy as np
import pytest

from pg_core.defences.base import Defence, DefenceInput
from pg_core.defences.bounded import BoundedEvidence, Squashing
from pg_core.defences.detection import MaskedDetection
from pg_core.defences.interval.bounds import Dense, IntervalBounds, Layers
from pg_core.defences.patchcleanser.masks import MaskSet
from pg_core.defences.patchguard.certificate import Bound
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.defences.registry import DEFENCES, build
from pg_core.defences.smoothing import Smoothing
from pg_core.defences.spec import DefenceConfig
from pg_core.evidence.head import MaskingHead
from pg_core.evidence.types import EvidenceType
from pg_core.geometry import ReceptiveField, Windows

BAGNET = ReceptiveField((17, 17), (8, 8))


HEAD = MaskingHead(tuple(map(tuple, np.eye(3, 9).tolist())), (0.0, 0.0, 0.0))


def config(evidence=EvidenceType.LOGITS, **settings):
    return DefenceConfig(BAGNET, (224, 224), evidence, (32, 32), settings, head=HEAD)


OF_BANDS = {"mask-ds", "smoothing"}
OF_LOGITS = [name for name, spec in DEFENCES.items() if spec.input is DefenceInput.LOCAL_LOGITS]
BANDS = DefenceConfig(
    ReceptiveField((32, 4), (32, 1), wrapping=True), (32, 32), EvidenceType.CONFIDENCE, (5, 5), head=HEAD
)


@pytest.mark.parametrize("name", [name for name in OF_LOGITS if name not in OF_BANDS])
def test_every_defence_has_a_title_and_is_fitted_to_the_patch(name):
    defence = build(name, config())
    assert isinstance(defence, Defence)
    assert defence.window_size == (6, 6)
    assert DEFENCES[name].title
    assert DEFENCES[name].sentence.endswith(".")


@pytest.mark.parametrize("name", [name for name in OF_LOGITS if name not in ("masking", "smoothing")])
def test_windows_wrap_around_the_map_of_bands(name):
    defence = build(name, BANDS)
    certificate = defence.certify(np.random.default_rng(0).normal(size=(3, 1, 32)))
    assert certificate.windows == Windows((1, 32), (1, 8), wrapping=True)


def test_parameters_reach_robust_masking():
    made = build("masking", config(threshold=0.2, clip_high=3.0, bound="tight"))
    assert made == RobustMasking((6, 6), 0.2, EvidenceType.LOGITS, 3.0, Bound.TIGHT)


@pytest.mark.parametrize(
    ("evidence", "clip_high", "squashing"),
    [
        (EvidenceType.LOGITS, math.inf, Squashing.TANH),
        (EvidenceType.LOGITS, 15.0, Squashing.CLIP),
        (EvidenceType.CONFIDENCE, math.inf, Squashing.CLIP),
    ],
)
def test_evidence_without_a_range_is_squashed_as_published(evidence, clip_high, squashing):
    made = build("clipping", config(evidence, clip_high=None if math.isinf(clip_high) else clip_high))
    assert made == BoundedEvidence((6, 6), squashing, evidence, clip_high)


def test_a_defence_that_does_not_fit_the_network_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match="Mask-DS needs a network of column bands"):
        build("mask-ds", config())
    with pytest.raises(ValueError, match="smoothing needs a network of column bands"):
        build("smoothing", config())
    with pytest.raises(ValueError, match="choose mask-ds"):
        build("masking", BANDS)
    with pytest.raises(ValueError, match="interval bounds need the layers"):
        build("interval", config())
    with pytest.raises(ValueError, match="needs a head that was trained for the network"):
        build("head-masking", replace(config(), head=None))


def test_interval_bounds_are_those_of_the_layers_against_the_patch():
    layers = Layers("small", (2, 2), (), (Dense(np.eye(3, 12), np.zeros(3)),))
    field = ReceptiveField((2, 2), (1, 1))
    made = build("interval", DefenceConfig(field, (2, 2), EvidenceType.LOGITS, (1, 1), network=layers))
    assert made == IntervalBounds(layers, (1, 1))


def test_smoothing_counts_the_bands_that_the_network_sees():
    made = build("smoothing", BANDS)
    assert made == Smoothing((32, 32), (32, 4), (5, 5))
    assert int(made.met.max()) == 8


def test_an_alert_is_raised_above_the_threshold_given():
    assert build("detection", config(alert_threshold=0.9)) == MaskedDetection((6, 6), 0.9)


def test_double_masking_has_masks_for_the_patch_and_looks_at_predictions_under_two():
    made = build("double-masking", config(masks_per_axis=4))
    assert DEFENCES["double-masking"].input is DefenceInput.TWO_MASK_PREDICTIONS
    assert made.masks == MaskSet((224, 224), (32, 32), 4)
