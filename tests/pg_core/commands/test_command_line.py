"""python -m pg_core: the same numbers as the library, one clear line for bad input, and its exit codes."""

import io
import json
import re
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from pg_core import SAMPLES, sample_path
from pg_core.__main__ import main
from pg_core.io.json import SCHEMA

COFFEE = str(sample_path("coffee"))
README = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
KEYS = {
    "undefended_prediction",
    "prediction",
    "label",
    "verdict",
    "windows",
    "windows_not_certified",
    "smallest_margin",
    "worst",
}


def fields_in_readme():
    """The fields of the JSON of a photo that README.md lists."""
    (listed,) = re.findall(
        rf"The JSON \(schema {SCHEMA}\) of a photo under robust masking has the fields (.*?)\.",
        README,
        re.DOTALL,
    )
    return set(re.findall(r"`(\w+)`", listed))


def test_a_photo_is_certified_as_one_json_object(run):
    code, out, err = run("certify", COFFEE, "--model", "tiles-coarse", "--patch-size", 64, "--json")
    told = json.loads(out)
    assert code == 0
    assert err == ""
    assert told.keys() >= KEYS
    assert set(told) == fields_in_readme()
    assert told["worst"].keys() >= {"row", "column", "rival", "lower", "upper"}
    assert told["prediction"] == "espresso"
    assert told["worst"]["lower"] - told["worst"]["upper"] == pytest.approx(told["smallest_margin"])


def test_a_share_of_the_image_is_the_square_that_covers_it(run):
    options = ("certify", COFFEE, "--model", "tiles-coarse", "--json")
    by_share, by_pixels = run(*options, "--patch-size", "2%"), run(*options, "--patch-size", "64x64")
    assert by_share == by_pixels
    assert run(*options) == by_share


def test_text_states_what_is_proved_and_for_which_space(run):
    code, out, _ = run("certify", sample_path("chelsea"), "--model", "tiles-coarse", "--patch-size", 32)
    assert code == 0
    assert out.startswith(
        "No 32x32-pixel patch anywhere on the 448x448 image the network sees can change 'cat'."
    )
    _, out, _ = run(
        "certify", COFFEE, "--model", "tiles-coarse", "--patch-size", 10, "--patch-space", "photo"
    )
    assert "on the original 400x600 photo" in out


def test_a_label_is_a_name_in_any_case_or_an_index(run):
    options = ("certify", COFFEE, "--model", "tiles-imagenette", "--json", "--label")
    _, by_name, _ = run(*options, "golf BALL")
    _, by_index, _ = run(*options, "8")
    assert json.loads(by_name)["label"] == "golf ball"
    assert by_name == by_index


def bad_photos(folder):
    picture = io.BytesIO()
    Image.open(COFFEE).save(picture, "PNG")
    files = {
        "words.jpg": b"not an image",
        "empty.jpg": b"",
        "cut.png": picture.getvalue()[:5000],
        "speck.png": _png(1, 1),
        "strip.png": _png(30000, 10),
        "large.png": bytes(200 * 2**20),
    }
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("photo.png", picture.getvalue())
    files["zipped.png"] = zipped.getvalue()
    for name, data in files.items():
        path = folder / name
        path.write_bytes(data)
        yield path
        path.unlink()
    yield folder / "missing.jpg"
    yield folder


def _png(width, height):
    data = io.BytesIO()
    Image.new("RGB", (width, height)).save(data, "PNG")
    return data.getvalue()


def test_bad_photos_are_refused_with_one_line_and_exit_code_1(run, tmp_path):
    seen = 0
    for path in bad_photos(tmp_path):
        code, out, err = run("certify", path, "--model", "tiles-coarse")
        assert (code, out) == (1, ""), path
        assert err.startswith("error: "), path
        assert err.count("\n") == 1, path
        assert path.name in err
        seen += 1
    assert seen == 9


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--label", "espreso", "did you mean 'espresso'"),
        ("--patch-size", "9999", "1x1 to 448x448 pixels"),
        ("--device", "nonsense", "expected a device"),
        ("--device", "meta", "expected a device"),
        ("--weights", "file.pth", "has its own weights"),
    ],
)
def test_what_does_not_fit_the_photo_or_the_network_is_bad_input(run, option, value, words):
    code, out, err = run("certify", COFFEE, "--model", "tiles-coarse", option, value)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert words in err


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("certify",),
        ("certify", COFFEE, "--threshold", "1"),
        ("certify", COFFEE, "--threshold", "many"),
        ("certify", COFFEE, "--patch-size", "0"),
        ("certify", COFFEE, "--patch-size", "120%"),
        ("certify", COFFEE, "--clip-high", "0"),
        ("certify", COFFEE, "--model", "resnet"),
        ("certify", COFFEE, "--window-size", "2x2"),
        ("certify", COFFEE, "--local-logits", "maps.npz", "--window-size", "2x2"),
        ("certify", COFFEE, "--delta", "0.1"),
    ],
)
def test_wrong_usage_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert "usage: python -m pg_core" in capsys.readouterr().err


def test_help_explains_every_option_and_lists_the_models(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["certify", "--help"])
    text = capsys.readouterr().out
    assert stop.value.code == 0
    for word in ("--patch-size", "2%", "tiles-imagenette", "bagnet17", "ceil((p + r - 1)/s)", "labels.json"):
        assert word in text
    assert "%%" not in text


def test_every_sample_is_there():
    for name in SAMPLES:
        with Image.open(sample_path(name)) as picture:
            assert min(picture.size) > 224
