"""A run over photos that a person dropped, in the background: the table that `evaluate --table` writes, as bytes.

One runs at a time on the server, the others wait. The photos stay in memory, and their names are never paths; the
parts of the table are on the disk, in a folder of the run alone, until it ends. Not here: what is measured, see
`pg_core.evaluation.run`.
"""

import atexit
import logging
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from threading import Event
from typing import TYPE_CHECKING

from app.cache.searches import Desk, End
from pg_core.analysis.inputs import configure
from pg_core.datasets.folders import is_visible, may_be_photo
from pg_core.datasets.sources import HeldPhoto, photos_among
from pg_core.evaluation.cases import evaluation_cases
from pg_core.evaluation.outcome_table import is_part
from pg_core.geometry import Size
from pg_core.io.printable import printable
from pg_core.io.progress import Progress
from pg_core.photos.read import MAX_BYTES, ImageError, reduced

if TYPE_CHECKING:
    from pg_core.networks.network import Network

MOST_PHOTOS, MOST_BYTES = 500, 256 * 2**20
"""Of one run: what the server takes."""
MOST_SECONDS = 1800
"""After these a run ends, with what it has measured."""
_LETTERS = 200
"""Of the name of a photo."""
_DROPPED = Path("dropped") / "photos"
"""What the table calls the folder of the photos; nothing is read from there."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Dropped:
    """The photos of a drop in the order in which they are measured, whether folders gave their classes, and how many
    other files were left out."""

    photos: tuple[HeldPhoto, ...]
    labelled: bool
    others: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run measures: defences by their names, each against each size of patch, in pixels of the image that the
    network sees."""

    photos: tuple[HeldPhoto, ...]
    defences: tuple[str, ...]
    patch_sizes: tuple[Size, ...]


class _StopAsked(Exception):
    """No further photo is to be measured."""


class PhotoRun:
    """A plan that waits, runs or has ended; read by the page while its thread writes. Its `parts` are there once it
    has ended, also of a run that was stopped."""

    def __init__(
        self, model: "Network", plan: Plan, owner: int, present: Callable[[], bool], until: int = MOST_SECONDS
    ) -> None:
        self.plan, self.owner = plan, owner
        self.progress = Progress(0, len(plan.photos), None)
        self.end: End | None = None
        self.problem = ""
        self.parts: dict[str, bytes] = {}
        self._model: Network | None = model
        self._present, self._stop, self._ended = present, Event(), Event()
        self._seconds, self._until = until, 0.0

    @property
    def running(self) -> bool:
        """Whether it has not ended: it waits, or measures."""
        return not self._ended.is_set()

    @property
    def wanted(self) -> bool:
        """Whether anybody still waits for it."""
        return not self._stop.is_set() and self._present()

    def stop(self) -> None:
        """Let it end after the photo that is measured."""
        self._stop.set()

    def join(self, timeout: float) -> bool:
        """Wait until it has ended; whether it has, after so many seconds."""
        return self._ended.wait(timeout)

    def work(self) -> None:
        """Measure the photos, in the thread of the run."""
        self._until = time.monotonic() + self._seconds
        with tempfile.TemporaryDirectory(prefix="patchguard-") as name:
            table = Path(name) / "table"
            try:
                self._measure(table)
                self.end = End.DONE
            except _StopAsked:
                self.end = End.TIME if self.wanted else End.STOPPED
            except ValueError as error:
                self.end, self.problem = End.FAILED, str(error)
            except Exception:
                _log.exception("a run over dropped photos has failed")
                self.end, self.problem = End.FAILED, "The run has failed in the program: please report it."
            if table.is_dir():
                self.parts = {
                    path.name: path.read_bytes() for path in sorted(table.iterdir()) if is_part(path)
                }

    def leave(self) -> None:
        """Say that it has ended; the network is let go."""
        self.end = self.end or End.STOPPED
        self._model = None
        self._ended.set()

    def _measure(self, table: Path) -> None:
        from pg_core.evaluation.run import evaluate

        model, plan = self._model, self.plan
        assert model is not None
        config = configure(model, plan.patch_sizes[0])
        cases = evaluation_cases(config, plan.patch_sizes, plan.defences)
        evaluate(model, plan.photos, cases, table, model.weights_sha256, self._report, skip_unreadable=True)

    def _report(self, progress: Progress) -> None:
        self.progress = progress
        # The last photo is measured: there is nothing left to stop.
        if progress.done < progress.total and (not self.wanted or time.monotonic() > self._until):
            raise _StopAsked


DESK = Desk(at_once=1, thread="run over dropped photos")
"""Of the server."""
atexit.register(DESK.close)


def dropped(files: Sequence[tuple[str, bytes]], classes: tuple[str, ...]) -> Dropped:
    """The photos among files by their names, which may say their folders. Those of folders that are named like the
    classes have labels; other folders, and a flat one, give none. Raises ImageError, one sentence, where there is no
    photo, or more than the server takes."""
    held: dict[PurePosixPath, bytes] = {}
    for name, data in files:
        path = _named(name)
        if all(map(is_visible, path.parts)) and may_be_photo(path.name):
            held[_free(path, held)] = data
    size = sum(map(len, held.values()))
    if not 0 < len(held) <= MOST_PHOTOS or size > MOST_BYTES:
        raise ImageError(
            f"expected 1 to {MOST_PHOTOS} photos, at most {MOST_BYTES // 2**20} MB together, got {len(held)} photos "
            f"and {size / 2**20:.1f} MB: measure more with python -m pg_core evaluate FOLDER --table TABLE"
        )

    def photo(name: str, label: int | None, prefix: str) -> HeldPhoto:
        return HeldPhoto(_DROPPED, name, label, data=held[PurePosixPath(f"{prefix}{name}")])

    try:
        photos = photos_among(held, classes, "the folder", photo)
    except ImageError:  # folders that are no classes
        photos = tuple(photo(str(path), None, "") for path in sorted(held))
    return Dropped(photos, photos[0].label is not None, len(files) - len(held))


def why_not(photo: HeldPhoto) -> str | None:
    """Why a photo cannot be measured, in a sentence; None where it can be read."""
    if len(photo.data) > MAX_BYTES:
        return f"It is larger than {MAX_BYTES // 2**20} MB."
    try:
        reduced(photo.data)
    except ImageError as error:
        return str(error)
    return None


def _named(name: str) -> PurePosixPath:
    """The name of a file with the folder that it is in, as a table holds it: a text, and no path of any disk."""
    found = (part.strip() for part in name.replace("\\", "/").split("/"))
    parts = [printable(part) for part in found if part not in ("", ".", "..")]
    folder, last = (parts[-2:-1] or [""])[0], (parts or ["?"])[-1]
    stem, dot, suffix = last.rpartition(".")
    short = f"{stem[:_LETTERS]}{dot}{suffix[:10]}" if dot else last[:_LETTERS]
    return PurePosixPath(folder[:_LETTERS]) / short


def _free(path: PurePosixPath, taken: "dict[PurePosixPath, bytes]") -> PurePosixPath:
    """A name that no other photo has: from folders below folders two may have the same."""
    free, number = path, 2
    while free in taken:
        free, number = path.with_name(f"{path.stem} ({number}){path.suffix}"), number + 1
    return free
