"""Folders and files that are not what their names say, names that are no text, and numbers that are too large."""

import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from pg_core.__main__ import main
from pg_core.datasets.folders import labelled_photos, readable
from pg_core.evaluation.results import read
from pg_core.evaluation.run import evaluate
from pg_core.photos.read import ImageError
from tests.colours import Colours
from tests.pg_core.evaluation.test_resuming import CASES

NO_TEXT = os.fsdecode(b"caf\xe9\x1b[31m")
"""The name of a file as an old system writes it, which is no UTF-8, and with a control character."""


def paint(path, seed, side=32):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)).save(path)


@pytest.fixture
def folder(tmp_path):
    """Two photos of noise of two classes of CIFAR-10."""
    for number, name in enumerate(("cat", "dog")):
        for photo in range(2):
            paint(tmp_path / "photos" / name / f"{photo}.png", 2 * number + photo)
    return tmp_path / "photos"


@pytest.fixture
def run(capsys):
    def call(command, *arguments):
        code = main([*command.split(), *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


EVALUATE = "evaluate --patch-size 2 --model cifar10 --device cpu"
TRAIN = "train pointwise --steps 2 --photos-per-step 2 --held-out 0 --width 8 --blocks 1"


def pipe(path):
    os.mkfifo(path)


def device(path):
    path.symlink_to("/dev/zero")


def dangling(path):
    path.symlink_to(path.with_name("nothing"))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (pipe, r"^cat/2\.jpg: expected a file, got a pipe"),
        (device, r"^cat/2\.jpg: expected a file, got a device"),
        (dangling, r"^cat/2\.jpg: no such file"),
    ],
)
def test_what_is_no_file_is_refused_unopened_like_a_photo_that_cannot_be_read(folder, make, words):
    make(folder / "cat" / "2.jpg")
    photos = labelled_photos(folder, ("cat", "dog"))
    (photo,) = (photo for photo in photos if photo.name == "cat/2.jpg")
    for use in (lambda photo=photo: photo.framed((32, 32)), photo.hashed):
        with pytest.raises(ImageError, match=words):
            use()
    assert readable(photos)[1] == ("cat/2.jpg",)


def test_commands_name_a_pipe_among_the_photos_or_pass_it_over(folder, run, tmp_path):
    pipe(folder / "cat" / "2.jpg")
    training = (TRAIN, folder, "--checkpoint", tmp_path / "run.pt", "--output", tmp_path / "out")
    for arguments in ((EVALUATE, folder), training):
        code, out, err = run(*arguments)
        assert (code, out, err.count("\n")) == (1, "", 1)
        assert "cat/2.jpg: expected a file, got a pipe" in err
        code, out, err = run(*arguments, "--skip-unreadable")
        assert (code, err) == (0, "")
        assert "1 unreadable photo passed over: cat/2.jpg" in out


@pytest.mark.parametrize("place", ["pipe", "folder", "/dev/full", "missing/deeper/file"])
def test_where_lines_checkpoint_and_figure_cannot_be_is_said_before_the_work(
    folder, run, tmp_path, monkeypatch, place
):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.svg")
    os.mkfifo("pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder.svg").mkdir()
    # Whoever reads a photo has begun.
    monkeypatch.setattr("pg_core.photos.read.decode", lambda data: pytest.fail("the work began"))
    (photo,) = folder.glob("cat/0.png")
    for arguments in (
        (EVALUATE, folder, "--table", tmp_path / "table", "--lines", place),
        (TRAIN, folder, "--checkpoint", place, "--output", "out"),
        (f"figure {photo} --model cifar10", "-o", f"{place}.svg"),
    ):
        if "figure" in arguments[0] and place == "/dev/full":
            continue  # A figure needs a suffix, which no device has.
        code, out, err = run(*arguments)
        assert (code, out, err.count("\n")) == (1, "", 1)
        assert place in err or "missing/deeper" in err


def test_the_last_folder_of_an_output_is_made_for_every_command(folder, run, tmp_path):
    for arguments, made in (
        (
            (
                EVALUATE,
                folder,
                "--limit",
                1,
                "--table",
                tmp_path / "t",
                "--lines",
                tmp_path / "a" / "l.jsonl",
            ),
            "a/l.jsonl",
        ),
        ((EVALUATE, folder, "--limit", 1, "--table", tmp_path / "g"), "g/part-00000001.parquet"),
        ((EVALUATE, folder, "--limit", 1, "--local-logits", tmp_path / "b"), "b"),
        ((TRAIN, folder, "--checkpoint", tmp_path / "c" / "run.pt", "--output", tmp_path / "d"), "c/run.pt"),
        ((f"figure {folder}/cat/0.png --model cifar10", "-o", tmp_path / "e" / "f.svg"), "e/f.svg"),
    ):
        assert run(*arguments)[0] == 0
        assert (tmp_path / made).exists()
    assert (tmp_path / "d" / "cifar10.json").exists()


@pytest.mark.parametrize("name", ["../escape", "a/b", ".hidden"])
def test_training_under_a_name_that_leads_elsewhere_is_wrong_usage(folder, tmp_path, capsys, name):
    options = ["--checkpoint", str(tmp_path / "run.pt"), "--output", str(tmp_path / "out"), "--name", name]
    with pytest.raises(SystemExit) as stop:
        main([*TRAIN.split(), str(folder), *options])
    assert stop.value.code == 2
    assert "expected a name of up to 100 letters" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_a_name_that_is_no_text_is_measured_kept_and_read_back(tmp_path):
    for name in Colours.classes:
        paint(tmp_path / "val" / name / f"{NO_TEXT}.png", 0)
    photos = labelled_photos(tmp_path / "val", Colours.classes)
    table = tmp_path / "table"
    whole = evaluate(Colours(), photos, CASES, table)
    before = [path.read_bytes() for path in table.iterdir()]
    assert evaluate(Colours(), photos, CASES, table) == whole
    assert [path.read_bytes() for path in table.iterdir()] == before
    (tmp_path / "val" / "red" / f"{NO_TEXT}.png").unlink()
    left = evaluate(Colours(), [photo for photo in photos if photo.label], CASES, table)
    summary = tmp_path / "summary.json"
    summary.write_text(json.dumps(left.summary()))
    assert read(summary).missing == (f"red/{NO_TEXT}.png",)


def test_commands_show_a_name_that_is_no_text_with_escapes(folder, run, tmp_path):
    shutil.move(folder / "cat" / "0.png", folder / "cat" / f"{NO_TEXT}.png")
    (folder / "dog" / f"{NO_TEXT}.txt").touch()
    lines = tmp_path / f"{NO_TEXT}.jsonl"
    for more in ((), ("--json",)):
        code, out, err = run(EVALUATE, folder, "--table", tmp_path / "table", "--lines", lines, *more)
        assert (code, err) == (0, "")
        assert out.isascii()
        assert "caf\\udce9" in out
    checkpoint, output = tmp_path / f"{NO_TEXT}.pt", tmp_path / NO_TEXT
    code, out, err = run(TRAIN, folder, "--checkpoint", checkpoint, "--output", output)
    assert (code, err) == (0, "")
    assert "caf\\udce9" in out
    (folder / "cat" / f"{NO_TEXT}.png").write_bytes(b"no photo")
    code, out, err = run(EVALUATE, folder)
    assert (code, out) == (1, "")
    assert "cat/caf\\udce9\\x1b[31m.png: This is text" in err
    (folder / NO_TEXT).mkdir()
    assert "photos/caf\\udce9" in run(EVALUATE, folder)[2]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--patch-size", "33"), "expected a patch of 1x1 to 32x32 pixels, the size of the image, got 33x33"),
        (("--patch-size", "2", "1000000000"), "expected a patch of 1x1 to 32x32 pixels"),
    ],
)
def test_what_is_larger_than_the_image_is_refused_before_a_photo_is_read(
    folder, run, monkeypatch, options, words
):
    monkeypatch.setattr("pg_core.photos.read.decode", lambda data: pytest.fail("the work began"))
    code, out, err = run(EVALUATE, folder, *options)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert words in err


def test_a_long_run_says_how_often_the_network_runs_and_how_long_that_takes(folder, run, monkeypatch):
    options = ("--limit", 1, "--defence", "double-masking", "--masks-per-axis", 3)
    monkeypatch.setattr("pg_core.commands.evaluate._LONG", 0.0)
    code, _, err = run(EVALUATE, folder, *options)
    assert code == 0
    (told,) = err.splitlines()
    assert told.startswith("46 runs of the network for each photo, about 0:")
    assert told.endswith(" for 1 photos")
    monkeypatch.setattr("pg_core.commands.evaluate._LONG", 3600.0)
    assert run(EVALUATE, folder, *options)[2] == ""


def test_progress_is_told_within_a_photo_whose_pairs_take_long(folder, run, monkeypatch):
    monkeypatch.setattr("pg_core.commands.options._LOGGED_EVERY", 0.0)
    _, _, err = run(EVALUATE, folder, "--limit", 1, "--defence", "double-masking", "--masks-per-axis", 3)
    within = [line for line in err.splitlines() if line.startswith("0/1, 0:")]
    assert len(within) == 2
    assert within[0].endswith("left: cat/0.png, 32/45 pairs of masks")
