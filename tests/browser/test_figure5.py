"""The page of Figure 5 in a real Chromium: a button for each case, and a board worked by mouse and by keyboard."""

import re

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


def wait_for_board(page: Page) -> None:
    """Until the four examples above the board are drawn, too, and nothing moves any more."""
    page.wait_for_function(
        "document.querySelector('.pg-board')?.pgComponent?.applied > 0"
        " && document.querySelectorAll('.js-plotly-plot').length >= 4"
    )


def cell(page: Page, row: int, column: int):
    return page.locator(".pg-square").nth(6 * row + column)


def test_a_button_leads_to_each_case_and_to_the_counterexample(open_page):
    page = open_page(path="figure5")
    wait_for_board(page)
    for case, formulas in (
        ("I", ["e = e' = 18", "s = t = 23"]),
        ("II", [r"e = 5 \le e' = 12", r"s = t + e - e' = 23 + 5 - 12 = 16 \le t = 23"]),
        ("III", [r"q_3 = 1 \le q_1 = 8", r"s = t + q_3 - q_1 = 23 + 1 - 8 = 16 \le t = 23"]),
        ("IV", [r"s = t + e = 23 + 8 = 31 \le t/(1 - T) = 38.33"]),
    ):
        page.get_by_role("button", name=f"Case {case} on the board", exact=True).click()
        expect(page.get_by_role("heading", name=re.compile(f"^Case {case}: "))).to_be_visible()
        for formula in formulas:
            expect(page.locator("strong annotation", has_text=formula)).to_have_count(1)
        expect(page.locator(".pg-outline.pg-detected")).to_be_visible(visible=case != "IV")
    page.get_by_role("button", name="Put the counterexample on the board").click()
    expect(page.get_by_text("it promises 37, Algorithm 1 leaves s = 23")).to_be_visible()
    expect(page.locator(".pg-square[data-region=r1]")).to_have_count(3)


def test_the_outlines_lie_around_their_cells(open_page):
    page = open_page(path="figure5")
    wait_for_board(page)
    for name, first, last in (("detected", (1, 1), (3, 3)), ("malicious", (3, 2), (5, 4))):
        box = page.locator(f".pg-outline.pg-{name}").bounding_box()
        start, end = cell(page, *first).bounding_box(), cell(page, *last).bounding_box()
        assert abs(box["x"] - start["x"]) <= 4
        assert abs(box["y"] - start["y"]) <= 4
        assert abs(box["x"] + box["width"] - end["x"] - end["width"]) <= 4
        assert abs(box["y"] + box["height"] - end["y"] - end["height"]) <= 4


def test_the_board_is_painted_and_the_window_moved_by_keyboard(open_page):
    page = open_page(path="figure5")
    wait_for_board(page)
    cell(page, 0, 0).focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("9")
    expect(cell(page, 1, 1)).to_have_attribute("aria-label", "row 1, column 1: 9, benign, in r1")
    page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press("Shift+ArrowLeft")
    expect(cell(page, 2, 1)).to_have_attribute("aria-label", "row 2, column 1: 5, malicious, in r2")
    expect(page.locator(".pg-live").last).to_contain_text("Malicious window at row 2, column 1;")
    expect(cell(page, 1, 1)).to_be_focused()
    page.keyboard.press("z")
    page.keyboard.press("z")
    expect(cell(page, 3, 2)).to_have_attribute("aria-label", "row 3, column 2: 5, malicious, in r2")
    expect(page.get_by_role("heading", name="Case III: partially detected", exact=True)).to_be_visible()


def test_a_stroke_paints_with_the_brush_and_the_handle_moves_the_window(open_page):
    page = open_page(path="figure5")
    wait_for_board(page)
    cell(page, 0, 0).scroll_into_view_if_needed()
    first, last = cell(page, 0, 0).bounding_box(), cell(page, 0, 3).bounding_box()
    page.mouse.move(first["x"] + 10, first["y"] + 10)
    page.mouse.down()
    page.mouse.move(last["x"] + 10, last["y"] + 10, steps=12)
    page.mouse.up()
    for column in range(4):
        expect(cell(page, 0, column)).to_have_attribute("aria-label", f"row 0, column {column}: 3, benign")
    page.get_by_role("button", name="Undo").click()
    expect(cell(page, 0, 0)).to_have_attribute("aria-label", "row 0, column 0: 0, benign")
    handle, side = page.locator(".pg-handle").bounding_box(), first["width"]
    at = handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2
    page.mouse.move(*at)
    page.mouse.down()
    page.mouse.move(at[0] - 2 * side, at[1] - 3 * side, steps=8)
    page.mouse.up()
    expect(cell(page, 0, 0)).to_have_attribute("aria-label", re.compile("row 0, column 0: 5, malicious"))


def test_the_board_fits_a_phone(open_page):
    page = open_page(390, 844, path="figure5")
    wait_for_board(page)
    assert page.evaluate("document.querySelector('.pg-grid').getBoundingClientRect().right") <= 390
    assert page.evaluate("document.querySelector('.stMain').scrollWidth") <= 390
