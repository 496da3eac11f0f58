"""A network by its name, ready to use, and the one place where a device is chosen."""

from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pg_core.networks.catalogue import (
    CIFAR10,
    IMAGENETTE,
    MODELS,
    TRAINED,
    Description,
    class_groups,
    imagenet_classes,
)

if TYPE_CHECKING:
    from pg_core.networks.network import Network

ModelT = TypeVar("ModelT")

__all__ = [
    "CIFAR10",
    "IMAGENETTE",
    "MODELS",
    "TRAINED",
    "Description",
    "imagenet_classes",
    "load_model",
    "moved",
]


def load_model(name: str, device: str | None = None, weights: str | Path | None = None) -> "Network":
    """A network ready to use, on cuda, else mps, else cpu, unless a device is named.

    weights is the checkpoint of a network that needs one; the others have their own. Raises ValueError for an unknown
    name or device, and CheckpointError (a ValueError) for weights that do not fit.
    """
    if name not in MODELS:
        raise ValueError(f"expected a model out of {', '.join(MODELS)}, got {name!r}")
    description = MODELS[name]
    if description.needs_checkpoint != (weights is not None):
        needs = (
            "needs weights: name the file of its checkpoint"
            if description.needs_checkpoint
            else "has its own weights: name none"
        )
        raise ValueError(f"{name} {needs}")
    from pg_core.networks.arithmetic import certifying
    from pg_core.networks.network import choose_device

    chosen = choose_device(device)
    # Weights are folded and converted: that is arithmetic too. They may be asked for gradients later on.
    with certifying(gradients=True):
        return _built(description, weights).eval().requires_grad_(False).to(chosen)


def moved(model: ModelT, device: str | None) -> ModelT:
    """A copy of a network on a device (None: the one that `load_model` takes); one without torch as it is. Raises
    ValueError for a device that is not there."""
    from torch import nn

    from pg_core.networks.arithmetic import certifying
    from pg_core.networks.network import choose_device

    if not isinstance(model, nn.Module):
        return model
    with certifying(gradients=True):
        return deepcopy(model).to(choose_device(device))


def _built(description: Description, weights: str | Path | None) -> "Network":
    if description.trained:
        from pg_core.networks.trained import load_trained

        return load_trained(description)
    if weights is None:
        return _tiles(description)
    from pg_core.networks.published import load_published

    return load_published(description, Path(weights))


def _tiles(description: Description) -> "Network":
    import torch

    from pg_core.networks.bodies.efficientnet import LITES, fold_batch_norm, pretrained
    from pg_core.networks.bodies.tiles import Tiles
    from pg_core.networks.network import Network

    names, groups = class_groups(description.labels)
    base = fold_batch_norm(pretrained(LITES[0])).to(memory_format=torch.channels_last)
    return Network(
        description.name,
        Tiles(base, description.receptive_field, 128, groups),
        names,
        description.image_size,
        description.receptive_field,
        description.evidence,
        LITES[0].sha256,
        # Google's own normalisation; ImageNet's mean and deviation cost eleven points of accuracy.
        mean=(0.5, 0.5, 0.5),
        deviation=(0.5, 0.5, 0.5),
    )
