"""The columns of the table of a run: a row for each photo under each defence.

No two rows have the same photo and `setting`. The columns of schema 2:

- photo (its path below the folder), sha256 (of its content), label (index of its class; null: not known);
- of the defence: setting (the SHA-256 of all that a row depends on besides the photo), defence, parameters (JSON in
  the form of RFC 8785), patch_height and patch_width (pixels), threshold (T, if it has one), claim, network, evidence;
- undefended, prediction (null: an alert), verdict, margin (the smallest), worst_row, worst_column, rival (both there),
  figure5_case (of the label, under a counterexample there), delta, tolerance (the largest), seconds;
- positions ("windows" of features, or "placements" of the patch), position_rows, position_columns, and for each of
  them, in row-major order, margins (float32, rounded down) and rivals (int16);
- rank (the place of the certified class by score, without a patch) and least_rank (the least k for which it is proved
  to stay among the k best), which schema 1 did not have; null: the defence ranks no classes, or it was not recorded.

A name that is no UTF-8 has escapes for its bytes, as in caf\\udce9.png. The metadata of each part of a table holds a
`Run`, under `pg_core.run`, as JSON. Not here: the files, see `pg_core.evaluation.outcome_table`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pyarrow as pa
import rfc8785

from pg_core.evaluation.outcomes import setting_keys
from pg_core.evaluation.results import Configuration

VERSION = 2
METADATA = b"pg_core.run"
LISTS = ("margins", "rivals")
"""The columns with a value for each window or placement."""
_ESCAPE = re.compile(r"\\udc[89a-f][0-9a-f]")


def _columns() -> pa.Schema:
    text, whole, real = pa.string(), pa.int32(), pa.float64()
    kinds = {
        "photo": text,
        "sha256": text,
        "label?": whole,
        "setting": text,
        "defence": text,
        "parameters": text,
        "patch_height": whole,
        "patch_width": whole,
        "threshold?": real,
        "claim": text,
        "network": text,
        "evidence?": text,
        "undefended": whole,
        "prediction?": whole,
        "verdict": text,
        "margin": real,
        "worst_row": whole,
        "worst_column": whole,
        "rival": pa.int16(),
        "figure5_case?": text,
        "delta": real,
        "tolerance": real,
        "seconds": real,
        "positions": text,
        "position_rows": whole,
        "position_columns": whole,
        "margins": pa.list_(pa.field("element", pa.float32(), nullable=False)),
        "rivals": pa.list_(pa.field("element", pa.int16(), nullable=False)),
        "rank?": whole,
        "least_rank?": whole,
    }
    return pa.schema(
        [pa.field(name.rstrip("?"), kind, nullable=name.endswith("?")) for name, kind in kinds.items()]
    )


COLUMNS = _columns()
ADDED = ("rank", "least_rank")
"""The columns that parts of schema 1 lack."""
COLUMNS_OF = {1: pa.schema([column for column in COLUMNS if column.name not in ADDED]), VERSION: COLUMNS}
"""By schema."""
OF_SETTING = COLUMNS.names[COLUMNS.names.index("setting") : COLUMNS.names.index("undefended")]
"""The columns that are equal for all photos under one defence."""


@dataclass(frozen=True, slots=True)
class Run:
    """What is equal for all photos of a run: its configuration, the parameters of each setting, in their order, and
    the folder of the photos (its name, with its parent's)."""

    configuration: Configuration
    parameters: tuple[Mapping[str, object], ...]
    folder: str

    def columns(self) -> dict[str, tuple[object, ...]]:
        """By the key of each setting the values of `OF_SETTING`."""
        keyed: dict[str, tuple[object, ...]] = {}
        settings = zip(
            setting_keys(self.configuration), self.configuration.settings, self.parameters, strict=True
        )
        for key, setting, parameters in settings:
            text = rfc8785.dumps(dict(parameters)).decode()  # type: ignore[arg-type]
            height, width = setting.patch_size
            of_patch = (setting.defence, text, height, width, setting.threshold, str(setting.claim))
            keyed[key] = (key, *of_patch, self.configuration.model, parameters.get("evidence"))
        return keyed

    def joined(self, other: "Run") -> "Run":
        """The settings of both. Raises ValueError, which names what differs, for runs of two networks."""
        own, theirs = self.configuration.network(), other.configuration.network()
        different = [name for name in own if own[name] != theirs[name]]
        if different:
            raise ValueError(f"another configuration ({', '.join(different)})")
        known = self.configuration.settings
        added = [
            (setting, parameters)
            for setting, parameters in zip(other.configuration.settings, other.parameters, strict=True)
            if setting not in known
        ]
        settings = (*known, *(setting for setting, _ in added))
        parameters = (*self.parameters, *(own for _, own in added))
        return replace(
            self, configuration=replace(self.configuration, settings=settings), parameters=parameters
        )


def text_of(name: str) -> str:
    """A name as a table holds it: bytes that are no UTF-8 as escapes.

    >>> print(text_of("caf\\udce9.png"))
    caf\\udce9.png
    """
    return name.encode(errors="backslashreplace").decode()


def name_of(text: str) -> str:
    """The name that `text_of` made a text of."""
    return _ESCAPE.sub(lambda found: chr(int(found[0][2:], 16)), text)
