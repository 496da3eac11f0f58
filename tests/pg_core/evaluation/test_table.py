"""Measured beside published: every point says where it comes from, and Table 4 holds what belongs together."""

import csv
import io
from dataclasses import replace

import pytest

from pg_core.datasets.base import DATASETS
from pg_core.defences.base import Claim
from pg_core.evaluation import published
from pg_core.evaluation import table as tables
from pg_core.evaluation.proportion import Proportion
from pg_core.evaluation.results import Accuracy, Configuration, Evaluation, Setting
from pg_core.evaluation.table import Origin
from pg_core.geometry import ReceptiveField

NETTE = DATASETS["imagenette"].classes
WEIGHTS = "ab" * 32


def evaluation(*runs, classes=NETTE, image_size=(224, 224), model="imagenette", n=200):
    settings = tuple(Setting(size, name, threshold, claim, "p") for size, name, threshold, claim in runs)
    configuration = Configuration(
        model, classes, image_size, ReceptiveField((9, 9), (8, 8)), WEIGHTS, settings, ()
    )
    accuracies = tuple(
        Accuracy(
            setting,
            Proportion(180, n),
            None if setting.claim is Claim.NOTHING else Proportion(150, n),
            tuple({} for _ in classes),
        )
        for setting in settings
    )
    return Evaluation(configuration, "imagenette/val", "cd" * 32, 0.0, Proportion(190, n), accuracies)


NETTE_RUNS = evaluation(
    ((32, 32), "masking", 0.0, Claim.LABEL),
    ((32, 32), "masking", 0.2, Claim.LABEL),
    ((32, 32), "masking", 0.3, Claim.NOTHING),
    ((32, 32), "clipping", None, Claim.LABEL),
    ((48, 48), "masking", 0.0, Claim.LABEL),
    ((32, 32), "detection", None, Claim.LABEL_OR_ALERT),
    ((32, 32), "undefended", None, Claim.NOTHING),
)
SHIPPED = {"imagenette": WEIGHTS}


def points(shipped=SHIPPED, *evaluations):
    return tables.measured(evaluations or (NETTE_RUNS,), shipped) + tables.as_published(published.read())


def test_table_4_sets_what_was_measured_before_what_was_published_for_the_same_patch_and_defence():
    table = [
        point for point in tables.table_4(points(), DATASETS["imagenette"]) if point.patch_per_cent > 1.5
    ]
    assert [(point.defence, point.origin) for point in table[1:6]] == [
        ("masking", Origin.MEASURED),
        ("masking", Origin.PUBLISHED),
        ("mask-ds", Origin.PUBLISHED),
        ("clipping", Origin.MEASURED),
        ("clipping", Origin.PUBLISHED),
    ]
    assert all(not point.threshold and point.patch != "48x48" for point in table)
    assert str(table[1].certified) == "75.0 [68.6, 80.5]"
    assert str(table[2].certified) == "86.7"


def test_a_bound_that_claims_nothing_is_no_point_and_a_network_without_a_defence_is_one():
    found = tables.measured([NETTE_RUNS], SHIPPED)
    assert len(found) == 6
    by_defence = {point.defence: point.in_words for point in found}
    assert by_defence["undefended"] == ("90.0 [85.1, 93.4]", "nothing is claimed")
    assert by_defence["detection"] == ("90.0 [85.1, 93.4]", "75.0 [68.6, 80.5] (label or alert)")
    assert by_defence["clipping"] == ("90.0 [85.1, 93.4]", "75.0 [68.6, 80.5]")


@pytest.mark.parametrize("shipped", [{}, {"imagenette": "00" * 32}, {"other": WEIGHTS}])
def test_other_weights_than_the_shipped_ones_are_named(shipped):
    assert {point.origin for point in tables.measured([NETTE_RUNS], shipped)} == {Origin.OTHER_WEIGHTS}
    without = replace(NETTE_RUNS, configuration=replace(NETTE_RUNS.configuration, weights_sha256=None))
    assert {point.origin for point in tables.measured([without], SHIPPED)} == {Origin.OTHER_WEIGHTS}


def test_native_and_enlarged_patches_of_cifar_are_told_apart():
    native = evaluation(
        ((5, 5), "interval", None, Claim.LABEL), classes=DATASETS["cifar10"].classes, image_size=(32, 32)
    )
    large = evaluation(
        ((30, 30), "interval", None, Claim.LABEL), classes=DATASETS["cifar10"].classes, image_size=(192, 192)
    )
    measured = tables.measured((native, large), {})
    assert [point.image for point in measured] == ["32x32 (native)", "192x192 (enlarged)"]
    for point in measured:
        table = tables.table_4((*tables.as_published(published.read()), point), DATASETS["cifar10"])
        beside = [other for other in table if other.defence == "interval" and other.patch_per_cent > 1]
        assert [other.origin for other in beside] == [Origin.OTHER_WEIGHTS, Origin.PUBLISHED]


def test_csv_holds_every_number_of_every_point():
    table = points()
    rows = list(csv.DictReader(io.StringIO(tables.as_csv(table))))
    assert len(rows) == len(table)
    for row, point in zip(rows, table, strict=True):
        assert row["origin"] == point.origin
        assert row["certified"] == ("" if point.certified is None else str(point.certified.per_cent))
        if point.n is not None:
            assert (float(row["clean_low"]), float(row["clean_high"])) == point.clean.interval
        assert row["claim"] == point.claim


def test_latex_has_a_row_for_every_point_with_its_source_and_no_bare_per_cent():
    table = tables.table_4(points(), DATASETS["imagenette"])
    lines = tables.as_latex(table).splitlines()
    rows = [line for line in lines if " & " in line][1:]
    assert len(rows) == len(table)
    for row, point in zip(rows, table, strict=True):
        assert str(point.origin) in row
        assert row.count(" & ") == 5
        assert "%" not in row.replace(r"\%", "")
        assert (r"infeasible" in row) == (point.clean is None)
