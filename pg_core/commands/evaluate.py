"""python -m pg_core evaluate: clean and provable robust accuracy over a set of photos, or of maps of local logits."""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from pg_core.analysis.inputs import configure
from pg_core.commands import engine, photo
from pg_core.commands import options as values
from pg_core.datasets.base import DATASETS, Dataset
from pg_core.datasets.folders import other_files
from pg_core.datasets.local_logits import read_labels, read_local_logits
from pg_core.datasets.sources import photos_of
from pg_core.defences.patchcleanser.pixels import MASKS_PER_AXIS
from pg_core.defences.patchguard.spec import THRESHOLD
from pg_core.defences.registry import DEFENCES
from pg_core.defences.spec import DefenceSpec, Value
from pg_core.evaluation.cases import evaluation_cases, network_runs
from pg_core.evaluation.maps import evaluate_maps, map_cases
from pg_core.evaluation.results import Evaluation
from pg_core.evaluation.run import evaluate
from pg_core.io import files
from pg_core.io.json import as_json
from pg_core.io.progress import Progress, Report, duration
from pg_core.photos.framing import square
from pg_core.photos.read import SUFFIXES

_EPILOG = """\
models:
{models}

defences:
{defences}

data sets:
{datasets}

Photos ({readable}) are
- a folder with a folder for each class, named like the class (or as its data set is published);
- a folder of photos alone, which have no labels: verdicts, and no accuracy;
- a .zip of such a folder;
- a .csv or .parquet file with a column path (from where the file is) and, if they are known, a column label;
- an .npz file of local logits of your own network, with --window-size, and --labels if they are known.
Other files are named in the summary; hidden ones are passed over.
Accuracies come with 95 % Wilson intervals. With --table, results are written as they come, with the margin and
rival of every window, and a run that was stopped goes on where it stopped; a damaged part is left out, and its
photos measured again.

  python -m pg_core evaluate imagenette/val --model imagenette --patch-size 23 32 39 --table val
  python -m pg_core evaluate imagenet/val --model tiles-imagenet --patch-size 2% --top 1 5
  python -m pg_core evaluate cifar10/test --model cifar10 --table test --engine ray --address auto
  python -m pg_core evaluate photos.csv --network mine.network.json --patch-size 2% --table mine
  python -m pg_core evaluate maps.npz --window-size 6x6 --layout classes,rows,columns --table maps
"""


_DEFAULTS: dict[str, Value] = {MASKS_PER_AXIS.name: 6}
"""Where a command can wait longer than a page: PatchCleanser's, as published."""
_MODEL, _PATCH_SIZES = "imagenette", (0.01, 0.02, 0.03)
_OF_PHOTOS = (
    "model",
    "weights",
    "network",
    "device",
    "patch_size",
    "local_logits",
    "skip_unreadable",
    "engine",
)
_OF_MAPS = ("window_size", "layout", "wrapping", "labels", "delta")
_LONG = 60.0
"""Seconds; a longer run is announced."""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command with its options."""
    evaluate_folder = commands.add_parser(
        "evaluate",
        help="measure a network over a folder of photos",
        description="Undefended, defended (clean) and provable robust accuracy over a folder of class folders.",
        epilog=_EPILOG.format(
            models=values.models(),
            defences=_titles(DEFENCES),
            datasets=_titles(DATASETS),
            readable=", ".join(SUFFIXES),
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    evaluate_folder.add_argument(
        "photos", type=Path, help="a folder, a .zip, a .csv or .parquet list, or an .npz file of local logits"
    )
    photo.add_network_options(evaluate_folder, _MODEL)
    evaluate_folder.add_argument(
        "--patch-size",
        type=values.patch_size,
        nargs="+",
        metavar="P",
        help="sides (23 32 39), heights x widths or shares of the image's area; default: 1%% 2%% 3%%",
    )
    evaluate_folder.add_argument(
        "--defence",
        choices=list(DEFENCES),
        nargs="+",
        metavar="NAME",
        help="one or several; default: masking, or mask-ds for column bands",
    )
    evaluate_folder.add_argument(
        "--threshold",
        type=values.threshold,
        nargs="+",
        default=[0.0],
        metavar="T",
        help="thresholds T of robust masking, each in [0, 1); default: 0",
    )
    values.add_settings(evaluate_folder, without=(THRESHOLD.name,))
    evaluate_folder.add_argument(
        "--top",
        type=values.count,
        nargs="+",
        default=[],
        metavar="K",
        help="count besides how often the label is, and provably stays, among the K best classes: for robust masking "
        "at T = 0, clipping and smoothing",
    )
    evaluate_folder.add_argument(
        "--limit", type=values.count, metavar="N", help="at most N photos, balanced over the classes"
    )
    evaluate_folder.add_argument(
        "--table",
        type=Path,
        metavar="FOLDER",
        help="write results here, a folder of Parquet files, and go on from what is there; further defences, patch "
        f"sizes and thresholds may be added; {values.OUTPUT}",
    )
    evaluate_folder.add_argument(
        "--lines",
        type=Path,
        metavar="FILE.jsonl",
        help="at the end write the rows of the table as JSON lines too, without the margins of every window; "
        f"{values.OUTPUT}",
    )
    evaluate_folder.add_argument(
        "--local-logits",
        type=Path,
        metavar="FOLDER",
        help="keep local logits here: other patch sizes, thresholds and defences then need no network; "
        f"{values.OUTPUT}",
    )
    values.add_skip_unreadable(evaluate_folder)
    engine.add_options(evaluate_folder)
    maps = evaluate_folder.add_argument_group("for an .npz file of local logits")
    maps.add_argument(
        "--window-size",
        type=values.size,
        nargs="+",
        metavar="HxW",
        help="windows that a patch can corrupt, in features, in place of --patch-size",
    )
    values.add_map_options(maps)
    evaluate_folder.add_argument("--json", action="store_true", help="print the summary as one JSON object")

    def run(options: argparse.Namespace) -> Iterator[str]:
        if options.lines is not None and options.table is None:
            evaluate_folder.error("--lines writes the rows of a table: it goes with --table")
        photo.check(evaluate_folder, options)
        engine.check(evaluate_folder, options)
        of_maps = options.photos.suffix.lower() == ".npz"
        for name in _OF_PHOTOS if of_maps else _OF_MAPS:
            if getattr(options, name) not in (None, False):
                kind = "photos, not with an .npz file" if of_maps else "an .npz file, not with photos"
                evaluate_folder.error(f"--{name.replace('_', '-')} goes with {kind}")
        if of_maps and options.window_size is None:
            evaluate_folder.error("an .npz file needs --window-size HxW, in features")
        return _run(options, _maps if of_maps else _photos)

    evaluate_folder.set_defaults(run=run)


def _titles(registry: Mapping[str, DefenceSpec] | Mapping[str, Dataset]) -> str:
    return "\n".join(f"  {name:<18}{value.title}" for name, value in registry.items())


def _run(options: argparse.Namespace, measured: Callable[[argparse.Namespace], Evaluation]) -> Iterator[str]:
    if options.lines is not None:
        files.prepare(options.lines)
    if options.table is not None:
        files.prepare_folder(options.table)
    result = measured(options)
    if options.lines is not None:
        from pg_core.evaluation.outcome_table import as_lines, open_table

        files.write({options.lines: as_lines(open_table(options.table)).encode()})
    yield as_json(result.summary()) if options.json else str(result)


def _photos(options: argparse.Namespace) -> Evaluation:
    if options.local_logits is not None:
        files.prepare_folder(options.local_logits)
    model = photo.network(options, _MODEL)
    photos = photos_of(options.photos, model.classes)[: options.limit]
    sizes = [
        square(size, model.image_size) if isinstance(size, float) else size
        for size in options.patch_size or _PATCH_SIZES
    ]
    settings = _DEFAULTS | values.settings(options)
    config = configure(model, sizes[0], settings)
    cases = evaluation_cases(config, sizes, options.defence, options.threshold)
    skip = options.skip_unreadable
    cure = nullcontext() if skip else values.cure_for_unreadable()
    with engine.engine(options) as chosen, cure, values.progress_line() as report:
        told = _announced(report, network_runs(cases))
        result = evaluate(
            model,
            photos,
            cases,
            options.table,
            model.weights_sha256,
            told,
            options.local_logits,
            skip,
            options.top,
            chosen,
        )
    others = other_files(options.photos) if options.photos.is_dir() else ()
    return replace(result, other_files=others)


def _maps(options: argparse.Namespace) -> Evaluation:
    maps = read_local_logits(options.photos, values.stated(options))
    labels = None if options.labels is None else read_labels(options.labels, maps)
    asked = list(maps.values())[: options.limit]
    cases = map_cases(
        asked, options.window_size, options.defence, options.threshold, values.settings(options)
    )
    with values.progress_line() as report:
        return evaluate_maps(asked, cases, labels, options.table, report, options.top)


def _announced(report: Report, runs: int) -> Report:
    """Says once, as soon as the first of them have been timed, how long many runs of the network for each photo will
    take."""
    waiting = runs > 1

    def show(progress: Progress) -> None:
        nonlocal waiting
        if waiting and progress.seconds_left is not None:
            waiting = False
            if progress.seconds_left > _LONG:
                left = f"{duration(progress.seconds_left)} for {progress.total - progress.done:,} photos"
                print(f"{runs:,} runs of the network for each photo, about {left}", file=sys.stderr)
        report(progress)

    return show
