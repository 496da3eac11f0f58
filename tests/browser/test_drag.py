"""The patch in a person's hand: dragged, resized and nudged in a real Chromium, and what Python says of it then."""

import re

import pytest
from PIL import Image
from playwright.sync_api import expect

from pg_core import Patch, RobustMasking, analyse, extract, load_model, sample_path
from tests.browser.steps import (
    STAGE,
    at_panel,
    by,
    choose,
    choose_sample,
    drag,
    in_the_patch,
    metric,
    of_stage,
    settle,
    typed_place,
    verdict,
    wait_for_panels,
)

pytestmark = pytest.mark.browser
START = [159, 127, 64, 64]
"""In the worst window of the first photo."""


def test_a_drag_by_mouse_moves_the_patch_and_python_says_the_same_of_it(open_page):
    page = open_page()
    wait_for_panels(page)
    page.evaluate("document.querySelector('.pg-plot').marked = true")
    drag(page, 65, -40)
    settle(page)
    place = [224, 87, 64, 64]
    assert of_stage(page, "box") == place
    assert typed_place(page) == place
    expect(page.get_by_text("Patch of 64x64 pixels at row 224, column 87.")).to_be_visible()

    model = load_model("tiles", "cpu")
    defence = RobustMasking(model.receptive_field.window_size((64, 64)), evidence=model.evidence)
    told = analyse(sample_path("chelsea"), model, defence)
    placements, known = told.placements((64, 64)), of_stage(page, "placement")
    assert known["margin"] == pytest.approx(placements.margin_map[224, 87], abs=1e-4)
    assert known["finding"] == placements.finding_map[224, 87]
    position = told.position(Patch(*place))
    assert known["window"] == {"row": position.top, "column": position.left}
    expect(page.get_by_label("Row (cells)", exact=True)).to_have_value(str(position.top))
    # What Plotly draws in the end is drawn where it was: the panels were not made anew.
    assert page.evaluate("document.querySelector('.pg-plot').marked")


def test_what_the_browser_knows_of_a_placement_is_what_the_library_proves(open_page):
    page = open_page()
    wait_for_panels(page)
    choose_sample(page, "coffee")
    model = load_model("tiles", "cpu")
    defence = RobustMasking(model.receptive_field.window_size((64, 64)), evidence=model.evidence)
    told = analyse(sample_path("coffee"), model, defence)
    placements = told.placements((64, 64))
    places = [(row, column) for row in (*range(0, 385, 29), 384) for column in (*range(0, 385, 31), 384)]
    known = page.evaluate(f"(places) => places.map((place) => {STAGE}.known([...place, 64, 64]))", places)
    assert {entry["finding"] for entry in known} >= {"certified", "not certified"}
    for place, entry in zip(places, known, strict=True):
        assert entry["finding"] == placements.finding_map[place]
        assert entry["margin"] == pytest.approx(placements.margin_map[place], abs=1e-4)
        footprint = told.footprint(Patch(*place, 64, 64))
        assert entry["footprint"] == [footprint.top, footprint.left, footprint.height, footprint.width]
        index = placements.footprints.row_of[place[0]], placements.footprints.column_of[place[1]]
        assert entry["rival"] == told.classes[placements.rival[index]]


def test_while_the_patch_is_held_its_placement_is_known_and_the_last_answer_is_marked_as_such(open_page):
    page = open_page()
    wait_for_panels(page)
    x, y = in_the_patch(page)
    across, down = by(page, 50, 50)
    page.mouse.move(x, y)
    page.mouse.down()
    # In one task, so that no answer of Python comes in between.
    said = page.evaluate(
        """async ([x, y]) => {
            const moved = { clientX: x, clientY: y, pointerId: 1, bubbles: true };
            document.querySelector('.pg-patch').dispatchEvent(new PointerEvent('pointermove', moved));
            await new Promise(requestAnimationFrame);
            return [document.querySelector('.pg-readout').innerText, document.querySelector('.pg-is-moving') !== null];
        }""",
        [x + across, y + down],
    )
    assert said[1]
    assert "64x64 pixels at row 209, column 177" in said[0]
    assert re.search(r"Certificate at this patch position\s+✔ certified, margin \+[\d.]+ against", said[0])
    assert re.search(r"Last prediction\s+for row 159, column 127:", said[0])
    # The answer for the place comes although the hand does not let go.
    expect(page.locator(".pg-readout")).to_contain_text("Prediction on the patched image")
    # What is below the stage is of the place that it names, until the patch rests.
    expect(page.get_by_text("Patch of 64x64 pixels at row 159, column 127.")).to_be_visible()
    page.mouse.up()
    settle(page)
    expect(page.get_by_text("Patch of 64x64 pixels at row 209, column 177.")).to_be_visible()


def test_a_finger_drags_the_patch_and_the_page_stays_where_it_is(open_page):
    page = open_page(390, 844)
    wait_for_panels(page)
    x, y = in_the_patch(page)
    across, down = by(page, 90, 30)
    scrolled = "document.querySelector('[data-testid=stMain]').scrollTop"
    before = page.evaluate(scrolled)
    touch = page.context.new_cdp_session(page)
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for step in range(1, 11):
        point = {"x": x + across * step / 10, "y": y + down * step / 10}
        touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    settle(page)
    assert of_stage(page, "box") == pytest.approx([249, 157, 64, 64], abs=1)
    assert typed_place(page) == of_stage(page, "box")
    assert page.evaluate(scrolled) == before


def test_keys_move_and_resize_the_patch_and_the_place_is_spoken(open_page):
    page = open_page()
    wait_for_panels(page)
    page.locator(".pg-patch").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "Shift+ArrowDown", "Shift+ArrowLeft"):
        page.keyboard.press(key)
    assert of_stage(page, "box") == [168, 121, 64, 64]
    settle(page)
    assert typed_place(page) == [168, 121, 64, 64]
    said = (
        r"Patch of 64 by 64 pixels at row 168, column 121: prediction cat, certified, margin \+[\d.]+ against"
    )
    expect(page.locator(".pg-live")).to_contain_text(re.compile(said))
    page.keyboard.press("Home")
    assert of_stage(page, "box") == [0, 0, 64, 64]
    page.keyboard.press("End")
    assert of_stage(page, "box") == [384, 384, 64, 64]
    for key in ("ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    assert of_stage(page, "box") == [384, 384, 64, 64]
    page.keyboard.press("-")
    assert of_stage(page, "box") == [385, 385, 62, 62]
    settle(page)
    assert typed_place(page) == [385, 385, 62, 62]


def test_escape_takes_a_drag_back(open_page):
    page = open_page()
    wait_for_panels(page)
    x, y = in_the_patch(page)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y + 30, steps=5)
    assert of_stage(page, "box") != START
    page.keyboard.press("Escape")
    page.mouse.move(x + 90, y + 50, steps=3)
    page.mouse.up()
    settle(page)
    assert of_stage(page, "box") == typed_place(page) == START


def test_the_corner_and_the_wheel_resize_the_patch_and_what_is_larger_than_certified_is_called_so(open_page):
    page = open_page()
    wait_for_panels(page)
    page.locator(".pg-plot").scroll_into_view_if_needed()
    corner = page.locator(".pg-handle").bounding_box()
    x, y = corner["x"] + corner["width"] / 2, corner["y"] + corner["height"] / 2
    across, down = by(page, -24, -16)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + across, y + down, steps=8)
    page.mouse.up()
    settle(page)
    assert of_stage(page, "box") == typed_place(page) == [159, 127, 40, 48]
    # The placements of a patch of this size have bounds of their own.
    assert of_stage(page, "placement.finding") == "certified"
    expect(page.locator(".pg-readout")).not_to_contain_text("Outside the threat model")
    page.mouse.move(*in_the_patch(page))
    for _ in range(14):
        page.mouse.wheel(0, -100)
    page.wait_for_function(f"{STAGE}.box[2] === 68")
    settle(page)
    assert of_stage(page, "box") == typed_place(page) == [145, 113, 68, 76]
    expect(page.locator(".pg-readout")).to_contain_text(
        "Outside the threat model: larger than the certified 64x64"
    )


def test_a_page_that_is_scrolled_under_the_pointer_leaves_the_patch_alone(open_page):
    page = open_page(1280, 720)
    wait_for_panels(page)
    page.mouse.move(*in_the_patch(page))
    page.mouse.wheel(0, 120)
    page.wait_for_function("document.querySelector('[data-testid=stMain]').scrollTop > 0")
    assert of_stage(page, "box") == START


def test_the_patch_stays_where_it_is_when_the_photo_is_changed(open_page):
    page = open_page()
    wait_for_panels(page)
    drag(page, -50, 20)
    settle(page)
    choose_sample(page, "coffee")
    assert of_stage(page, "box") == typed_place(page) == [109, 147, 64, 64]
    page.get_by_label("Top (px)", exact=True).fill("7")
    page.keyboard.press("Enter")
    page.wait_for_function(f"{STAGE}.box[0] === 7")


def test_a_patch_that_nobody_has_moved_lies_in_the_worst_window_of_each_photo(open_page):
    page = open_page()
    wait_for_panels(page)
    first = of_stage(page, "placement.window")
    choose_sample(page, "coffee")
    expect(page.get_by_text(re.compile("The window is at row")).first).to_contain_text(
        "at row {row}, column {column}.".format(**of_stage(page, "placement.window"))
    )
    assert of_stage(page, "placement.window") != first


def test_a_picked_window_holds_until_the_patch_is_moved(open_page):
    page = open_page()
    wait_for_panels(page)
    page.mouse.move(*at_panel(page, 4, 0, 5))
    page.mouse.click(*at_panel(page, 4, 0, 5))
    expect(page.get_by_label("Column (cells)", exact=True)).to_have_value("5")
    assert of_stage(page, "box") == START
    page.locator(".pg-patch").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_label("Column (cells)", exact=True)).to_have_value("0")


def test_a_sticker_is_cut_by_dragging_a_box_on_another_photo(open_page):
    page = open_page()
    wait_for_panels(page)
    choose(page, "Contents", "sticker")
    page.wait_for_function("document.querySelector('.pg-source img')?.complete")
    page.wait_for_url("**contents=sticker%3Acoffee**")
    page.locator(".pg-source").scroll_into_view_if_needed()
    box = page.locator(".pg-source img").bounding_box()
    before = of_stage(page, "draws")
    scale = 600 / box["width"]
    x, y = box["x"] + 20 / scale, box["y"] + 10 / scale
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 200 / scale, y + 100 / scale, steps=6)
    page.mouse.up()
    page.wait_for_function(f"{STAGE}.draws > {before}")
    page.wait_for_url(
        re.compile(r"contents=sticker%3Acoffee%3A(9|10|11)%2C(19|20|21)%2C(99|100|101)%2C(199|200|201)")
    )
    # The patch shows the middle of what was cut out, at the middle of the patch.
    shown = page.evaluate(
        """async () => {
            const picture = new Image();
            picture.src = document.querySelector('.pg-patch').style.backgroundImage.slice(5, -2);
            await picture.decode();
            const canvas = Object.assign(document.createElement('canvas'), { width: 64, height: 64 });
            const context = canvas.getContext('2d');
            context.drawImage(picture, 0, 0);
            return [picture.width, picture.height, ...context.getImageData(32, 32, 1, 1).data.slice(0, 3)];
        }"""
    )
    cut = Image.open(sample_path("coffee")).convert("RGB").crop((20, 10, 220, 110)).resize((64, 64))
    assert shown[:2] == [64, 64]
    assert shown[2:] == pytest.approx(cut.getpixel((32, 32)), abs=12)
    # The box there is taken and moved by keys, too.
    page.locator(".pg-cut").focus()
    page.keyboard.press("Shift+ArrowDown")
    page.wait_for_url(re.compile(r"contents=sticker%3Acoffee%3A(17|18|19)%2C"))


def test_the_handle_on_the_photo_shows_it_without_the_patch_up_to_its_line(open_page):
    page = open_page()
    wait_for_panels(page)
    expect(page.locator(".pg-before").first).to_be_hidden()
    handle = page.get_by_role("slider", name="How much of the photo is shown without the patch")
    expect(page.get_by_text("Clean photo", exact=True)).to_be_hidden()
    handle.scroll_into_view_if_needed()
    place = handle.bounding_box()
    page.mouse.move(place["x"] + 12, place["y"] + 12)
    page.mouse.down()
    page.mouse.move(at_panel(page, 1, 0, 224)[0], place["y"] + 12, steps=5)
    page.mouse.up()
    assert of_stage(page, "box") == START
    assert 49 <= int(handle.get_attribute("aria-valuenow")) <= 51
    expect(page.locator(".pg-tag")).to_have_text(["Clean photo", "Patched photo"])
    page.keyboard.press("End")
    expect(page.locator(".pg-before").first).to_be_visible()
    for layer in page.locator(".pg-before").all():
        assert layer.evaluate("(layer) => layer.style.clipPath") == "inset(0px 0% 0px 0px)"
    # Below it everything is covered, and is what the photo has without the patch.
    clean = page.evaluate(f"[...{STAGE}.clean[1]]")
    model = load_model("tiles", "cpu")
    features = extract(sample_path("chelsea"), model)
    label = features.classes.index("cat")
    assert clean == pytest.approx(features.local_logits[label].reshape(-1).tolist(), abs=1e-4)
    page.keyboard.press("Home")
    expect(page.locator(".pg-before").first).to_be_hidden()


def test_the_stage_fills_the_screen_and_comes_back(open_page):
    page = open_page(1280, 720)
    wait_for_panels(page)
    before = of_stage(page, "draws")
    page.get_by_role("button", name="Full screen").click()
    page.wait_for_function(f"document.fullscreenElement !== null && {STAGE}.draws > {before}")
    # The headline, and the samples in the sidebar, fill the screen with it.
    expect(verdict(page)).to_be_in_viewport()
    expect(page.get_by_label("or a sample", exact=True)).to_be_in_viewport()
    for bar in page.locator(".pg-plot .colorbar").all():
        expect(bar).to_be_in_viewport(ratio=1)
    drag(page, 20, 30)
    settle(page)
    assert of_stage(page, "box") == [179, 157, 64, 64]
    page.get_by_role("button", name="Leave full screen").click()
    page.wait_for_function("document.fullscreenElement === null")


def test_a_reload_and_the_link_in_another_browser_bring_the_place_back(open_page):
    page = open_page()
    wait_for_panels(page)
    drag(page, 100, 55)
    settle(page)
    page.mouse.click(*at_panel(page, 4, 5, 4))
    page.wait_for_url("**window=5%2C4**")
    page.reload()
    other = open_page(path=page.url.rsplit("/", 1)[1])
    for opened in (page, other):
        wait_for_panels(opened)
        settle(opened)
        assert of_stage(opened, "box") == typed_place(opened) == [259, 182, 64, 64]
        expect(opened.get_by_label("Row (cells)", exact=True)).to_have_value("5")
        expect(opened.get_by_label("Column (cells)", exact=True)).to_have_value("4")


def test_a_drag_while_the_connection_is_lost_is_told_when_it_is_back(open_page):
    page = open_page()
    wait_for_panels(page)
    page.context.set_offline(True)
    drag(page, 30, 30)
    page.wait_for_timeout(1000)
    assert of_stage(page, "box") == [189, 157, 64, 64]
    assert of_stage(page, "placement.finding") == "certified"
    page.context.set_offline(False)
    settle(page)
    assert typed_place(page) == [189, 157, 64, 64]


def test_two_people_drag_their_own_patches_at_once(open_page):
    first, second = open_page(), open_page()
    wait_for_panels(first)
    wait_for_panels(second)
    drag(first, 40, 0)
    drag(second, 0, -40)
    for page, place in ((first, [199, 127, 64, 64]), (second, [159, 87, 64, 64])):
        settle(page)
        assert of_stage(page, "box") == typed_place(page) == place
        assert metric(page, "Patched photo: defended").inner_text() == "cat"
