"""Two trials of one table side by side, and which of its trials prove photos that another one does not."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.cache.tables import PROVABLE
from app.views.atlas.results import Selection
from pg_core.defences.base import Verdict
from pg_core.evaluation.proportion import Proportion
from pg_core.geometry import Size


@dataclass(frozen=True, slots=True)
class Difference:
    """Of n photos of both trials how many the second one proves in a window where the first does not (won), and the
    other way round (lost), by row and column."""

    won: tuple[tuple[int, ...], ...]
    lost: tuple[tuple[int, ...], ...]
    n: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What another trial makes of the photos of a selection: how many it has, how many of those that are not certified
    here it certifies, and how many that are certified here it does not."""

    trial: int
    n: int
    failing: int
    gained: int
    lost: int


def crossed(selection: Selection, other: int) -> dict[tuple[Verdict, Verdict], int]:
    """How many photos of the selection got which verdict here and in another trial."""
    where, values = selection.where()
    found = selection.atlas.ask(
        f"with here as (select * from photos where {where}) "
        "select here.verdict, there.verdict, count(*) from here join photos there using (number) "
        "where there.trial = ? and here.sha256 = there.sha256 group by here.verdict, there.verdict",
        [*values, other],
        selection.failures,
    )
    return {(Verdict(here), Verdict(there)): count for here, there, count in found}


def difference(selection: Selection, other: int) -> Difference | None:
    """Windows won and lost by another trial; None where the two have other windows."""
    shape, trials = selection.shape, (selection.trial, other)
    if shape is None or selection.atlas.shape(other) != shape:
        return None
    where, values = selection.where()
    proving = ", ".join("?" * len(PROVABLE))
    pairs = (
        f"with pairs as (select here.number, here.verdict in ({proving}) as here, "
        f"there.verdict in ({proving}) as there from (select * from photos where {where}) here "
        "join photos there using (number) where there.trial = ? and here.sha256 = there.sha256)"
    )
    before: list[object] = [*PROVABLE, *PROVABLE, *values, other]
    ((n, only_here, only_there),) = selection.atlas.ask(
        f"{pairs} select count(*), count(*) filter (here and not there), count(*) filter (there and not here) "
        "from pairs",
        before,
        trials,
    )
    # A photo that one trial can prove nowhere is won by the other wherever this one does not fail.
    won, lost = [only_there] * (shape[0] * shape[1]), [only_here] * (shape[0] * shape[1])
    for position, fails_here, fails_there, only, kind in selection.atlas.ask(
        f"{pairs}, found as (select number, position, bool_or(trial = ?) as fails_here, "
        "bool_or(trial = ?) as fails_there from failures join pairs using (number) where trial in (?, ?) "
        "group by number, position) "
        "select position, count(*) filter (here and there and fails_here and not fails_there), "
        "count(*) filter (here and there and fails_there and not fails_here), "
        "count(*) filter (there and not here and fails_there), "
        "count(*) filter (here and not there and fails_here) from found join pairs using (number) group by position",
        [*before, *trials, *trials],
        trials,
    ):
        won[position] += fails_here - only
        lost[position] += fails_there - kind
    return Difference(_rows(won, shape), _rows(lost, shape), n)


def outcomes(selection: Selection) -> list[Outcome]:
    """What each other trial against the same patch makes of these photos, the one that gains most first."""
    same = [
        trial
        for trial, setting in enumerate(selection.atlas.settings)
        if setting.patch_size == selection.setting.patch_size and trial != selection.trial
    ]
    where, values = selection.where()
    found = selection.atlas.ask(
        f"with here as (select * from photos where {where}) "
        "select there.trial, count(*), count(*) filter (here.verdict <> ?), "
        "count(*) filter (here.verdict <> ? and there.verdict = ?), "
        "count(*) filter (here.verdict = ? and there.verdict <> ?) from here join photos there using (number) "
        "where here.sha256 = there.sha256 and list_contains(?::integer[], there.trial) group by there.trial",
        [*values, *[Verdict.CERTIFIED] * 5, same],
        selection.failures,
    )
    return sorted((Outcome(*row) for row in found), key=lambda one: (-one.gained, one.lost, one.trial))


def together(selection: Selection) -> Proportion:
    """How many of the photos that are not certified here any trial against the same patch certifies."""
    patch = selection.setting.patch_size
    same = [trial for trial, setting in enumerate(selection.atlas.settings) if setting.patch_size == patch]
    where, values = selection.where()
    ((count, n),) = selection.atlas.ask(
        f"with here as (select * from photos where {where}) "
        "select count(*) filter (exists (select 1 from photos there where there.number = here.number "
        "and there.sha256 = here.sha256 and there.verdict = ? and list_contains(?::integer[], there.trial))), "
        "count(*) from here where verdict <> ?",
        [*values, Verdict.CERTIFIED, same, Verdict.CERTIFIED],
        selection.failures,
    )
    return Proportion(count, n)


def counted(found: Mapping[tuple[Verdict, Verdict], int]) -> tuple[int, int, int, int]:
    """Photos certified in both, only in the second (won), only in the first (lost), and in neither."""
    ways = {(here, there): 0 for here in (True, False) for there in (True, False)}
    for (here, there), count in found.items():
        ways[here is Verdict.CERTIFIED, there is Verdict.CERTIFIED] += count
    return ways[True, True], ways[False, True], ways[True, False], ways[False, False]


def _rows(values: list[int], shape: Size) -> tuple[tuple[int, ...], ...]:
    rows, columns = shape
    return tuple(tuple(values[row * columns : (row + 1) * columns]) for row in range(rows))
