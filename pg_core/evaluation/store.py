"""Local logits kept on the disk, so that a photo can be certified again without running the network.

A file is named by all that its content depends on: the photo's bytes, the network and its weights, the device and
the versions of the libraries. Not here: forgetting; delete the folder.
"""

import hashlib
import math
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from pg_core.io import files


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """Local logits of a photo and their error, as in `pg_core.photos.inference.LocalFeatures`."""

    local_logits: Float32[np.ndarray, "classes rows columns"]
    delta: float


@dataclass(frozen=True, slots=True)
class Store:
    """A folder of local logits; `network` identifies the network, its weights, the device and the versions, `shape` is
    that of its maps: classes, rows, columns. Photos are identified by the SHA-256 of their content."""

    folder: Path
    network: str
    shape: tuple[int, int, int]

    def find(self, photo: str) -> Kept | None:
        """What is kept of a photo; None if nothing is, or a file was damaged: cut, or no map of this shape with finite
        values and an error of at least 0."""
        path = self._file(photo)
        if not path.is_file():
            return None
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                values, delta = arrays["local_logits"], arrays["delta"]
                whole = (
                    values.dtype == np.float32
                    and values.shape == self.shape
                    and (delta.dtype, delta.shape) == (np.float64, ())
                )
                kept = Kept(values, float(delta)) if whole else None
        except (
            Exception
        ):  # on damaged bytes numpy and zipfile fail in any way: zlib.error, NotImplementedError
            return None
        if kept is None or not (np.isfinite(kept.local_logits).all() and 0 <= kept.delta < math.inf):
            return None
        return kept

    def keep(self, photo: str, kept: Kept) -> None:
        """Write a photo's file, whole or not at all."""
        content = BytesIO()
        np.savez(content, local_logits=kept.local_logits, delta=kept.delta)
        files.write({self._file(photo): content.getbuffer()})

    def _file(self, photo: str) -> Path:
        digest = hashlib.sha256(f"{self.network}\n{photo}".encode()).hexdigest()
        return self.folder / f"{digest}.npz"
