"""The step-through in a real Chromium: by buttons and keys to its end, and by itself."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.steps import choose

pytestmark = pytest.mark.browser


def current_line(page: Page):
    return page.locator(".pg-listing li[aria-current=step]")


def test_the_step_through_goes_to_its_end_by_buttons_and_keys(open_page):
    page = open_page(path="steps")
    expect(page.get_by_text("Step 1 of 17")).to_be_visible()
    expect(current_line(page)).to_have_text("for each class y:")
    # Streamlit drops a click on a fragment that the whole page is about to run anew.
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    page.get_by_role("button", name="Next").click()
    expect(current_line(page)).to_have_text("ûy ← clip(uy, 0, ch)")
    page.keyboard.press("Alt+n")
    expect(current_line(page)).to_contain_text("w*y ← the window w of W")
    page.keyboard.press("Alt+b")
    expect(page.get_by_text("Step 2 of 17")).to_be_visible()
    for step in range(3, 18):
        page.get_by_role("button", name="Next").click()
        expect(page.get_by_text(f"Step {step} of 17")).to_be_visible()
    expect(page.get_by_text("'cat' has the largest score")).to_be_visible()
    expect(page.get_by_role("button", name="Next")).to_be_disabled()
    page.wait_for_function("document.querySelectorAll('.js-plotly-plot').length >= 1")


def test_it_plays_through_algorithm_2_by_itself(open_page):
    page = open_page(path="steps")
    page.get_by_text("2: provable analysis").click()
    expect(page.get_by_text("Without a patch, Algorithm 1 predicts")).to_be_visible()
    choose(page, "On", "the counterexample")
    expect(page.get_by_text("Step 1 of 31")).to_be_visible()
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_text(re.compile(r"windows are proved: ✘ not certified"))).to_be_visible()
    expect(page.get_by_role("button", name="Play")).to_be_disabled()


def test_double_masking_on_features_plays_through_both_rounds_by_itself(open_page):
    page = open_page(path="steps")
    page.get_by_role("radio", name="double masking on features").click()
    choose(page, "On", "the counterexample, attacked")
    expect(page.get_by_text("Step 1 of 34")).to_be_visible()
    expect(current_line(page)).to_contain_text("ûc ← clip(uc, 0, ch)")
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_text("No disagreer stands: 'the class'")).to_be_visible(timeout=90_000)
    expect(current_line(page)).to_have_text("return majority")
