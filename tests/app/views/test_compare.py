"""The comparison page without a browser: a row for each defence, the same window in all maps, and why two differ."""

import csv
import io

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from app.cache import analysis as cached
from app.cache.analysis import Choice
from app.views.compare import results as defences
from app.views.compare.figure import MARKS, WINDOWS, in_words, maps, title
from app.views.compare.page import _conclusion
from app.views.compare.results import Reckoning
from pg_core import FeatureMasking, Patch, ReceptiveField, Window, extract
from pg_core.analysis.comparison import DefenceResult, compare
from pg_core.defences.base import Verdict
from pg_core.defences.patchcleanser.inference import mean_logits, two_mask_predictions
from pg_core.defences.patchcleanser.pixels import mask_set
from pg_core.defences.registry import DEFENCES
from pg_core.defences.spec import DefenceConfig
from pg_core.evidence.types import EvidenceType
from tests.app.test_page import field
from tests.colours import Colours

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of streamlit's own dependencies
PATIENCE = 120


@pytest.fixture(scope="module")
def found():
    values = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    values[..., 0] = np.maximum(values[..., 0], 140)
    features = extract(Image.fromarray(values), Colours())
    settings = {"clip_high": 10.0}
    config = DefenceConfig(features.receptive_field, (48, 64), Colours.evidence, (16, 16), settings)
    return compare(features, config)


WINDOW = Window(2, 1, 6, 6)


def test_every_defence_has_a_map_of_its_signs_with_the_same_window_marked(found):
    figure = maps(found, WINDOW)
    drawn = [trace for trace in figure.data if trace.meta == WINDOWS]
    assert len(drawn) == len(found.results)
    for one, trace in zip(found.results, drawn, strict=True):
        assert np.array_equal(trace.z, one.relative)
        assert trace.coloraxis == "coloraxis"
        assert trace.customdata[2][1][3:].tolist() == [2, 1]
        assert trace.customdata[2][1][0] == f"{one.certificate.margin[2, 1]:.4g}"
        assert trace.customdata[2][1][1] == found.features.classes[one.certificate.rival[2, 1]]
    assert (figure.layout.coloraxis.cmin, figure.layout.coloraxis.cmax) == (-1, 1)
    marked = [shape for shape in figure.layout.shapes if shape.name == "current"]
    assert [(shape.x0, shape.y0) for shape in marked] == [(0.5, 1.5)] * len(found.results)
    assert len([shape for shape in figure.layout.shapes if shape.name == "malicious"]) == 1
    crosses = [trace for trace in figure.data if trace.type == "scatter" and "x" in trace.marker.symbol]
    for one, trace in zip(found.results, crosses, strict=True):
        assert len(trace.x) == one.certificate.not_certified.sum()


def test_titles_and_words_tell_what_the_colours_tell(found):
    for one in found.results:
        assert title(one).endswith(DEFENCES[one.name].title)
        assert title(one).startswith("✔") == bool(one.certificate.certified)
    words = in_words(found, WINDOW)
    assert "row 2, column 1" in words
    assert all(DEFENCES[one.name].title in words for one in found.results)


def test_a_map_of_many_places_shows_the_worst_of_each_block(found):
    config = DefenceConfig(
        found.features.receptive_field, (48, 64), Colours.evidence, (4, 4), {"masks_per_axis": 2}
    )
    pairs = two_mask_predictions(mean_logits(Colours()), found.features.pixels, mask_set(config))
    crowded = compare(found.features, config, names=["double-masking"], two_mask=pairs)
    (one,) = crowded.results
    assert one.certificate.positions.shape == (45, 61)
    (trace,) = [trace for trace in maps(crowded, Window(0, 0, 4, 4)).data if trace.meta is not None]
    assert trace.meta != WINDOWS
    assert (trace.dx, trace.x0) == (2, 0.5)
    relative = one.relative
    for row, column in np.ndindex(23, 31):
        block = relative[2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        assert trace.z[row][column] == block.min()
        at = tuple(trace.customdata[row][column][3:])
        assert relative[at] == block.min()
        assert (at[0] // 2, at[1] // 2) == (row, column)


def test_every_verdict_has_a_word_and_a_mark():
    assert set(defences.VERDICTS) == set(MARKS) == set(Verdict)


def test_a_window_that_wraps_is_drawn_on_both_sides_of_the_photo():
    from app.plots.photo import outlines

    field = ReceptiveField((32, 4), (32, 1), wrapping=True)
    (whole,) = outlines(field, Window(0, 3, 1, 8), (32, 32))
    assert (whole["x0"], whole["x1"]) == (3, 11)
    right, left = outlines(field, Window(0, 28, 1, 8), (32, 32))
    assert (right["x1"], left["x0"]) == (32, 0)
    assert right["x1"] - right["x0"] + left["x1"] - left["x0"] == 8
    assert field.footprint(Patch(0, 31, 5, 1), (1, 32)).size == (1, 4)


def test_the_csv_has_a_line_for_every_window_of_every_defence(found):
    rows = list(csv.DictReader(io.StringIO(defences.lines(found))))
    assert len(rows) == sum(one.certificate.positions.count for one in found.results)
    for row in rows[::7]:
        one = next(one for one in found.results if one.spec.title == row["defence"])
        at = int(row["row"]), int(row["column"])
        margin = one.certificate.margin[at]
        assert row["margin"] == (repr(float(margin)) if np.isfinite(margin) else "")
        assert row["rival"] == found.features.classes[one.certificate.rival[at]]


@pytest.fixture
def page():
    app = AppTest.from_function(compare_page, default_timeout=PATIENCE)
    app.run()
    app.selectbox(key="network").select("tiles-coarse").run()
    assert not app.exception
    return app


def compare_page():
    from app import sidebar
    from app.views.compare import page as compare

    compare.show(sidebar.sidebar())


def rows(app):
    return app.dataframe[0].value.to_dict("records")


def test_the_page_has_a_row_for_each_defence_with_its_verdict_and_its_time(page):
    by_name = {row["Defence"]: row for row in rows(page)}
    masking = by_name[DEFENCES["masking"].title]
    assert masking["Prediction"] == "cat"
    assert masking["Verdict"] == "✔ certified"
    assert masking["Proved"] == "16 of 16 windows"
    assert masking["Time"].endswith(" ms")
    assert by_name[DEFENCES["undefended"].title]["Proved"] == "0 of 16 windows"
    assert by_name[DEFENCES["undefended"].title]["Verdict"] == "? unproved"
    assert by_name[DEFENCES["detection"].title]["Verdict"] in (
        "✔ certified: label or alert",
        "✘ not certified",
    )
    assert DEFENCES["mask-ds"].title not in by_name
    (line,) = [box.value for box in page.caption if "Not applicable" in box.value]
    assert "Mask-DS needs a network of column bands" in line
    left_out = [spec.title for spec in DEFENCES.values() if f"*{spec.title}*" in line]
    assert {*by_name, *left_out} == {spec.title for spec in DEFENCES.values()}
    assert not any("inf" in row["Smallest margin"] for row in rows(page))


def test_another_setting_or_window_does_not_run_the_network(page, monkeypatch):
    def refuse(*_):
        raise AssertionError("the network ran again")

    monkeypatch.setattr("app.cache.analysis.extract", refuse)
    page.slider(key="threshold").set_value(0.2).run()
    field(page, "window_row").set_value(2).run()
    assert not page.exception
    assert any("row 2, column" in box.value for box in page.subheader)


def test_two_defences_that_differ_are_explained_in_numbers(page):
    page.selectbox(key="sample").select("coffee").run()
    page.number_input(key="share").set_value(4.0).run()
    assert not page.exception
    told = [box.value for box in page.markdown]
    assert any("| margin | lower bound - upper bound, for the window at row" in text for text in told)
    page.selectbox(key="comparison-One defence").select("masking").run()
    page.selectbox(key="comparison-Another").select("undefended").run()
    assert not page.exception
    told = [box.value for box in page.markdown]
    assert any("no bound: one logit in the window" in text for text in told)
    assert any("certified by **robust masking**" in text or "Neither" in text for text in told)
    page.selectbox(key="comparison-Another").select("masking").run()
    assert any("Choose two different defences" in box.value for box in page.markdown)


def test_double_masking_runs_when_it_is_asked_to_and_joins_the_others(page):
    assert DEFENCES["double-masking"].title not in {row["Defence"] for row in rows(page)}
    page.number_input(key="masks-per-axis").set_value(2).run()
    assert any("it needs 10 more runs of the network" in box.value for box in page.caption)
    next(button for button in page.button if button.label.startswith("Run the network")).click().run()
    assert not page.exception
    by_name = {row["Defence"]: row for row in rows(page)}
    assert by_name[DEFENCES["double-masking"].title]["Prediction"] == "cat"
    assert by_name[DEFENCES["double-masking"].title]["Proved"].endswith(" of 148225 places")
    page.selectbox(key="comparison-One defence").select("double-masking").run()
    assert any("the patch at pixel row" in box.value for box in page.markdown)
    page.number_input(key="masks-per-axis").set_value(3).run()
    assert any("it needs 45 more runs" in box.value for box in page.caption)


def test_pairs_that_others_drive_out_of_the_cache_are_not_missed(monkeypatch):
    photo, choice = cached.sample("coffee"), Choice("tiles-coarse")
    model = cached.network(choice)
    config = DefenceConfig(
        model.receptive_field, model.image_size, model.evidence, (64, 64), {"masks_per_axis": 2}
    )
    defences.try_pairs(photo, choice, config, lambda progress: None)

    def features(*asked):
        cached.two_mask_predictions.clear()
        return cached.features(*asked)

    monkeypatch.setattr(defences, "features", features)
    found = defences.comparison(photo, choice, config, None)
    assert "double-masking" in [one.name for one in found.results]
    found = defences.comparison(photo, choice, config, None)
    assert "double-masking" in [gone.name for gone in found.not_applicable]


def test_the_threshold_of_an_alert_reaches_detection(page):
    def margin():
        return next(row for row in rows(page) if row["Defence"] == DEFENCES["detection"].title)[
            "Smallest margin"
        ]

    before = margin()
    page.slider(key="alert-threshold").set_value(0.99).run()
    assert not page.exception
    assert float(margin()) < float(before)


def test_a_window_that_double_masking_does_not_prove_is_shown_with_its_witness(page):
    page.selectbox(key="network").select("cifar10").run()
    page.number_input(key="share").set_value(12.0).run()
    page.selectbox(key="comparison-One defence").select("feature-masking").run()
    assert not page.exception
    own = next(row for row in rows(page) if row["Defence"] == DEFENCES["feature-masking"].title)
    assert (own["Verdict"], own["This window"]) == ("✘ not certified", "✘ not certified")
    told = next(box.value for box in page.caption if box.value.startswith("double masking on features"))
    assert "feature-space counterexample" in told


def test_a_window_of_negative_margin_without_a_witness_is_not_known():
    logits = np.array([[[6.0, -4, -2, 0, -4]], [[4.0, 0, -4, 4, -6]]])
    defence = FeatureMasking((1, 2), EvidenceType.CONFIDENCE)
    certificate = defence.certify(logits, 0)
    one = DefenceResult("feature-masking", defence, logits, defence.predict(logits), certificate, 0.0)
    reckoned = Reckoning("the window at column 1", "cat", "dog", 0.0, 0.2, -0.2, 0.0, None)
    assert "not known" in _conclusion(one, reckoned)
    assert "counterexample" not in _conclusion(one, reckoned)
