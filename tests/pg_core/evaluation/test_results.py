"""What was measured and what was published: read as it was written, and refused when it contradicts itself."""

import json
from collections import Counter
from dataclasses import replace

import pytest

from pg_core.defences.base import Claim, Verdict
from pg_core.evaluation import published, results
from pg_core.evaluation.proportion import Proportion
from pg_core.evaluation.results import Accuracy, Configuration, Evaluation, Setting, TopAccuracy
from pg_core.geometry import ReceptiveField

CLASSES = ("cat", "dog")


@pytest.fixture
def evaluation():
    settings = (
        Setting((32, 32), "masking", 0.0, Claim.LABEL, "robust masking of 6x6 windows, T = 0"),
        Setting((32, 32), "clipping", None, Claim.LABEL, "mean of bounded evidence"),
        Setting((1, 1), "undefended", None, Claim.NOTHING, "no defence"),
    )
    verdicts = (
        (Counter({Verdict.CERTIFIED: 3, Verdict.NOT_CERTIFIED: 1}), Counter({Verdict.MISCLASSIFIED: 3})),
        (Counter({Verdict.CERTIFIED: 4}), Counter({Verdict.UNDECIDED: 1, Verdict.CERTIFIED: 2})),
        (Counter({Verdict.UNPROVED: 4}), Counter({Verdict.UNPROVED: 2, Verdict.MISCLASSIFIED: 1})),
    )
    field = ReceptiveField((33, 33), (8, 8))
    versions = (("pg_core", None), ("python", "3.11.7"), ("torch", "2.14.1"))
    return Evaluation(
        Configuration("small", CLASSES, (224, 224), field, "ab" * 32, settings, versions, "cpu"),
        "imagenette/val",
        "cd" * 32,
        1.5e-4,
        Proportion(6, 7),
        tuple(
            Accuracy(setting, Proportion(clean, 7), certified, own)
            for setting, own, clean, certified in zip(
                settings, verdicts, (4, 7, 6), (Proportion(3, 7), Proportion(6, 7), None), strict=True
            )
        ),
        ("cat/5.jpg",),
        ("cat/notes.txt",),
        ("cat/0.jpg",),
        ("dog/8.jpg", "dog/9.jpg"),
    )


def test_a_summary_is_read_again_as_what_it_sums_up(evaluation, tmp_path):
    (tmp_path / "small-val.json").write_text(json.dumps(evaluation.summary(), indent=2))
    assert results.read_all(tmp_path) == {"small-val": evaluation}


def with_top(evaluation, *top):
    """The same, in whose first run labels among the best k are counted too: 4 of 7 are right, 3 certified."""
    first, *others = evaluation.runs
    counted = tuple(
        TopAccuracy(k, Proportion(clean, 7), Proportion(certified, 7)) for k, clean, certified in top
    )
    return replace(evaluation, runs=(replace(first, top=counted), *others))


def test_a_summary_with_the_best_k_is_read_again(evaluation, tmp_path):
    ranked = with_top(evaluation, (1, 4, 3), (2, 7, 5))
    (tmp_path / "small-val.json").write_text(json.dumps(ranked.summary(), indent=2))
    assert results.read_all(tmp_path)["small-val"].runs[0].top == ranked.runs[0].top
    assert "among the best 2: clean 100.0 % [64.6, 100.0], certified 71.4 % [35.9, 91.8]" in str(ranked)


@pytest.mark.parametrize("top", [(1, 5, 3), (1, 4, 2), (2, 3, 3), (2, 7, 2), (0, 4, 3)])
def test_fewer_labels_among_the_best_k_than_at_the_top_are_refused(evaluation, tmp_path, top):
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(with_top(evaluation, top).summary()))
    with pytest.raises(ValueError, match="its shares, intervals and counts do not agree"):
        results.read(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda told: told["runs"][0].update(certified_accuracy=6 / 7),
        lambda told: told["runs"][0].update(certified_accuracy=None, certified_interval=None),
        lambda told: told["runs"][2].update(certified_accuracy=0.0, certified_interval=[0.0, 0.1]),
        lambda told: told["runs"][2].update(claim="keeps the label"),
        lambda told: told.update(schema=0),
        lambda told: told["runs"][0].update(certified_interval=[0.5, 0.6]),
        lambda told: told["runs"][1]["verdicts"].update(certified=5),
        lambda told: told["runs"][1]["verdicts_by_class"]["dog"].update(certified=3),
        lambda told: told.update(undefended_accuracy=0.9),
        lambda told: told.update(n=8),
        lambda told: told["runs"].pop(),
        lambda told: told.pop("photos"),
        lambda told: told["configuration"].pop("device"),
        lambda told: told["changed"].update(count=2),
        lambda told: told.update(runs=None),
    ],
)
def test_a_summary_that_was_changed_by_hand_is_refused(evaluation, tmp_path, change):
    told = json.loads(json.dumps(evaluation.summary()))
    change(told)
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(told))
    with pytest.raises(ValueError, match=r"changed\.json"):
        results.read(path)


def test_results_of_another_schema_are_called_so(evaluation, tmp_path):
    path = tmp_path / "old.json"
    path.write_text(json.dumps(evaluation.summary() | {"schema": 0}))
    with pytest.raises(ValueError, match=r"old\.json: expected schema 1, got 0"):
        results.read(path)


def test_shipped_results_can_be_read_and_say_what_they_were_measured_with_or_that_it_was_not_recorded():
    for name, evaluation in results.read_all().items():
        assert evaluation.n > 0, name
        assert evaluation.configuration.weights_sha256, name
        versions = dict(evaluation.configuration.versions)
        recorded = {"pg_core", "python", "torch", "torchvision", "numpy", "scipy", "pillow"}
        assert versions.keys() == recorded, name
        assert all(versions[library] for library in ("python", "torch", "numpy", "pillow")), name


def test_published_figures_are_those_of_the_table():
    cells = {(row.data, row.patch_per_cent, row.method): row for row in published.read()}
    assert len(cells) == 3 * 5 + 2 * 5 + 3 + 3
    row = cells["ImageNette", 2, "Mask-BN"]
    assert (str(row.clean), str(row.certified)) == ("95.0", "86.7")
    row = cells["ImageNet", 3, "Mask-DS"]
    assert (str(row.clean), row.certified) == ("43.0", None)
    assert cells["ImageNette", 1, "IBP"].clean is cells["ImageNette", 1, "IBP"].certified is None
    assert {(data, size) for data, size, _ in cells if data == "CIFAR-10"} == {
        ("CIFAR-10", 0.4),
        ("CIFAR-10", 2.4),
    }
    row = cells["CIFAR-10", 2.4, "BagCert"]
    assert (str(row.clean), str(row.certified), row.image) == ("86.0", "60.0", "32x32 (native)")
    row = cells["CIFAR-10", 0.4, "IBP"]
    assert (row.clean.per_cent, row.certified.per_cent) == (66.5, 53.02)


def test_every_published_figure_cites_its_table_and_none_is_from_memory():
    sources = {row.source for row in published.read()}
    assert sources == {
        "PatchGuard, Table 4",
        "Chiang et al. 2020, repository",
        "Metzen and Yatsura 2021, abstract",
    }
    assert "*" not in published.PUBLISHED.read_text(encoding="utf-8")


def test_what_is_no_table_of_published_figures_is_refused(tmp_path):
    for content in ("a,b\n1,2\n", published.PUBLISHED.read_text().replace(",95.2", ",95.2 *", 1)):
        (tmp_path / "other.csv").write_text(content)
        with pytest.raises(ValueError, match=r"other\.csv"):
            published.read(tmp_path / "other.csv")
