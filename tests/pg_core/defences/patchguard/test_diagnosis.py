"""A diagnosis adds up to the bounds of the certificate, and names a window that does what it says."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pg_core.defences.patchguard.boards import COUNTEREXAMPLE, COUNTEREXAMPLE_RIVAL
from pg_core.defences.patchguard.cases import Case, cases
from pg_core.defences.patchguard.certificate import Bound
from pg_core.defences.patchguard.explain import Branch, diagnose, failures
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.defences.patchguard.witness import WindowStatus, find_witness, window_statuses
from pg_core.geometry import Window
from tests import reference
from tests.pg_core.defences.patchguard.test_masking import THRESHOLDS, defences, led_maps, literal_windows


@pytest.mark.parametrize("bound", list(Bound))
@settings(max_examples=40)
@given(st.data(), led_maps(0.0, 2))
def test_every_account_adds_up_to_the_bound_of_the_certificate(bound, data, drawn):
    defence = data.draw(defences(bound))
    local_logits, label = drawn
    masking, certificate = defence.predict(local_logits), defence.certify(local_logits, label)
    literal = literal_windows(defence, local_logits)
    for n, w in enumerate(literal):
        window = certificate.windows.at(n)
        told = diagnose(defence, masking, certificate, window)
        at = window.top, window.left
        assert told.label.bound == certificate.lower[at]
        assert told.rival.bound == certificate.upper[at]
        assert (told.label.label, told.rival.label) == (label, certificate.rival[at])
        assert told.margin == certificate.margin[at] == told.label.bound - told.rival.bound
        assert (told.missing > 0) == (told.margin < certificate.tolerance[at])
        for account in (told.label, told.rival):
            û = masking.evidence[account.label]
            assert account.total == û.sum()
            assert account.inside == (w * û).sum()
            assert account.outside == account.total - account.inside
            assert account.outside - account.taken + account.hidden == pytest.approx(account.bound, rel=1e-15)
            assert min(account.taken, account.hidden) >= 0
        assert told.rival.taken == told.label.hidden == 0


@pytest.mark.parametrize("bound", list(Bound))
@settings(max_examples=40)
@given(st.data(), led_maps(0.0, 2))
def test_the_other_window_takes_what_the_account_says_and_no_window_of_its_kind_takes_more(
    bound, data, drawn
):
    defence = data.draw(defences(bound))
    local_logits, label = drawn
    masking, certificate = defence.predict(local_logits), defence.certify(local_logits, label)
    literal = literal_windows(defence, local_logits)
    û, T = masking.evidence[label], defence.threshold
    for n, w in enumerate(literal):
        v = û * (1 - w)
        account = diagnose(defence, masking, certificate, certificate.windows.at(n)).label
        m = max((w_ * v).sum() for w_ in literal)
        m_o = max((w_ * v).sum() for w_ in literal if (w_ * w).any())
        assert (account.branch is Branch.OTHER) == (m > T * v.sum())
        if account.other is None:
            assert account.taken == 0
            assert account.branch is Branch.SPARED
            continue
        w_ = literal[account.other.top * certificate.windows.shape[1] + account.other.left]
        assert (w_ * v).sum() == account.taken
        if account.branch is Branch.OTHER:
            assert account.taken == m
        else:
            assert account.branch is Branch.STRADDLING
            assert (w_ * w).any()
            assert account.taken == m_o or (bound is Bound.TIGHT and account.taken <= m_o)
            assert bound is not Bound.PUBLISHED


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_the_branch_of_a_rival_is_what_it_can_do(threshold):
    seen = Counter()

    @settings(max_examples=30)
    @given(defences(Bound.TIGHT, (threshold,)), led_maps(0.0, 2))
    def check(defence, drawn):
        local_logits, label = drawn
        masking, certificate = defence.predict(local_logits), defence.certify(local_logits, label)
        for n in range(certificate.windows.count):
            account = diagnose(defence, masking, certificate, certificate.windows.at(n)).rival
            seen[account.branch] += 1
            assert account.outside <= account.bound <= account.outside / (1 - threshold)
            match account.branch:
                case Branch.LEMMA:
                    assert account.bound == account.outside / (1 - threshold)
                case Branch.HIDDEN:
                    assert account.hidden > 0
                case Branch.MASKED:
                    assert account.hidden == 0

    check()
    assert set(seen) - {Branch.HIDDEN} == ({Branch.LEMMA, Branch.MASKED} if threshold else {Branch.LEMMA})


def test_a_rival_that_is_clipped_hides_less_than_lemma_1_allows():
    """t = 3 at T = 0.4 allows 2, but the one cell of w holds 1 at most."""
    benign = np.array([[[0.9, 0.9, 0.9, 0.9]], [[0.0, 1.0, 1.0, 1.0]]])
    defence = RobustMasking((1, 1), 0.4, clip_high=1.0, bound=Bound.TIGHT)
    masking, certificate = defence.predict(benign), defence.certify(benign, 0)
    rival = diagnose(defence, masking, certificate, Window(0, 0, 1, 1)).rival
    assert rival.branch is Branch.HIDDEN
    assert (rival.hidden, rival.bound) == (pytest.approx(1), pytest.approx(4))


@settings(max_examples=25)
@given(defences(Bound.TIGHT), led_maps(0.0, 2))
def test_every_window_that_is_not_certified_is_a_failure_with_the_cases_of_its_witness(defence, drawn):
    local_logits, label = drawn
    masking, certificate = defence.predict(local_logits), defence.certify(local_logits, label)
    known = window_statuses(defence, masking, certificate)
    told = list(failures(defence, masking, certificate))
    places = [(failure.window.top, failure.window.left) for failure in told]
    assert places == [tuple(at) for at in np.argwhere(known != WindowStatus.CERTIFIED).tolist()]
    for failure, at in zip(told, places, strict=True):
        assert failure.status == known[at]
        assert failure.margin == certificate.margin[at]
        assert failure.missing == certificate.tolerance[at] - failure.margin >= 0
        assert failure.rival == certificate.rival[at]
        witness = find_witness(defence, masking, label, failure.window)
        assert (witness is None) == (failure.winner is None) == (failure.label_case is None)
        if witness is not None:
            by_class = cases(defence, masking.evidence, witness.masking, failure.window)
            assert failure.winner == witness.rival
            assert failure.label_case is by_class[label].case
            assert failure.winner_case is by_class[witness.rival].case


def test_the_counterexample_is_told_differently_by_each_bound():
    benign = np.concatenate([COUNTEREXAMPLE.benign, COUNTEREXAMPLE_RIVAL.benign])
    told = {}
    for bound in Bound:
        defence = RobustMasking((2, 2), 0.4, bound=bound)
        masking, certificate = defence.predict(benign), defence.certify(benign, 0)
        told[bound] = diagnose(defence, masking, certificate, Window(4, 2, 2, 2))
    published, sound, tight = (told[bound] for bound in (Bound.PUBLISHED, Bound.SOUND, Bound.TIGHT))
    assert (published.label.branch, published.label.bound) == (Branch.SPARED, 37)
    assert (sound.label.branch, sound.label.bound, sound.label.taken) == (Branch.STRADDLING, 23, 14)
    assert sound.label.other == Window(3, 3, 2, 2)
    assert tight.label == sound.label
    assert published.missing < 0 < sound.missing == pytest.approx(7)
    assert sound.rival.branch is tight.rival.branch is Branch.LEMMA
    literal = reference.windows(6, 6, 2, 2)
    assert sound.label.bound == reference.lower_bound(benign[0], literal[22], literal, 0.4, "sound")
    (failure,) = [
        failure for failure in failures(defence, masking, certificate) if failure.window == Window(4, 2, 2, 2)
    ]
    assert (failure.label_case, failure.winner_case) == (Case.PARTIAL, Case.NONE)
