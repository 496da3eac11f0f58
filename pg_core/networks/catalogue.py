"""The networks by name, described without torch: their images, receptive fields and classes."""

import csv
from dataclasses import dataclass
from functools import cache

from pg_core.evidence.types import EvidenceType
from pg_core.geometry import ReceptiveField, Size
from pg_core.io.assets import asset
from pg_core.io.parameters import coerce_fields
from pg_core.networks.base import Part

IMAGENETTE = (0, 217, 482, 491, 497, 566, 569, 571, 574, 701)
"""The ten ImageNet classes of ImageNette, by index."""

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@dataclass(frozen=True, slots=True)
class Description:
    """What is known of a network before it is loaded. `labels` is what its classes are: `groups` (everyday
    names), `classes` (ImageNet's 1,000), `imagenette` or `cifar10` (ten), `checkpoint` (as many as the file has)."""

    name: str
    title: str
    image_size: Size
    receptive_field: ReceptiveField
    evidence: EvidenceType
    labels: str
    part: Part = Part.MIDDLE
    needs_checkpoint: bool = False
    """Whether the weights come from a file of the user's."""
    trained: bool = False
    """Whether the weights are shipped in assets/weights, with a card: those of the networks trained here."""
    defence: str = "masking"
    """The sound defence that certified most where it was measured here; where it was not, robust masking."""

    def __post_init__(self) -> None:
        coerce_fields(self)


def _square(field: int, stride: int) -> ReceptiveField:
    return ReceptiveField((field, field), (stride, stride))


def _on_imagenet(name: str, title: str, field: ReceptiveField) -> Description:
    return Description(
        name,
        f"{title}, from a checkpoint",
        (224, 224),
        field,
        EvidenceType.LOGITS,
        "checkpoint",
        needs_checkpoint=True,
    )


def _on_cifar(name: str, title: str, field: ReceptiveField) -> Description:
    return Description(
        f"{name}-192",
        f"{title} for CIFAR-10, from a checkpoint",
        (192, 192),
        field,
        EvidenceType.LOGITS,
        "cifar10",
        Part.WHOLE,
        needs_checkpoint=True,
    )


_BAGNETS = tuple((f"bagnet{field}", f"BagNet-{field}", _square(field, 8)) for field in (9, 17, 33))
_RESNET50 = "resnet50", "ResNet-50", ReceptiveField((427, 427), (32, 32), (213, 213))
"""Published with PatchGuard, which calls the receptive field 483: see `pg_core.networks.bodies.resnet`."""

MODELS: dict[str, Description] = {
    description.name: description
    for description in (
        Description(
            "tiles",
            "ImageNet tiles, 673 grouped classes",
            (448, 448),
            _square(128, 32),
            EvidenceType.CONFIDENCE,
            "groups",
        ),
        Description(
            "tiles-coarse",
            "ImageNet tiles, 673 grouped classes, coarse and fast",
            (448, 448),
            _square(128, 64),
            EvidenceType.CONFIDENCE,
            "groups",
        ),
        Description(
            "tiles-imagenet",
            "ImageNet tiles, 1,000 classes",
            (448, 448),
            _square(128, 32),
            EvidenceType.CONFIDENCE,
            "classes",
        ),
        Description(
            "imagenette",
            "ImageNette, trained tiles",
            (224, 224),
            _square(33, 11),
            EvidenceType.SHARPENED,
            "imagenette",
            trained=True,
            defence="feature-masking",
        ),
        Description(
            "tiles-imagenette",
            "ImageNette, tiles",
            (224, 224),
            _square(64, 16),
            EvidenceType.CONFIDENCE,
            "imagenette",
        ),
        Description(
            "cifar10",
            "CIFAR-10, receptive field 5×5",
            (32, 32),
            _square(5, 1),
            EvidenceType.LOGITS,
            "cifar10",
            Part.WHOLE,
            trained=True,
            defence="feature-masking",
        ),
        Description(
            "cifar10-bands",
            "CIFAR-10, bands of 4 columns",
            (32, 32),
            ReceptiveField((32, 4), (32, 1), wrapping=True),
            EvidenceType.CONFIDENCE,
            "cifar10",
            Part.WHOLE,
            trained=True,
            defence="feature-masking",
        ),
        Description(
            "cifar10-interval",
            "CIFAR-10, for interval bounds",
            (32, 32),
            _square(5, 3),
            EvidenceType.LOGITS,
            "cifar10",
            Part.WHOLE,
            trained=True,
            defence="interval",
        ),
        *(_on_imagenet(*network) for network in (*_BAGNETS, _RESNET50)),
        *(_on_cifar(*network) for network in (*_BAGNETS, _RESNET50)),
        Description(
            "ds25-resnet50",
            "DS-25-ResNet-50, bands of 25 columns, from a checkpoint",
            (299, 299),
            ReceptiveField((299, 25), (299, 1), wrapping=True),
            EvidenceType.CONFIDENCE,
            "checkpoint",
            Part.WHOLE,
            needs_checkpoint=True,
            defence="mask-ds",
        ),
        Description(
            "ds4-resnet18",
            "DS-4-ResNet-18, bands of 4 columns (CIFAR-10), from a checkpoint",
            (32, 32),
            ReceptiveField((32, 4), (32, 1), wrapping=True),
            EvidenceType.CONFIDENCE,
            "cifar10",
            Part.WHOLE,
            needs_checkpoint=True,
            defence="mask-ds",
        ),
    )
}


TRAINED = tuple(name for name, description in MODELS.items() if description.trained)
"""The networks whose weights are shipped."""


def imagenet_classes() -> tuple[str, ...]:
    """ImageNet's 1,000 class names by index."""
    return _table()[0]


@cache
def _table() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """ImageNet's class names by index, and the everyday group of each (its own name where it has none)."""
    with asset("imagenet_classes.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    return tuple(row["class"] for row in rows), tuple(row["group"] for row in rows)


def class_groups(labels: str) -> tuple[tuple[str, ...], tuple[tuple[int, ...], ...]]:
    """Names of a tile network's classes, and the ImageNet classes behind each."""
    names, groups = _table()
    if labels == "classes":
        return names, tuple((index,) for index in range(len(names)))
    if labels == "imagenette":
        return tuple(names[index] for index in IMAGENETTE), tuple((index,) for index in IMAGENETTE)
    members: dict[str, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    return tuple(members), tuple(map(tuple, members.values()))
