"""Values of options on the command line (sizes, shares, numbers in a range), and the models to choose from."""

import argparse
import math
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any, cast

from pg_core.datasets.local_logits import Layout, Stated
from pg_core.defences.registry import DEFENCES
from pg_core.defences.spec import Parameter, Value
from pg_core.evidence.types import EvidenceType
from pg_core.geometry import Size
from pg_core.io.files import FileError
from pg_core.io.printable import printable
from pg_core.io.progress import Progress, Report
from pg_core.networks import MODELS
from pg_core.photos.read import READABLE, SUFFIXES, ImageError

PHOTO = f"a photo: {READABLE} are read ({', '.join(SUFFIXES)})"
SKIP_UNREADABLE = "--skip-unreadable"
OUTPUT = "the last folder of its path is made if it is missing"
"""In the help on each file and folder that a command writes; `pg_core.io.files` holds to it."""
_LOGGED_EVERY = 30.0
"""Seconds."""


def models() -> str:
    """The models by name, for the end of a help text."""
    return "\n".join(f"  {name:<18}{model.title}" for name, model in MODELS.items())


def add_skip_unreadable(command: argparse.ArgumentParser) -> None:
    """Add the option that passes over photos which cannot be read."""
    command.add_argument(
        SKIP_UNREADABLE,
        action="store_true",
        help="pass over photos that cannot be read, and count and name them; default: the first one ends the run",
    )


@contextmanager
def cure_for_unreadable() -> Iterator[None]:
    """Add to the error of an unreadable photo which option passes it over."""
    try:
        yield
    except ImageError as error:
        cured = ImageError(f"{error} With {SKIP_UNREADABLE} such photos are passed over, and counted.")
        for note in getattr(error, "__notes__", ()):  # what is kept
            cured.add_note(note)
        raise cured from error


@contextmanager
def cure_for_unwritable() -> Iterator[None]:
    """Add to the error of a file that a long run could not write how the run goes on."""
    try:
        yield
    except FileError as error:
        raise FileError(f"{error}; then the same command goes on from what is kept") from error


def add_map_options(command: argparse._ActionsContainer) -> None:
    """Add the options that state what a file of local logits does not say itself."""
    command.add_argument(
        "--layout",
        choices=list(Layout),
        type=Layout,
        metavar="AXES",
        help="classes,rows,columns or rows,columns,classes: the axes of each array; needed unless the file names them",
    )
    command.add_argument(
        "--wrapping",
        action=argparse.BooleanOptionalAction,
        help="whether windows wrap around from the last column to the first, as column bands do; needed for maps of "
        "one row or column unless the file says it; default for others: no",
    )
    command.add_argument(
        "--labels",
        type=Path,
        metavar="FILE.json",
        help="a JSON object, from the name of each array to its class (index, or name where the file names classes)",
    )
    command.add_argument(
        "--delta",
        type=non_negative,
        metavar="D",
        help="largest error of a local logit, for which certificates then allow; default: what the file says, else 0, "
        "exact",
    )


def stated(options: argparse.Namespace) -> Stated:
    """What the options state of maps of local logits, their evidence included."""
    evidence = None if options.evidence is None else EvidenceType.named(options.evidence)
    return Stated(options.layout, options.wrapping, evidence, options.delta)


def size(text: str) -> Size:
    """Height and width, at least 1x1."""
    try:
        height, width = map(int, text.lower().split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected HxW, such as 6x6, got {text!r}") from None
    if min(height, width) < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1x1, got {text!r}")
    return height, width


def position(text: str) -> tuple[int, int]:
    """Row and column, from 0 on."""
    try:
        row, column = map(int, text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected ROW,COLUMN, such as 3,2, got {text!r}") from None
    if min(row, column) < 0:
        raise argparse.ArgumentTypeError(f"expected a row and a column of at least 0, got {text!r}")
    return row, column


def patch_size(text: str) -> Size | float:
    """A size in pixels, such as 32 or 24x48, or a share of the image in (0, 1] given in per cent."""
    if text.endswith("%"):
        share = positive(text[:-1]) / 100
        if share > 1:
            raise argparse.ArgumentTypeError(f"expected at most 100 %, got {text!r}")
        return share
    return size(text if "x" in text.lower() else f"{text}x{text}")


def positive(text: str) -> float:
    """A number above 0, infinity included."""
    value = _number(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return value


def non_negative(text: str) -> float:
    """A finite number of at least 0."""
    value = _number(text)
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a finite number of at least 0, got {text!r}")
    return value


def threshold(text: str) -> float:
    """T in [0, 1)."""
    value = _number(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"expected 0 <= T < 1, got {text!r}")
    return value


def count(text: str) -> int:
    """A whole number of at least 1."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return value


@contextmanager
def progress_line() -> Iterator[Report]:
    """The progress as a bar on the terminal; in a log as a new line every half minute."""
    with _bar() if sys.stderr.isatty() else nullcontext(_log()) as report:
        yield report


@contextmanager
def _bar() -> Iterator[Report]:
    """One line of the terminal, cut where that ends."""
    from tqdm import tqdm  # takes 30 ms, of which no other command has use

    bar = None

    def show(progress: Progress) -> None:
        nonlocal bar
        if bar is None:
            # The time left is ours: it knows of work within a step, and the page shows the same.
            bar = tqdm(file=sys.stderr, dynamic_ncols=True, bar_format="{percentage:3.0f}%|{bar:10}| {desc}")
        bar.n, bar.total = progress.done, progress.total
        bar.set_description_str(printable(str(progress)))

    try:
        yield show
    finally:
        if bar is not None:
            bar.close()


def _log() -> Report:
    """Lines of their own: a bar in a file is one line that has no end."""
    last = time.monotonic()

    def show(progress: Progress) -> None:
        nonlocal last
        if time.monotonic() - last >= _LOGGED_EVERY:
            print(printable(str(progress)), file=sys.stderr, flush=True)
            last = time.monotonic()

    return show


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number, got {text!r}") from None


def add_settings(command: argparse.ArgumentParser, without: Collection[str] = ()) -> None:
    """Add an option for each parameter of the defences but those of these names; an option that is not given leaves
    the default."""
    for parameter in _parameters():
        if parameter.name in without:
            continue
        default = str(parameter.default)
        if parameter.default is None:
            default = "none" if parameter.choices is None else "the network's own"
        command.add_argument(
            f"--{parameter.name.replace('_', '-')}",
            type=partial(_setting, parameter),
            metavar="VALUE" if parameter.choices is None else "|".join(parameter.choices),
            help=f"{parameter.title}: {parameter.help} Of {_with(parameter)}; default: {default}".replace(
                "%", "%%"
            ),
        )


def settings(options: argparse.Namespace) -> dict[str, Value]:
    """The settings that were given, by the names of parameters."""
    given = {parameter.name: getattr(options, parameter.name) for parameter in _parameters()}
    return {name: value for name, value in given.items() if value is not None and not isinstance(value, list)}


def _parameters() -> tuple[Parameter[Any], ...]:
    """Those of all defences, each once."""
    every = {parameter.name: parameter for spec in DEFENCES.values() for parameter in spec.parameters}
    return tuple(every.values())


def _with(parameter: Parameter[Any]) -> str:
    return ", ".join(name for name, spec in DEFENCES.items() if parameter in spec.parameters)


def _setting(parameter: Parameter[Any], text: str) -> Value:
    """What stands for a parameter on the command line."""
    value: Value = text
    if parameter.choices is None:
        with suppress(ValueError):  # a word is refused below
            value = int(text) if isinstance(parameter.default, int) else float(text)
    if value == math.inf and parameter.default is None:
        return None
    try:
        return cast(Value, parameter.checked(value))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
