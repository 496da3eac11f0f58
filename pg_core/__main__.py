"""The command line: python -m pg_core certify photo.jpg --patch-size 2%, or patchguard certify once installed.

Exit codes: 0 done, 1 bad input with one clear line, 2 usage, 130 interrupted.
"""

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from pg_core.io.files import cannot_be_written
from pg_core.io.interrupts import interruptible
from pg_core.io.printable import printable

_INTERRUPTED = 130
_SCRIPT = "patchguard"
"""The name under which pyproject.toml installs `console`."""


class _Parser(argparse.ArgumentParser):
    """Quotes what stands on the command line as a terminal may show it."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


def console() -> NoReturn:
    """What `python -m pg_core` and the script `patchguard` run: `main`, which Ctrl-C ends, and then its exit code."""
    # Threads of OpenMP spin while they wait for each other: where other work has the cores, an attack took ten times
    # as long. It reads this when torch is loaded, which is later.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    with interruptible():
        code = main()
        if code == _INTERRUPTED:
            # All is written. Python's own end would answer a second Ctrl-C with a traceback.
            os._exit(code)
    sys.exit(code)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    command = shlex.join([*_program().split(), *(sys.argv[1:] if arguments is None else arguments)])
    try:
        return _run(_parsed(arguments), command)
    except KeyboardInterrupt as stop:
        kept = f"{stop}: go on by {command}" if str(stop) else "nothing was written"
        _say(f"interrupted; {kept}")
        return _INTERRUPTED


def _program() -> str:
    """What this was started as."""
    return _SCRIPT if Path(sys.argv[0]).stem == _SCRIPT else "python -m pg_core"


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    # Here, where an interrupt is caught: they take long to import.
    from pg_core.commands import attack, certify, check, evaluate, figure, prove, train

    parser = _Parser(
        prog=_program(),
        description="Provable robustness against adversarial patches (PatchGuard).",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (certify, figure, attack, prove, check, evaluate, train):
        command.add(commands)
    return parser.parse_args(arguments)


def _run(options: argparse.Namespace, command: str) -> int:
    """Print what a command says, line by line; the exit code. What an error notes is kept, from which the same command
    goes on."""
    try:
        for line in options.run(options):
            try:
                print("\n".join(map(printable, line.split("\n"))), flush=True)
            except OSError as error:
                _close(sys.stdout.fileno)
                if not isinstance(error, BrokenPipeError):  # as of head, which has seen enough
                    _say(f"error: {cannot_be_written('the standard output', error)}")
                return 1
    except (ValueError, OSError) as error:
        said = str(error)
        if isinstance(error, OSError):
            what = "" if error.filename is None else f"{error.filename}: "
            said = f"{what}{error.strerror or error}"
        kept = [f"{note}: go on by {command}" for note in getattr(error, "__notes__", ())]
        _say(f"error: {' '.join([said if said.endswith('.') or not kept else f'{said}.', *kept])}")
        return 1
    return 0


def _say(sentence: str) -> None:
    """Print one line where errors go, if anybody reads it."""
    try:
        print(printable(" ".join(sentence.split())), file=sys.stderr, flush=True)
    except OSError:
        _close(sys.stderr.fileno)


def _close(number: Callable[[], int]) -> None:
    """Send the rest of a stream that nobody takes nowhere, or Python tries again at its end, and says so."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number())
        os.close(nowhere)


if __name__ == "__main__":
    console()
