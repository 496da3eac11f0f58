"""Local logits kept on the disk, so that a photo can be certified again without running the network.

A file is named by all that its content depends on: the photo's bytes, the network and its weights, the device and
the versions of the libraries. It leaves out forgetting: delete the folder.
"""

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from jaxtyping import Float32


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """Local logits of a photo and their error, as in `pg_core.features.LocalFeatures`."""

    local_logits: Float32[np.ndarray, "classes rows columns"]
    delta: float


@dataclass(frozen=True, slots=True)
class Store:
    """A folder of local logits; `network` names the network, its weights, the device and the versions. Photos are
    known by the hash of their content."""

    folder: Path
    network: str

    def find(self, photo: str) -> Kept | None:
        """What is kept of a photo; None if nothing is, or a file was damaged."""
        try:
            with self._file(photo).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return Kept(arrays["local_logits"], float(arrays["delta"]))
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            return None

    def keep(self, photo: str, kept: Kept) -> None:
        """Write a photo's file, whole or not at all."""
        file = self._file(photo)
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self.folder, suffix=".new", delete=False) as new:
            np.savez(new, local_logits=kept.local_logits, delta=kept.delta)
        Path(new.name).replace(file)

    def _file(self, photo: str) -> Path:
        digest = hashlib.sha256(f"{self.network}\n{photo}".encode()).hexdigest()
        return self.folder / f"{digest}.npz"
