"""Bounded evidence: the certificate is the literal one, exact in feature space, and compares all classes."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pg_core.defences.base import Verdict
from pg_core.defences.bounded import BoundedEvidence, Squashing
from pg_core.evidence.grid import scale
from pg_core.evidence.types import EvidenceType
from tests import reference
from tests.pg_core.defences.patchguard.test_masking import led_maps
from tests.reference import bounded

SIZES = st.tuples(st.integers(1, 3), st.integers(1, 3))
SETTINGS = {
    "clipped BagNet": (Squashing.TANH, EvidenceType.LOGITS, math.inf),
    "clipped logits": (Squashing.CLIP, EvidenceType.LOGITS, 1.5),
    "confidences": (Squashing.CLIP, EvidenceType.CONFIDENCE, math.inf),
    "votes": (Squashing.CLIP, EvidenceType.PREDICTION, math.inf),
}


@st.composite
def defences(draw):
    return BoundedEvidence(draw(SIZES), *draw(st.sampled_from(list(SETTINGS.values()))), draw(st.booleans()))


@st.composite
def steep_maps(draw):
    """Maps in which a class leads so far that tanh(0.05 u - 1) sees it."""
    local_logits, leader = draw(led_maps(0.0, 4))
    return local_logits * draw(st.sampled_from([1.0, 40.0])), leader


def spelt_out(defence, local_logits):
    values = defence.squash(local_logits)
    return values, reference.windows(*values.shape[-2:], *defence.window_size, defence.wrapping)


def in_feature_space(values):
    """The class that the defence predicts from bounded evidence that an adversary wrote."""
    return bounded.mean_class(values)


@given(steep_maps())
def test_tanh_is_the_published_function_to_half_a_step_of_the_grid(drawn):
    local_logits, _ = drawn
    values = BoundedEvidence((1, 1)).squash(local_logits)
    _, step = scale(local_logits.shape[-2:], EvidenceType.CONFIDENCE, math.inf)
    np.testing.assert_allclose(values, bounded.cbn(local_logits), rtol=0, atol=step)
    np.testing.assert_array_equal(values / step, np.rint(values / step))


@given(defences(), steep_maps())
def test_prediction_and_certificate_are_the_literal_ones_exactly(defence, drawn):
    local_logits, label = drawn
    values, literal = spelt_out(defence, local_logits)
    least, most = defence.range(values.shape[-2:])
    certificate = defence.certify(local_logits, label)
    lower, upper, rival = bounded.certificate(values, label, literal, least, most)
    np.testing.assert_array_equal(certificate.lower.ravel(), lower)
    np.testing.assert_array_equal(certificate.upper.ravel(), upper)
    np.testing.assert_array_equal(certificate.rival.ravel(), rival)
    assert defence.predict(local_logits).label == certificate.prediction == bounded.mean_class(values)
    for n, w in enumerate(literal):
        differences = [
            ((values[label] - values[c]) * (1 - w)).sum() - w.sum() * (most - least)
            for c in range(len(values))
            if c != label
        ]
        assert certificate.margin.ravel()[n] == min(differences)


@given(defences(), steep_maps())
def test_bounded_evidence_stays_in_its_range_whatever_the_logits(defence, drawn):
    local_logits, _ = drawn
    least, most = defence.range(local_logits.shape[-2:])
    for hostile in (local_logits * 1e30, local_logits * -1e30, local_logits):
        values = defence.squash(hostile)
        assert values.min() >= least
        assert values.max() <= most
    kind = (defence.squashing, defence.evidence)
    expected = (
        2.0 if kind[0] is Squashing.TANH else defence.clip_high if kind[1] == EvidenceType.LOGITS else 1.0
    )
    assert most - least == pytest.approx(expected)


@settings(max_examples=60)
@given(defences(), steep_maps())
def test_a_window_is_certified_or_the_informed_adversary_breaks_it_and_never_both(defence, drawn):
    local_logits, label = drawn
    values, literal = spelt_out(defence, local_logits)
    least, most = defence.range(values.shape[-2:])
    certificate = defence.certify(local_logits, label)
    for w, margin in zip(literal, certificate.margin.ravel(), strict=True):
        broken = any(
            in_feature_space(bounded.adversary(values, label, c, w, least, most)) != label
            for c in range(len(values))
            if c != label
        )
        if margin > 0:
            assert not broken
        if margin < 0:
            assert broken


@pytest.mark.parametrize("name", SETTINGS)
def test_no_random_content_of_a_window_breaks_a_certificate(name):
    tried = []

    @settings(max_examples=15)
    @given(led_maps(1.5, 5), st.integers(0, 2**32 - 1))
    def check(drawn, seed):
        local_logits, _ = drawn
        local_logits = local_logits * 40 if name == "clipped BagNet" else local_logits
        defence = BoundedEvidence((1, 2), *SETTINGS[name])
        certificate = defence.certify(local_logits)
        assume(certificate.certified)
        random = np.random.default_rng(seed)
        contents = random.choice([0.0, -1e30, 1e30, 60.0, 3.0], (8, len(local_logits), 1, 1))
        literal = np.stack(reference.windows(*local_logits.shape[-2:], 1, 2))[:, None, None] > 0
        attacked = np.where(literal, contents, local_logits).reshape(-1, *local_logits.shape)
        assert (defence.predict(attacked).label == certificate.label).all()
        tried.append(certificate)

    check()
    assert len(tried) >= 10


def test_the_published_certificate_compares_the_runner_up_only_and_is_broken_by_the_third_class():
    """The counterexample of theory §9, Bounded evidence: classes 0 and 1 pass, and class 2 wins."""
    v = np.empty((3, 6, 6))
    v[:] = np.array([0.50, 0.10, 0.32])[:, None, None]
    v[1:, :2, :2] = np.array([0.99, -0.99])[:, None, None]
    literal = reference.windows(6, 6, 2, 2)
    assert min(((v[0] - v[1]) * (1 - w)).sum() for w in literal) == pytest.approx(9.24)
    assert bounded.published_certificate(v, literal, -1, 1)

    attacked = v.copy()
    attacked[:2, :2, :2], attacked[2, :2, :2] = -0.999, 0.999
    assert bounded.mean_class(attacked) == 2

    defence = BoundedEvidence((2, 2))
    certificate = defence.certify((np.arctanh(v) + 1) / 0.05, 0)
    assert certificate.prediction == 0
    assert certificate.verdict is Verdict.NOT_CERTIFIED
    assert certificate.rival[0, 0] == 2
    assert certificate.margin[0, 0] == pytest.approx(5.76 - 8)
    assert defence.predict((np.arctanh(attacked) + 1) / 0.05).label == 2


@given(defences(), steep_maps(), st.sampled_from([1e-3, 0.1]), st.integers(0, 2**32 - 1))
def test_an_error_of_delta_moves_no_margin_past_the_tolerance(defence, drawn, delta, seed):
    local_logits, label = drawn
    certificate = defence.certify(local_logits, label, delta)
    error = np.random.default_rng(seed).choice([-delta, delta], local_logits.shape)
    moved = defence.certify(local_logits + error, label).margin - certificate.margin
    assert (np.abs(moved) <= certificate.tolerance).all()


def test_a_tie_is_no_certificate():
    local_logits = np.zeros((2, 1, 4))
    local_logits[0] = [1, 1, 0, 0]
    defence = BoundedEvidence((1, 1), Squashing.CLIP, clip_high=1.0)
    certificate = defence.certify(local_logits)
    np.testing.assert_array_equal(certificate.margin, [[0, 0, 1, 1]])
    assert not certificate.certified


def test_evidence_without_a_bound_is_refused():
    with pytest.raises(ValueError, match="expected a finite clip_high"):
        BoundedEvidence((1, 1), Squashing.CLIP)
    with pytest.raises(ValueError, match="expected logits without clip_high for tanh"):
        BoundedEvidence((1, 1), clip_high=2.0)
    with pytest.raises(ValueError, match="expected logits without clip_high for tanh"):
        BoundedEvidence((1, 1), evidence=EvidenceType.CONFIDENCE)
    with pytest.raises(ValueError, match="expected finite local logits"):
        BoundedEvidence((1, 1)).certify(np.full((2, 3, 3), np.nan))
