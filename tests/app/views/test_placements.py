"""The page Placements: its maps show what the library says of each place, and its exports hold the same."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from app.views.placements.figure import findings, largest
from app.views.placements.results import extremes, placements_csv, sides_csv
from app.views.placements.text import reading
from pg_core import (
    Finding,
    Patch,
    RobustMasking,
    Threat,
    analyse,
    load_model,
    sample_path,
)
from pg_core.defences.patchguard.placements import largest_inside
from tests.app.test_page import PATIENCE
from tests.colours import Colours


@pytest.fixture(scope="module")
def result():
    image = Image.new("RGB", (64, 48), (250, 20, 10))
    image.paste((10, 200, 20), (0, 0, 30, 48))
    model = Colours()
    return analyse(image, model, RobustMasking(model.receptive_field.window_size((8, 8))), Threat((8, 8)))


def test_a_rival_that_can_draw_level_is_a_tie_and_one_that_can_win_is_a_counterexample(result):
    patch = Patch(0, 0, 8, 8)
    placed = result.placements((8, 8)).at(0, 0)
    said = {
        margin: reading(result, patch, replace(placed, finding=Finding.NOT_CERTIFIED, margin=margin))
        for margin in (0.0, -1.0)
    }
    assert "**Tie**" in said[0.0]
    assert "counterexample" not in said[0.0]
    assert "feature-space counterexample" in said[-1.0]
    assert "level" not in said[-1.0]


def blocks(placements):
    """Top and left of the first placement of each block, by the position of the block."""
    rows, columns = placements.footprints.blocks
    for row, top in enumerate(rows[:-1].tolist()):
        for column, left in enumerate(columns[:-1].tolist()):
            yield (row, column), (top, left)


def test_the_map_of_placements_shows_the_margin_of_each_where_the_middle_of_the_patch_is(result):
    placements = result.placements((8, 10))
    figure = findings(result, placements, Patch(0, 0, 8, 10))
    heatmap = figure.data[0]
    for at, (top, left) in blocks(placements):
        assert heatmap.z[at] == placements.margin_map[top, left]
        assert heatmap.y[at[0]] == top + 3.5
        assert heatmap.x[at[1]] == left + 4.5
        text = heatmap.text[at[0]][at[1]]
        found = placements.at(top, left)
        assert f"row {top}" in text
        assert f"margin {found.margin:.4g} against {result.classes[found.rival]}" in text
        assert ("<b>certified</b>" in text) == (found.finding is Finding.CERTIFIED)
    assert heatmap.y[-1] == 48 - 8 + 1 + 3.5
    assert heatmap.x[-1] == 64 - 10 + 1 + 4.5
    (drawn,) = [shape for shape in figure.layout.shapes if shape.name == "patch"]
    assert (drawn.y0, drawn.y1, drawn.x0, drawn.x1) == (0, 8, 0, 10)
    assert figure.layout.yaxis.range == (48, 0)


def test_a_footprint_that_wraps_is_drawn_at_both_edges():
    model = load_model("cifar10-bands", "cpu")
    defence = RobustMasking(model.receptive_field.window_size((5, 5)), evidence=model.evidence, wrapping=True)
    result = analyse(sample_path("coffee"), model, defence, Threat((5, 5)))
    figure = findings(result, result.placements(), Patch(0, 0, 5, 5))
    right, left = [shape for shape in figure.layout.shapes if shape.name == "footprint"]
    assert (right.x1, left.x0) == (32, 0)
    assert right.x1 - right.x0 + left.x1 - left.x0 == 5 + 4 - 1


def test_places_that_are_not_certified_are_marked_by_a_shape(result):
    placements = result.placements()
    figure = findings(result, placements, placements.worst)
    heatmap, *marks = figure.data
    (fails,) = [trace for trace in marks if trace.name == "not certified"]
    middle = [(edge[1:] + edge[:-1]) / 2 for edge in (np.array(heatmap.y), np.array(heatmap.x))]
    expected = {
        (middle[0][at[0]], middle[1][at[1]])
        for at, (top, left) in blocks(placements)
        if placements.at(top, left).finding is Finding.NOT_CERTIFIED
    }
    assert set(zip(fails.y, fails.x, strict=True)) == expected
    assert expected
    assert len({trace.marker.symbol for trace in marks}) == len(marks)


def test_a_rival_without_a_bound_leaves_colours_for_the_rest(result):
    placements = result.placements((20, 20))
    assert placements.margin.min() < -(2**15)
    assert findings(result, placements, placements.worst).data[0].zmax <= placements.lower.max()


def test_the_map_of_sides_shows_every_pixel_and_the_adversary_s_patch(result):
    sides = result.largest_patches()
    heatmap, lines, needed = largest(result, sides).data
    np.testing.assert_array_equal(heatmap.z, sides)
    assert (heatmap.x0, heatmap.y0) == (0.5, 0.5)
    assert (needed.contours.start, needed.contours.end) == (8, 8)
    assert needed.line.dash != lines.line.dash
    # What it says of a pixel is certified, and lies in the image: a square of the side may not.
    assert "fewer than <b>%{customdata[2]}</b> rows and columns away" in heatmap.hovertemplate
    assert "%{z}" not in heatmap.hovertemplate
    for row, column in ((0, 0), (5, 7), (47, 63)):
        assert heatmap.customdata[row, column].tolist() == [row, column, (sides[row, column] + 1) // 2]
    told = extremes(result, sides)
    assert sides[told.weakest] == told.smallest == sides.min()
    assert told.inside == largest_inside(sides)
    assert told.share == (sides >= 8).mean()


def test_the_exports_hold_every_place_and_every_pixel(result):
    placements, sides = result.placements(), result.largest_patches()
    lines = list(csv.DictReader(io.StringIO(placements_csv(result, placements))))
    covered = np.full(placements.footprints.placements, "", dtype="U20")
    for line in lines:
        part = np.s_[
            int(line["top"]) : int(line["last_top"]) + 1, int(line["left"]) : int(line["last_left"]) + 1
        ]
        assert (covered[part] == "").all()
        covered[part] = line["finding"]
        assert float(line["margin"]) == placements.margin_map[part].max() == placements.margin_map[part].min()
    np.testing.assert_array_equal(covered, placements.finding_map)
    assert {line["rival"] for line in lines} <= set(result.classes)
    np.testing.assert_array_equal(np.loadtxt(io.StringIO(sides_csv(sides)), delimiter=",", dtype=int), sides)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of streamlit's own dependencies
def test_the_page_says_what_the_library_says_of_every_place():
    def page():
        from app import sidebar
        from app.views.placements import page as placements

        placements.show(sidebar.sidebar())

    app = AppTest.from_function(page, default_timeout=PATIENCE).run()
    app.selectbox(key="network").select("tiles-coarse").run()
    app.selectbox(key="sample").select("coffee").run()
    assert not app.exception
    model = load_model("tiles-coarse", "cpu")
    defence = RobustMasking(model.receptive_field.window_size((64, 64)), evidence=model.evidence)
    told = analyse(sample_path("coffee"), model, defence, Threat((64, 64)))
    placements = told.placements()
    metrics = {box.label: box.value for box in app.metric}
    assert metrics["Places certified"] == f"{100 * placements.share:.1f} %"
    assert metrics["Places not certified"] == f"{placements.counts[Finding.NOT_CERTIFIED]:,}"
    worst = placements.worst
    found = placements.at(worst.top, worst.left)
    reading = " ".join(box.value for box in app.markdown)
    assert "✘ **Not certified**" in reading
    assert f"row {worst.top}, column {worst.left}" in reading
    assert f"margin **{found.margin:+.4f}**" in reading
    app.segmented_control(key="map-of").set_value("the largest certified patch around each pixel").run()
    assert not app.exception
    sides = told.largest_patches()
    metrics = {box.label: box.value for box in app.metric}
    inside = largest_inside(sides)
    assert metrics["Largest inside the image"] == f"{inside.height}x{inside.width}"
    assert not any("448x448" in value for value in metrics.values())
    reading = " ".join(box.value for box in app.markdown)
    assert f"covers rows {inside.top} to {inside.bottom - 1} and columns {inside.left} to" in reading
    assert metrics["At the weakest pixel"] == ("{0}x{0}".format(sides.min()) if sides.min() else "none")
