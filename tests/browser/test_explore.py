"""The page in a real Chromium: a photo in, a verdict out, linked panels, and a click on the margin map."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import plotly
import pytest
from PIL import Image
from playwright.sync_api import expect

from app.components.component import PLOTLY_URL
from pg_core import sample_path
from pg_core.datasets.folders import sample_title
from tests.browser.conftest import ROOT
from tests.browser.steps import (
    STAGE,
    at_panel,
    choose,
    drawn,
    metric,
    png,
    settle,
    upload,
    verdict,
    wait_for_panels,
)

pytestmark = pytest.mark.browser


def test_plotly_js_is_that_of_the_installed_package_and_no_file_is_made_for_it(open_page, app_url):
    page = open_page()
    page.wait_for_function("() => window.Plotly !== undefined", timeout=240_000)
    reply = page.request.get(f"{app_url}/{PLOTLY_URL}")
    assert reply.headers["cache-control"] == "public"
    assert reply.body() == (Path(plotly.__file__).parent / "package_data" / "plotly.min.js").read_bytes()
    assert not (ROOT / "app" / "static").exists()


def test_the_page_opens_on_a_certified_cat(open_page):
    page = open_page()
    wait_for_panels(page)
    expect(verdict(page)).to_contain_text(
        "Certified. No 64x64-pixel patch anywhere on the 448x448 image the network sees can change 'cat'."
    )
    expect(metric(page, "Clean photo: defended")).to_have_text("cat")
    expect(metric(page, "Windows proved")).to_have_text("36 of 36")


def test_an_uploaded_photo_gets_the_same_numbers_as_the_command_line(open_page, tmp_path):
    file = tmp_path / "mirrored.png"
    photo = Image.open(sample_path("coffee")).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    file.write_bytes(png(photo))
    command = [sys.executable, "-m", "pg_core", "certify", str(file), "--patch-size", "2%", "--json"]
    told = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)

    page = open_page()
    wait_for_panels(page)
    upload(page, file.name, file.read_bytes())
    expect(verdict(page)).to_contain_text(told["statement"])
    expect(metric(page, "Clean photo: undefended")).to_have_text(told["undefended_prediction"])
    expect(metric(page, "Clean photo: defended")).to_have_text(told["prediction"])
    expect(metric(page, "Windows proved")).to_have_text(f"{told['windows_proved']} of {told['windows']}")
    expect(metric(page, "Smallest margin")).to_have_text(f"{told['smallest_margin']:+.3f}")


def test_a_click_on_the_margin_map_makes_that_window_the_malicious_one(open_page):
    page = open_page()
    wait_for_panels(page)
    before = drawn(page)
    page.mouse.move(*at_panel(page, 4, 3, 2))
    page.mouse.click(*at_panel(page, 4, 3, 2))
    expect(page.get_by_label("Row (cells)", exact=True)).to_have_value("3")
    expect(page.get_by_label("Column (cells)", exact=True)).to_have_value("2")
    page.wait_for_function(f"document.querySelector('.pg-stage').pgComponent.draws > {before}")
    shapes = page.evaluate("document.querySelector('.pg-plot').layout.shapes")
    current = next(shape for shape in shapes if shape["name"] == "current")
    assert (current["y0"], current["x0"]) == (2.5, 1.5)
    # Stride 32, receptive field 128: cell 3 has its middle at pixel 160 and begins at 144.
    for shape in (shape for shape in shapes if shape["name"] == "malicious"):
        assert (shape["y0"], shape["x0"]) == (144, 112)
        assert (shape["y1"] - shape["y0"], shape["x1"] - shape["x0"]) == (192, 192)
    margin = page.evaluate("document.querySelector('.pg-plot')._fullData[3]._z?.[3]?.[2]") or page.evaluate(
        "document.querySelector('.pg-plot').calcdata[3][0].z[3][2]"
    )
    table = page.locator("table", has_text="margin").inner_text()
    assert f"{margin:.4f}" in table


def test_the_pointed_at_cell_is_marked_in_every_panel(open_page):
    page = open_page()
    wait_for_panels(page)
    page.mouse.move(*at_panel(page, 2, 32 * 5 + 64, 32 * 7 + 64))
    expect(page.locator(".pg-cell")).to_have_count(3)
    expect(page.locator(".pg-field")).to_have_count(1)
    expect(page.locator(".pg-windows[data-panel='4']")).to_have_count(1)
    assert page.evaluate("document.querySelector('.pg-stage').pgComponent.hovered") == {
        "kind": "cell",
        "row": 5,
        "column": 7,
    }
    expect(page.locator(".pg-plot .hoverlayer")).to_contain_text("row 5, column 7")
    page.mouse.move(*at_panel(page, 4, 1, 4))
    expect(page.locator(".pg-windows")).to_have_count(3)
    expect(page.locator(".pg-plot .hoverlayer")).to_contain_text("window at row 1, column 4: certified")


def test_arrow_keys_choose_a_window_and_the_choice_is_spoken(open_page):
    page = open_page()
    wait_for_panels(page)
    page.mouse.click(*at_panel(page, 4, 2, 2))
    expect(page.get_by_label("Row (cells)", exact=True)).to_have_value("2")
    page.locator(".pg-stage").focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    expect(page.locator(".pg-live")).to_contain_text("Malicious window at row 4, column 3: margin")
    expect(page.get_by_label("Row (cells)", exact=True)).to_have_value("4")


def test_a_failing_photo_names_its_worst_window_and_crosses_out_the_failing_ones(open_page):
    page = open_page()
    wait_for_panels(page)
    choose(page, "or a sample", sample_title("coffee"))
    expect(verdict(page)).to_contain_text("windows are not certified. Smallest margin")
    expect(verdict(page)).to_contain_text(re.compile(r"'.+' could overtake 'espresso'"))
    proved, count = (int(number) for number in metric(page, "Windows proved").inner_text().split(" of "))
    page.wait_for_function(
        "document.querySelector('.pg-plot')._fullData.find((trace) => trace.name === 'not certified')"
        f"._length === {count - proved}"
    )


def test_an_upload_over_an_upload_moves_patch_and_window_by_themselves(open_page):
    """The uploader is empty while one file replaces another, and the browser holds the fields of the one before."""
    page = open_page()
    wait_for_panels(page)
    for turns in range(5):
        before, photo = drawn(page), Image.open(sample_path("coffee" if turns % 2 else "rocket"))
        upload(page, f"turned-{turns}.png", png(photo.rotate(90 * turns)))
        expect(page.get_by_text(f"turned-{turns}.png", exact=True).filter(visible=True)).to_be_visible()
        page.wait_for_function(f"{STAGE}.draws > {before}")
    expect(metric(page, "Clean photo: undefended")).not_to_have_text("cat")
    page.wait_for_function("location.search.includes('photo=') && !location.search.includes('photo=chelsea')")
    page.wait_for_timeout(1500)
    address = page.evaluate("location.search")
    assert "patch=" not in address
    assert "window=" not in address


def test_bad_files_are_refused_in_a_sentence_and_nothing_else_is_lost(open_page, tmp_path):
    page = open_page()
    wait_for_panels(page)
    upload(page, "good.png", png(Image.open(sample_path("coffee"))))
    expect(verdict(page)).to_contain_text("espresso")
    for name, data, sentence in (
        (
            "words.png",
            b"not an image at all",
            "This is text, not an image; JPEG, PNG, WebP, AVIF and HEIC are read",
        ),
        ("speck.png", png(Image.new("RGB", (1, 1))), "The image has 1x1 pixels"),
        ("strip.png", png(Image.new("RGB", (30000, 10))), "The image has 30000x10 pixels"),
    ):
        upload(page, name, data)
        expect(page.get_by_text(f"{name}: {sentence}")).to_be_visible()
        expect(verdict(page)).to_contain_text("espresso")
    huge = tmp_path / "huge.png"
    with huge.open("wb") as file:
        file.truncate(200 * 2**20)
    page.locator("input[type=file]").first.set_input_files(huge)
    expect(page.get_by_text("File must be 20.0MB or smaller.")).to_be_visible()
    expect(verdict(page)).to_contain_text("espresso")


def test_a_file_that_is_lost_on_its_way_is_handed_over_again(open_page):
    page = open_page()
    wait_for_panels(page)
    lose = "document.body.addEventListener('change', (event) => event.stopPropagation(), {capture: true, once: true})"
    page.evaluate(lose)
    upload(page, "lost.png", png(Image.open(sample_path("coffee"))))
    expect(verdict(page)).to_contain_text("espresso")
    choose(page, "Contents", "sticker")
    choose(page, "Cut out of", "your own picture")
    expect(page.get_by_text("Until a picture is uploaded")).to_be_visible()
    page.evaluate(lose)
    page.evaluate("window.given = 0, document.addEventListener('change', () => window.given += 1, true)")
    upload(page, "sticker.png", png(Image.open(sample_path("rocket"))), nth=1)
    expect(page.get_by_text("Until a picture is uploaded")).to_have_count(0)
    for nth in (1, 0):
        upload(page, f"{nth}.png", png(Image.open(sample_path("chelsea")).rotate(90)), nth)
        expect(page.get_by_text(f"{nth}.png").filter(visible=True).first).to_be_visible()
    page.wait_for_timeout(12_000)
    assert (
        page.evaluate("window.given") == 4
    )  # two by the test and one for the lost; what was taken is given once


def test_a_simulated_patch_changes_the_undefended_answer_and_not_the_defended_one(open_page):
    page = open_page()
    wait_for_panels(page)
    expect(page.get_by_text("Patch of 64x64 pixels at row 159, column 127.")).to_be_visible()
    expect(page.get_by_text("6x6 local logits see it")).to_be_visible()
    choose(page, "Contents", "checkerboard")
    expect(page.get_by_role("heading", name="Patched photo: class scores")).to_be_visible()
    expect(metric(page, "Patched photo: defended")).to_have_text("cat")
    choose(page, "Contents", "sticker")
    choose(page, "Cut out of", "your own picture")
    expect(page.get_by_text("Until a picture is uploaded")).to_be_visible()
    upload(page, "sticker.png", png(Image.open(sample_path("rocket"))), nth=1)
    expect(page.get_by_text("Until a picture is uploaded")).to_have_count(0)
    expect(metric(page, "Patched photo: defended")).to_have_text("cat")


def test_two_people_at_once_get_their_own_results(open_page):
    first, second = open_page(), open_page()
    wait_for_panels(first)
    wait_for_panels(second)
    values = np.random.default_rng(0).integers(0, 255, (300, 300, 3), np.uint8)
    # Both photos are new, so that both sessions need the one network at the same time.
    upload(first, "secret.png", png(Image.fromarray(values)))
    upload(
        second, "mirrored.png", png(Image.open(sample_path("coffee")).transpose(Image.Transpose.ROTATE_180))
    )
    expect(verdict(first)).not_to_contain_text("'cat'")
    expect(verdict(second)).not_to_contain_text("'cat'")
    expect(metric(second, "Clean photo: undefended")).to_have_text("espresso")
    expect(metric(first, "Clean photo: undefended")).not_to_have_text("espresso")
    expect(first.get_by_text("secret.png", exact=True).filter(visible=True)).to_be_visible()
    assert "secret" not in second.content()
    assert "mirrored" not in first.content()


def test_the_page_asks_no_other_host_for_anything(open_page, app_url):
    page = open_page()
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    page.reload()
    wait_for_panels(page)
    page.get_by_role("link", name="Networks").click()
    expect(page.get_by_role("heading", name="Networks")).to_be_visible()
    assert requests
    assert [url for url in requests if not url.startswith((app_url, "blob:", "data:"))] == []


def test_choices_survive_a_look_at_the_other_page(open_page):
    page = open_page()
    wait_for_panels(page)
    choose(page, "or a sample", sample_title("coffee"))
    expect(verdict(page)).to_contain_text("espresso")
    page.get_by_role("link", name="Networks").click()
    expect(page.get_by_role("heading", name="Networks", exact=True)).to_be_visible()
    page.get_by_role("link", name="Explore").click()
    wait_for_panels(page)
    expect(verdict(page)).to_contain_text("espresso")


@pytest.mark.parametrize("size", [(1280, 900), (1280, 720), (1440, 1010), (700, 900), (390, 844)])
def test_the_words_of_the_stage_cover_nothing_that_follows(open_page, size):
    page = open_page(*size, path="?photo=flower&network=tiles&size=2%25&patch=191,191,64,64")
    wait_for_panels(page)
    settle(page)
    found = page.evaluate(
        """() => {
            const words = document.querySelector('.pg-readout'), range = document.createRange();
            range.selectNodeContents(words);
            const text = range.getBoundingClientRect();
            const others = ['.pg-plot .infolayer .annotation text', '.pg-plot .colorbar', '.pg-compare', '.pg-frame'];
            return {
                bottom: text.bottom,
                stage: document.querySelector('.pg-stage').getBoundingClientRect().bottom,
                covered: others.flatMap((name) => [...document.querySelectorAll(name)])
                    .map((element) => [element.getBoundingClientRect(), element])
                    .filter(([box]) => box.left < text.right && text.left < box.right
                        && box.top < text.bottom && text.top < box.bottom)
                    .map(([, element]) => element.textContent || element.className),
            };
        }"""
    )
    assert found["covered"] == []
    assert found["bottom"] <= found["stage"] + 1


def test_the_panels_stack_on_a_phone(open_page):
    page = open_page(390, 844)
    wait_for_panels(page)
    tops = page.evaluate(
        "['', 2, 3, 4].map((n) => document.querySelector('.pg-plot')._fullLayout['yaxis' + n]._offset)"
    )
    photo, logits, evidence, margins = tops
    # The photo, under it the margins beside the evidence, which change with the patch, and the logits last.
    assert photo < evidence == margins < logits
