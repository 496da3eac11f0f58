"""python -m pg_core figure: a photo and what is proved about it, as a figure for a paper or for slides."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from pg_core.commands import options as values
from pg_core.commands import photo
from pg_core.geometry import box_at
from pg_core.io import files
from pg_core.plots import figure as figures

_EPILOG = """\
models:
{models}

examples:
  python -m pg_core figure photo.jpg --patch-size 2% -o figure.pdf
  python -m pg_core figure photo.jpg --model imagenette --threshold 0.2 --bound tight -o figure.svg
  python -m pg_core figure photo.jpg --window 3,2 -o figure.png
"""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command with its options: those of `certify` about a photo, and the file."""
    figure = commands.add_parser(
        "figure",
        help="draw the analysis of a photo as PDF, SVG or PNG",
        description="Certify a photo, and draw it with its evidence, its windows, its margins and the verdict.",
        epilog=_EPILOG.format(models=values.models()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    figure.add_argument("photo", type=Path, help=values.PHOTO)
    photo.add_options(figure)
    figure.add_argument(
        "--window",
        type=values.position,
        metavar="ROW,COLUMN",
        help="the malicious window (or placement of the patch) to draw, counted from 0; default: the worst",
    )
    figure.add_argument(
        "-o",
        "--output",
        type=_file,
        required=True,
        metavar="FILE",
        help=f"the file to write, .pdf, .svg or .png; {values.OUTPUT}",
    )

    def run(options: argparse.Namespace) -> Iterator[str]:
        photo.check(figure, options)
        return _draw(options)

    figure.set_defaults(run=run)


def _draw(options: argparse.Namespace) -> Iterator[str]:
    files.prepare(options.output)
    analysis = photo.analysed(options)
    try:
        at = None if options.window is None else box_at(analysis.certificate.positions, *options.window)
    except IndexError as error:
        raise ValueError(f"--window: {error}") from error
    try:
        content = figures.drawn(analysis, figures.form_of(options.output), at)
    except ImportError as error:
        raise ValueError(str(error)) from error
    files.write({options.output: content})
    seen = analysis.features.framing.sentence()
    yield f"{options.output}: {' '.join(filter(None, [analysis.sentence(), seen]))}"


def _file(text: str) -> Path:
    """A file whose name ends in the format of a figure."""
    path = Path(text)
    try:
        figures.form_of(path)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return path
