"""The networks by name, described without torch, and the one place where a device is chosen."""

import csv
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from pg_core.arrays import Evidence
from pg_core.geometry import ReceptiveField, Size

if TYPE_CHECKING:
    from pg_core.models.network import Network

ASSETS = Path(__file__).parents[2] / "assets"
IMAGENETTE = (0, 217, 482, 491, 497, 566, 569, 571, 574, 701)
"""The ten ImageNet classes of ImageNette, by index."""

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_MAX_CLASSES = 25_000
"""More classes than any checkpoint has: a file of a few bytes must not ask for terabytes."""


@dataclass(frozen=True, slots=True)
class Description:
    """What is known of a network before it is loaded. `labels` is what its classes are: `groups` (everyday
    names), `classes` (ImageNet's 1,000), `imagenette` (ten), or `checkpoint` (as many as the file has)."""

    name: str
    title: str
    image_size: Size
    receptive_field: ReceptiveField
    evidence: Evidence
    labels: str

    @property
    def needs_checkpoint(self) -> bool:
        """Whether the weights come from a file of the user's."""
        return self.labels == "checkpoint"


def _square(field: int, stride: int) -> ReceptiveField:
    return ReceptiveField((field, field), (stride, stride))


def _bagnet(field: int) -> Description:
    return Description(
        f"bagnet{field}",
        f"BagNet-{field}, from a checkpoint",
        (224, 224),
        _square(field, 8),
        Evidence.LOGITS,
        "checkpoint",
    )


MODELS: dict[str, Description] = {
    description.name: description
    for description in (
        Description(
            "tiles",
            "Tiles, everyday names",
            (448, 448),
            _square(128, 32),
            Evidence.CONFIDENCE,
            "groups",
        ),
        Description(
            "tiles-coarse",
            "Tiles, everyday names, coarse and fast",
            (448, 448),
            _square(128, 64),
            Evidence.CONFIDENCE,
            "groups",
        ),
        Description(
            "tiles-imagenet",
            "Tiles, all 1,000 ImageNet classes",
            (448, 448),
            _square(128, 32),
            Evidence.CONFIDENCE,
            "classes",
        ),
        Description(
            "imagenette",
            "Trained tiles, the ten ImageNette classes",
            (224, 224),
            _square(40, 12),
            Evidence.CONFIDENCE,
            "imagenette",
        ),
        Description(
            "tiles-imagenette",
            "Tiles, the ten ImageNette classes",
            (224, 224),
            _square(64, 16),
            Evidence.CONFIDENCE,
            "imagenette",
        ),
        _bagnet(9),
        _bagnet(17),
        _bagnet(33),
    )
}


TRAINED = ("imagenette",)
"""The networks whose weights are shipped in assets/weights, each with a card."""


def load_model(name: str, device: str | None = None, weights: str | Path | None = None) -> "Network":
    """A network ready to use, on cuda, else mps, else cpu, unless a device is named.

    weights is the checkpoint of a network that needs one, and no other. Raises ValueError for an unknown name
    and CheckpointError (a ValueError) for weights that do not fit.
    """
    if name not in MODELS:
        raise ValueError(f"expected a model out of {', '.join(MODELS)}, got {name!r}")
    description = MODELS[name]
    if description.needs_checkpoint != (weights is not None):
        needs = (
            "needs weights, the file of a checkpoint"
            if description.needs_checkpoint
            else "has its own weights"
        )
        raise ValueError(f"{name} {needs}")
    from pg_core.models.network import choose_device

    if name in TRAINED:
        network = _trained(description)
    else:
        network = _tiles(description) if weights is None else _from_checkpoint(description, Path(weights))
    return network.eval().requires_grad_(False).to(choose_device(device))


def _tiles(description: Description) -> "Network":
    import torch

    from pg_core.models.efficientnet import SHA256, fold_batch_norm, pretrained
    from pg_core.models.network import Network
    from pg_core.models.tiles import Tiles

    names, groups = _labels(description.labels)
    base = fold_batch_norm(pretrained()).to(memory_format=torch.channels_last)
    return Network(
        description.name,
        Tiles(base, description.receptive_field, 128, groups),
        names,
        description.image_size,
        description.receptive_field,
        description.evidence,
        SHA256,
        # Google's own normalisation; ImageNet's mean and deviation cost eleven points of accuracy.
        mean=(0.5, 0.5, 0.5),
        deviation=(0.5, 0.5, 0.5),
    )


def _trained(description: Description) -> "Network":
    import torch

    from pg_core.models.efficientnet import EfficientNetLite0, fold_batch_norm
    from pg_core.models.network import CheckpointError, Network, load_state
    from pg_core.models.shipped import read_card, read_weights
    from pg_core.models.tiles import Tiles

    card = read_card(description.name)
    if card.receptive_field != description.receptive_field:
        raise CheckpointError(
            f"{card.path.name}: expected {description.receptive_field}, got {card.receptive_field}"
        )
    names, _ = _labels(description.labels)
    base = fold_batch_norm(EfficientNetLite0(len(names)).eval())
    load_state(base, read_weights(card), card.weights.name)
    return Network(
        description.name,
        Tiles(
            base.to(memory_format=torch.channels_last),
            card.receptive_field,
            card.side,
            tuple((index,) for index in range(len(names))),
        ),
        names,
        description.image_size,
        description.receptive_field,
        description.evidence,
        card.sha256,
        mean=(0.5, 0.5, 0.5),
        deviation=(0.5, 0.5, 0.5),
    )


def _from_checkpoint(description: Description, path: Path) -> "Network":
    from pg_core.models.bagnet import BagNet
    from pg_core.models.network import CheckpointError, Network, load_state, read_state

    state = read_state(path)
    head = state.get("fc.weight")
    if head is None or head.ndim != 2:
        raise CheckpointError(f"{path.name}: the weights of another network: fc.weight is missing")
    classes = len(head)
    if not 2 <= classes <= _MAX_CLASSES:
        raise CheckpointError(f"{path.name}: expected 2 to {_MAX_CLASSES} classes, got {classes}")
    body = BagNet(description.receptive_field.size[0], classes)
    load_state(body, state, path.name)
    return Network(
        description.name,
        body,
        _checkpoint_labels(classes, path.name),
        description.image_size,
        description.receptive_field,
        description.evidence,
        sha256(path.read_bytes()).hexdigest(),
        mean=(0.485, 0.456, 0.406),
        deviation=(0.229, 0.224, 0.225),
    )


def imagenet_classes() -> tuple[str, ...]:
    """ImageNet's 1,000 class names by index."""
    return _table()[0]


@cache
def _table() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """ImageNet's class names by index, and the everyday group of each (its own name where it has none)."""
    with (ASSETS / "imagenet_classes.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    return tuple(row["class"] for row in rows), tuple(row["group"] for row in rows)


def _labels(labels: str) -> tuple[tuple[str, ...], tuple[tuple[int, ...], ...]]:
    """Names of a head and the ImageNet classes behind each."""
    names, groups = _table()
    if labels == "classes":
        return names, tuple((index,) for index in range(len(names)))
    if labels == "imagenette":
        return tuple(names[index] for index in IMAGENETTE), tuple((index,) for index in IMAGENETTE)
    members: dict[str, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    return tuple(members), tuple(map(tuple, members.values()))


def _checkpoint_labels(classes: int, file_name: str) -> tuple[str, ...]:
    """Names for the classes of a published checkpoint: ImageNet's, the ten of ImageNette, or numbers."""
    names, _ = _table()
    if classes == len(names):
        return names
    if classes == len(IMAGENETTE) and "nette" in file_name:
        return tuple(names[index] for index in IMAGENETTE)
    if classes == len(CIFAR10) and "cifar" in file_name:
        return CIFAR10
    return tuple(f"class {index}" for index in range(classes))
