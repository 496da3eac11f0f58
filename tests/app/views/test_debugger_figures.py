"""The figures of the window debugger show the numbers of a diagnosis and of a witness, where the windows are."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from app.markup import in_formula
from app.plots.maps import around_cells
from app.plots.photo import outline
from app.views.debugger.figure import by_branch, in_words, position_on_photo, waterfall, witness_maps
from app.views.debugger.text import why_label, why_rival
from pg_core import Bound, RobustMasking, analyse, examine
from pg_core.analysis.inputs import configure
from pg_core.defences.patchguard.explain import Account, Branch, diagnose
from pg_core.defences.patchguard.witness import window_status
from pg_core.defences.registry import build
from pg_core.defences.spec import Term, Waterfall
from pg_core.geometry import Patch, Window
from tests.colours import Colours


@pytest.fixture(scope="module")
def result():
    image = Image.new("RGB", (64, 48), (250, 20, 10))
    image.paste((10, 200, 20), (0, 0, 30, 48))
    return analyse(image, Colours(), RobustMasking((5, 5)))


@pytest.fixture(scope="module", params=["masking", "undefended", "clipping", "detection", "feature-masking"])
def of_any(request, result):
    defence = build(request.param, configure(Colours(), (5, 5)))
    return examine(result.features, defence)


def told_of(analysis):
    return diagnose(analysis.defence, analysis.masking, analysis.certificate, analysis.certificate.worst)


def bars(figure):
    """Where each bar begins and ends."""
    (drawn,) = figure.data
    return [(base, base + height) for base, height in zip(drawn.base, drawn.y, strict=True)]


def test_a_waterfall_ends_at_the_bound_of_the_certificate_and_adds_up(result):
    worst = result.certificate.worst
    told = result.explanation(worst)
    for pair, bound in (
        ((told.lower, told.upper), result.certificate.lower),
        ((told.upper, told.lower), result.certificate.upper),
    ):
        drawn = bars(waterfall(*pair, "name"))
        (_, total), inside, (_, outside), change, (_, last) = drawn
        assert inside == pytest.approx((total, outside))
        assert change == pytest.approx((outside, last))
        assert [drawn[at][0] for at in (0, 2, 4)] == [0.0, 0.0, 0.0]
        assert last == bound[worst.top, worst.left]


def test_the_bound_of_the_other_side_is_a_line_in_both_waterfalls_and_they_share_a_scale(result):
    told = result.explanation(result.certificate.worst)
    figures = [waterfall(told.lower, told.upper, "name"), waterfall(told.upper, told.lower, "name")]
    lines = [next(shape for shape in figure.layout.shapes if shape.name == "opposite") for figure in figures]
    assert [line.y0 for line in lines] == [told.upper.bound, told.lower.bound]
    assert figures[0].layout.yaxis.range == figures[1].layout.yaxis.range
    assert figures[0].layout.yaxis.range[1] > max(end for figure in figures for _, end in bars(figure))


def test_every_bar_of_every_defence_is_as_high_as_its_term_says_unless_it_is_infinite(of_any):
    told = of_any.explanation(of_any.certificate.worst)
    for fall, other in ((told.lower, told.upper), (told.upper, told.lower)):
        figure = waterfall(fall, other, "name")
        (drawn,) = figure.data
        for term, height, hatch in zip(fall.terms, drawn.y, drawn.marker.pattern.shape, strict=True):
            assert bool(hatch) == np.isinf(term.value)
            if np.isfinite(term.value):
                assert height == pytest.approx(term.value)
        low, high = figure.layout.yaxis.range
        assert all(low <= end <= high for end in np.ravel(bars(figure)))


def test_what_is_infinite_reaches_the_edge_with_an_arrow_and_in_words(result):
    undefended = examine(result.features, build("undefended", configure(Colours(), (5, 5))))
    told = undefended.explanation(undefended.certificate.worst)
    assert told.upper.bound == np.inf
    figure = waterfall(told.upper, told.lower, "name")
    edge = figure.layout.yaxis.range[1]
    assert [end for _, end in bars(figure)][-2:] == [edge, edge]
    arrows = [(note.x, note.y) for note in figure.layout.annotations if note.showarrow]
    assert arrows == [(3, edge), (4, edge)]
    assert [text.endswith("<b>no bound</b>") for text in figure.layout.xaxis.ticktext] == [
        np.isinf(term.value) for term in told.upper.terms
    ]
    assert in_words(told.upper, "name").endswith("anything in w no bound, upper no bound")
    lower = waterfall(told.lower, told.upper, "name")
    assert not any(shape.name == "opposite" for shape in lower.layout.shapes)
    assert "upper: no bound" in [note.text for note in lower.layout.annotations]
    assert lower.layout.yaxis.range == figure.layout.yaxis.range


def test_a_bound_below_zero_is_drawn_from_zero_downwards_within_the_figure():
    fall = Waterfall(0, (Term("log confidence without w", -2.0, True), Term("lower", -2.0, True)))
    other = Waterfall(1, (Term("log τ", -0.5, True), Term("upper", -0.5, True)))
    figure = waterfall(fall, other, "name")
    assert bars(figure) == [(0.0, -2.0), (0.0, -2.0)]
    assert figure.layout.yaxis.range[0] < -2.0


def test_the_photo_shows_w_and_the_window_that_costs_the_label_most(result):
    told, field = told_of(result), result.features.receptive_field
    figure = position_on_photo(result, told.window, other=told.label.other)
    shapes = {shape.name: shape for shape in figure.layout.shapes}
    for name, window in (("malicious", told.window), ("other", told.label.other)):
        assert {key: shapes[name][key] for key in ("x0", "x1", "y0", "y1")} == outline(field, window)
    seen = field.pixels(told.window)
    assert (shapes["seen"].x0, shapes["seen"].y1) == (seen.left, seen.bottom)
    assert len({shape.line.dash for shape in shapes.values()}) == 3


def test_the_photo_shows_a_placement_as_the_rectangle_of_the_patch_and_what_was_masked(result):
    masked = Window(1, 2, 3, 4)
    figure = position_on_photo(result, Patch(3, 4, 5, 6), [masked])
    shapes = {shape.name: shape for shape in figure.layout.shapes}
    assert shapes.keys() == {"malicious", "masked"}
    patch = shapes["malicious"]
    assert (patch.x0, patch.x1, patch.y0, patch.y1) == (4, 10, 3, 8)
    field = result.features.receptive_field
    assert {key: shapes["masked"][key] for key in ("x0", "x1", "y0", "y1")} == outline(field, masked)


def test_evidence_below_zero_is_within_the_colours_of_the_photo(of_any):
    (cells,) = position_on_photo(of_any, of_any.certificate.worst).data
    assert cells.zmin <= min(0.0, cells.z.min())
    assert cells.zmax >= cells.z.max()


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
    assert in_formula("m = 6 > T t = 5") in why_label(account, 0.2)
    assert in_formula("lower = t - m = 25 - 6 = 19") in why_label(account, 0.2)
    straddling = dataclasses.replace(account, branch=Branch.STRADDLING)
    assert in_formula("m ≤ T t = 10") in why_label(straddling, 0.4)
    assert in_formula("lower = t - m_o = 25 - 6 = 19") in why_label(straddling, 0.4)
    spared = dataclasses.replace(account, branch=Branch.SPARED, taken=0.0, bound=25.0)
    assert in_formula("lower = t = 25") in why_label(spared, 0.4)
    lemma = Account(1, Branch.LEMMA, 30.0, 6.0, 24.0, 0.0, 16.0, 40.0)
    assert in_formula("upper = t/(1 - T) = 24/0.6 = 40") in why_rival(lemma, 0.4)
    hidden = dataclasses.replace(lemma, branch=Branch.HIDDEN, hidden=3.0, bound=27.0)
    assert "= 24 + 3 = 27$" in why_rival(hidden, 0.4)
    masked = dataclasses.replace(lemma, branch=Branch.MASKED, bound=24.0)
    assert in_formula("upper = t = 24") in why_rival(masked, 0.4)
    assert "= t = 24$" in why_rival(dataclasses.replace(lemma, bound=24.0), 0.0)


@pytest.mark.parametrize("bound", list(Bound))
@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.3])
def test_a_waterfall_ends_at_the_bound_that_is_used_whatever_the_branch(result, bound, threshold):
    other = examine(result.features, RobustMasking((5, 5), threshold, bound=bound))
    for n in range(0, other.certificate.windows.count, 7):
        window = other.certificate.windows.at(n)
        told = diagnose(other.defence, other.masking, other.certificate, window)
        named = by_branch(other.explanation(window), told)
        at = window.top, window.left
        assert bars(waterfall(named.lower, named.upper, "l"))[-1] == (0.0, other.certificate.lower[at])
        assert bars(waterfall(named.upper, named.lower, "r"))[-1] == (0.0, other.certificate.upper[at])


@pytest.mark.parametrize(
    ("branch", "step"),
    [(Branch.OTHER, "to w': m"), (Branch.STRADDLING, "to w': mₒ"), (Branch.SPARED, "to w': none")],
)
def test_the_step_of_a_waterfall_is_named_by_the_branch_that_applies(result, branch, step):
    worst = result.certificate.worst
    told = told_of(result)
    told = dataclasses.replace(told, label=dataclasses.replace(told.label, branch=branch))
    named, before = by_branch(result.explanation(worst), told), result.explanation(worst)
    assert named.lower.terms[3].name == step
    assert [term.value for term in named.lower.terms] == [term.value for term in before.lower.terms]


def test_a_window_that_wraps_around_is_outlined_at_both_edges():
    whole = around_cells(Window(0, 2, 1, 3), (1, 8))
    assert whole == [{"x0": 1.5, "x1": 4.5, "y0": -0.5, "y1": 0.5}]
    right, left = around_cells(Window(0, 6, 1, 4), (1, 8), 0.4)
    assert (right["x0"], right["x1"]) == (5.6, 7.5)
    assert (left["x0"], left["x1"]) == (-0.5, pytest.approx(1.4))
