"""A cell of text is never a formula, and what is written is what is read."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pg_core.io.printable import printable
from pg_core.io.spreadsheet import comma_separated, escaped


@pytest.mark.parametrize(
    "text",
    [
        "=cmd|' /C calc'!A0",
        "+1+1",
        "-2+3",
        "@SUM(1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "＝1",
        "-",
        "--1",
        "-1.5x",
        "+",
    ],
)
def test_what_a_spreadsheet_would_run_stands_behind_an_apostrophe(text):
    assert escaped(text) == f"'{printable(text)}"


@pytest.mark.parametrize("cell", [-1.5, -3, 0, None, "-1.5", "+2", "-1e-9", "cat", "a=b", "", "'=1", " - "])
def test_a_number_or_a_plain_text_stays_what_it_is(cell):
    assert escaped(cell) == cell


@given(st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=2, max_size=2)))
def test_a_table_is_read_again_as_it_was_written(rows):
    read = list(csv.reader(io.StringIO(comma_separated(["a", "b"], rows), newline="")))
    assert read == [["a", "b"], *([escaped(cell) for cell in row] for row in rows)]
    assert not [
        cell for row in read for cell in row if cell.startswith(("=", "@")) or cell != printable(cell)
    ]


@given(st.text("a;=,\t\"'+1"), st.floats(-9, 9))
def test_a_text_is_one_cell_where_a_semicolon_separates_too(text, number):
    (line,) = csv.reader(io.StringIO(comma_separated(["a"], [[text]])[4:], newline=""), delimiter=";")
    assert line == [escaped(text)]
    assert comma_separated(["a"], [[number]]) == f'"a"\n{number}\n'
