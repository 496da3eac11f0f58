"""Programs of all kinds: what they take and what they answer is checked at one door, in one line with the cure."""

import copy
import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torchvision import models

from pg_core import sample_path
from pg_core.__main__ import main
from pg_core.networks.loading import load_own
from pg_core.networks.locality import check_locality
from pg_core.networks.network import CheckpointError
from pg_core.networks.own import Format, write_card
from tests.pg_core.networks.test_checkpoints import assert_one_line
from tests.pg_core.networks.test_own_network import Convolutions, described, noise, saved, tiles

PROGRAMS = [Format.EXPORTED, Format.SCRIPTED]


def refusal(path, own=None):
    """The one line with which a program is refused; it begins with the file's name."""
    with pytest.raises(CheckpointError) as caught:
        load_own(own or described(path), path)
    assert_one_line(caught.value, path)
    assert str(path.parent) not in str(caught.value)
    return str(caught.value)


class Answer(nn.Module):
    """Makes of the local logits what a person might return."""

    def __init__(self, answer):
        super().__init__()
        self.local = Convolutions()
        self.answer = answer

    def forward(self, images):
        return self.answer(self.local(images))


def scripted(folder, answer):
    """A TorchScript program is traced, which takes dicts and tuples as they are."""
    path = folder / "mine.ts"
    module = Answer(answer).eval()
    torch.jit.trace(module, torch.rand(1, 3, 40, 48), strict=False).save(path)
    return path


ANSWERS = {
    "gave a dict, expected one tensor [1, classes, rows, columns]": lambda logits: {"logits": logits},
    "gave a tuple, expected one tensor": lambda logits: (logits, logits),
    "gave a tensor [1, 3], expected one tensor": lambda logits: logits.mean(dim=(2, 3)),
    "gave a tensor [2, 3, 9, 11], expected": lambda logits: torch.cat([logits, logits]),
    "gave a tensor [1, 2, 9, 11], expected one tensor [1, classes, rows, columns] with 3 classes": (
        lambda logits: logits[:, :2]
    ),
    "gave numbers of torch.int64, expected floating-point": lambda logits: logits.long(),
    "gave local logits that are NaN or infinite": lambda logits: logits.abs().neg().log(),
}


@pytest.mark.filterwarnings("ignore")  # of tracing; loading is tested with warnings as errors below
@pytest.mark.parametrize("words", ANSWERS)
def test_an_answer_that_is_no_map_of_local_logits_is_refused_with_what_was_expected(tmp_path, words):
    text = refusal(scripted(tmp_path, ANSWERS[words]))
    assert words in text
    assert text.startswith("mine.ts: the program gave")


@pytest.mark.parametrize("answer", [lambda logits: {"logits": logits}, lambda logits: (logits, logits)])
def test_an_exported_program_passes_the_same_door(tmp_path, answer):
    assert "expected one tensor [1, classes, rows, columns]" in refusal(
        saved(tmp_path, Answer(answer), Format.EXPORTED)
    )


class Fixed(nn.Module):
    """Fits nothing but the images of its example."""

    def __init__(self, shape):
        super().__init__()
        self.base = nn.Parameter(torch.rand(shape))

    def forward(self, images):
        return (images * self.base)[:, :3]


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((2, 3, 40, 48), "takes batches of 2 only"),
        ((1, 4, 40, 48), "takes images of 4 channels only"),
        ((1, 3, 32, 32), "takes images of 32x32 pixels only"),
        ((3, 40, 48), "takes tensors of 3 axes only"),
    ],
)
def test_a_program_for_other_images_is_refused_with_the_example_that_it_needs(tmp_path, shape, words):
    path = tmp_path / "mine.pt2"
    torch.export.save(torch.export.export(Fixed(shape).eval(), (torch.rand(shape),)), path)
    text = refusal(path)
    assert words in text
    assert text.endswith("export it with an example of shape [1, 3, 40, 48]")


@pytest.mark.filterwarnings("ignore")  # of tracing
def test_what_a_scripted_program_raises_becomes_one_line(tmp_path):
    path = tmp_path / "mine.ts"
    torch.jit.trace(Fixed((1, 3, 32, 32)), torch.rand(1, 3, 32, 32)).save(path)
    text = refusal(path)
    assert "the program cannot run on images [1, 3, 40, 48] (RuntimeError: The size of tensor a (48)" in text
    assert text.endswith("export it with an example of this shape")


class TwoInputs(nn.Module):
    def forward(self, images, more):
        return images + more


def test_a_program_of_two_inputs_is_refused(tmp_path):
    path = tmp_path / "mine.pt2"
    example = torch.rand(1, 3, 40, 48), torch.rand(1, 3, 40, 48)
    torch.export.save(torch.export.export(TwoInputs(), example), path)
    assert "takes 2 inputs, expected one tensor of images" in refusal(path)


@pytest.mark.filterwarnings("ignore:.torch.jit.:Warning")  # of saving
@pytest.mark.parametrize("format_", PROGRAMS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_program_in_other_numbers_gets_them_and_is_local_to_the_last_bit(tmp_path, dtype, format_):
    path = tmp_path / ("mine.pt2" if format_ is Format.EXPORTED else "mine.ts")
    module, example = Convolutions().to(dtype).eval(), torch.rand(1, 3, 40, 48, dtype=dtype)
    if format_ is Format.EXPORTED:
        torch.export.save(torch.export.export(module, (example,)), path)
    else:
        torch.jit.save(torch.jit.script(module), path)
    network = load_own(described(path), path)
    logits = network.local_logits(noise())
    assert logits.dtype == np.float32
    with torch.inference_mode():
        expected = Convolutions()((torch.from_numpy(noise())[None] - 0.5) / 0.25)[0].numpy()
    assert np.abs(logits - expected).max() <= 0.05
    assert check_locality(network).passed


class Weightless(Convolutions):
    """Has a gradient, but none by its image."""

    def forward(self, images):
        return self.layers(torch.ones_like(images))


def test_a_program_whose_image_has_no_gradient_is_told_from_one_that_fails(tmp_path):
    path = saved(tmp_path, Weightless(), Format.EXPORTED)
    network = load_own(described(path), path)
    assert network.gradient(noise(), 0, 0) is None
    assert "do not depend on the pixels" in check_locality(network).problem


@pytest.mark.parametrize("format_", PROGRAMS)
def test_a_program_says_why_it_cannot_be_copied(tmp_path, format_):
    path = saved(tmp_path, Convolutions(), format_)
    network = load_own(described(path), path)
    for copied in (copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match=f"{path.name}: a program is neither copied nor pickled"):
            copied(network)


@pytest.mark.parametrize("suffix", [".pt2", ".ts"])
def test_weights_named_as_a_program_are_refused_with_the_name_that_they_need(tmp_path, suffix):
    path = tmp_path / f"mine{suffix}"
    torch.save({"fc.weight": torch.ones(2, 3)}, path)
    assert "it holds plain weights; give it a name that ends in .pth" in refusal(path)


def test_a_program_of_the_other_kind_is_refused_with_the_name_that_it_needs(tmp_path):
    path = saved(tmp_path, Convolutions(), Format.SCRIPTED)
    other = path.rename(tmp_path / "mine.pt2")
    assert "a name that ends in .ts" in refusal(other)


def test_a_classifier_that_cannot_see_such_tiles_is_refused_with_the_cure(tmp_path):
    path = tmp_path / "weights.pth"
    state = models.inception_v3(weights=None, num_classes=3, init_weights=False).state_dict()
    torch.save({name: value.half() for name, value in state.items()}, path)
    words = r"cannot classify tiles resized to 48x48 pixels \(.*\); choose another size"
    with pytest.raises(CheckpointError, match=words):
        load_own(tiles(path, base="torchvision/inception_v3"), path)


@pytest.mark.filterwarnings("ignore")  # of tracing
def test_the_command_line_refuses_a_program_in_one_line_without_a_path_of_this_machine(tmp_path, capfd):
    path = scripted(tmp_path, ANSWERS["gave a dict, expected one tensor [1, classes, rows, columns]"])
    capfd.readouterr()
    card = tmp_path / "mine.network.json"
    for own in (described(path), replace(described(path), sha256="0" * 64)):
        card.write_text(write_card(own))
        command = ["certify", str(sample_path("coffee")), "--network", str(card), "--patch-size", "4"]
        assert main(command) == 1
        told = capfd.readouterr().err
        assert told.startswith("error: mine.ts: ")
        assert told.count("\n") == 1
        assert str(tmp_path) not in told


@pytest.mark.parametrize("name", ["mine.pt2", "mine.ts", "mine.pt"])
def test_a_process_that_meets_a_foreign_file_writes_nothing_to_the_terminal(tmp_path, name):
    path = saved(tmp_path, Convolutions(), Format.SCRIPTED).rename(tmp_path / name)
    program = (
        "import sys; from pathlib import Path; from pg_core.networks.network import CheckpointError\n"
        "from pg_core.networks.loading import load_own; from pg_core.networks.own import read_card\n"
        "try:\n    load_own(read_card(sys.argv[1]), Path(sys.argv[2]))\nexcept CheckpointError: pass\n"
    )
    card = write_card(tiles(path) if name == "mine.pt" else described(path))
    done = subprocess.run(
        [sys.executable, "-W", "always:::torch", "-c", program, card, str(path)],
        capture_output=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == (b"", b"")
