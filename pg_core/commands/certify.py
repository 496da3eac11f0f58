"""python -m pg_core certify: a photo, or local logits of a person's own network, and what is proved about them."""

import argparse
import difflib
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pg_core.analysis import examine, summarise, undefended_prediction
from pg_core.arrays import Evidence
from pg_core.commands import options as values
from pg_core.datasets import class_index, read_class_indices, read_local_logits
from pg_core.defences.masking import Bound, RobustMasking
from pg_core.features import extract
from pg_core.images import ImageError, Space, Threat, square
from pg_core.locality import check_locality
from pg_core.models import MODELS, load_model
from pg_core.models.own import read_card

if TYPE_CHECKING:
    from pg_core.models.network import Network

_EPILOG = """\
models:
{models}

examples:
  python -m pg_core certify photo.jpg --patch-size 2%
  python -m pg_core certify photo.jpg --patch-size 64 --label cat --json
  python -m pg_core certify photo.jpg --model bagnet17 --weights bagnet17_nette.pth --patch-size 32
  python -m pg_core certify photo.jpg --network mine.network.json
  python -m pg_core certify --local-logits maps.npz --window-size 6x6 --labels labels.json

A patch of p pixels corrupts at most ceil((p + r - 1)/s) features per axis, for a receptive field of r
pixels and a stride of s. The guarantee is about the image that the network sees, after cropping and
resizing, unless --patch-space photo is given.
"""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command with its options."""
    certify = commands.add_parser(
        "certify",
        help="certify a photo, or local logits of your own network",
        description="Predict with and without robust masking, and prove that no patch can change the answer.",
        epilog=_EPILOG.format(models=values.models()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    certify.add_argument("photo", nargs="?", type=Path, help="a JPEG, PNG or WebP file")
    certify.add_argument("--model", choices=MODELS, metavar="NAME", help="default: tiles")
    certify.add_argument("--weights", type=Path, metavar="FILE", help="checkpoint of a published network")
    certify.add_argument(
        "--network",
        type=Path,
        metavar="CARD.json",
        help="your own network instead: its card, beside its file; a .pt2 or .ts file is run, so it must be your own",
    )
    certify.add_argument("--device", metavar="NAME", help="cuda, mps or cpu; default: the first there is")
    certify.add_argument(
        "--patch-size",
        type=values.patch_size,
        metavar="P",
        help="side (32), height x width (24x48) or share of the image's area (2%%, the default)",
    )
    certify.add_argument(
        "--patch-space",
        choices=list(Space),
        type=Space,
        help="where the patch is measured: on the image the network sees (default) or on the original photo",
    )
    certify.add_argument(
        "--local-logits",
        type=Path,
        metavar="FILE.npz",
        help="instead of a photo: arrays [rows, columns, classes] of your own network, under any names",
    )
    certify.add_argument(
        "--window-size", type=values.size, metavar="HxW", help="window of --local-logits, in features"
    )
    certify.add_argument(
        "--threshold", type=values.threshold, default=0.0, metavar="T", help="T in [0, 1), default: 0"
    )
    certify.add_argument(
        "--clip-high",
        type=values.positive,
        default=math.inf,
        metavar="C",
        help="c_h, default: infinite (c_l is 0)",
    )
    certify.add_argument(
        "--evidence",
        choices=list(Evidence),
        type=Evidence,
        help="default: what suits the model; logits for --local-logits",
    )
    certify.add_argument(
        "--bound",
        choices=list(Bound),
        default=Bound.SOUND,
        type=Bound,
        help="sound (default); exact: what is attained in feature space, at T > 0 by linear programs; published: "
        "wrong for T > 0, for comparison",
    )
    certify.add_argument(
        "--label", metavar="NAME", help="class to certify, name or index; default: the defended prediction"
    )
    certify.add_argument(
        "--labels",
        type=Path,
        metavar="FILE.json",
        help="for --local-logits: name of each array to class index",
    )
    certify.add_argument(
        "--delta",
        type=values.non_negative,
        metavar="D",
        help="largest error of a value of --local-logits, which certificates then survive; default: 0, exact",
    )
    certify.add_argument(
        "--json",
        action="store_true",
        help="print one JSON object; --local-logits always does, for each array",
    )

    def run(options: argparse.Namespace) -> Iterator[str]:
        if (options.photo is None) == (options.local_logits is None):
            certify.error("expected either a photo or --local-logits FILE.npz")
        if options.local_logits is None:
            for name in ("window_size", "labels", "delta"):
                if getattr(options, name) is not None:
                    certify.error(f"--{name.replace('_', '-')} goes with --local-logits, not with a photo")
            if options.network is not None and (options.model or options.weights or options.device):
                certify.error("--network goes without --model, --weights and --device")
            return _certify_photo(options)
        if options.window_size is None:
            certify.error("--local-logits needs --window-size HxW, in features")
        for name in ("model", "weights", "network", "device", "patch_size", "patch_space"):
            if getattr(options, name) is not None:
                certify.error(f"--{name.replace('_', '-')} goes with a photo, not with --local-logits")
        if options.label is not None and options.labels is not None:
            certify.error("expected --label or --labels, not both")
        return _certify_local_logits(options)

    certify.set_defaults(run=run)


def _certify_photo(options: argparse.Namespace) -> Iterator[str]:
    if not options.photo.is_file():
        raise ImageError(f"{options.photo}: no such file.")
    if sys.stderr.isatty():
        print(f"running the network on {options.photo.name} ...", file=sys.stderr)
    space = options.patch_space or Space.NETWORK
    if options.network is not None:
        model = _own_network(options.network)
    else:
        model = load_model(options.model or "tiles", options.device, options.weights)
    features = extract(options.photo, model)
    image_size = model.image_size if space is Space.NETWORK else features.framing.photo_size
    size = options.patch_size or 0.02
    threat = Threat(square(size, image_size) if isinstance(size, float) else size, space)
    defence = RobustMasking(
        model.receptive_field.window_size(threat.on_network(features.framing)),
        options.threshold,
        options.evidence or model.evidence,
        options.clip_high,
        options.bound,
        model.receptive_field.wrapping,
    )
    label = None if options.label is None else _class_name(options.label, model.classes)
    analysis = examine(features, defence, threat, label)
    yield json.dumps(analysis.summary()) if options.json else str(analysis)


def _certify_local_logits(options: argparse.Namespace) -> Iterator[str]:
    defence = RobustMasking(
        options.window_size,
        options.threshold,
        options.evidence or Evidence.LOGITS,
        options.clip_high,
        options.bound,
    )
    maps = read_local_logits(options.local_logits, defence.evidence)
    labels: dict[str, int] = {}
    if options.labels is not None:
        labels = read_class_indices(options.labels, maps)
    elif options.label is not None:
        labels = {name: class_index(options.label, len(values), name) for name, values in maps.items()}
    for name, local_logits in maps.items():
        masking = defence.predict(local_logits)
        tolerance = defence.tolerance(local_logits, options.delta or 0.0)
        certificate = defence.certify_masking(masking, labels.get(name), tolerance)
        line = {
            "name": name,
            "undefended_prediction": undefended_prediction(local_logits),
            "prediction": int(masking.label),
            "label": int(certificate.label),
            **summarise(defence, certificate),
        }
        yield json.dumps(line)


def _own_network(card: Path) -> "Network":
    """The network of a card, on the CPU, if it is local as the card says."""
    from pg_core.models.loading import load_own

    try:
        own = read_card(card.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{card.name}: {error}") from error
    network = load_own(own, card.parent / own.file)
    with values.progress_line() as report:
        found = check_locality(network, report)
    if not found.passed:
        raise ValueError(
            f"{own.title} is not local as described, so nothing can be certified. {found.problem}"
        )
    return network


def _class_name(label: str, classes: tuple[str, ...]) -> str:
    if label in classes:
        return label
    if label.isdecimal() and int(label) < len(classes):
        return classes[int(label)]
    folded = {name.casefold(): name for name in classes}
    if label.casefold() in folded:
        return folded[label.casefold()]
    near = difflib.get_close_matches(label, classes, n=3)
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
    raise ValueError(f"the model has no class {label!r} among its {len(classes)}{hint}")
