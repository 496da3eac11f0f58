"""python -m pg_core prove: the certificates of a photo, or of a folder of photos, as files that others can check
(theory §13)."""

import argparse
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from pg_core.analysis.photo import Analysis
from pg_core.commands import options as values
from pg_core.commands import photo
from pg_core.datasets.folders import LabelledPhoto, labelled_photos
from pg_core.io import files
from pg_core.networks.network import Network
from pg_core.proofs.archive import write_proofs
from pg_core.proofs.statement import Subject, prove, serialised

_EPILOG = """\
models:
{models}

examples:
  python -m pg_core prove photo.jpg --patch-size 2% -o photo.proof.json
  python -m pg_core check photo.proof.json --photo photo.jpg
  python -m pg_core prove imagenette/val --model imagenette --limit 100 -o proofs.zip
  python -m pg_core check proofs.zip

Proofs are written of robust masking (with the sound bound), Mask-DS, double masking on features, CBN, de-randomized
smoothing and PatchGuard++. The file says what was found, certified or not; only one that is certified is a proof. What
is in it, and what it takes on trust, is described in pg_core/proofs/format.md. A copy of pg_core/proofs/checker.py
checks it anywhere, without this program: python -I checker.py photo.proof.json

Of a folder of class folders, the zip has a proof of each photo whose own class is certified, and index.json, which
lists all photos with their verdicts. It is written whole or not at all.
"""
_OF_A_FOLDER = ("limit", "skip_unreadable")


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command with its options: those of `certify` about a photo, and the file."""
    command = commands.add_parser(
        "prove",
        help="write the certificate of a photo as a file that others can check",
        description="Certify a photo, or each photo of a folder, and write evidence, bounds and counterexamples as "
        "statements of exact numbers.",
        epilog=_EPILOG.format(models=values.models()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("photo", type=Path, help=f"{values.PHOTO}, or a folder of class folders of photos")
    photo.add_options(command)
    command.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="FILE",
        help=f"the file to write, such as photo.proof.json, or proofs.zip for a folder; {values.OUTPUT}",
    )
    command.add_argument(
        "--limit",
        type=values.count,
        metavar="N",
        help="of a folder at most N photos, balanced over the classes",
    )
    values.add_skip_unreadable(command)

    def run(options: argparse.Namespace) -> Iterator[str]:
        photo.check(command, options)
        folder = options.photo.is_dir()
        given = [name for name in (("label",) if folder else _OF_A_FOLDER) if getattr(options, name)]
        if given:
            command.error(
                f"--{given[0].replace('_', '-')} goes with {'a photo' if folder else 'a folder'} alone"
            )
        return _prove_folder(options) if folder else _prove(options)

    command.set_defaults(run=run)


def _prove(options: argparse.Namespace) -> Iterator[str]:
    files.prepare(options.output)
    found = photo.examined(options)
    network = found.network
    subject = Subject(options.photo.name, found.photo_sha256, network.weights_sha256, network.device)
    files.write({options.output: serialised(prove(found.analysis, subject))})
    yield f"{options.output}: {found.analysis.sentence()}"


def _prove_folder(options: argparse.Namespace) -> Iterator[str]:
    files.prepare(options.output)
    network = photo.network(options)
    photos = labelled_photos(options.photo, network.classes)[: options.limit]
    skip = options.skip_unreadable
    cure = nullcontext() if skip else values.cure_for_unreadable()
    with cure, values.progress_line() as report:
        counts = write_proofs(
            options.output,
            photos,
            network.classes,
            partial(_analysed, network, options),
            network.weights_sha256,
            network.device,
            report,
            skip,
        )
    verdicts = ", ".join(f"{count:,} {verdict}" for verdict, count in sorted(counts.items()))
    yield f"{options.output}: of {len(photos):,} photos {verdicts}"


def _analysed(network: Network, options: argparse.Namespace, listed: LabelledPhoto, data: bytes) -> Analysis:
    return photo.analysis_of(data, listed.name, network, options, network.classes[listed.label])
