"""The files of an analysis hold what its certificate holds."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from app.views.explore.exports import figure, windows_csv, windows_latex
from pg_core import Bound, Patch, RobustMasking, analyse, examine, extract, update
from pg_core.analysis.photo import answer
from pg_core.photos import patches as attacks
from pg_core.plots.figure import Format, Patched, drawn
from tests.colours import Colours
from tests.pg_core.analysis.test_analysis import photo

RESULT = analyse(photo(half=(10, 250, 20)), Colours(), RobustMasking((5, 5)))


def test_the_tables_have_a_line_for_every_window_with_its_margin_and_rival():
    certificate = RESULT.certificate
    lines = list(csv.DictReader(io.StringIO(windows_csv(RESULT))))
    rows = [line for line in windows_latex(RESULT).splitlines() if line.endswith(r"\\")][1:]
    assert len(lines) == len(rows) == certificate.windows.count
    for line, row, at in zip(lines, rows, np.ndindex(certificate.windows.shape), strict=True):
        assert (int(line["row"]), int(line["column"])) == at
        for name in ("outside", "other", "lower", "upper", "margin", "tolerance"):
            assert float(line[name]) == getattr(certificate, name)[at]
        assert line["rival"] == RESULT.classes[certificate.rival[at]]
        cells = row.removesuffix(r" \\").replace("$-$", "-").split(" & ")
        assert cells[:2] == [str(number) for number in at]
        assert cells[6] == f"{certificate.margin[at]:.4f}".replace("-0.0000", "0.0000")
        assert cells[7] == f"{certificate.tolerance[at]:.1e}"
        assert cells[8:] == [line["verdict"], line["rival"]]


@pytest.mark.parametrize(
    ("tolerance", "verdict"),
    [(0.5, "certified"), (1.0, "undecided"), (1.5, "undecided"), (-1.0, "not certified")],
)
def test_the_tables_tell_what_is_undecided_from_what_is_certified(tolerance, verdict):
    bounds = RESULT.certificate
    margin = -1.0 if tolerance < 0 else 1.0
    certificate = replace(
        bounds, lower=bounds.upper + margin, tolerance=np.full(bounds.upper.shape, abs(tolerance))
    )
    told = replace(RESULT, certificate=certificate)
    assert {line["verdict"] for line in csv.DictReader(io.StringIO(windows_csv(told)))} == {verdict}
    assert f" & {verdict} & " in windows_latex(told)


def test_what_the_published_bound_accepts_is_not_called_certified():
    defence = RobustMasking((5, 5), 0.4, bound=Bound.PUBLISHED)
    told = examine(extract(photo(), Colours()), defence)
    verdicts = {line["verdict"] for line in csv.DictReader(io.StringIO(windows_csv(told)))}
    assert verdicts == {"unproved"}


def test_a_figure_is_drawn_when_it_is_asked_for_with_the_window_and_the_patch_of_the_page():
    window, patch = RESULT.certificate.windows.window(0, 1), Patch(0, 0, 8, 8)
    clean = figure(RESULT, Format.PNG, window, RESULT, None)()
    assert clean == drawn(RESULT, Format.PNG, window)
    pixels = attacks.solid(patch.size, (0, 0, 255))
    shown = answer(update(RESULT.features, Colours(), patch, pixels), RESULT.defence)
    patched = figure(RESULT, Format.PNG, window, shown, patch)()
    assert patched == drawn(RESULT, Format.PNG, window, Patched(patch, shown)) != clean
