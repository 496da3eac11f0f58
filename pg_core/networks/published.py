"""The networks of published checkpoints: how each is built, and which of them a file fits.

The files of [PG] (`bagnet17_nette.pth`, `bagnet17_192_cifar.pth`, `ds_cifar.pth`, ...), of bag-of-local-features and
of patchSmoothing differ in where the state dict is and in its names; `pg_core.networks.network` reads them all.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import torch
from torch import nn

from pg_core.networks.bodies.bagnet import BagNet
from pg_core.networks.bodies.bands import BandNetwork, Bands
from pg_core.networks.bodies.ds_resnet import SixChannelResNet18, SixChannelResNet50
from pg_core.networks.bodies.resnet import ResNet50
from pg_core.networks.catalogue import CIFAR10, IMAGENETTE, MODELS, Description, imagenet_classes
from pg_core.networks.network import CheckpointError, Network, State, load_state, read_convention

Colour = tuple[float, float, float]

_MAX_CLASSES = 25_000
"""More classes than any checkpoint has: a file of a few bytes must not ask for terabytes."""


@dataclass(frozen=True, slots=True)
class Published:
    """How a network is built for a number of classes, its linear layer, and the normalisation of its training."""

    build: Callable[[int], nn.Module]
    head: str
    mean: Colour
    deviation: Colour


def _on_imagenet(build: Callable[[int], nn.Module]) -> Published:
    return Published(build, "fc", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def _on_cifar(published: Published) -> Published:
    return replace(published, mean=(0.4914, 0.4822, 0.4465), deviation=(0.2023, 0.1994, 0.2010))


_BAGNET9 = _on_imagenet(lambda classes: BagNet(9, classes))
_BAGNET17 = _on_imagenet(lambda classes: BagNet(17, classes))
_BAGNET33 = _on_imagenet(lambda classes: BagNet(33, classes))
_RESNET50 = _on_imagenet(ResNet50)

PUBLISHED: dict[str, Published] = {
    "bagnet9": _BAGNET9,
    "bagnet17": _BAGNET17,
    "bagnet33": _BAGNET33,
    "resnet50": _RESNET50,
    "bagnet9-192": _on_cifar(_BAGNET9),
    "bagnet17-192": _on_cifar(_BAGNET17),
    "bagnet33-192": _on_cifar(_BAGNET33),
    "resnet50-192": _on_cifar(_RESNET50),
    "ds25-resnet50": _on_imagenet(SixChannelResNet50),
    # Trained on pixels in [0, 1] as they are.
    "ds4-resnet18": Published(SixChannelResNet18, "linear", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}


@dataclass(frozen=True, slots=True)
class Recognised:
    """What a file is: its convention in words, its classes, and the networks of `MODELS` that take it; or, where none
    does, the problem in one line."""

    convention: str
    classes: int
    models: tuple[str, ...]
    problem: str = ""


def load_published(description: Description, path: Path) -> Network:
    """The network with the weights of a checkpoint; raises CheckpointError, which names what does not fit."""
    published = PUBLISHED[description.name]
    state, _ = read_convention(path)
    classes = _classes(state, published, path.name)
    names = _names(classes, path.name, description)
    body = published.build(classes)
    load_state(body, state, path.name)
    field = description.receptive_field
    kind = BandNetwork if field.wrapping else Network
    return kind(
        description.name,
        Bands(body, field.size[1]) if field.wrapping else body,
        names,
        description.image_size,
        field,
        description.evidence,
        sha256(path.read_bytes()).hexdigest(),
        published.mean,
        published.deviation,
        description.part,
    )


def recognise(path: Path) -> Recognised:
    """Which networks a file fits, by the names and shapes of its tensors, and by its name where these leave a choice.

    PatchGuard's files say `cifar` where the network sees 192x192 pixels; the tensors are those of the 224x224 one.
    """
    try:
        state, convention = read_convention(path)
    except CheckpointError as error:
        return Recognised("", 0, (), str(error).removeprefix(f"{path.name}: "))
    fitting: list[str] = []
    found = 0
    for name, published in PUBLISHED.items():
        try:
            classes = _classes(state, published, path.name)
            _names(classes, path.name, MODELS[name])
        except CheckpointError:
            continue
        shapes = _shapes(published.build, classes)
        if {key: tuple(value.shape) for key, value in state.items() if not _counter(key)} == shapes:
            found = classes
            other_data = "nette" if MODELS[name].labels == "cifar10" else "cifar"
            if other_data not in path.name:
                fitting.append(name)
    if not fitting:
        return Recognised(convention, 0, (), "the tensors of none of the published networks")
    return Recognised(convention, found, tuple(fitting))


@lru_cache(32)
def _shapes(build: Callable[[int], nn.Module], classes: int) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        state = build(classes).state_dict()
    return {key: tuple(value.shape) for key, value in state.items() if not _counter(key)}


def _counter(key: str) -> bool:
    return key.endswith("num_batches_tracked")


def _classes(state: State, published: Published, file_name: str) -> int:
    head = state.get(f"{published.head}.weight")
    if head is None or head.ndim != 2:
        raise CheckpointError(
            f"{file_name}: the weights of another network: {published.head}.weight is missing"
        )
    classes = len(head)
    if not 2 <= classes <= _MAX_CLASSES:
        raise CheckpointError(f"{file_name}: expected 2 to {_MAX_CLASSES} classes, got {classes}")
    return classes


def _names(classes: int, file_name: str, description: Description) -> tuple[str, ...]:
    """Names of a checkpoint's classes: ImageNet's, the ten of ImageNette or of CIFAR-10, or numbers."""
    if description.labels == "cifar10":
        if classes != len(CIFAR10):
            raise CheckpointError(
                f"{file_name}: expected the {len(CIFAR10)} classes of CIFAR-10 for {description.title}, got {classes}"
            )
        return CIFAR10
    imagenet = imagenet_classes()
    if classes == len(imagenet):
        return imagenet
    if classes == len(IMAGENETTE) and "nette" in file_name:
        return tuple(imagenet[index] for index in IMAGENETTE)
    if classes == len(CIFAR10) and "cifar" in file_name:
        return CIFAR10
    return tuple(f"class {index}" for index in range(classes))
