"""axe-core finds nothing on any page, in either theme, but for what Streamlit's own uploader is made of."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.steps import verdict, wait_for_panels

PAGES = (
    "debugger",
    "figure5",
    "steps",
    "story",
    "story?step=6",
    "placements",
    "attack",
    "compare",
    "quiz",
    "museum",
    "check",
    "networks",
    "results",
    "atlas",
    "about",
    "",
)
OF_STREAMLIT = {("presentation-role-conflict", "stFileUploaderDropzone")}
"""Rule, and test id of the element: <section role="presentation" aria-label=...>, which no page of ours makes."""


QUIET = """() => {
    const still = document.querySelector('[data-testid="stApp"][data-test-script-state="notRunning"]')
        && !document.querySelector('[data-testid="stMain"] [data-stale="true"]')
        && !document.getAnimations().some((one) => one instanceof CSSTransition && one.playState === 'running');
    window.still = still ? window.still ?? performance.now() : undefined;
    return performance.now() - window.still > 1000;
}"""
"""Nothing has run for a second: what a component says at first makes a page run again, and what is stale fades."""


def violations(page):
    """Rule, words of the rule and element, of each thing that axe-core finds."""
    found = []
    for rule in Axe().run(page).response["violations"]:
        for node in rule["nodes"]:
            if not any(rule["id"] == known and own in node["html"] for known, own in OF_STREAMLIT):
                found.append((rule["id"], rule["help"], node["html"][:200], node["failureSummary"][:200]))
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_on_any_page_is_out_of_reach(open_page, scheme):
    page = open_page(1280, 900)
    page.emulate_media(color_scheme=scheme)
    wait_for_panels(page)
    wrong = {}
    for name in PAGES:
        page.goto(f"{page.url.split('?')[0].rsplit('/', 1)[0]}/{name}")
        page.wait_for_selector('[data-testid="stMain"] :is(h2, [data-testid="stMetric"])', timeout=120_000)
        page.get_by_role("button", name="Reset all settings").wait_for()
        page.wait_for_function(QUIET, timeout=120_000)
        found = violations(page)
        if found:
            wrong[name] = found
    assert wrong == {}


def test_two_keys_lead_from_the_address_bar_to_the_verdict(open_page):
    page = open_page()
    wait_for_panels(page)
    page.keyboard.press("Tab")
    link = page.get_by_role("link", name="Skip to main content")
    expect(link).to_be_focused()
    expect(link).to_be_in_viewport()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.dataset.testid") == "stMain"
    expect(verdict(page)).to_be_in_viewport()
