"""The page on a phone: where its pages are, and what the first screen shows."""

import pytest
from playwright.sync_api import expect

from tests.browser.steps import choose_sample, verdict, wait_for_panels
from tests.browser.test_accessible import violations

pytestmark = pytest.mark.browser
PHONE = 390, 844


def bar(page):
    return page.get_by_role("navigation", name="Pages, at hand")


def test_the_first_screen_shows_the_verdict_and_the_patch_on_the_photo(open_page):
    page = open_page(*PHONE)
    wait_for_panels(page)
    page.wait_for_timeout(1000)
    above = bar(page).bounding_box()["y"]
    told, patch = verdict(page).bounding_box(), page.locator(".pg-patch").bounding_box()
    assert told["y"] > 0
    assert told["y"] + told["height"] < patch["y"]
    assert patch["y"] + patch["height"] < above
    expect(page.get_by_role("button", name="Choose a photo")).to_be_visible()


def test_where_the_photo_of_a_link_is_not_there_the_buttons_for_another_one_are_on_the_first_screen(
    open_page,
):
    page = open_page(*PHONE, path=f"?photo={'a' * 64}")
    expect(page.get_by_text("exists only on the sender's computer").first).to_be_visible()
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    button = page.get_by_role("button", name="Choose a photo")
    expect(button).to_be_in_viewport()
    assert button.bounding_box()["y"] + 44 < bar(page).bounding_box()["y"]


def test_a_page_of_the_bar_is_marked_keeps_the_session_and_a_thumb_can_hit_it(open_page):
    page = open_page(*PHONE)
    wait_for_panels(page)
    page.evaluate("window.same = true")
    page.get_by_test_id("stExpandSidebarButton").click()
    choose_sample(page, "coffee")
    page.get_by_test_id("stSidebarCollapseButton").get_by_role("button").click()
    for element in bar(page).locator("a, button").all():
        box = element.bounding_box()
        assert min(box["width"], box["height"]) >= 44
    bar(page).get_by_role("link", name="Steps").click()
    expect(page.get_by_role("heading", name="Step through the algorithms")).to_be_visible()
    expect(bar(page).locator("[aria-current=page]")).to_have_text("Steps")
    assert page.evaluate("window.same")
    assert "photo=coffee" in page.url


def test_behind_more_are_the_other_pages_and_it_closes_over_the_chosen_one(open_page):
    page = open_page(*PHONE, path="steps")
    bar(page).get_by_role("button", name="More").click()
    page.get_by_test_id("stPopoverBody").get_by_role("link", name="About").click()
    expect(page.get_by_test_id("stPopoverBody")).to_have_count(0)
    expect(bar(page).locator("[aria-current=page]")).to_have_count(0)
    assert "/about" in page.url


def test_nothing_lies_under_the_bar_at_the_end_of_a_page(open_page):
    page = open_page(*PHONE, path="about")
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    page.get_by_test_id("stMain").evaluate("(main) => main.scrollTo(0, main.scrollHeight)")
    page.wait_for_timeout(500)
    last = page.evaluate(
        "Math.max(...[...document.querySelectorAll('.stMainBlockContainer [data-testid=stMarkdown]')].map("
        "(element) => element.getBoundingClientRect().bottom))"
    )
    assert last < bar(page).bounding_box()["y"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_on_a_phone_is_out_of_reach(open_page, scheme):
    page = open_page(*PHONE)
    page.emulate_media(color_scheme=scheme)
    wait_for_panels(page)
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    page.wait_for_timeout(1000)
    assert violations(page) == []


def test_a_wide_screen_has_no_bar(open_page):
    page = open_page()
    wait_for_panels(page)
    expect(bar(page)).to_have_count(0)
