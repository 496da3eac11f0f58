"""A file of local logits of a person's own network, measured as photos are: each map is one.

Not here: what may be in such a file, see `pg_core.datasets.local_logits`.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pg_core.datasets.folders import Photo
from pg_core.datasets.local_logits import LocalLogitMap, with_values
from pg_core.defences.base import DefenceInput
from pg_core.defences.registry import defence_spec
from pg_core.defences.spec import DefenceConfig, Value
from pg_core.evaluation.cases import EvaluationCase, evaluation_cases, versions
from pg_core.evaluation.measuring import Seen
from pg_core.evaluation.results import Configuration, Evaluation
from pg_core.evaluation.run import measure
from pg_core.evidence.arrays import LocalLogits
from pg_core.geometry import ReceptiveField, Size
from pg_core.io.parameters import shown
from pg_core.io.progress import Report

_NETWORK = "local logits"
"""The name of a network that its file does not name."""


@dataclass(frozen=True, slots=True)
class _MapPhoto(Photo):
    """A map in the place of a photo."""

    of: LocalLogitMap | None = None

    @property
    def root(self) -> Path:
        return self.path.resolve()

    def is_there(self, name: str) -> bool:
        return False  # All maps of the file are listed.

    def hashed(self) -> "_MapPhoto":
        digest = hashlib.sha256(repr(self.values().shape).encode() + self.values().tobytes())
        return replace(self, sha256=digest.hexdigest())

    def values(self) -> LocalLogits:
        assert self.of is not None
        ((_, values),) = with_values([self.of])
        return values


class _SeeMaps:
    """What there is to see of a map: its values."""

    def __call__(self, photo: Photo, cases: Sequence[EvaluationCase], report: Report | None) -> Seen:
        assert isinstance(photo, _MapPhoto)
        assert photo.of is not None
        return Seen(photo.values(), photo.of.delta, {}, {})

    def moved(self, device: str | None) -> "_SeeMaps":
        return self  # No network computes.


def map_cases(
    maps: Sequence[LocalLogitMap],
    window_sizes: Sequence[Size],
    names: Sequence[str] | None = None,
    thresholds: Sequence[float] = (0.0,),
    settings: Mapping[str, Value] | None = None,
) -> tuple[EvaluationCase, ...]:
    """A case for each window, in features, and each defence of local logits, as `evaluation_cases`; the network is as
    one whose cells see a pixel each, or a column where windows wrap around. Raises ValueError for maps that differ in
    more than their values and errors, and for a defence that needs a photo."""
    first = maps[0]
    for own in maps[1:]:
        for what in ("shape", "wrapping", "evidence", "model", "classes"):
            one, other = getattr(first, what), getattr(own, what)
            if one != other:
                raise ValueError(
                    f"expected {what} {shown(one)} of every map, as '{first.name}' has, got {shown(other)} in "
                    f"'{own.name}': put it into another file"
                )
    for name in names or ():
        if defence_spec(name).input is not DefenceInput.LOCAL_LOGITS or name == "smoothing":
            raise ValueError(f"{name} needs photos and their network, not local logits")
    _, rows, columns = first.shape
    sizes = [(rows, width) if first.wrapping else (height, width) for height, width in window_sizes]
    config = DefenceConfig(_field(first), (rows, columns), first.evidence, sizes[0], settings or {})
    return evaluation_cases(config, sizes, names, thresholds)


def evaluate_maps(
    maps: Sequence[LocalLogitMap],
    cases: Sequence[EvaluationCase],
    labels: Mapping[str, int] | None = None,
    table: str | Path | None = None,
    report: Report | None = None,
    top: Sequence[int] = (),
) -> Evaluation:
    """The verdicts of every case on every map of a file, and accuracies where the labels are known; table and top as
    in `pg_core.evaluation.run.evaluate`. Raises ValueError as that does, and for values that are none."""
    first = maps[0]
    classes, rows, columns = first.shape
    configuration = Configuration(
        first.model or _NETWORK,
        first.classes or tuple(map(str, range(classes))),
        (rows, columns),
        _field(first),
        None,
        tuple(case.setting for case in cases),
        versions(),
    )

    photos = [
        _MapPhoto(own.path, own.name, None if labels is None else labels[own.name], of=own) for own in maps
    ]
    return measure(_SeeMaps(), photos, cases, configuration, table, report, top=top)


def _field(own: LocalLogitMap) -> ReceptiveField:
    rows = own.shape[1]
    return (
        ReceptiveField((rows, 1), (rows, 1), wrapping=True)
        if own.wrapping
        else ReceptiveField((1, 1), (1, 1))
    )
