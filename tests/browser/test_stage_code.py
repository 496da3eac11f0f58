"""The formulas and tables of the stage, run in Chromium, against the library on drawn networks and maps."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.components.stage import placements_in, stage_in
from pg_core import Patch, ReceptiveField, RobustMasking, Windows
from pg_core.defences.patchguard.placements import certify_placements
from pg_core.geometry.footprints import Footprints
from tests.browser.conftest import ROOT

pytestmark = pytest.mark.browser
NOWHERE = "http://modules.invalid"
SLOW = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def code(chromium):
    """A page with nothing on it, and the functions of two modules of the stage."""
    page = chromium.new_page()
    page.route(f"{NOWHERE}/", lambda route: route.fulfill(content_type="text/html", body=""))
    page.route(
        f"{NOWHERE}/*.js",
        lambda route: route.fulfill(path=ROOT / "app" / "components" / Path(route.request.url).name),
    )
    page.goto(f"{NOWHERE}/")
    page.evaluate(
        """async () => {
            for (const name of ['stage_geometry', 'stage_words']) Object.assign(window, await import(`/${name}.js`));
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
    names = ("a", "b", "c", "d")
    rows, columns = footprints.placements
    boxes = [[top, left, *patch_size] for top in range(rows) for left in range(columns)]
    found = code.evaluate(
        "([boxes, placements, stage]) => boxes.map((box) => provedAt(box, placements, stage))",
        [boxes, placements_in(proved, names), stage_in(field, image, masking.windows)],
    )
    margins, findings = proved.margin_map, proved.finding_map
    for (top, left, *_), known in zip(boxes, found, strict=True):
        assert known["margin"] == margins[top, left]
        assert known["finding"] == findings[top, left]
        if footprints.row_of[top] >= 0 and footprints.column_of[left] >= 0:
            rival = proved.rival[footprints.row_of[top], footprints.column_of[left]]
            assert known["rival"] == names[rival]
    other = [0, 0, patch_size[0] + 1, patch_size[1]]
    assert (
        code.evaluate(
            "([box, placements, stage]) => provedAt(box, placements, stage).finding",
            [other, placements_in(proved, names), stage_in(field, image, masking.windows)],
        )
        is None
    )
