"""The page Attack in a real Chromium: a search that is watched, stopped and used, and one that ends with its page."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.steps import choose, verdict, wait_for_panels

pytestmark = pytest.mark.browser
LONG = "attack?network=cifar10&attack_steps=500&restarts=16"


def at_rest(page: Page) -> None:
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")


def search(page: Page, where: str | None = None) -> None:
    if where is not None:
        choose(page, "Where to search", where)
        at_rest(page)
    page.get_by_role("button", name="Search for pixels").click()


def click_on_map(page: Page, row: float, column: float) -> None:
    """Click on a pixel of the photo on the map."""
    chart = page.locator(".pg-charts[aria-label^='What is known of every place']")
    chart.scroll_into_view_if_needed()
    page.mouse.click(
        *chart.evaluate(
            """(plot, [row, column]) => {
                const box = plot.getBoundingClientRect(), { xaxis, yaxis } = plot._fullLayout;
                return [box.left + xaxis._offset + xaxis.l2p(column), box.top + yaxis._offset + yaxis.l2p(row)];
            }""",
            [row, column],
        )
    )


def test_a_search_is_stopped_and_what_it_found_changes_the_headline_of_the_stage(open_page):
    page = open_page(path="attack?network=cifar10")
    expect(page.get_by_text("176 proved, 0 broken by pixels, 224 open")).to_be_visible()
    search(page, "all open windows, worst first")
    expect(page.get_by_text("Attacking: place")).to_be_visible()
    expect(page.get_by_text("★ Broken by pixels at row 4, column 16: 'cat' becomes 'dog'")).to_be_visible()
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_text("Stopped after")).to_be_visible()
    expect(page.get_by_role("button", name="Stop", exact=True)).to_have_count(0)
    expect(page.get_by_text("176 proved, 0 broken")).to_have_count(0)
    at_rest(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as PNG").click()
    assert download.value.suggested_filename == "chelsea-patch-top4-left16.png"
    page.get_by_role("button", name="Put it on the stage").click()
    page.get_by_role("link", name="see it on Explore").click()
    wait_for_panels(page)
    expect(verdict(page)).to_contain_text("Not certified")
    expect(
        page.get_by_text("These pixels fool double masking on features (ours): 'cat' becomes 'dog'")
    ).to_be_visible()
    stars = "document.querySelector('.pg-plot')._fullData.find((trace) => trace.name === 'broken by pixels').x.length"
    assert page.evaluate(stars) > 0


def test_a_click_on_the_map_picks_a_place_and_a_try_on_a_proved_one_says_why_it_loses(open_page):
    page = open_page(path="attack?network=cifar10")
    expect(page.get_by_text("176 proved")).to_be_visible()
    page.wait_for_selector(".pg-charts .scatterlayer .point", state="attached")
    at_rest(page)
    click_on_map(page, 25.5, 25.5)
    expect(page.get_by_text("✔ This place is proved. Whatever the pixels")).to_be_visible()
    expect(page.get_by_label("Top (px)", exact=True)).to_have_value("23")
    expect(page.get_by_label("Left (px)", exact=True)).to_have_value("23")
    page.get_by_role("button", name="Try it (3 left)").click()
    expect(page.get_by_text("You cannot win at this place: it is proved.")).to_be_visible()
    expect(page.get_by_role("button", name="Search for pixels")).to_be_disabled()


def test_a_search_ends_with_its_page_and_the_one_that_waits_begins(open_page):
    pages = [open_page(path=LONG) for _ in range(3)]
    for page in pages:
        search(page, "all open windows, worst first")
        expect(
            page.get_by_text("Attacking: place").or_(page.get_by_text("Waiting: 2 searches run"))
        ).to_be_visible()
    first, second, third = pages
    expect(
        third.get_by_text("Waiting: 2 searches run on this server already, yours is the next.")
    ).to_be_visible()
    first.close()
    expect(third.get_by_text("Attacking: place")).to_be_visible()
    expect(second.get_by_text("Attacking: place")).to_be_visible()
    for page in (second, third):
        page.get_by_role("button", name="Stop", exact=True).click()
        expect(page.get_by_text("Stopped after")).to_be_visible()
