"""What commands about one photo share: the options that choose network, adversary and defence, and the analysis."""

import argparse
import difflib
import hashlib
import sys
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pg_core.analysis.certify import usual_defence
from pg_core.analysis.inputs import configure
from pg_core.analysis.photo import Analysis, examine
from pg_core.commands import options as values
from pg_core.defences.registry import DEFENCES, defence_spec
from pg_core.io.files import UnreadableError, regular
from pg_core.io.parameters import position_of, shown
from pg_core.io.printable import printable
from pg_core.io.progress import Report
from pg_core.networks import MODELS, load_model
from pg_core.networks.locality import check_locality
from pg_core.networks.own import card_in
from pg_core.photos.framing import USUAL, Fit, Space, Threat, View, square
from pg_core.photos.inference import extract
from pg_core.photos.read import MAX_BYTES, ImageError

if TYPE_CHECKING:
    from pg_core.networks.network import Network


@dataclass(frozen=True, slots=True, eq=False)
class Examined:
    """An analysis, the network that it is of, and the SHA-256 of the photo's file."""

    analysis: Analysis
    network: "Network"
    photo_sha256: str


def add_options(command: argparse.ArgumentParser) -> None:
    """Add the options that `analysed` reads, but for `photo`."""
    add_network_options(command)
    command.add_argument(
        "--patch-size",
        type=values.patch_size,
        metavar="P",
        help="side (32), height x width (24x48) or share of the image's area (2%%, the default)",
    )
    command.add_argument(
        "--patch-space",
        choices=list(Space),
        type=Space,
        help="where the patch is measured: on the image the network sees (default) or on the original photo",
    )
    view = command.add_mutually_exclusive_group()
    view.add_argument(
        "--crop",
        type=_crop,
        dest="view",
        metavar="centre|TOP,LEFT",
        help="what the network sees: a crop in the middle of the photo, or one that begins at this pixel; default: as "
        "in its training, the middle for most",
    )
    view.add_argument(
        "--pad",
        action="store_const",
        const=View.named("pad"),
        dest="view",
        help="or the whole photo, between grey bars where its shape is another",
    )
    command.add_argument(
        "--defence",
        choices=list(DEFENCES),
        metavar="NAME",
        help=f"{', '.join(DEFENCES)}; default: what certifies most with the network, as far as it was measured",
    )
    values.add_settings(command)
    command.add_argument(
        "--label", metavar="NAME", help="class to certify, name or index; default: the defended prediction"
    )


def add_network_options(command: argparse.ArgumentParser, default: str = "tiles") -> None:
    """Add the options that `network` reads, which names this network where no other is asked for."""
    command.add_argument("--model", choices=MODELS, metavar="NAME", help=f"default: {default}")
    command.add_argument("--weights", type=Path, metavar="FILE", help="checkpoint of a published network")
    command.add_argument(
        "--network",
        type=Path,
        metavar="CARD.json",
        help="your own network instead: its card, beside its file; a .pt2 or .ts file is run, so it must be your own",
    )
    command.add_argument("--device", metavar="NAME", help="cuda, mps or cpu; default: the first there is")


def check(command: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """End with a usage error where options exclude each other."""
    if options.network is not None and (options.model or options.weights or options.device):
        command.error("--network goes without --model, --weights and --device")


def analysed(options: argparse.Namespace) -> Analysis:
    """The analysis that the options ask for; raises ValueError for options that do not fit, ImageError for a file that
    is no photo."""
    return examined(options).analysis


def examined(options: argparse.Namespace) -> Examined:
    """The same, with the network and the SHA-256 of the photo's file."""
    try:
        if options.photo.is_dir():
            raise ImageError(
                f"{options.photo} is a folder: python -m pg_core evaluate {options.photo} measures a network over a "
                "folder of class folders of photos."
            )
        with regular(options.photo) as file:  # the network, which takes long to load, is of no use without
            data = file.read(MAX_BYTES + 1)
    except UnreadableError as error:
        raise ImageError(f"{options.photo}: {error.reason}.") from error
    if sys.stderr.isatty():
        print(f"running the network on {printable(options.photo.name)} ...", file=sys.stderr)
    model = network(options)
    label = None if options.label is None else class_name(options.label, model.classes)
    with values.progress_line() if sys.stderr.isatty() else nullcontext() as report:
        analysis = analysis_of(data, options.photo.name, model, options, label, report)
    return Examined(analysis, model, hashlib.sha256(data).hexdigest())


def analysis_of(
    data: bytes,
    name: str,
    model: "Network",
    options: argparse.Namespace,
    label: str | None,
    report: Report | None = None,
) -> Analysis:
    """The analysis of the bytes of a photo's file, which errors name so, about a label (None: the defended
    prediction); raises as `analysed`."""
    space = options.patch_space or Space.NETWORK
    try:
        features = extract(data, model, options.view or USUAL)
    except ImageError as error:
        raise ImageError(f"{printable(name)}: {error}") from error
    image_size = model.image_size if space is Space.NETWORK else features.framing.photo_size
    size = options.patch_size or 0.02
    threat = Threat(square(size, image_size) if isinstance(size, float) else size, space)
    spec = defence_spec(options.defence or usual_defence(model))
    config = configure(model, threat.on_network(features.framing), spec.checked(values.settings(options)))
    return examine(features, spec.build(config), threat, label, model, report=report)


def _crop(text: str) -> View:
    """A crop in the middle, or that begins at a pixel."""
    try:
        view = View.named(text)
    except ValueError:
        view = USUAL
    if view.fit is not Fit.CROP:
        raise argparse.ArgumentTypeError(f"expected centre or TOP,LEFT, such as 12,30, got {text!r}")
    return view


def network(options: argparse.Namespace, default: str = "tiles") -> "Network":
    """The network that the options ask for; raises ValueError for one that cannot be loaded or is not local."""
    if options.network is not None:
        return _own_network(options.network)
    return load_model(options.model or default, options.device, options.weights)


def _own_network(card: Path) -> "Network":
    """The network of a card, on the CPU, if it is local as the card says."""
    from pg_core.networks.loading import load_own

    try:
        own = card_in(card)
    except ValueError as error:
        raise ValueError(f"{card.name}: {error}") from error
    network = load_own(own, card.parent / own.file)
    with values.progress_line() as report:
        found = check_locality(network, report)
    if not found.passed:
        raise ValueError(
            f"{own.title} is not local as described, so nothing can be certified. {found.problem}"
        )
    return network


def class_name(label: str, classes: tuple[str, ...]) -> str:
    """The class of a name or an index; raises ValueError, with the nearest names, if there is none."""
    if label in classes:
        return label
    position = position_of(label)
    if position is not None and position < len(classes):
        return classes[position]
    folded = {name.casefold(): name for name in classes}
    if label.casefold() in folded:
        return folded[label.casefold()]
    near = difflib.get_close_matches(label, classes, n=3)
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
    raise ValueError(f"the model has no class {shown(label)} among its {len(classes)}{hint}")
