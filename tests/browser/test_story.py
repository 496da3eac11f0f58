"""The story in a real Chromium: from Explore through all screens by keys, with the real stage, also on a phone."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.steps import in_the_patch, readout, settle, wait_for_panels

pytestmark = pytest.mark.browser


def at_rest(page: Page) -> None:
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")


def shown(page: Page, title: str) -> None:
    expect(page.get_by_role("heading", name=title)).to_be_visible()
    expect(page.locator(".pg-stage.pg-drawn")).to_be_visible()
    at_rest(page)


def test_a_first_visit_leads_through_the_story_by_keys(open_page):
    page = open_page()
    wait_for_panels(page)
    page.get_by_role("link", name="Start the story").click()
    shown(page, "1 of 8: A patch fools a network")
    expect(page.get_by_text("without a defence 'cat' becomes 'fox'")).to_be_visible()
    for number in range(2, 9):
        page.keyboard.press("Alt+n")
        shown(page, f"{number} of 8")
        assert re.search(rf"[?&]step={number}(&|$)", page.url)
        expect(page.get_by_role("heading", name="Check yourself")).to_be_visible()
    expect(page.get_by_role("button", name="Next")).to_be_disabled()
    page.keyboard.press("Alt+b")
    shown(page, "7 of 8: The proof")
    page.go_back()
    shown(page, "8 of 8")


def test_the_stage_of_the_story_is_the_real_one(open_page):
    page = open_page(path="story")
    shown(page, "1 of 8")
    dimmed = "[...document.querySelectorAll('.pg-dim')].map((dim) => !dim.hidden)"
    assert page.evaluate(dimmed) == [False, True, True, True]
    said = readout(page)["Prediction on the patched image"]
    assert "undefended fox" in said
    row, column = in_the_patch(page)
    page.mouse.move(row, column)
    page.mouse.down()
    page.mouse.move(row + 90, column + 60, steps=6)
    page.mouse.up()
    settle(page)
    at_rest(page)
    expect(page.get_by_text("an attack on this network without a defence")).to_have_count(
        1 if "undefended fox" in readout(page)["Prediction on the patched image"] else 0
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_question_is_answered_on_a_phone(open_page, scheme):
    page = open_page(390, 844, path="story?step=7&network=cifar10")
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    shown(page, "7 of 8")
    options = page.get_by_role("radiogroup", name=re.compile("For how many of the 400 windows")).locator(
        "label"
    )
    expect(options).to_have_count(4)
    options.first.click()
    expect(page.get_by_text(re.compile("✔ Right: |✘ Not "))).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
