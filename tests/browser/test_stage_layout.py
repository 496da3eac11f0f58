"""Where the stage lies in a real Chromium: before it is drawn, on screens of several sizes, and how much it moves."""

import pytest
from PIL import Image
from playwright.sync_api import expect

from app.plots.style import DETECTED, FOOTPRINT, MALICIOUS
from pg_core import sample_path
from tests.browser.steps import choose_sample, drawn, png, upload, wait_for_panels

pytestmark = pytest.mark.browser
WATCH = """
    window.shifts = [];
    new PerformanceObserver((list) => {
        for (const { startTime, value, hadRecentInput } of list.getEntries()) {
            if (!hadRecentInput) window.shifts.push([startTime, value]);
        }
    }).observe({ type: 'layout-shift', buffered: true });
    new MutationObserver((_, observer) => {
        if (!document.querySelector('.pg-first img')) return;
        observer.disconnect();
        // What came with it in one frame, as the sidebar may, moved nothing that was seen.
        requestAnimationFrame(() => requestAnimationFrame(() => { window.photoCame = performance.now(); }));
    }).observe(document, { childList: true, subtree: true });
"""
ALLOWED = 0.1
"""The layout shift that Web Vitals calls good."""


def shift(page, since="window.photoCame"):
    return page.evaluate(
        "(since) => window.shifts.filter(([at]) => at > since).reduce((sum, [, value]) => sum + value, 0)",
        page.evaluate(since),
    )


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (390, 844), (820, 1180)])
def test_from_the_very_first_paint_on_the_page_stays_where_it_is(open_page, width, height):
    page = open_page(width, height)
    page.add_init_script(WATCH)
    page.reload()
    wait_for_panels(page)
    page.wait_for_timeout(1000)
    assert shift(page, "0") < ALLOWED


def test_from_the_first_paint_of_the_photo_on_the_page_stays_where_it_is(open_page):
    page = open_page(1280, 720)
    page.add_init_script(WATCH)
    page.reload()
    # The photo is there before anything is drawn over it.
    page.wait_for_function("window.photoCame && document.querySelector('.pg-first img').naturalWidth > 0")
    wait_for_panels(page)
    page.wait_for_timeout(1000)
    assert shift(page) < ALLOWED

    now = page.evaluate("performance.now()")
    choose_sample(page, "coffee")
    page.wait_for_timeout(1000)
    assert shift(page, str(now)) < ALLOWED

    now, before = page.evaluate("performance.now()"), drawn(page)
    upload(page, "rocket.png", png(Image.open(sample_path("rocket"))))
    page.wait_for_function(f"document.querySelector('.pg-stage').pgComponent.draws > {before}")
    page.wait_for_timeout(1000)
    assert shift(page, str(now)) < ALLOWED


@pytest.mark.parametrize(("width", "height"), [(390, 844), (820, 1180), (1440, 900)])
def test_the_photo_of_the_first_paint_lies_where_that_of_the_stage_will(open_page, width, height):
    page = open_page(width, height)
    wait_for_panels(page)
    first, stage = page.evaluate(
        """() => {
            const sides = ({ left, top, width, height }) => [left, top, width, height];
            const box = (element) => sides(element.getBoundingClientRect());
            const root = document.querySelector('.pg-stage'), panel = root.querySelector('[data-panel="1"]');
            const [left, top] = box(root), [, , ...size] = box(panel), at = box(panel);
            const copy = document.querySelector('.pg-first');
            root.classList.remove('pg-drawn');
            const [x, y] = box(copy), photo = box(copy.querySelector('img'));
            const found = [[photo[0] - x, photo[1] - y, photo[2], photo[3]], [at[0] - left, at[1] - top, ...size]];
            root.classList.add('pg-drawn');
            return found;
        }"""
    )
    assert first == pytest.approx(stage, abs=1.5)


def test_on_a_phone_the_photo_and_the_margin_map_are_on_one_screen(open_page):
    page = open_page(390, 844)
    wait_for_panels(page)
    photo, margins = (page.locator(f'.pg-frame[data-panel="{panel}"]').bounding_box() for panel in (1, 4))
    assert margins["y"] + margins["height"] - photo["y"] < 844 - 100
    assert photo["width"] > 0.7 * 390


def test_a_large_screen_gives_the_stage_its_width(open_page):
    page = open_page(2560, 1440)
    wait_for_panels(page)
    right = max(
        page.locator(f'.pg-frame[data-panel="{panel}"]').evaluate(
            "(frame) => frame.getBoundingClientRect().right"
        )
        for panel in (1, 2, 3, 4)
    )
    left, width = page.locator(".pg-stage").evaluate(
        "(stage) => [stage.getBoundingClientRect().left, stage.clientWidth]"
    )
    assert right - left > 0.9 * width


def test_photos_of_few_pixels_are_drawn_with_their_edges_and_others_are_not(open_page):
    for network, crisp in (("cifar10", True), ("tiles", False)):
        page = open_page(path=f"?network={network}")
        wait_for_panels(page)
        found = page.locator(".pg-plot .imagelayer image").first.evaluate(
            "(image) => image.style.imageRendering"
        )
        assert (found == "pixelated") == crisp


def test_the_legend_shows_a_sample_of_every_line(open_page):
    page = open_page()
    wait_for_panels(page)
    expect(page.locator(".pg-legend li")).to_have_count(6)
    colours = [element.get_attribute("stroke") for element in page.locator(".pg-legend path").all()]
    assert {line["color"] for line in (MALICIOUS, DETECTED, FOOTPRINT)} <= set(colours)
