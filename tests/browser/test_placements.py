"""The page Placements in a real Chromium: both maps are drawn, and a place is read by the keyboard alone."""

import pytest
from playwright.sync_api import Page, expect

from pg_core.datasets.folders import sample_title

pytestmark = pytest.mark.browser


def wait_for_map(page: Page, words: str) -> None:
    expect(page.get_by_role("figure", name=words)).to_be_visible()
    expect(page.locator(f".pg-charts[aria-label^='{words}'] .heatmaplayer image")).to_have_count(1)


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_label(label, exact=True).first.click()
    page.get_by_role("option", name=option, exact=True).click()


def test_every_place_is_mapped_and_one_is_read_by_the_keyboard(open_page):
    page = open_page(path="placements")
    wait_for_map(page, "Margin of the patch at every place")
    choose(page, "or a sample", sample_title("coffee"))
    expect(page.get_by_text("some content of the patch lets a rival win")).to_be_visible()
    wait_for_map(page, "Margin of the patch at every place")
    expect(page.get_by_text("385x385 = 148,225 places of a 64x64-pixel patch")).to_be_visible()
    row = page.get_by_label("Top (px)", exact=True)
    row.focus()
    row.fill("384")
    row.press("Enter")
    expect(page.get_by_text("no content of the patch there changes the prediction")).to_be_visible()
    expect(page.get_by_text("features see the patch at row 384")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="All places as CSV").click()
    assert download.value.suggested_filename == "coffee-placements.csv"

    page.get_by_role("radio", name="the largest certified patch around each pixel").click()
    wait_for_map(
        page, "Side of the largest certified square around each pixel, at least 33 pixels; the largest"
    )
    expect(page.get_by_text("The largest certified square inside the image covers rows")).to_be_visible()
    expect(page.get_by_text("Around 96.1 % of the pixels")).to_be_visible()
