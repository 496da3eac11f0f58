"""Uploads as people have them: what the uploader takes, what is said of the part seen, and errors that go away."""

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from pg_core.photos.framing import frame
from tests.app.test_page import PATIENCE, metric, png
from tests.pg_core.photos.test_formats import heic, written

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of streamlit's own dependencies


@pytest.fixture
def page():
    app = AppTest.from_file("../../../app/page.py", default_timeout=PATIENCE)
    app.run()
    app.selectbox(key="network").select("tiles-coarse").run()
    assert not app.exception
    return app


def upload(app, name, data):
    app.file_uploader(key="upload").set_value((name, data, "image/any")).run()
    assert not app.exception


def captions(app):
    return [box.value for box in app.sidebar.caption]


def test_the_uploader_turns_no_file_away_so_that_each_is_named_for_what_it_is(page):
    assert page.file_uploader(key="upload").allowed_type == []
    upload(page, "drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    assert [box.value for box in page.error if box.value.startswith("drawing.svg: This is an SVG image")]


def test_several_photos_are_kept_beside_each_other_each_with_its_verdict(page):
    other = Image.linear_gradient("L").convert("RGB")
    files = [("first.png", png(), "image/png"), ("second.png", png(other), "image/png")]
    page.file_uploader(key="upload").set_value(files).run()
    assert not page.exception
    tray = [button for button in page.button if (button.key or "").startswith("tray-")]
    assert [button.disabled for button in tray] == [False, True]
    assert all(button.label.split()[1] in ("certified", "not") for button in tray)
    tray[0].click().run()
    assert metric(page, "Clean photo: defended") == "espresso"
    page.button(key="forget-photos").click().run()
    assert page.selectbox(key="sample").value == "chelsea"
    assert not [button for button in page.button if (button.key or "").startswith("tray-")]


@pytest.mark.parametrize("suffix", [".jfif", ".mpo", ".avif"])
def test_a_photo_of_each_format_is_certified(page, suffix):
    photo = Image.linear_gradient("L").convert("RGB")
    upload(page, f"photo{suffix}", written(photo, suffix))
    assert not page.error
    assert metric(page, "Clean photo: defended")


def test_a_photo_of_a_phone_is_certified_and_the_share_seen_of_it_is_said(page):
    photo = Image.linear_gradient("L").resize((400, 300)).convert("RGB")
    upload(page, "phone.heic", heic(photo))
    assert frame((300, 400), (448, 448)).sentence() in captions(page)
    upload(page, "square.png", png(Image.linear_gradient("L").resize((448, 448))))
    assert not any("The network sees" in text for text in captions(page))


def test_what_is_transparent_is_said_to_be_seen_as_white(page):
    assert not any("transparent" in text for text in captions(page))
    photo = Image.linear_gradient("L").convert("RGBA")
    upload(page, "opaque.png", png(photo))
    assert not any("transparent" in text for text in captions(page))
    photo.putalpha(200)
    upload(page, "glass.png", png(photo))
    assert "What is transparent in this photo is seen as white." in captions(page)


def test_an_error_is_cleared_by_the_next_good_upload(page):
    upload(page, "bad.png", b"GIF89a")
    assert [box.value for box in page.error if box.value.startswith("bad.png: This is a GIF image")]
    upload(page, "good.png", png())
    assert not [box.value for box in page.error if "bad.png" in box.value]
    assert metric(page, "Clean photo: defended") == "espresso"
