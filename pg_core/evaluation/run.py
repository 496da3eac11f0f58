"""Clean and provable robust accuracy over a set of photos: the metrics of [PG] section 5.

The network runs once on each photo; every defence, patch size and threshold is evaluated on its local logits, except
IBP, which takes the pixels, and PatchCleanser, for which the network runs again for every pair of masks. Each result
is a row of a table, so a run that was killed goes on where it stopped, for the photos that are still the same.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pg_core.datasets.folders import Photo
from pg_core.engines.base import Engine
from pg_core.engines.local import LocalEngine
from pg_core.evaluation.cases import EvaluationCase, checked_top, configure_run, network_runs
from pg_core.evaluation.lines import folder_name
from pg_core.evaluation.measuring import Measuring, See, SeeByNetwork, Unmeasured
from pg_core.evaluation.outcomes import setting_keys
from pg_core.evaluation.results import Configuration, Evaluation
from pg_core.evaluation.store import Store
from pg_core.evaluation.tally import Tally
from pg_core.io import files
from pg_core.io.files import FileError
from pg_core.io.progress import Pace, Progress, Report
from pg_core.networks.base import LocalModel
from pg_core.photos.read import ImageError

if TYPE_CHECKING:
    from pg_core.evaluation.outcome_writer import OutcomeWriter

_LOCAL = LocalEngine()
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
    engine: Engine = _LOCAL,
) -> Evaluation:
    """Run the network on each photo that has no rows in `table` yet, and count.

    table is a folder (`pg_core.evaluation.outcome_table`); what a killed run left in it is kept, and further cases may
    be added. A row holds for a photo of the same name, content and label: one that changed is measured again, and one
    that is missing is not counted, and the evaluation names both, and damaged parts. The photos' folder may have
    another name than in the table, as long as one of its photos is there. logits is a folder where local logits are
    kept, so that other cases need no network. With skip_unreadable a photo that cannot be read is named in the
    evaluation, which does not count it. top holds each k for which labels among the k best are counted (T = 0).
    Photos have a label, or none has one. Every engine gives the same rows; a cluster keeps no local logits.
    Raises ValueError if the table is of another network or of the photos of another folder, if a row of it or a
    defence has no ranks for top, ImageError for a bad photo, or if all are, FileError for a file that cannot be
    written; the text of a KeyboardInterrupt, or a note of the error, says how many photos are kept.
    """
    if not photos or not cases:
        raise ValueError(f"expected at least one photo and one defence, got {len(photos)} and {len(cases)}")
    configuration = configure_run(model, cases, weights_sha256)
    if configuration.device is not None and engine.device is not None:
        configuration = replace(configuration, device=engine.device)
    store = None if logits is None else _store(Path(logits), configuration)

    see = SeeByNetwork(model, store)
    return measure(see, photos, cases, configuration, table, report, logits, skip_unreadable, top, engine)


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
    engine: Engine = _LOCAL,
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
            left = tuple(key for key in keyed if key not in rows)
            if left:
                unmeasured.append(Unmeasured(photo, left))
            else:
                tally.add(photo.name, rows)
        finished = tally.n
        pace = Pace(len(photos), finished)

        def within(number: int, item: Unmeasured) -> Report | None:
            left = [keyed[key] for key in item.settings]
            return _within(report, pace, finished + number, item.photo.name, left)

        try:
            work = Measuring(see, keyed, configuration.versions)
            with closing(engine.results(work, unmeasured, within)) as coming:
                for done, (number, measured) in enumerate(coming, finished + 1):
                    photo = unmeasured[number].photo
                    rows = {} if writer is None else dict(writer.known(photo))
                    try:
                        results = measured()
                    except ImageError:
                        if not skip_unreadable:
                            raise
                        unreadable.append(photo.name)
                    else:
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


def _store(folder: Path, configuration: Configuration) -> Store:
    """Where local logits of this network are kept, and of no other."""
    files.prepare_folder(folder)
    rows, columns = configuration.receptive_field.map_size(configuration.image_size)
    network = json.dumps(configuration.network(), sort_keys=True)
    return Store(folder, network, (len(configuration.classes), rows, columns))
