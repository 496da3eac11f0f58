"""Double masking on features: the literal two rounds, no weaker than robust masking, and exact without a c_h."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pg_core.defences.base import Verdict
from pg_core.defences.patchcleanser import rounds
from pg_core.defences.patchcleanser.features import FeatureMasking
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.evidence.grid import clip
from pg_core.evidence.types import CEILING, EvidenceType
from pg_core.geometry import Window
from tests import reference
from tests.reference import double_masking as literal


def drawn_maps():
    """What `made` takes. (Made in the test: the checker of types draws at random, which a strategy must not.)"""
    return st.tuples(
        st.integers(2, 4),
        st.tuples(st.integers(1, 5), st.integers(2, 6)),
        st.tuples(st.integers(1, 3), st.integers(1, 3)),
        st.booleans(),
        st.sampled_from([EvidenceType.LOGITS, EvidenceType.CONFIDENCE, EvidenceType.SHARPENED]),
        st.integers(0, 2**32 - 1),
        st.sampled_from([0.0, 0.5, 1.0, 2.0]),
    )


def made(drawn):
    """A defence and local logits in which a class leads in most cells."""
    classes, map_size, window_size, wrapping, evidence, seed, lead = drawn
    random = np.random.default_rng(seed)
    local_logits = np.abs(random.normal(0, 1, (classes, *map_size)))
    local_logits[random.integers(0, classes)] += lead
    return FeatureMasking(window_size, evidence, wrapping=wrapping), local_logits


def boxes(defence, local_logits):
    """W, in the letters of the paper."""
    rows, columns = local_logits.shape[1:]
    return reference.windows(rows, columns, *defence.window_size, defence.wrapping)


def sums(û, W):
    """SUM(û_c ⊙ (1 - i) ⊙ (1 - j)) for every pair of windows and class."""
    return np.array([[[(û_c * (1 - i) * (1 - j)).sum() for û_c in û] for j in W] for i in W])


def filled(û, w, contents):
    """û with other contents in w: a value for each class, the same in all cells."""
    return û * (1 - w) + np.asarray(contents)[:, None, None] * w


@given(drawn_maps())
def test_prediction_and_margins_are_the_literal_ones(drawn):
    defence, local_logits = made(drawn)
    W, û = boxes(defence, local_logits), clip(local_logits, defence.evidence)
    s = sums(û, W)
    prediction = defence.predict(local_logits)
    assert prediction.label == literal.predict(s.argmax(axis=2).tolist())
    y = (drawn[5] % len(û)) if drawn[6] else int(prediction.label)
    certificate = defence.certify(local_logits, y)
    for n, (margin, rival) in enumerate(zip(certificate.margin.flat, certificate.rival.flat, strict=True)):
        leads = [s[n, :, y] - s[n, :, c] for c in range(len(û)) if c != y]
        assert margin == np.min(leads)
        assert (s[n, :, y] - s[n, :, rival]).min() == margin
    assert (certificate.lower == certificate.upper + certificate.margin).all()
    assert (certificate.upper >= 0).all()


@given(drawn_maps())
def test_no_margin_is_below_that_of_robust_masking_and_what_is_certified_is_predicted(drawn):
    defence, local_logits = made(drawn)
    masking = RobustMasking(defence.window_size, 0.0, defence.evidence, wrapping=defence.wrapping)
    for label in range(len(local_logits)):
        ours, theirs = defence.certify(local_logits, label), masking.certify(local_logits, label)
        assert (ours.margin >= theirs.margin).all()
        assert not (ours.margin > 0).all() or ours.verdict is Verdict.CERTIFIED
        assert theirs.verdict is not Verdict.CERTIFIED or ours.verdict is Verdict.CERTIFIED


def test_it_certifies_what_robust_masking_does_not():
    """The rival's evidence lies beside the label's, and goes with it."""
    local_logits = np.zeros((2, 1, 6))
    local_logits[0] = [4, 4, 4, 0, 0, 0]
    local_logits[1] = [3, 3, 3, 0, 0, 0]
    assert RobustMasking((1, 1)).certify(local_logits).verdict is Verdict.NOT_CERTIFIED
    certificate = FeatureMasking((1, 1)).certify(local_logits)
    assert certificate.verdict is Verdict.CERTIFIED
    np.testing.assert_array_equal(certificate.margin, [[1, 1, 1, 2, 2, 2]])


@settings(max_examples=150)
@given(drawn_maps())
def test_no_adversary_changes_the_prediction_in_a_window_with_a_margin(drawn):
    """Informed: everything for one class, just enough for it to win single masks, or nothing; alike in all cells, in
    some, or at random."""
    defence, local_logits = made(drawn)
    W, û = boxes(defence, local_logits), clip(local_logits, defence.evidence)
    certificate = defence.certify(local_logits)
    assume((certificate.margin > 0).any())
    label, random = int(certificate.label), np.random.default_rng(drawn[5])
    top = 2.0**15 if defence.evidence == EvidenceType.LOGITS else 1.0
    for n in np.flatnonzero(certificate.margin > 0)[:4]:
        w, attacks = W[n], [filled(û, W[n], np.zeros(len(û)))]
        for c in range(len(û)):
            lead = max(0.0, float(((û[label] - û[c]) * (1 - w)).sum()))
            for content in (top, *(min(top, lead * share / w.sum()) for share in (0.5, 0.9, 1.1, 1.5, 3))):
                alike = filled(û, w, content * (np.arange(len(û)) == c))
                some = np.where(random.random(w.shape) < 0.5, alike, û * (1 - w))
                attacks += [alike, some]
        attacks += [filled(û, w, np.zeros(len(û))) + random.random(û.shape) * w * top for _ in range(5)]
        for attacked in attacks:
            assert defence.mask(attacked).label == label


@given(drawn_maps())
def test_every_window_without_a_margin_is_broken_where_evidence_has_no_limit(drawn):
    defence, local_logits = made((*drawn[:4], EvidenceType.LOGITS, *drawn[5:]))
    W, û = boxes(defence, local_logits), clip(local_logits)
    certificate = defence.certify(local_logits)
    for n in np.flatnonzero(certificate.margin < 0):
        label, rival = int(certificate.label), int(certificate.rival.flat[n])
        attacked = filled(û, W[n], CEILING * (np.arange(len(û)) == rival))
        said = defence.attacked_prediction(û, label, rival, certificate.windows.at(int(n)))
        assert said is not None
        assert said.label == defence.mask(attacked).label != label


def test_a_window_that_holds_has_no_witness():
    û = np.zeros((2, 1, 5))
    û[0] = 1
    assert FeatureMasking((1, 1)).attacked_prediction(û, 0, 1, Window(0, 2, 1, 1)) is None


def test_failing_windows_are_drawn():
    """What the test above needs."""
    random = np.random.default_rng(0)
    margins = [
        FeatureMasking((2, 2)).certify(np.abs(random.normal(0.5, 1, (3, 4, 5)))).margin for _ in range(20)
    ]
    assert 50 < sum((margin < 0).sum() for margin in margins) < sum(margin.size for margin in margins)


def test_few_masked_maps_at_a_time_are_as_good_as_all(monkeypatch):
    random = np.random.default_rng(3)
    maps = np.abs(random.normal(0, 1, (30, 3, 6, 6)))
    whole = FeatureMasking((2, 2)).predict(maps)
    assert (whole.disagreer >= 0).any()
    monkeypatch.setattr(rounds, "_CELLS_AT_A_TIME", 1)
    few = FeatureMasking((2, 2)).predict(maps)
    np.testing.assert_array_equal(few.label, whole.label)
    np.testing.assert_array_equal(few.disagreer, whole.disagreer)


def test_a_window_that_is_the_whole_map_proves_nothing():
    local_logits = np.zeros((2, 3, 3))
    local_logits[0] = 5
    certificate = FeatureMasking((3, 4)).certify(local_logits)
    assert certificate.verdict is Verdict.NOT_CERTIFIED
    assert certificate.margin == 0


def test_a_tie_is_no_certificate_and_an_error_is_doubt():
    local_logits = np.zeros((2, 1, 5))
    local_logits[0] = 1
    defence = FeatureMasking((1, 1))
    assert defence.certify(local_logits).margin.min() == 3
    assert defence.certify(local_logits, delta=0.25).verdict is Verdict.CERTIFIED
    assert defence.certify(local_logits, delta=0.3).verdict is Verdict.UNDECIDED
    local_logits[1] = 1
    assert defence.certify(local_logits).verdict is Verdict.NOT_CERTIFIED


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="expected a window of at least 1x1"):
        FeatureMasking((0, 1))
    with pytest.raises(ValueError, match="expected clip_high > 0"):
        FeatureMasking((1, 1), clip_high=math.nan)
    with pytest.raises(ValueError, match="expected finite"):
        FeatureMasking((1, 1)).predict(np.full((2, 3, 3), np.nan))


def test_a_window_of_negative_margin_may_be_broken_by_no_content_where_evidence_is_confidence():
    """So a missing certificate without a witness is not known, and no counterexample is claimed."""
    local_logits = np.array([[[6.0, -4, -2, 0, -4]], [[4.0, 0, -4, 4, -6]]])
    defence = FeatureMasking((1, 2), EvidenceType.CONFIDENCE)
    certificate = defence.certify(local_logits, 0)
    assert (certificate.margin < 0).all()
    assert certificate.margin.max() == pytest.approx(-0.2, abs=0.01)
    evidence, window = clip(local_logits, EvidenceType.CONFIDENCE), Window(0, 1, 1, 2)
    assert defence.attacked_prediction(evidence, 0, 1, window) is None
    levels = np.linspace(0, 1, 11)
    contents = np.stack(np.meshgrid(*[levels] * 4, indexing="ij"), axis=-1).reshape(-1, 2, 1, 2)
    assert len(contents) == 14_641
    attacked = np.broadcast_to(evidence, (len(contents), *evidence.shape)).copy()
    attacked[..., 1:3] = contents
    assert (defence.mask(attacked).label == 0).all()
