"""python -m pg_core train: a tile network for the classes of a folder of photos, from ImageNet's weights."""

import argparse
import shlex
import sys
from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path

from pg_core.commands import options as values
from pg_core.datasets import labelled_photos
from pg_core.geometry import ReceptiveField
from pg_core.models import IMAGENETTE, imagenet_classes
from pg_core.recipe import Recipe

_EPILOG = """\
The folder holds a folder of photos for each of ImageNette's ten classes, named like the class or by its
WordNet name; photos are cropped and resized to 224x224. The checkpoint is written every two minutes: started
again with the same options, training goes on from it, to the same result.

  python -m pg_core train imagenette/train --checkpoint run.pt --output . --tile 40 --side 64 --stride 12
"""
_IMAGE_SIZE = (224, 224)


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command with its options, one for each entry of the recipe."""
    train = commands.add_parser(
        "train",
        help="train a tile network on a folder of photos",
        description="Provable adversarial training of a tile network.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    train.add_argument("folder", type=Path, help="a folder of class folders of training photos")
    train.add_argument("--checkpoint", type=Path, required=True, metavar="FILE", help="where the run is kept")
    train.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="for weights and card")
    train.add_argument("--name", default="imagenette", help="of the network; default: imagenette")
    train.add_argument(
        "--stride", type=values.count, default=12, help="between tiles when it is used; default: 12"
    )
    for entry in fields(Recipe):
        train.add_argument(
            f"--{entry.name.replace('_', '-')}",
            type=type(entry.default),
            default=entry.default,
            metavar="N",
            help=f"default: {entry.default}",
        )
    train.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> Iterator[str]:
    from pg_core.models.shipped import write
    from pg_core.training import tile_classifier, train

    names = imagenet_classes()
    classes = tuple(names[index] for index in IMAGENETTE)
    photos = labelled_photos(options.folder, classes, classes)
    recipe = Recipe(**{entry.name: getattr(options, entry.name) for entry in fields(Recipe)})
    base = tile_classifier(IMAGENETTE)
    with values.progress_line() as report:
        network = train(base, photos, _IMAGE_SIZE, recipe, options.checkpoint, report)
    field = ReceptiveField((recipe.tile, recipe.tile), (options.stride, options.stride))
    story = {
        "command": shlex.join(["python", "-m", "pg_core", *sys.argv[1:]]),
        "data": f"{len(photos)} photos, {recipe.held_out} of them held out",
        "recipe": asdict(recipe),
    }
    card = write(options.name, network.state_dict(), field, recipe.side, story, options.output)
    yield f"{card.weights}: SHA-256 {card.sha256}"
