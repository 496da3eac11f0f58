"""What a person sees of a run that is stopped from outside: one line that says how to go on, and no traceback."""

import errno
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from pg_core.__main__ import main
from pg_core.evaluation.outcome_table import open_table
from pg_core.networks import CIFAR10
from pg_core.training.loop import read_checkpoint
from tests.endurance.kills import ROOT, endure

_PROGRAM = f"""
import runpy, sys
sys.path.insert(0, {str(ROOT)!r})
from pg_core.commands import options
options._LOGGED_EVERY = 0.0
runpy.run_module("pg_core", run_name="__main__", alter_sys=True)
"""
"""The command line, but for a report of every step."""
EVALUATE = "evaluate photos --model cifar10 --device cpu --patch-size 2 --table run"
PROVE = "prove photos --model cifar10 --device cpu --patch-size 2 -o proofs.zip"
TRAIN = (
    "train pointwise photos --steps 100000 --photos-per-step 4 --held-out 1 --width 16 --blocks 1 "
    "--checkpoint run.pt --output weights"
)


@pytest.fixture
def work(tmp_path):
    """A folder with a hundred photos of noise for the commands."""
    for label, name in enumerate(CIFAR10):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(10):
            pixels = np.random.default_rng(10 * label + number).integers(0, 256, (32, 32, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
    return tmp_path


def start(command, folder, **options):
    """A command in a process of its own, which takes Ctrl-C though this one may not."""
    return subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, *command.split()],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        **options,
    )


def interrupted(command, folder, word, number, times=1):
    """The exit code and the last line of a command that is interrupted after its third report with a word."""
    process = start(command, folder)
    seen = 0
    while seen < 3:
        line = process.stderr.readline()
        assert line, "it ended before"
        seen += word in line
    for _ in range(times):
        process.send_signal(number)
    out, err = process.communicate()
    assert out == ""
    assert "Traceback" not in err
    assert err.count("interrupted") == 1
    assert not list(folder.rglob("*.new"))
    return process.returncode, err.splitlines()[-1]


def test_of_interrupted_proofs_of_a_folder_nothing_is_left(work):
    code, line = interrupted(PROVE, work, "/100", signal.SIGINT)
    assert (code, line) == (130, "interrupted; nothing was written")
    assert [path.name for path in work.iterdir()] == ["photos"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_training_writes_a_checkpoint_and_says_so_in_one_line(work, number):
    code, line = interrupted(TRAIN, work, "loss", number)
    step = read_checkpoint(work / "run.pt").step
    assert step >= 3
    kept = f"interrupted; step {step} of 100000 is kept in run.pt: go on by python -m pg_core {TRAIN}"
    assert (code, line) == (130, kept)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_evaluation_says_in_one_line_how_many_photos_are_kept(work, number):
    code, line = interrupted(EVALUATE, work, "/100", number)
    ((kept,),) = open_table(work / "run").query("select count(*) from outcomes")
    assert 3 <= kept < 100
    said = f"interrupted; {kept} of 100 photos are kept in run: go on by python -m pg_core {EVALUATE}"
    assert (code, line) == (130, said)


def test_a_second_interrupt_leaves_a_checkpoint_that_is_whole_or_none(work):
    code, line = interrupted(TRAIN, work, "loss", signal.SIGINT, times=2)
    assert code == 130
    if (work / "run.pt").exists():
        assert f"step {read_checkpoint(work / 'run.pt').step} of" in line
    else:
        assert line == "interrupted; nothing was written"


@pytest.mark.parametrize("arguments", [("certify",), ("figure", "-o", "photo.pdf")])
def test_where_nothing_is_kept_an_interrupt_says_so(arguments, capsys, monkeypatch, tmp_path):
    def stop(*options):
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pg_core.commands.photo.examined", stop)
    command, *options = arguments
    assert main([command, "photo.jpg", *options]) == 130
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "interrupted; nothing was written\n")
    assert not list(tmp_path.iterdir())


def test_a_reader_that_went_away_is_no_error_to_speak_of(work):
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *EVALUATE.split(), "--limit", "1"],
        cwd=work,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    assert (process.returncode, process.stderr.splitlines()[1:]) == (1, [])
    assert process.stderr.startswith("1/1")


def test_an_output_that_cannot_be_written_is_named_in_one_line(work, capsys, monkeypatch):
    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(sys.stdout, "write", full)
        code = main(["evaluate", str(work / "photos"), "--model", "cifar10", "--limit", "1"])
    assert code == 1
    assert capsys.readouterr().err == (
        "error: the standard output: cannot be written, the disk is full: make room, or name another place\n"
    )


@pytest.mark.parametrize("command", ["evaluate", "train"])
def test_a_run_that_is_killed_ends_in_the_same_bytes(command, tmp_path):
    """Few kills: python -m tests.endurance.kills does more."""
    count = endure(command, 2, tmp_path)
    assert (count.kills, count.different) == (2, 0)
    assert count.finished > 0
