"""Patches of a few pixels of the page in a real Chromium: taken at the middle they move, at the handle they resize."""

import re

import pytest
from PIL import Image
from playwright.sync_api import expect

from pg_core import sample_path
from tests.browser.steps import (
    choose_sample,
    of_stage,
    pixels,
    png,
    settle,
    typed_place,
    upload,
    wait_for_panels,
)

pytestmark = pytest.mark.browser
SIDES = {"0.3%": 25, "1%": 45, "2%": 64}
"""Of the patch, by its share of the image."""
STRIDE = 32
"""Of the network that the page opens with."""


def middle(page, selector):
    """The middle of an element, once it is in sight."""
    page.locator(".pg-patch").scroll_into_view_if_needed()
    box = page.locator(selector).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def with_fingers(page, *tracks, steps=10):
    """Put a finger at the start of each track, move all to the ends, and lift them."""
    touch = page.context.new_cdp_session(page)

    def fingers(share):
        return [
            {"x": x + share * across, "y": y + share * down, "id": index}
            for index, ((x, y), (across, down)) in enumerate(tracks)
        ]

    for down in range(1, len(tracks) + 1):
        points = fingers(0)[:down]
        touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": points})
    for step in range(1, steps + 1):
        touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": fingers(step / steps)})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def with_mouse(page, start, move):
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(start[0] + move[0], start[1] + move[1], steps=8)
    page.mouse.up()


def a_way(page, box, count):
    """So many pixels of the image across and down the page, away from the nearer edges of the photo."""
    width = pixels(page, count)
    return width if box[1] < 200 else -width, width if box[0] < 200 else -width


@pytest.mark.parametrize("share", SIDES)
@pytest.mark.parametrize("take", ["finger", "mouse"])
def test_a_patch_taken_at_its_middle_on_a_phone_moves_and_keeps_its_size(open_page, share, take):
    page = open_page(390, 844, path=f"?size={share}")
    wait_for_panels(page)
    before = of_stage(page, "box")
    across, down = a_way(page, before, 60)
    start = middle(page, ".pg-patch")
    if take == "finger":
        with_fingers(page, (start, (across, down)))
    else:
        with_mouse(page, start, (across, down))
    settle(page)
    moved = [before[0] + (60 if down > 0 else -60), before[1] + (60 if across > 0 else -60), *before[2:]]
    assert of_stage(page, "box") == pytest.approx(moved, abs=1)
    assert of_stage(page, "box")[2:] == before[2:]
    assert typed_place(page) == of_stage(page, "box")


@pytest.mark.parametrize("share", SIDES)
def test_the_handle_is_a_quarter_of_the_patch_at_most_or_outside_it_and_resizes_it(open_page, share):
    page = open_page(390, 844, path=f"?size={share}")
    wait_for_panels(page)
    grown = pixels(page, 40)
    x, y = middle(page, ".pg-handle")
    patch, handle = (page.locator(name).bounding_box() for name in (".pg-patch", ".pg-handle"))
    side = min(patch["width"], patch["height"])
    inside = patch["x"] < x < patch["x"] + patch["width"] and patch["y"] < y < patch["y"] + patch["height"]
    assert inside == (side / 4 >= 12)
    assert handle["width"] <= side / 4 if inside else handle["width"] >= 12
    before = of_stage(page, "box")
    at_the_right, below = x > patch["x"] + side / 2, y > patch["y"] + side / 2
    with_mouse(page, (x, y), (grown if at_the_right else -grown, grown if below else -grown))
    settle(page)
    box = of_stage(page, "box")
    assert box[2:] == pytest.approx([length + 40 for length in before[2:]], abs=1)
    # The opposite corner stays.
    for axis, grows_on in ((0, below), (1, at_the_right)):
        kept = 0 if grows_on else before[axis + 2]
        assert box[axis] + (0 if grows_on else box[axis + 2]) == before[axis] + kept


@pytest.mark.parametrize("corner", ["Home", "End"])
def test_a_small_patch_in_a_corner_of_the_photo_has_a_handle_that_can_be_taken(open_page, corner):
    page = open_page(390, 844, path="?size=0.3%25")
    wait_for_panels(page)
    page.locator(".pg-patch").focus()
    page.keyboard.press(corner)
    settle(page)
    # Not below the bar of pages, from where a finger would scroll it.
    page.locator(".pg-handle").evaluate("handle => handle.scrollIntoView({ block: 'center' })")
    x, y = middle(page, ".pg-handle")
    assert page.evaluate("([x, y]) => document.elementFromPoint(x, y).className", [x, y]) == "pg-handle"


def test_no_patch_is_made_smaller_than_a_stride_and_a_smaller_one_keeps_its_size(open_page):
    page = open_page(390, 844)
    wait_for_panels(page)
    x, y = middle(page, ".pg-handle")
    with_mouse(page, (x, y), (-200, -200))
    settle(page)
    assert of_stage(page, "box")[2:] == [STRIDE, STRIDE]
    place = of_stage(page, "box")
    page.locator(".pg-patch").focus()
    for _ in range(3):
        page.keyboard.press("-")
    settle(page)
    assert of_stage(page, "box") == place

    smaller = open_page(390, 844, path="?size=0.3%25")
    wait_for_panels(smaller)
    place = of_stage(smaller, "box")
    assert place[2] < STRIDE
    smaller.locator(".pg-patch").focus()
    smaller.keyboard.press("-")
    smaller.keyboard.press("ArrowLeft")
    assert of_stage(smaller, "box") == [place[0], place[1] - 1, *place[2:]]


@pytest.mark.parametrize("share", SIDES)
def test_two_fingers_resize_the_patch_about_its_middle(open_page, share):
    page = open_page(390, 844, path=f"?size={share}&patch=180,180,{SIDES[share]},{SIDES[share]}")
    wait_for_panels(page)
    before = of_stage(page, "box")
    x, y = middle(page, ".pg-patch")
    # The second finger comes down beside the patch, and goes twice as far away.
    with_fingers(page, ((x, y), (0, 0)), ((x + 60, y), (60, 0)))
    settle(page)
    height, width = before[2:]
    box = of_stage(page, "box")
    assert box[2:] == pytest.approx([2 * height, 2 * width], abs=2)
    # The patch went with the middle between the fingers.
    moved = 3000 / pixels(page, 100)
    middle_before, middle_now = before[1] + width / 2, box[1] + box[3] / 2
    assert middle_now - middle_before == pytest.approx(moved, abs=2)
    assert typed_place(page) == box


def test_a_patch_that_was_pressed_but_not_moved_lies_in_the_worst_window_of_the_next_photo(open_page):
    page = open_page()
    wait_for_panels(page)
    page.mouse.click(*middle(page, ".pg-patch"))
    page.locator(".pg-patch").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Escape")
    settle(page)
    choose_sample(page, "coffee")
    expect(page.get_by_text(re.compile("The window is at row")).first).to_contain_text(
        "at row {row}, column {column}.".format(**of_stage(page, "placement.window"))
    )
    assert "patch=" not in page.url


def test_after_five_photos_in_a_row_the_patch_is_where_it_is_by_itself(open_page):
    page = open_page()
    wait_for_panels(page)
    page.mouse.click(*middle(page, ".pg-patch"))
    photo = Image.open(sample_path("coffee"))
    for turn in range(5):
        upload(page, f"{turn}.png", png(photo.rotate(70 * turn)))
        page.wait_for_timeout(200 * turn)
    page.wait_for_url(re.compile("photo="))
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    settle(page)
    assert "patch=" not in page.url


def test_a_reset_forgets_the_place_that_the_stage_sent(open_page):
    page = open_page()
    wait_for_panels(page)
    page.locator(".pg-patch").focus()
    page.keyboard.press("Home")
    settle(page)
    page.wait_for_url(re.compile("patch=0%2C0"))
    page.get_by_role("button", name="Reset all settings").click()
    page.wait_for_function("!location.search.includes('patch=')")
    choose_sample(page, "coffee")
    assert "patch=" not in page.url
    assert of_stage(page, "box")[:2] != [0, 0]
