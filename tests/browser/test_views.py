"""What is seen of a photo, and a sticker of one's own: chosen with the mouse, a finger and keys, and there after a
reload; in a real Chromium."""

import re

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from pg_core import sample_path
from tests.browser.steps import choose, metric, png, upload, wait_for_panels
from tests.browser.test_links import kept, said, until

pytestmark = pytest.mark.browser
STICKERS = """async () => {
    const asked = indexedDB.open('patchguard-photos', 1);
    await new Promise((resolve) => { asked.onsuccess = resolve; });
    const all = asked.result.transaction('photos').objectStore('photos').getAll();
    await new Promise((resolve) => { all.onsuccess = resolve; });
    asked.result.close();
    return all.result.filter(({ sticker }) => sticker).length;
}"""


def wide_photo():
    """A cat on the left, a cup of espresso on the right."""
    photo = Image.new("RGB", (800, 200), "white")
    for name, left in (("chelsea", 0), ("coffee", 600)):
        photo.paste(Image.open(sample_path(name)).convert("RGB").resize((200, 200)), (left, 0))
    return png(photo)


def frame_of(page: Page):
    return page.locator(".pg-crop")


def drag_frame(page: Page, across: int) -> None:
    box = frame_of(page).bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + across, y, steps=6)
    page.mouse.up()


def test_the_verdict_follows_the_frame_on_a_wide_photo_and_a_reload_keeps_it(open_page):
    page = open_page(path="?network=tiles-coarse")
    wait_for_panels(page)
    upload(page, "wide.png", wide_photo())
    kept(page, 1)
    expect(page.get_by_text(re.compile("The network sees the middle 19 % of this photo"))).to_be_visible()
    drag_frame(page, -400)
    expect(metric(page, "Clean photo: defended")).to_have_text("cat")
    page.wait_for_function("/frame=\\d+%2C0(&|$)/.test(location.search)")
    drag_frame(page, 400)
    expect(metric(page, "Clean photo: defended")).to_have_text("espresso")
    page.wait_for_function("/frame=\\d+%2C625(&|$)/.test(location.search)")
    seen = said(page)["frame"]
    expect(page.get_by_text(re.compile("The network sees 19 % of this photo, from row"))).to_be_visible()
    page.reload()
    expect(metric(page, "Clean photo: defended")).to_have_text("espresso")
    until(page, "frame", seen)
    frame_of(page).focus()
    page.keyboard.press("Home")
    until(page, "frame", "0,0")
    expect(metric(page, "Clean photo: defended")).to_have_text("cat")
    page.keyboard.press("Shift+ArrowRight")
    until(page, "frame", "0,64")  # an arrow is a hundredth of the photo
    page.keyboard.press("+")
    expect(frame_of(page)).to_have_attribute("aria-label", re.compile("175 by 175 pixels of the photo"))


def test_a_finger_moves_the_frame_on_a_phone(open_page):
    page = open_page(width=390, height=844, path="?network=tiles-coarse&photo=chelsea")
    wait_for_panels(page)
    page.get_by_test_id("stExpandSidebarButton").click()
    frame_of(page).scroll_into_view_if_needed()
    page.wait_for_timeout(500)  # the sidebar slides in
    box = frame_of(page).bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    finger = page.context.new_cdp_session(page)
    for kind, at in (("touchStart", x), ("touchMove", x + 20), ("touchMove", x + 200), ("touchEnd", None)):
        points = [] if at is None else [{"x": at, "y": y}]
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    page.wait_for_function("/frame=\\d+%2C188(&|$)/.test(location.search)")


def test_a_padded_photo_is_seen_whole_between_bars_on_which_the_patch_may_lie(open_page):
    page = open_page(path="?network=tiles-coarse&photo=chelsea")
    wait_for_panels(page)
    before = metric(page, "Smallest margin").inner_text()
    page.get_by_text("Pad", exact=True).click()
    until(page, "frame", "pad")
    expect(
        page.get_by_text(re.compile("all of this photo .* between grey bars: they fill 33 %"))
    ).to_be_visible()
    expect(metric(page, "Smallest margin")).not_to_have_text(before)
    expect(frame_of(page)).to_have_count(0)
    page.get_by_label("Top (px)", exact=True).fill("0")
    page.keyboard.press("Enter")
    expect(page.get_by_text(re.compile("Patch of 64x64 pixels at row 0,"))).to_be_visible()
    page.go_back()
    page.go_back()
    expect(frame_of(page)).to_be_visible()
    expect(metric(page, "Smallest margin")).to_have_text(before)


def test_a_sticker_of_ones_own_is_there_after_a_reload_and_missed_in_another_browser(open_page, app_url):
    page = open_page(path="?network=cifar10&photo=coffee")
    wait_for_panels(page)
    choose(page, "Contents", "sticker")
    choose(page, "Cut out of", "your own picture")
    expect(page.get_by_text("Until a picture is uploaded")).to_be_visible()
    upload(page, "mine.png", png(Image.open(sample_path("rocket")).resize((320, 213))), nth=1)
    page.wait_for_function("/contents=sticker%3A[0-9a-f]{64}/.test(location.search)")
    contents = said(page)["contents"]
    page.wait_for_function(f"async () => await ({STICKERS})() === 1")
    page.reload()
    wait_for_panels(page)
    expect(page.locator(".pg-source img")).to_be_visible()
    assert said(page)["contents"] == contents
    expect(page).to_have_title("Explore · coffee · PatchGuard Explorer")

    other = open_page(path=page.url.removeprefix(app_url).lstrip("/"))
    expect(other.get_by_text("exists only on the sender's computer")).to_be_visible()
    wait_for_panels(other)
    assert said(other)["contents"] == contents
