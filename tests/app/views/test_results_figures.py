"""The figures of the results page show the points that they are given, each with where it comes from."""

from collections import Counter
from itertools import pairwise

import pytest

from app.views.results.figure import (
    Against,
    Measure,
    accuracies,
    accuracies_in_words,
    by_class,
    by_class_in_words,
)
from pg_core.datasets.base import DATASETS
from pg_core.defences.base import Claim, Verdict
from pg_core.evaluation.proportion import Proportion, Share
from pg_core.evaluation.results import Accuracy, Setting
from pg_core.evaluation.table import Origin, Point


def point(origin, per_cent, certified, defence="masking", threshold=0.0, photos="val"):
    measured = origin is not Origin.PUBLISHED
    return Point(
        origin,
        DATASETS["imagenette"],
        photos,
        200 if measured else None,
        "224x224",
        "32x32",
        per_cent,
        "imagenette" if measured else "BagNet-17",
        defence,
        "robust masking" if measured else "Mask-BN",
        threshold,
        "parameters",
        Claim.NOTHING if defence == "undefended" else Claim.LABEL,
        Share(95.0, (91.0, 97.3) if measured else None),
        None if certified is None else Share(certified, (certified - 7, certified + 5) if measured else None),
    )


POINTS = (
    point(Origin.MEASURED, 3.0, 68.0),
    point(Origin.MEASURED, 2.0, 80.0),
    point(Origin.MEASURED, 2.0, 82.0, photos="unseen"),
    point(Origin.PUBLISHED, 2.0, 86.7),
    point(Origin.PUBLISHED, 2.0, None, "interval", None),
    point(Origin.MEASURED, 2.0, None, "undefended", None),
)


def traces(figure):
    return {trace.name: trace for trace in figure.data}


def test_what_was_measured_is_a_line_with_intervals_and_what_was_published_an_open_mark():
    figure = accuracies(POINTS, Measure.CERTIFIED, Against.PATCH_SIZE)
    assert len(figure.data) == 3
    val = traces(figure)["robust masking, imagenette; val, n = 200"]
    assert (val.x, val.y) == ((2.0, 3.0), (80.0, 68.0))
    assert (val.error_y.array, val.error_y.arrayminus) == ((5.0, 5.0), (7.0, 7.0))
    published = traces(figure)["Mask-BN, BagNet-17; as published: val"]
    assert (published.mode, published.x, published.y) == ("markers", (2.0,), (86.7,))
    assert published.marker.symbol.endswith("-open")
    assert published.error_y.array is None


def test_the_names_stand_beside_the_curves_and_none_lies_on_another():
    many = [point(Origin.MEASURED, 2.0, 80.0 + n / 10, photos=str(n)) for n in range(12)]
    figure = accuracies(many, Measure.CERTIFIED, Against.PATCH_SIZE)
    names = figure.layout.annotations
    assert sorted(name.text.replace("<br>", " ") for name in names) == sorted(traces(figure))
    heights = sorted(name.ay for name in names)
    low, high = figure.layout.yaxis.range
    pixels = (figure.layout.height - 56) / (high - low)
    assert all((above - below) * pixels > 29 for below, above in pairwise(heights))
    assert heights[0] > low
    assert heights[-1] < high
    assert all(name.ax > name.x for name in names)


def test_every_hover_text_names_share_photos_and_origin():
    for trace in accuracies(POINTS, Measure.CLEAN, Against.PATCH_SIZE).data:
        for share, _, photos, origin, _ in trace.customdata:
            assert share.startswith("95.0")
            assert origin in set(Origin)
            assert ("n = 200" in photos) == (origin != Origin.PUBLISHED)


def test_lines_of_one_colour_differ_in_symbol_and_dash():
    first, second = (
        trace
        for trace in accuracies(POINTS, Measure.CERTIFIED, Against.PATCH_SIZE).data
        if "lines" in trace.mode
    )
    assert first.line.color == second.line.color
    assert first.marker.symbol != second.marker.symbol
    assert first.line.dash != second.line.dash


def test_against_the_threshold_points_stand_at_their_own():
    chosen = [point(Origin.MEASURED, 2.0, 80 - 50 * t, threshold=t) for t in (0.4, 0.0, 0.1)]
    (trace,) = accuracies(chosen, Measure.CERTIFIED, Against.THRESHOLD).data
    assert trace.x == (0.0, 0.1, 0.4)
    assert trace.y == (80.0, 75.0, 60.0)


@pytest.mark.parametrize("against", Against)
def test_no_mark_is_cut_off_at_the_axis(against):
    figure = accuracies(POINTS, Measure.CERTIFIED, against)
    low, high = figure.layout.xaxis.range
    assert all(low < place < high for trace in figure.data for place in trace.x)


@pytest.mark.parametrize("against", Against)
def test_the_axis_ends_where_the_marks_do_and_the_names_stand_beside_it(against):
    figure = accuracies(POINTS, Measure.CERTIFIED, against)
    last = max(place for trace in figure.data for place in trace.x)
    assert figure.layout.xaxis.range[1] < 1.1 * (last or 1)
    assert all(name.ax > figure.layout.xaxis.range[1] for name in figure.layout.annotations)


RUN = Accuracy(
    Setting((32, 32), "masking", 0.0, Claim.LABEL, "p"),
    Proportion(5, 6),
    Proportion(3, 6),
    (
        Counter({Verdict.CERTIFIED: 3, Verdict.NOT_CERTIFIED: 1}),
        Counter({Verdict.MISCLASSIFIED: 1, Verdict.UNDECIDED: 1}),
        Counter(),
    ),
)


def test_every_class_with_photos_has_a_bar_for_each_verdict_that_differs_in_pattern():
    figure = by_class(RUN, ("cat", "dog", "owl"))
    assert len(figure.data) == len(Verdict)
    assert all(trace.y == ("cat", "dog") for trace in figure.data)
    assert [sum(values) for values in zip(*(trace.x for trace in figure.data), strict=True)] == [4, 2]
    assert len({trace.marker.pattern.shape for trace in figure.data}) == len(Verdict)


def test_the_figures_are_told_in_words():
    assert "patch 32x32 on 224x224: 86.7 (as published)" in accuracies_in_words(
        POINTS, Measure.CERTIFIED, Against.PATCH_SIZE
    )
    assert by_class_in_words(RUN, ("cat", "dog", "owl")).endswith("cat 3 of 4, dog 0 of 2")
