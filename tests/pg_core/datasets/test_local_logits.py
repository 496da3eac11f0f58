"""certify --local-logits: maps of another network are read as is stated, and never guessed."""

import json
import pickle
import zipfile

import numpy as np
import pytest
from PIL import Image

from pg_core import (
    RobustMasking,
    analyse,
    extract,
    load_model,
    sample_path,
    save_local_logits,
)
from pg_core.__main__ import main
from pg_core.defences.patchguard.boards import COUNTEREXAMPLE, COUNTEREXAMPLE_RIVAL
from pg_core.evidence.types import EvidenceType
from pg_core.geometry import ReceptiveField
from tests.colours import Colours

LAST = ("--layout", "rows,columns,classes")
FIRST = ("--layout", "classes,rows,columns")


@pytest.fixture
def run(capsys):
    def call(path, window_size, *options):
        arguments = ("certify", "--local-logits", path, "--window-size", window_size, *options)
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


@pytest.fixture
def bands(tmp_path):
    """One row of six bands: the label leads, most of all in the last and the first, which are beside each other."""
    path = tmp_path / "bands.npz"
    np.savez(path, bands=np.array([[[20, 5, 5, 5, 5, 20]], [[0, 3, 3, 3, 3, 0]]]))
    return path


def refused(told):
    """The one line of an error."""
    code, out, err = told
    assert (code, out, err.count("\n")) == (1, "", 1)
    return err


def test_maps_get_one_line_each_with_the_defences_numbers_and_how_they_were_read(run, maps):
    path, arrays = maps
    code, out, _ = run(path, "2x3", "--threshold", 0.2, "--clip-high", 1.5, *LAST)
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [line["name"] for line in lines] == list(arrays)
    for line, array in zip(lines, arrays.values(), strict=True):
        defence = RobustMasking((2, 3), 0.2, clip_high=1.5)
        logits = array.transpose(2, 0, 1).astype(float)
        certificate = defence.certify(logits)
        assert line["prediction"] == line["label"] == int(defence.predict(logits).label)
        assert line["smallest_margin"] == certificate.margin.min()
        assert line["verdict"] == certificate.verdict
        worst = certificate.worst
        assert (line["worst"]["row"], line["worst"]["column"]) == (worst.top, worst.left)
        assert list(line["shape"].values()) == list(logits.shape)
        assert (line["layout"], line["wrapping"], line["delta"]) == ("rows,columns,classes", False, 0)


def test_either_layout_gives_the_same_verdict_and_none_is_refused(run, maps, tmp_path):
    path, arrays = maps
    turned = tmp_path / "turned.npz"
    np.savez(turned, **{name: array.transpose(2, 0, 1) for name, array in arrays.items()})
    last, first = run(path, "2x3", *LAST)[1], run(turned, "2x3", *FIRST)[1]
    assert [json.loads(line) | {"layout": FIRST[1]} for line in last.splitlines()] == [
        json.loads(line) for line in first.splitlines()
    ]
    told = refused(run(path, "2x3"))
    assert FIRST[1] in told
    assert LAST[1] in told


def test_what_only_a_wrong_layout_makes_of_a_map_is_refused(run, tmp_path):
    path = tmp_path / "ten.npz"
    np.savez(path, ten=np.ones((10, 6, 6)), one=np.ones((10, 6, 1)))
    assert "'ten' as classes,rows,columns" in refused(run(path, "7x7", *FIRST, "--no-wrapping"))
    assert "two classes in 'one'" in refused(run(path, "2x2", *LAST))


def test_bands_wrap_where_the_person_says_so_and_only_then_is_the_window_across_the_edge_a_threat(run, bands):
    flat = json.loads(run(bands, "1x2", *FIRST, "--no-wrapping")[1])
    assert (flat["verdict"], flat["windows"], flat["wrapping"]) == ("certified", 5, False)
    told = json.loads(run(bands, "1x2", *FIRST, "--wrapping")[1])
    assert (told["verdict"], told["windows"], told["wrapping"]) == ("not certified", 6, True)
    # Without the last and the first band the label keeps 20, of which 10 are masked; the rival has 12.
    assert (told["worst"]["column"], told["smallest_margin"]) == (5, -2)


def test_one_row_or_column_may_be_bands_so_the_person_says_whether_it_wraps(run, bands, tmp_path):
    told = refused(run(bands, "1x2", *FIRST))
    assert "--wrapping" in told
    assert "--no-wrapping" in told
    column = tmp_path / "column.npz"
    np.savez(column, column=np.ones((2, 6, 1)))
    assert "--no-wrapping" in refused(run(column, "2x1", *FIRST))
    assert "one row" in refused(run(column, "2x1", *FIRST, "--wrapping"))
    assert run(column, "2x1", *FIRST, "--no-wrapping")[0] == 0


def test_saved_local_logits_are_read_back_to_the_same_verdict(run, tmp_path):
    model = load_model("tiles-coarse")
    defence = RobustMasking(model.receptive_field.window_size((64, 64)), evidence=model.evidence)
    path, features = tmp_path / "saved.npz", {}
    for name in ("coffee", "flower"):
        analysis = analyse(sample_path(name), model, defence)
        features[name] = analysis.features
        save_local_logits(path, analysis.features)
        height, width = defence.window_size
        code, out, _ = run(path, f"{height}x{width}")
        told, expected = json.loads(out), analysis.summary()
        assert code == 0
        same = (
            "verdict",
            "prediction",
            "label",
            "tolerance",
            "smallest_margin",
            "worst",
            "evidence",
            "model",
        )
        assert [told[key] for key in same] == [expected[key] for key in same]
        assert told["evidence"] != EvidenceType.LOGITS
        assert (told["layout"], told["delta"]) == (FIRST[1], analysis.features.delta)
        bare = tmp_path / "bare.npz"
        np.savez(bare, local_logits=analysis.features.local_logits)
        stated = ("--evidence", model.evidence, "--delta", analysis.features.delta)
        plain = json.loads(run(bare, f"{height}x{width}", *FIRST, *stated)[1])
        assert (plain["verdict"], plain["smallest_margin"]) == (expected["verdict"], told["smallest_margin"])
    save_local_logits(path, features)
    _, out, _ = run(path, f"{height}x{width}", "--label", "Espresso")
    assert [json.loads(line)["label"] for line in out.splitlines()] == ["espresso", "espresso"]
    assert [json.loads(line)["name"] for line in out.splitlines()] == list(features)


class Bands(Colours):
    """The mean colours of bands of 4 columns."""

    classes = ("red", "green", "blue")
    receptive_field = ReceptiveField((48, 4), (48, 1), wrapping=True)

    def local_logits(self, pixels, window=None):
        band = pixels[:, None]
        mean = np.mean([np.roll(band, -n, axis=-1).mean(axis=2) for n in range(4)], axis=0)
        window = slice(None) if window is None else slice(window.left, window.right)
        return mean[..., window].astype(np.float32)


@pytest.fixture
def saved(tmp_path):
    """A file of the library with a map of bands."""
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    features = extract(Image.fromarray(noise), Bands())
    path = tmp_path / "saved.npz"
    save_local_logits(path, {"file": features})
    return path, features


def test_a_saved_file_names_its_wrapping_its_classes_and_its_error(run, saved):
    path, features = saved
    told = json.loads(run(path, "1x4", "--label", "green")[1])
    assert (told["wrapping"], told["windows"], told["name"]) == (True, 64, "file")
    assert told["delta"] == features.delta > 0
    assert (told["label"], told["undefended_prediction"] in Bands.classes) == ("green", True)
    larger = json.loads(run(path, "1x4", "--delta", 0.5, *FIRST, "--wrapping")[1])
    assert larger["delta"] == 0.5


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (LAST, "layout"),
        (("--no-wrapping",), "wrapping"),
        (("--delta", 0), "--delta"),
        (("--label", "cat"), "red"),
        (("--label", 3), "from 0 to 2"),
    ],
)
def test_what_contradicts_a_saved_file_is_refused(run, saved, options, word):
    assert word in refused(run(saved[0], "1x4", *options))


@pytest.mark.parametrize(
    "change",
    [
        {"layout": "columns,rows,classes"},
        {"layout": ["classes,rows,columns"]},
        {"wrapping": 0},
        {"wrapping": None},
        {"evidence": "guess"},
        {"model": 1},
        {"classes": "rgb"},
        {"classes": ["red", "green"]},
        {"classes": ["red", "green", 3]},
        {"delta": {}},
        {"delta": {"file": -1}},
        {"delta": {"file": "0"}},
        {"delta": {"file": float("nan")}},
        {"delta": {"file": True}},
        {"delta": None},
    ],
)
def test_a_description_that_was_changed_by_hand_is_refused(run, saved, tmp_path, change):
    with np.load(saved[0]) as archive:
        arrays = dict(archive)
    told = json.loads(str(arrays["pg_core.description"])) | change
    path = tmp_path / "changed.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in (arrays | {"pg_core.description": np.array(json.dumps(told))}).items():
            with archive.open(f"{name}.npy", "w") as file:
                np.lib.format.write_array(file, array)
    assert "changed.npz" in refused(run(path, "1x4"))


@pytest.mark.parametrize(
    "text", [np.ones((4, 4, 2)), np.array("no json"), np.array("[" * 100_000), np.array(b"{}")]
)
def test_a_description_that_is_none_is_refused(run, tmp_path, text):
    path = tmp_path / "other.npz"
    np.savez(path, **{"pg_core.description": text, "good": np.ones((4, 4, 2))})
    assert "save_local_logits" in refused(run(path, "2x2", *LAST))


def test_features_of_two_networks_go_into_two_files(saved, tmp_path):
    noise = Image.fromarray(np.zeros((48, 64, 3), np.uint8))
    with pytest.raises(ValueError, match="one network"):
        save_local_logits(tmp_path / "two.npz", {"one": saved[1], "other": extract(noise, Colours())})
    with pytest.raises(ValueError, match="at least one map"):
        save_local_logits(tmp_path / "none.npz", {})


def test_labels_of_maps_come_from_a_number_or_a_file(run, maps, tmp_path):
    path, _ = maps
    _, out, _ = run(path, "2x2", *LAST, "--label", 1)
    assert [json.loads(line)["label"] for line in out.splitlines()] == [1, 1]
    labels = tmp_path / "labels.json"
    labels.write_text('{"first": 3, "second": 0}')
    _, out, _ = run(path, "2x2", *LAST, "--labels", labels)
    assert [json.loads(line)["label"] for line in out.splitlines()] == [3, 0]


def test_a_class_that_does_not_exist_is_refused(run, maps, tmp_path):
    path, _ = maps
    # The first map has four classes, the second three.
    for label in (3, 9, -1, "cat", "9" * 5000):
        refused(run(path, "2x2", *LAST, f"--label={label}"))
    labels = tmp_path / "labels.json"
    texts = ('{"first": 0}', "[0, 1]", '{"first": 0, "second": true}', "no json", "[" * 100_000)
    for text in (*texts, '{"first": 0, "second": 3}', '{"first": -1, "second": 0}'):
        labels.write_text(text)
        refused(run(path, "2x2", *LAST, "--labels", labels))


def test_the_published_bound_is_not_below_the_sound_one(run, maps):
    path, _ = maps
    options = ("3x3", *LAST, "--threshold", 0.4, "--bound")
    margins = {
        bound: [json.loads(line)["smallest_margin"] for line in run(path, *options, bound)[1].splitlines()]
        for bound in ("published", "sound")
    }
    assert all(p >= s for p, s in zip(margins["published"], margins["sound"], strict=True))


def test_certificates_of_maps_survive_the_stated_error(run, tmp_path):
    path = tmp_path / "close.npz"
    np.savez(path, close=np.stack([np.full((6, 6), 1.0), np.full((6, 6), 0.9)], axis=-1))
    told = [json.loads(run(path, "1x1", *LAST, "--delta", delta)[1]) for delta in (0, 1e-3, 0.5)]
    assert [each["verdict"] for each in told] == ["certified", "certified", "undecided"]
    assert [each["delta"] for each in told] == [0, 1e-3, 0.5]


def test_only_logits_have_a_ceiling(run, tmp_path):
    path = tmp_path / "large.npz"
    np.savez(path, large=np.full((4, 4, 2), [1e6, 0.0]))
    assert run(path, "1x1", *LAST, "--evidence", "logits")[0] == 1
    code, out, _ = run(path, "1x1", *LAST, "--evidence", "confidence")
    assert (code, json.loads(out)["verdict"]) == (0, "certified")


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
        np.savez(tmp_path / f"{name}.npz", **{name: array}, good=good)
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
        assert path.name in refused(run(path, "2x2", *LAST)), path
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("certify", "--local-logits", "maps.npz"),
        ("certify", "--local-logits", "maps.npz", "--window-size", "2x2", "--model", "tiles"),
        ("certify", "--local-logits", "maps.npz", "--window-size", "2x2", "--device", "cpu"),
        ("certify", "--local-logits", "maps.npz", "--window-size", "2x2", "--delta", "nan"),
        ("certify", "--local-logits", "maps.npz", "--window-size", "2x2", "--delta", "-1"),
        ("certify", "--local-logits", "maps.npz", "--window-size", "2x2", "--layout", "rows"),
        ("certify", "photo.jpg", "--layout", "rows,columns,classes"),
        ("certify", "photo.jpg", "--no-wrapping"),
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


def test_the_published_bound_says_unproved_on_its_own_counterexample(run, tmp_path):
    maps = np.concatenate([COUNTEREXAMPLE.benign, COUNTEREXAMPLE_RIVAL.benign])
    np.savez(tmp_path / "board.npz", board=maps)
    told = {}
    for bound in ("published", "sound"):
        code, out, _ = run(tmp_path / "board.npz", "2x2", *FIRST, "--threshold", 0.4, "--bound", bound)
        assert code == 0
        told[bound] = json.loads(out)
    assert (told["published"]["verdict"], told["published"]["claim"]) == ("unproved", "nothing")
    assert told["published"]["smallest_margin"] > 0 == told["published"]["windows_proved"]
    assert (told["sound"]["verdict"], told["sound"]["claim"]) == ("not certified", "keeps the label")
