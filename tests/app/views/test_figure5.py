"""The page of Figure 5 without a browser: buttons lead to the cases, and the photo's table is the library's."""

import pytest
from streamlit.testing.v1 import AppTest

from app.state import board as choices_of_board
from pg_core import analyse, load_model, sample_path
from pg_core.defences.patchguard.boards import COUNTEREXAMPLE, EXAMPLES
from pg_core.defences.patchguard.cases import Case, cases
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.defences.patchguard.witness import window_status
from tests.app.test_page import PATIENCE, field

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of streamlit's own dependencies


def _board_page():
    from app.views.figure5 import page as figure5

    figure5.show(None)


@pytest.fixture
def board_page():
    return AppTest.from_function(_board_page, default_timeout=PATIENCE).run()


def text(app):
    return " ".join(box.value for box in [*app.markdown, *app.error])


@pytest.mark.parametrize("case", list(Case))
def test_a_button_leads_to_each_case(board_page, case):
    board_page.button(key=f"case-{case}").click().run()
    assert not board_page.exception
    assert f"#### Case {case}" in text(board_page)
    assert f"**Case {case}** · on your board" in text(board_page)


def test_the_counterexample_shows_the_published_bound_broken_and_the_corrected_one_kept(board_page):
    assert "The published bound is broken" not in text(board_page)
    board_page.button(key="counterexample").click().run()
    (error,) = [box.value for box in board_page.error]
    assert "it promises 37, Algorithm 1 leaves s = 23" in error
    assert "takes q1 = 14" in error
    assert "The corrected bound, 23, holds" in error
    assert "can hide e = 12 in w below T and keep s = 30 > 23: it wins" in text(board_page)


def test_undo_goes_back_step_by_step_and_reset_to_the_start(board_page):
    board_page.button(key="case-I").click().run()
    board_page.slider(key="board-threshold").set_value(0.8).run()
    assert "#### Case IV" in text(board_page)
    next(button for button in board_page.button if button.label == "Undo").click().run()
    assert board_page.slider(key="board-threshold").value == 0.4
    assert "#### Case I:" in text(board_page)
    next(button for button in board_page.button if button.label == "Reset").click().run()
    assert "#### Case III" in text(board_page)


def test_another_size_of_map_and_window_is_worked_out_at_once(board_page):
    board_page.number_input(key="board-rows").set_value(8).run()
    board_page.number_input(key="board-width").set_value(2).run()
    assert not board_page.exception
    assert choices_of_board.Board(*board_page.session_state["board-now"]).windows.map_size == (8, 6)
    board_page.number_input(key="board-height").set_value(10).run()
    assert not board_page.exception
    assert board_page.number_input(key="board-height").value == 8


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (
            {"kind": "paint", "cells": [[3, 2], [0, 0]], "value": 0.0},
            EXAMPLES[Case.PARTIAL].painted([(3, 2), (0, 0)], 0.0),
        ),
        ({"kind": "move", "row": 0, "column": 0}, EXAMPLES[Case.PARTIAL].moved(0, 0)),
        ({"kind": "undo"}, EXAMPLES[Case.PARTIAL]),
        ({"kind": "paint", "cells": [[0, 99]], "value": 5}, EXAMPLES[Case.PARTIAL]),
        ({"kind": "paint", "cells": [[0, 0]], "value": -5}, EXAMPLES[Case.PARTIAL]),
        ({"kind": "unheard"}, EXAMPLES[Case.PARTIAL]),
        (None, EXAMPLES[Case.PARTIAL]),
    ],
)
def test_an_edit_on_the_canvas_does_what_it_says_or_nothing(monkeypatch, edit, expected):
    class Canvas:
        pass

    canvas = Canvas()
    canvas.edit = edit
    state = {choices_of_board.CANVAS: canvas}
    monkeypatch.setattr(choices_of_board.st, "session_state", state)
    choices_of_board.edited()
    assert choices_of_board.board() == expected


def test_the_board_survives_the_plain_values_it_is_kept_as(monkeypatch):
    state = {}
    monkeypatch.setattr(choices_of_board.st, "session_state", state)
    choices_of_board._become(COUNTEREXAMPLE)
    assert choices_of_board.board() == COUNTEREXAMPLE
    assert all(not hasattr(part, "window") for part in state["board-now"])


def _photo_page():
    from app import sidebar
    from app.views.figure5 import page as figure5

    figure5.show(sidebar.sidebar())


def test_the_table_of_the_photo_is_the_case_of_every_class():
    app = AppTest.from_function(_photo_page, default_timeout=PATIENCE)
    app.session_state["patched"] = False
    app.run()
    app.selectbox(key="network").select("tiles-coarse").run()
    app.selectbox(key="sample").select("coffee").run()
    model = load_model("tiles-coarse", "cpu")
    defence = RobustMasking(model.receptive_field.window_size((64, 64)), evidence=model.evidence)
    told = analyse(sample_path("coffee"), model, defence)
    table = app.dataframe[0].value.set_index("class")
    window = told.certificate.worst
    _, witness = window_status(defence, told.masking, told.certificate, window)
    known = cases(defence, told.masking.evidence, witness.masking, window)
    assert list(table["s"]) == sorted(table["s"], reverse=True)
    for name, evidence in zip(told.classes, known, strict=True):
        assert table.loc[name, "case"] == evidence.case
        assert table.loc[name, "s"] == evidence.remaining
        assert table.loc[name, "e'"] == evidence.detected
    winner = told.classes[witness.prediction]
    assert any(f"Algorithm 1 predicts '{winner}' instead of 'espresso'" in box.value for box in app.caption)
    assert f"### 'espresso' is in case {known[told.classes.index('espresso')].case}" in text(app)
    app.segmented_control[0].set_value("the photo as it is").run()
    assert any("in w, Algorithm 1 predicts 'espresso'." in box.value for box in app.caption)
    app.session_state["patched"] = True
    app.run()
    field(app, "window_row").set_value(3 - window.top).run()
    assert not app.exception
    assert any("this is the one that contains it" in box.value for box in app.info)


def test_a_link_names_the_class_whose_case_is_drawn_and_goes_on_doing_so():
    app = AppTest.from_function(_photo_page, default_timeout=PATIENCE)
    app.session_state["pages-linked"] = {"drawn": "7"}
    app.run()
    drawn = load_model("tiles", "cpu").classes[7]
    assert f"### '{drawn}' is in case" in text(app)
    app.segmented_control[0].set_value("the photo as it is").run()
    assert f"### '{drawn}' is in case" in text(app)
    assert app.session_state["pages-said"]["drawn"] == "7"
    app.session_state["pages-linked"] = {"drawn": "5000"}
    app.run()
    assert any("drawn=5000" in box.value for box in app.warning)
