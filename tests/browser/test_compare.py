"""The comparison page in a real Chromium: a click on one map marks the window in all, and says what each proves."""

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


def maps(page: Page):
    page.wait_for_function("document.querySelector('.pg-maps')?.pgComponent?.draws > 0")
    return page.locator(".pg-maps")


def at_map(page: Page, panel: int, row: int, column: int) -> tuple[float, float]:
    """Where a window of a map lies on the page; panel 1 is the photo."""
    page.locator(".pg-maps-plot").scroll_into_view_if_needed()
    return tuple(
        page.evaluate(
            """([panel, row, column]) => {
                const plot = document.querySelector('.pg-maps-plot'), box = plot.getBoundingClientRect();
                const x = plot._fullLayout['xaxis' + panel], y = plot._fullLayout['yaxis' + panel];
                return [box.left + x._offset + x.l2p(column), box.top + y._offset + y.l2p(row)];
            }""",
            [panel, row, column],
        )
    )


def marked(page: Page) -> list[tuple[float, float]]:
    """The window that is outlined in each map, as row and column."""
    shapes = page.evaluate(
        "document.querySelector('.pg-maps-plot').layout.shapes.map((shape) => [shape.name, shape.y0, shape.x0])"
    )
    return [(top + 0.5, left + 0.5) for name, top, left in shapes if name == "current"]


def test_a_click_on_one_map_marks_the_window_in_all_and_arrows_move_it(open_page):
    page = open_page(path="compare")
    stage = maps(page)
    count = len(marked(page))
    assert count >= 3
    page.mouse.move(*at_map(page, 3, 4, 2))
    expect(page.locator(".pg-maps .pg-cell")).to_have_count(count)
    page.mouse.click(*at_map(page, 3, 4, 2))
    expect(page.get_by_role("heading", name="The window at row 4, column 2")).to_be_visible()
    page.wait_for_function("document.querySelector('.pg-maps-plot').layout.shapes.some((s) => s.y0 === 3.5)")
    assert marked(page) == [(4, 2)] * count
    stage.focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("heading", name="The window at row 3, column 3")).to_be_visible()
    page.wait_for_function("document.querySelector('.pg-maps-plot').layout.shapes.some((s) => s.y0 === 2.5)")
    assert marked(page) == [(3, 3)] * count


def test_the_maps_fit_a_narrow_page(open_page):
    page = open_page(width=900, height=1000, path="compare")
    maps(page)
    for width in (900, 500):
        page.set_viewport_size({"width": width, "height": 1000})
        page.wait_for_timeout(1000)
        box = page.locator(".pg-maps").bounding_box()
        lines = page.evaluate(
            """[...document.querySelectorAll('.pg-maps-plot .heatmaplayer')].map((layer) => {
                const box = layer.getBoundingClientRect();
                return [box.left, box.right];
            })"""
        )
        assert lines
        assert all(box["x"] <= left and right <= box["x"] + box["width"] + 1 for left, right in lines)
