"""A prepared link and the name of a file in a real Chromium: no other host is asked, and nothing leads to one."""

from urllib.parse import urlencode

import pytest
from PIL import Image
from playwright.sync_api import expect

from pg_core import sample_path
from tests.browser.steps import png, upload, wait_for_panels
from tests.hostile.names import FILE, NAME

pytestmark = pytest.mark.browser
LAST = {
    "": "What do these words mean?",
    "debugger": "Notation",
    "figure5": "The proof in a page",
    "steps": "robust masking of",
    "story": "Check yourself",
    "placements": "How is a place proved?",
    "compare": "All windows of all defences as CSV",
    "quiz": "Ten other questions",
    "museum": "Dotted: the cells that one patch can corrupt",
    "check": "The format is described in",
    "networks": "Your own network",
    "results": "Verdicts by class",
    "atlas": "The same in SQL",
}
"""Words at the end of each page."""
FOREIGN = """[...document.querySelectorAll('a, img, image, iframe, link, script')]
    .map((part) => part.href?.baseVal ?? part.href ?? part.src ?? '')
    .filter((address) => /^([a-z]+:)?\\/\\//.test(address) && new URL(address, location).host !== location.host)"""


WORDS = ("photo", "checkpoint", "space", "size", "evidence", "patch", "contents", "label")
LINK = urlencode({"network": "tiles-coarse", **dict.fromkeys(WORDS, NAME)})


@pytest.mark.parametrize("path", LAST)
def test_every_page_names_the_words_of_a_link_and_asks_no_other_host(open_page, app_url, path):
    page = open_page(path="results")  # which needs no network
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(f"{app_url}/{path}?{LINK}")
    told = page.locator("[data-testid='stAlert']", has_text="Ignored unknown values")
    expect(told).to_contain_text("photo=![a](http:")
    expect(told).to_contain_text("contents=![a](http:")
    assert len(told.inner_text()) < 900
    expect(page.get_by_text(LAST[path]).first).to_be_visible()
    assert page.evaluate(FOREIGN) == []
    assert [url for url in requests if not url.startswith((app_url, "blob:", "data:"))] == []


def test_the_name_of_an_upload_is_text(open_page, app_url):
    page = open_page(path="?network=tiles-coarse")
    wait_for_panels(page)
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    upload(page, f"{FILE}.png", b"nothing")
    told = page.locator("[data-testid='stAlert']", has_text="[a](http:")
    expect(told).to_contain_text("<b>c<b> :")
    assert told.locator("a, img, b, code, .katex").count() == 0
    upload(page, f"{FILE}.png", png(Image.open(sample_path("coffee"))))
    expect(told).to_have_count(0)
    wait_for_panels(page)
    assert page.evaluate(FOREIGN) == []
    assert [url for url in requests if not url.startswith((app_url, "blob:", "data:"))] == []
