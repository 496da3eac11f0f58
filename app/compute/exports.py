"""An analysis in files: its windows as tables, and a figure for a paper."""

import csv
import io
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from pg_core.analysis import Analysis
from pg_core.figure import Format, drawn
from pg_core.latex import tabular

_COLUMNS = ("row", "column", "outside", "other", "lower", "upper", "margin", "rival")


def windows_csv(analysis: Analysis) -> str:
    """A line for each malicious window, with the names of the glossary."""
    lines = io.StringIO()
    table = csv.writer(lines, lineterminator="\n")
    table.writerow(_COLUMNS)
    table.writerows(_windows(analysis))
    return lines.getvalue()


def windows_latex(analysis: Analysis) -> str:
    """The same for LaTeX."""
    return tabular("rrrrrrrl", _COLUMNS, _windows(analysis))


def figure(analysis: Analysis, form: Format) -> Callable[[], bytes]:
    """What draws the figure when it is asked for: it takes about a second."""
    return partial(drawn, analysis, form)


def _windows(analysis: Analysis) -> Iterator[tuple[int, int, float, float, float, float, float, str]]:
    certificate = analysis.certificate
    for at in np.ndindex(certificate.windows.shape):
        numbers = (certificate.outside, certificate.other, certificate.lower, certificate.upper)
        outside, other, lower, upper = (float(number[at]) for number in numbers)
        margin, rival = float(certificate.margin[at]), analysis.classes[certificate.rival[at]]
        yield *at, outside, other, lower, upper, margin, rival
