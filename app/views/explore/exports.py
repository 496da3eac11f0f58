"""An analysis in files: its windows as tables, and a figure for a paper."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from pg_core.analysis.photo import Analysis, Answer
from pg_core.geometry import Patch, Window
from pg_core.io.latex import tabular
from pg_core.io.spreadsheet import comma_separated
from pg_core.plots.figure import Format, Patched, drawn

_COLUMNS = ("row", "column", "outside", "other", "lower", "upper", "margin", "tolerance", "verdict", "rival")
_TOLERANCE = _COLUMNS.index("tolerance")


def windows_csv(analysis: Analysis) -> str:
    """A line for each malicious window, with the names of the glossary."""
    return comma_separated(_COLUMNS, _windows(analysis))


def windows_latex(analysis: Analysis) -> str:
    """The same for LaTeX."""
    rows = _windows(analysis)
    # Four digits after the point would leave nothing of a tolerance.
    written = ([f"{cell:.1e}" if n == _TOLERANCE else cell for n, cell in enumerate(row)] for row in rows)
    return tabular("rrrrrrrrll", _COLUMNS, written)


def figure(
    analysis: Analysis, form: Format, window: Window, shown: Answer, patch: Patch | None
) -> Callable[[], bytes]:
    """What draws the figure when it is asked for: it takes about a second. `shown` is the photo with the patch, where
    there is one."""
    return partial(drawn, analysis, form, window, None if patch is None else Patched(patch, shown))


def _windows(analysis: Analysis) -> Iterator[tuple[str | int | float, ...]]:
    """What is known of each window. The margin of an undecided one is positive, and no larger than the tolerance."""
    certificate = analysis.certificate
    for at in np.ndindex(certificate.windows.shape):
        bounds = (certificate.outside, certificate.other, certificate.lower, certificate.upper)
        numbers = (float(number[at]) for number in (*bounds, certificate.margin, certificate.tolerance))
        yield *at, *numbers, str(certificate.verdicts[at]), analysis.classes[certificate.rival[at]]
