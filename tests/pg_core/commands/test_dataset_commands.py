"""python -m pg_core train and evaluate, end to end on a handful of photos."""

import json

import pytest
from PIL import Image

from pg_core import sample_path
from pg_core.__main__ import main
from pg_core.networks.shipped import WEIGHTS


def photos_of(root, classes, side):
    samples = ("china", "rocket", "coffee", "coins", "flower", "chelsea")
    for number, name in enumerate(samples):
        below = root / classes[number % 3]
        below.mkdir(parents=True, exist_ok=True)
        with Image.open(sample_path(name)) as picture:
            picture.convert("RGB").resize((side, side)).save(below / f"{name}.jpg")
    return root


@pytest.fixture
def folder(tmp_path):
    """Six photos in three folders of ImageNette's, one of them under its WordNet name."""
    return photos_of(tmp_path / "photos", ("church", "n03425413", "golf_ball"), 224)


def run(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_an_evaluation_prints_every_accuracy_with_n_and_its_interval(capsys, folder, tmp_path):
    lines, table = tmp_path / "lines.jsonl", ("--table", tmp_path / "table")
    options = ("evaluate", folder, "--patch-size", 23, 32, "--threshold", 0, 0.2, *table, "--lines", lines)
    code, out, err = run(capsys, *options, "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert told["n"] == 6
    assert len(told["runs"]) == 4
    for measured in told["runs"]:
        assert measured.keys() >= {
            "patch_size",
            "threshold",
            "defence",
            "clean_accuracy",
            "certified_accuracy",
        }
        low, high = measured["certified_interval"]
        assert 0 <= low <= measured["certified_accuracy"] <= high <= 1
        assert sum(measured["verdicts"].values()) == 6
    assert len(told["configuration"]["weights_sha256"]) == 64
    assert len(lines.read_text().splitlines()) == 6 * 4
    assert run(capsys, *options, "--json")[1] == out
    assert told["photos"]["folder"] == f"{tmp_path.name}/photos"
    options = ("evaluate", folder, "--limit", 3, "--patch-size", "2%", "--local-logits", tmp_path / "kept")
    code, out, _ = run(capsys, *options)
    assert len(list((tmp_path / "kept").iterdir())) == 3
    assert run(capsys, *options)[1] == out
    assert (code, "n = 3" in out, "32x32 pixels, masking, T = 0" in out) == (0, True, True)


def test_progress_with_the_time_left_is_logged_where_there_is_no_terminal(capsys, folder, monkeypatch):
    monkeypatch.setattr("pg_core.commands.options._LOGGED_EVERY", 0.0)
    _, _, err = run(capsys, "evaluate", folder, "--limit", 2, "--patch-size", 32)
    first, second = err.splitlines()
    assert first.startswith("1/2, 0:00:")
    assert first.endswith(" left")
    assert second.startswith("2/2")


@pytest.mark.parametrize(
    "arguments",
    [
        ("missing",),
        (".",),
        ("photos", "--model", "bagnet17"),
        ("photos", "--defence", "masking", "mask-ds"),
    ],
)
def test_a_folder_network_or_defence_that_does_not_fit_is_bad_input(capsys, folder, monkeypatch, arguments):
    monkeypatch.chdir(folder.parent)
    (folder.parent / "stray").mkdir()
    code, out, err = run(capsys, "evaluate", *arguments)
    assert (code, out, err.count("\n")) == (1, "", 1)


def test_a_trained_whole_network_teaches_another_and_is_named_in_its_card(capsys, folder, tmp_path):
    small = photos_of(tmp_path / "small", ("cat", "frog", "truck"), 32)

    def trained(network, name, *options, photos=small):
        few = ["--photos-per-step", 2, "--steps", 1, "--held-out", 1, "--checkpoint", tmp_path / f"{name}.pt"]
        return run(capsys, "train", network, photos, "--output", tmp_path, *few, *options)

    assert trained("whole", "teacher")[::2] == (0, "")
    pupil = ("pointwise", "pupil", "--width", 64, "--blocks", 1, "--teacher-share", 0.5)
    code, _, err = trained(*pupil)
    assert (code, err.count("\n")) == (1, 1)
    assert "--teacher" in err
    assert trained(*pupil, "--teacher", tmp_path)[::2] == (0, "")
    teacher = json.loads((tmp_path / "cifar10-whole.json").read_text())
    assert json.loads((tmp_path / "cifar10.json").read_text())["teacher"] == teacher
    tiles = ("tiles", "tiles", "--teacher-share", 0.5, "--teacher")
    assert trained(*tiles, WEIGHTS, photos=folder)[::2] == (0, "")
    told = json.loads((tmp_path / "imagenette.json").read_text())["teacher"]
    assert told == json.loads((WEIGHTS / "imagenette.json").read_text())
    (tmp_path / "imagenette.json").write_text((tmp_path / "cifar10-whole.json").read_text())
    code, _, err = trained("tiles", "other", *tiles[2:], tmp_path, photos=folder)
    assert (code, "imagenette.json" in err) == (1, True)
    (tmp_path / "cifar10-whole.safetensors").write_bytes(b"another file")
    code, _, err = trained(*pupil, "--teacher", tmp_path)
    assert (code, "SHA-256" in err) == (1, True)


def test_training_writes_weights_and_a_card_and_goes_on_from_its_checkpoint(capsys, folder, tmp_path):
    options = [
        "train",
        "tiles",
        folder,
        "--checkpoint",
        tmp_path / "run.pt",
        "--output",
        tmp_path,
        "--name",
        "small",
    ]
    options += [
        "--tile",
        32,
        "--side",
        32,
        "--photos-per-step",
        2,
        "--parts-per-photo",
        2,
        "--dropped",
        1,
        "--steps",
        2,
    ]
    options += ["--held-out", 1]
    code, out, err = run(capsys, *options)
    assert (code, err) == (0, "")
    card = json.loads((tmp_path / "small.json").read_text())
    assert card["recipe"]["steps"] == 2
    assert card["sha256"] in out
    weights = (tmp_path / "small.safetensors").read_bytes()
    assert run(capsys, *options)[0] == 0
    assert (tmp_path / "small.safetensors").read_bytes() == weights
    code, _, err = run(capsys, *options, "--seed", 5)
    assert (code, err.count("\n")) == (1, 1)
