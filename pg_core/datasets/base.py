"""The data sets by name: what their classes and their folders are called. To add one, write a line of `DATASETS`.

Not here: the photos, which are the user's, see `pg_core.datasets.folders`.
"""

from dataclasses import dataclass

from pg_core.geometry import Size
from pg_core.io.parameters import coerce_fields, shown
from pg_core.networks.catalogue import CIFAR10, IMAGENETTE, imagenet_classes


@dataclass(frozen=True, slots=True, repr=False)
class Dataset:
    """A data set: its name, and the names of its classes as the networks have them.

    `folders` names the folders that its photos are published in, one for each class in their order, where these are
    not called like the classes; `image_size` is that of its photos, None where they have several. Raises ValueError
    for another number of folders than of classes, and for the same folder twice.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    folders: tuple[str, ...] = ()
    image_size: Size | None = None

    def __post_init__(self) -> None:
        coerce_fields(self)
        if self.folders and len(self.folders) != len(self.classes):
            raise ValueError(
                f"expected {len(self.classes)} folders for {self.name}, one for each class, got {len(self.folders)}"
            )
        if len(set(self.folders)) != len(self.folders):
            raise ValueError(f"expected a folder for each class of {self.name}, got the same one twice")

    @classmethod
    def named(cls, value: object) -> "Dataset":
        """The data set itself, or that of a name; raises ValueError for anything else."""
        if isinstance(value, cls):
            return value
        if isinstance(value, str) and value in DATASETS:
            return DATASETS[value]
        raise ValueError(f"expected one of {', '.join(DATASETS)}, got {shown(value)}")

    def __str__(self) -> str:
        return self.title

    def __repr__(self) -> str:
        return f"Dataset({self.name!r}, {len(self.classes)} classes)"


_IMAGENET = imagenet_classes()

DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            "imagenette",
            "ImageNette",
            tuple(_IMAGENET[index] for index in IMAGENETTE),
            (  # WordNet's names
                "n01440764",
                "n02102040",
                "n02979186",
                "n03000684",
                "n03028079",
                "n03394916",
                "n03417042",
                "n03425413",
                "n03445777",
                "n03888257",
            ),
        ),
        Dataset("cifar10", "CIFAR-10", CIFAR10, image_size=(32, 32)),
        Dataset("imagenet", "ImageNet", _IMAGENET),
    )
}
"""By name, in the order in which they are shown."""

OTHER = Dataset("other", "other photos", ())
"""Stands for photos of no known data set."""


def dataset_of(classes: tuple[str, ...]) -> Dataset:
    """The data set whose classes, in their order, these are, the first of several; `OTHER` if there is none."""
    return next((dataset for dataset in DATASETS.values() if dataset.classes == classes), OTHER)
