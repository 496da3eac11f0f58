"""python -m pg_core check: a certificate file, or a zip of them, by exact arithmetic; with its photo by the network
again."""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from pg_core.commands import options as values
from pg_core.commands import photo
from pg_core.io.files import UnreadableError, regular
from pg_core.io.parameters import shown
from pg_core.io.printable import printable
from pg_core.networks import MODELS
from pg_core.photos.read import MAX_BYTES
from pg_core.proofs import checker
from pg_core.proofs.archive import check_proofs, is_archive

_EPILOG = """\
examples:
  python -m pg_core check photo.proof.json
  python -m pg_core check photo.proof.json --photo photo.jpg
  python -m pg_core check proofs.zip

The arithmetic is that of pg_core/proofs/checker.py, which also runs alone, without this program. With --photo the
network runs on the photo again, and its evidence is compared with that of the file. Of a zip every certificate is
checked, and must be about the photo that the index names.
"""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command with its options."""
    check = commands.add_parser(
        "check",
        help="check certificate files that prove wrote",
        description="Compute every bound of a certificate file again, exactly, and say what is taken on trust.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    check.add_argument("proof", type=Path, metavar="FILE", help="a file or a zip that prove wrote")
    check.add_argument(
        "--photo", type=Path, help=f"{values.PHOTO}; the network runs on it again, to compare its evidence"
    )
    photo.add_network_options(check)

    def run(options: argparse.Namespace) -> Iterator[str]:
        photo.check(check, options)
        if options.photo is None and (options.model or options.weights or options.network or options.device):
            check.error("a network is run with --photo FILE only")
        return _check_all(options) if is_archive(options.proof) else _check(options)

    check.set_defaults(run=run)


def _check(options: argparse.Namespace) -> Iterator[str]:
    photo_file = None if options.photo is None else _read(options.photo, MAX_BYTES)
    try:
        proof = checker.Proof(_read(options.proof, checker.MAX_BYTES))
        proof.require_certified(photo_file)
    except checker.UnreadableError as error:
        raise ValueError(f"{printable(options.proof.name)} cannot be read: {error}") from error
    except checker.RefusedError as error:
        raise ValueError(f"{printable(options.proof.name)} is refused: {error}") from error
    yield f"proved: {proof.words}"
    yield f"level: arithmetic, from the evidence to the verdict, at {proof.windows.count} windows, exactly"
    yield f"on trust: that this network says this of this photo; {', '.join(proof.trusted)}"
    if photo_file is None:
        return
    from pg_core.proofs.inference import compared

    if options.model is None and options.network is None:
        options.model = _network_of(proof)
    if sys.stderr.isatty():
        print(f"running the network on {printable(options.photo.name)} ...", file=sys.stderr)
    yield f"level: inference; {compared(proof.statement, photo_file, photo.network(options))}"


def _check_all(options: argparse.Namespace) -> Iterator[str]:
    if options.photo is not None:
        raise ValueError(
            "--photo goes with the certificate file of one photo, got a zip: unpack the one you mean"
        )
    counts = Counter[str]()
    with values.progress_line() as report:
        for listed in check_proofs(options.proof, report):
            counts["refused" if listed.reason else "proved" if listed.proof else listed.verdict] += 1
            if listed.reason:
                yield f"refused: {listed.proof} of {listed.photo}: {listed.reason}"
    outcomes = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(counts.items()))
    yield f"of {counts.total():,} photos {outcomes}"
    yield "level: arithmetic, from the evidence to the verdict, exactly"
    yield "on trust: the index, where nothing is certified, and in each file the fields that it names under trusted"
    if counts["refused"]:
        raise ValueError(
            f"{printable(options.proof.name)}: {counts['refused']:,} certificate files are refused"
        )


def _network_of(proof: checker.Proof) -> str:
    """The network that a file names, if it is one of the catalogue."""
    name = proof.field("network.name")
    if not isinstance(name, str) or name not in MODELS:
        raise ValueError(
            f"network.name: expected one of {', '.join(MODELS)}, got {shown(name)}: name the card by --network"
        )
    return name


def _read(path: Path, most: int) -> bytes:
    try:
        with regular(path) as file:
            return file.read(most + 1)
    except UnreadableError as error:
        raise ValueError(f"{printable(path.name)}: {error.reason}.") from error
