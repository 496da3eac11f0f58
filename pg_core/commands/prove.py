"""python -m pg_core prove: the certificate of a photo as a file that others can check (theory §13)."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from pg_core.commands import options as values
from pg_core.commands import photo
from pg_core.io import files
from pg_core.proofs.statement import Subject, prove, serialised

_EPILOG = """\
models:
{models}

examples:
  python -m pg_core prove photo.jpg --patch-size 2% -o photo.proof.json
  python -m pg_core check photo.proof.json --photo photo.jpg

Proofs are written of robust masking (with the sound bound), Mask-DS, double masking on features and CBN. The file says
what was found, certified or not; only one that is certified is a proof. What is in it, and what it takes on trust, is
described in pg_core/proofs/format.md. A copy of pg_core/proofs/checker.py checks it anywhere, without this program:
python -I checker.py photo.proof.json
"""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command with its options: those of `certify` about a photo, and the file."""
    command = commands.add_parser(
        "prove",
        help="write the certificate of a photo as a file that others can check",
        description="Certify a photo, and write evidence, bounds and counterexamples as a statement of exact numbers.",
        epilog=_EPILOG.format(models=values.models()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("photo", type=Path, help=values.PHOTO)
    photo.add_options(command)
    command.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="FILE.proof.json",
        help=f"the file to write; {values.OUTPUT}",
    )

    def run(options: argparse.Namespace) -> Iterator[str]:
        photo.check(command, options)
        return _prove(options)

    command.set_defaults(run=run)


def _prove(options: argparse.Namespace) -> Iterator[str]:
    files.prepare(options.output)
    found = photo.examined(options)
    network = found.network
    subject = Subject(options.photo.name, found.photo_sha256, network.weights_sha256, network.device)
    files.write({options.output: serialised(prove(found.analysis, subject))})
    yield f"{options.output}: {found.analysis.sentence()}"
