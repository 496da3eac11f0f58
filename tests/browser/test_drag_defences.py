"""The patch dragged under every kind of defence in a real Chromium: the page says what the library says."""

import math
import re

import pytest
from playwright.sync_api import expect

from pg_core import Patch, examine, extract, load_model, sample_path
from pg_core.analysis.inputs import configure
from pg_core.analysis.photo import answer
from pg_core.defences.base import ALERT, in_words
from pg_core.defences.registry import build
from pg_core.geometry import Window
from pg_core.photos.inference import update
from pg_core.photos.patches import noise
from tests.browser.steps import STAGE, hold, metric, readout, settle, typed_place, wait_for_panels

pytestmark = pytest.mark.browser


def assert_margin(text, margin, rival):
    """That a text of the stage ends in this margin, to the four digits that it shows, and in this rival if any."""
    if not math.isfinite(margin):
        assert text == "no bound"
        return
    against = "" if rival is None else f" against {rival}"
    assert float(text.removeprefix("margin ").removesuffix(against)) == pytest.approx(
        margin, rel=1e-3, abs=1e-4
    )
    assert text.endswith(against)


def assert_proved(page, told, placements, place):
    """That the stage says of a place what the library proves of it, and of its window or placement."""
    terms, claim = readout(page), told.certificate.claim
    assert terms["Patch"] == f"5x5 pixels at row {place[0]}, column {place[1]}"
    proved, position = placements.at(*place), told.position(Patch(*place, 5, 5))
    sign = "✔" if proved.finding == "certified" else "✘" if proved.finding == "not certified" else "?"
    said, margin = terms["Certificate at this patch position"].split(", ", 1)
    assert said == f"{sign} {in_words(proved.finding, claim)}"
    assert_margin(margin, proved.margin, told.classes[proved.rival])
    at = position.top, position.left
    alike = getattr(told.certificate.positions, "rows_alike", False)
    (its,) = (term for term in terms if term.endswith("that contains it"))
    assert its == f"{'Malicious window' if isinstance(position, Window) else 'Placement'} that contains it"
    where, said = terms[its].split(": ", 1)
    assert where == f"{'any row' if alike else f'row {at[0]}'}, column {at[1]}"
    verdict = in_words(told.certificate.verdicts[at], claim)
    assert said.startswith(f"{verdict}, ")
    rival = told.classes[told.certificate.rival[at]]
    assert_margin(said.removeprefix(f"{verdict}, "), told.certificate.margin[at], rival)


@pytest.mark.parametrize(
    ("network", "defence", "photo", "settings"),
    [
        ("cifar10", "feature-masking", "coffee", {}),
        ("cifar10", "detection", "rocket", {"alert_threshold": 0.14}),
        ("cifar10-bands", "smoothing", "chelsea", {}),
        ("cifar10-interval", "interval", "chelsea", {}),
        ("cifar10", "undefended", "chelsea", {}),
    ],
)
def test_while_the_patch_is_dragged_the_page_says_what_the_library_does_under_every_defence(
    open_page, network, defence, photo, settings
):
    given = "".join(f"&{name}={value}" for name, value in settings.items())
    page = open_page(path=f"?network={network}&defence={defence}&photo={photo}{given}&patch=12,12,5,5")
    model = load_model(network, "cpu")
    defended = build(defence, configure(model, (5, 5), settings))
    told = examine(extract(sample_path(photo), model), defended)
    placements = told.placements((5, 5))
    wait_for_panels(page)
    settle(page)

    places = [(row, column) for row in range(28) for column in range(28)]
    known = page.evaluate(f"(places) => places.map((place) => {STAGE}.known([...place, 5, 5]))", places)
    for place, entry in zip(places, known, strict=True):
        assert entry["finding"] == placements.finding_map[place]
        assert entry["margin"] == pytest.approx(placements.margin_map[place], abs=1e-4)
        assert entry["rival"] == told.classes[placements.at(*place).rival]
        position = told.position(Patch(*place, 5, 5))
        assert entry["window"] == {"row": position.top, "column": position.left}

    row, column = 12, 12
    for place in ((0, 9), (15, 15), (27, 0)):
        hold(page, place[0] - row, place[1] - column)
        expect(page.locator(".pg-readout")).to_contain_text(f"at row {place[0]}, column {place[1]}")
        assert_proved(page, told, placements, place)
        page.mouse.up()
        settle(page)
        # The stage is drawn before the run ends, which may still replace fields.
        expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
        assert typed_place(page) == [*place, 5, 5]
        assert_proved(page, told, placements, place)
        position = told.position(Patch(*place, 5, 5))
        expect(page.get_by_label(re.compile(r"^Row \("))).to_have_value(str(position.top))
        expect(page.get_by_label(re.compile(r"^Column \("))).to_have_value(str(position.left))
        patched = update(told.features, model, Patch(*place, 5, 5), noise((5, 5), 0))
        said = answer(patched, defended)
        lines = readout(page)["Prediction on the patched image"].split("\n")
        assert lines[0] == f"undefended {said.undefended_prediction}"
        label, scores = int(said.defended.label), said.defended.scores
        if label == ALERT:
            assert lines[1] == f"{told.spec.title} an alert"
        else:
            score = re.fullmatch(rf".* {said.prediction} \(score ([-\d.e+]+), runner-up .*\)", lines[1])[1]
            assert float(score) == pytest.approx(float(scores[label]), rel=1e-3, abs=1e-4)
        expect(metric(page, "Patched photo: defended")).to_have_text(said.prediction)
        row, column = place
