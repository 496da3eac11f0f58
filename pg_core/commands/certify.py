"""python -m pg_core certify: predict and certify a photo, or local logits of a person's own network."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from pg_core.analysis.photo import AN_ALERT, undefended_prediction
from pg_core.analysis.words import identified, summarise
from pg_core.commands import options as values
from pg_core.commands import photo
from pg_core.datasets.local_logits import (
    LocalLogitMap,
    class_index,
    read_labels,
    read_local_logits,
    with_values,
)
from pg_core.defences.base import ALERT, Defence, DefenceInput
from pg_core.defences.registry import defence_spec
from pg_core.defences.spec import DefenceConfig
from pg_core.evidence.arrays import LocalLogits
from pg_core.geometry import ReceptiveField, Size, Windows
from pg_core.io.json import SCHEMA, as_json

_EPILOG = """\
models:
{models}

examples:
  python -m pg_core certify photo.jpg --patch-size 2%
  python -m pg_core certify photo.jpg --patch-size 64 --label cat --json
  python -m pg_core certify photo.jpg --model bagnet17 --weights bagnet17_nette.pth --patch-size 32
  python -m pg_core certify photo.jpg --pad
  python -m pg_core certify photo.jpg --network mine.network.json
  python -m pg_core certify --local-logits saved.npz --window-size 6x6 --labels labels.json
  python -m pg_core certify --local-logits maps.npz --window-size 6x6 --layout classes,rows,columns
  python -m pg_core certify --local-logits bands.npz --window-size 1x4 --layout classes,rows,columns --wrapping

A patch of p pixels corrupts at most ceil((p + r - 1)/s) features per axis, for a receptive field of r
pixels and a stride of s. The guarantee is about the image that the network sees, after cropping and
resizing, unless --patch-space photo is given.
"""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command with its options."""
    certify = commands.add_parser(
        "certify",
        help="certify a photo, or local logits of your own network",
        description="Predict with and without a defence, and prove where no patch can change the defended prediction.",
        epilog=_EPILOG.format(models=values.models()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    certify.add_argument("photo", nargs="?", type=Path, help=values.PHOTO)
    photo.add_options(certify)
    certify.add_argument(
        "--local-logits",
        type=Path,
        metavar="FILE.npz",
        help="instead of a photo: maps of your own network, arrays under any names; a file of "
        "pg_core.save_local_logits states its layout, wrapping, evidence and delta itself",
    )
    certify.add_argument(
        "--window-size",
        type=values.size,
        metavar="HxW",
        help="window that a patch can corrupt in --local-logits, in features",
    )
    values.add_map_options(certify)
    certify.add_argument(
        "--json",
        action="store_true",
        help="print one JSON object; --local-logits always does, for each array",
    )

    def run(options: argparse.Namespace) -> Iterator[str]:
        if (options.photo is None) == (options.local_logits is None):
            certify.error("expected either a photo or --local-logits FILE.npz")
        if options.local_logits is None:
            for name in ("window_size", "layout", "wrapping", "labels", "delta"):
                if getattr(options, name) is not None:
                    certify.error(f"--{name.replace('_', '-')} goes with --local-logits, not with a photo")
            photo.check(certify, options)
            return _certify_photo(options)
        if options.window_size is None:
            certify.error("--local-logits needs --window-size HxW, in features")
        for name in ("model", "weights", "network", "device", "patch_size", "patch_space"):
            if getattr(options, name) is not None:
                certify.error(f"--{name.replace('_', '-')} goes with a photo, not with --local-logits")
        if options.view is not None:
            certify.error("--crop and --pad go with a photo, not with --local-logits")
        if options.label is not None and options.labels is not None:
            certify.error("expected --label or --labels, not both")
        return _certify_local_logits(options)

    certify.set_defaults(run=run)


def _certify_photo(options: argparse.Namespace) -> Iterator[str]:
    found = photo.examined(options)
    if not options.json:
        yield str(found.analysis)
        return
    name, weights = options.photo.name, found.network.weights_sha256
    yield as_json(identified(found.analysis, name, found.photo_sha256, weights))


def _certify_local_logits(options: argparse.Namespace) -> Iterator[str]:
    maps = read_local_logits(options.local_logits, values.stated(options))
    for name, own in maps.items():
        _check_window(options.window_size, own, name)
    labels: dict[str, int] = {}
    if options.labels is not None:
        labels = read_labels(options.labels, maps)
    elif options.label is not None:
        labels = {name: class_index(options.label, own, name) for name, own in maps.items()}
    for own, local_logits in with_values(maps.values()):
        yield as_json(_certified(options, own, local_logits, labels.get(own.name)))


def _certified(
    options: argparse.Namespace, own: LocalLogitMap, local_logits: LocalLogits, label: int | None
) -> dict[str, object]:
    defence = _defence(options, own)
    prediction = defence.predict(local_logits)
    certificate = defence.certify(local_logits, label, own.delta)
    if not isinstance(certificate.positions, Windows):
        raise ValueError(
            f"expected a defence of windows of features for --local-logits, got {options.defence}"
        )
    return {
        "schema": SCHEMA,
        "name": own.name,
        **({} if own.model is None else {"model": own.model}),
        "layout": own.layout,
        "shape": dict(zip(("classes", "rows", "columns"), own.shape, strict=True)),
        "wrapping": own.wrapping,
        "undefended_prediction": own.class_name(undefended_prediction(local_logits)),
        "prediction": AN_ALERT if prediction.label == ALERT else own.class_name(int(prediction.label)),
        "label": own.class_name(int(certificate.label)),
        "delta": own.delta,
        "delta_is": own.delta_is,
        **summarise(defence, certificate, own.classes),
    }


def _defence(options: argparse.Namespace, own: LocalLogitMap) -> Defence:
    """The defence of maps whose network is not known: as of one whose cells see a pixel each."""
    _, rows, columns = own.shape
    field = (
        ReceptiveField((rows, 1), (rows, 1), wrapping=True)
        if own.wrapping
        else ReceptiveField((1, 1), (1, 1))
    )
    spec = defence_spec(options.defence or ("mask-ds" if own.wrapping else "masking"))
    if spec.input is not DefenceInput.LOCAL_LOGITS or spec.name == "smoothing":
        raise ValueError(f"{spec.name} needs a photo and its network, not local logits")
    patch = (rows, options.window_size[1]) if own.wrapping else options.window_size
    settings = spec.checked(values.settings(options))
    return spec.build(DefenceConfig(field, (rows, columns), own.evidence, patch, settings))


def _check_window(window_size: Size, own: LocalLogitMap, name: str) -> None:
    """Raise ValueError for a window that does not fit into a map, as it comes of a wrong layout."""
    _, rows, columns = own.shape
    height, width = window_size
    if height > rows or width > columns:
        raise ValueError(
            f"expected --window-size of at most {rows}x{columns}, the map '{name}' as {own.layout}, got "
            f"{height}x{width}"
        )
