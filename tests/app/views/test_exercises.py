"""The exercises of Figure 5: each can be done, by a board of whole numbers, and is not done by accident."""

from dataclasses import replace

import pytest

from app.views.figure5.exercises import EXERCISES
from pg_core.defences.patchguard.boards import COUNTEREXAMPLE, EXAMPLES, Board
from pg_core.defences.patchguard.cases import Case

BALANCED = replace(EXAMPLES[Case.PARTIAL], content=((4.0, 4.0, 0.0), (1.0, 2.0, 0.0), (3.0, 2.0, 2.0)))
LIMIT = Board(((1.0, 1.0, 1.0), (1.0, 0.0, 1.0), (1.0, 1.0, 0.0)), ((7.0,),), (2, 2), 0.5)
SOLVED = (BALANCED, LIMIT, COUNTEREXAMPLE)


@pytest.mark.parametrize("number", range(3))
def test_each_can_be_done(number):
    done = [exercise.done(SOLVED[number]) for exercise in EXERCISES]
    assert done == [at == number for at in range(3)], SOLVED[number].evidence


@pytest.mark.parametrize("example", EXAMPLES.values())
def test_none_is_done_by_an_example(example):
    assert not any(exercise.done(example) for exercise in EXERCISES)


def test_what_is_masked_by_mistake_and_missed_leaves_all_that_is_out_of_reach():
    evidence = BALANCED.evidence
    assert evidence.remaining == evidence.outside
    assert evidence.spilled == evidence.missed > 0


def test_a_little_more_than_the_limit_is_detected():
    more = replace(LIMIT, content=((8.0,),))
    assert more.evidence.case is Case.EXACT
    assert not EXERCISES[1].done(more)
    assert not EXERCISES[1].done(replace(LIMIT, content=((6.0,),)))
