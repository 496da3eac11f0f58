"""python -m pg_core train: a network for the photos of a folder of class folders, provably robust to patches."""

import argparse
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pg_core.commands import options as values
from pg_core.datasets.base import DATASETS
from pg_core.datasets.folders import labelled_photos, other_files, readable
from pg_core.evaluation.results import in_brief
from pg_core.io import files
from pg_core.io.json import from_json
from pg_core.networks import TRAINED, shipped
from pg_core.networks.bodies.architectures import Architecture
from pg_core.training.studies.registry import STUDIES, study

if TYPE_CHECKING:
    from pg_core.training.recipe import Recipe, Study

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]
else:
    Subparsers = argparse._SubParsersAction

_EPILOG = """\
The folder holds a folder of photos for each class, named like the class or as its data set is published. The
checkpoint is written every two minutes, and at an interrupt: started again with the same options, training goes on
from it, to the same result, as long as the photos are the same.

  python -m pg_core train tiles imagenette/train --checkpoint run.pt --output .
  python -m pg_core train bands cifar10/train --checkpoint run.pt --output . --name cifar10-bands
  python -m pg_core train whole cifar10/train --checkpoint teacher.pt --output .
  python -m pg_core train bands cifar10/train --checkpoint run.pt --output . --teacher . --teacher-share 0.7
"""


class _Networks(Subparsers):
    """The networks by name; the options of one are added when it is named, as torch comes with them."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        name = values[0] if values else None
        if name in STUDIES:
            _add_study(self.choices[name], study(name))
        super().__call__(parser, namespace, values, option_string)


def add(commands: Subparsers) -> None:
    """Add the command, with a subcommand for each network, which has an option for each field of its recipe and its
    architecture."""
    train = commands.add_parser(
        "train",
        help="train a network on a folder of photos",
        description="Train a network for provable robustness, after the provable adversarial training of PatchGuard.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    networks = train.add_subparsers(dest="network", required=True, metavar="NETWORK", action=_Networks)
    for name, listed in STUDIES.items():
        networks.add_parser(name, help=listed.sentence)
    train.set_defaults(run=_run)


def _add_study(parser: argparse.ArgumentParser, chosen: "Study") -> None:
    parser.add_argument("folder", type=Path, help="a folder of class folders of training photos")
    parser.add_argument(
        "--checkpoint",
        type=Path,
        required=True,
        metavar="FILE",
        help=f"checkpoint to write, and to go on from where it exists; {values.OUTPUT}",
    )
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="FOLDER",
        help=f"folder for the weights and their card; {values.OUTPUT}",
    )
    parser.add_argument(
        "--name",
        type=_name,
        default=chosen.name,
        help=f"name of the network, and of its files in --output; default: {chosen.name}",
    )
    parser.add_argument(
        "--start", choices=TRAINED, help="begin with the shipped weights of this network instead of new ones"
    )
    parser.add_argument(
        "--teacher",
        type=Path,
        metavar="FOLDER",
        help=f"with the weights and card of a trained {study(chosen.teacher).name}, the teacher of a knowledge "
        "distillation: its probabilities are --teacher-share of the training targets",
    )
    values.add_skip_unreadable(parser)
    defaults = {**asdict(chosen.recipe), **asdict(chosen.network)}
    for name, default in defaults.items():
        option, told = f"--{name.replace('_', '-')}", f"default: {default}"
        if isinstance(default, bool):
            parser.add_argument(option, action=argparse.BooleanOptionalAction, default=default, help=told)
        else:
            parser.add_argument(option, type=type(default), default=default, metavar="N", help=told)
    parser.set_defaults(study=chosen)


def _name(text: str) -> str:
    """A name that stays within the folder."""
    try:
        return shipped.checked_name(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _run(options: argparse.Namespace) -> Iterator[str]:
    from pg_core.networks.trained import loaded
    from pg_core.training.loop import starting_point, train

    chosen: Study = options.study
    network = replace(chosen.network, **_entries(options, chosen.network))
    recipe = replace(chosen.recipe, **_entries(options, chosen.recipe))
    files.prepare_folder(options.output)
    for path in (options.checkpoint, *shipped.files_of(options.name, options.output)):
        files.prepare(path)
    classes = DATASETS[chosen.dataset].classes
    photos = labelled_photos(options.folder, classes)
    passed_over: tuple[str, ...] = ()
    if options.skip_unreadable:
        photos, passed_over = readable(photos)
    start = shipped.read_card(options.start) if options.start else None
    base = starting_point(network, recipe, start, len(classes))
    teaching = study(chosen.teacher)
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


def _entries(options: argparse.Namespace, value: "Architecture | Recipe") -> dict[str, Any]:
    """What the options say of each entry of a value."""
    return {entry.name: getattr(options, entry.name) for entry in fields(value)}
