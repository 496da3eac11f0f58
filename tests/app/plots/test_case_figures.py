"""Figure 5 in Plotly: the regions are where the windows are, and the words say what the numbers say."""

import numpy as np
import pytest
from PIL import Image

from app.plots.cases import board, case_on_photo, formula, in_words, inequality
from app.plots.photo import outline
from app.views.figure5.results import example
from pg_core import RobustMasking, analyse
from pg_core.defences.patchguard.boards import COUNTEREXAMPLE, EXAMPLES
from pg_core.defences.patchguard.cases import Case, Region, regions
from pg_core.geometry import Window
from tests.colours import Colours


def traces(figure, name):
    return [trace for trace in figure.data if trace.name == name]


def squares(trace):
    """The middles of the cells that a hatched trace covers, (row, column)."""
    points = list(zip(trace.y, trace.x, strict=True))
    middles = set()
    for start in range(0, len(points), 6):
        corners = points[start : start + 4]
        middles.add((sum(y for y, _ in corners) / 4, sum(x for _, x in corners) / 4))
    return middles


@pytest.mark.parametrize("case", list(Case))
def test_the_hatched_cells_are_the_regions_and_each_has_its_own_pattern(case):
    shown = EXAMPLES[case]
    figure, detected = board(shown), shown.masking.window(0)
    inside = {(r, c) for r in range(3, 6) for c in range(2, 5)}
    masked = set()
    if detected:
        masked = {
            (r, c) for r in range(detected.top, detected.bottom) for c in range(detected.left, detected.right)
        }
    expected = {"r1": masked - inside, "r2": masked & inside, "r3": inside - masked}
    for region, cells in expected.items():
        (trace,) = traces(figure, region)
        assert squares(trace) == cells
    assert len({traces(figure, region)[0].fillpattern.shape for region in Region}) == 3
    names = [shape.name for shape in figure.layout.shapes]
    assert names == (["detected", "malicious"] if detected else ["malicious"])


@pytest.mark.parametrize("case", EXAMPLES)
def test_a_board_names_each_of_its_regions_once_inside_it_and_on_no_value(case):
    shown = EXAMPLES[case]
    parts = regions(shown.windows.map_size, shown.masking.window(0), shown.window)
    names = {name.text: name for name in board(shown).layout.annotations}
    assert names.keys() == {f"<b>{part}</b>" for part in parts.flat if part}
    for text, name in names.items():
        assert f"<b>{parts[round(name.y - 0.1), round(name.x - 0.1)]}</b>" == text
        assert max(abs(name.y - round(name.y)), abs(name.x - round(name.x))) > 0.3


def test_every_cell_shows_its_evidence():
    shown = EXAMPLES[Case.PARTIAL]
    benign, malicious = board(shown).data[:2]
    values = np.where(np.isnan(benign.z), malicious.z, benign.z)
    np.testing.assert_array_equal(values, shown.attacked[0])
    assert malicious.text[3][2] == "5"
    assert benign.text[3][1] == "0"
    assert benign.text[0][2] == "2"


def test_four_boards_side_by_side_have_one_scale_of_colours():
    scales = {trace.zmax for case in Case for trace in example(case).data[:2]}
    assert scales == {max(shown.attacked.max() for shown in EXAMPLES.values())}


@pytest.mark.parametrize("case", list(Case))
def test_a_formula_says_what_the_inequality_says(case):
    shown = EXAMPLES[case]
    written = formula(shown.evidence, shown.threshold)
    assert written.count("$") == 4
    plain = written.replace("$", "").replace(r"\le", "≤").replace(r"\cdot", "·").replace("_", "")
    assert plain == inequality(shown.evidence, shown.threshold)


def test_the_inequality_is_written_out_in_numbers():
    written = {case: inequality(shown.evidence, shown.threshold) for case, shown in EXAMPLES.items()}
    assert written == {
        Case.EXACT: "e = e' = 18, so s = t = 23",
        Case.BENIGN: "e = 5 ≤ e' = 12, so s = t + e - e' = 23 + 5 - 12 = 16 ≤ t = 23",
        Case.PARTIAL: "q3 = 1 ≤ q1 = 8, so s = t + q3 - q1 = 23 + 1 - 8 = 16 ≤ t = 23",
        Case.NONE: "e = 8 ≤ tT/(1 - T) = 23 · 0.4/0.6 = 15.33, so s = t + e = 23 + 8 = 31 ≤ t/(1 - T) = 38.33",
    }
    assert in_words(COUNTEREXAMPLE).startswith(
        "Case III, partially detected. Malicious window at row 4, column 2;"
    )


def test_on_a_photo_windows_and_regions_lie_where_the_cells_are():
    image = Image.new("RGB", (64, 48), (250, 20, 10))
    result = analyse(image, Colours(), RobustMasking((5, 5)))
    window, field = Window(2, 3, 5, 5), result.features.receptive_field
    figure = case_on_photo(result, result.masking, 0, window)
    np.testing.assert_array_equal(figure.data[0].z, result.masking.evidence[0])
    shapes = {shape.name: shape for shape in figure.layout.shapes}
    assert {key: shapes["malicious"][key] for key in ("x0", "x1", "y0", "y1")} == outline(field, window)
    (missed,) = traces(figure, "r3")
    detected = result.masking.window(0)
    edges = outline(field, window)
    assert min(x for x in missed.x if x is not None) >= edges["x0"]
    assert max(y for y in missed.y if y is not None) == edges["y1"]
    assert len(squares(missed)) == 25 - len(squares(traces(figure, "r2")[0]))
    assert len(squares(traces(figure, "r1")[0])) == 25 - len(squares(traces(figure, "r2")[0]))
    assert detected is not None
    named = {annotation.text for annotation in figure.layout.annotations}
    assert named == {"<b>r1</b>", "<b>r2</b>", "<b>r3</b>"}
