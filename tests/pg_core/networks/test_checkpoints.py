"""Checkpoints: the published conventions are read, and what does not fit or means harm is refused by name."""

import io
import zipfile

import numpy as np
import pytest
import torch
import torchvision

from pg_core.networks import CIFAR10, MODELS, load_model
from pg_core.networks import network as door
from pg_core.networks.bodies.bagnet import BagNet
from pg_core.networks.network import CheckpointError, load_state, read_state
from pg_core.networks.published import PUBLISHED, recognise

FIELDS = (9, 17, 33)
CONVENTIONS = {
    "bare": lambda state: state,
    "model_state_dict": lambda state: {
        "model_state_dict": state,
        "epoch": 3,
        "optimizer_state_dict": {"lr": 0.1},
    },
    "state_dict": lambda state: {"state_dict": state, "arch": "bagnet17", "best": torch.tensor(0.9)},
    "net": lambda state: {"net": state, "acc": 95.2},
}


def weights(field, classes=10):
    """A state dict of a BagNet whose tensors hold one number each, so that its file is small."""
    with torch.device("meta"):
        shapes = BagNet(field, classes).state_dict()
    return constants(shapes)


def weights_of(name, classes=10):
    """The same of any published network."""
    with torch.device("meta"):
        shapes = PUBLISHED[name].build(classes).state_dict()
    return constants(shapes)


def constants(shapes):
    """Tensors of these shapes and types, each with a number of its own."""
    return {
        key: torch.tensor(number % 90 / 64).to(value.dtype).expand(value.shape)
        for number, (key, value) in enumerate(shapes.items())
    }


def parallel(state):
    """The names that data-parallel training gives."""
    return {f"module.{key}": value for key, value in state.items()}


def saved(content, **options):
    """The bytes of a checkpoint."""
    file = io.BytesIO()
    torch.save(content, file, **options)
    return file.getvalue()


def assert_one_line(error, path):
    assert str(error).startswith(f"{path.name}: ")
    assert "\n" not in str(error)


def refusal(path, name="bagnet17"):
    """The one line with which a file is refused; it begins with the file's name."""
    with pytest.raises(CheckpointError) as caught:
        load_model(name, "cpu", path)
    assert_one_line(caught.value, path)
    return str(caught.value)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.pth"


@pytest.mark.parametrize("naming", [dict, parallel])
@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("old_format", [False, True])
def test_every_convention_holds_the_same_tensors(path, convention, naming, old_format):
    state = {"conv1.weight": torch.rand(4, 3), "fc.weight": torch.rand(10, 4), "fc.bias": torch.rand(10)}
    content = CONVENTIONS[convention](naming(state))
    torch.save(content, path, _use_new_zipfile_serialization=not old_format)
    read = read_state(path)
    assert read.keys() == state.keys()
    assert all(torch.equal(read[key], value) for key, value in state.items())


@pytest.mark.parametrize(
    ("field", "convention"),
    [
        (17, "bare"),
        (17, "model_state_dict"),
        (17, "state_dict"),
        (17, "net"),
        (9, "model_state_dict"),
        (33, "net"),
    ],
)
def test_every_bagnet_takes_its_weights_from_every_convention(path, field, convention):
    state = weights(field)
    torch.save(CONVENTIONS[convention](state if convention == "net" else parallel(state)), path)
    network = load_model(f"bagnet{field}", "cpu", path)
    loaded = network.body.state_dict()
    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[key], value) for key, value in state.items())
    assert network.receptive_field == MODELS[f"bagnet{field}"].receptive_field
    assert not network.training
    assert not any(value.requires_grad for value in network.parameters())


PUBLISHED_FILES = {
    "bagnet17_net.pth": ("bagnet17", "state_dict", 1000),
    "bagnet9_nette.pth": ("bagnet9", "model_state_dict", 10),
    "resnet50_nette.pth": ("resnet50", "model_state_dict", 10),
    "bagnet33_192_cifar.pth": ("bagnet33-192", "net", 10),
    "resnet50_192_cifar.pth": ("resnet50-192", "net", 10),
    "ds_net.pth": ("ds25-resnet50", "net", 1000),
    "ds_nette.pth": ("ds25-resnet50", "net", 10),
    "ds_cifar.pth": ("ds4-resnet18", "net", 10),
    "bagnet33-2ddd53ed.pth.tar": ("bagnet33", "state_dict", 1000),
    "imagenet_199.pth": ("ds25-resnet50", "net", 1000),
    "cifar_one_band_lr_0.1_regularization_0.0005_model_resnet18_band_4_epoch_199.pth": (
        "ds4-resnet18",
        "net",
        10,
    ),
}
"""Names that PatchGuard, bag-of-local-features and patchSmoothing give their files, and where the tensors are."""


@pytest.mark.parametrize("file_name", PUBLISHED_FILES)
def test_every_published_file_is_recognised_and_loaded(tmp_path, file_name):
    name, convention, classes = PUBLISHED_FILES[file_name]
    state = weights_of(name, classes)
    torch.save(CONVENTIONS[convention](parallel(state)), tmp_path / file_name)
    found = recognise(tmp_path / file_name)
    assert (found.models, found.classes, found.problem) == ((name,), classes, "")
    assert found.convention == f"state dict under '{convention}', names with 'module.'"
    network = load_model(name, "cpu", tmp_path / file_name)
    body = network.body.base if network.receptive_field.wrapping else network.body
    loaded = body.state_dict()
    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[key], value) for key, value in state.items())
    assert len(network.classes) == classes
    assert (network.classes == CIFAR10) == ("cifar" in file_name)
    assert (network.classes[1] == "English springer") == ("nette" in file_name)
    assert not network.training


def test_torchvisions_own_resnet_50_is_a_published_file(path):
    with torch.device("meta"):
        shapes = torchvision.models.resnet50(weights=None).state_dict()
    torch.save(constants(shapes), path)
    found = recognise(path)
    assert (found.models, found.convention) == (("resnet50",), "bare state dict")
    assert len(load_model("resnet50", "cpu", path).classes) == 1000


def test_a_file_that_fits_nothing_is_recognised_as_that_with_the_reason(path):
    assert recognise(path).problem == "no such file"
    path.write_bytes(b"words")
    assert "not a checkpoint of plain tensors" in recognise(path).problem
    torch.save({"fc.weight": torch.zeros(10, 4)}, path)
    assert recognise(path).problem == "the tensors of none of the published networks"


def test_a_cifar_network_takes_no_other_number_of_classes(path):
    torch.save(weights_of("bagnet9", 1000), path)
    assert "expected the 10 classes of CIFAR-10 for BagNet-9" in refusal(path, "bagnet9-192")


@pytest.mark.parametrize(
    ("name", "file_network", "words"),
    [
        ("ds25-resnet50", "resnet50", "conv1.weight (64, 3, 7, 7) instead of (64, 6, 7, 7)"),
        ("resnet50", "ds25-resnet50", "conv1.weight (64, 6, 7, 7) instead of (64, 3, 7, 7)"),
        ("resnet50", "bagnet17", "conv1.weight (64, 3, 1, 1) instead of (64, 3, 7, 7)"),
        ("ds4-resnet18", "resnet50", "linear.weight is missing"),
        ("ds25-resnet50", "ds4-resnet18", "fc.weight is missing"),
    ],
)
def test_the_weights_of_another_published_network_are_refused_by_name(path, name, file_network, words):
    torch.save(weights_of(file_network), path)
    assert words in refusal(path, name)


def test_a_checkpoint_that_unpacks_to_more_than_the_limit_is_refused_unread(path, monkeypatch):
    monkeypatch.setattr(door, "MAX_BYTES", 2**20)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/0", bytes(3 * 2**20))
    assert path.stat().st_size < 2**14
    monkeypatch.setattr(torch, "load", None)
    assert "expected at most 1 MB, got 3 MB" in refusal(path)


def test_half_precision_is_computed_with_in_float32(path):
    torch.save({key: value.half() for key, value in weights(9).items()}, path)
    assert all(value.dtype == torch.float32 for value in load_model("bagnet9", "cpu", path).parameters())


def test_old_checkpoints_without_counters_are_loaded(path):
    state = {key: value for key, value in weights(9).items() if not key.endswith("num_batches_tracked")}
    torch.save(state, path)
    assert load_model("bagnet9", "cpu", path).name == "bagnet9"


@pytest.mark.parametrize(
    ("file_name", "classes", "names"),
    [
        ("bagnet17_net.pth", 1000, ("tench", "goldfish", "great white shark")),
        ("bagnet17_nette.pth", 10, ("tench", "English springer", "cassette player")),
        ("bagnet17_192_cifar.pth", 10, CIFAR10),
        ("bagnet17.pth", 10, ("class 0", "class 1", "class 2")),
        ("nette_and_cifar.pth", 7, tuple(f"class {index}" for index in range(7))),
    ],
)
def test_classes_are_named_by_their_number_and_the_file(tmp_path, file_name, classes, names):
    torch.save(weights(9, classes), tmp_path / file_name)
    network = load_model("bagnet9", "cpu", tmp_path / file_name)
    assert len(network.classes) == classes
    assert network.classes[: len(names)] == names
    assert network.local_logits(np.zeros((3, 9, 9), np.float32)).shape == (classes, 1, 1)


def test_a_missing_file_is_refused(path):
    assert "no such file" in refusal(path)


def test_a_folder_is_refused(path):
    path.mkdir()
    assert "expected a file, got a folder" in refusal(path)


@pytest.mark.parametrize("architecture", ["resnet18", "resnet50"])
def test_another_architecture_is_refused_by_what_does_not_fit(path, architecture):
    with torch.device("meta"):
        shapes = getattr(torchvision.models, architecture)(weights=None).state_dict()
    torch.save(constants(shapes), path)
    text = refusal(path)
    assert "weights of another network" in text
    assert "tensors missing (conv2.weight" in text
    assert "conv1.weight (64, 3, 7, 7) instead of (64, 3, 1, 1)" in text


@pytest.mark.parametrize(("file_field", "field"), [(9, 17), (33, 17), (33, 9)])
def test_the_weights_of_another_bagnet_are_refused_by_the_shapes_that_differ(path, file_field, field):
    torch.save(weights(file_field), path)
    text = refusal(path, f"bagnet{field}")
    # The stage up to which kernels are 3x3 is all that tells one BagNet from another.
    stage = 2 + FIELDS.index(min(file_field, field)) + 1
    width = 64 * 2 ** (stage - 1)
    shapes = [str((width, width, kernel, kernel)) for kernel in (3, 1)]
    if file_field < field:
        shapes.reverse()
    assert f"layer{stage}.0.conv2.weight {shapes[0]} instead of {shapes[1]}" in text
    assert "missing" not in text
    assert "unknown" not in text


def test_missing_unknown_and_misshapen_tensors_are_all_named(path):
    state = weights(9)
    del state["layer1.0.bn1.weight"]
    state["surprise"] = torch.zeros(2)
    state["fc.bias"] = torch.zeros(3)
    torch.save(state, path)
    text = refusal(path, "bagnet9")
    assert "1 tensors missing (layer1.0.bn1.weight)" in text
    assert "1 tensors unknown (surprise)" in text
    assert "1 tensors of another shape (fc.bias (3,) instead of (10,))" in text


def test_an_unknown_model_is_refused_with_the_names_there_are():
    with pytest.raises(ValueError, match=r"expected a model out of tiles, .*ds4-resnet18, got 'bagnet18'"):
        load_model("bagnet18")


@pytest.mark.parametrize("name", [name for name in MODELS if MODELS[name].needs_checkpoint])
def test_a_model_without_weights_asks_for_them(name):
    with pytest.raises(ValueError, match=f"{name} needs weights"):
        load_model(name)


@pytest.mark.parametrize("name", [name for name in MODELS if not MODELS[name].needs_checkpoint])
def test_a_model_with_its_own_weights_takes_no_others(name, path):
    with pytest.raises(ValueError, match=f"{name} has its own weights"):
        load_model(name, weights=path)


def test_weights_that_do_not_fit_leave_a_network_as_it_was():
    layer = torch.nn.Linear(2, 3)
    before = {key: value.clone() for key, value in layer.state_dict().items()}
    with pytest.raises(CheckpointError, match="here: the weights of another network"):
        load_state(layer, {"weight": torch.zeros(3, 2), "bias": torch.zeros(4)}, "here")
    assert all(torch.equal(value, before[key]) for key, value in layer.state_dict().items())
