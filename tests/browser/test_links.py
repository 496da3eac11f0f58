"""One address for everything, and photos that stay in the browser of the person whose they are; in a real Chromium."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image
from playwright.sync_api import expect

from pg_core import sample_path
from pg_core.datasets.folders import sample_title
from tests.browser.steps import choose, png, upload, wait_for_panels

pytestmark = pytest.mark.browser
PHOTO = png(Image.open(sample_path("coffee")).resize((300, 200)).rotate(90))
DROP = """([name, bytes, how]) => {
    const carried = new DataTransfer();
    carried.items.add(new File([Uint8Array.from(bytes)], name, { type: 'image/png' }));
    const target = document.querySelector('[data-testid=stMain]');
    target.dispatchEvent(how === 'drop'
        ? new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer: carried })
        : new ClipboardEvent('paste', { bubbles: true, cancelable: true, clipboardData: carried }));
}"""


def said(page):
    return {
        name: values[0] for name, values in parse_qs(urlsplit(page.evaluate("location.href")).query).items()
    }


def until(page, name, value):
    page.wait_for_function(
        "([name, value]) => new URLSearchParams(location.search).get(name) === value", arg=[name, value]
    )


def kept(page, count):
    page.wait_for_function(
        f"document.querySelector('.pg-album')?.pgComponent?.known.length === {count}", timeout=60_000
    )


def own(page):
    page.wait_for_function("new URLSearchParams(location.search).get('photo')?.length === 64")
    return said(page)["photo"]


def test_back_undoes_a_choice_or_a_change_of_page_and_forward_does_it_again(open_page):
    page = open_page(path="?network=cifar10")
    wait_for_panels(page)
    until(page, "photo", "chelsea")
    choose(page, "or a sample", sample_title("coffee"))
    until(page, "photo", "coffee")
    expect(page).to_have_title("Explore · coffee · PatchGuard Explorer")
    entries = page.evaluate("history.length")
    page.get_by_role("link", name="Debugger", exact=True).first.click()
    expect(page).to_have_title("Debugger · coffee · PatchGuard Explorer")
    assert page.evaluate("history.length") == entries + 1
    page.go_back()
    expect(page).to_have_title("Explore · coffee · PatchGuard Explorer")
    page.go_back()
    expect(page).to_have_title("Explore · chelsea · PatchGuard Explorer")
    expect(page.get_by_label("or a sample", exact=True).first).to_have_value(sample_title("chelsea"))
    page.go_forward()
    expect(page).to_have_title("Explore · coffee · PatchGuard Explorer")
    assert page.evaluate("history.length") == entries + 1


def test_a_step_of_an_algorithm_is_in_the_address_and_outlives_another_page(open_page):
    page = open_page(path="steps?network=cifar10&algorithm=certificate&step=3")
    expect(page.get_by_text(re.compile("Step 3 of"))).to_be_visible()
    page.get_by_role("button", name="Next ▶").click()
    until(page, "step", "4")
    page.get_by_role("link", name="Results", exact=True).first.click()
    expect(page).to_have_title(re.compile("^Results"))
    assert said(page)["step"] == "4"
    page.get_by_role("link", name="Steps", exact=True).first.click()
    expect(page.get_by_text(re.compile("Step 4 of"))).to_be_visible()


@pytest.mark.parametrize("how", ["drop", "paste"])
def test_a_photo_dropped_or_pasted_on_the_page_comes_back_after_a_reload_and_after_being_forgotten_does_not(
    open_page, how
):
    page = open_page(path="?network=cifar10")
    wait_for_panels(page)
    page.evaluate(DROP, ["mine.png", list(PHOTO), how])
    digest = own(page)
    kept(page, 1)
    page.reload()
    wait_for_panels(page)
    expect(page).to_have_title("Explore · mine.png · PatchGuard Explorer")
    assert said(page)["photo"] == digest
    choose(page, "or a sample", sample_title("coffee"))
    until(page, "photo", "coffee")
    page.get_by_role("button", name="Forget my photos").click()
    kept(page, 0)


def test_a_link_with_the_photo_shows_a_copy_and_says_so_and_one_without_shows_no_verdict(open_page, app_url):
    page = open_page(path="?network=cifar10")
    wait_for_panels(page)
    upload(page, "mine.png", PHOTO)
    own(page)
    wait_for_panels(page)
    page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    page.get_by_role("button", name="Share").click()
    expect(
        page.get_by_alt_text("0", exact=True).or_(page.get_by_text("The link, to be photographed")).first
    ).to_be_visible()
    page.get_by_role("button", name="Copy link", exact=True).click()
    page.wait_for_function("window.copied")
    plain = page.evaluate("window.copied")
    page.get_by_role("button", name="Copy link with the photo").click()
    page.wait_for_function("window.copied.includes('#photo=')")
    with_photo = page.evaluate("window.copied")

    other = open_page(path=with_photo.removeprefix(app_url).lstrip("/"))
    expect(other.get_by_text("This photo is a small copy out of a link")).to_be_visible()
    wait_for_panels(other)
    foreign = open_page(path=plain.removeprefix(app_url).lstrip("/"))
    expect(foreign.get_by_text("exists only on the sender's computer")).to_be_visible()
    assert foreign.locator(".pg-stage").count() == 0


def test_a_file_that_is_no_photo_is_named_for_what_it_is_until_the_next_good_one(open_page):
    page = open_page(path="?network=cifar10")
    wait_for_panels(page)
    upload(page, "drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    told = page.get_by_text("This is an SVG image")
    expect(told).to_be_visible()
    upload(page, "mine.png", PHOTO)
    expect(told).to_have_count(0)
    expect(page).to_have_title("Explore · mine.png · PatchGuard Explorer")
