"""Clean and provable robust accuracy over a set of photos: the metrics of [PG] section 5.

The network runs once on each photo; every defence, patch size and threshold is evaluated on its local logits, except
IBP, which takes the pixels, and PatchCleanser, for which the network runs again for every pair of masks. Each result
is a row of a table, so a run that was killed goes on where it stopped, for the photos that are still the same.
"""

import json
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from pg_core.datasets.folders import Photo
from pg_core.defences.base import DefenceInput
from pg_core.defences.patchcleanser.inference import mean_logits, two_mask_predictions
from pg_core.defences.registry import defence_spec
from pg_core.evaluation.cases import EvaluationCase, checked_top, configure_run, network_runs
from pg_core.evaluation.judging import judge
from pg_core.evaluation.lines import folder_name
from pg_core.evaluation.outcomes import CaseResult, setting_keys
from pg_core.evaluation.results import Configuration, Evaluation
from pg_core.evaluation.store import Kept, Store
from pg_core.evaluation.tally import Tally
from pg_core.evidence.arrays import LocalLogits
from pg_core.io import files
from pg_core.io.files import FileError
from pg_core.io.progress import Pace, Progress, Report
from pg_core.networks.base import LocalModel
from pg_core.photos.inference import extract
from pg_core.photos.read import FramedPhoto, ImageError

if TYPE_CHECKING:
    from pg_core.evaluation.outcome_writer import OutcomeWriter


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What the defences are given of one photo: local logits with their error, and the inputs of those cases whose
    defence takes others, with the seconds that each took."""

    local_logits: LocalLogits
    delta: float
    views: Mapping[EvaluationCase, np.ndarray]
    seconds: Mapping[EvaluationCase, float]


See = Callable[[Photo, Sequence[EvaluationCase], Report | None], Seen]
"""From a photo, what is measured on it, and a function that is told the progress within it; raises ImageError for one
that cannot be read."""

_T = TypeVar("_T")
_MOST_CLASSES = 2**15
"""A row has a rival for each window in 16 bits."""


def evaluate(
    model: LocalModel,
    photos: Sequence[Photo],
    cases: Sequence[EvaluationCase],
    table: str | Path | None = None,
    weights_sha256: str | None = None,
    report: Report | None = None,
    logits: str | Path | None = None,
    skip_unreadable: bool = False,
    top: Sequence[int] = (),
) -> Evaluation:
    """Run the network on each photo that has no rows in `table` yet, and count.

    table is a folder (`pg_core.evaluation.outcome_table`); what a killed run left in it is kept, and further cases may
    be added. A row holds for a photo of the same name, content and label: one that changed is measured again, and one
    that is missing is not counted, and the evaluation names both, and damaged parts. The photos' folder may have
    another name than in the table, as long as one of its photos is there. logits is a folder where local logits are
    kept, so that other cases need no network. With skip_unreadable a photo that cannot be read is named in the
    evaluation, which does not count it. top holds each k for which labels among the k best are counted (T = 0).
    Photos have a label, or none has one. Raises ValueError if the table is of another network or of the photos of
    another folder, if a row of it or a defence has no ranks for top, ImageError for a bad photo, or if
    all are, FileError for a file that cannot be written; the text of a KeyboardInterrupt, or a note of the error, says
    how many photos are kept.
    """
    if not photos or not cases:
        raise ValueError(f"expected at least one photo and one defence, got {len(photos)} and {len(cases)}")
    configuration = configure_run(model, cases, weights_sha256)
    store = None if logits is None else _store(Path(logits), configuration)

    def see(photo: Photo, left: Sequence[EvaluationCase], within: Report | None) -> Seen:
        look = cache(partial(photo.framed, model.image_size, model.part))
        kept = _local_logits(model, photo, look, store)
        return Seen(kept.local_logits, kept.delta, *_views(model, look, left, within))

    return measure(see, photos, cases, configuration, table, report, logits, skip_unreadable, top)


def measure(
    see: See,
    photos: Sequence[Photo],
    cases: Sequence[EvaluationCase],
    configuration: Configuration,
    table: str | Path | None = None,
    report: Report | None = None,
    logits: str | Path | None = None,
    skip_unreadable: bool = False,
    top: Sequence[int] = (),
) -> Evaluation:
    """The same for whatever `see` looks at, photos or maps of local logits."""
    if len({photo.label is None for photo in photos}) > 1:
        raise ValueError("expected a label for every photo, or for none")
    keyed = dict(zip(setting_keys(configuration), cases, strict=True))
    top = checked_top(top, cases, len(configuration.classes))
    tally = Tally(configuration, photos[0].label is not None, top)
    unreadable: list[str] = []
    with _writer(table, configuration, cases, photos[0]) as writer:
        changed = () if writer is None else _going_on(writer, photos)
        unmeasured = []
        for photo in photos:
            rows = {} if writer is None else writer.known(photo)
            if keyed.keys() <= rows.keys():
                tally.add(photo.name, rows)
            else:
                unmeasured.append(photo)
        finished = tally.n
        pace = Pace(len(photos), finished)

        def look(done: int, listed: Photo) -> tuple[Photo, Seen]:
            photo = listed.hashed()
            left = [case for key, case in keyed.items() if writer is None or key not in writer.known(listed)]
            return photo, see(photo, left, _within(report, pace, done, photo.name, left))

        looks: Generator[Callable[[], tuple[Photo, Seen]], None, None] = (
            partial(look, done, listed) for done, listed in enumerate(unmeasured, finished)
        )
        # The network runs on a photo while the defences judge the one before. Runs that take long are not begun early:
        # an interrupt would wait for them.
        ahead = network_runs(cases) == 1
        try:
            with closing(_one_ahead(looks) if ahead else looks) as coming:
                for done, (listed, looked) in enumerate(zip(unmeasured, coming, strict=True), finished + 1):
                    rows = {} if writer is None else dict(writer.known(listed))
                    try:
                        photo, seen = looked()
                    except ImageError:
                        if not skip_unreadable:
                            raise
                        unreadable.append(listed.name)
                    except (RuntimeError, MemoryError) as error:  # as of a device without memory
                        raise ValueError(f"{listed.name}: {_in_one_line(error)}") from error
                    else:
                        left = {key: case for key, case in keyed.items() if key not in rows}
                        results = _results(seen, photo, left)
                        if writer is not None:
                            writer.add(results)
                        tally.add(photo.name, rows | {own.setting: own.counted for own in results})
                    if report is not None:
                        report(pace.progress(done))
            if writer is not None:
                writer.flush()
        except BaseException as error:
            if writer is not None:
                with suppress(FileError):  # as after a full disk, which is said already
                    writer.flush()
            kept = tally.n if writer is None else finished + writer.kept
            place = table or logits
            said = "" if place is None else f"{kept} of {len(photos)} photos are kept in {place}"
            if isinstance(error, KeyboardInterrupt):
                raise KeyboardInterrupt(said) from None
            if said:
                error.add_note(said)
            raise
    if not tally.n:
        raise ImageError(f"None of {len(unreadable)} photos can be read.")
    counted = tally.names
    evaluation = replace(
        tally.evaluation(folder_name(photos[0].root)),
        unreadable=tuple(sorted(unreadable)),
        changed=tuple(name for name in changed if name in counted),
    )
    return evaluation if writer is None else _with_notes(evaluation, writer, photos, tally)


@contextmanager
def _writer(
    table: str | Path | None, configuration: Configuration, cases: Sequence[EvaluationCase], photo: Photo
) -> "Iterator[OutcomeWriter | None]":
    """What writes the table, if there is to be one."""
    if table is None:
        yield None
        return
    if len(configuration.classes) > _MOST_CLASSES:
        raise ValueError(f"expected at most {_MOST_CLASSES:,} classes for a table")
    try:  # takes 0.2 s, of which no other command has use
        from pg_core.evaluation.outcome_columns import Run
        from pg_core.evaluation.outcome_writer import writing
    except ImportError as error:
        raise ValueError("tables need two packages: python -m pip install pyarrow duckdb") from error
    parameters = tuple(dict(case.parameters) for case in cases)
    with writing(Path(table), Run(configuration, parameters, folder_name(photo.root))) as writer:
        yield writer


def _going_on(writer: "OutcomeWriter", photos: Sequence[Photo]) -> tuple[str, ...]:
    """The names of those photos whose rows no longer hold. Raises ValueError if the table is of other photos."""
    folder = folder_name(photos[0].root)
    if writer.folders and folder not in writer.folders and not any(map(writer.holds, photos)):
        raise ValueError(
            f"{writer.name}: outcomes of other photos, those of {', '.join(sorted(writer.folders))}; name another "
            "folder"
        )
    return writer.drop_changed(photos)


def _one_ahead(works: Iterator[Callable[[], _T]]) -> Generator[Callable[[], _T], None, None]:
    """What gives the result of each work, in turn; the next one is begun, in a thread, before a result is used."""
    with ThreadPoolExecutor(1) as pool:
        coming: Future[_T] | None = None
        for work in works:
            begun, coming = coming, pool.submit(work)
            if begun is not None:
                yield begun.result
        if coming is not None:
            yield coming.result


def _in_one_line(error: Exception) -> str:
    """What failed, in a word, and the first line of what it says."""
    lines = str(error).strip().splitlines()
    return f"the network failed ({type(error).__name__}{f': {lines[0]}' if lines else ''})"


def _results(seen: Seen, photo: Photo, cases: Mapping[str, EvaluationCase]) -> list[CaseResult]:
    (results,) = judge(seen.local_logits[None], (photo,), cases, seen.delta, seen.views)
    return [
        replace(result, seconds=result.seconds + seen.seconds.get(cases[result.setting], 0.0))
        for result in results
    ]


def _with_notes(
    evaluation: Evaluation, writer: "OutcomeWriter", photos: Sequence[Photo], tally: Tally
) -> Evaluation:
    """What became of photos with rows that are no longer there; one that was not asked for is left alone."""
    listed = {photo.name for photo in photos}
    now = tally.names_by_content
    missing, moved = [], []
    for name, sha256 in writer.contents().items():
        if name in listed or photos[0].is_there(name):
            continue
        missing.append(name)
        if sha256 in now:
            moved.append(f"{name} -> {now[sha256]}")
    return replace(
        evaluation,
        missing=tuple(sorted(missing)),
        moved=tuple(sorted(moved)),
        spoilt=writer.spoilt,
    )


def _within(
    report: Report | None, pace: Pace, done: int, photo: str, cases: Sequence[EvaluationCase]
) -> Report | None:
    """Reports how far the pairs of masks of one photo have come, as a part of all photos."""
    if report is None:
        return None

    def show(pairs: Progress) -> None:
        overall = pace.progress(done, f"{photo}, {pairs.done}/{pairs.total} {pairs.message}")
        if overall.seconds_left is None and pairs.seconds_left is not None:
            # No photo is done yet: each run of the network takes as long as those so far.
            each = pairs.seconds_left / max(1, pairs.total - pairs.done)
            runs = network_runs(cases) * (pace.total - done) - pairs.done
            overall = replace(overall, seconds_left=each * runs)
        report(overall)

    return show


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


def _store(folder: Path, configuration: Configuration) -> Store:
    """Where local logits of this network are kept, and of no other."""
    files.prepare_folder(folder)
    rows, columns = configuration.receptive_field.map_size(configuration.image_size)
    network = json.dumps(configuration.network(), sort_keys=True)
    return Store(folder, network, (len(configuration.classes), rows, columns))


def _local_logits(
    model: LocalModel, photo: Photo, look: Callable[[], FramedPhoto], store: Store | None
) -> Kept:
    """Local logits out of the store, or of the network, which are then stored."""
    assert photo.sha256 is not None
    kept = None if store is None else store.find(photo.sha256)
    if kept is None:
        features = extract(look(), model)
        kept = Kept(features.local_logits, features.delta)
        if store is not None:
            store.keep(photo.sha256, kept)
    return kept
