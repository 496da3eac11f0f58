"""The figure for a paper: the same bytes each time, in every format, with the threat model in words."""

import io
import subprocess
import sys
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from pg_core import (
    Bound,
    Patch,
    RobustMasking,
    Space,
    Threat,
    analyse,
    examine,
    extract,
    update,
)
from pg_core.__main__ import main
from pg_core.analysis.photo import answer
from pg_core.geometry import ReceptiveField
from pg_core.photos import patches as attacks
from pg_core.plots.drawing import outline
from pg_core.plots.figure import Format, Patched, _draw, caption, drawn, form_of
from tests.colours import Colours
from tests.pg_core.analysis.test_analysis import defence, photo

BEGINNINGS = {Format.PDF: b"%PDF-", Format.SVG: b"<?xml", Format.PNG: b"\x89PNG"}


@pytest.fixture(scope="module")
def result():
    model = Colours()
    return analyse(photo(half=(10, 250, 20)), model, defence(model, (8, 8)), Threat((8, 8)))


@pytest.mark.parametrize("form", list(Format))
def test_the_same_analysis_gives_the_same_bytes(result, form):
    first = drawn(result, form)
    assert first.startswith(BEGINNINGS[form])
    assert drawn(result, form) == first


def test_the_bytes_do_not_depend_on_the_process(result):
    program = (
        "import sys; from tests.pg_core.plots.test_figure import *; model = Colours();"
        "result = analyse(photo(half=(10, 250, 20)), model, defence(model, (8, 8)), Threat((8, 8)));"
        "sys.stdout.buffer.write(drawn(result, Format.SVG))"
    )
    ours = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert ours.stdout == drawn(result, Format.SVG)


def test_the_picture_is_wide_enough_for_print_and_the_drawing_is_well_formed(result):
    with Image.open(io.BytesIO(drawn(result, Format.PNG))) as picture:
        assert picture.width == 7.2 * 300
    assert ElementTree.fromstring(drawn(result, Format.SVG)).tag.endswith("svg")


def test_the_caption_holds_the_threat_model_the_settings_and_the_verdict(result):
    text = caption(result)
    assert text.startswith(result.sentence())
    assert "one rectangle of at most 8x8 pixels anywhere on the 48x64 image that the network sees" in text
    assert str(result.defence) in text
    assert "receptive field 12x12 pixels, stride 4" in text
    worst = result.certificate.worst
    assert f"row {worst.top}, column {worst.left}" in text
    assert f"margin {result.certificate.margin.min():+.4g}" in text
    on_photo = examine(result.features, defence(Colours(), (40, 40)), Threat((8, 8), Space.PHOTO))
    assert "on the original 48x64 photo, which is then resized" in caption(on_photo)
    published = examine(result.features, defence(Colours(), (8, 8), threshold=0.4, bound=Bound.PUBLISHED))
    assert "published bound" in caption(published)


@pytest.mark.parametrize("name", ["red $x_1$", r"\frac{1}", "a\nb", "ü", "x" * 80])
def test_the_name_of_a_class_is_no_formula(result, name):
    class Renamed(Colours):
        classes = (name, "green", "blue")

    renamed = analyse(photo(), Renamed(), defence(Renamed(), (8, 8)))
    assert renamed.label == name
    assert drawn(renamed, Format.PNG).startswith(BEGINNINGS[Format.PNG])


def test_what_xml_forbids_and_a_terminal_obeys_is_visible_in_the_figure_and_in_print():
    class Renamed(Colours):
        classes = ("red\x1b[31m\x00\ufffe\n<b> $x$ & \u202egpj", "green", "blue")

    renamed = analyse(photo(), Renamed(), defence(Renamed(), (8, 8)))
    shown = r"red\x1b[31m\x00\ufffe"
    document = ElementTree.fromstring(drawn(renamed, Format.SVG))
    assert document.tag.endswith("svg")
    (own,) = [axes.get_title() for axes in panels(renamed) if "label" in axes.get_title()]
    assert shown in own.replace("\n", "")
    assert shown in str(renamed)
    assert str(renamed).replace("\n", "").isprintable()


def rectangles(axes):
    """The rectangles on a panel, as left, right, top and bottom."""
    boxes = [patch.get_bbox() for patch in axes.patches]
    return [(box.x0, box.x1, box.y0, box.y1) for box in boxes]


def panels(analysis, window=None, patched=None):
    """Photo, evidence of label and rival, and margins, before they are written to a file."""
    figure = Figure(layout="constrained")
    _draw(figure, analysis, window or analysis.certificate.worst, patched)
    return figure.axes[:4]


@pytest.fixture(scope="module")
def patched(result):
    """The same photo with a blue patch in its corner, far from the window that is selected."""
    patch = Patch(3, 2, 8, 9)
    pixels = attacks.solid(patch.size, (0, 0, 255))
    return Patched(patch, answer(update(result.features, Colours(), patch, pixels), result.defence))


def test_the_selected_window_is_outlined_with_its_rival_and_its_numbers(result):
    certificate = result.certificate
    window = next(
        w for w in map(certificate.windows.at, range(certificate.windows.count)) if w != certificate.worst
    )
    at = window.top, window.left
    photo, own, other, margins = panels(result, window)
    place = outline(result.features.receptive_field, window)
    expected = (place.left, place.right, place.top, place.bottom)
    assert rectangles(photo) == [expected]
    assert expected in rectangles(own)
    assert expected in rectangles(other)
    assert rectangles(margins) == [(at[1] - 0.5, at[1] + 0.5, at[0] - 0.5, at[0] + 0.5)]
    assert other.get_title() == f"Evidence, rival: {result.rival(window)}"
    text = caption(result, window)
    assert f"Selected window (dotted; framed among the margins): row {at[0]}, column {at[1]}" in text
    assert f"margin {certificate.margin[at]:+.4g}" in text
    assert "Worst window (dotted)" not in text
    assert f"Worst window: row {certificate.worst.top}, column {certificate.worst.left}" in text
    assert drawn(result, Format.PNG, window) == drawn(result, Format.PNG, window) != drawn(result, Format.PNG)
    assert drawn(result, Format.PNG, certificate.worst) == drawn(result, Format.PNG)


def test_a_patch_is_drawn_with_its_evidence_and_the_caption_keeps_it_apart_from_the_certificate(
    result, patched
):
    photo, own, other, margins = panels(result, None, patched)
    assert (2, 11, 3, 11) in rectangles(photo)
    np.testing.assert_array_equal(
        photo.images[0].get_array(), patched.answer.features.pixels.transpose(1, 2, 0)
    )
    label = int(result.certificate.label)
    np.testing.assert_array_equal(own.images[0].get_array(), patched.answer.masking.evidence[label])
    np.testing.assert_array_equal(margins.images[0].get_array(), result.certificate.margin)
    seen = outline(result.features.receptive_field, result.footprint(patched.patch))
    for axes in (photo, own, other):
        assert (seen.left, seen.right, seen.top, seen.bottom) in rectangles(axes)
    assert "with the patch" in photo.get_title()
    assert "with the patch" in own.get_title()
    text = caption(result, None, patched)
    assert text.startswith(result.sentence())
    assert (
        f"Predictions for the clean photo: {result.undefended_prediction} without, {result.prediction} with the "
        "defence; the certificate and all margins are about this photo." in text
    )
    assert (
        "a patch of 8x9 pixels at row 3, column 2 (black; dashed: the features that see it), larger than"
        in text
    )
    assert f"for the patched photo: {patched.answer.undefended_prediction} without" in text
    assert "larger than" not in caption(result, None, replace(patched, patch=Patch(3, 2, 8, 8)))
    for form in Format:
        assert drawn(result, form, None, patched) == drawn(result, form, None, patched) != drawn(result, form)


def test_a_longer_caption_has_more_room_and_takes_none_from_the_panels(result, patched):
    def height(*of_what):
        with Image.open(io.BytesIO(drawn(result, Format.PNG, *of_what))) as picture:
            return picture.height

    assert height() == 3.1 * 300
    assert height(result.certificate.windows.at(7), patched) > height()


def test_the_evidence_of_bands_lies_where_they_begin_and_covers_the_photo():
    seen = extract(photo(), Colours())
    field = ReceptiveField((48, 4), (48, 1), wrapping=True)
    features = replace(seen, receptive_field=field, local_logits=np.ones((3, 1, 64), np.float32))
    result = examine(features, RobustMasking(field.window_size((8, 8)), wrapping=True), Threat((8, 8)))
    window = result.certificate.windows.window(0, 60)
    photo_panel, own, _, _ = panels(result, window)
    assert own.images[0].get_extent() == [0, 64, 48, 0]
    assert rectangles(photo_panel) == [(60, 64, 0, 48), (0, 7, 0, 48)]


def test_a_map_of_bands_is_drawn_with_windows_around_its_right_edge():
    """Red is at both ends of the image, so that the window detected for it wraps."""
    image = photo()
    image.paste((10, 250, 20), (4, 0, 60, 48))
    seen = extract(image, Colours())
    field = ReceptiveField((48, 4), (48, 1), wrapping=True)
    bands = np.stack(
        [np.roll(seen.pixels, -n, axis=2)[:, :, :4].mean(axis=(1, 2)) for n in range(64)], axis=1
    )
    features = replace(seen, receptive_field=field, local_logits=10 * bands[:, None])
    result = examine(features, RobustMasking(field.window_size((8, 8)), wrapping=True), Threat((8, 8)))
    assert result.masking.window(0).right > 64
    assert drawn(result, Format.PDF).startswith(BEGINNINGS[Format.PDF])


def test_a_file_of_another_format_is_refused(tmp_path):
    assert form_of(tmp_path / "a.PDF") is Format.PDF
    for name in ("a.jpg", "pdf", "a"):
        with pytest.raises(ValueError, match=r"expected a file that ends in \.pdf"):
            form_of(tmp_path / name)


@pytest.fixture
def run(capsys, tmp_path):
    photo().save(tmp_path / "red.png")

    def call(*arguments):
        try:
            code = main(["figure", *map(str, arguments)])
        except SystemExit as stopped:
            code = stopped.code
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_the_command_writes_the_figure_of_the_certificate(run, tmp_path):
    path = tmp_path / "out.svg"
    code, out, err = run(tmp_path / "red.png", "--model", "tiles-coarse", "--patch-size", 32, "-o", path)
    assert (code, err) == (0, "")
    assert "32x32-pixel patch" in out
    assert path.read_bytes().startswith(BEGINNINGS[Format.SVG])


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("none.png", "-o", "a.pdf"), 1, "no such file"),
        (("red.png", "-o", "missing/deeper/a.pdf"), 1, "there is no such folder"),
        (("red.png", "-o", "a.jpg"), 2, "ends in .pdf, .svg or .png"),
        (("red.png",), 2, "required: -o"),
        (("red.png", "-o", "a.pdf", "--window", "3"), 2, "expected ROW,COLUMN"),
        (("red.png", "-o", "a.pdf", "--window=-1,0"), 2, "at least 0"),
        (
            ("red.png", "-o", "a.pdf", "--threshold", "1"),
            2,
            "expected a number in [0, 0.99] for threshold, got 1.0",
        ),
        (("red.png", "-o", "a.pdf", "--network", "x.json", "--model", "tiles"), 2, "--network goes without"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_a_sentence(run, tmp_path, monkeypatch, arguments, code, words):
    monkeypatch.chdir(tmp_path)
    got, out, err = run(*arguments)
    assert (got, out) == (code, "")
    assert words in err


def test_the_command_draws_the_window_that_it_is_told(run, tmp_path):
    def figure(name, *window):
        code, _, err = run(tmp_path / "red.png", "--model", "tiles-coarse", *window, "-o", tmp_path / name)
        assert (code, err) == (0, "")
        return (tmp_path / name).read_bytes()

    corner, worst = figure("corner.png", "--window", "3,2"), figure("worst.png")
    assert corner != worst
    assert figure("again.png", "--window", "3,2") == corner
    code, _, err = run(
        tmp_path / "red.png", "--model", "tiles-coarse", "--window", "9,0", "-o", tmp_path / "a.png"
    )
    assert code == 1
    assert "--window: expected a window position within 4x4, got (9, 0)" in err


def test_without_matplotlib_the_command_says_how_to_install_it(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    code, _, err = run(tmp_path / "red.png", "--model", "tiles-coarse", "-o", tmp_path / "a.pdf")
    assert code == 1
    assert "python -m pip install matplotlib" in err
