"""Three exercises for the toy board, which are checked after each edit."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from app.markup import in_formula
from pg_core.defences.patchguard.boards import Board
from pg_core.defences.patchguard.cases import Case
from pg_core.defences.patchguard.certificate import Bound


@dataclass(frozen=True, slots=True)
class Exercise:
    """What is to be done, whether a board does it, and how far it is, as Markdown."""

    task: str
    done: Callable[[Board], bool]
    so_far: Callable[[Board], str]


def _balanced(board: Board) -> bool:
    evidence = board.evidence
    return evidence.case is Case.PARTIAL and evidence.spilled == evidence.missed > 0


def _at_the_limit(board: Board) -> bool:
    evidence = board.evidence
    at_most = math.isclose(evidence.remaining, evidence.bound, rel_tol=1e-9)
    return evidence.case is Case.NONE and evidence.malicious > 0 and at_most


def _broken(board: Board) -> bool:
    return board.evidence.remaining < board.lower(Bound.PUBLISHED)


def _regions(board: Board) -> str:
    evidence = board.evidence
    mistaken, missed = f"q_1 = {evidence.spilled:.4g}", f"q_3 = {evidence.missed:.4g}"
    return f"case {evidence.case}, {in_formula(mistaken)}, {in_formula(missed)}"


def _limit(board: Board) -> str:
    evidence = board.evidence
    return (
        f"case {evidence.case}, {in_formula(f's = {evidence.remaining:.4g}')} of at most "
        f"{in_formula(f't/(1 - T) = {evidence.bound:.4g}')}: $w$ may hold {evidence.bound - evidence.outside:.4g}, "
        f"and holds {evidence.malicious:.4g} (the brush takes fractions)"
    )


def _promise(board: Board) -> str:
    printed = board.lower(Bound.PUBLISHED)
    return f"{in_formula(f's = {board.evidence.remaining:.4g}')}, and the bound promises {printed:.4g}"


EXERCISES = (
    Exercise(
        "**Nothing gained, nothing lost.** Move $w$, or paint in it, until case III holds with $q_3 = q_1 > 0$: as "
        "much is missed as is masked by mistake, so that $s = t$.",
        _balanced,
        _regions,
    ),
    Exercise(
        "**Just below T.** Hide as much in $w$ as nothing detects: case IV with $s = t/(1 - T)$, the most that Lemma "
        "1 allows.",
        _at_the_limit,
        _limit,
    ),
    Exercise(
        "**Break the printed bound.** Find a board on which $s$ is less than the bound published in 2021 promises.",
        _broken,
        _promise,
    ),
)
