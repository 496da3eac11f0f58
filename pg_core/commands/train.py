"""python -m pg_core train: a network for the photos of a folder of class folders, provably robust to patches."""

import argparse
import shlex
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from pg_core.commands import options as values
from pg_core.datasets.base import DATASETS
from pg_core.datasets.folders import labelled_photos, other_files, readable
from pg_core.evaluation.results import in_brief
from pg_core.io import files
from pg_core.io.json import from_json
from pg_core.networks import TRAINED, shipped
from pg_core.networks.bodies.architectures import Architecture, Bands, Interval, Pointwise, Tiles, Whole
from pg_core.training.recipe import (
    BandRecipe,
    IntervalRecipe,
    MapRecipe,
    Recipe,
    TileRecipe,
    WholeRecipe,
)

_EPILOG = """\
networks:
  tiles      EfficientNet-Lite on square tiles, from ImageNet's weights, for ImageNette's ten classes at 224x224
  bands      column bands of 32x32 images, for CIFAR-10's ten classes (Mask-DS, de-randomized smoothing)
  pointwise  a small receptive field on 32x32 images, for CIFAR-10's ten classes
  interval   the same for interval bounds, against patches of one size
  whole      a network that sees all of a 32x32 image: nothing to certify, but a teacher for the others

The folder holds a folder of photos for each class, named like the class or as its data set is published. The
checkpoint is written every two minutes, and at an interrupt: started again with the same options, training goes on
from it, to the same result, as long as the photos are the same.

  python -m pg_core train tiles imagenette/train --checkpoint run.pt --output .
  python -m pg_core train bands cifar10/train --checkpoint run.pt --output . --name cifar10-bands
  python -m pg_core train whole cifar10/train --checkpoint teacher.pt --output .
  python -m pg_core train bands cifar10/train --checkpoint run.pt --output . --teacher . --teacher-share 0.7
"""


@dataclass(frozen=True, slots=True)
class _Study:
    """A network, how it is trained unless options say otherwise, the name of its weights, and whose classes it has."""

    network: Architecture
    recipe: Recipe
    name: str
    dataset: str


_STUDIES = {
    "tiles": _Study(Tiles(lite=2), TileRecipe(), "imagenette", "imagenette"),
    "bands": _Study(Bands(), BandRecipe(), "cifar10-bands", "cifar10"),
    "interval": _Study(Interval(), IntervalRecipe(), "cifar10-interval", "cifar10"),
    "pointwise": _Study(Pointwise(), MapRecipe(), "cifar10", "cifar10"),
    "whole": _Study(Whole(), WholeRecipe(), "cifar10-whole", "cifar10"),
}


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command, for each network with an option for each entry of its recipe and architecture."""
    train = commands.add_parser(
        "train",
        help="train a network on a folder of photos",
        description="Provable adversarial training.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    networks = train.add_subparsers(dest="network", required=True, metavar="NETWORK")
    for kind, study in _STUDIES.items():
        _add_study(networks.add_parser(kind, help=f"writes {study.name}.safetensors and .json"), study)
    train.set_defaults(run=_run)


def _add_study(parser: argparse.ArgumentParser, study: _Study) -> None:
    parser.add_argument("folder", type=Path, help="a folder of class folders of training photos")
    parser.add_argument(
        "--checkpoint",
        type=Path,
        required=True,
        metavar="FILE",
        help=f"where the run is kept; {values.OUTPUT}",
    )
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="FOLDER",
        help=f"for weights and card; {values.OUTPUT}",
    )
    parser.add_argument(
        "--name",
        type=_name,
        default=study.name,
        help=f"of the network, and of its files in --output; default: {study.name}",
    )
    parser.add_argument(
        "--start", choices=TRAINED, help="begin with the shipped weights of this network instead of new ones"
    )
    parser.add_argument(
        "--teacher",
        type=Path,
        metavar="FOLDER",
        help=f"with the weights and card of a trained {_STUDIES['whole'].name}, or for tiles of a trained "
        f"{_STUDIES['tiles'].name}, whose answers are then --teacher-share of what the training wants of photos, or "
        "of tiles",
    )
    values.add_skip_unreadable(parser)
    defaults = {**asdict(study.recipe), **asdict(study.network)}
    for name, default in defaults.items():
        option, told = f"--{name.replace('_', '-')}", f"default: {default}"
        if isinstance(default, bool):
            parser.add_argument(option, action=argparse.BooleanOptionalAction, default=default, help=told)
        else:
            parser.add_argument(option, type=type(default), default=default, metavar="N", help=told)
    parser.set_defaults(study=study)


def _name(text: str) -> str:
    """A name that stays within the folder."""
    try:
        return shipped.checked_name(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _run(options: argparse.Namespace) -> Iterator[str]:
    from pg_core.networks.trained import loaded
    from pg_core.training.loop import starting_point, train

    study: _Study = options.study
    network = replace(study.network, **_chosen(options, study.network))
    recipe = replace(study.recipe, **_chosen(options, study.recipe))
    files.prepare_folder(options.output)
    for path in (options.checkpoint, *shipped.files_of(options.name, options.output)):
        files.prepare(path)
    classes = DATASETS[study.dataset].classes
    photos = labelled_photos(options.folder, classes)
    passed_over: tuple[str, ...] = ()
    if options.skip_unreadable:
        photos, passed_over = readable(photos)
    start = shipped.read_card(options.start) if options.start else None
    base = starting_point(network, recipe, start)
    teaching = _STUDIES["tiles" if isinstance(network, Tiles) else "whole"]
    taught_by = shipped.read_card(teaching.name, options.teacher) if options.teacher else None
    if (taught_by is None) != (recipe.teacher_share == 0):
        raise ValueError("expected --teacher and --teacher-share above 0 together")
    if taught_by and not isinstance(taught_by.network, type(teaching.network)):
        raise ValueError(
            f"{taught_by.path.name}: expected the card of another kind of network to teach this one"
        )
    teacher = loaded(taught_by, len(classes)) if taught_by else None
    cure = nullcontext() if options.skip_unreadable else values.cure_for_unreadable()
    with cure, values.cure_for_unwritable(), values.progress_line() as report:
        trained = train(base, photos, network.image_size, recipe, options.checkpoint, report, teacher=teacher)
    notes = [
        in_brief(names, what)
        for names, what in ((passed_over, "unreadable photo"), (other_files(options.folder), "other file"))
        if names
    ]
    story = {
        "command": shlex.join(["python", "-m", "pg_core", *sys.argv[1:]]),
        "data": "; ".join([f"{len(photos)} photos, {recipe.held_out} of them held out", *notes]),
        **({"start": f"{options.start}, SHA-256 {start.sha256}"} if start else {}),
        **({"teacher": from_json(taught_by.path.read_bytes())} if taught_by else {}),
        "recipe": asdict(recipe),
    }
    try:
        with values.cure_for_unwritable():
            card = shipped.write(options.name, trained.state_dict(), network, story, options.output)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"the whole training is kept in {options.checkpoint}") from None
    yield "; ".join([f"{card.weights}: SHA-256 {card.sha256}", *notes])


def _chosen(options: argparse.Namespace, value: Architecture | Recipe) -> dict[str, Any]:
    """What the options say of each entry of a value."""
    return {entry.name: getattr(options, entry.name) for entry in fields(value)}
