"""The tables of runs that the page Atlas shows, each in the memory of a database, and the photos that they are about.

The server is started with two folders in its environment: `PATCHGUARD_TABLES` holds tables of runs, one a folder (or
is one), `PATCHGUARD_PHOTOS` photos in class folders, or folders of such. No link and no person names a place on the
server: a table is chosen out of those that are there, and a photo is shown where its content has the hash that the
table says. A person's own table comes as bytes, and is found again only under the hash of these.
"""

import hashlib
import os
import tempfile
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any
from weakref import ref

import duckdb
import streamlit as st

from app.cache.analysis import Photo, uploaded
from pg_core.defences.base import Verdict
from pg_core.evaluation.outcome_columns import Run, name_of
from pg_core.evaluation.outcome_table import Table, is_part, open_table
from pg_core.evaluation.outcomes import setting_keys
from pg_core.evaluation.results import RESULTS, Setting
from pg_core.geometry import Size
from pg_core.io.files import FileError, regular
from pg_core.photos.read import MAX_BYTES, SUFFIXES, ImageError

if TYPE_CHECKING:
    import pyarrow as pa

TABLES, PHOTOS = "PATCHGUARD_TABLES", "PATCHGUARD_PHOTOS"
SHIPPED = RESULTS / "tables"
"""Of shipped networks, measured here: there at any rate, after those of the server."""
OWN_BYTES, OWN_PARTS = 64 * 2**20, 64
"""Of a person's own table: what the server takes."""
PROVABLE = (Verdict.CERTIFIED, Verdict.UNDECIDED, Verdict.NOT_CERTIFIED)
"""Verdicts whose margins prove something; with any other one a photo fails in every window."""
_MOST_TABLES = 200
_AT_ONCE = 4
"""Trials of one table whose failing windows are kept, and trials of other tables that stand beside them."""


class Atlas:
    """A table as the page asks for it, one question at a time, whichever session asks.

    The tables of its database are `outcomes`, as the library has it; `photos`, with a row for each of its rows:
    trial (the position of its setting), number (of the photo), photo, sha256, label, prediction, class (the label, or
    where it is not known the prediction), verdict, margin, worst_row, worst_column, rival; and `failures`: trial,
    number and position (in row-major order) of each window that fails in a row whose verdict is `PROVABLE`. A trial of
    another table can stand among them (`beside`), under a number after those of its own.
    """

    def __init__(self, table: Table) -> None:
        self.run: Run = table.run
        self.settings: tuple[Setting, ...] = table.run.configuration.settings
        self.keys = setting_keys(table.run.configuration)
        self._table, self._lock, self._kept = table, Lock(), list[int]()
        self._beside: dict[int, tuple[ref[Atlas], int, Size | None]] = {}
        self._next = len(self.keys)  # no number is used again: one that is gone has no rows
        table.query(
            "create table trials as select unnest(?::varchar[]) as setting, unnest(range(?))::integer as trial",
            [list(self.keys), len(self.keys)],
        )
        table.query("create table names as select distinct photo from outcomes")
        table.query(
            "create table photos as select trial, names.rowid::integer as number, photo, sha256, label, prediction, "
            "coalesce(label, prediction) as class, verdict, margin, tolerance, worst_row, worst_column, rival "
            "from outcomes join trials using (setting) join names using (photo)"
        )
        table.query("create table failures (trial integer, number integer, position integer)")

    @cached_property
    def shapes(self) -> tuple[Size | None, ...]:
        """Rows and columns of the windows, or placements, of each trial; None where its photos differ, or it has
        none."""
        found = self.ask(
            "select trial, max(position_rows), max(position_columns) from outcomes join trials using (setting) "
            "group by trial having count(distinct (position_rows, position_columns)) = 1"
        )
        shapes = {trial: (rows, columns) for trial, rows, columns in found}
        return tuple(map(shapes.get, range(len(self.keys))))

    @property
    def classes(self) -> tuple[str, ...]:
        return self.run.configuration.classes

    def ask(
        self, sql: str, parameters: Sequence[object] = (), failures_of: Sequence[int] = ()
    ) -> list[tuple[Any, ...]]:
        """The rows that answer a question; `failures_of` are the trials whose `failures` it reads. Raises ValueError
        where that takes too much memory, or the table's files are no longer what they were."""
        with self._lock:
            for trial in failures_of:
                self._collect(trial, failures_of)
            return self._table.query(sql, parameters)

    def shape(self, trial: int) -> Size | None:
        """Rows and columns of the windows of a trial, also of one that stands beside its own."""
        if trial < len(self.keys):
            return self.shapes[trial]
        return self._beside[trial][2] if trial in self._beside else None

    def beside(self, other: "Atlas", trial: int) -> int:
        """The number of a trial of another table in this one, whose photos are those with the same content here.
        Raises ValueError as `ask`."""
        if other is self:
            return trial
        added = ref(other), trial, other.shapes[trial]
        with self._lock:
            known = [number for number, own in self._beside.items() if own == added]
            if known:
                return known[0]
        photos = other.arrow("select * exclude (trial) from photos where trial = ?", trial)
        failures = other.arrow("select number, position from failures where trial = ?", trial)
        with self._lock:
            number, self._next = self._next, self._next + 1
            while len(self._beside) >= _AT_ONCE:
                oldest = next(iter(self._beside))
                del self._beside[oldest]
                for name in ("photos", "failures"):
                    self._table.query(f"delete from {name} where trial = ?", [oldest])
            connection = self._table.connection
            connection.register("their_photos", photos)
            connection.register("their_failures", failures)
            self._table.query(
                "create or replace table same as select own.number, min(theirs.number) as theirs from "
                "(select distinct number, sha256 from photos where trial < ?) own "
                "join their_photos theirs using (sha256) group by own.number",
                [len(self.keys)],
            )
            self._table.query(
                "insert into photos by name select ?::integer as trial, same.number, "
                "their_photos.* exclude (number) from their_photos join same on their_photos.number = same.theirs",
                [number],
            )
            self._table.query(
                "insert into failures select ?, same.number, position from their_failures "
                "join same on their_failures.number = same.theirs",
                [number],
            )
            connection.unregister("their_photos")
            connection.unregister("their_failures")
            self._beside[number] = added
            return number

    def arrow(self, sql: str, trial: int) -> "pa.Table":
        """The rows that answer a question about a trial and its `failures`, for another table. Raises ValueError as
        `ask`."""
        with self._lock:
            self._collect(trial, [trial])
            try:
                return self._table.connection.sql(sql, params=[trial]).to_arrow_table()
            except duckdb.Error as error:
                raise ValueError("there is not enough memory to set two tables side by side") from error

    def _collect(self, trial: int, wanted: Sequence[int]) -> None:
        """Find the windows that fail, unless they are known."""
        if trial in self._kept or trial >= len(self.keys):
            return
        for old in [old for old in self._kept if old not in wanted][: max(0, len(self._kept) + 1 - _AT_ONCE)]:
            self._table.query("delete from failures where trial = ?", [old])
            self._kept.remove(old)
        self._table.query(
            "insert into failures select trial, number, position from (select trial, number, photos.tolerance, "
            "unnest(margins) as found, generate_subscripts(margins, 1) - 1 as position "
            "from outcomes join photos using (photo) "
            f"where setting = ? and trial = ? and photos.verdict in ({', '.join('?' * len(PROVABLE))})) "
            "where found <= tolerance",
            [self.keys[trial], trial, *PROVABLE],
        )
        self._kept.append(trial)


def served() -> dict[str, Path]:
    """The folders with tables that the server was started with, then those of shipped runs, by their names."""
    found: dict[str, Path] = {}
    for root in (_folder(TABLES), SHIPPED):
        for folder in [] if root is None else [root, *_inside(root)]:
            if len(found) < _MOST_TABLES and any(map(is_part, _inside(folder))):
                found.setdefault(folder.name, folder)
    return found


def shipped_of(networks: Collection[str]) -> dict[str, str]:
    """The names of the shipped tables of these networks, each with its network; a name is NETWORK-PHOTOS-PATCH."""
    found = {}
    for folder in _inside(SHIPPED):
        network = max(
            (name for name in networks if folder.name.startswith(f"{name}-")), key=len, default=None
        )
        if network is not None and any(map(is_part, _inside(folder))):
            found[folder.name] = network
    return found


def served_table(folder: Path) -> Atlas:
    """The table in a folder of the server, as it is now. Raises ValueError, one sentence, as `open_table`."""
    parts = ((path.name, path.stat()) for path in sorted(folder.iterdir()) if is_part(path))
    return _served(str(folder), tuple((name, own.st_mtime_ns, own.st_size) for name, own in parts))


def own_parts(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files of a person's table under names that parts have: their own where all of them are such. Raises
    ValueError for more than the server takes."""
    size = sum(map(len, files.values()))
    if not 0 < len(files) <= OWN_PARTS or size > OWN_BYTES:
        raise ValueError(
            f"expected the parts of one table, at most {OWN_PARTS} files and {OWN_BYTES // 2**20} MB, got "
            f"{len(files)} files and {size / 2**20:.1f} MB: start the server with {TABLES} for a larger one"
        )
    if all(is_part(Path(name)) for name in files):
        return dict(files)
    return {f"part-{number:08}.parquet": data for number, data in enumerate(files.values(), 1)}


def digest_of(parts: Mapping[str, bytes]) -> str:
    """What names a person's table: the SHA-256 over the names and contents of its parts."""
    listed = [f"{name} {hashlib.sha256(data).hexdigest()}" for name, data in sorted(parts.items())]
    return hashlib.sha256("\n".join(listed).encode()).hexdigest()


@st.cache_resource(max_entries=2, show_spinner=False)
def own_table(digest: str, _parts: Mapping[str, bytes]) -> Atlas:
    """A person's table, all of it in memory; its files are on the disk no longer than it takes to check them. Raises
    ValueError, one sentence, as `open_table`."""
    with tempfile.TemporaryDirectory(prefix="patchguard-") as name:
        folder = Path(name) / "table"
        folder.mkdir()
        for part, data in _parts.items():
            (folder / part).write_bytes(data)
        table = open_table(folder)
        table.query("create table held as select * from outcomes")
        table.query("drop view outcomes")
        table.query("alter table held rename to outcomes")
        return Atlas(table)


def photo_of(run: Run, name: str, sha256: str) -> Photo | None:
    """The photo of a row, out of the server's own folder; None where it holds no file of this name with this content
    that can be read."""
    root = _folder(PHOTOS)
    if root is None:
        return None
    name = name_of(name)
    for below in (name, f"{run.folder}/{name}", f"{run.folder.rsplit('/', 1)[-1]}/{name}"):
        data = _content(root, below)
        if data is not None and hashlib.sha256(data).hexdigest() == sha256:
            try:
                return uploaded(Path(name).name, data)
            except ImageError:
                return None
    return None


def photos_are_here() -> bool:
    """Whether the server was started with a folder of photos."""
    return _folder(PHOTOS) is not None


def _content(root: Path, below: str) -> bytes | None:
    """The bytes of a file below a folder; a table may name anything, such as ../../secret."""
    try:
        path = (root / below).resolve()
        if not path.is_relative_to(root) or path.suffix.lower() not in SUFFIXES:
            return None
        with regular(path) as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, FileError, ValueError):
        return None
    return data if len(data) <= MAX_BYTES else None


def _inside(folder: Path) -> list[Path]:
    """What is in a folder, by name; nothing where it is none, or may not be read."""
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _folder(variable: str) -> Path | None:
    text = os.environ.get(variable)
    return Path(text).resolve() if text else None


@st.cache_resource(max_entries=4, show_spinner=False)
def _served(folder: str, parts: tuple[tuple[str, int, int], ...]) -> Atlas:
    return Atlas(open_table(folder))
