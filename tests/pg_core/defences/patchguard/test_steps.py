"""A trace ends in exactly the numbers of prediction and certificate, and runs its lines in their order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pg_core.defences.patchguard.certificate import Bound
from pg_core.defences.patchguard.trace import (
    ALGORITHM_1,
    Line,
    algorithm_2,
    trace_certificate,
    trace_prediction,
)
from tests import reference
from tests.pg_core.defences.patchguard.test_masking import defences, led_maps, literal_windows


@settings(max_examples=60)
@given(defences(), led_maps(), st.data())
def test_a_trace_of_algorithm_1_ends_in_the_prediction(defence, drawn, data):
    local_logits, _ = drawn
    masking = defence.predict(local_logits)
    classes = list(range(len(local_logits)))
    labels = data.draw(st.lists(st.sampled_from(classes), unique=True))
    steps = trace_prediction(defence, masking, labels)
    literal = literal_windows(defence, local_logits)
    predicted, scores, detected = reference.algorithm_1(masking.evidence, literal, defence.threshold)
    assert steps[-1].line is Line.PREDICT
    assert steps[-1].label == predicted
    assert steps[-1].number("s") == scores[predicted]
    by_line = {(step.line, step.label): step for step in steps}
    for label in labels:
        û = masking.evidence[label]
        assert by_line[Line.CLIP, label].number("SUM(û)") == û.sum()
        assert by_line[Line.DETECT, label].number("SUM(w* ⊙ û)") == max((w * û).sum() for w in literal)
        found = by_line[Line.COMPARE, label].other
        assert (found is None) == (detected[label] is None)
        if found is not None:
            assert found == masking.windows.at(detected[label])
        score = by_line[Line.SCORE, label]
        assert score.number("s") == scores[label] == score.number("SUM(û)") - score.number("SUM(w* ⊙ û)")
    rest = [step.number("classes") for step in steps if step.line is Line.CLASSES and step.label is None]
    assert sum(rest) == len(classes) - len(labels)


@pytest.mark.parametrize("bound", list(Bound))
@settings(max_examples=40)
@given(data=st.data(), drawn=led_maps(0.0, 1))
def test_a_trace_of_algorithm_2_ends_in_the_certificate(bound, data, drawn):
    defence = data.draw(defences(bound))
    local_logits, label = drawn
    masking, certificate = defence.predict(local_logits), defence.certify(local_logits, label)
    window = certificate.windows.at(data.draw(st.integers(0, certificate.windows.count - 1)))
    steps = trace_certificate(defence, masking, certificate, window)
    at = window.top, window.left
    detailed = {step.line: step for step in steps if step.window == window}
    _, _, upper, outside, lower, margin, _ = algorithm_2(bound)
    assert detailed[upper].number("upper") == certificate.upper[at]
    assert detailed[upper].label == certificate.rival[at]
    assert detailed[outside].number("t") == certificate.outside[at]
    assert detailed[outside].number("m") == certificate.other[at]
    assert detailed[lower].number("lower") == certificate.lower[at]
    told = np.full(certificate.windows.shape, np.nan)
    for step in steps:
        if step.line is margin:
            told[step.window.top, step.window.left] = step.number("margin")
    np.testing.assert_array_equal(told, certificate.margin)
    last = steps[-1]
    assert last.line is Line.CERTIFY
    assert last.number("proved") == certificate.proved.sum()
    assert last.number("undecided") == certificate.undecided.sum()
    assert last.verdict is certificate.verdict
    assert (last.number("proved") == last.number("windows")) == bool(certificate.certified)


@given(defences(), led_maps())
def test_the_lines_of_a_trace_are_those_of_the_algorithm_in_their_order(defence, drawn):
    local_logits, label = drawn
    masking, certificate = defence.predict(local_logits), defence.certify(local_logits, label)
    one = trace_prediction(defence, masking, [label])
    assert [step.line for step in one if step.label is not None] == list(ALGORITHM_1)
    two = trace_certificate(defence, masking, certificate, certificate.worst)
    lines = algorithm_2(defence.bound)
    assert [step.line for step in two[: len(lines) - 1]] == list(lines[:-1])
    assert len(two) == len(lines) + certificate.windows.count - 1


def test_each_bound_has_its_own_line():
    texts = {bound: algorithm_2(bound)[4] for bound in Bound}
    assert texts[Bound.PUBLISHED].endswith("else t")
    assert "m_o" in texts[Bound.SOUND]
    assert len(set(texts.values())) == 3


@given(defences(), led_maps())
def test_a_step_says_what_it_found_and_refuses_what_it_did_not(defence, drawn):
    local_logits, label = drawn
    (step, *_) = trace_prediction(defence, defence.predict(local_logits), [label])
    with pytest.raises(KeyError):
        step.number("margin")
