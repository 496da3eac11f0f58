"""Checkpoints of a training run: its state after a step, from which a run that was stopped goes on, and what it began
with."""

import hashlib
import zipfile
from dataclasses import asdict, dataclass, fields
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pg_core.datasets.folders import LabelledPhoto, hash_of_photos
from pg_core.geometry import Size
from pg_core.io import files
from pg_core.io.parameters import coerce_fields
from pg_core.io.progress import Pace, Report
from pg_core.networks.network import CheckpointError, State
from pg_core.training.recipe import Recipe
from pg_core.training.studies.registry import recipes

ANEW = "name another checkpoint to train anew"
_HASHED_AT_ONCE = 1000
"""Photos between two reports."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What decides the result of a training run besides its recipe: the SHA-256 of all photos (names, contents and
    labels; how many are held out is in the recipe), of the weights it begins with and of its teacher's, and the size
    of its images."""

    photos: str
    start: str
    teacher: str | None
    image_size: Size

    def __post_init__(self) -> None:
        coerce_fields(self)

    def check(self, now: "Origin", name: str) -> None:
        """Raise ValueError, which says what differs and the cure, unless a run with the origin `now` can go on from
        the checkpoint of this name."""
        for entry in fields(Origin):
            if getattr(self, entry.name) != getattr(now, entry.name):
                raise ValueError(f"{name}: {_OTHER[entry.name]}, or {ANEW}")


_OTHER = {
    "photos": "trained on other photos than the folder holds now: bring those back",
    "start": "begun with other weights: begin with the same",
    "teacher": "taught by another teacher, or by none: do the same",
    "image_size": "trained on images of another size: name the same network",
}
"""What is wrong, and the cure, where an entry of `Origin` is another one."""


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """The state of a training run after a step."""

    recipe: Recipe
    origin: Origin
    step: int
    network: State
    optimisers: list[dict[str, Any]]
    average: State


def origin_of(
    photos: tuple[LabelledPhoto, ...],
    base: nn.Module,
    teacher: nn.Module | None,
    image_size: Size,
    report: Report | None = None,
) -> Origin:
    """The origin of a run. Every photo is read, and report is told the progress where there are many; raises
    ImageError for one that cannot be read."""
    pace, lines = Pace(len(photos)), []
    for done, photo in enumerate(photos, 1):
        lines.append((photo.name, photo.hashed().sha256, photo.label))
        if report is not None and done % _HASHED_AT_ONCE == 0:
            report(pace.progress(done, "photos hashed"))
    taught_by = None if teacher is None else _hash_of(teacher)
    return Origin(hash_of_photos(lines), _hash_of(base), taught_by, image_size)


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, whole or not at all; raises FileError if it cannot be written."""
    content = {
        "kind": type(checkpoint.recipe).__name__,
        "recipe": asdict(checkpoint.recipe),
        "origin": asdict(checkpoint.origin),
        "step": checkpoint.step,
        "network": checkpoint.network,
        "optimisers": checkpoint.optimisers,
        "average": checkpoint.average,
    }
    # In memory first: of a full disk torch says that its archive is corrupt.
    written = BytesIO()
    torch.save(content, written)
    files.write({path: written.getbuffer()})


def read_checkpoint(path: str | Path) -> Checkpoint:
    """The content of a checkpoint; tensors, numbers and words only, so no code in a hostile file is run.

    Raises CheckpointError for a file of another kind, a damaged one, and one without an origin, as those of earlier
    versions.
    """
    path = Path(path)
    try:
        files.check_regular(path)
        with path.open("rb") as file:
            # Torch reads tensors without a look at their checksums.
            with zipfile.ZipFile(file) as archive:
                damaged = archive.testzip()
            if damaged is not None:
                raise ValueError(f"{damaged} is damaged")
            file.seek(0)
            content = torch.load(file, map_location="cpu", weights_only=True)
        if "origin" in content:
            return Checkpoint(
                recipes()[content["kind"]](**content["recipe"]),
                Origin(**content["origin"]),
                int(content["step"]),
                content["network"],
                content["optimisers"],
                content["average"],
            )
    except FileNotFoundError:
        raise CheckpointError(f"{path.name}: no such file") from None
    except files.FileError as error:
        raise CheckpointError(str(error)) from None
    except Exception as error:  # on damaged bytes torch and zipfile fail in any way
        raise CheckpointError(
            f"{path.name}: not a checkpoint of this training, or a damaged one; {ANEW}"
        ) from error
    raise CheckpointError(
        f"{path.name}: does not say which photos it was trained on, as those of earlier versions; {ANEW}"
    )


def _hash_of(network: nn.Module) -> str:
    """The hash of the names, types, shapes and bits of a network's tensors."""
    found = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        found.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()
