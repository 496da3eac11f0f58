"""How a run writes its table, a part every few seconds, and goes on from the rows that an earlier run left.

A row is its own checkpoint: it holds for a photo of the same content and label, and for a setting of the same key. One
process writes at a time. Not here: reading, see `pg_core.evaluation.outcome_table`.
"""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pg_core.datasets.folders import Photo
from pg_core.defences.base import ALERT, Verdict
from pg_core.evaluation.outcome_columns import (
    COLUMNS,
    LISTS,
    METADATA,
    OF_SETTING,
    VERSION,
    Run,
    name_of,
    text_of,
)
from pg_core.evaluation.outcome_table import DamagedPartError, Part, is_part, opened, part_of, parts_in
from pg_core.evaluation.outcomes import CaseResult, Counted
from pg_core.io import files
from pg_core.io.json import as_json
from pg_core.io.lock import locked
from pg_core.io.parameters import shown
from pg_core.photos.read import ImageError

_ROWS = 4096
_BYTES = 2**23
_SECONDS = 5.0
"""A part is written when so many rows, so many bytes of margins and rivals, or so much time have come together."""
_SMALL_PARTS = 32
"""So many parts of less than half of these bytes are put together into one, of at most four times as many."""


@contextmanager
def writing(folder: Path, run: Run) -> Iterator["OutcomeWriter"]:
    """The table of a run in a folder, which is made if it is missing, until the block ends. Raises ValueError for a
    table of another network, of other columns, or of another version, and for a folder with anything else in it;
    FileError where it cannot be written, or where another process does."""
    files.prepare_folder(folder)
    with locked(folder):
        yield OutcomeWriter(folder, run)


class OutcomeWriter:
    """The parts of a table, and what is known of each photo. `folders` are those that earlier runs took photos from,
    `spoilt` the parts that were damaged, and are hidden; `kept` counts the photos that this run has written."""

    def __init__(self, folder: Path, run: Run) -> None:
        self._folder, self._run, self.name, self.kept = folder, run, folder.name, 0
        parts, self.spoilt = _recovered(folder, run)
        self.folders = {part.run.folder for part in parts}
        # Changed in one step: an interrupt between two would write rows twice, or never.
        self._pending: tuple[int, list[CaseResult]] = (self._next_number(), [])
        self._size, self._since, self._flushed = 0, time.monotonic(), len(parts)
        self._known: dict[str, dict[str, Counted]] = defaultdict(dict)
        if parts:
            rows = opened(folder, parts).query(
                f"select photo, setting, {', '.join(Counted._fields)} from outcomes"
            )
            for photo, setting, *values in rows:
                row = Counted(*values)
                prediction = ALERT if row.prediction is None else row.prediction
                counted = row._replace(prediction=prediction, verdict=Verdict(row.verdict))
                self._known[name_of(photo)][setting] = counted

    def known(self, photo: Photo) -> Mapping[str, Counted]:
        """The rows of a photo, by the keys of their settings."""
        return self._known.get(photo.name, {})

    def contents(self) -> dict[str, str]:
        """The names of all photos with rows, and the hashes of their contents."""
        return {name: next(iter(rows.values())).sha256 for name, rows in self._known.items()}

    def holds(self, photo: Photo) -> bool:
        """Whether there are rows of a photo, and they are about it as it is now."""
        rows = self._known.get(photo.name)
        if not rows:
            return False
        try:
            now = photo.hashed().sha256, photo.label
        except ImageError:
            return False  # Measuring it says what is wrong.
        return all((row.sha256, row.label) == now for row in rows.values())

    def drop_changed(self, photos: Sequence[Photo]) -> tuple[str, ...]:
        """Remove the rows of those photos whose content or label is another one now, and name these."""
        changed = {photo.name for photo in photos if self._known.get(photo.name) and not self.holds(photo)}
        if changed:
            stale = pa.array([text_of(name) for name in changed])
            for part in parts_in(self._folder):
                rows = _rows(part)
                good = rows.filter(pc.invert(pc.is_in(rows["photo"], value_set=stale)))
                if len(good) < len(rows):
                    self._replace((part,), good)
        for name in changed:
            del self._known[name]
        return tuple(sorted(changed))

    def add(self, results: Sequence[CaseResult]) -> None:
        """Take the results of one photo; they are on the disk with the next part."""
        self._pending[1].extend(results)
        self._size += sum(result.margins.nbytes + result.rivals.nbytes for result in results)
        full = len(self._pending[1]) >= _ROWS or self._size >= _BYTES
        if full or time.monotonic() - self._since >= _SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what is pending; of a part that was interrupted the same rows take the same name again."""
        number, results = self._pending
        if not results:
            return
        self._write(number, _arrow(results, self._run), self._run)
        self._pending = number + 1, []
        self.kept += len({result.photo for result in results})
        self._size, self._since, self._flushed = 0, time.monotonic(), self._flushed + 1
        if self._flushed >= _SMALL_PARTS:
            self._put_together()

    def _put_together(self) -> None:
        """Small parts as one, so that a long run leaves few."""
        small: list[Part] = []
        for part in parts_in(self._folder):
            if part.size < _BYTES / 2 and sum(own.size for own in small) < 4 * _BYTES:
                small.append(part)
        self._flushed = 0
        if len(small) > 1:
            self._replace(small, pa.concat_tables(map(_rows, small)))

    def _replace(self, parts: Sequence[Part], rows: pa.Table) -> None:
        """Write rows in the place of parts, which are removed afterwards."""
        run, number = parts[0].run, self._pending[0]
        for part in parts[1:]:
            run = run.joined(part.run)
        self._pending = number + 1, self._pending[1]
        if len(rows):
            self._write(number, rows, run, parts)
        for part in parts:
            part.path.unlink()

    def _write(self, number: int, rows: pa.Table, run: Run, replaces: Sequence[Part] = ()) -> None:
        content = {
            "schema": VERSION,
            "configuration": run.configuration.summary(),
            "parameters": [dict(own) for own in run.parameters],
            "folder": run.folder,
            "replaces": [part.path.name for part in replaces],
        }
        files.write({self._folder / f"part-{number:08}.parquet": _parquet(rows, as_json(content))})

    def _next_number(self) -> int:
        """One more than that of any part."""
        numbers = [int(path.stem.removeprefix("part-")) for path in self._folder.glob("part-*.parquet")]
        return max(numbers, default=0) + 1


def _recovered(folder: Path, run: Run) -> tuple[list[Part], tuple[str, ...]]:
    """The parts of a table that a run can go on from, and the names of damaged ones. These are hidden, and what a
    killed run left is removed."""
    parts: list[Part] = []
    spoilt: list[Path] = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            if path.name.endswith(".new"):
                path.unlink()
            continue
        if not is_part(path):
            raise ValueError(
                f"{folder.name}: expected an empty folder, or the table of a run, got {shown(path.name)} in it; "
                "name another folder"
            )
        try:
            parts.append(part_of(path))
            run.joined(parts[-1].run)
        except DamagedPartError:
            spoilt.append(path)
        except ValueError as error:
            raise ValueError(f"{folder.name}: {error}; name another folder") from error
    gone = {name for part in parts for name in part.replaces}
    for part in parts:
        if part.path.name in gone:
            part.path.unlink()
    parts = [part for part in parts if part.path.name not in gone]
    if parts and _damaged(folder, parts):
        good = [part for part in parts if not _damaged(folder, [part])]
        spoilt += [part.path for part in parts if part not in good]
        parts = good
    for path in spoilt:
        path.rename(path.with_name(f".{path.name}.spoilt"))
    return parts, tuple(path.name for path in spoilt)


def _damaged(folder: Path, parts: Sequence[Part]) -> bool:
    try:
        opened(folder, parts)
    except DamagedPartError:
        return True
    return False


def _rows(part: Part) -> pa.Table:
    return pq.read_table(BytesIO(part.path.read_bytes()), schema=COLUMNS)


def _parquet(rows: pa.Table, metadata: str) -> memoryview:
    """A part as Parquet: margins are floats that seldom repeat, so that their bytes are stored apart, by place."""
    content = BytesIO()
    apart = ["margins.list.element", "margin", "delta", "tolerance", "seconds"]
    with pq.ParquetWriter(
        content,
        COLUMNS,
        compression="zstd",
        use_dictionary=[name for name in _LEAVES if name not in apart],
        use_byte_stream_split=apart,
        store_schema=False,
    ) as writer:
        writer.write_table(rows)
        writer.add_key_value_metadata({METADATA: metadata})
    return content.getbuffer()


_LEAVES = [f"{name}.list.element" if name in LISTS else name for name in COLUMNS.names]


def _arrow(results: Sequence[CaseResult], run: Run) -> pa.Table:
    """Results as rows."""
    of_setting = run.columns()
    plain: dict[str, list[object]] = {name: [] for name in COLUMNS.names if name not in LISTS}
    for result in results:
        (rows, columns), worst = result.margins.shape, result.worst
        values = {
            "photo": text_of(result.photo),
            "sha256": result.sha256,
            "label": result.label,
            **dict(zip(OF_SETTING, of_setting[result.setting], strict=True)),
            "undefended": result.undefended,
            "prediction": None if result.prediction == ALERT else result.prediction,
            "verdict": str(result.verdict),
            "margin": result.margin,
            "worst_row": worst[0],
            "worst_column": worst[1],
            "rival": int(result.rivals[worst]),
            "figure5_case": None if result.figure5_case is None else str(result.figure5_case),
            "delta": result.delta,
            "tolerance": result.tolerance,
            "seconds": result.seconds,
            "positions": "placements" if result.placements else "windows",
            "position_rows": rows,
            "position_columns": columns,
            "rank": result.rank,
            "least_rank": result.least_rank,
        }
        for name, value in values.items():
            plain[name].append(value)
    ends = np.cumsum([0, *(result.margins.size for result in results)], dtype=np.int32)
    arrays = [
        pa.ListArray.from_arrays(
            ends, np.concatenate([getattr(own, name).reshape(-1) for own in results]), type=kind
        )
        if name in LISTS
        else pa.array(plain[name], kind)
        for name, kind in zip(COLUMNS.names, COLUMNS.types, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=COLUMNS)
