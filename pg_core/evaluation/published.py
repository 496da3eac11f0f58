"""Accuracies as published, to set beside what is measured here (theory §11).

Only figures that were checked against their source are in the file.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

from pg_core.evaluation.proportion import Share
from pg_core.io.assets import asset

PUBLISHED = asset("results/published.csv")


@dataclass(frozen=True, slots=True)
class Published:
    """One cell of a published table: a method against patches that cover `patch_per_cent` of an image of the size
    named in `image`; `source` cites the table. `defence` is the name of its kind here. Without any figure the authors
    call it infeasible; a certified accuracy that could not be checked is left out."""

    source: str
    data: str
    patch_per_cent: float
    image: str
    method: str
    network: str
    defence: str
    clean: Share | None
    certified: Share | None


def read(path: Path = PUBLISHED) -> tuple[Published, ...]:
    """All cells, in the order of the file; raises ValueError for a file of another kind."""
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            return tuple(
                Published(
                    row["source"],
                    row["data"],
                    float(row["patch_per_cent"]),
                    row["image"],
                    row["method"],
                    row["network"],
                    row["defence"],
                    _share(row["clean"]),
                    _share(row["certified"]),
                )
                for row in csv.DictReader(lines)
            )
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path.name}: not the table of published figures") from error


def _share(number: str) -> Share | None:
    return Share(float(number)) if number else None
