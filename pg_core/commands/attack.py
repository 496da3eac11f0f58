"""python -m pg_core attack: search pixels that change a prediction which is not certified, of a photo or of the photos
of a folder (theory §12)."""

import argparse
import re
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pg_core.analysis.certify import usual_defence
from pg_core.analysis.inputs import configure
from pg_core.analysis.photo import Analysis
from pg_core.analysis.words import places
from pg_core.commands import engine, photo
from pg_core.commands import options as values
from pg_core.datasets.folders import labelled_photos
from pg_core.defences.patchguard.spec import THRESHOLD
from pg_core.evaluation.cases import evaluation_cases
from pg_core.geometry import Patch
from pg_core.io import files
from pg_core.io.json import SCHEMA, as_json
from pg_core.photos.framing import square

if TYPE_CHECKING:
    from pg_core.attacks.pixels import AttackResult

_EPILOG = """\
models:
{models}

examples:
  python -m pg_core attack photo.jpg --model cifar10 --patch-size 5x5
  python -m pg_core attack photo.jpg --placements worst:5 --json
  python -m pg_core attack photo.jpg --placements 96,128 --target crane -o attacked.png
  python -m pg_core attack cifar10/test --model cifar10 --patch-size 5x5 --limit 500 --lines attacked.jsonl

Over a folder of class folders it brackets robust accuracy: provable robust accuracy <= robust accuracy <= accuracy
under attack. Each photo that is not certified is attacked where its margin is smallest, until an attack succeeds.

An attack that fails proves nothing: the placement stays open. One that succeeds changes pixels of the image that
the network sees; printing, light and angle are another threat. At a certified placement none can succeed.
"""
_WORST = re.compile(r"worst:([1-9][0-9]{0,3})")
_OF_A_PHOTO, _OF_A_FOLDER = (
    ("patch_space", "view", "label", "target", "output"),
    ("limit", "lines", "skip_unreadable", "engine"),
)


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command with its options: those of `certify` about a photo, and those of the attack."""
    attack = commands.add_parser(
        "attack",
        help="search pixels that change a prediction which is not certified",
        description="Adaptive attack: optimise the pixels of a patch against the defence itself, at windows or "
        "placements that are not certified.",
        epilog=_EPILOG.format(models=values.models()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    attack.add_argument("photo", type=Path, help=f"{values.PHOTO}, or a folder of class folders of photos")
    photo.add_options(attack)
    attack.add_argument(
        "--placements",
        type=_placements,
        default=1,
        metavar="worst:N|all|TOP,LEFT",
        help="the N windows (or placements) of smallest margin that are not certified, all of these, or one placement "
        "by the top left pixel of the patch in the image the network sees, certified or not; default: worst:1",
    )
    attack.add_argument(
        "--steps", type=values.count, default=100, metavar="N", help="steps of gradient descent; default: 100"
    )
    attack.add_argument(
        "--restarts",
        type=values.count,
        default=4,
        metavar="N",
        help="initial contents of the patch; default: 4",
    )
    attack.add_argument(
        "--seed", type=values.count, default=1, metavar="N", help="of the initial contents; default: 1"
    )
    attack.add_argument(
        "--target", metavar="NAME", help="target class, name or index; default: any, the rival first"
    )
    attack.add_argument(
        "-o",
        "--output",
        type=_file,
        metavar="FILE.png",
        help=f"write the image with the first patch that succeeded; {values.OUTPUT}",
    )
    attack.add_argument(
        "--json", action="store_true", help="print one JSON object for each placement, or for the folder"
    )
    attack.add_argument(
        "--limit",
        type=values.count,
        metavar="N",
        help="of a folder at most N photos, balanced over the classes",
    )
    attack.add_argument(
        "--lines",
        type=Path,
        metavar="FILE.jsonl",
        help=f"write outcomes of a folder here, and go on from what is there; {values.OUTPUT}",
    )
    values.add_skip_unreadable(attack)
    engine.add_options(attack)

    def run(options: argparse.Namespace) -> Iterator[str]:
        photo.check(attack, options)
        engine.check(attack, options)
        folder = options.photo.is_dir()
        refused = _OF_A_PHOTO if folder else _OF_A_FOLDER
        given = [name for name in refused if getattr(options, name)]
        if folder and isinstance(options.placements, tuple):
            given.append("placements TOP,LEFT")
        if given:
            attack.error(
                f"--{given[0].replace('_', '-')} goes with {'a photo' if folder else 'a folder'} alone"
            )
        return _attack_folder(options) if folder else _attack(options)

    attack.set_defaults(run=run)


def _attack(options: argparse.Namespace) -> Iterator[str]:
    from pg_core.attacks.pixels import attack
    from pg_core.attacks.places import weakest

    if options.output is not None:
        files.prepare(options.output)
    examined = photo.examined(options)
    analysis, model = examined.analysis, examined.network
    target = None
    if options.target is not None:
        target = analysis.classes.index(photo.class_name(options.target, analysis.classes))
    asked: int | tuple[int, int] | None = options.placements
    size = analysis.threat.on_network(analysis.features.framing)
    patches = (Patch(*asked, *size),) if isinstance(asked, tuple) else weakest(analysis, asked)
    if not patches:
        yield f"Nothing to attack: all {places(analysis.certificate)} are certified or undecided."
    written = False
    for patch in patches:
        with values.progress_line() if sys.stderr.isatty() else nullcontext() as report:
            result = attack(
                analysis, model, patch, options.steps, options.restarts, options.seed, target, report
            )
        yield _in_json(analysis, result, options.seed) if options.json else _in_words(analysis, result)
        if result.success and options.output is not None and not written:
            written = True
            files.write({options.output: result.png()})
    if options.output is not None and not written and not options.json:
        yield f"{options.output}: not written, since no attack has succeeded"


def _attack_folder(options: argparse.Namespace) -> Iterator[str]:
    from pg_core.evaluation.attacked import attack_photos
    from pg_core.evaluation.bracket import Budget

    if options.lines is not None:
        files.prepare(options.lines)
    model = photo.network(options)
    photos = labelled_photos(options.photo, model.classes)[: options.limit]
    size = options.patch_size or 0.02
    if isinstance(size, float):
        size = square(size, model.image_size)
    names = [options.defence or usual_defence(model)]
    settings = values.settings(options)
    thresholds = [float(cast(float, settings.get(THRESHOLD.name, 0.0)))]
    (case,) = evaluation_cases(configure(model, size, settings), [size], names, thresholds)
    budget = Budget(options.placements, options.steps, options.restarts, options.seed)
    skip = options.skip_unreadable
    cure = nullcontext() if skip else values.cure_for_unreadable()
    with (
        engine.engine(options) as chosen,
        cure,
        values.cure_for_unwritable(),
        values.progress_line() as report,
    ):
        bracket = attack_photos(model, photos, case, budget, options.lines, report, skip, chosen)
    yield as_json(bracket.summary()) if options.json else str(bracket)


def _state(analysis: Analysis, result: "AttackResult") -> str:
    if result.success:
        return "broken by pixels"
    at = analysis.position(result.patch)
    certified = at is not None and bool(analysis.certificate.proved[at.top, at.left])
    return "certified" if certified else "open"


def _in_words(analysis: Analysis, result: "AttackResult") -> str:
    patch = result.patch
    where = f"patch of {patch.height}x{patch.width} pixels at row {patch.top}, column {patch.left}"
    said = f"'{analysis.label}' becomes '{result.answer.prediction}'" if result.success else "no pixels found"
    return (
        f"{where}: {_state(analysis, result)} ({said}; {result.steps} steps, {len(result.targets)} restarts)"
    )


def _in_json(analysis: Analysis, result: "AttackResult", seed: int) -> str:
    patch = result.patch
    return as_json(
        {
            "schema": SCHEMA,
            "model": analysis.features.model,
            "defence": str(analysis.defence),
            "patch": [patch.top, patch.left, patch.height, patch.width],
            "state": _state(analysis, result),
            "label": analysis.label,
            "prediction": result.answer.prediction,
            "targets": [analysis.classes[target] for target in result.targets],
            "steps": result.steps,
            "restarts": len(result.targets),
            "seed": seed,
        }
    )


def _placements(text: str) -> "int | tuple[int, int] | None":
    if text == "all":
        return None
    worst = _WORST.fullmatch(text)
    return values.position(text) if worst is None else int(worst[1])


def _file(text: str) -> Path:
    if Path(text).suffix.lower() != ".png":
        raise argparse.ArgumentTypeError(
            f"expected a file that ends in .png, which keeps each pixel, got {text!r}"
        )
    return Path(text)
