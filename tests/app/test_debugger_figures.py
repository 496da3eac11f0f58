"""The figures of the window debugger show the numbers of a diagnosis and of a witness, where the windows are."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from app.plots.maps import around_cells
from app.plots.photo import outline
from app.views.debugger.figure import waterfall, why_label, why_rival, windows_on_photo, witness_maps
from pg_core import Bound, RobustMasking, analyse, examine
from pg_core.defences.patchguard.explain import Account, Branch, diagnose
from pg_core.defences.patchguard.witness import window_status
from pg_core.geometry import Window
from tests.colours import Colours


@pytest.fixture(scope="module")
def result():
    image = Image.new("RGB", (64, 48), (250, 20, 10))
    image.paste((10, 200, 20), (0, 0, 30, 48))
    return analyse(image, Colours(), RobustMasking((5, 5)))


def told_of(analysis):
    return diagnose(analysis.defence, analysis.masking, analysis.certificate, analysis.certificate.worst)


def test_a_waterfall_ends_at_the_bound_of_the_certificate_and_adds_up(result):
    told, worst = told_of(result), result.certificate.worst
    for account, bound in ((told.label, result.certificate.lower), (told.rival, result.certificate.upper)):
        (bars,) = waterfall(told, account, "name").data
        assert bars.measure == ("absolute", "relative", "total", "relative", "total")
        total, inside, outside, change, last = bars.y
        assert outside == pytest.approx(total + inside)
        assert last == pytest.approx(outside + change)
        assert last == bound[worst.top, worst.left]


def test_the_bound_of_the_other_class_is_a_line_in_both_waterfalls_and_they_share_a_scale(result):
    told = told_of(result)
    figures = [waterfall(told, account, "name") for account in (told.label, told.rival)]
    assert [figure.layout.shapes[0].y0 for figure in figures] == [told.rival.bound, told.label.bound]
    assert figures[0].layout.yaxis.range == figures[1].layout.yaxis.range
    assert figures[0].layout.yaxis.range[1] > max(max(figure.data[0].y) for figure in figures)


def test_the_photo_shows_w_and_the_window_that_costs_the_label_most(result):
    told, field = told_of(result), result.features.receptive_field
    shapes = {shape.name: shape for shape in windows_on_photo(result, told).layout.shapes}
    for name, window in (("malicious", told.window), ("other", told.label.other)):
        assert {key: shapes[name][key] for key in ("x0", "x1", "y0", "y1")} == outline(field, window)
    seen = field.pixels(told.window)
    assert (shapes["seen"].x0, shapes["seen"].y1) == (seen.left, seen.bottom)
    assert len({shape.line.dash for shape in shapes.values()}) == 3


def test_the_maps_of_a_witness_differ_in_w_only(result):
    window = result.certificate.worst
    _, witness = window_status(result.defence, result.masking, result.certificate, window)
    figure = witness_maps(result, witness)
    before, after, won_before, won_after = (trace.z for trace in figure.data)
    np.testing.assert_array_equal(before, result.masking.evidence[witness.label])
    np.testing.assert_array_equal(after, witness.evidence[witness.label])
    np.testing.assert_array_equal(won_before, result.masking.evidence[witness.prediction])
    np.testing.assert_array_equal(won_after, witness.evidence[witness.prediction])
    malicious = [shape for shape in figure.layout.shapes if shape.name == "malicious"]
    assert [shape.xref for shape in malicious] == ["x", "x2", "x3", "x4"]
    assert {(shape.x0, shape.y0) for shape in malicious} == {(window.left - 0.5, window.top - 0.5)}
    titles = [annotation.text for annotation in figure.layout.annotations]
    assert titles[1] == f"{result.classes[witness.label]}: with the witness"


def test_the_words_name_the_branch_that_applies_with_its_numbers(result):
    account = Account(0, Branch.OTHER, 30.0, 5.0, 25.0, 6.0, 0.0, 19.0)
    assert "m = 6 > T t = 5" in why_label(account, 0.2)
    assert "lower = t - m = 25 - 6 = 19" in why_label(account, 0.2)
    straddling = dataclasses.replace(account, branch=Branch.STRADDLING)
    assert "m ≤ T t = 10" in why_label(straddling, 0.4)
    assert "lower = t - m_o = 25 - 6 = 19" in why_label(straddling, 0.4)
    spared = dataclasses.replace(account, branch=Branch.SPARED, taken=0.0, bound=25.0)
    assert "lower = t = 25" in why_label(spared, 0.4)
    lemma = Account(1, Branch.LEMMA, 30.0, 6.0, 24.0, 0.0, 16.0, 40.0)
    assert "upper = t/(1 - T) = 24/0.6 = 40" in why_rival(lemma, 0.4)
    hidden = dataclasses.replace(lemma, branch=Branch.HIDDEN, hidden=3.0, bound=27.0)
    assert "= 24 + 3 = 27" in why_rival(hidden, 0.4)
    assert "upper = t = 24" in why_rival(dataclasses.replace(lemma, branch=Branch.MASKED, bound=24.0), 0.4)
    assert "= t = 24" in why_rival(dataclasses.replace(lemma, bound=24.0), 0.0)


@pytest.mark.parametrize("bound", list(Bound))
@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.3])
def test_a_waterfall_ends_at_the_bound_that_is_used_whatever_the_branch(result, bound, threshold):
    other = examine(result.features, RobustMasking((5, 5), threshold, bound=bound))
    for n in range(0, other.certificate.windows.count, 7):
        window = other.certificate.windows.at(n)
        told = diagnose(other.defence, other.masking, other.certificate, window)
        at = window.top, window.left
        assert waterfall(told, told.label, "l").data[0].y[-1] == other.certificate.lower[at]
        assert waterfall(told, told.rival, "r").data[0].y[-1] == other.certificate.upper[at]


def test_a_window_that_wraps_around_is_outlined_at_both_edges():
    whole = around_cells(Window(0, 2, 1, 3), (1, 8))
    assert whole == [{"x0": 1.5, "x1": 4.5, "y0": -0.5, "y1": 0.5}]
    right, left = around_cells(Window(0, 6, 1, 4), (1, 8), 0.4)
    assert (right["x0"], right["x1"]) == (5.6, 7.5)
    assert (left["x0"], left["x1"]) == (-0.5, pytest.approx(1.4))
