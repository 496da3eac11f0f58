"""The formulas and tables of the stage, run in Chromium, against the library on drawn networks and maps."""

import dataclasses

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.components.stage import certified_in, placements_in, stage_in
from app.plots import style
from pg_core import Patch, ReceptiveField, RobustMasking, Windows
from pg_core.analysis.positions import by_positions
from pg_core.defences.base import ALERT, Certificate, Claim
from pg_core.defences.patchguard.placements import certify_placements
from pg_core.geometry import PatchPositions
from pg_core.geometry.footprints import Footprints
from tests.browser.steps import bare_page

pytestmark = pytest.mark.browser
SLOW = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def code(chromium):
    """A page with nothing on it, and the functions of modules of the stage."""
    page = bare_page(chromium)
    page.evaluate(
        """async () => {
            const names = ['stage_geometry', 'stage_words', 'stage_panels', 'draggable'];
            for (const name of names) Object.assign(window, await import(`/${name}.js`));
        }"""
    )
    yield page
    page.close()


@st.composite
def fields(draw):
    """A receptive field and an image that it fits, of unequal sides; bands of columns among them."""
    image = draw(st.integers(8, 60)), draw(st.integers(8, 60))
    if draw(st.booleans()):
        return ReceptiveField((image[0], draw(st.integers(1, image[1]))), (image[0], 1), wrapping=True), image
    size = draw(st.integers(1, 2 * image[0])), draw(st.integers(1, 2 * image[1]))
    stride = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    needed = [max(0, -(-(r - n) // 2)) for r, n in zip(size, image, strict=True)]
    offset = needed[0] + draw(st.integers(0, 3)), needed[1] + draw(st.integers(0, 3))
    return ReceptiveField(size, stride, offset), image


@st.composite
def placed(draw):
    """All placements of a patch on an image, perhaps alike in all rows, in all columns, or in both."""
    image = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    patch = draw(st.integers(1, image[0])), draw(st.integers(1, image[1]))
    return PatchPositions(image, patch, draw(st.booleans()), draw(st.booleans()))


@st.composite
def certificates(draw):
    """A receptive field, an image, and a certificate of windows of the map, around a ring too, or of placements. Some
    of its bounds are infinite."""
    if draw(st.booleans()):
        positions = draw(placed())
        field, image = positions.field, positions.image_size
    else:
        field, image = draw(fields())
        size = (1 if field.wrapping else draw(st.integers(1, 5))), draw(st.integers(1, 9))
        positions = Windows(field.map_size(image), size, field.wrapping)
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    lower, upper = random.normal(size=(2, *positions.shape))
    lower[random.random(positions.shape) < draw(st.sampled_from([0.0, 0.3]))] = -np.inf
    upper[random.random(positions.shape) < draw(st.sampled_from([0.0, 0.3]))] = np.inf
    return (
        field,
        image,
        Certificate(
            claim=Claim.LABEL,
            positions=positions,
            label=np.array(0),
            prediction=np.array(draw(st.sampled_from([0, 0, 0, 1, ALERT]))),
            lower=lower,
            upper=upper,
            rival=random.integers(1, 4, positions.shape),
            tolerance=np.full(positions.shape, draw(st.sampled_from([0.0, 0.5]))),
        ),
    )


def everywhere(patch_size, image):
    """The boxes of a patch at every place."""
    rows, columns = (n - p + 1 for n, p in zip(image, patch_size, strict=True))
    return [[top, left, *patch_size] for top in range(rows) for left in range(columns)]


def assert_known(code, proved, certified, image):
    """That the browser finds, for each place, what the library proves of it."""
    names, footprints = ("a", "b", "c", "d"), proved.footprints
    boxes = everywhere(footprints.patch_size, image)
    found = code.evaluate(
        "([boxes, placements, stage]) => boxes.map((box) => provedAt(box, placements, stage))",
        [boxes, placements_in(proved, names), certified],
    )
    margins, findings = proved.margin_map, proved.finding_map
    for (top, left, *_), known in zip(boxes, found, strict=True):
        assert known["margin"] == margins[top, left]
        assert known["finding"] == findings[top, left]
        if footprints.row_of[top] >= 0 and footprints.column_of[left] >= 0:
            rival = proved.rival[footprints.row_of[top], footprints.column_of[left]]
            assert known["rival"] == names[rival]
    height, width = footprints.patch_size
    other = code.evaluate(
        "([box, placements, stage]) => provedAt(box, placements, stage).finding",
        [[0, 0, height + 1, width], placements_in(proved, names), certified],
    )
    assert other is None


@SLOW
@given(drawn=fields(), data=st.data())
def test_a_footprint_and_its_window_are_those_of_the_library(code, drawn, data):
    field, image = drawn
    patch_size = data.draw(st.integers(1, image[0])), data.draw(st.integers(1, image[1]))
    adversary = [data.draw(st.integers(p, n)) for p, n in zip(patch_size, image, strict=True)]
    windows = Windows(field.map_size(image), field.window_size(tuple(adversary)), field.wrapping)
    starts = [
        sorted({0, n - p, *data.draw(st.lists(st.integers(0, n - p), max_size=6))})
        for n, p in zip(image, patch_size, strict=True)
    ]
    boxes = [[top, left, *patch_size] for top in starts[0] for left in starts[1]]
    found = code.evaluate(
        """([boxes, stage]) => boxes.map((box) => {
            const footprint = footprintOf(box, stage);
            return [footprint, footprint && windowContaining(footprint, stage)];
        })""",
        [boxes, stage_in(field, image, windows)],
    )
    for box, (footprint, window) in zip(boxes, found, strict=True):
        expected = field.footprint(Patch(*box), windows.map_size)
        if expected is None:
            assert footprint is window is None
            continue
        assert footprint == list(dataclasses.astuple(expected))
        containing = windows.containing(expected)
        assert window == {"row": containing.top, "column": containing.left}


@SLOW
@given(drawn=fields(), data=st.data(), seed=st.integers(0, 2**32))
def test_margin_rival_and_finding_of_every_placement_are_the_library_s_to_the_last_bit(
    code, drawn, data, seed
):
    field, image = drawn
    patch_size = data.draw(st.integers(1, image[0])), data.draw(st.integers(1, image[1]))
    window_size = (1 if field.wrapping else data.draw(st.integers(1, 5))), data.draw(st.integers(1, 5))
    values = np.random.default_rng(seed).gamma(0.5, 1.0, (4, *field.map_size(image)))
    values[data.draw(st.integers(0, 3))] += 1
    threshold = data.draw(st.sampled_from([0.0, 0.3]))
    defence = RobustMasking(window_size, threshold, clip_high=4.0, wrapping=field.wrapping)
    masking = defence.predict(values)
    label = data.draw(st.sampled_from([int(masking.label), 0]))
    certificate = defence.certify_masking(masking, label)
    footprints = Footprints.of(field, patch_size, image)
    proved = certify_placements(defence, masking, certificate, footprints)
    assert_known(code, proved, certified_in(field, image, masking.windows), image)


@SLOW
@given(positions=placed(), data=st.data())
def test_the_placement_of_a_patch_is_that_of_the_library(code, positions, data):
    image = positions.image_size
    patch_size = tuple(data.draw(st.integers(1, n)) for n in image)
    boxes = everywhere(patch_size, image)
    # The receptive field of a network has no part in it.
    certified = certified_in(ReceptiveField((1, 1), (1, 1)), image, positions)
    found = code.evaluate(
        "([boxes, stage]) => boxes.map((box) => windowContaining(footprintOf(box, stage), stage))",
        [boxes, certified],
    )
    for box, at in zip(boxes, found, strict=True):
        patch = Patch(*box)
        containing = positions.containing(patch)
        if containing is not None:
            assert at == {"row": containing.top, "column": containing.left}
        else:
            assert at is None


@SLOW
@given(drawn=certificates(), data=st.data())
def test_what_any_certificate_proves_of_a_place_is_found_in_the_browser_infinite_margins_too(
    code, drawn, data
):
    field, image, certificate = drawn
    patch_size = tuple(data.draw(st.integers(1, n)) for n in image)
    proved = by_positions(certificate, 0.25, field, patch_size, image)
    assert_known(code, proved, certified_in(field, image, certificate.positions), image)


@SLOW
@given(room=st.tuples(st.integers(60, 900), st.integers(60, 900)), data=st.data(), coarse=st.booleans())
def test_the_handle_leaves_three_quarters_of_each_side_and_lies_on_the_photo(code, room, data, coarse):
    top, left = (data.draw(st.integers(0, length - 1)) for length in room)
    height, width = (
        data.draw(st.integers(1, length - start)) for start, length in zip((top, left), room, strict=True)
    )
    handle = code.evaluate(
        "([box, room, coarse]) => handleOf(box, room, coarse)", [[top, left, height, width], room, coarse]
    )
    if min(height, width) / 4 >= 12:
        assert 12 <= handle["side"] <= min(height, width) / 4
        assert handle["outside"] == [False, False]
        return
    for axis, (start, length) in enumerate(((top, height), (left, width))):
        free = max(start, room[axis] - start - length) >= handle["side"]
        assert handle["outside"][axis] == free
        beyond = start + length if handle["corner"][axis] > 0 else start - handle["side"]
        assert not free or 0 <= beyond <= room[axis] - handle["side"]


PATCH, ANSWER = (
    [3, 4, 5, 6],
    {"undefended": "cat", "defended": "an alert", "defence": "PatchGuard++", "score": None, "figure_5": None},
)


def luminance(colour):
    """The relative luminance of a colour as #rrggbb or in shares, as WCAG defines it."""
    if isinstance(colour, str):
        colour = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in colour]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


@pytest.mark.parametrize("line", [style.MALICIOUS, style.DETECTED, style.FOOTPRINT, style.CURRENT])
def test_one_of_the_tones_of_every_outline_stands_out_from_every_colour_of_the_maps(code, line):
    drawn = code.evaluate("(line) => strokes(line).map(({ color }) => color)", line)
    assert drawn[-1] == line["color"]
    for scale in (style.SEQUENTIAL, style.DIVERGING):
        stops = [at for at, _ in scale]
        channels = [[int(colour[at : at + 2], 16) / 255 for _, colour in scale] for at in (1, 3, 5)]
        for share in np.linspace(0, 1, 101):
            below = luminance([np.interp(share, stops, channel) for channel in channels])
            contrasts = [
                (max(below, tone) + 0.05) / (min(below, tone) + 0.05) for tone in map(luminance, drawn)
            ]
            assert max(contrasts) >= 3, (share, contrasts)


def test_a_window_that_was_picked_has_a_line_of_its_own_beside_that_of_the_patch(code):
    certified = {"positions": [1, 2], "what": "window", "alike": [False, False]}
    windows = {
        "verdicts": ["certified", "not certified"],
        "margins": [2, -1],
        "rivals": [0, 1],
        "names": ["dog", "fox"],
    }
    same, other = code.evaluate(
        """([box, data, scene]) => [0, 1].map((column) => Object.fromEntries(readout(
            box, { finding: null, footprint: [0, 0, 1, 1], window: { row: 0, column: 0 } },
            data, scene, { row: 0, column },
        )))""",
        [
            PATCH,
            {"answer": {"patch": PATCH, **ANSWER}, "certified": certified, "stage": {"map": [4, 4]}},
            {"certified": [5, 6], "windows": windows},
        ],
    )
    assert "Malicious window that you picked" not in same
    assert other["Malicious window that contains it"].endswith("certified, margin <b>+2</b> against dog")
    assert other["Malicious window that you picked"] == (
        "row 0, column 1: not certified, margin <b>-1</b> against fox"
    )


def read_out(code, placed, verdict, margin, alike=(False, False)):
    """What the stage writes of one patch, as text, by its terms, and what it speaks."""
    terms, spoken = code.evaluate(
        """([box, placement, data, scene]) => {
            scene.windows.margins = [placement.margin];
            const lines = readout(box, placement, data, scene, null), element = document.createElement('div');
            const text = (html) => Object.assign(element, { innerHTML: html }).textContent;
            return [lines.map(([term, meaning]) => [term, text(meaning)]), inASentence(box, placement, data)];
        }""",
        [
            PATCH,
            {"footprint": [0, 1, 1, 2], "window": {"row": 0, "column": 0}, "margin": margin, **placed},
            {
                "answer": {"patch": PATCH, **ANSWER},
                "stage": {"map": [4, 4]},
                "certified": {"positions": [1, 1], "what": "placement", "alike": list(alike)},
            },
            {"certified": [5, 6], "windows": {"verdicts": [verdict]}, "placements": {}},
        ],
    )
    return dict(terms), spoken


def test_a_margin_without_a_bound_is_called_so_and_names_no_rival(code):
    placed = {"finding": "not certified", "words": "not certified", "rival": "dog"}
    terms, spoken = read_out(code, placed, "unproved", -np.inf)
    assert terms["Certificate at this patch position"] == "✘ not certified, no bound"
    assert terms["Placement that contains it"] == "row 0, column 0: unproved, no bound"
    assert spoken.endswith("not certified, no bound.")
    terms, spoken = read_out(code, placed, "not certified", -0.25)
    assert terms["Certificate at this patch position"] == "✘ not certified, margin -0.25 against dog"
    assert spoken.endswith("not certified, margin -0.25 against dog.")


def test_an_alert_is_told_as_the_prediction_and_has_no_score(code):
    placed = {"finding": "certified", "words": "certified: label or alert", "rival": "dog"}
    terms, spoken = read_out(code, placed, "certified: label or alert", 0.5)
    assert terms["Prediction on the patched image"] == "undefended catPatchGuard++ an alert"
    assert (
        terms["Certificate at this patch position"] == "✔ certified: label or alert, margin +0.5 against dog"
    )
    assert "prediction an alert, certified: label or alert, margin +0.5 against dog" in spoken


def test_the_cells_of_a_footprint_are_named_from_the_first_to_the_last_around_the_edge_too(code):
    placed = {"finding": "certified", "words": "certified", "rival": "dog", "footprint": [0, 3, 1, 2]}
    terms, _ = read_out(code, placed, "certified", 2.0)
    assert terms["Touches"] == "cells of row 0, columns 3–0"


def test_a_placement_is_in_any_row_where_all_rows_are_alike(code):
    placed = {"finding": "certified", "words": "certified", "rival": "dog"}
    terms, _ = read_out(code, placed, "certified", 2.0, alike=(True, False))
    assert terms["Placement that contains it"] == "any row, column 0: certified, margin +2"
