"""Votes of bands and blocks: the certificate is the literal one, exact in feature space, and counts strided bands."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pg_core.defences.base import Rule, Verdict
from pg_core.defences.smoothing import Smoothing
from tests.reference import smoothing as literal

KINDS = ("columns", "rows", "blocks")
LEADS, LARGE_LEADS = st.floats(0, 3), st.floats(1, 4)


@st.composite
def scenes(draw, kinds=KINDS, leads=LEADS):
    """A defence, local logits of its blocks in which a class leads, and that class."""
    size = draw(st.tuples(st.integers(4, 9), st.integers(4, 9)))
    kind = draw(st.sampled_from(kinds))
    block = draw(st.integers(1, 3))
    patch = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    stride = draw(st.sampled_from([1, 1, 2, 3]))
    defence = getattr(Smoothing, kind)(size, block, patch, stride)
    classes = draw(st.integers(2, 4))
    seed, leader = draw(st.integers(0, 2**32 - 1)), draw(st.integers(0, classes - 1))
    local_logits = np.random.default_rng(seed).normal(0, 1.5, (classes, *defence.map_size))
    local_logits[leader] += draw(leads)
    return defence, local_logits, leader


def spelt_out(defence, local_logits):
    """Votes [classes][bands], and the bands that meet each placement of the patch."""
    bands = literal.bands(*defence.image_size, *defence.block_size, *defence.stride)
    met = {
        at: {n for n, band in enumerate(bands) if band & pixels}
        for at, pixels in literal.patches(*defence.image_size, *defence.patch_size).items()
    }
    u = local_logits.reshape(len(local_logits), -1).tolist()
    return literal.votes(u, defence.vote_threshold), met


def position(defence, at):
    """Where in the certificate a placement stands: an axis without ends has one position."""
    return tuple(min(i, n - 1) for i, n in zip(at, defence.positions.shape, strict=True))


@given(scenes())
def test_the_blocks_that_meet_a_patch_are_counted_pixel_by_pixel(drawn):
    defence, local_logits, _ = drawn
    _, met = spelt_out(defence, local_logits)
    counted = defence.met
    assert counted.shape == defence.positions.shape
    for at, bands in met.items():
        assert counted[position(defence, at)] == len(bands)


@given(scenes())
def test_prediction_and_certificate_are_the_literal_ones_at_every_placement(drawn):
    defence, local_logits, label = drawn
    v, met = spelt_out(defence, local_logits)
    prediction, certificate = defence.predict(local_logits), defence.certify(local_logits, label)
    np.testing.assert_array_equal(prediction.scores, [sum(row) for row in v])
    assert prediction.label == certificate.prediction == literal.winner(v)
    most = max(map(len, met.values()))
    published = replace(defence, rule=Rule.PUBLISHED).certify(local_logits, label)
    for at, bands in met.items():
        here = position(defence, at)
        assert (certificate.margin[here] > 0) == literal.certified(v, label, bands)
        assert (published.margin[here] > 0) == literal.published_certified(v, label, most)


@settings(max_examples=60)
@given(scenes())
def test_a_placement_is_certified_or_the_informed_adversary_breaks_it_and_never_both(drawn):
    defence, local_logits, _ = drawn
    v, met = spelt_out(defence, local_logits)
    certificate = defence.certify(local_logits)
    label = int(certificate.label)
    for at, bands in met.items():
        broken = [
            c != label and literal.winner(literal.adversary(v, c, bands)) != label for c in range(len(v))
        ]
        here = position(defence, at)
        assert (certificate.margin[here] <= 0) == any(broken)
        if any(broken):
            assert broken[certificate.rival[here]]


@settings(max_examples=100)
@given(scenes(leads=LARGE_LEADS), st.integers(0, 2**32 - 1))
def test_no_content_of_the_bands_that_meet_a_patch_breaks_a_certificate(drawn, seed):
    defence, local_logits, _ = drawn
    certificate = defence.certify(local_logits)
    assume(certificate.certified)
    _, met = spelt_out(defence, local_logits)
    random = np.random.default_rng(seed)
    attacked = np.broadcast_to(local_logits, (len(met), *local_logits.shape)).copy()
    flat = attacked.reshape(len(met), len(local_logits), -1)
    for image, bands in zip(flat, met.values(), strict=True):
        image[:, sorted(bands)] = random.choice([-1e30, 0, 1e30, 2], (len(local_logits), len(bands)))
    assert (defence.predict(attacked).label == certificate.label).all()


@given(scenes(leads=LARGE_LEADS))
def test_the_local_rule_certifies_all_that_the_published_one_does(drawn):
    defence, local_logits, _ = drawn
    published = replace(defence, rule=Rule.PUBLISHED).certify(local_logits)
    assume(published.certified)
    assert defence.certify(local_logits).verdict is Verdict.CERTIFIED


def logits_of(votes):
    """Local logits with these votes [bands][classes], of a row of bands."""
    return np.where(np.array(votes) > 0, 0.0, -30.0).T[:, None]


def test_the_local_rule_certifies_what_the_published_one_does_not():
    """Twelve bands of one column, of which each third votes for the rival: where a patch takes two votes of the label,
    it gains the rival two and not three."""
    local_logits = logits_of([[1, 0], [1, 0], [0, 1]] * 4)
    defence = Smoothing.columns((4, 12), 1, (3, 3))
    published = replace(defence, rule=Rule.PUBLISHED).certify(local_logits)
    assert (published.margin == 8 - 4 - 2 * 3 + 1).all()
    local = defence.certify(local_logits)
    assert (local.margin == (8 - 2) - (4 - 1 + 3) + 1).all()
    assert (local.verdict, published.verdict) == (Verdict.CERTIFIED, Verdict.NOT_CERTIFIED)


@pytest.mark.parametrize(("label", "proved"), [(0, True), (1, False)])
def test_a_tie_goes_to_the_lowest_class_in_prediction_and_certificate(label, proved):
    votes = [[1, 0]] * 5 + [[0, 1]] if label == 0 else [[0, 1]] * 5 + [[1, 0]]
    defence = Smoothing.columns((2, 6), 1, (1, 2))
    certificate = defence.certify(logits_of(votes))
    assert certificate.label == label
    assert bool(certificate.margin.min() > 0) == proved
    assert literal.published_certified(literal.votes([[0], [0]], 0.2), 0, 0)
    assert defence.predict(logits_of([[1, 1]] * 6)).label == 0


def test_strided_bands_are_counted_and_not_estimated():
    """224/10, b = 19, p = 32: the published count is 5, and some patches meet 6 bands, which is enough to win."""
    defence = Smoothing.columns((224, 224), 19, (32, 32), stride=10)
    assert defence.map_size == (1, 23)
    assert literal.published_delta(32, 19, 10) == 5
    met = defence.met[0]
    assert met.max() == 6
    at = int(met.argmax())

    patch = {(0, at + x) for x in range(32)}
    touched = {n for n, band in enumerate(literal.bands(1, 224, 1, 19, 1, 10)) if band & patch}
    rest = sorted(set(range(23)) - touched)
    rivals, silent = set(rest[:5]), rest[5]
    votes = [[0, 0] if n == silent else [1, 0] if n in rivals else [0, 1] for n in range(23)]
    v = np.array(votes).T.tolist()
    assert [sum(row) for row in v] == [5, 17]
    assert literal.published_certified(v, 1, 5)
    assert literal.winner(literal.adversary(v, 0, touched)) == 0

    certificate = defence.certify(logits_of(votes))
    assert certificate.label == 1
    assert certificate.margin[0, at] == (17 - 6) - (5 + 6)
    assert certificate.rival[0, at] == 0
    assert not replace(defence, rule=Rule.PUBLISHED).certify(logits_of(votes)).certified


def test_a_confidence_at_the_threshold_is_a_vote():
    quarter = np.zeros((4, 1, 6))
    defence = Smoothing.columns((2, 6), 1, (1, 1))
    assert (replace(defence, vote_threshold=0.25).predict(quarter).scores == 6).all()
    assert (replace(defence, vote_threshold=0.2500001).predict(quarter).scores == 0).all()


@given(scenes(), st.sampled_from([1e-3, 0.1]), st.integers(0, 2**32 - 1))
def test_an_error_of_delta_moves_no_margin_past_the_tolerance(drawn, delta, seed):
    defence, local_logits, label = drawn
    certificate = defence.certify(local_logits, label, delta)
    error = np.random.default_rng(seed).choice([-delta, delta], local_logits.shape)
    moved = defence.certify(local_logits + error, label).margin - certificate.margin
    assert (np.abs(moved) <= certificate.tolerance).all()


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="expected a patch within"):
        Smoothing.columns((4, 4), 2, (5, 1))
    with pytest.raises(ValueError, match="expected a block within"):
        Smoothing.rows((4, 4), 5, (1, 1))
    with pytest.raises(ValueError, match="expected a stride"):
        Smoothing.blocks((4, 4), 2, (1, 1), 0)
    with pytest.raises(ValueError, match="expected 0 < vote_threshold"):
        Smoothing((4, 4), (4, 2), (1, 1), vote_threshold=0.0)
    with pytest.raises(ValueError, match=r"expected a map of \(1, 4\) blocks"):
        Smoothing.columns((4, 4), 2, (1, 1)).predict(np.zeros((2, 4, 4)))
    with pytest.raises(ValueError, match="expected finite local logits"):
        Smoothing.columns((4, 4), 2, (1, 1)).predict(np.full((2, 1, 4), math.nan))
