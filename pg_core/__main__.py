"""The command line: python -m pg_core certify photo.jpg --patch-size 2%.

Exit codes: 0 done, 1 bad input with one clear line, 2 usage.
"""

import argparse
import sys
from collections.abc import Sequence

from pg_core.commands import certify, evaluate, figure, train


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m pg_core", description="Provable robustness against adversarial patches (PatchGuard)."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (certify, figure, evaluate, train):
        command.add(commands)
    options = parser.parse_args(arguments)
    try:
        for line in options.run(options):
            print(line, flush=True)
    except (ValueError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
