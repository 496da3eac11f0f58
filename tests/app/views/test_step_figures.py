"""What a step draws is what its line does: masked and malicious cells are left out, margins fill in one by one."""

import numpy as np
import pytest
from PIL import Image

from app.markup import in_formula
from app.plots import style
from app.plots.photo import outline
from app.views.steps import double_masking
from app.views.steps.figure import evidence_step, margins_step, on_photo, said, scores_step
from pg_core import extract
from pg_core.defences.patchcleanser.features import FeatureMasking
from pg_core.defences.patchcleanser.trace import (
    FeatureLine,
    trace_feature_certificate,
    trace_feature_prediction,
)
from pg_core.defences.patchguard.boards import COUNTEREXAMPLE, COUNTEREXAMPLE_RIVAL
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.defences.patchguard.trace import Line, trace_certificate, trace_prediction
from pg_core.geometry import Window
from tests.colours import Colours

CLASSES = ("true", "other")
W, STRADDLING = Window(4, 2, 2, 2), Window(3, 3, 2, 2)


@pytest.fixture(scope="module")
def run():
    defence = RobustMasking((2, 2), 0.4)
    benign = np.concatenate([COUNTEREXAMPLE.benign, COUNTEREXAMPLE_RIVAL.benign])
    attacked = np.concatenate([COUNTEREXAMPLE.attacked, COUNTEREXAMPLE_RIVAL.attacked])
    masking = defence.mask(benign)
    certificate = defence.certify_masking(masking, 0)
    return (
        defence.mask(attacked),
        trace_prediction(defence, defence.mask(attacked), (0, 1)),
        masking,
        certificate,
        trace_certificate(defence, masking, certificate, W),
    )


def of_line(steps, line):
    return next(step for step in steps if step.line is line)


def empty(figure):
    return {tuple(at) for at in np.argwhere(np.isnan(figure.data[0].z)).tolist()}


def cells_of(window):
    return {(i, j) for i in range(window.top, window.bottom) for j in range(window.left, window.right)}


def outlines(figure):
    return {shape.name: (shape.y0 + 0.5, shape.x0 + 0.5, shape.line.dash) for shape in figure.layout.shapes}


def test_algorithm_1_marks_the_window_and_then_takes_it_out(run):
    attacked, steps, *_ = run
    found = evidence_step(attacked, attacked.evidence[0], of_line(steps, Line.DETECT))
    assert outlines(found) == {"detected": (3, 3, "dash")}
    sure = evidence_step(attacked, attacked.evidence[0], of_line(steps, Line.COMPARE))
    assert outlines(sure) == {"detected": (3, 3, "solid")}
    assert not empty(sure)
    masked = evidence_step(attacked, attacked.evidence[0], of_line(steps, Line.SCORE))
    assert empty(masked) == cells_of(STRADDLING)
    assert np.nansum(masked.data[0].z) == of_line(steps, Line.SCORE).number("s") == 23


def test_the_windows_of_a_step_lie_on_the_photo_where_their_cells_are():
    features = extract(Image.new("RGB", (64, 48), (250, 20, 10)), Colours())
    window = Window(2, 3, 5, 5)
    (shape,) = on_photo(features, [("malicious", "w", style.MALICIOUS, window)]).layout.shapes
    edges = outline(features.receptive_field, window)
    assert {name: shape[name] for name in edges} == edges
    assert shape.name == "malicious"


def test_a_class_without_a_detected_window_keeps_all_its_cells(run):
    attacked, steps, *_ = run
    score = next(step for step in steps if step.line is Line.SCORE and step.label == 1)
    assert not empty(evidence_step(attacked, attacked.evidence[1], score))


def test_algorithm_2_leaves_out_the_malicious_window_and_then_what_the_other_takes(run):
    *_, masking, certificate, steps = run
    upper = of_line(steps, Line.UPPER)
    drawn = evidence_step(masking, masking.evidence[1], upper)
    assert empty(drawn) == cells_of(W)
    assert np.nansum(drawn.data[0].z) == upper.number("t") == 18
    lower = of_line(steps, Line.LOWER)
    drawn = evidence_step(masking, masking.evidence[0], lower)
    assert empty(drawn) == cells_of(W) | cells_of(STRADDLING)
    assert np.nansum(drawn.data[0].z) == lower.number("lower") == certificate.lower[4, 2] == 23
    assert set(outlines(drawn)) == {"malicious", "other"}


def test_margins_fill_in_one_by_one_until_all_are_those_of_the_certificate(run):
    *_, certificate, steps = run
    known = [np.count_nonzero(~np.isnan(margins_step(certificate, steps[:n]).data[0].z)) for n in range(5, 8)]
    assert known == [0, 1, 2]
    last = margins_step(certificate, steps)
    np.testing.assert_array_equal(last.data[0].z, certificate.margin)
    assert len(last.data[1].x) == certificate.not_certified.sum()
    assert outlines(margins_step(certificate, steps[:6]))["current"][:2] == (4, 2)
    assert not last.layout.shapes


def test_the_prediction_is_marked_by_a_star_and_a_pattern_among_the_scores(run):
    attacked = run[0]
    (bars,) = scores_step(attacked, CLASSES, 1).data
    assert list(bars.y) == ["★ other", "true"]
    assert list(bars.x) == [30, 23]
    assert list(bars.marker.pattern.shape) == ["", "/"]


def test_every_step_is_said_in_its_numbers(run):
    _, first, _, _, second = run
    words = [said(step, CLASSES) for step in (*first, *second)]
    assert (
        "Of all windows, the window at row 3, column 3 holds most of it: $\\text{SUM}(w^* \\odot \\hat u) = 16$."
        in words
    )
    assert f"{in_formula('16 > T · SUM(û) = 15.6')}: it is detected." in words
    assert f"{in_formula('12 ≤ T · SUM(û) = 12')}: nothing is detected." in words
    assert f"'true' keeps {in_formula('s = SUM(û) - SUM(w* ⊙ û) = 39 - 16 = 23')}." in words
    assert "'other' has the largest score, $s = 30$: it is the prediction." in words
    assert any(word.endswith(f"its score is at most {in_formula('upper = 30')}.") for word in words)
    assert any(
        in_formula("m = 14 ≤ T t = 14.8") in word and word.endswith(f"{in_formula('lower = 23')}.")
        for word in words
    )
    assert (
        "The window at row 4, column 2: $\\text{margin} = 23 - 30 = -7$ against 'other': ✘ not positive."
        in words
    )
    assert words[-1].endswith("windows are proved: ✘ not certified for 'true'.")
    assert all(words)


@pytest.fixture(scope="module")
def rounds():
    defence = FeatureMasking((2, 2))
    benign = np.concatenate([COUNTEREXAMPLE.benign, COUNTEREXAMPLE_RIVAL.benign])
    attacked = np.concatenate([COUNTEREXAMPLE.attacked, COUNTEREXAMPLE_RIVAL.attacked])
    said, certificate = defence.mask(attacked), defence.certify(benign, 0)
    return (
        attacked,
        said,
        trace_feature_prediction(attacked, said),
        benign,
        certificate,
        trace_feature_certificate(benign, defence.mask(benign), certificate, W),
    )


def test_each_round_of_masks_leaves_the_evidence_of_its_step(rounds):
    attacked, _, steps, *_ = rounds
    first = of_line(steps, FeatureLine.ONE)
    drawn = double_masking.evidence_step(attacked, 0, first)
    assert empty(drawn) == cells_of(Window(0, 0, 2, 2))
    assert np.nansum(drawn.data[0].z) == first.number("left")
    assert set(outlines(drawn)) == {"first"}
    second = of_line(steps, FeatureLine.SECOND)
    drawn = double_masking.evidence_step(attacked, 0, second)
    assert empty(drawn) == cells_of(second.window) | cells_of(second.other)
    assert np.nansum(drawn.data[0].z) == second.number("left") == 26
    assert set(outlines(drawn)) == {"first", "second"}
    whole = double_masking.evidence_step(attacked, 0, of_line(steps, FeatureLine.CLIP))
    assert not empty(whole)
    assert not outlines(whole)


def test_the_lead_is_drawn_outside_the_malicious_window_and_then_without_what_the_second_takes(rounds):
    *_, benign, certificate, steps = rounds
    malicious = double_masking.evidence_step(benign, 0, of_line(steps, FeatureLine.WINDOWS))
    assert not empty(malicious)
    assert set(outlines(malicious)) == {"malicious"}
    lead, taken = of_line(steps, FeatureLine.LEAD), of_line(steps, FeatureLine.TAKEN)
    drawn = double_masking.evidence_step(benign, 0, lead)
    assert empty(drawn) == cells_of(W)
    assert np.nansum(drawn.data[0].z) == certificate.lower[4, 2] == 19
    drawn = double_masking.evidence_step(benign, 0, taken)
    assert empty(drawn) == cells_of(W) | cells_of(taken.other)
    assert np.nansum(drawn.data[0].z) == certificate.margin[4, 2] == 7
    assert set(outlines(drawn)) == {"malicious", "second"}


def test_votes_are_drawn_for_the_classes_that_have_any(rounds):
    prediction = rounds[1]
    (bars,) = double_masking.votes_step(prediction, CLASSES, 0).data
    assert list(bars.y) == ["★ true", "other"]
    assert list(bars.x) == [23, 2]
    alone = FeatureMasking((1, 1)).mask(np.array([[[1.0, 1, 1]], [[0.0, 0, 0]]]))
    assert list(double_masking.votes_step(alone, CLASSES, 0).data[0].y) == ["★ true"]


def test_margins_of_double_masking_fill_in_until_all_are_those_of_the_certificate(rounds):
    *_, certificate, steps = rounds
    known = [np.count_nonzero(~np.isnan(margins_step(certificate, steps[:n]).data[0].z)) for n in range(4, 7)]
    assert known == [0, 1, 2]
    assert outlines(margins_step(certificate, steps[:5]))["current"][:2] == (4, 2)
    np.testing.assert_array_equal(margins_step(certificate, steps).data[0].z, certificate.margin)


def test_every_step_of_double_masking_is_said_in_its_numbers(rounds):
    words = [double_masking.said(step, CLASSES) for step in (*rounds[2], *rounds[5])]
    assert (
        "Without the window at row 2, column 3, 'other' has most, "
        f"{in_formula('SUM(û ⊙ (1 - i)) = 30')}: it disagrees." in words
    )
    assert any("22 of 25 second masks leave 'other'" in word and "does not stand" in word for word in words)
    assert "No disagreer stands: 'true', the class of the majority, is the prediction." in words
    assert (
        "The window at row 4, column 2: $\\text{margin} = 19 - 12 = 7$ against 'other': ✔ positive." in words
    )
    assert words[-1] == "25 of 25 windows are proved: ✔ certified for 'true'."
    assert all(words)
    û = np.array([[[1.0, 1, 1, 1, 1]], [[0.0, 0, 9, 0, 0]]])
    stands = trace_feature_prediction(û, FeatureMasking((1, 1)).mask(û))
    ends = [double_masking.said(step, CLASSES) for step in stands[-2:]]
    assert ends[0].startswith(
        "Whichever second window is taken out besides the window at row 0, column 2, 'true'"
    )
    assert ends[1].endswith("5 of 5 second masks leave 'true': it stands, and is the prediction.")
