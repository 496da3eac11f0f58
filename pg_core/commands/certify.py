"""python -m pg_core certify: a photo, or local logits of a person's own network, and what is proved about them."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from pg_core.analysis import summarise, undefended_prediction
from pg_core.arrays import EvidenceType
from pg_core.commands import options as values
from pg_core.commands import photo
from pg_core.datasets import class_index, read_class_indices, read_local_logits
from pg_core.defences.masking import RobustMasking
from pg_core.schema import SCHEMA

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
    certify.add_argument("photo", nargs="?", type=Path, help=values.PHOTO)
    photo.add_options(certify)
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
            photo.check(certify, options)
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
    analysis = photo.analysed(options)
    yield json.dumps(analysis.summary()) if options.json else str(analysis)


def _certify_local_logits(options: argparse.Namespace) -> Iterator[str]:
    defence = RobustMasking(
        options.window_size,
        options.threshold,
        options.evidence or EvidenceType.LOGITS,
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
            "schema": SCHEMA,
            "name": name,
            "undefended_prediction": undefended_prediction(local_logits),
            "prediction": int(masking.label),
            "label": int(certificate.label),
            "delta": options.delta or 0.0,
            "delta_is": "stated",
            **summarise(defence, certificate),
        }
        yield json.dumps(line)
