"""The result of one defence on one photo, which is a row of the table of a run, and what it depends on.

Not here: how a result comes about, see `pg_core.evaluation.judging`, and the columns of the table, see
`pg_core.evaluation.outcome_columns`.
"""

import hashlib
import json
import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int16

from pg_core.defences.base import Verdict
from pg_core.defences.patchguard.cases import Case
from pg_core.evaluation.results import Configuration, Setting
from pg_core.io.parameters import coerce_fields, whole


class Counted(NamedTuple):
    """What accuracies count of a result, as `CaseResult` has it."""

    sha256: str
    label: int | None
    undefended: int
    prediction: int
    verdict: Verdict
    delta: float
    rank: int | None = None
    least_rank: int | None = None


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One photo, by its name and the hash of its content, under one defence, by the key of its setting.

    `label` is the true class (None where it is not known: then the defended prediction is certified), `undefended` and
    `prediction` are indices of classes, or `ALERT`; `margin` is the smallest, at the window or placement `worst` (row,
    column), infinite where there is no bound. `figure5_case` is the case that the label is in under a counterexample
    in the worst window of robust masking, if one is known. `delta` is as in `LocalFeatures`, `tolerance` the largest
    of any window; `seconds` is how long the defence took, the run of the network that all share left out. `margins`
    and `rivals` are those of every window or placement, margins rounded down to float32. `rank` is the place of the
    certified class by score without a patch, and `least_rank` the least k for which it is proved to stay among the k
    best (`pg_core.defences.ranks`); None under a defence without ranks.
    """

    photo: str
    sha256: str
    setting: str
    label: int | None
    undefended: int
    prediction: int
    verdict: Verdict
    margin: float
    worst: tuple[int, int]
    figure5_case: Case | None
    delta: float
    tolerance: float
    seconds: float = field(compare=False)
    margins: Float32[np.ndarray, "window_rows window_columns"] = field(compare=False, repr=False)
    rivals: Int16[np.ndarray, "window_rows window_columns"] = field(compare=False, repr=False)
    placements: bool = False
    rank: int | None = None
    least_rank: int | None = None

    def __post_init__(self) -> None:
        coerce_fields(self)

    @property
    def counted(self) -> Counted:
        """What accuracies count of it."""
        return Counted(*(getattr(self, name) for name in Counted._fields))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of windows or placements."""
        rows, columns = self.margins.shape
        return rows, columns


def setting_keys(configuration: Configuration) -> tuple[str, ...]:
    """What names each setting of a configuration in a table: the SHA-256 of all that a result depends on besides the
    photo, the network and the versions included."""
    return tuple(_key(configuration, setting) for setting in configuration.settings)


def rounded_down(values: np.ndarray) -> np.ndarray:
    """The largest numbers of float32 that are not above these, so that no margin looks larger than it is."""
    with np.errstate(over="ignore"):
        near = values.astype(np.float32)
    return np.where(near > values, np.nextafter(near, np.float32(-math.inf)), near)


def class_index(value: object, classes: int) -> int:
    """The index of one of `classes` classes; raises ValueError for anything else."""
    index = whole(value, "a class")
    if not 0 <= index < classes:
        raise ValueError(f"expected 0 <= class < {classes}, got {index}")
    return index


def _key(configuration: Configuration, setting: Setting) -> str:
    content = {"network": configuration.network(), "setting": setting.summary()}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
