"""The unit of work of an evaluation: from a photo and settings to rows, as an engine takes it.

A row depends on the photo's content and on its setting alone, by which it is named; so any machine may compute it, and
again. The network runs once on each photo, and again for those defences that look under pairs of masks.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from pg_core.datasets.carried import carried
from pg_core.datasets.folders import Photo
from pg_core.defences.base import DefenceInput
from pg_core.defences.patchcleanser.inference import mean_logits, two_mask_predictions
from pg_core.defences.registry import defence_spec
from pg_core.evaluation.cases import EvaluationCase, check_versions, network_runs
from pg_core.evaluation.judging import judge
from pg_core.evaluation.outcomes import CaseResult
from pg_core.evaluation.results import Versions
from pg_core.evaluation.store import Kept, Store
from pg_core.evidence.arrays import LocalLogits
from pg_core.io.progress import Report
from pg_core.networks import moved
from pg_core.networks.base import LocalModel
from pg_core.photos.inference import extract
from pg_core.photos.read import FramedPhoto, ImageError


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What the defences are given of one photo: local logits with their error, and the inputs of those cases whose
    defence takes others, with the seconds that each took."""

    local_logits: LocalLogits
    delta: float
    views: Mapping[EvaluationCase, np.ndarray]
    seconds: Mapping[EvaluationCase, float]


@runtime_checkable
class See(Protocol):
    """From a photo, what is measured on it; the report is told the progress within it. Raises ImageError for one that
    cannot be read."""

    def __call__(self, photo: Photo, cases: Sequence[EvaluationCase], report: Report | None) -> Seen: ...

    def moved(self, device: str | None) -> "See":
        """The same on another device, as `Work.moved`."""


@dataclass(frozen=True, slots=True, eq=False)
class SeeByNetwork:
    """What a network sees of photos; local logits are taken from a store, where one is given, and kept there."""

    model: LocalModel
    store: Store | None = None

    def __call__(self, photo: Photo, cases: Sequence[EvaluationCase], report: Report | None) -> Seen:
        look = cache(partial(photo.framed, self.model.image_size, self.model.part))
        kept = self._local_logits(photo, look)
        return Seen(kept.local_logits, kept.delta, *_views(self.model, look, cases, report))

    def moved(self, device: str | None) -> "SeeByNetwork":
        return replace(self, model=moved(self.model, device))

    def _local_logits(self, photo: Photo, look: Callable[[], FramedPhoto]) -> Kept:
        """Local logits out of the store, or of the network, which are then stored."""
        assert photo.sha256 is not None
        kept = None if self.store is None else self.store.find(photo.sha256)
        if kept is None:
            features = extract(look(), self.model)
            kept = Kept(features.local_logits, features.delta)
            if self.store is not None:
                self.store.keep(photo.sha256, kept)
        return kept


class Unmeasured(NamedTuple):
    """A photo, and the keys of those settings under which it has no row yet."""

    photo: Photo
    settings: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Measuring:
    """The rows of a photo: those of its settings, whose cases are named by their keys. `versions` are those that the
    rows are recorded under."""

    see: See
    cases: Mapping[str, EvaluationCase]
    versions: Versions

    @property
    def long(self) -> bool:
        """Whether the network runs again and again on a photo."""
        return network_runs(tuple(self.cases.values())) > 1

    def begin(self, item: Unmeasured, within: Report | None = None) -> tuple[Photo, Seen]:
        """The photo with its hash, and what is seen of it. Raises ImageError for one that cannot be read, ValueError
        where the network fails."""
        photo = item.photo.hashed()
        try:
            return photo, self.see(photo, [self.cases[key] for key in item.settings], within)
        except ImageError:
            raise
        except (RuntimeError, MemoryError) as error:  # as of a device without memory
            raise ValueError(f"{photo.name}: {_in_one_line(error)}") from error

    def finish(self, item: Unmeasured, begun: tuple[Photo, Seen]) -> tuple[CaseResult, ...]:
        """The verdict of each defence."""
        photo, seen = begun
        left = {key: self.cases[key] for key in item.settings}
        try:
            (results,) = judge(seen.local_logits[None], (photo,), left, seen.delta, seen.views)
        except (RuntimeError, MemoryError) as error:
            raise ValueError(f"{photo.name}: {_in_one_line(error)}") from error
        return tuple(
            replace(result, seconds=result.seconds + seen.seconds.get(left[result.setting], 0.0))
            for result in results
        )

    def carried(self, item: Unmeasured) -> Unmeasured:
        """With the photo's content; raises ImageError if it cannot be read."""
        return item._replace(photo=carried(item.photo))

    def moved(self, device: str | None) -> "Measuring":
        """Raises ValueError where other versions are installed."""
        check_versions(self.versions)
        return replace(self, see=self.see.moved(device))


def _in_one_line(error: Exception) -> str:
    """What failed, in a word, and the first line of what it says."""
    lines = str(error).strip().splitlines()
    return f"the network failed ({type(error).__name__}{f': {lines[0]}' if lines else ''})"


def _views(
    model: LocalModel, look: Callable[[], FramedPhoto], cases: Sequence[EvaluationCase], report: Report | None
) -> tuple[dict[EvaluationCase, np.ndarray], dict[EvaluationCase, float]]:
    """What the defences see that look at pixels, or at the network's answers under pairs of masks, for which it runs
    again and again; and how long each took."""
    looking = [case for case in cases if defence_spec(case.name).input is not DefenceInput.LOCAL_LOGITS]
    views, seconds = {}, {}
    for case in looking:
        began, seen = time.perf_counter(), look().pixels
        if case.masks is not None:
            seen = two_mask_predictions(mean_logits(model), seen, case.masks, report=report)
        views[case], seconds[case] = seen[None], time.perf_counter() - began
    return views, seconds
