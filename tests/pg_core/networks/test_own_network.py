"""A person's own network: its card, its file, and that nothing is certified before its locality has been tested."""

import json
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torchvision import models

from pg_core import sample_path
from pg_core.__main__ import main
from pg_core.evidence.types import EvidenceType
from pg_core.geometry import ReceptiveField, Window, cells
from pg_core.networks.base import LocalModel, Part
from pg_core.networks.loading import bases, load_own, sha256_of
from pg_core.networks.locality import check_locality
from pg_core.networks.network import CheckpointError, Network
from pg_core.networks.own import Format, OwnNetwork, read_card, write_card

CLASSES = ("red", "green", "blue")


class Convolutions(nn.Module):
    """Local logits from 11x11 pixels, stride 4, padded by 3; `everywhere` adds what makes a network not local."""

    field = ReceptiveField((11, 11), (4, 4), (3, 3))

    def __init__(self, everywhere=0.0):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.layers = nn.Sequential(
                nn.Conv2d(3, 8, 3, 2, padding=1), nn.ReLU(), nn.Conv2d(8, 3, 5, 2, padding=1)
            )
        self.everywhere = everywhere

    def forward(self, images):
        return self.layers(images) + self.everywhere * images.mean(dim=(2, 3))[:, :, None, None]


def saved(folder, module, format_, size=(40, 48)):
    """The file of a program, as its owner saves it."""
    example = torch.rand(1, 3, *size)
    if format_ is Format.EXPORTED:
        path = folder / "mine.pt2"
        torch.export.save(torch.export.export(module.eval(), (example,)), path)
        return path
    path = folder / "mine.ts"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(module.eval(), example).save(path)
    return path


def described(path, field=Convolutions.field, **changes):
    own = OwnNetwork("Mine", path.name, sha256_of(path), (40, 48), field, CLASSES, (0.5,) * 3, (0.25,) * 3)
    return replace(own, **changes)


@pytest.fixture(scope="module", params=[Format.EXPORTED, Format.SCRIPTED])
def program(request, tmp_path_factory):
    path = saved(tmp_path_factory.mktemp("weights"), Convolutions(), request.param)
    return path, described(path)


def noise(seed=0, size=(40, 48)):
    return np.random.default_rng(seed).random((3, *size), np.float32)


def test_a_program_has_the_local_logits_of_the_module_it_was_made_of(program):
    path, own = program
    network = load_own(own, path)
    assert isinstance(network, LocalModel)
    assert (network.classes, network.image_size, network.part) == (CLASSES, (40, 48), Part.MIDDLE)
    images = torch.from_numpy(noise())[None]
    with torch.inference_mode():
        expected = Convolutions()((images - 0.5) / 0.25)[0].numpy()
    assert np.abs(network.local_logits(noise()) - expected).max() <= 1e-5


def test_a_window_of_a_program_is_computed_from_what_it_sees_alone(program):
    path, own = program
    network = load_own(own, path)
    pixels = noise()
    whole = network.local_logits(pixels)
    for window in (Window(0, 0, 1, 1), Window(3, 4, 2, 3), Window(0, 0, *whole.shape[1:])):
        alone = network.local_logits(pixels, window)
        assert np.array_equal(alone, whole[:, *cells(window, whole.shape[1:])])
        seen = network.receptive_field.seen(window, (40, 48))
        assert np.array_equal(network.local_logits(np.where(seen, pixels, noise(1)), window), alone)


def test_a_local_program_passes_the_test_of_locality(program):
    path, own = program
    steps = []
    found = check_locality(load_own(own, path), steps.append)
    assert found.passed
    assert found.notes == ()
    assert found.runs >= 20
    assert found.compared > 1000
    assert steps[-1].done == steps[-1].total


@pytest.mark.parametrize(
    ("field", "words"),
    [
        (
            ReceptiveField((11, 11), (4, 4), (2, 2)),
            "said to see 11x11 pixels, stride 4, padded by 2x2, but a patch of",
        ),
        (ReceptiveField((9, 11), (4, 4), (2, 3)), "said to see 9x11 pixels"),
        (ReceptiveField((11, 10), (4, 4), (3, 3)), "map of 9x12 cells, which follows"),
        (
            ReceptiveField((11, 11), (5, 4), (6, 3)),
            "said to see 11x11 pixels, stride 5x4",
        ),
    ],
)
def test_a_receptive_field_that_is_claimed_too_small_or_elsewhere_is_refused(tmp_path, field, words):
    path = saved(tmp_path, Convolutions(), Format.EXPORTED)
    found = check_locality(load_own(described(path, field), path))
    assert not found.passed
    assert words in found.problem


def test_a_receptive_field_that_is_claimed_too_large_passes_with_a_note(tmp_path):
    path = saved(tmp_path, Convolutions(), Format.EXPORTED)
    found = check_locality(load_own(described(path, ReceptiveField((13, 11), (4, 4), (4, 3))), path))
    assert found.passed
    assert "No tested cell noticed a change at the bottom, top of its receptive field" in found.notes[0]


def network_of(body, field=Convolutions.field, image_size=(40, 48)):
    return Network(
        "n",
        body.eval().requires_grad_(False),
        CLASSES,
        image_size,
        field,
        EvidenceType.LOGITS,
        "",
        (0.0,) * 3,
        (1.0,) * 3,
    )


class Batched(nn.Module):
    """Normalises by the statistics of the image that it is given, as batch normalisation in training does."""

    def __init__(self):
        super().__init__()
        self.local = Convolutions()

    def forward(self, images):
        logits = self.local(images)
        return logits / logits.std()


class Constant(Convolutions):
    def forward(self, images):
        return torch.ones_like(self.layers(images))


class Chance(Convolutions):
    def forward(self, images):
        return self.layers(images) + torch.rand(1)


class Faint(Convolutions):
    """Depends on everything, but too little for float32 to show it: the gradient does."""

    def forward(self, images):
        return self.layers(images) + 1e-12 * images.mean()


class Blind(Convolutions):
    def forward(self, images):
        return self.layers(images).log()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (Convolutions(everywhere=0.01), "changed them"),
        (Batched(), "changed them"),
        (Constant(), "do not depend on the pixels that they are said to see"),
        (Chance(), "the second time"),
        (Faint(), "have a gradient at pixel row"),
        (Blind(), "NaN or infinite"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_not_local_is_refused_with_where(body, words):
    found = check_locality(network_of(body))
    assert words in found.problem
    assert found.problem.endswith(".")


def test_bands_that_wrap_pass_the_test_and_bands_claimed_too_narrow_do_not():
    class Columns(nn.Module):
        def forward(self, images):
            """Means of five columns, around the edge."""
            wrapped = torch.cat([images, images[..., :4]], dim=-1)
            return wrapped.mean(dim=2, keepdim=True).unfold(3, 5, 1).mean(dim=-1)

    for width, passed in ((5, True), (4, False)):
        field = ReceptiveField((40, width), (40, 1), wrapping=True)
        assert check_locality(network_of(Columns(), field)).passed is passed


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = models.squeezenet1_1(weights=None, num_classes=3).eval()
    path = tmp_path_factory.mktemp("weights") / "squeezenet.pth"
    torch.save({"state_dict": module.state_dict()}, path)
    return module, path


def tiles(path, **changes):
    own = OwnNetwork(
        "Tiles",
        path.name,
        sha256_of(path),
        (64, 80),
        ReceptiveField((32, 32), (16, 16)),
        CLASSES,
        base="torchvision/squeezenet1_1",
        side=48,
    )
    return replace(own, **changes)


def test_a_classifier_of_torchvision_is_the_base_of_a_tile_ensemble(classifier):
    module, path = classifier
    network = load_own(tiles(path), path)
    pixels = noise(size=(64, 80))
    logits = network.local_logits(pixels)
    assert logits.shape == (3, 3, 4)
    tile = torch.from_numpy(pixels[None, :, 16:48, 32:64].copy())
    with torch.inference_mode():
        expected = module(nn.functional.interpolate(tile, (48, 48), mode="bilinear"))[0].numpy()
    assert np.abs(logits[:, 1, 2] - expected).max() <= 1e-4
    assert check_locality(network).passed


def test_the_same_weights_as_safetensors_are_the_same_network(classifier):
    from safetensors.torch import save_file

    module, path = classifier
    other = path.with_suffix(".safetensors")
    save_file(module.state_dict(), other)
    one, two = load_own(tiles(path), path), load_own(tiles(other), other)
    pixels = noise(size=(64, 80))
    assert np.array_equal(one.local_logits(pixels), two.local_logits(pixels))
    other.write_bytes(b"words")
    with pytest.raises(CheckpointError, match=r"squeezenet\.safetensors: not a file of tensors"):
        load_own(tiles(other), other)


def test_weights_that_do_not_fit_the_base_are_refused_by_name(classifier):
    _, path = classifier
    with pytest.raises(CheckpointError, match=r"squeezenet\.pth: the weights of another network: .*bn1.bias"):
        load_own(tiles(path, base="torchvision/resnet18"), path)
    with pytest.raises(
        CheckpointError, match=r"classifier\.1\.weight \(3, 512, 1, 1\) instead of \(4, 512, 1, 1\)"
    ):
        load_own(tiles(path, classes=(*CLASSES, "grey")), path)
    with pytest.raises(CheckpointError, match="expected a classifier of torchvision or of an installed timm"):
        load_own(tiles(path, base="torchvision/../../etc"), path)


def test_a_base_with_more_parameters_than_a_server_should_hold_is_refused_before_it_is_built(tmp_path):
    path = tmp_path / "huge.pth"
    with torch.device("meta"):
        shapes = models.resnet18(weights=None, num_classes=3).state_dict()
    torch.save(
        {key: torch.ones((), dtype=value.dtype).expand(value.shape) for key, value in shapes.items()}, path
    )
    for base, words in (
        ("vit_h_14", "expected at most 100,000,000 parameters"),
        ("resnet18", "expected a file with all 11,"),
    ):
        with pytest.raises(CheckpointError, match=words):
            load_own(tiles(path, base=f"torchvision/{base}"), path)


def test_bases_are_classifiers_of_installed_packages():
    names = bases()
    assert "torchvision/resnet18" in names
    assert not [name for name in names if "rcnn" in name or "deeplab" in name]


def test_another_file_than_the_described_one_is_refused(classifier, tmp_path):
    _, path = classifier
    with pytest.raises(CheckpointError, match="expected SHA-256 0000"):
        load_own(tiles(path, sha256="0" * 64), path)
    with pytest.raises(CheckpointError, match="no such file"):
        load_own(tiles(path), tmp_path / path.name)


@pytest.mark.parametrize("name", ["mine.pt2", "mine.ts"])
@pytest.mark.filterwarnings("ignore")
def test_what_is_no_program_is_refused_in_one_line(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"words")
    with pytest.raises(CheckpointError, match="not a program that this torch can load"):
        load_own(described(path), path)


def test_a_card_says_all_that_a_network_needs(program, classifier):
    for own in (
        program[1],
        tiles(classifier[1]),
        described(program[0], ReceptiveField((40, 5), (40, 1), wrapping=True), part=Part.WHOLE),
    ):
        assert read_card(write_card(own)) == own


def test_the_command_line_certifies_with_a_network_that_is_local_and_with_no_other(tmp_path, capsys):
    path = saved(tmp_path, Convolutions(), Format.EXPORTED)
    card = tmp_path / "mine.network.json"
    photo = str(sample_path("coffee"))
    command = ["certify", photo, "--network", str(card), "--patch-size", "4", "--json"]

    card.write_text(write_card(described(path)))
    assert main(command) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["map_size"] == [9, 11]
    assert told["prediction"] in CLASSES

    card.write_text(write_card(described(path, ReceptiveField((9, 9), (4, 4), (2, 2)))))
    assert main(command) == 1
    assert "Mine is not local as described, so nothing can be certified." in capsys.readouterr().err

    card.write_text("{}")
    assert main(command) == 1
    assert "mine.network.json: not the card of a network" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*command, "--model", "tiles"])
    assert "--network goes without --model" in capsys.readouterr().err
