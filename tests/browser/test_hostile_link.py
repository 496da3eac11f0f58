"""A prepared link and the name of a file in a real Chromium: no other host is asked, and nothing leads to one."""

import re

import pytest
from PIL import Image
from playwright.sync_api import expect

from pg_core import sample_path
from tests.browser.steps import png, upload, wait_for_panels
from tests.hostile import FILE, NAME

pytestmark = pytest.mark.browser
PAGES = ("", "debugger", "figure5", "steps", "placements", "compare", "networks", "results")
FOREIGN = """[...document.querySelectorAll('a, img, image, iframe, link, script')]
    .map((part) => part.href?.baseVal ?? part.href ?? part.src ?? '')
    .filter((address) => /^([a-z]+:)?\\/\\//.test(address) && new URL(address, location).host !== location.host)"""


def hostile(photo=NAME):
    """The query of a link all of whose words are hostile but for the network's."""
    words = dict.fromkeys(("checkpoint", "space", "size", "evidence", "patch", "contents", "label"), NAME)
    return {"photo": photo, "network": "tiles-coarse", **words}


@pytest.mark.parametrize("path", PAGES)
def test_every_page_names_the_words_of_a_link_and_asks_no_other_host(open_page, app_url, path):
    page = open_page(path=path)
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    query = page.evaluate("(words) => new URLSearchParams(words).toString()", hostile())
    page.goto(f"{app_url}/{path}?{query}")
    told = page.locator("[data-testid='stAlert']", has_text="means nothing here")
    expect(told).to_contain_text(
        re.compile(r"photo=!\[a\]\(http:\u2060?//127\.0\.0\.1:1/t\.png\) \$x\$ \[b\]\(https:")
    )
    assert len(told.inner_text()) < 900
    expect(page.locator("[data-testid='stStatusWidget']")).to_have_count(0)
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
