"""The museum, the quiz, the exercises and the toy of masks in a real Chromium, as a class would use them."""

import re

import pytest
from playwright.sync_api import Page, expect

from pg_core.analysis.exhibits import exhibits

pytestmark = pytest.mark.browser


def at_rest(page: Page) -> None:
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")


def test_every_exhibit_of_the_museum_is_broken_and_each_is_an_address(open_page):
    page = open_page(path="museum")
    for exhibit in exhibits():
        page.goto(f"{page.url.split('?')[0]}?exhibit={exhibit.name}")
        expect(page.get_by_role("heading", name=exhibit.title)).to_be_visible()
        expect(page.get_by_text("and it is called certified")).to_be_visible()
        at_rest(page)
        page.get_by_text("Break it").click()
        won = int(exhibit.broken().prediction.label)
        expect(page.get_by_text(f"Class {won} wins with")).to_be_visible()
        expect(page.locator(".pg-charts[aria-label^='With the attack']")).to_be_visible()
    assert "exhibit=tie" in page.url


def test_a_guess_on_the_photo_is_ranked_and_the_margins_are_shown_afterwards(open_page):
    page = open_page(path="quiz?network=cifar10")
    chart = page.locator(".pg-charts[aria-label='A mark for each window']")
    expect(chart.locator(".scatterlayer path").first).to_be_visible()
    at_rest(page)
    assert chart.locator(".colorbar").count() == 0
    spot = chart.locator(".scatterlayer path.point").nth(210).bounding_box()
    page.mouse.click(spot["x"] + spot["width"] / 2, spot["y"] + spot["height"] / 2)
    expect(page.get_by_text(re.compile(r"Your window is number \d+ of 400"))).to_be_visible()
    coloured = ".pg-charts[aria-label='A mark for each window, in the colour of its margin'] .colorbar"
    expect(page.locator(coloured)).to_be_visible()
    page.get_by_role("button", name="Guess again").click()
    expect(page.get_by_text("Your window is number")).to_have_count(0)


def test_answers_of_the_quiz_are_in_the_address_and_come_back_with_it(open_page, app_url):
    page = open_page(path="quiz?network=cifar10")
    expect(page.get_by_text("0 of 0 answered are right.")).to_be_visible()
    at_rest(page)
    group = page.get_by_role("radiogroup", name=re.compile("How many cells in a row can see a patch"))
    group.locator("label").first.click()
    expect(page.get_by_text(re.compile(r"[01] of 1 answered are right\."))).to_be_visible()
    page.wait_for_function("location.search.includes('quiz=1%3Aa---------')")
    told = page.get_by_text(re.compile(r"[01] of 1 answered are right\.")).inner_text()
    again = open_page(path=page.url.removeprefix(app_url).lstrip("/"))
    expect(again.get_by_text(told)).to_be_visible()


def test_an_exercise_on_the_board_is_done_by_its_counterexample(open_page):
    page = open_page(path="figure5")
    expect(page.get_by_text("Break the printed bound.")).to_be_visible()
    expect(page.get_by_text("✔ Done.")).to_have_count(0)
    at_rest(page)
    page.get_by_role("button", name="Put the counterexample on the board").click()
    expect(page.get_by_text("✔ Done.")).to_have_count(1)


def test_the_toy_of_masks_follows_a_vote(open_page):
    page = open_page(path="steps")
    page.get_by_text("Why is one round of masks not enough?").click()
    expect(page.get_by_text("Two photos, the same votes.")).to_be_visible()
    at_rest(page)
    for mask in (2, 3):
        page.get_by_role("radiogroup", name=f"Mask {mask}").get_by_role("radio", name="a").click()
        at_rest(page)
    expect(page.get_by_text("Only a photo of class a can get these votes.")).to_be_visible()
    expect(page).to_have_url(re.compile("votes=aaaaa"))
