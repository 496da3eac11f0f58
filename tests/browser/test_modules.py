"""The modules of the components in a real Chromium: what the server hands out of them, and how they come and go."""

import signal

import pytest
from playwright.sync_api import expect

from app.components.component import MODULES_URL
from tests.browser.conftest import ROOT, start_server
from tests.browser.test_figure5 import cell, wait_for_board

pytestmark = pytest.mark.browser


def test_the_modules_come_as_javascript_from_the_address_of_their_version(open_page, app_url):
    page = open_page(path="figure5")
    wait_for_board(page)
    reply = page.request.get(f"{app_url}/{MODULES_URL}/board.js")
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("application/javascript")
    assert reply.body() == (ROOT / "app" / "components" / "board.js").read_bytes()
    fetched = page.evaluate(
        """performance.getEntriesByType('resource').map((entry) => new URL(entry.name).pathname)
            .filter((path) => path.startsWith('/component/') && !path.includes('plotly.min'))"""
    )
    assert f"/{MODULES_URL}/draggable.js" in fetched  # board.js imports it
    assert {path.rpartition("/")[0] for path in fetched} == {f"/{MODULES_URL}"}


def test_nothing_but_the_modules_of_this_version_is_handed_out(open_page, app_url):
    page = open_page(path="figure5")
    wait_for_board(page)
    for path in (
        f"{MODULES_URL}/stage.py",
        f"{MODULES_URL}/__init__.py",
        f"{MODULES_URL}/stage.css",
        f"{MODULES_URL}/__pycache__/",
        f"{MODULES_URL}/",
        MODULES_URL,
        f"{MODULES_URL}/..%2Fstage.py",
        f"{MODULES_URL}/{ROOT}/app/components/stage.py",
        f"{MODULES_URL.rpartition('-')[0]}-0123456789abcdef/stage.js",
    ):
        assert page.request.get(f"{app_url}/{path}").status in (400, 404), path


def test_a_component_is_created_once_and_destroyed_when_its_page_is_left(open_page):
    page = open_page(path="figure5")
    wait_for_board(page)
    page.evaluate(
        """() => {
            const board = window.board = document.querySelector('.pg-board').pgComponent;
            Object.assign(window, { applied: board.applied, destroyed: 0 });
            board.destroy = () => { window.destroyed += 1; };
        }"""
    )
    cell(page, 0, 0).focus()
    page.keyboard.press("9")
    page.wait_for_function("board.applied > applied")
    assert page.evaluate("[document.querySelector('.pg-board').pgComponent === board, destroyed]") == [
        True,
        0,
    ]
    page.get_by_role("link", name="Results").click()
    page.wait_for_function("destroyed === 1")


def test_a_module_that_does_not_come_is_named_with_the_cure(open_page):
    page = open_page(path="results")
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    page.route("**/board.js", lambda route: route.abort())
    page.get_by_role("link", name="Figure 5").click()
    expect(page.locator(".pg-board")).to_contain_text("This part of the page did not load; reload the page.")
    expect(page.get_by_text("BidiComponent Error")).to_have_count(0)
    page.unroute("**/board.js")
    page.reload()
    wait_for_board(page)


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_stopped_leaves_no_file_of_the_modules(chromium, tmp_path, monkeypatch, stop):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    process, url = start_server(tmp_path / "log.txt")
    try:
        page = chromium.new_page()
        page.goto(f"{url}/about")
        expect(page.locator(".pg-bar")).to_be_attached()
        page.close()
        assert list(tmp_path.glob("patchguard-*"))
        process.send_signal(stop)
        process.wait(60)
    finally:
        process.kill()
    assert not list(tmp_path.glob("patchguard-*"))
