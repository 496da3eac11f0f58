"""Figures are pure functions of results: what they show is what the results hold."""

import base64
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.plots import style
from app.plots.photo import outline
from app.plots.scores import in_words, scores
from app.plots.stage import CELLS, WINDOWS, stage
from pg_core import (
    Patch,
    ReceptiveField,
    RobustMasking,
    Window,
    analyse,
    examine,
    extract,
    update,
)
from pg_core.analysis.effect import BROKEN
from pg_core.analysis.photo import answer
from pg_core.photos import patches as attacks
from pg_core.plots.drawing import middle
from tests.app.views.test_exports import fooled
from tests.colours import Colours


@pytest.fixture(scope="module")
def result():
    image = Image.new("RGB", (64, 48), (250, 20, 10))
    image.paste((10, 200, 20), (0, 0, 30, 48))
    return analyse(image, Colours(), RobustMasking((5, 5)))


def named(figure, name):
    return [shape for shape in figure.layout.shapes if shape.name == name]


def test_every_panel_shows_its_array(result):
    figure = stage(result, result, 0, result.certificate.worst)
    hidden, logits, evidence, margins = figure.data[:4]
    np.testing.assert_array_equal(hidden.z, logits.z)
    np.testing.assert_array_equal(logits.z, result.features.local_logits[0].astype(float))
    np.testing.assert_array_equal(evidence.z, result.masking.evidence[0])
    np.testing.assert_array_equal(margins.z, result.certificate.margin)
    assert [trace.meta for trace in figure.data[:4]] == [CELLS, CELLS, CELLS, WINDOWS]


def test_the_windows_that_pixels_break_have_a_star_and_no_other_has():
    effect = fooled()
    shown = stage(effect.clean, effect.patched, 0, effect.clean.certificate.worst, effect.patch)
    (stars,) = [trace for trace in shown.data if trace.name == BROKEN]
    assert stars.marker.symbol == "star"
    marked = set(zip(stars.y, stars.x, strict=True))
    assert marked == {tuple(at) for at in np.argwhere(effect.broken).tolist()} != set()
    clean = stage(effect.clean, effect.clean, 0, effect.clean.certificate.worst)
    assert BROKEN not in [trace.name for trace in clean.data]


def test_the_margin_scale_has_zero_in_the_middle_and_red_below(result):
    margins = stage(result, result, 0, result.certificate.worst).data[3]
    assert margins.zmin == -margins.zmax
    assert margins.zmax == np.abs(result.certificate.margin).max()
    low, high = margins.colorscale[0][1], margins.colorscale[-1][1]
    assert (low, high) == (style.DIVERGING[0][1], style.DIVERGING[-1][1])
    assert int(low[1:3], 16) > int(low[5:7], 16)
    assert int(high[1:3], 16) < int(high[5:7], 16)


def test_failing_windows_are_marked_by_a_shape_and_named_in_the_hover_text(result):
    figure = stage(result, result, 0, result.certificate.worst)
    fails = next(trace for trace in figure.data if trace.name == "not certified")
    marked = set(zip(fails.y, fails.x, strict=True))
    assert marked == set(zip(*np.nonzero(result.certificate.not_certified), strict=True))
    assert marked
    verdicts = np.asarray(figure.data[3].customdata)[..., 1]
    np.testing.assert_array_equal(verdicts == "not certified", result.certificate.not_certified)


def test_a_cell_is_drawn_in_the_middle_of_its_receptive_field():
    field = ReceptiveField((128, 17), (32, 8), (0, 3))
    for row, column in ((0, 0), (3, 5)):
        seen = field.pixels(Window(row, column, 1, 1))
        assert middle(field, row, 0) == (seen.top + seen.bottom) / 2
        assert middle(field, column, 1) == (seen.left + seen.right) / 2
    bands = ReceptiveField((32, 4), (32, 1), wrapping=True)
    assert middle(bands, 31, 1) == 31.5
    assert outline(field, Window(1, 2, 3, 4)) == {
        "x0": 8 * 2 - 3 + 8.5 - 4,
        "x1": 8 * 5 - 3 + 8.5 + 4,
        "y0": 32 + 64 - 16,
        "y1": 32 * 3 + 64 + 16,
    }


def test_the_malicious_and_the_detected_window_are_outlined_where_they_are(result):
    malicious = Window(2, 3, 5, 5)
    figure = stage(result, result, 1, malicious)
    field = result.features.receptive_field
    detected = result.masking.window(1)
    for name, window, panels in (("malicious", malicious, 3), ("detected", detected, 2)):
        shapes = named(figure, name)
        assert len(shapes) == panels
        for shape in shapes:
            assert {key: shape[key] for key in ("x0", "x1", "y0", "y1")} == outline(field, window)
    assert named(figure, "malicious")[0].line.dash != named(figure, "detected")[0].line.dash
    (current,) = named(figure, "current")
    assert (current.y0, current.y1, current.x0, current.x1) == (1.5, 2.5, 2.5, 3.5)


def test_nothing_is_outlined_where_nothing_was_detected(result):
    careful = examine(result.features, RobustMasking((5, 5), threshold=0.9))
    assert careful.masking.window(0) is None
    assert named(stage(careful, careful, 0, careful.certificate.worst), "detected") == []


def test_a_simulated_patch_is_drawn_with_its_footprint_on_the_patched_photo(result):
    patch = Patch(10, 20, 8, 9)
    model = Colours()
    image = Image.new("RGB", (64, 48), (250, 20, 10))
    features = update(extract(image, model), model, patch, attacks.solid((8, 9), (0, 0, 255)))
    patched = examine(features, RobustMasking((5, 5)))
    figure = stage(result, patched, 0, result.certificate.worst, patch)
    (drawn,) = named(figure, "patch")
    assert (drawn.y0, drawn.y1, drawn.x0, drawn.x1) == (10, 18, 20, 29)
    footprint = features.receptive_field.footprint(patch, features.map_size)
    for shape in named(figure, "footprint"):
        assert (shape.x0, shape.y0) == (
            outline(features.receptive_field, footprint)["x0"],
            outline(features.receptive_field, footprint)["y0"],
        )
    photo, _, picture, below_logits = (
        Image.open(io.BytesIO(base64.b64decode(image.source.split(",")[1]))) for image in figure.layout.images
    )
    assert photo.size == (64, 48)
    assert picture.size == below_logits.size == (9, 8)
    assert picture.getpixel((4, 4)) == (0, 0, 255)
    laid = figure.layout.images[2]
    assert (laid.y, laid.x, laid.sizey, laid.sizex) == (10, 20, 8, 9)


def test_colours_span_the_values_with_and_without_the_patch(result):
    model = Colours()
    features = update(result.features, model, Patch(10, 20, 20, 20), attacks.solid((20, 20), (255, 255, 255)))
    patched = answer(features, RobustMasking((8, 8)))
    for shown_class in (0, 2):
        _, logits, evidence, *_ = stage(
            result, patched, shown_class, result.certificate.worst, Patch(10, 20, 20, 20)
        ).data
        for trace, values in (
            (logits, (result.features.local_logits, features.local_logits)),
            (evidence, (result.masking.evidence, patched.masking.evidence)),
        ):
            both = np.stack([maps[shown_class] for maps in values]).astype(float)
            assert trace.zmax == both.max()
            assert trace.zmin == (both.min() if trace is logits else 0)


def test_the_first_three_panels_share_their_axes_and_row_0_is_on_top(result):
    layout = stage(result, result, 0, result.certificate.worst).layout
    assert layout.xaxis2.matches == layout.xaxis3.matches == "x"
    assert layout.yaxis2.matches == layout.yaxis3.matches == "y"
    for axis in (layout.yaxis, layout.yaxis4):
        assert axis.range[0] > axis.range[1]
    assert layout.yaxis.range == (48, 0)
    assert layout.xaxis.range == (0, 64)


def test_scores_are_those_before_and_after_masking_and_name_the_predictions(result):
    figure = scores(result)
    before, after = figure.data
    order = [next(i for i, name in enumerate(result.classes) if name in label) for label in before.y]
    np.testing.assert_array_equal(before.x, result.masking.evidence.sum(axis=(1, 2))[order])
    np.testing.assert_array_equal(after.x, result.masking.scores[order])
    assert list(after.x) == sorted(after.x, reverse=True)
    assert "defended" in before.y[0]
    assert sum("undefended" in label for label in before.y) == 1


def test_the_score_in_words_is_that_of_the_first_bars(result):
    defended = result.prediction
    assert f": {defended} {result.masking.scores.max():.4g}, " in in_words(result)


def test_the_defended_prediction_is_the_first_bar_even_in_a_tie(result):
    nothing = examine(result.features, RobustMasking((10, 14)))
    assert not nothing.masking.scores.any()
    assert nothing.prediction in scores(nothing).data[0].y[0]


def test_the_undefended_prediction_is_among_the_classes_shown(result):
    shown = scores(result, count=1)
    assert len(shown.data[0].y) == 1
    assert "undefended" in shown.data[0].y[0]


def test_pandas_is_whole_before_the_first_figure_is_made():
    """A thread that begins to import it meanwhile would give Plotly half of it."""
    code = "import sys; from app.plots import photo; assert sys.modules['pandas'].NaT is not None"
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3], check=True)
