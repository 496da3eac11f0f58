"""python -m pg_core: the same numbers as the library, one clear line for bad input, and its exit codes."""

import io
import json
import pickle
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pg_core import SAMPLES, RobustMasking, sample_path
from pg_core.__main__ import main

COFFEE = str(sample_path("coffee"))
README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
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
    (listed,) = re.findall(r"The JSON \(schema 1\) of a photo has the fields (.*?)\.", README, re.DOTALL)
    return set(re.findall(r"`(\w+)`", listed))


@pytest.fixture
def run(capsys):
    def call(*arguments):
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def maps(tmp_path):
    rng = np.random.default_rng(1)
    first, second = rng.random((9, 7, 4)), rng.integers(0, 5, (6, 12, 3))
    first[..., 2] += 1
    path = tmp_path / "maps.npz"
    np.savez(path, first=first, second=second)
    return path, {"first": first, "second": second}


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


def test_maps_of_another_network_get_one_line_each_with_the_defences_numbers(run, maps):
    path, arrays = maps
    code, out, _ = run(
        "certify", "--local-logits", path, "--window-size", "2x3", "--threshold", 0.2, "--clip-high", 1.5
    )
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [line["name"] for line in lines] == list(arrays)
    for line, array in zip(lines, arrays.values(), strict=True):
        defence = RobustMasking((2, 3), 0.2, clip_high=1.5)
        logits = array.transpose(2, 0, 1).astype(float)
        certificate = defence.certify(logits)
        assert line.keys() >= KEYS
        assert line["prediction"] == line["label"] == int(defence.predict(logits).label)
        assert line["smallest_margin"] == certificate.margin.min()
        assert line["verdict"] == certificate.verdict
        worst = certificate.worst
        assert (line["worst"]["row"], line["worst"]["column"]) == (worst.top, worst.left)


def test_labels_of_maps_come_from_a_number_or_a_file(run, maps, tmp_path):
    path, _ = maps
    options = ("certify", "--local-logits", path, "--window-size", "2x2")
    _, out, _ = run(*options, "--label", 1)
    assert [json.loads(line)["label"] for line in out.splitlines()] == [1, 1]
    labels = tmp_path / "labels.json"
    labels.write_text('{"first": 3, "second": 0}')
    _, out, _ = run(*options, "--labels", labels)
    assert [json.loads(line)["label"] for line in out.splitlines()] == [3, 0]


def test_the_published_bound_is_not_below_the_sound_one(run, maps):
    path, _ = maps
    options = ("certify", "--local-logits", path, "--window-size", "3x3", "--threshold", 0.4, "--bound")
    margins = {
        bound: [json.loads(line)["smallest_margin"] for line in run(*options, bound)[1].splitlines()]
        for bound in ("published", "sound")
    }
    assert all(p >= s for p, s in zip(margins["published"], margins["sound"], strict=True))


def test_certificates_of_maps_survive_the_stated_error(run, tmp_path):
    path = tmp_path / "close.npz"
    np.savez(path, close=np.stack([np.full((6, 6), 1.0), np.full((6, 6), 0.9)], axis=-1))
    options = ("certify", "--local-logits", path, "--window-size", "1x1")
    verdicts = [json.loads(run(*options, "--delta", delta)[1])["verdict"] for delta in (0, 1e-3, 0.5)]
    assert verdicts == ["certified", "certified", "undecided"]


def test_only_logits_have_a_ceiling(run, tmp_path):
    path = tmp_path / "large.npz"
    np.savez(path, large=np.full((4, 4, 2), [1e6, 0.0]))
    options = ("certify", "--local-logits", path, "--window-size", "1x1", "--evidence")
    assert run(*options, "logits")[0] == 1
    code, out, _ = run(*options, "confidence")
    assert (code, json.loads(out)["verdict"]) == (0, "certified")


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


def test_bad_maps_are_refused_with_one_line_and_exit_code_1(run, tmp_path):
    class Attack:
        def __reduce__(self):
            return (tmp_path.joinpath("ran").touch, ())

    good = np.ones((4, 4, 2))
    bad = {
        "flat": np.ones((4, 4)),
        "one-class": np.ones((4, 4, 1)),
        "words": np.full((4, 4, 2), "a"),
        "nan": np.full((4, 4, 2), np.nan),
        "empty": np.ones((0, 4, 2)),
        "huge": np.full((4, 4, 2), 1e9),
    }
    for name, array in bad.items():
        np.savez(tmp_path / f"{name}.npz", good=good, **{name: array})
    hostile = np.empty((), object)
    hostile[()] = Attack()
    np.savez(tmp_path / "pickle.npz", hostile=hostile)
    (tmp_path / "bare.npz").write_bytes(pickle.dumps(Attack()))
    for name, method in (("lzma", zipfile.ZIP_LZMA), ("stored", zipfile.ZIP_STORED)):
        with zipfile.ZipFile(tmp_path / f"{name}.npz", "w", method) as archive:
            archive.writestr("first.npy", b"\x93NUMPY\x01\x00" + bytes(100))
            archive.writestr("plain.txt", "no array")
    with zipfile.ZipFile(tmp_path / "member.npz", "w") as archive:
        archive.writestr("plain.txt", "no array")
    cut = bytearray((tmp_path / "lzma.npz").read_bytes())
    cut[45:60] = bytes(15)
    (tmp_path / "corrupt.npz").write_bytes(cut)
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (2000000, 2000000, 2), }"
    with zipfile.ZipFile(tmp_path / "claims.npz", "w") as archive:
        archive.writestr("a.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    (tmp_path / "text.npz").write_text("no archive")
    np.savez(tmp_path / "nothing.npz")
    paths = sorted(tmp_path.glob("*.npz"))
    assert len(paths) == len(bad) + 9
    for path in [*paths, tmp_path / "missing.npz"]:
        code, out, err = run("certify", "--local-logits", path, "--window-size", "2x2")
        assert (code, out) == (1, ""), path
        assert err.count("\n") == 1, path
        assert path.name in err
    assert not (tmp_path / "ran").exists()


def test_labels_that_no_map_has_are_refused(run, maps, tmp_path):
    path, _ = maps
    options = ("certify", "--local-logits", path, "--window-size", "2x2")
    assert run(*options, "--label", 9)[0] == 1
    assert run(*options, "--label", "cat")[0] == 1
    for text in ('{"first": 0}', "[0, 1]", '{"first": 0, "second": true}', "no json", "[" * 100_000):
        labels = tmp_path / "labels.json"
        labels.write_text(text)
        code, out, err = run(*options, "--labels", labels)
        assert (code, out, err.count("\n")) == (1, "", 1)


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
        ("certify", "--local-logits", "maps.npz"),
        ("certify", "--local-logits", "maps.npz", "--window-size", "2x2", "--model", "tiles"),
        ("certify", "--local-logits", "maps.npz", "--window-size", "2x2", "--device", "cpu"),
        ("certify", "--local-logits", "maps.npz", "--window-size", "2x2", "--delta", "nan"),
        ("certify", COFFEE, "--delta", "0.1"),
        ("certify", "--local-logits", "maps.npz", "--window-size", "2"),
        ("certify", "--local-logits", "maps.npz", "--window-size", "2x2", "--patch-size", "3"),
        ("certify", "--local-logits", "m.npz", "--window-size", "2x2", "--label", "1", "--labels", "l.json"),
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
