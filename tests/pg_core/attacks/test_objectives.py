"""Objectives: their slopes are those of numbers, and where evidence is not relaxed they are the defence's own lead."""

import numpy as np
import pytest
import torch

from pg_core import (
    BoundedEvidence,
    FeatureMasking,
    MaskedDetection,
    MaskSet,
    PatchCleanser,
    RobustMasking,
    Smoothing,
    Undefended,
)
from pg_core.attacks.objectives import objective, window_sums
from pg_core.defences.base import Claim
from pg_core.defences.patchcleanser.head import HeadMasking
from pg_core.evidence.head import MaskingHead
from pg_core.evidence.types import EVIDENCE_TYPES, EvidenceType
from pg_core.geometry import Windows

HEAD = MaskingHead(
    tuple(map(tuple, np.random.default_rng(0).normal(np.eye(4, 12), 0.2).tolist())), (0.0, 0.1, 0.0, -0.1)
)
DEFENCES = (
    *(RobustMasking((2, 3), evidence=evidence) for evidence in EVIDENCE_TYPES.values()),
    RobustMasking((2, 3), 0.3),
    RobustMasking((1, 2), wrapping=True),
    FeatureMasking((2, 2)),
    FeatureMasking((2, 2), EvidenceType.CONFIDENCE),
    HeadMasking((2, 2), HEAD),
    MaskedDetection((2, 2), 0.3),
    BoundedEvidence((2, 2)),
    Undefended((2, 2)),
)


def maps(seed, classes=4, rows=5, columns=6, low=-2.0):
    return np.random.default_rng(seed).uniform(low, 5.0, (3, classes, rows, columns))


@pytest.mark.parametrize("defence", DEFENCES, ids=str)
def test_its_slope_is_that_of_small_differences(defence):
    goal = objective(defence, 0, torch.tensor([1, 2, 3]))
    values = torch.tensor(maps(0), requires_grad=True)
    assert torch.autograd.gradcheck(goal, values, eps=1e-6, atol=1e-4)
    (slope,) = torch.autograd.grad(goal(values).sum(), values)
    # A hinge that is satisfied is flat; one of a class in the lead is not.
    assert (goal(values) <= 0).all() or slope.abs().max() > 0


@pytest.mark.parametrize("wrapping", [False, True])
@pytest.mark.parametrize("window_size", [(1, 1), (2, 3), (5, 2), (9, 9)])
def test_windows_hold_what_they_hold_in_the_library(window_size, wrapping):
    values = maps(1)
    windows = Windows((5, 6), window_size, wrapping)
    found = window_sums(torch.tensor(values), windows)
    assert np.allclose(found.numpy()[..., : windows.shape[1]], windows.sums(values), atol=1e-12)


@pytest.mark.parametrize("threshold", [0.0, 0.3])
def test_of_positive_logits_it_is_the_lead_that_robust_masking_sees(threshold):
    values = maps(2, low=0.1)
    defence, targets = RobustMasking((2, 2), threshold), torch.tensor([1, 2, 3])
    scores = defence.predict(values.astype(np.float32).astype(np.float64)).scores
    leads = scores[:, 0] - scores[np.arange(3), targets]
    found = objective(defence, 0, targets)(torch.tensor(values)).numpy()
    assert np.allclose(found, leads, atol=1e-4)


def test_a_target_that_is_to_stay_undetected_keeps_all_that_it_has_and_pays_for_what_is_above_t():
    values, threshold = maps(2, low=0.1), 0.3
    defence, targets = RobustMasking((2, 2), threshold), torch.tensor([1, 2, 3])
    found = objective(defence, 0, targets, torch.tensor([True, True, False]))(torch.tensor(values)).numpy()
    said = defence.mask(values)
    for image, target in enumerate((1, 2)):
        total, largest = values[image, target].sum(), said.window_sums[image, target].max()
        over = max(0.0, largest - threshold * total) / (1 - threshold)
        assert np.isclose(found[image], said.scores[image, 0] - total + over, atol=1e-9)
    assert np.isclose(found[2], said.scores[2, 0] - said.scores[2, 3], atol=1e-9)


def test_bands_vote_as_smoothing_counts_them():
    values = np.full((2, 3, 1, 8), -20.0)
    values[0, 1], values[1, 0] = 20.0, 20.0
    defence = Smoothing.columns((8, 8), 3, (2, 2))
    near, far = objective(defence, 0, torch.tensor([1, 1]))(torch.tensor(values)).tolist()
    assert near < -7.5 < 7.5 < far


def test_double_masking_is_broken_where_its_objective_is_nothing():
    """All masks say the target: no hinge is left, and the defence says so too."""
    values = np.full((1, 3, 5, 5), 0.5)
    values[0, 1] = 3.0
    defence = FeatureMasking((2, 2))
    assert objective(defence, 0, torch.tensor([1]))(torch.tensor(values)).item() == 0.0
    assert defence.predict(values[0].astype(np.float32)).label == 1
    assert objective(defence, 1, torch.tensor([0]))(torch.tensor(values)).item() > 1.0


def test_the_majority_of_masks_is_a_sum_over_the_masks_of_each_image():
    values = maps(3)
    values = np.concatenate([values, values[::-1]])  # two images, each under three masks
    defence = PatchCleanser(MaskSet((8, 8), (2, 2)))
    found = objective(defence, 0, torch.tensor([1, 2]))(torch.tensor(values)).numpy()
    means = values.mean(axis=(-2, -1))
    leads = means[:, 0] - means[np.arange(6), [1, 1, 1, 2, 2, 2]]
    assert np.allclose(found, np.maximum(leads + 0.01 * np.abs(means).max(axis=1), 0), atol=1e-12)


class Unknown:
    claim = Claim.LABEL

    def __str__(self):
        return "a defence of one's own"

    def predict(self, values):
        raise AssertionError

    def certify(self, values, label=None, delta=0.0):
        raise AssertionError


def test_a_defence_without_an_objective_is_named():
    with pytest.raises(ValueError, match="no attack is known on a defence of one's own"):
        objective(Unknown(), 0, torch.tensor([1]))
