"""Accuracies measured here and published ones as values of one type: Table 4 of [PG], and the points of its figures.

Each says where it comes from. Patches are compared by the share of the image that they cover.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from pg_core.datasets.base import DATASETS, OTHER, Dataset, dataset_of
from pg_core.defences.base import Claim
from pg_core.defences.registry import DEFENCES
from pg_core.evaluation.proportion import Share
from pg_core.evaluation.published import Published
from pg_core.evaluation.results import Accuracy, Evaluation
from pg_core.geometry import Size
from pg_core.io.latex import table
from pg_core.io.parameters import coerce_fields
from pg_core.io.spreadsheet import Cell, comma_separated

_SAME_SHARE = 0.1
"""Per cent of the image; squares of whole pixels miss the published shares by less."""


class Origin(StrEnum):
    """Where an accuracy comes from."""

    MEASURED = "measured here"
    """With the weights that are shipped."""
    OTHER_WEIGHTS = "measured here with other weights"
    PUBLISHED = "as published"


@dataclass(frozen=True, slots=True)
class Point:
    """One defence against patches that cover `patch_per_cent` of the image.

    `data` has the classes of the network; `network` is a name of MODELS, or as published; `photos` names the set and
    `n` counts it; `image` says what the patch is put on, `claim` what certified means. Without clean accuracy it is
    infeasible, as the authors say; without certified accuracy nothing is claimed, or the published figure could not
    be checked.
    """

    origin: Origin
    data: Dataset
    photos: str
    n: int | None
    image: str
    patch: str
    patch_per_cent: float
    network: str
    defence: str
    method: str
    threshold: float | None
    parameters: str
    claim: Claim
    clean: Share | None
    certified: Share | None

    def __post_init__(self) -> None:
        coerce_fields(self)

    @property
    def in_words(self) -> tuple[str, str]:
        """Clean and certified accuracy, as a table shows them."""
        if self.clean is None:
            return "infeasible", "infeasible"
        if self.certified is None:
            return str(self.clean), "nothing is claimed" if self.claim is Claim.NOTHING else "–"
        alert = " (label or alert)" if self.claim is Claim.LABEL_OR_ALERT else ""
        return str(self.clean), f"{self.certified}{alert}"


COLUMNS = (
    "data",
    "patch",
    "image",
    "defence",
    "network",
    "origin",
    "photos",
    "n",
    "T",
    "claim",
    "clean",
    "clean_low",
    "clean_high",
    "certified",
    "certified_low",
    "certified_high",
)


def measured(evaluations: Iterable[Evaluation], shipped: Mapping[str, str]) -> tuple[Point, ...]:
    """A point for each run that claims something, and for the network without a defence; `shipped` is the SHA-256 of
    each network's weights."""
    return tuple(
        _measured(evaluation, run, shipped)
        for evaluation in evaluations
        for run in evaluation.runs
        if run.setting.claim is not Claim.NOTHING or run.setting.defence == "undefended"
    )


def as_published(cells: Iterable[Published]) -> tuple[Point, ...]:
    """The points of published figures; those of robust masking are at T = 0."""
    by_title = {dataset.title: dataset for dataset in DATASETS.values()}
    return tuple(
        Point(
            Origin.PUBLISHED,
            by_title.get(cell.data, OTHER),
            cell.source,
            None,
            cell.image,
            f"{cell.patch_per_cent:g} %",
            cell.patch_per_cent,
            cell.network,
            cell.defence,
            cell.method,
            0.0 if cell.defence in ("masking", "mask-ds") else None,
            "the authors' setting",
            Claim.LABEL,
            cell.clean,
            cell.certified,
        )
        for cell in cells
    )


def table_4(points: Iterable[Point], data: Dataset) -> tuple[Point, ...]:
    """The points at the published patch sizes and T = 0, in the order patch, defence, origin."""
    data = Dataset.named(data)
    own = [point for point in points if point.data == data and not point.threshold]
    sizes = sorted({point.patch_per_cent for point in own if point.origin is Origin.PUBLISHED})
    order = {name: number for number, name in enumerate(DEFENCES)}
    return tuple(
        point
        for size in sizes
        for point in sorted(
            (point for point in own if same_share(point.patch_per_cent, size)),
            key=lambda point: (
                order.get(point.defence, len(order)),
                list(Origin).index(point.origin),
                point.network,
                point.photos,
            ),
        )
    )


def as_csv(points: Iterable[Point]) -> str:
    """A line for each point; shares in per cent, empty where there is none."""
    rows = (
        [
            point.data.title,
            point.patch,
            point.image,
            point.method,
            point.network,
            point.origin,
            point.photos,
            point.n,
            point.threshold,
            point.claim,
            *_numbers(point.clean),
            *_numbers(point.certified),
        ]
        for point in points
    )
    return comma_separated(COLUMNS, rows)


def as_latex(points: Iterable[Point]) -> str:
    """The points of Table 4 as a table for LaTeX."""
    rows = [
        (
            point.patch,
            point.method,
            point.network,
            f"{point.origin} ({described(point)})",
            *point.in_words,
        )
        for point in points
    ]
    head = ("Patch", "Defence", "Network", "Source", "Clean (%)", "Certified (%)")
    caption = (
        "Accuracy in per cent against the patches of Table 4 of PatchGuard, T = 0: measured here with 95 % Wilson "
        "intervals, and as published."
    )
    return table("llllrr", head, rows, caption, "accuracies")


def same_share(per_cent: float, other: float) -> bool:
    """Whether two patches cover the same share of an image, but for whole pixels."""
    return abs(per_cent - other) < _SAME_SHARE


def described(point: Point) -> str:
    """The photos and how many; the source of what was published."""
    return point.photos if point.n is None else f"{point.photos}, n = {point.n:,}"


def data_of(evaluation: Evaluation) -> Dataset:
    """The data set whose classes a network has."""
    return dataset_of(evaluation.configuration.classes)


def _measured(evaluation: Evaluation, run: Accuracy, shipped: Mapping[str, str]) -> Point:
    own, data = evaluation.configuration, data_of(evaluation)
    height, width = run.setting.patch_size
    rows, columns = own.image_size
    current = own.weights_sha256 is not None and shipped.get(own.model) == own.weights_sha256
    kind = run.setting.defence
    return Point(
        Origin.MEASURED if current else Origin.OTHER_WEIGHTS,
        data,
        evaluation.folder.rsplit("/", 1)[-1],
        evaluation.n,
        f"{rows}x{columns}{_resized(data, own.image_size)}",
        f"{height}x{width}",
        100 * height * width / (rows * columns),
        own.model,
        kind,
        DEFENCES[kind].title if kind in DEFENCES else kind,
        run.setting.threshold,
        run.setting.parameters,
        run.setting.claim,
        None if run.clean is None else run.clean.in_per_cent,
        None if run.certified is None else run.certified.in_per_cent,
    )


def _resized(data: Dataset, image_size: Size) -> str:
    if data.image_size is None:
        return ""
    return " (native)" if image_size == data.image_size else " (enlarged)"


def _numbers(share: Share | None) -> list[Cell]:
    if share is None:
        return ["", "", ""]
    return [share.per_cent, *(share.interval or ("", ""))]
