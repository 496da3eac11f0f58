"""The window debugger in a real Chromium: a failing window is clicked, its rival read, another picked."""

import pytest
from playwright.sync_api import Page, expect

from pg_core.datasets.folders import sample_title
from tests.browser.test_explore import at_panel, choose, metric, verdict, wait_for_panels

pytestmark = pytest.mark.browser


def failing_windows(page: Page) -> list[tuple[int, int]]:
    """Row and column of the crosses on the margin map."""
    page.wait_for_function(
        "document.querySelector('.pg-plot')?._fullData?.some("
        "(trace) => trace.name === 'not certified' && trace._length)"
    )
    return page.evaluate(
        """() => { const traces = document.querySelector('.pg-plot')._fullData;
                   const trace = traces.find(({ name }) => name === 'not certified');
                   return Array.from({ length: trace._length }, (_, n) => [trace.y[n], trace.x[n]]); }"""
    )


def test_a_failing_window_is_clicked_and_its_rival_is_read_in_the_debugger(open_page):
    page = open_page()
    wait_for_panels(page)
    choose(page, "or a sample", sample_title("coffee"))
    expect(verdict(page)).to_contain_text("windows are not certified. Smallest margin")
    row, column = failing_windows(page)[-1]
    page.mouse.click(*at_panel(page, 4, row, column))
    expect(page.get_by_label("Row (cells)", exact=True)).to_have_value(str(row))
    expect(page.get_by_label("Column (cells)", exact=True)).to_have_value(str(column))
    rival = page.locator("td", has_text="upper bound: the score of").inner_text().split("'")[1]
    page.get_by_role("link", name="Why? Take this to the debugger").click()
    expect(page.get_by_role("heading", name=f"The window at row {row}, column {column}")).to_be_visible()
    expect(metric(page, "Rival")).to_have_text(rival)
    expect(page.get_by_text(f"The score of '{rival}' is at most")).to_be_visible()
    expect(
        page.get_by_text("feature-space counterexample found: a witness changes the prediction")
    ).to_be_visible()
    page.wait_for_function("document.querySelectorAll('.js-plotly-plot').length >= 4")

    page.get_by_role("button", name="Go to the worst").click()
    worst = page.get_by_role("heading", name="The window at row")
    expect(worst).not_to_have_text(f"The window at row {row}, column {column}")
    # The rows of the table are painted on a canvas: the last one is this window's.
    table = page.get_by_test_id("stDataFrame")
    table.scroll_into_view_if_needed()
    box = table.bounding_box()
    page.mouse.click(box["x"] + 18, box["y"] + box["height"] - 20)
    expect(page.get_by_role("heading", name=f"The window at row {row}, column {column}")).to_be_visible()


def test_other_settings_change_the_verdict_at_once(open_page):
    page = open_page(path="debugger")
    choose(page, "or a sample", sample_title("coffee"))
    expect(page.get_by_text("windows are not certified. Smallest margin")).to_be_visible()
    page.get_by_role("spinbutton", name="Patch height").fill("8")
    page.get_by_role("spinbutton", name="Patch height").press("Enter")
    expect(page.get_by_text("With patch 64x64 → 8x64:")).to_be_visible()
    expect(page.get_by_text("Everything below is about these settings.")).to_be_visible()
    page.get_by_role("button", name="Reset to sidebar settings").click()
    expect(page.get_by_text("With patch 64x64 → 8x64:")).to_have_count(0)


def test_what_has_no_bound_is_hatched_to_the_edge_and_said_in_words(open_page):
    page = open_page(path="debugger?network=cifar10&defence=undefended")
    expect(page.get_by_text("Hatched, with an arrow: without a bound.")).to_be_visible()
    page.wait_for_function("document.querySelectorAll('.js-plotly-plot').length >= 3")
    # The last two bars of the waterfall to upper.
    hatched = """() => [...document.querySelectorAll('.js-plotly-plot')].at(-1)
        .querySelectorAll('.point path[style*="url("]').length"""
    page.wait_for_function(f"({hatched})() === 2")
    expect(page.get_by_text("no bound", exact=True)).to_have_count(2)


def test_the_debugger_fits_a_phone(open_page):
    page = open_page(390, 844, path="debugger")
    expect(page.get_by_role("heading", name="The window at row")).to_be_visible()
    page.wait_for_function("document.querySelectorAll('.js-plotly-plot').length >= 3")
    assert page.evaluate("document.querySelector('.stMain').scrollWidth") <= 390
