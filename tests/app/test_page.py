"""The page without a browser: choices lead to the results of pg_core, errors to a sentence."""

import io
import pickle
import zipfile

import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

from app.cache import analysis as cached
from app.cache import networks
from pg_core import RobustMasking, analyse, load_model, sample_path
from pg_core.networks import MODELS
from pg_core.networks.bodies.bagnet import BagNet

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of streamlit's own dependencies
PATIENCE = 120


@pytest.fixture
def page():
    app = AppTest.from_file("../../app/page.py", default_timeout=PATIENCE)
    app.run()
    app.selectbox(key="network").select("tiles-coarse").run()
    assert not app.exception
    return app


def statement(app):
    boxes = [*app.success, *app.error, *app.warning]
    return " ".join(box.value for box in boxes)


def field(app, name):
    """A field whose key begins with its name: it is another where what it shows has become another by itself."""
    return next(box for box in app.number_input if (box.key or "").startswith(name))


def press(app, name):
    next(button for button in app.button if button.label == name).click().run()


def metric(app, name):
    return next(box.value for box in app.metric if box.label == name)


def png(photo=None):
    data = io.BytesIO()
    (photo or Image.open(sample_path("coffee"))).save(data, "PNG")
    return data.getvalue()


def expected(sample, **parameters):
    model = load_model("tiles-coarse", "cpu")
    defence = RobustMasking(
        model.receptive_field.window_size((64, 64)), evidence=model.evidence, **parameters
    )
    return analyse(sample_path(sample), model, defence)


def test_the_page_says_what_the_library_says(page):
    page.selectbox(key="sample").select("coffee").run()
    told = expected("coffee")
    assert metric(page, "Clean photo: undefended") == told.undefended_prediction
    assert metric(page, "Clean photo: defended") == told.prediction
    assert metric(page, "Windows proved") == f"{told.certificate.proved.sum()} of 16"
    assert metric(page, "Smallest margin") == f"{told.certificate.margin.min():+.3f}"
    worst = told.certificate.worst
    assert f"row {worst.top}, column {worst.left}" in statement(page)


def test_a_window_that_is_not_certified_is_shown_with_the_prediction_of_its_witness(page):
    page.selectbox(key="sample").select("coffee").run()
    told = expected("coffee")
    worst = told.certificate.worst
    (text,) = [box.value for box in page.markdown if "Feature-space counterexample**: there is" in box.value]
    assert f"instead of 'espresso' ({told.certificate.lower[worst.top, worst.left]:.4f})" in text
    field(page, "window_row").set_value(3).run()
    assert any("no content of this window changes the prediction" in box.value for box in page.markdown)
    page.slider(key="threshold").set_value(0.3).run()
    by_bound = {}
    for bound in ("sound", "tight"):
        page.selectbox(key="bound").select(bound).run()
        by_bound[bound] = float(metric(page, "Smallest margin"))
    assert by_bound["tight"] > by_bound["sound"]


def test_settings_of_the_defence_reach_the_certificate_without_the_network(page, monkeypatch):
    def refuse(*_):
        raise AssertionError("the network ran again")

    # One that nobody has moved would go to the worst window of each setting.
    field(page, "patch_top").set_value(5).run()
    monkeypatch.setattr("app.cache.analysis.extract", refuse)
    monkeypatch.setattr("app.cache.patches.update", refuse)
    page.slider(key="threshold").set_value(0.2).run()
    page.checkbox(key="clipped").check().run()
    page.number_input(key="clip_high").set_value(0.5).run()
    assert not page.exception
    told = expected("chelsea", threshold=0.2, clip_high=0.5)
    assert metric(page, "Smallest margin") == f"{told.certificate.margin.min():+.3f}"
    page.selectbox(key="label").select("dog").run()
    assert "Nothing to certify for 'dog'" in statement(page)
    page.toggle(key="patched").set_value(False).run()
    page.segmented_control(key="unit").set_value("pixels").run()
    assert not page.exception


def test_a_browser_that_is_behind_pins_neither_the_patch_nor_the_window(page):
    """It still holds the fields of the photo before: so it is while one upload replaces another."""
    behind = page._tree.get_widget_states()
    page.selectbox(key="sample").select("coffee").run()
    page._run(behind)
    assert not page.exception
    assert page.selectbox(key="sample").value == "chelsea"
    assert "place" not in page.session_state
    assert "picked" not in page.session_state
    field(page, "patch_top").set_value(5).run()
    assert field(page, "patch_top").value == 5
    field(page, "patch_left").set_value(6).run()
    assert page.session_state["place"][2:] == (5, 6, 64, 64)
    field(page, "window_row").set_value(2).run()
    field(page, "window_column").set_value(1).run()
    assert page.session_state["picked"][2:] == (2, 1)
    page.selectbox(key="sample").select("coffee").run()
    assert page.session_state["place"][2:] == (5, 6, 64, 64)


def test_a_label_that_another_network_does_not_know_gives_way_to_the_prediction(page):
    page.selectbox(key="label").select("dog").run()
    page.selectbox(key="network").select("imagenette").run()
    label = page.selectbox(key="label")
    # None would be shown as no choice at all.
    assert label.value == ""
    assert label.options[0] == "the defended prediction"
    assert not page.exception


def test_the_published_bound_is_marked_as_wrong_above_zero(page):
    page.selectbox(key="bound").select("published").run()
    assert not page.warning
    page.slider(key="threshold").set_value(0.2).run()
    assert any("claim nothing" in box.value for box in page.warning)
    assert "Nothing is proved against a 64x64-pixel patch" in statement(page)
    assert not page.success


def test_a_window_as_large_as_the_map_is_said_in_plain_words(page):
    page.number_input(key="share").set_value(80.0).run()
    assert "the only window is the whole map" in statement(page)
    assert not page.exception


def test_a_patch_on_the_original_photo_is_worded_so(page):
    page.radio(key="space").set_value("photo").run()
    assert "the original 300x451 photo" in statement(page)


def zipped():
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("photo.png", png())
    return data.getvalue()


def bomb():
    header = bytearray(png(Image.new("RGB", (20, 20))))
    header[16:24] = (60000).to_bytes(4, "big") * 2
    import zlib

    header[29:33] = zlib.crc32(bytes(header[12:29])).to_bytes(4, "big")
    return bytes(header)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (
            b"words",
            "This is text, not an image; JPEG, PNG, WebP, AVIF and HEIC are read: export the photo as JPEG.",
        ),
        (b"", "The file is empty; JPEG, "),
        (zipped(), "This is a ZIP file; JPEG, "),
        (png()[:9000], "The image is damaged or cut short."),
        (bomb(), "at most 50 million are read."),
        (png(Image.new("RGB", (1, 1))), "The image has 1x1 pixels"),
        (png(Image.new("RGB", (30000, 10))), "The image has 30000x10 pixels"),
    ],
)
def test_a_bad_upload_costs_one_sentence_and_nothing_else(page, data, sentence):
    page.slider(key="threshold").set_value(0.1).run()
    page.file_uploader(key="upload").set_value(("good.png", png(), "image/png")).run()
    before = statement(page)
    assert "espresso" in before
    page.file_uploader(key="upload").set_value(("bad.png", data, "image/png")).run()
    assert not page.exception
    assert [box.value for box in page.error if sentence in box.value]
    assert page.slider(key="threshold").value == 0.1
    assert all(box.value in statement(page) for box in page.success)
    assert metric(page, "Clean photo: defended") == "espresso"


def checkpoint(folder, name, content):
    torch.save(content, folder / name)


class Attack:
    def __reduce__(self):
        return (exec, ("raise SystemExit('code in a checkpoint ran')",))


def test_checkpoints_are_listed_loaded_and_refused_in_a_sentence(page, tmp_path, monkeypatch):
    assert not any(MODELS["bagnet17"].title in title for title in page.selectbox(key="network").options)
    monkeypatch.setattr(networks, "WEIGHTS", tmp_path)
    checkpoint(tmp_path, "bagnet17_nette.pth", {"model_state_dict": BagNet(17, 10).state_dict()})
    checkpoint(tmp_path, "other.pth", {"fc.weight": torch.ones(5, 7)})
    checkpoint(tmp_path, "single.pth", BagNet(17, 1).state_dict())
    huge = {
        key: torch.full_like(value, 3e38) for key, value in BagNet(17, 2).state_dict().items() if value.ndim
    }
    checkpoint(tmp_path, "wild.pth", huge)
    (tmp_path / "pickle.pth").write_bytes(pickle.dumps(Attack()))
    page.run()
    page.selectbox(key="network").select("bagnet17").run()
    assert page.selectbox(key="checkpoint").options == [
        "bagnet17_nette.pth",
        "other.pth",
        "pickle.pth",
        "single.pth",
        "wild.pth",
    ]
    assert not page.exception
    assert metric(page, "Clean photo: defended") in load_model("tiles-imagenette", "cpu").classes
    page.selectbox(key="checkpoint").select("other.pth").run()
    assert any("other.pth: the weights of another network" in box.value for box in page.error)
    page.selectbox(key="checkpoint").select("pickle.pth").run()
    assert any("pickle.pth: not a checkpoint of plain tensors" in box.value for box in page.error)
    page.selectbox(key="checkpoint").select("single.pth").run()
    assert any("single.pth: expected 2 to 25000 classes" in box.value for box in page.error)
    page.selectbox(key="checkpoint").select("wild.pth").run()
    assert any("NaN or infinite" in box.value for box in page.error)
    assert not page.exception


def test_another_checkpoint_under_the_same_name_is_another_network(tmp_path, monkeypatch):
    monkeypatch.setattr(networks, "WEIGHTS", tmp_path)
    for classes in (3, 4):
        checkpoint(tmp_path, "mine.pth", BagNet(9, classes).state_dict())
        changed = networks.checkpoints()["mine.pth"]
        assert len(cached.network(cached.Choice("bagnet9", "mine.pth", changed)).classes) == classes


def test_a_simulated_patch_shows_both_predictions_and_its_footprint(page):
    texts = [box.value for box in page.caption]
    told = expected("chelsea")
    patch = told.patch_in(told.certificate.worst, (64, 64))
    height, width = told.footprint(patch).size
    where = f"Patch of 64x64 pixels at row {patch.top}, column {patch.left}. {height}x{width} local logits"
    assert any(where in text for text in texts)
    assert metric(page, "Patched photo: defended") == "cat"
    for contents in ("solid colour", "checkerboard", "sticker"):
        page.selectbox(key="contents").select(contents).run()
        assert not page.exception
        assert metric(page, "Patched photo: defended") == "cat"


def test_reset_brings_back_the_opening_settings(page):
    page.slider(key="threshold").set_value(0.3).run()
    page.selectbox(key="sample").select("coffee").run()
    assert "coffee" in page.query_params["photo"]
    press(page, "Reset all settings")
    assert page.slider(key="threshold").value == 0
    assert page.selectbox(key="sample").value == "chelsea"
    assert not page.exception


def test_the_content_of_an_upload_is_the_key_of_its_results():
    first, second = cached.uploaded("a.png", png()), cached.uploaded("b.png", png())
    other = cached.uploaded("a.png", png(Image.new("RGB", (64, 64))))
    assert first.digest == second.digest != other.digest
