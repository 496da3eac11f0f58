"""The table of a run as a folder of Parquet files, which is asked in SQL.

A part takes its name when all of it is on the disk, so a table can be read while a run writes it. A table may come
from elsewhere: it is read within limits, and refused unless a run could have written it. Not here: its columns, see
`pg_core.evaluation.outcome_columns`, and writing, see `pg_core.evaluation.outcome_writer`.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float64

from pg_core.defences.base import Claim, Verdict
from pg_core.evaluation.outcome_columns import (
    ADDED,
    COLUMNS,
    COLUMNS_OF,
    LISTS,
    METADATA,
    OF_SETTING,
    VERSION,
    Run,
    name_of,
)
from pg_core.evaluation.outcomes import setting_keys
from pg_core.evaluation.proportion import Proportion
from pg_core.evaluation.results import configuration_of
from pg_core.io.files import UnreadableError, regular
from pg_core.io.json import as_json, from_json
from pg_core.io.printable import printable

MOST_POSITIONS = 2**20
"""Windows or placements of one row."""
_PART = re.compile(r"part-([0-9]{8})\.parquet")
_MOST_PARTS = 10_000
_MOST_ROWS = 50_000_000
_MOST_BYTES = 2**26
"""Of the metadata of one part."""
_MEMORY = "2GB"


class DamagedPartError(ValueError):
    """A part that a run may have written, but that no longer holds what it wrote; the text names it."""


@dataclass(frozen=True, slots=True)
class Part:
    """A file of a table: its run, the names of earlier parts whose place it takes, its rows, its bytes before
    compression, and its schema."""

    path: Path
    run: Run
    replaces: frozenset[str]
    rows: int
    size: int
    schema: int


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A table that was opened, and is as it was then."""

    folder: Path
    run: Run
    connection: duckdb.DuckDBPyConnection

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """The rows that DuckDB answers; the table is called `outcomes`. Raises ValueError for what is no such query,
        takes too much memory, or meets a file that was damaged or taken away since."""
        try:
            return self.connection.execute(sql, list(parameters)).fetchall()
        except duckdb.Error as error:
            raise ValueError(f"{_shown(self.folder)}: {_first_line(error)}") from error

    def verdicts(self) -> dict[str, dict[Verdict, Proportion]]:
        """By the key of each setting how many photos got each verdict."""
        counted: dict[str, dict[Verdict, int]] = {key: {} for key in setting_keys(self.run.configuration)}
        for key, verdict, count in self.query(
            "select setting, verdict, count(*) from outcomes group by setting, verdict"
        ):
            counted[key][Verdict(verdict)] = count
        return {
            key: {verdict: Proportion(own.get(verdict, 0), sum(own.values())) for verdict in Verdict}
            for key, own in counted.items()
        }

    def failing(self, setting: str) -> Float64[np.ndarray, "window_rows window_columns"]:
        """For each window, or placement, the share of photos that are not certified there. Raises ValueError for a
        setting without photos."""
        proved = _quoted((Verdict.CERTIFIED, Verdict.UNDECIDED, Verdict.NOT_CERTIFIED))
        shares = self.query(
            f"select max(position_columns), 1 - avg((margin > tolerance and verdict in ({proved}))::int) "
            "from (select position_columns, verdict, tolerance, unnest(margins) as margin, "
            "generate_subscripts(margins, 1) as position from outcomes where setting = ?) "
            "group by position order by position",
            [setting],
        )
        if not shares:
            raise ValueError(f"expected the key of a setting with photos, got {printable(setting)}")
        return np.array([share for _, share in shares]).reshape(-1, shares[0][0])


def open_table(folder: str | Path) -> Table:
    """The table in a folder, also while a run writes it, as it is now.

    Raises ValueError, which names the part, for one that is damaged, too large, or none that a run writes, and for a
    folder without a part.
    """
    folder = Path(folder).resolve()
    for last in (False, True):
        parts = parts_in(folder)
        try:
            return opened(folder, parts)
        except ValueError:
            # A run may have put several parts together meanwhile, and removed them.
            if last or all(part.path.exists() for part in parts):
                raise
    raise AssertionError


def parts_in(folder: Path) -> tuple[Part, ...]:
    """The parts of a table, without those whose place another one takes, by their names. Raises ValueError as
    `open_table`, but does not look into the rows."""
    if not folder.is_dir():
        raise ValueError(f"{_shown(folder)}: expected a folder with the table of a run, got none")
    paths = sorted(path for path in folder.iterdir() if is_part(path))
    if len(paths) > _MOST_PARTS:
        raise ValueError(f"{_shown(folder)}: expected at most {_MOST_PARTS} parts, got {len(paths)}")
    parts = []
    for path in paths:
        try:
            parts.append(part_of(path))
        except UnreadableError:
            if path.exists():
                raise
            # Put together with others meanwhile: the new part, whose name comes later, has its rows.
    gone = {name for part in parts for name in part.replaces}
    return tuple(part for part in parts if part.path.name not in gone)


def part_of(path: Path) -> Part:
    """What a part says of itself. Raises ValueError if it is no Parquet file, has other columns, or says anything else
    than a run writes; UnreadableError if it cannot be read."""
    with regular(path) as file:
        try:
            read = pq.ParquetFile(
                file, thrift_string_size_limit=_MOST_BYTES, thrift_container_size_limit=_MOST_BYTES
            )
            footer, schema = read.metadata, read.metadata.schema.to_arrow_schema()
            said = (footer.metadata or {}).get(METADATA)
            groups = [footer.row_group(index) for index in range(footer.num_row_groups)]
            rows, size = footer.num_rows, sum(group.total_byte_size for group in groups)
        except (pa.ArrowException, OSError, OverflowError) as error:
            raise DamagedPartError(f"{path.name}: not a Parquet file that can be read") from error
    if not any(map(schema.equals, COLUMNS_OF.values())):
        raise ValueError(f"{path.name}: expected the columns of a run's table, got others")
    try:
        content = from_json(said or b"")
        version = content["schema"]
        known = version in COLUMNS_OF
        if known and schema.equals(COLUMNS_OF[version]):
            return Part(path, *_run_of(content), rows, size, version)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path.name}: its configuration is none that a run writes") from error
    if known:
        raise ValueError(f"{path.name}: expected the columns of schema {version}, got those of another one")
    raise ValueError(f"{path.name}: expected schema {VERSION}, got {version!r}: measure it anew")


def opened(folder: Path, parts: Sequence[Part]) -> Table:
    """The table of these parts, once its rows were checked. Raises ValueError as `open_table`."""
    if not parts:
        raise ValueError(f"{_shown(folder)}: expected the table of a run, got a folder without a part of one")
    if sum(part.rows for part in parts) > _MOST_ROWS:
        raise ValueError(f"{_shown(folder)}: expected at most {_MOST_ROWS:,} rows")
    run = parts[0].run
    for part in parts[1:]:
        try:
            run = run.joined(part.run)
        except ValueError as error:
            raise ValueError(f"{part.path.name}: {error} than {parts[0].path.name} has") from error
    table = Table(folder, run, _connected(folder, parts))
    try:
        # What the file says of its smallest and largest values may be wrong, or may leave out NaN.
        table.connection.execute("set disabled_optimizers = 'statistics_propagation,filter_pushdown'")
        _check(table)
        table.connection.execute("reset disabled_optimizers")
        table.connection.execute("set lock_configuration = true")
    except (ValueError, duckdb.Error) as error:
        if len(parts) > 1:
            for part in parts:
                opened(folder, [part])  # which says that it is this one
        why = _first_line(error) if isinstance(error, duckdb.Error) else str(error).split(": ", 1)[-1]
        named = parts[0].path.name if len(parts) == 1 else _shown(folder)
        raise DamagedPartError(f"{named}: {why}") from error
    return table


def as_lines(table: Table) -> str:
    """A line of JSON for each row, without the margins and rivals of every window; an infinite margin is null."""
    names = [name for name in COLUMNS.names if name not in LISTS]
    rows = table.query(
        f"select {', '.join(names)} from outcomes order by photo, patch_height, patch_width, setting"
    )
    lines = (dict(zip(names, row, strict=True)) for row in rows)
    return "".join(f"{as_json(line | {'photo': name_of(line['photo'])})}\n" for line in lines)


def is_part(path: Path) -> bool:
    """Whether a file has the name of a part."""
    return _PART.fullmatch(path.name) is not None


def _run_of(content: Any) -> tuple[Run, frozenset[str]]:  # noqa: ANN401 - of a file from anywhere
    configuration = configuration_of(content["configuration"])
    parameters = tuple(dict(own) for own in content["parameters"])
    if len(parameters) != len(configuration.settings):
        raise ValueError("expected the parameters of each setting")
    run = Run(configuration, parameters, str(content["folder"]))
    run.columns()
    return run, frozenset(map(str, content["replaces"]))


def _connected(folder: Path, parts: Sequence[Part]) -> duckdb.DuckDBPyConnection:
    """A database in memory that reads these parts and nothing else, and loads no code."""
    options: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": _MEMORY,
        "temp_directory": "",
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    connection = duckdb.connect(":memory:", config=options)
    paths = [str(part.path) for part in parts]
    # A name is no pattern: [, * and ? stand for themselves.
    patterns = [re.sub(r"([\[*?])", r"[\1]", path) for path in paths]
    try:
        connection.execute(f"set allowed_paths = [{_quoted(paths + patterns)}]")
        connection.execute("set parquet_metadata_cache = true")
        connection.execute("set enable_external_access = false")
        added = "".join(f", null::integer as {name}" for name in ADDED)
        older = all(part.schema < VERSION for part in parts)
        connection.execute(
            f"create view outcomes as select *{added if older else ''} from read_parquet([{_quoted(patterns)}], "
            "hive_partitioning = false, union_by_name = true)"
        )
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{_shown(folder)}: expected a folder whose path is text in UTF-8: rename it"
        ) from error
    except duckdb.Error as error:
        raise DamagedPartError(f"{parts[0].path.name}: {_first_line(error)}") from error
    return connection


def _quoted(texts: Iterable[str]) -> str:
    """Texts as SQL takes them, between commas."""
    escaped = (text.replace("'", "''") for text in texts)
    return ", ".join(f"'{text}'" for text in escaped)


def _check(table: Table) -> None:
    """Raise ValueError unless a run could have written these rows."""
    classes = len(table.run.configuration.classes)
    found = table.query(
        f"select photo from outcomes where not coalesce({_GOOD}, false) limit 1", [classes] * 6
    )
    if found:
        raise ValueError(f"the row of {printable(found[0][0] or 'no photo')} is none that a run writes")
    columns = set(table.run.columns().values())
    if not set(table.query(f"select distinct {', '.join(OF_SETTING)} from outcomes")) <= columns:
        raise ValueError("a row has another setting than those of its run")
    twice = table.query("select photo from outcomes group by photo, setting having count(*) > 1 limit 1")
    if twice:
        raise ValueError(f"the photo {printable(twice[0][0])} has two rows for one setting")


_GOOD = f"""
    regexp_full_match(sha256, '[0-9a-f]{{64}}')
    and (label is null or label between 0 and ? - 1)
    and undefended between 0 and ? - 1
    and (prediction is null or prediction between 0 and ? - 1)
    and case
        when prediction is null then verdict = '{Verdict.ALERT}'
        when prediction <> label then verdict = '{Verdict.MISCLASSIFIED}'
        when claim = '{Claim.NOTHING}' then verdict = '{Verdict.UNPROVED}'
        when margin <= 0 then verdict = '{Verdict.NOT_CERTIFIED}'
        else verdict in ({_quoted((Verdict.CERTIFIED, Verdict.UNDECIDED))}) end
    and not isnan(margin) and isfinite(delta) and delta >= 0 and tolerance >= 0 and not isnan(tolerance)
    and isfinite(seconds) and seconds >= 0
    and (figure5_case is null or figure5_case in ('I', 'II', 'III', 'IV'))
    and positions in ('windows', 'placements')
    and position_rows >= 1 and position_columns >= 1
    and position_rows::bigint * position_columns <= {MOST_POSITIONS}
    and len(margins) = position_rows * position_columns and len(rivals) = len(margins)
    and worst_row between 0 and position_rows - 1 and worst_column between 0 and position_columns - 1
    and margins[worst_row * position_columns + worst_column + 1] = list_min(margins)
    and not isnan(list_max(margins)) and list_min(margins) <= margin
    and rival = rivals[worst_row * position_columns + worst_column + 1]
    and list_min(rivals) >= 0 and list_max(rivals) <= ? - 1 and ? > 0
    and (rank is null) = (least_rank is null)
    and (rank is null or (
        rank >= 1 and least_rank between rank and ?
        and (rank = 1) = (prediction = coalesce(label, prediction))
        and (least_rank = 1) = (verdict = '{Verdict.CERTIFIED}')))
"""


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return printable(lines[0]) if lines else type(error).__name__


def _shown(folder: Path) -> str:
    return printable(folder.name or str(folder))
