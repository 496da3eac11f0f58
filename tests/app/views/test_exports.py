"""The files of an analysis hold what its certificate holds."""

import csv
import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from app.views.explore.exports import Screen, analysis_json, figure, windows_csv, windows_latex
from pg_core import Bound, Patch, RobustMasking, analyse, examine, extract, update
from pg_core.analysis.effect import BROKEN, PatchEffect
from pg_core.analysis.limits import limits
from pg_core.analysis.photo import answer
from pg_core.photos import patches as attacks
from pg_core.plots.figure import Format, Patched, drawn
from tests.colours import Colours
from tests.pg_core.analysis.test_analysis import photo

RESULT = analyse(photo(half=(10, 250, 20)), Colours(), RobustMasking((5, 5)))
NAMES = {
    "t": "outside",
    "m": "other",
    "lower bound": "lower",
    "upper bound": "upper",
    "margin": "margin",
    "tolerance": "tolerance",
}


def screen(analysis=RESULT, at=(0, 1), effect=None):
    window = analysis.certificate.windows.window(*at)
    return Screen(analysis, window, effect, "a_b.png", "ab" * 32, "cd" * 32)


def fooled():
    """A green patch that turns a photo which is a little more red than green."""
    patch = Patch(16, 20, 8, 8)
    image = photo((10, 250, 20))
    image.paste((250, 20, 10), (0, 0, 33, 48))
    clean = analyse(image, Colours(), RobustMasking((5, 5)))
    pixels = attacks.solid(patch.size, (0, 255, 0))
    effect = PatchEffect(
        clean, answer(update(clean.features, Colours(), patch, pixels), clean.defence), patch
    )
    assert effect.fools_defence
    return effect


def test_the_tables_have_a_line_for_every_window_with_its_margin_and_rival():
    certificate = RESULT.certificate
    lines = list(csv.DictReader(io.StringIO(windows_csv(screen()))))
    rows = [line for line in windows_latex(screen()).splitlines() if re.match(r"\d+ & .*\\\\$", line)]
    assert len(lines) == len(rows) == certificate.windows.count
    for line, row, at in zip(lines, rows, np.ndindex(certificate.windows.shape), strict=True):
        assert (int(line["row"]), int(line["column"])) == at
        for column, name in NAMES.items():
            assert float(line[column]) == getattr(certificate, name)[at]
        assert line["rival"] == RESULT.classes[certificate.rival[at]]
        assert line["chosen"] == ("chosen" if at == (0, 1) else "")
        cells = row.removesuffix(r" \\").replace("$-$", "-").split(" & ")
        assert cells[:2] == [str(number) for number in at]
        assert cells[6] == f"{certificate.margin[at]:.4f}".replace("-0.0000", "0.0000")
        assert cells[7] == f"{certificate.tolerance[at]:.1e}"
        assert cells[8:] == [line["verdict"], line["rival"], line["chosen"], ""]


def test_the_table_for_latex_says_in_its_caption_what_it_is_about():
    text = windows_latex(screen())
    (caption,) = [line for line in text.splitlines() if r"\caption" in line]
    assert r"Photo a\_b.png (SHA-256 abababababab)" in caption
    assert "robust masking of 5x5 windows" in caption
    assert r"\label{tab:windows-abababababab}" in caption
    assert r"\toprule" in text


def test_the_windows_that_pixels_break_are_marked_in_every_file():
    effect = fooled()
    at = tuple(np.argwhere(effect.broken)[0].tolist())
    shown = screen(effect.clean, at, effect)
    lines = list(csv.DictReader(io.StringIO(windows_csv(shown))))
    marked = {(int(line["row"]), int(line["column"])) for line in lines if line["pixels"] == BROKEN}
    assert marked == {tuple(place) for place in np.argwhere(effect.broken).tolist()}
    said = json.loads(analysis_json(shown))
    assert said["chosen"]["status"] == BROKEN
    assert [tuple(place) for place in said["patch"]["broken"]] == sorted(marked)
    assert said["patch"]["prediction"] == "green" != said["prediction"]


def test_the_json_says_where_it_comes_from_what_it_does_not_say_and_all_windows():
    certificate, said = RESULT.certificate, json.loads(analysis_json(screen()))
    assert said["photo"] == {"name": "a_b.png", "sha256": "ab" * 32}
    assert said["weights_sha256"] == "cd" * 32
    assert said["version"]
    assert said["limits"]["not_said"] == limits(RESULT).not_said
    assert said["chosen"]["margin"] == certificate.margin[0, 1]
    assert said["patch"] is None
    np.testing.assert_array_equal(said["positions"]["lower"], certificate.lower)
    np.testing.assert_array_equal(said["positions"]["verdict"], certificate.verdicts)


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
    assert {line["verdict"] for line in csv.DictReader(io.StringIO(windows_csv(screen(told))))} == {verdict}
    assert f" & {verdict} & " in windows_latex(screen(told))


def test_what_the_published_bound_accepts_is_not_called_certified():
    defence = RobustMasking((5, 5), 0.4, bound=Bound.PUBLISHED)
    told = examine(extract(photo(), Colours()), defence)
    verdicts = {line["verdict"] for line in csv.DictReader(io.StringIO(windows_csv(screen(told))))}
    assert verdicts == {"unproved"}


def test_a_figure_is_drawn_when_it_is_asked_for_with_the_window_and_the_patch_of_the_page():
    window, patch = RESULT.certificate.windows.window(0, 1), Patch(0, 0, 8, 8)
    clean = figure(screen(), Format.PNG)
    assert clean == drawn(RESULT, Format.PNG, window)
    pixels = attacks.solid(patch.size, (0, 0, 255))
    shown = answer(update(RESULT.features, Colours(), patch, pixels), RESULT.defence)
    patched = figure(screen(effect=PatchEffect(RESULT, shown, patch)), Format.PNG)
    assert patched == drawn(RESULT, Format.PNG, window, Patched(patch, shown)) != clean
