"""A trace of double masking on features has exactly the numbers of its prediction and certificate, line by line."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pg_core.defences.patchcleanser.features import FeatureMasking
from pg_core.defences.patchcleanser.masks import MaskSet
from pg_core.defences.patchcleanser.pixels import PatchCleanser
from pg_core.defences.patchcleanser.trace import (
    FEATURE_CERTIFICATE,
    FEATURE_PREDICTION,
    FeatureLine,
    trace_feature_certificate,
    trace_feature_prediction,
)
from tests.pg_core.defences.patchcleanser.test_feature_masking import boxes, drawn_maps, made, sums


def traced(drawn):
    defence, local_logits = made(drawn)
    û, prediction = defence.clipped(local_logits), defence.predict(local_logits)
    return û, prediction, sums(û, boxes(defence, local_logits)), trace_feature_prediction(û, prediction)


def of_line(steps, line):
    return [step for step in steps if step.line is line]


def flat(windows, window):
    return window.top * windows.shape[1] + window.left


@settings(max_examples=150)
@given(drawn_maps())
def test_a_trace_of_the_prediction_ends_in_it_and_each_step_has_the_literal_sums(drawn):
    _, prediction, s, steps = traced(drawn)
    p, windows = s.argmax(axis=2), prediction.windows
    assert steps[-1].label == prediction.label
    assert [step.label for step in of_line(steps, FeatureLine.ONE)] == prediction.one_mask.tolist()
    for step in of_line(steps, FeatureLine.ONE):
        i = flat(windows, step.window)
        assert step.label == p[i, i]
        assert step.number("left") == s[i, i].max()
    for step in of_line(steps, FeatureLine.DISAGREER):
        i = flat(windows, step.window)
        assert step.label == p[i, i] != prediction.majority
        assert step.number("left") == s[i, i].max()
    for step in of_line(steps, FeatureLine.SECOND):
        i = flat(windows, step.window)
        if step.other is None:
            assert (p[i] == step.label).all()
        else:
            j = flat(windows, step.other)
            assert step.label == p[i, j] != p[i, i]
            assert (p[i, :j] == p[i, i]).all()
            assert step.number("left") == s[i, j].max()
    for step in of_line(steps, FeatureLine.STANDS):
        i = flat(windows, step.window)
        assert step.number("agreeing") == (p[i] == p[i, i]).sum()
        assert (step.other is None) == (p[i] == p[i, i]).all()
    for line in (FeatureLine.AGREE, FeatureLine.MAJORITY, FeatureLine.RETURN):
        for step in of_line(steps, line):
            assert step.label == prediction.majority
            assert step.number("votes") == prediction.scores.max()


@settings(max_examples=150)
@given(drawn_maps())
def test_every_disagreer_is_shown_until_one_stands(drawn):
    _, prediction, _, steps = traced(drawn)
    disagreers = np.flatnonzero(prediction.one_mask != prediction.majority).tolist()
    decided = int(prediction.disagreer)
    looked_at = disagreers if decided < 0 else disagreers[: disagreers.index(decided) + 1]
    stands = of_line(steps, FeatureLine.STANDS)
    assert [flat(prediction.windows, step.window) for step in stands] == looked_at
    assert [step.other is None for step in stands] == [i == decided for i in looked_at]
    last = FeatureLine.AGREE if not disagreers else FeatureLine.RETURN if decided < 0 else FeatureLine.STANDS
    assert steps[-1].line is last


@pytest.mark.parametrize(
    ("rows", "last"),
    [
        ([[1, 1, 1], [0, 0, 0]], FeatureLine.AGREE),
        ([[1, 1, 1, 1, 1], [0, 0, 9, 0, 0]], FeatureLine.STANDS),
        ([[4, 0, 0, 0, 4], [3, 0, 0, 0, 3]], FeatureLine.AGREE),
        ([[5, 0, 0, 0, 1], [2, 0, 0, 0, 2]], FeatureLine.RETURN),
    ],
)
def test_each_way_in_which_the_two_rounds_end_is_reached_in_the_order_of_the_lines(rows, last):
    defence = FeatureMasking((1, 1))
    û = defence.clipped(np.array(rows, float)[:, None])
    steps = trace_feature_prediction(û, defence.mask(û))
    assert steps[-1].line is last
    order = list(dict.fromkeys(step.line for step in steps))
    assert order == [line for line in FEATURE_PREDICTION if line in order]


@settings(max_examples=150)
@given(drawn_maps(), st.data())
def test_a_trace_of_the_certificate_has_its_bounds_its_margins_and_its_verdict(drawn, data):
    defence, local_logits = made(drawn)
    û, prediction = defence.clipped(local_logits), defence.predict(local_logits)
    label = data.draw(st.integers(0, len(û) - 1))
    certificate = defence.certify(local_logits, label, delta=data.draw(st.sampled_from([0.0, 0.05])))
    windows, s = certificate.windows, sums(û, boxes(defence, local_logits))
    window = windows.at(data.draw(st.integers(0, windows.count - 1)))
    steps = trace_feature_certificate(û, prediction, certificate, window)
    assert [step.line for step in steps[: len(FEATURE_CERTIFICATE) - 1]] == list(FEATURE_CERTIFICATE[:-1])
    at, i = (window.top, window.left), flat(windows, window)
    clean, malicious, lead, taken, margin = steps[:5]
    assert clean.label == prediction.label
    assert clean.number("votes") == prediction.scores[prediction.label]
    assert malicious.label == label
    assert lead.label == taken.label == margin.label == certificate.rival[at]
    assert lead.number("lower") == certificate.lower[at] == s[i, i, label] - s[i, i, lead.label]
    total, inside = lead.number("SUM(û_y - û_c)"), lead.number("SUM((û_y - û_c) ⊙ w)")
    assert total - inside == lead.number("lower")
    assert taken.number("upper") == certificate.upper[at]
    j = i if taken.other is None else flat(windows, taken.other)
    assert s[i, j, label] - s[i, j, taken.label] == margin.number("margin") == certificate.margin[at]
    told = np.full(windows.shape, np.nan)
    for step in of_line(steps, FeatureLine.MARGIN):
        told[step.window.top, step.window.left] = step.number("margin")
    np.testing.assert_array_equal(told, certificate.margin)
    last = steps[-1]
    assert last.line is FeatureLine.CERTIFY
    assert last.number("proved") == certificate.proved.sum()
    assert last.number("undecided") == certificate.undecided.sum()
    assert last.verdict is certificate.verdict


def test_a_prediction_on_pixels_is_refused():
    defence = PatchCleanser(MaskSet((4, 4), (1, 1), 2))
    table = np.zeros((2, 4, 4))
    with pytest.raises(
        ValueError, match="expected a prediction by double masking on features, got one on pix"
    ):
        trace_feature_prediction(np.zeros((2, 1, 4)), defence.predict(table))
