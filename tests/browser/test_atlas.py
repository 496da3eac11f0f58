"""The atlas in a real Chromium: a table is opened, a click chooses photos, the address and a photo bring them back."""

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from app.cache import tables
from pg_core.datasets.folders import labelled_photos
from pg_core.defences.spec import DefenceConfig
from pg_core.evaluation.cases import evaluation_cases
from pg_core.evaluation.run import evaluate
from pg_core.networks import load_model
from tests.browser.conftest import start_server, stop_server
from tests.browser.steps import choose, metric
from tests.browser.test_accessible import violations
from tests.tables_of_runs import write_table

pytestmark = pytest.mark.browser
WINDOWS = '.pg-charts[aria-label^="Photos that are not certified at each window"]'


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Tables: `made-up`, and `measured`, of photos that are there."""
    root = tmp_path_factory.mktemp("atlas")
    (root / "tables").mkdir()
    write_table(root / "tables" / "made-up")
    network = load_model("cifar10")
    for number, name in enumerate(network.classes):
        (root / "photos" / name).mkdir(parents=True)
        Image.effect_noise((32, 32), 20 + 5 * number).convert("RGB").save(root / "photos" / name / "0.png")
    config = DefenceConfig(network.receptive_field, network.image_size, network.evidence, (5, 5))
    photos = labelled_photos(root / "photos", network.classes)
    evaluate(network, photos, evaluation_cases(config, ((5, 5),)), root / "tables" / "measured")
    return root


@pytest.fixture(scope="module")
def app_url(folders, tmp_path_factory):
    """A server that was started with both folders."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(tables.TABLES, str(folders / "tables"))
        patched.setenv(tables.PHOTOS, str(folders / "photos"))
        process, url = start_server(tmp_path_factory.mktemp("server") / "log.txt")
    yield url
    stop_server(process)


def at_rest(page: Page) -> None:
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")


def click_window(page: Page, row: int, column: int) -> None:
    chart = page.locator(WINDOWS)
    chart.scroll_into_view_if_needed()
    page.wait_for_function(f"document.querySelector('{WINDOWS}')?._fullLayout?.xaxis?._offset > 0")
    at_rest(page)
    at = chart.evaluate(
        """(plot, [row, column]) => {
            const box = plot.getBoundingClientRect(), { xaxis, yaxis } = plot._fullLayout;
            const { x, y } = plot._fullData[0];
            // Between its edges in pixels, where the table tells them.
            const middle = (edges, index) => (edges ? (edges[index] + edges[index + 1]) / 2 : index);
            return [
                box.left + xaxis._offset + xaxis.l2p(middle(x, column)),
                box.top + yaxis._offset + yaxis.l2p(middle(y, row)),
            ];
        }""",
        [row, column],
    )
    page.mouse.move(*at)
    page.mouse.click(*at)


def test_a_click_on_a_window_chooses_photos_and_the_address_brings_them_back(open_page):
    page = open_page(path="atlas")
    expect(metric(page, "Photos")).to_have_text("60 of 60")
    click_window(page, 1, 2)
    chip = page.get_by_role("button", name="✕ not certified at row 1, column 2")
    expect(chip).to_be_visible()
    expect(metric(page, "Photos")).not_to_have_text("60 of 60")
    at_rest(page)
    page.wait_for_url("**filters=window.1%2C2*")
    chosen = metric(page, "Photos").inner_text()
    with page.expect_download() as loaded:
        page.get_by_role("button", name="These photos as CSV").click()
    lines = loaded.value.path().read_text().splitlines()
    assert len(lines) - 1 == int(chosen.split()[0])
    page.goto(page.url)
    expect(chip).to_be_visible()
    expect(metric(page, "Photos")).to_have_text(chosen)
    chip.click()
    expect(metric(page, "Photos")).to_have_text("60 of 60")


def test_a_table_of_ones_own_is_dropped_and_no_other_session_has_it(open_page, folders):
    page = open_page(path="atlas")
    expect(metric(page, "Photos")).to_have_text("60 of 60")
    page.get_by_role("button", name="Open a table").click()
    (part,) = (folders / "tables" / "measured").glob("part-*")
    page.locator('input[type="file"][accept*="parquet"]').set_input_files(
        {"name": "mine.parquet", "mimeType": "application/octet-stream", "buffer": part.read_bytes()}
    )
    expect(metric(page, "Photos")).to_have_text("10 of 10")
    expect(page.get_by_label("Table", exact=True).first).to_have_value("mine.parquet (yours)")
    page.locator('input[type="file"][accept*="parquet"]').set_input_files(
        {"name": "no.parquet", "mimeType": "application/octet-stream", "buffer": b"nothing"}
    )
    expect(page.get_by_text("cannot be opened").first).to_be_visible()
    other = open_page(path="atlas")
    expect(metric(other, "Photos")).to_have_text("60 of 60")
    other.get_by_label("Table", exact=True).first.click()
    expect(other.get_by_role("option")).to_have_count(2 + len(list(tables.SHIPPED.iterdir())))


def test_a_photo_is_opened_in_the_debugger_as_it_was_measured(open_page):
    page = open_page(path="atlas?table=measured")
    expect(metric(page, "Photos")).to_have_text("10 of 10")
    at_rest(page)
    page.get_by_role("button", name="0.png").first.click()
    page.wait_for_url("**/debugger?*")
    at_rest(page)
    page.wait_for_url("**network=cifar10*")
    assert "size=5x5" in page.url
    assert "window=" in page.url
    expect(page.get_by_text("There is no such window here")).to_have_count(0)
    expect(page.get_by_text("Ignored unknown values")).to_have_count(0)


def test_a_dropped_folder_leads_to_the_debugger_of_its_worst_window(open_page, folders):
    page = open_page(path="atlas?network=cifar10")
    expect(metric(page, "Photos")).to_have_text("60 of 60")
    page.get_by_role("button", name="Measure a folder").click()
    page.locator('input[type="file"][webkitdirectory]').set_input_files(str(folders / "photos"))
    start = page.get_by_role("button", name="Measure these photos")
    expect(start).to_be_enabled()
    at_rest(page)
    start.click()
    expect(page.get_by_text("Measured 10 of 10 photos; with classes from their folders")).to_be_visible()
    page.keyboard.press("Escape")
    expect(metric(page, "Photos")).to_have_text("10 of 10")
    with page.expect_download() as loaded:
        page.get_by_role("button", name="Download the table").click()
    assert loaded.value.path().read_bytes()[:4] == b"PAR1"
    at_rest(page)
    page.wait_for_url("**table=own-*")
    link = page.url
    page.get_by_role("button", name="0.png").first.click()
    page.wait_for_url("**/debugger?*")
    at_rest(page)
    page.wait_for_url("**network=cifar10*")
    assert "window=" in page.url
    expect(page.get_by_text("There is no such window here")).to_have_count(0)
    other = open_page(path=link.rsplit("/", 1)[-1])
    expect(other.get_by_text("drop its Parquet files again")).to_be_visible()
    assert "table=own-" in other.url


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_on_the_page_is_out_of_reach(open_page, scheme):
    page = open_page(1280, 900, "atlas?filters=verdict.not-certified")
    page.emulate_media(color_scheme=scheme)
    wrong = {}
    for look in ("Photos", "Side by side", "What would it take?"):
        page.get_by_role("radio", name=look).click()
        page.mouse.move(0, 0)
        at_rest(page)
        page.get_by_role("button", name="Reset all settings").wait_for()
        page.wait_for_function('!document.querySelector(\'[data-testid="stMain"] [data-stale="true"]\')')
        found = violations(page)
        if found:
            wrong[look] = found
    assert wrong == {}


def test_a_phone_shows_the_page_without_scrolling_sideways(open_page):
    page = open_page(390, 844, "atlas?table=measured")
    expect(metric(page, "Photos")).to_have_text("10 of 10")
    at_rest(page)
    main = page.get_by_test_id("stMain")
    assert main.evaluate("(part) => part.scrollWidth <= part.clientWidth")
    choose(page, "Table", "made-up")
    expect(metric(page, "Photos")).to_have_text("60 of 60")
