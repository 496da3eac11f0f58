"""What the page Atlas asks of a table: each number is the answer of a query with parameters.

Every view leaves out the filter that a click on it sets, so that what else could be clicked stays there.
"""

import math
from dataclasses import dataclass
from typing import Any

from app.cache.tables import PROVABLE, Atlas
from app.views.atlas.filters import Condition, Filters
from pg_core.defences.base import Claim, Verdict
from pg_core.evaluation.outcome_columns import name_of
from pg_core.evaluation.proportion import Proportion
from pg_core.evaluation.results import Setting
from pg_core.geometry import Patch, PatchPositions, Size, Windows
from pg_core.io.spreadsheet import comma_separated

_BINS = 30
_ORDER = (
    *(Verdict.CERTIFIED, Verdict.UNDECIDED, Verdict.NOT_CERTIFIED),
    *(Verdict.UNPROVED, Verdict.ALERT, Verdict.MISCLASSIFIED),
)
_COLUMNS = (
    *("photo", "sha256", "label", "prediction", "verdict", "margin", "worst_row", "worst_column", "rival"),
)


_ALL = Filters()


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """Photos of one trial (a setting, by its position) of a table."""

    atlas: Atlas
    trial: int
    filters: Filters = _ALL

    @property
    def setting(self) -> Setting:
        return self.atlas.settings[self.trial]

    @property
    def shape(self) -> Size | None:
        """Rows and columns of the windows; None where photos differ in them."""
        return self.atlas.shapes[self.trial]

    @property
    def failing(self) -> Verdict:
        """The verdict on a photo whose margins are not all positive."""
        return Verdict.UNPROVED if self.setting.claim is Claim.NOTHING else Verdict.NOT_CERTIFIED

    def ask(self, sql: str, *without: str, before: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        """The answer to a query that has `{where}` for these photos, the filters of these names left out; `before` are
        the parameters before it."""
        where, values = self.where(*without)
        return self.atlas.ask(sql.format(where=where), [*before, *values], self.failures)

    def where(self, *without: str) -> Condition:
        """The condition on `photos`."""
        return self.filters.without(*without).condition(self.trial, self.shape)

    @property
    def failures(self) -> tuple[int, ...]:
        """The trials whose `failures` the condition reads."""
        return () if self.filters.window is None else (self.trial,)


@dataclass(frozen=True, slots=True)
class Row:
    """A photo of a selection."""

    photo: str
    sha256: str
    label: int | None
    prediction: int | None
    verdict: Verdict
    margin: float
    worst: tuple[int, int]
    rival: int

    @property
    def name(self) -> str:
        """The name of its file."""
        return name_of(self.photo)


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many photos have a margin in each of the ranges edges[i] <= margin < edges[i + 1]; `beyond` counts those
    without a finite one."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    beyond: int


@dataclass(frozen=True, slots=True)
class Failing:
    """By row and column of the windows how many of n photos are not certified there."""

    counts: tuple[tuple[int, ...], ...]
    n: int


@dataclass(frozen=True, slots=True)
class Frame:
    """The image that the network sees, in pixels: which of its rows, and of its columns, each row and each column of
    windows (or placements) is about, half open."""

    image_size: Size
    rows: tuple[tuple[int, int], ...]
    columns: tuple[tuple[int, int], ...]


def verdicts(selection: Selection) -> dict[Verdict, Proportion]:
    """How many photos got each verdict that there is in the trial, whatever verdict is chosen."""
    where, values = selection.where("verdict")
    found = dict(
        selection.atlas.ask(
            f"select verdict, count(*) filter ({where}) from photos where trial = ? group by verdict",
            [*values, selection.trial],
            selection.failures,
        )
    )
    n = sum(found.values())
    return {verdict: Proportion(found[verdict], n) for verdict in _ORDER if verdict in found}


def certified(selection: Selection) -> Proportion:
    """The share of the photos that are certified."""
    ((count, n),) = selection.ask(
        "select count(*) filter (verdict = ?), count(*) from photos where {where}",
        before=(Verdict.CERTIFIED,),
    )
    return Proportion(count, n)


def failing(selection: Selection) -> Failing | None:
    """Where certificates fail, whatever window is chosen; None where photos differ in their windows."""
    if selection.shape is None:
        return None
    rows, columns = selection.shape
    where, values = selection.where("window")
    ((n, everywhere),) = selection.atlas.ask(
        f"select count(*), count(*) filter (verdict not in (?, ?, ?)) from photos where {where}",
        [*PROVABLE, *values],
    )
    found = dict(
        selection.atlas.ask(
            "select position, count(*) from failures where trial = ? and number in "
            f"(select number from photos where {where}) group by position",
            [selection.trial, *values],
            [selection.trial],
        )
    )
    counts = [everywhere + found.get(position, 0) for position in range(rows * columns)]
    return Failing(tuple(tuple(counts[row * columns : (row + 1) * columns]) for row in range(rows)), n)


def frame(selection: Selection) -> Frame | None:
    """Where the windows of a selection lie on the image; None where the table does not tell."""
    run, patch, shape = selection.atlas.run.configuration, selection.setting.patch_size, selection.shape
    field, image = run.receptive_field, run.image_size
    try:
        windows = Windows(field.map_size(image), field.window_size(patch), field.wrapping)
        placements = PatchPositions(image, patch)
    except ValueError:
        return None
    if shape is None or shape not in (windows.shape, placements.shape):
        return None

    def pixels(row: int, column: int) -> Patch:
        at = windows.window(row, column) if shape == windows.shape else None
        return placements.patch(row, column) if at is None else field.pixels(at)

    tall, wide = image
    down, across = (
        [pixels(row, 0) for row in range(shape[0])],
        [pixels(0, column) for column in range(shape[1])],
    )
    return Frame(
        image,
        tuple((max(box.top, 0), min(box.bottom, tall)) for box in down),
        tuple((max(box.left, 0), min(box.right, wide)) for box in across),
    )


def overtaken(selection: Selection) -> dict[tuple[int, int], int]:
    """How many photos of each class are not certified, by class and strongest rival in the worst window; whatever
    verdict, class and rival are chosen."""
    found = selection.ask(
        "select class, rival, count(*) from photos where verdict = ? and class is not null and {where} "
        "group by class, rival",
        *("verdict", "label", "rival"),
        before=(selection.failing,),
    )
    return {(label, rival): count for label, rival, count in found}


def histogram(selection: Selection) -> Histogram:
    """Of the margins of the worst window, whatever margins are chosen; the ranges are those of all photos."""
    whole = Selection(selection.atlas, selection.trial)
    ((low, high),) = whole.ask(
        "select min(margin), max(margin) from photos where {where} and isfinite(margin)"
    )
    edges = _edges(low, high)
    found = dict(
        selection.ask(
            "select case when isfinite(margin) then len(list_filter(?::double[], lambda edge: edge <= margin)) "
            "else 0 end as place, count(*) from photos where {where} group by place",
            *("low", "high"),
            before=(list(edges),),
        )
    )
    counts = tuple(found.get(place, 0) for place in range(1, len(edges)))
    return Histogram(edges, counts, found.get(0, 0))


def page_of(selection: Selection, first: int, count: int) -> list[Row]:
    """Some of the photos, the smallest margin first."""
    found = selection.ask(
        f"select {', '.join(_COLUMNS)} from photos where {{where}} order by margin, photo "
        f"limit {int(count)} offset {int(first)}"
    )
    return [
        Row(photo, sha256, label, prediction, Verdict(verdict), margin, (row, column), rival)
        for photo, sha256, label, prediction, verdict, margin, row, column, rival in found
    ]


def as_csv(selection: Selection) -> str:
    """All photos of a selection, classes by their names."""
    classes = selection.atlas.classes
    names: dict[int | None, str | None] = {None: None, **dict(enumerate(classes))}
    found = selection.ask(f"select {', '.join(_COLUMNS)} from photos where {{where}} order by margin, photo")
    return comma_separated(
        _COLUMNS,
        (
            (photo, sha256, names[label], names[prediction], verdict, margin, row, column, names[rival])
            for photo, sha256, label, prediction, verdict, margin, row, column, rival in found
        ),
    )


def _edges(low: float | None, high: float | None) -> tuple[float, ...]:
    """About `_BINS` ranges that hold both, between multiples of 1, 2 or 5 of a power of ten."""
    if low is None or high is None:
        return 0.0, 1.0
    spread = (high / _BINS - low / _BINS) or max(abs(high), 1e-9) / _BINS
    power = 10.0 ** math.floor(math.log10(spread))
    step = next(step for step in (power, 2 * power, 5 * power, 10 * power) if step >= spread * (1 - 1e-9))
    if not math.isfinite(step):
        return low, high, math.nextafter(high, math.inf)
    places = range(math.floor(low / step), math.floor(high / step) + 2)
    # Rounded, so that an edge is the number that is shown and stands in the address.
    inside = sorted({edge for place in places if low < (edge := float(f"{place * step:.6g}")) <= high})
    first, last = (float(f"{place * step:.6g}") for place in (places[0], places[-1]))
    return min(first, low), *inside, last if last > high else math.nextafter(high, math.inf)
