"""How far down a patch can push the label: the literal count of rivals, which no content exceeds and logits attain."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pg_core.defences.base import Verdict
from pg_core.defences.bounded import BoundedEvidence, Squashing
from pg_core.defences.patchcleanser.features import FeatureMasking
from pg_core.defences.patchguard.certificate import Bound
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.defences.ranks import rank_of
from pg_core.defences.registry import spec_of
from pg_core.defences.undefended import Undefended
from pg_core.evidence.types import EvidenceType
from tests import reference
from tests.pg_core.defences import test_clipping, test_smoothing
from tests.pg_core.defences.patchguard.test_certificate import in_feature_space
from tests.pg_core.defences.patchguard.test_masking import defences, led_maps, spelt_out
from tests.reference import bounded, ranks
from tests.reference import smoothing as literal_smoothing

MASKING = defences(thresholds=(0.0,))
SEEDS = st.integers(0, 2**32 - 1)
LARGE = 2.0**16
HOSTILE = (0.0, -1e6, 1e6, 3.0, 0.5)


def full(defence):
    """What an adversary in feature space puts into a cell for a rival."""
    top = in_feature_space(defence).clip_high
    return LARGE if math.isinf(top) else top


def for_all_rivals(evidence, label, w, top, least=0.0):
    """The most for every rival in every cell of w at once, and the least for the label."""
    attacked = evidence.copy()
    attacked[:, w > 0] = top
    attacked[label, w > 0] = least
    return attacked


@given(MASKING, led_maps(), st.data())
def test_without_a_threshold_the_rank_is_the_literal_count_of_rivals_whose_bound_reaches(
    defence, drawn, data
):
    local_logits, _ = drawn
    label = data.draw(st.integers(0, len(local_logits) - 1))
    evidence, literal = spelt_out(defence, local_logits)
    certificate = defence.certify(local_logits, label)
    expected = [
        ranks.least_rank(
            reference.lower_bound(evidence[label], w, literal, 0.0, "sound"),
            [(own * (1 - w)).sum() for own in evidence],
            label,
        )
        for w in literal
    ]
    assert certificate.least_rank.ravel().tolist() == expected
    assert certificate.worst_rank == max(expected)
    assert certificate.rank == ranks.rank(defence.predict(local_logits).scores, label)


@given(MASKING, led_maps(), st.data())
def test_no_content_of_a_window_pushes_the_label_below_its_rank(defence, drawn, data):
    local_logits, _ = drawn
    label = data.draw(st.integers(0, len(local_logits) - 1))
    random = np.random.default_rng(data.draw(SEEDS))
    evidence, literal = spelt_out(defence, local_logits)
    certificate, featured = defence.certify(local_logits, label), in_feature_space(defence)
    for w, least in zip(literal, certificate.least_rank.ravel(), strict=True):
        content = random.choice(HOSTILE, (len(evidence), 1, 1))
        content = content + random.choice(HOSTILE, evidence.shape) * random.choice([0.0, 1.0])
        for scores in (
            defence.predict(np.where(w > 0, content, local_logits)).scores,
            featured.predict(np.where(w > 0, content, evidence)).scores,
            featured.predict(for_all_rivals(evidence, label, w, full(defence))).scores,
        ):
            assert ranks.cautious_rank(scores, label) <= least


@given(defences(thresholds=(0.0,), kinds=(EvidenceType.LOGITS,)), led_maps(), st.data())
def test_an_adversary_who_raises_all_rivals_at_once_attains_the_rank_for_logits(defence, drawn, data):
    local_logits, _ = drawn
    label = data.draw(st.integers(0, len(local_logits) - 1))
    evidence, literal = spelt_out(defence, local_logits)
    certificate = defence.certify(local_logits, label)
    for w, least in zip(literal, certificate.least_rank.ravel(), strict=True):
        scores = defence.mask(for_all_rivals(evidence, label, w, full(defence))).scores
        assert ranks.cautious_rank(scores, label) == least


@pytest.mark.parametrize("wrapping", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (1, 2)])
def test_of_all_contents_on_a_small_grid_the_worst_is_the_rank(size, wrapping):
    defence, found = RobustMasking(size, clip_high=2.0, wrapping=wrapping), set()
    for seed in range(6):
        evidence = np.random.default_rng(seed).choice([0.0, 1.0], (3, 1, 6))
        evidence[:2] += [[[1.0]], [[0.5]]]  # the label leads, and one rival is close behind
        certificate = defence.certify(evidence, 0)
        literal = reference.windows(1, 6, *size, wrapping)
        for w, least in zip(literal, certificate.least_rank.ravel(), strict=True):
            contents = list(itertools.product((0.0, 0.5, 2.0), repeat=3 * int(w.sum())))
            batch = np.repeat(evidence[None], len(contents), axis=0)
            batch[:, :, w > 0] = np.array(contents).reshape(len(contents), 3, -1)
            scores = defence.mask(batch).scores
            assert 1 + (scores[:, 1:] >= scores[:, :1]).sum(axis=1).max() == least
            found.add(int(least))
    assert found == {1, 2, 3}


@given(test_clipping.defences(), test_clipping.steep_maps(), st.data())
def test_with_bounded_evidence_the_rank_is_literal_and_attained(defence, drawn, data):
    local_logits, _ = drawn
    label = data.draw(st.integers(0, len(local_logits) - 1))
    values, literal = test_clipping.spelt_out(defence, local_logits)
    low, high = defence.range(values.shape[-2:])
    certificate = defence.certify(local_logits, label)
    for w, least in zip(literal, certificate.least_rank.ravel(), strict=True):
        lower = bounded.certificate(values, label, [w], low, high)[0][0]
        uppers = [(own * (1 - w)).sum() + w.sum() * high for own in values]
        assert least == ranks.least_rank(lower, uppers, label)
        scores = defence.predicted(for_all_rivals(values, label, w, high, low)).scores
        assert ranks.cautious_rank(scores, label) == least


@given(test_smoothing.scenes(), st.data())
def test_with_votes_the_rank_is_that_of_a_patch_whose_bands_vote_for_all_rivals(drawn, data):
    defence, local_logits, _ = drawn
    label = data.draw(st.integers(0, len(local_logits) - 1))
    votes, met = test_smoothing.spelt_out(defence, local_logits)
    certificate = defence.certify(local_logits, label)
    for at, bands in met.items():
        attacked = [
            [int(c != label) if n in bands else vote for n, vote in enumerate(row)]
            for c, row in enumerate(votes)
        ]
        rank = ranks.rank([sum(row) for row in attacked], label)
        assert certificate.least_rank[test_smoothing.position(defence, at)] == rank
    assert certificate.rank == ranks.rank([sum(row) for row in votes], label)
    assert (certificate.rank == 1) == literal_smoothing.certified(votes, label, set())


@given(MASKING, led_maps(), st.sampled_from([0.0, 1e-3, 0.1]), st.data())
def test_the_best_one_is_what_the_certificate_claims_anyway(defence, drawn, delta, data):
    local_logits, _ = drawn
    label = data.draw(st.integers(0, len(local_logits) - 1))
    certificate = defence.certify(local_logits, label, delta)
    np.testing.assert_array_equal(certificate.least_rank == 1, certificate.margin > certificate.tolerance)
    assert certificate.certified_among(1) == (certificate.verdict is Verdict.CERTIFIED)
    assert (certificate.rank == 1) == (certificate.prediction == label)
    assert (certificate.least_rank >= certificate.rank).all()
    assert certificate.certified_among(len(local_logits))


@given(defences(thresholds=(0.0,), kinds=(EvidenceType.LOGITS,)), led_maps(), SEEDS)
def test_an_error_within_delta_pushes_no_label_below_its_rank(defence, drawn, seed):
    local_logits, label = drawn
    certificate = defence.certify(local_logits, label, 0.05)
    moved = local_logits + np.random.default_rng(seed).choice([-0.05, 0.05], local_logits.shape)
    evidence, literal = spelt_out(defence, moved)
    for w, least in zip(literal, certificate.least_rank.ravel(), strict=True):
        scores = defence.mask(for_all_rivals(evidence, label, w, full(defence))).scores
        assert ranks.cautious_rank(scores, label) <= least


def test_the_label_may_be_certified_among_the_best_without_being_predicted():
    local_logits = np.zeros((4, 1, 12))
    for label, value in enumerate((4.0, 5.0, 0.0, 0.0)):
        local_logits[label] = value
    certificate = RobustMasking((1, 2)).certify(local_logits, 0)
    assert certificate.verdict is Verdict.MISCLASSIFIED
    assert certificate.rank == certificate.worst_rank == 2
    assert not certificate.certified_among(1)
    assert certificate.certified_among(2)


def test_one_of_a_batch_has_its_own_ranks():
    batch = np.random.default_rng(0).normal(1, 1, (3, 5, 4, 4))
    for defence in (RobustMasking((2, 2)), BoundedEvidence((2, 2)), RobustMasking((4, 1), wrapping=True)):
        together = defence.certify(batch, np.array([0, 1, 2]))
        for label in range(3):
            alone = defence.certify(batch[label], label)
            np.testing.assert_array_equal(together[label].least_rank, alone.least_rank)
            assert together[label].rank == alone.rank
            assert together.worst_rank[label] == alone.worst_rank


@pytest.mark.parametrize(
    ("defence", "ranked"),
    [
        (RobustMasking((2, 2)), True),
        (RobustMasking((2, 2), bound=Bound.TIGHT), True),
        (RobustMasking((2, 2), 0.2), False),
        (RobustMasking((2, 2), 0.2, bound=Bound.TIGHT), False),
        (BoundedEvidence((2, 2), Squashing.CLIP, EvidenceType.CONFIDENCE), True),
        (FeatureMasking((2, 2)), False),
        (Undefended((2, 2)), False),
    ],
    ids=str,
)
def test_a_defence_ranks_the_classes_as_its_description_says(defence, ranked):
    certificate = defence.certify(np.random.default_rng(0).normal(1, 1, (3, 4, 4)))
    assert (certificate.least_rank is not None) == ranked == spec_of(defence).ranks(defence)
    if not ranked:
        assert certificate.rank is None
        with pytest.raises(ValueError, match="expected the certificate of a defence that ranks the classes"):
            certificate.certified_among(2)


@pytest.mark.parametrize("k", [0, -1])
def test_a_k_that_counts_no_classes_is_refused(k):
    certificate = RobustMasking((1, 1)).certify(np.ones((2, 3, 3)))
    with pytest.raises(ValueError, match="expected k >= 1"):
        certificate.certified_among(k)


def test_of_equal_scores_the_lowest_class_comes_first():
    scores = np.array([[2.0, 2.0, 3.0], [1.0, 0.0, 0.0]])
    assert rank_of(scores, np.array([1, 1])).tolist() == [3, 2]
    assert rank_of(scores, np.array([0, 0])).tolist() == [2, 1]
