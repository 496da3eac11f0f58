"""An analysis in files: its windows as tables, and a figure for a paper."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from pg_core.analysis.photo import Analysis, Answer
from pg_core.defences.patchguard.certificate import MaskingCertificate
from pg_core.geometry import Box, Patch
from pg_core.io.latex import tabular
from pg_core.io.spreadsheet import comma_separated
from pg_core.plots.figure import Format, Patched, drawn

_OF_ROBUST_MASKING = ("outside", "other")
_BOUNDS = ("lower", "upper", "margin", "tolerance")


def windows_csv(analysis: Analysis) -> str:
    """A line for each malicious window or placement, with the names of the glossary."""
    return comma_separated(_columns(analysis), _positions(analysis))


def windows_latex(analysis: Analysis) -> str:
    """The same for LaTeX."""
    columns = _columns(analysis)
    tolerance = columns.index("tolerance")
    rows = _positions(analysis)
    # Four digits after the point would leave nothing of a tolerance.
    written = ([f"{cell:.1e}" if n == tolerance else cell for n, cell in enumerate(row)] for row in rows)
    return tabular("r" * (len(columns) - 2) + "ll", columns, written)


def figure(
    analysis: Analysis, form: Format, at: Box, shown: Answer, patch: Patch | None
) -> Callable[[], bytes]:
    """What draws the figure when it is asked for: it takes about a second. `shown` is the photo with the patch, where
    there is one."""
    return partial(drawn, analysis, form, at, None if patch is None else Patched(patch, shown))


def _columns(analysis: Analysis) -> tuple[str, ...]:
    terms = _OF_ROBUST_MASKING if isinstance(analysis.certificate, MaskingCertificate) else ()
    return ("row", "column", *terms, *_BOUNDS, "verdict", "rival")


def _positions(analysis: Analysis) -> Iterator[tuple[str | int | float, ...]]:
    """What is known of each position. The margin of an undecided one is positive, and no larger than the tolerance."""
    certificate = analysis.certificate
    names = _columns(analysis)[2:-2]
    values = [np.broadcast_to(getattr(certificate, name), certificate.margin.shape) for name in names]
    for at in np.ndindex(certificate.positions.shape):
        numbers = (float(number[at]) for number in values)
        yield *at, *numbers, str(certificate.verdicts[at]), analysis.classes[certificate.rival[at]]
