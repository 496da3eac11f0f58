"""What was measured here and what was published, as the pages show it: points, tables, and a network in brief."""

import math
from collections.abc import Collection
from pathlib import Path

import streamlit as st

from pg_core.datasets.base import DATASETS, OTHER, Dataset, dataset_of
from pg_core.defences.base import Claim
from pg_core.defences.registry import DEFENCES
from pg_core.evaluation import published, results
from pg_core.evaluation import table as comparison
from pg_core.evaluation.bracket import Bracket, read_bracket
from pg_core.evaluation.results import RESULTS, Evaluation
from pg_core.evaluation.table import Origin, Point, described
from pg_core.networks import MODELS, TRAINED
from pg_core.networks.shipped import read_card

_IN_BRIEF = {"imagenette": (2.0,), "cifar10": (0.4, 2.4)}
"""Shares of the image, in per cent, at which a network is described in a line."""
_TRAINED_FOR = ("masking", "mask-ds", "interval")
"""The defence that a network was trained for is one of these."""
_DEFENDED = (*_TRAINED_FOR, "feature-masking")
"""What a network is described with: double masking certifies more of the same evidence."""


def evaluations() -> dict[str, Evaluation]:
    """The evaluations in assets/results by the names of their files; raises ValueError for a damaged one."""
    return _read(_files("*.json"))


def brackets(data: Dataset) -> list[Bracket]:
    """What is proved and what pixels break, on some data: by patch, then by defence, published ones first; raises
    ValueError for a damaged file."""
    order = list(DEFENCES)
    own = [
        each
        for each in _brackets(_files("attacked/*.json"))
        if dataset_of(each.configuration.classes) == data
    ]
    return sorted(
        own,
        key=lambda each: (
            math.prod(each.setting.patch_size) / math.prod(each.configuration.image_size),
            order.index(each.setting.defence) if each.setting.defence in order else len(order),
            each.configuration.model,
        ),
    )


def points() -> tuple[Point, ...]:
    """All accuracies, measured and published; raises ValueError for a damaged file."""
    return _points(_files("*"))


def of(data: Dataset) -> tuple[Point, ...]:
    """The accuracies on some data."""
    return tuple(point for point in points() if point.data == data)


def data() -> list[Dataset]:
    """The data with accuracies, those of the networks trained here first."""
    found = {point.data for point in points()}
    return [each for each in (*DATASETS.values(), OTHER) if each in found]


def at_threshold_zero(chosen: tuple[Point, ...]) -> tuple[Point, ...]:
    """Those without T, and those with T = 0."""
    return tuple(point for point in chosen if not point.threshold)


def with_threshold(chosen: tuple[Point, ...], patch: str) -> tuple[Point, ...]:
    """Those that have a T, measured against one patch or published for a patch of that share of the image."""
    shares = {point.patch_per_cent for point in chosen if point.patch == patch}
    return tuple(
        point
        for point in chosen
        if point.threshold is not None
        and any(comparison.same_share(point.patch_per_cent, share) for share in shares)
    )


def patches(chosen: tuple[Point, ...]) -> list[str]:
    """The patches that were measured, smallest first."""
    sizes = {point.patch: point.patch_per_cent for point in chosen if point.origin is not Origin.PUBLISHED}
    return sorted(sizes, key=lambda patch: sizes[patch])


def rows(chosen: tuple[Point, ...]) -> list[dict[str, str]]:
    """A row for each patch, network and set of photos, in words: clean and certified accuracy under each defence, with
    the interval of the latter."""
    found: dict[tuple[str, str, str], dict[str, str]] = {}
    columns = {_column(point): "" for point in sorted(chosen, key=_order)}
    for point in chosen:
        head = f"{point.patch} of {point.image}", point.network, f"{point.origin}: {described(point)}"
        row = dict(zip(("Patch", "Network", "Source"), head, strict=True))
        found.setdefault(head, row | columns)[_column(point)] = _cell(point)
    return list(found.values())


def networks(chosen: tuple[Point, ...]) -> list[str]:
    """The networks that accuracies are known of, those measured here first."""
    by_origin = sorted(chosen, key=lambda point: point.origin is Origin.PUBLISHED)
    return list(dict.fromkeys(point.network for point in by_origin))


def of_networks(chosen: tuple[Point, ...], names: Collection[str]) -> tuple[Point, ...]:
    """The points of these networks; all of them if none is named."""
    return tuple(point for point in chosen if not names or point.network in names)


def names(data: Dataset) -> list[str]:
    """The files with evaluations on some data, first those of the defence that a network was trained for."""
    own = {name: each for name, each in evaluations().items() if comparison.data_of(each) == data}
    return sorted(
        own, key=lambda name: all(run.setting.defence not in _TRAINED_FOR for run in own[name].runs)
    )


def models(data: Dataset) -> set[str]:
    """The networks that were measured on some data."""
    return {evaluations()[name].configuration.model for name in names(data)}


def title(name: str) -> str:
    """An evaluation in words."""
    evaluation = evaluations()[name]
    model = evaluation.configuration.model
    network = MODELS[model].title if model in MODELS else model
    return f"{network}; {evaluation.folder.rsplit('/', 1)[-1]}, n = {evaluation.n:,}"


def table_run(evaluation: Evaluation) -> int:
    """The number of the run to begin with: robust masking at T = 0 against the largest patch of those in brief."""
    shares = _IN_BRIEF.get(comparison.data_of(evaluation).name, ())
    rows, columns = evaluation.configuration.image_size
    wanted = [
        number
        for number, run in enumerate(evaluation.runs)
        for height, width in (run.setting.patch_size,)
        if run.setting.defence in _TRAINED_FOR
        and not run.setting.threshold
        and any(comparison.same_share(100 * height * width / (rows * columns), share) for share in shares)
    ]
    return wanted[-1] if wanted else 0


def measured_networks() -> list[dict[str, str]]:
    """A row for each network that was measured here and each patch, with robust masking at T = 0, double masking on
    features or interval bounds."""
    shown = tuple(
        point
        for each, shares in _IN_BRIEF.items()
        for point in comparison.table_4(points(), DATASETS[each])
        if point.origin is not Origin.PUBLISHED
        and point.defence in _DEFENDED
        and point.network in MODELS
        and any(comparison.same_share(point.patch_per_cent, share) for share in shares)
    )
    return rows(shown)


def measured(model: str, defence: str) -> str:
    """What a defence came to with a network here, against the patch of the largest share of those in brief; empty
    where that was not measured."""
    if model not in TRAINED:
        return ""
    try:
        known = points()
    except ValueError:
        return ""  # the page Results says so
    found = [
        point
        for point in known
        if point.origin is Origin.MEASURED
        and point.network == model
        and point.defence == defence
        and not point.threshold
        and any(
            comparison.same_share(point.patch_per_cent, share) for share in _IN_BRIEF.get(point.data.name, ())
        )
    ]
    if not found:
        return ""
    point = max(found, key=lambda point: (point.patch_per_cent, point.n or 0))
    clean, certified = point.in_words
    said = f"clean {clean} %, certified {certified} %"
    return f"Measured here with this network, {point.patch} patch, n = {point.n:,}: {said}."


def in_brief(model: str) -> str:
    """What is known of the accuracy of a network, a paragraph for each patch and defence; or that nothing is, or can
    be read."""
    try:
        return (
            "\n\n".join(_measured_in_brief(model))
            or f"No accuracy has been measured for this network.{_published_in_brief(model)}"
        )
    except ValueError as error:
        return f"Its accuracies cannot be read: {error}."


def _measured_in_brief(model: str) -> list[str]:
    """Sentences for each patch: what came out on each set of photos with robust masking at T = 0 or interval bounds,
    and the published figure; and with double masking on features."""
    by_patch: dict[tuple[str, str], list[Point]] = {}
    for each, shares in _IN_BRIEF.items():
        for point in comparison.table_4(points(), DATASETS[each]):
            if (
                point.network == model
                and point.defence in _DEFENDED
                and any(comparison.same_share(point.patch_per_cent, share) for share in shares)
            ):
                by_patch.setdefault((f"{point.patch} patch on {point.image}", point.method), []).append(point)
    return [_told(patch, own) for (patch, _), own in by_patch.items()]


def _told(patch: str, own: list[Point]) -> str:
    """What came out of one defence against one patch, on each set of photos."""
    if own[0].defence not in _TRAINED_FOR:
        shares = [f"{point.origin} ({described(point)}) {point.clean} / {point.certified}" for point in own]
        return f"With {own[0].method}: {'; '.join(shares)}."
    shares = [
        f"{point.origin} ({point.data}, JPEG, {described(point)}) {point.clean} / {point.certified}"
        for point in own
    ]
    return f"{patch}, {own[0].method}, clean / certified in %: {'; '.join(shares)}; published: {_beside(own[0])}."


def _published_in_brief(model: str) -> str:
    """What is published for robust masking with a network of this name."""
    cells = [
        f"for {point.method} {point.clean} / {point.certified} ({point.data}, {point.patch} of {point.image})"
        for point in points()
        if point.origin is Origin.PUBLISHED
        and point.defence in _TRAINED_FOR
        and MODELS[model].title.startswith(point.network)
        and point.image.startswith("{}x{}".format(*MODELS[model].image_size))
        and any(
            comparison.same_share(point.patch_per_cent, share) for share in _IN_BRIEF.get(point.data.name, ())
        )
    ]
    return f" As published, clean / certified in %: {'; '.join(cells)}." if cells else ""


def _column(point: Point) -> str:
    """The literature's name of a defence, at the head of its column."""
    if point.defence in ("masking", "mask-ds"):
        return "robust masking (Mask-BN, Mask-DS)"
    title = DEFENCES[point.defence].title if point.defence in DEFENCES else point.method
    return f"{title}: label or alert" if point.claim is Claim.LABEL_OR_ALERT else title


def _order(point: Point) -> int:
    return list(DEFENCES).index(point.defence) if point.defence in DEFENCES else len(DEFENCES)


def _cell(point: Point) -> str:
    if point.clean is None:
        return "infeasible"
    return f"{point.clean.per_cent:.1f} / {'–' if point.certified is None else point.certified}"


def _beside(point: Point) -> str:
    """What is published for the same defence, data and share of the image."""
    cells = [
        f"for {other.method} ({other.network}) {other.clean} / {other.certified}"
        for other in points()
        if other.origin is Origin.PUBLISHED
        and (other.data, other.defence) == (point.data, point.defence)
        and comparison.same_share(other.patch_per_cent, point.patch_per_cent)
    ]
    return "; ".join(cells) or "no published value"


def _files(pattern: str) -> tuple[tuple[Path, int], ...]:
    """The files of results, and when each was changed."""
    return tuple((path, path.stat().st_mtime_ns) for path in sorted(RESULTS.glob(pattern)))


@st.cache_resource(max_entries=1, show_spinner=False)
def _points(files: tuple[tuple[Path, int], ...]) -> tuple[Point, ...]:
    shipped = {name: read_card(name).sha256 for name in TRAINED}
    found = comparison.measured(_read(_files("*.json")).values(), shipped)
    return found + comparison.as_published(published.read())


@st.cache_resource(max_entries=1, show_spinner=False)
def _brackets(files: tuple[tuple[Path, int], ...]) -> tuple[Bracket, ...]:
    return tuple(read_bracket(path) for path, _ in files)


@st.cache_resource(max_entries=2, show_spinner=False)
def _read(files: tuple[tuple[Path, int], ...]) -> dict[str, Evaluation]:
    return {path.stem: results.read(path) for path, _ in files}
