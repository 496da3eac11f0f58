"""A link says all that is chosen: what it says wrongly is named, and a photo that is not here is asked for."""

import hashlib
import io

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from app.cache import analysis as cached
from app.markup import in_markdown
from pg_core import sample_path
from tests.app.test_page import field

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of streamlit's own dependencies
LINK = {
    "photo": "coffee",
    "frame": "25,170",
    "network": "tiles-coarse",
    "size": "40x56",
    "threshold": "0.1",
    "evidence": "logits",
    "clip": "20",
    "bound": "tight",
    "label": "espresso",
    "class": "cup",
    "patch": "12,34,50,60",
    "contents": "sticker:rocket:10,20,100,120",
    "window": "1,2",
}


def opened(**link):
    app = AppTest.from_file("../../app/page.py", default_timeout=120)
    for name, value in link.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def address(app):
    return {name: value if isinstance(value, str) else value[0] for name, value in app.query_params.items()}


def boxes(app):
    return " ".join(box.value for box in (*app.info, *app.warning))


def png(photo):
    data = io.BytesIO()
    photo.save(data, "PNG")
    return data.getvalue()


def test_a_link_chooses_everything_that_it_says_and_the_page_says_it_again():
    app = opened(**LINK)
    assert not app.warning
    assert app.selectbox(key="sample").value == "coffee"
    assert app.selectbox(key="network").value == "tiles-coarse"
    assert [field(app, key).value for key in ("patch_top", "patch_left", "patch_height", "patch_width")] == [
        12,
        34,
        50,
        60,
    ]
    assert field(app, "window_row").value == 1
    assert field(app, "window_column").value == 2
    assert app.selectbox(key="shown").value == "cup"
    assert app.slider(key="threshold").value == 0.1
    assert any("40x56-pixel patch" in box.value for box in (*app.error, *app.success))
    assert address(app) == LINK


def test_every_choice_is_in_the_address_and_the_address_leads_to_the_same_page():
    app = opened(network="tiles-coarse")
    app.radio(key="space").set_value("photo").run()
    app.selectbox(key="contents").select("solid colour").run()
    app.color_picker(key="colour").set_value("#12ab34").run()
    field(app, "patch_top").set_value(77).run()
    field(app, "window_row").set_value(2).run()
    app.slider(key="threshold").set_value(0.25).run()
    link = address(app)
    assert link["contents"] == "solid:12ab34"
    assert link["patch"].startswith("77,")
    assert link["space"] == "photo"
    again = opened(**link)
    assert address(again) == link
    for kind in ("error", "success", "metric", "markdown"):
        assert [box.value for box in getattr(again, kind)] == [box.value for box in getattr(app, kind)]


def test_a_plain_address_stays_short():
    app = opened(network="tiles-coarse")
    assert address(app) == {"photo": "chelsea", "network": "tiles-coarse", "size": "2%"}
    app.toggle(key="patched").set_value(False).run()
    assert address(app)["patch"] == "off"


@pytest.mark.parametrize(
    "link",
    [
        {
            "photo": "../../etc/passwd",
            "frame": "left",
            "checkpoint": "no-such.pth",
            "space": "outer",
            "size": "0x5",
            "threshold": "1",
            "evidence": "hearsay",
            "clip": "-1",
            "bound": "loose",
            "patch": "1,2,3",
            "contents": "solid:red",
            "window": "a,b",
        },
        {
            "photo": "A" * 64,
            "frame": "1,2,3",
            "size": "1e9x5",
            "threshold": "nan",
            "clip": "inf",
            "patch": "1,2,0,4",
            "contents": "sticker:nowhere:1,2,30,40",
            "window": "99999999999999999999,1",
        },
        {
            "network": "no such network",
            "size": "nan%",
            "patch": "-1,2,3,4",
            "contents": "<script>",
            "window": "1,2,3",
        },
    ],
)
def test_what_a_link_says_wrongly_is_named_and_left_out(link):
    app = opened(**({"network": "tiles-coarse"} | link))
    for name, value in link.items():
        assert in_markdown(f"{name}={value}") in boxes(app)
    network = "tiles" if "network" in link else "tiles-coarse"
    assert address(app) == {"photo": "chelsea", "network": network, "size": "2%"}
    app.run()
    assert "Ignored unknown values" not in boxes(app)


def test_a_patch_or_a_window_beyond_this_image_and_a_class_of_another_network_are_left_out():
    app = opened(
        network="tiles-coarse", patch="440,1,30,30", window="4000,1", label="no such", contents="noise:3"
    )
    assert address(app) == {
        "photo": "chelsea",
        "network": "tiles-coarse",
        "size": "2%",
        "contents": "noise:3",
    }
    named = boxes(app)
    parts = ("patch=440,1,30,30", "window=4000,1", "label=no such")
    assert all(in_markdown(part) in named for part in parts)
    app.run()
    assert not app.warning


@pytest.mark.parametrize("part", ["label", "class"])
def test_a_class_of_the_link_that_the_network_lacks_is_named_once(part):
    app = opened(network="cifar10", **{part: "no such $x$"})
    (warning,) = app.warning
    assert "has no such class" in warning.value
    assert in_markdown(f"{part}=no such $x$") in warning.value
    assert part not in address(app)
    app.run()
    assert not app.warning
    assert "no such class" not in boxes(opened(network="cifar10", **{part: "frog"}))


def test_a_crop_that_leaves_the_photo_is_left_out_and_one_for_another_network_is_moved_inside():
    app = opened(network="tiles-coarse", frame="999,0")
    assert "Ignored unknown values in this link: frame=999,0." in boxes(app)
    assert "frame" not in address(app)
    app.run()
    assert not app.warning
    # chelsea has 300x451 pixels; the crop of cifar10 is its whole height.
    app = opened(network="tiles-coarse", frame="37,188")
    assert address(app)["frame"] == "37,188"
    app.selectbox(key="network").select("cifar10").run()
    assert not app.exception
    assert not app.warning
    assert address(app)["frame"] == "0,151"


def test_what_is_seen_of_a_photo_is_chosen_for_each_photo_and_forgotten_with_the_settings():
    app = opened(network="cifar10")
    assert "frame" not in address(app)
    (fit,) = [box for box in app.radio if (box.key or "").startswith("fit-")]
    assert fit.value == "Stretch"
    undefended = app.metric[0].value, app.metric[3].value
    fit.set_value("Pad").run()
    assert address(app)["frame"] == "pad"
    assert any("between grey bars" in box.value for box in app.sidebar.caption)
    assert (app.metric[0].value, app.metric[3].value) != undefended
    app.selectbox(key="sample").select("coffee").run()
    assert "frame" not in address(app)
    app.selectbox(key="sample").select("chelsea").run()
    assert address(app)["frame"] == "pad"
    (fit,) = [box for box in app.radio if (box.key or "").startswith("fit-")]
    fit.set_value("Stretch").run()
    assert "frame" not in address(app)
    assert (app.metric[0].value, app.metric[3].value) == undefended


def test_a_link_to_a_sticker_that_is_not_here_says_so_and_goes_on_asking_for_it():
    picture = png(Image.open(sample_path("rocket")).resize((160, 107)))
    digest = hashlib.sha256(picture).hexdigest()
    contents = f"sticker:{digest}:10,20,50,60"
    app = opened(network="cifar10", contents=contents)
    assert f"(SHA-256 {digest[:12]}…)" in boxes(app)
    assert address(app)["contents"] == contents
    app.file_uploader(key="upload").set_value(("mine.png", picture, "image/png")).run()
    assert not app.exception
    assert "SHA-256" not in boxes(app)
    assert address(app)["contents"] == contents
    assert app.selectbox(key="sample").value == "chelsea"  # it is no photo to look at
    other = png(Image.open(sample_path("coffee")).resize((160, 107)))
    app.file_uploader(key="sticker").set_value(("other.png", other, "image/png")).run()
    assert address(app)["contents"].startswith(f"sticker:{hashlib.sha256(other).hexdigest()}:")
    app.file_uploader(key="sticker").set_value(("bad.png", b"GIF89a", "image/png")).run()
    assert any("bad.png" in box.value and "Still showing other.png." in box.value for box in app.error)


def own_photo():
    """A photo that no package has, as a file."""
    return png(Image.open(sample_path("coffee")).transpose(Image.Transpose.FLIP_LEFT_RIGHT))


def test_a_photo_that_is_not_here_is_asked_for_and_no_verdict_of_another_is_shown():
    picture = own_photo()
    digest = hashlib.sha256(picture).hexdigest()
    link = {"photo": digest, "network": "tiles-coarse", "patch": "5,6,64,64", "window": "3,0"}
    app = opened(**link)
    assert digest[:12] in boxes(app)
    assert not app.success
    assert not app.error
    assert not app.metric
    assert address(app) == link
    app.file_uploader(key="upload").set_value(("mine.png", picture, "image/png")).run()
    assert not app.exception
    assert digest[:12] not in boxes(app)
    assert address(app) == link | {"size": "2%"}
    assert field(app, "window_row").value == 3
    assert field(app, "patch_top").value == 5


def test_another_photo_than_the_one_of_the_link_is_called_so():
    app = opened(photo="0" * 64, network="tiles-coarse")
    app.file_uploader(key="upload").set_value(
        ("other.png", png(Image.open(sample_path("coffee"))), "image/png")
    ).run()
    assert "another photo than the one that the link is about" in boxes(app)
    app = opened(photo="0" * 64, network="tiles-coarse")
    app.selectbox(key="sample").select("coffee").run()
    assert "0" * 12 not in boxes(app)
    assert address(app)["photo"] == "coffee"


@pytest.mark.parametrize(("verdict", "told"), [("certified", "is the same"), ("not certified", "is another")])
def test_a_copy_out_of_a_link_says_whether_its_verdict_is_that_of_the_original(verdict, told):
    picture = own_photo()
    link = {"photo": hashlib.sha256(picture).hexdigest(), "network": "tiles-coarse", "copy": verdict}
    app = opened(**link)
    app.file_uploader(key="upload").set_value(("copy.jpg", picture, "image/jpeg")).run()
    assert f"the original's verdict {told}" in boxes(app).replace("The", "the")
    assert address(app)["copy"] == verdict
    app.number_input(key="share").set_value(0.1).run()
    assert "not known" in boxes(app)
    assert address(app)["copy"] == "unknown"


def test_the_copy_in_a_link_is_at_most_64_kb_of_what_the_network_sees():
    rough = np.random.default_rng(0).integers(0, 256, (448, 448, 3), np.uint8)
    photo, choice = cached.uploaded("rough.png", png(Image.fromarray(rough))), cached.Choice("tiles-coarse")
    copy = cached.small_copy(photo, choice)
    assert 0 < len(copy) <= cached.MOST_COPIED
    assert Image.open(io.BytesIO(copy)).size == (448, 448)


def test_what_is_chosen_on_other_pages_stays_in_the_address():
    link = {"algorithm": "certificate", "step": "7", "map": "largest", "whatif": "threshold:0.04,patch:40x56"}
    app = opened(network="cifar10", board="0.5;1,0;1,2/3,4/5,6;9,9", **link)
    assert not app.warning
    assert link.items() <= address(app).items()
    assert address(app)["board"] == "0.5;1,0;1,2/3,4/5,6;9,9"


def one_page():
    import streamlit as st

    from app.state import pages

    if "opened" not in st.session_state:
        st.session_state["opened"] = True
        pages.follow("map", "second")
        pages.follow("step", "9")
    pages.keep(set())
    if st.checkbox("shown", value=True):
        st.selectbox("Map", ["first", "second"], key=pages.option("map", ["first", "second"], "first"))
        st.number_input("Step", 1, 5, key=pages.number("step", 1, 5, 1))
    st.write(f"map {pages.text_of('map')}, step {pages.text_of('step')}")


def test_a_choice_of_a_page_is_kept_while_another_is_shown_and_one_beyond_its_range_is_named():
    app = AppTest.from_function(one_page).run()
    assert app.selectbox(key="map-of").value == "second"
    assert ["step=9" in box.value for box in app.warning] == [True]
    app.checkbox[0].uncheck().run()
    app.checkbox[0].check().run()
    assert app.selectbox(key="map-of").value == "second"
    assert not app.warning
    app.selectbox(key="map-of").select("first").run()
    assert app.markdown[-1].value == "map None, step None"
