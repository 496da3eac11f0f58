"""The files of an analysis hold what its certificate holds."""

import csv
import io

import numpy as np

from app.compute.exports import figure, windows_csv, windows_latex
from pg_core import RobustMasking, analyse
from pg_core.figure import Format
from tests.colours import Colours
from tests.pg_core.test_analysis import photo

RESULT = analyse(photo(half=(10, 250, 20)), Colours(), RobustMasking((5, 5)))


def test_the_tables_have_a_line_for_every_window_with_its_margin_and_rival():
    certificate = RESULT.certificate
    lines = list(csv.DictReader(io.StringIO(windows_csv(RESULT))))
    rows = [line for line in windows_latex(RESULT).splitlines() if line.endswith(r"\\")][1:]
    assert len(lines) == len(rows) == certificate.windows.count
    for line, row, at in zip(lines, rows, np.ndindex(certificate.windows.shape), strict=True):
        assert (int(line["row"]), int(line["column"])) == at
        for name in ("outside", "other", "lower", "upper", "margin"):
            assert float(line[name]) == getattr(certificate, name)[at]
        assert line["rival"] == RESULT.classes[certificate.rival[at]]
        cells = row.removesuffix(r" \\").replace("$-$", "-").split(" & ")
        assert cells[:2] == [str(number) for number in at]
        assert cells[6] == f"{certificate.margin[at]:.4f}".replace("-0.0000", "0.0000")
        assert cells[7] == line["rival"]


def test_a_figure_is_drawn_when_it_is_asked_for():
    assert figure(RESULT, Format.PNG)().startswith(b"\x89PNG")
