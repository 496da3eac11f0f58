"""python -m pg_core evaluate: clean and provable robust accuracy over a folder of photos."""

import argparse
import sys
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from pg_core.analysis.inputs import configure
from pg_core.commands import options as values
from pg_core.datasets.base import DATASETS, Dataset
from pg_core.datasets.folders import labelled_photos, other_files
from pg_core.defences.patchcleanser.pixels import MASKS_PER_AXIS
from pg_core.defences.patchguard.spec import THRESHOLD
from pg_core.defences.registry import DEFENCES
from pg_core.defences.spec import DefenceSpec, Value
from pg_core.evaluation.cases import evaluation_cases, network_runs
from pg_core.evaluation.run import evaluate
from pg_core.io import files
from pg_core.io.json import as_json
from pg_core.io.progress import Progress, Report, duration
from pg_core.networks import MODELS, load_model
from pg_core.photos.framing import square
from pg_core.photos.read import SUFFIXES

_EPILOG = """\
models:
{models}

defences:
{defences}

data sets:
{datasets}

The folder holds a folder for each class, named like the class (or as its data set is published), with photos
({readable}).
Other files are named in the summary; hidden ones are passed over.
Accuracies come with 95 % Wilson intervals. With --table, results are written as they come, with the margin and
rival of every window, and a run that was stopped goes on where it stopped; a damaged part is left out, and its
photos measured again.

  python -m pg_core evaluate imagenette/val --model imagenette --patch-size 23 32 39 --table val
"""


_DEFAULTS: dict[str, Value] = {MASKS_PER_AXIS.name: 6}
"""Where a command can wait longer than a page: PatchCleanser's, as published."""
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
    evaluate_folder.add_argument("folder", type=Path, help="a folder of class folders of photos")
    evaluate_folder.add_argument(
        "--model", choices=MODELS, default="imagenette", metavar="NAME", help="default: imagenette"
    )
    evaluate_folder.add_argument(
        "--weights", type=Path, metavar="FILE", help="checkpoint of a published network"
    )
    evaluate_folder.add_argument(
        "--device", metavar="NAME", help="cuda, mps or cpu; default: the first there is"
    )
    evaluate_folder.add_argument(
        "--patch-size",
        type=values.patch_size,
        nargs="+",
        default=[0.01, 0.02, 0.03],
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
    evaluate_folder.add_argument("--json", action="store_true", help="print the summary as one JSON object")

    def run(options: argparse.Namespace) -> Iterator[str]:
        if options.lines is not None and options.table is None:
            evaluate_folder.error("--lines writes the rows of a table: it goes with --table")
        return _run(options)

    evaluate_folder.set_defaults(run=run)


def _titles(registry: Mapping[str, DefenceSpec] | Mapping[str, Dataset]) -> str:
    return "\n".join(f"  {name:<18}{value.title}" for name, value in registry.items())


def _run(options: argparse.Namespace) -> Iterator[str]:
    if options.lines is not None:
        files.prepare(options.lines)
    if options.table is not None:
        files.prepare_folder(options.table)
    if options.local_logits is not None:
        files.prepare_folder(options.local_logits)
    model = load_model(options.model, options.device, options.weights)
    photos = labelled_photos(options.folder, model.classes)[: options.limit]
    sizes = [
        square(size, model.image_size) if isinstance(size, float) else size for size in options.patch_size
    ]
    settings = _DEFAULTS | values.settings(options)
    config = configure(model, sizes[0], settings)
    cases = evaluation_cases(config, sizes, options.defence, options.threshold)
    skip = options.skip_unreadable
    cure = nullcontext() if skip else values.cure_for_unreadable()
    with cure, values.progress_line() as report:
        told = _announced(report, network_runs(cases))
        result = evaluate(
            model, photos, cases, options.table, model.weights_sha256, told, options.local_logits, skip
        )
    if options.lines is not None:
        from pg_core.evaluation.outcome_table import as_lines, open_table

        files.write({options.lines: as_lines(open_table(options.table)).encode()})
    result = replace(result, other_files=other_files(options.folder))
    yield as_json(result.summary()) if options.json else str(result)


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
