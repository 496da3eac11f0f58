"""In a real Chromium a text from outside is shown sign by sign, whatever it is in Markdown or in Plotly's HTML."""

import pytest
from playwright.sync_api import expect

from pg_core.io.printable import printable
from tests.browser.conftest import start_server, stop_server
from tests.hostile.names import TEXTS

pytestmark = pytest.mark.browser
SHOWN = [printable(" ".join(text.split())) for text in TEXTS]


@pytest.fixture(scope="module")
def markup_url(tmp_path_factory):
    process, url = start_server(
        tmp_path_factory.mktemp("markup") / "log.txt", page="tests/browser/markup_page.py"
    )
    yield url
    stop_server(process)


def test_every_element_shows_every_text_sign_by_sign(markup_url, chromium):
    page = chromium.new_page(viewport={"width": 1600, "height": 1000})
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(markup_url)
    expect(page.get_by_text("The end.")).to_be_visible()
    expect(page.locator(".ytick")).to_have_count(len(TEXTS))
    for number, text in enumerate(SHOWN):
        found = page.evaluate(
            """(name) => {
                const box = document.querySelector(`.st-key-${name}`);
                const texts = [...box.querySelectorAll('[data-testid="stMarkdownContainer"], '
                    + '[data-testid="stCaptionContainer"], td')];
                return {
                    texts: texts.map((part) => part.textContent.replaceAll('\\u2060', '').trim()),
                    made: [...box.querySelectorAll('a:not([href^="#"]), img, code, em, del, .katex, blockquote, li, '
                        + '[role=figure], [type=checkbox], [class*=stMarkdownColored]')].map((part) => part.outerHTML),
                };
            }""",
            f"text-{number}",
        )
        whole = [part for part in found["texts"] if part == text]
        assert found["made"] == [], text
        # Markdown, caption, heading, metric, its label, two tables, label, button.
        assert len(whole) >= 9, (text, found["texts"])
        assert f"With it, '{text}' instead of '{text}'." in found["texts"]
        assert f"{text}: it cannot be read." in found["texts"]
    ticks = page.evaluate("[...document.querySelectorAll('.ytick text')].map((tick) => tick.textContent)")
    assert sorted(tick.strip() for tick in ticks) == sorted(printable(text) for text in TEXTS)
    assert page.locator("svg a, .main-svg tspan[style*=font]").count() == 0
    assert [url for url in requests if not url.startswith((markup_url, "blob:", "data:"))] == []
    page.context.close()
