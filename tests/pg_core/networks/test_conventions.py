"""What training scripts make of a state dict: read under plain names, or refused with what was found."""

import argparse
import io
import pathlib
import re
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from pg_core.networks.conventions import unpacked
from pg_core.networks.loading import sketch
from pg_core.networks.network import CheckpointError, read_convention
from pg_core.networks.published import recognise
from tests.pg_core.networks.test_checkpoints import assert_one_line, weights_of

STATE = {"conv1.weight": torch.rand(4, 3), "fc.weight": torch.rand(10, 4), "fc.bias": torch.rand(10)}
RAW = {name: value + 1 for name, value in STATE.items()}


def under(*prefixes, state=STATE):
    return {"".join(prefixes) + name: value for name, value in state.items()}


ARGUMENTS = argparse.Namespace(lr=0.1, output=pathlib.Path("runs"), layers=[1, 2])

READ = {
    "timm": (
        {"epoch": 3, "arch": "resnet18", "state_dict": STATE, "args": ARGUMENTS, "metric": 71.2},
        "state dict under 'state_dict'",
    ),
    "timm, averaged": (
        {"state_dict": RAW, "state_dict_ema": under("module."), "args": ARGUMENTS},
        "state dict under 'state_dict_ema', not under 'state_dict', names with 'module.'",
    ),
    "torchvision's references": (
        {"model": RAW, "model_ema": {"n_averaged": torch.tensor(9), **under("module.")}, "args": ARGUMENTS},
        "state dict under 'model_ema', not under 'model', names with 'module.', without n_averaged",
    ),
    "DeiT": ({"model": STATE, "scaler": {"scale": 2.0}, "epoch": 3}, "state dict under 'model'"),
    "torch.compile": (under("_orig_mod."), "bare state dict, names with '_orig_mod.'"),
    "torch.compile of a part": (
        {"conv1._orig_mod.weight": STATE["conv1.weight"], **dict(list(STATE.items())[1:])},
        "bare state dict, names with '_orig_mod.'",
    ),
    "torch.compile in data-parallel training": (
        {"model": under("module._orig_mod.")},
        "state dict under 'model', names with '_orig_mod.' and 'module.'",
    ),
    "Lightning": (
        {
            "pytorch-lightning_version": "2.5.0",
            "state_dict": {"criterion.weight": torch.ones(10), **under("model.")},
            "hyper_parameters": {"lr": 0.1, "args": ARGUMENTS},
            "callbacks": {"ModelCheckpoint": {"best_model_score": torch.tensor(0.5)}},
        },
        "state dict under 'state_dict', names with 'model.', without criterion.weight",
    ),
    "Lightning of a compiled backbone": (
        {"pytorch-lightning_version": "2.5.0", "state_dict": under("backbone._orig_mod.")},
        "state dict under 'state_dict', names with '_orig_mod.' and 'backbone.'",
    ),
    "a wrapper in a wrapper": (under("model.", "net."), "bare state dict, names with 'model.' and 'net.'"),
    "numbers beside the weights": (
        {**STATE, "epoch": 3, "best": np.float64(0.9), "args": ARGUMENTS},
        "bare state dict, without epoch, best, args, which are no tensors",
    ),
}


@pytest.mark.parametrize("old_format", [False, True])
@pytest.mark.parametrize("kind", READ)
def test_what_training_scripts_write_is_read_under_plain_names(tmp_path, kind, old_format):
    content, words = READ[kind]
    path = tmp_path / "weights.pth"
    torch.save(content, path, _use_new_zipfile_serialization=not old_format)
    state, convention = read_convention(path)
    assert state.keys() == STATE.keys()
    assert all(torch.equal(state[name], value) for name, value in STATE.items())
    assert convention == words


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod."])
def test_two_tensors_of_one_name_are_refused_by_both_names(prefix):
    with pytest.raises(ValueError, match=f"each tensor once, got 'fc.bias' and '{prefix}fc.bias'"):
        unpacked({"fc.bias": torch.ones(2), f"{prefix}fc.bias": torch.zeros(2)})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"weights": STATE, "epoch": 3}, "got weights (dict), epoch (int)"),
        ({"net": {"args": ARGUMENTS}}, "got net (dict)"),
        ({}, "got nothing"),
        (STATE["fc.bias"], "got Tensor"),
        ({n: n for n in range(9)}, "got 0 (int), 1 (int), 2 (int), 3 (int), 4 (int), 4 more"),
        ({"x" * 999: 1}, f"got {'x' * 60}..."),
    ],
)
def test_what_holds_no_weights_is_refused_with_what_was_found_and_what_is_read(tmp_path, content, words):
    path = tmp_path / "weights.pth"
    torch.save(content, path)
    with pytest.raises(CheckpointError) as caught:
        read_convention(path)
    assert_one_line(caught.value, path)
    assert words in str(caught.value)
    if isinstance(content, dict):
        assert "under state_dict_ema, model_ema, model_state_dict, state_dict, net, model" in str(
            caught.value
        )


class Settings:
    """A type of a training script."""


def test_a_type_that_is_not_known_is_refused_by_its_name_with_the_cure(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save({"state_dict": STATE, "args": Settings()}, path)
    with pytest.raises(CheckpointError, match=rf"it holds {re.escape(__name__)}\.Settings; save the"):
        read_convention(path)


def test_nothing_is_made_of_what_stands_beside_the_weights(tmp_path, monkeypatch):
    path = tmp_path / "weights.pth"
    torch.save({"state_dict": STATE, "args": ARGUMENTS}, path)
    monkeypatch.setattr(argparse.Namespace, "__init__", None)
    before = set(torch.serialization.get_safe_globals())
    assert read_convention(path)[0].keys() == STATE.keys()
    assert set(torch.serialization.get_safe_globals()) == before


@pytest.mark.parametrize(("suffix", "words"), [(".ts", "a TorchScript program"), (".pt2", "of torch.export")])
def test_a_program_named_as_weights_is_refused_with_the_name_that_it_needs(tmp_path, suffix, words):
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if suffix == ".ts":
            torch.jit.save(torch.jit.trace(nn.ReLU(), torch.rand(2)), content)
        else:
            torch.export.save(torch.export.export(nn.ReLU(), (torch.rand(2),)), content)
    path = tmp_path / "mine.pt"
    path.write_bytes(content.getvalue())
    # Warnings are errors here: none may name a path of this machine.
    with pytest.raises(CheckpointError, match=rf"{words}.*: give it a name that ends in {suffix}"):
        read_convention(path)


def test_a_published_network_is_recognised_in_the_files_of_other_scripts(tmp_path):
    state = weights_of("bagnet9")
    path = tmp_path / "bagnet9_nette.pth"
    torch.save({"state_dict_ema": under("_orig_mod.", "module.", state=state), "args": ARGUMENTS}, path)
    found = recognise(path)
    assert (found.models, found.classes) == (("bagnet9",), 10)
    assert "state dict under 'state_dict_ema'" in found.convention


@pytest.mark.parametrize(
    "name",
    [
        "alexnet",
        "googlenet",
        "inception_v3",
        "maxvit_t",
        "regnet_x_400mf",
        "squeezenet1_0",
        "swin_t",
        "vit_b_16",
    ],
)
def test_no_classifier_loses_a_part_of_its_names(name):
    state = sketch(f"torchvision/{name}", 3).state_dict()
    assert unpacked(state)[0].keys() == state.keys()
