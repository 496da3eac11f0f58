"""A checkpoint of training knows what it began with, and a damaged one or one of another beginning is refused."""

import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from pg_core.datasets.folders import labelled_photos
from pg_core.io.files import FileError
from pg_core.networks.network import CheckpointError
from pg_core.training.loop import read_checkpoint, train
from tests.limits import full_after
from tests.pg_core.training.test_training import RECIPE, Tiny

CLASSES = ("red", "green", "blue")


def paint(path, seed):
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (32, 32, 3), np.uint8)).save(path)


@pytest.fixture
def folder(tmp_path):
    """Two photos of noise for each class."""
    for label, name in enumerate(CLASSES):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(2):
            paint(tmp_path / "photos" / name / f"{number}.png", 2 * label + number)
    return tmp_path / "photos"


@pytest.fixture
def checkpoint(folder, tmp_path):
    """Of a run that was stopped after two steps."""
    run(folder, tmp_path / "run.pt", last_step=2)
    return tmp_path / "run.pt"


def run(folder, path, base=None, recipe=RECIPE, image_size=(32, 32), **options):
    return train(base or Tiny(), labelled_photos(folder, CLASSES), image_size, recipe, path, **options)


def other_content(folder):
    paint(folder / "red" / "0.png", 100)


def other_name(folder):
    (folder / "red" / "0.png").rename(folder / "red" / "2.png")


def other_label(folder):
    (folder / "red" / "0.png").rename(folder / "blue" / "00.png")


def one_more(folder):
    paint(folder / "red" / "2.png", 100)


def one_less(folder):
    (folder / "green" / "1.png").unlink()


@pytest.mark.parametrize("change", [other_content, other_name, other_label, one_more, one_less])
@pytest.mark.parametrize("finished", [False, True])
def test_training_on_other_photos_is_refused_with_the_cure(folder, checkpoint, change, finished):
    if finished:
        run(folder, checkpoint)
    before = checkpoint.read_bytes()
    change(folder)
    with pytest.raises(ValueError, match=r"^run\.pt: trained on other photos .* name another checkpoint"):
        run(folder, checkpoint)
    assert checkpoint.read_bytes() == before


def test_photos_held_out_are_compared_too_since_they_decide_which_are_not(folder, checkpoint):
    held_out = read_checkpoint(checkpoint).recipe.held_out
    assert held_out > 0
    paths = sorted(folder.rglob("*.png"))
    for number, path in enumerate(paths):
        content = path.read_bytes()
        paint(path, 200 + number)
        with pytest.raises(ValueError, match="other photos"):
            run(folder, checkpoint)
        path.write_bytes(content)
    run(folder, checkpoint)


def test_a_folder_of_another_name_with_the_same_photos_is_the_same(folder, checkpoint, tmp_path):
    whole = run(folder, tmp_path / "whole.pt")
    moved = folder.rename(tmp_path / "moved")
    assert torch.equal(run(moved, checkpoint).head.weight, whole.head.weight)


def test_another_beginning_teacher_or_image_size_is_refused(folder, checkpoint, tmp_path):
    other = Tiny()
    with torch.no_grad():
        other.head.bias[0] += 1e-3
    with pytest.raises(ValueError, match=r"run\.pt: begun with other weights"):
        run(folder, checkpoint, base=other)
    with pytest.raises(ValueError, match=r"run\.pt: trained on images of another size"):
        run(folder, checkpoint, image_size=(24, 24))
    with pytest.raises(ValueError, match=r"run\.pt: taught by another teacher, or by none"):
        run(folder, checkpoint, teacher=Tiny())
    recipe, taught = replace(RECIPE, teacher_share=0.5), tmp_path / "taught.pt"
    run(folder, taught, recipe=recipe, teacher=Tiny(), last_step=1)
    run(folder, taught, recipe=recipe, teacher=Tiny(), last_step=2)
    with pytest.raises(ValueError, match=r"taught\.pt: taught by another teacher"):
        run(folder, taught, recipe=recipe, teacher=other)


def test_a_checkpoint_of_an_earlier_version_is_refused_with_the_cure(folder, checkpoint):
    content = torch.load(checkpoint, weights_only=True)
    del content["origin"]
    torch.save(content, checkpoint)
    with pytest.raises(CheckpointError, match=r"run\.pt: does not say .* name another checkpoint"):
        run(folder, checkpoint)


def test_a_checkpoint_with_another_byte_in_its_tensors_is_refused(checkpoint):
    content = bytearray(checkpoint.read_bytes())
    bits = read_checkpoint(checkpoint).network["head.weight"].numpy().tobytes()
    content[content.index(bits) + 3] ^= 1
    checkpoint.write_bytes(content)
    with pytest.raises(
        CheckpointError, match=r"run\.pt: not a checkpoint of this training, or a damaged one"
    ):
        read_checkpoint(checkpoint)


@pytest.mark.parametrize("entry", ["network", "average"])
def test_a_checkpoint_with_the_weights_of_another_network_is_refused(folder, checkpoint, entry):
    content = torch.load(checkpoint, weights_only=True)
    content[entry] = {"other.weight": torch.zeros(1)}
    torch.save(content, checkpoint)
    with pytest.raises(CheckpointError, match=r"run\.pt: the weights of another network"):
        run(folder, checkpoint)


@pytest.mark.parametrize("length", [0, 10, 1000, -100])
def test_a_checkpoint_cut_short_is_refused(checkpoint, length):
    checkpoint.write_bytes(checkpoint.read_bytes()[:length])
    with pytest.raises(CheckpointError, match=r"run\.pt: not a checkpoint"):
        read_checkpoint(checkpoint)


def test_a_pipe_in_the_place_of_a_checkpoint_is_refused_unopened(folder, tmp_path):
    os.mkfifo(tmp_path / "pipe.pt")
    with pytest.raises(FileError, match=r"pipe\.pt: expected a file, got a pipe"):
        run(folder, tmp_path / "pipe.pt")


def test_a_checkpoint_that_does_not_fit_leaves_the_one_before(folder, checkpoint):
    before = checkpoint.read_bytes()
    with full_after(len(before) // 2), pytest.raises(FileError, match=r"run\.pt: cannot be written"):
        run(folder, checkpoint)
    assert checkpoint.read_bytes() == before
    assert [path.name for path in checkpoint.parent.iterdir() if path.is_file()] == ["run.pt"]


def test_an_interrupt_in_the_middle_of_a_step_says_which_step_is_kept(folder, checkpoint, monkeypatch):
    def stop(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("pg_core.training.loop._State.update", stop)
    with pytest.raises(KeyboardInterrupt) as stopped:
        run(folder, checkpoint)
    assert str(stopped.value) == f"step 2 of {RECIPE.steps} is kept in {checkpoint}"
    with pytest.raises(KeyboardInterrupt) as stopped:
        run(folder, checkpoint.with_name("new.pt"))
    assert str(stopped.value) == ""


def test_it_is_said_how_far_many_photos_have_been_compared(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("pg_core.training.checkpoints._HASHED_AT_ONCE", 2)
    seen = []
    run(folder, tmp_path / "new.pt", report=seen.append, last_step=1)
    assert [(progress.done, progress.message) for progress in seen[:3]] == [
        (done, "photos hashed") for done in (2, 4, 6)
    ]
