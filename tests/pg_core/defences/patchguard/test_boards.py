"""The boards show what they say: the four cases, and a false certificate of the published bound."""

import dataclasses

import numpy as np
import pytest

from pg_core.defences.base import Verdict
from pg_core.defences.patchguard.boards import COUNTEREXAMPLE, COUNTEREXAMPLE_RIVAL, EXAMPLES, Board, mirrored
from pg_core.defences.patchguard.cases import Case
from pg_core.defences.patchguard.certificate import Bound
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.geometry import Window, cells
from tests import reference


def test_one_board_and_four_contents_are_the_four_cases():
    assert list(EXAMPLES) == list(Case)
    assert {case: board.evidence.case for case, board in EXAMPLES.items()} == {case: case for case in Case}
    assert len({(board.values, board.corner, board.threshold) for board in EXAMPLES.values()}) == 1
    assert {case: board.evidence.remaining for case, board in EXAMPLES.items()} == {
        Case.EXACT: 23,
        Case.BENIGN: 16,
        Case.PARTIAL: 16,
        Case.NONE: 31,
    }


def test_the_counterexample_leaves_less_than_the_published_bound_allows():
    """Read off the board by the literal algorithms; the corrected bound is attained exactly."""
    board = COUNTEREXAMPLE
    literal, w = reference.windows(6, 6, 2, 2), np.zeros((6, 6))
    w[cells(board.window, w.shape)] = 1
    benign, attacked = board.benign[0], board.attacked[0]
    np.testing.assert_array_equal(benign * (1 - w), attacked * (1 - w))
    published, sound = (
        reference.lower_bound(benign, w, literal, 0.4, bound) for bound in ("published", "sound")
    )
    score = reference.score(attacked, literal, 0.4)
    assert (published, score, sound) == (37, 23, 23)
    assert (board.lower(Bound.PUBLISHED), board.lower(Bound.SOUND)) == (37, 23)
    assert board.evidence.remaining == 23
    assert board.evidence.case is Case.PARTIAL
    assert (board.evidence.spilled, board.evidence.caught) == (14, 2)


def test_the_published_bound_has_a_margin_in_every_window_of_the_counterexample_and_the_rival_wins():
    boards = COUNTEREXAMPLE, COUNTEREXAMPLE_RIVAL
    assert len({(board.corner, board.threshold, board.windows) for board in boards}) == 1
    benign, attacked = (
        np.concatenate(maps) for maps in zip(*((b.benign, b.attacked) for b in boards), strict=True)
    )
    published, sound = (RobustMasking((2, 2), 0.4, bound=bound) for bound in (Bound.PUBLISHED, Bound.SOUND))
    believed = published.certify(benign, 0)
    assert (believed.margin > 0).all()
    assert believed.verdict is Verdict.UNPROVED
    assert published.mask(attacked).label == 1
    assert sound.certify(benign, 0).verdict is Verdict.NOT_CERTIFIED
    literal = reference.windows(6, 6, 2, 2)
    assert reference.algorithm_1(benign, literal, 0.4)[0] == 0
    assert reference.algorithm_1(attacked, literal, 0.4)[:2] == (1, [23, 30])
    assert COUNTEREXAMPLE_RIVAL.evidence.case is Case.NONE
    assert COUNTEREXAMPLE_RIVAL.evidence.bound == pytest.approx(30)


def small():
    return Board(((1.0, 2.0, 3.0), (4.0, 5.0, 6.0), (7.0, 8.0, 9.0)), ((0.0, 1.0),), (1, 1), 0.0)


def test_paint_is_the_adversarys_inside_the_window_and_benign_outside():
    painted = small().painted([(1, 1), (1, 2), (0, 0)], 0.5)
    assert painted.content == ((0.5, 0.5),)
    assert painted.values == ((0.5, 2, 3), (4, 5, 6), (7, 8, 9))
    np.testing.assert_array_equal(painted.attacked[0, 1], [4, 0.5, 0.5])


def test_the_content_moves_with_the_window_and_the_benign_evidence_comes_back():
    moved = small().moved(2, 0)
    assert moved.window == Window(2, 0, 1, 2)
    np.testing.assert_array_equal(moved.attacked[0], [[1, 2, 3], [4, 5, 6], [0, 1, 9]])
    assert moved.moved(1, 1) == small()
    assert small().moved(-3, 99).corner == (0, 1)


def test_a_mirrored_board_has_half_the_evidence_the_other_way_round():
    rival = mirrored(small())
    assert rival.values == ((1.5, 1, 0.5), (3, 2.5, 2), (4.5, 4, 3.5))
    assert (rival.content, rival.corner, rival.threshold) == (((0, 0),), (1, 1), 0)


def test_another_size_keeps_what_fits_and_the_window_inside():
    larger = small().resized((4, 5), (2, 2))
    assert larger.values[0] == (1, 2, 3, 0, 0)
    assert larger.content == ((0, 1), (0, 0))
    assert larger.corner == (1, 1)
    shrunk = larger.resized((2, 2), (3, 1))
    assert shrunk.values == ((1, 2), (4, 5))
    assert shrunk.content == ((0,), (0,))
    assert shrunk.corner == (0, 1)


def test_a_board_is_made_of_plain_values():
    for board in (*EXAMPLES.values(), COUNTEREXAMPLE):
        assert Board(*dataclasses.astuple(board)) == board
        assert hash(board) == hash(Board(*dataclasses.astuple(board)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"values": ((1.0,), (1.0, 2.0))}, "rows of one length"),
        ({"values": ()}, "rows of one length"),
        ({"values": ((1.0, -1.0),)}, "expected evidence from 0"),
        ({"content": ((float("nan"), 0.0),)}, "expected evidence from 0"),
        ({"content": ((0.0,) * 4,)}, "expected a window within"),
        ({"threshold": 1.0}, "expected 0 <= threshold < 1"),
    ],
)
def test_a_board_that_makes_no_sense_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(small(), **changes)


def test_a_window_off_the_board_is_refused():
    with pytest.raises(IndexError, match="expected a window position within"):
        dataclasses.replace(small(), corner=(1, 2))
