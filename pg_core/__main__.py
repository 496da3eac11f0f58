"""The command line: python -m pg_core certify photo.jpg --patch-size 2%.

Exit codes: 0 done, 1 bad input with one clear line, 2 usage.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from pg_core.commands import certify, evaluate, figure, train
from pg_core.printable import printable


class _Parser(argparse.ArgumentParser):
    """Quotes what stands on the command line as a terminal may show it."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    parser = _Parser(
        prog="python -m pg_core", description="Provable robustness against adversarial patches (PatchGuard)."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (certify, figure, evaluate, train):
        command.add(commands)
    options = parser.parse_args(arguments)
    try:
        for line in options.run(options):
            print("\n".join(map(printable, line.split("\n"))), flush=True)
    except (ValueError, OSError) as error:
        print(f"error: {printable(' '.join(str(error).split()))}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
