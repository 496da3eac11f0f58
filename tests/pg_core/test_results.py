"""What was measured and what was published: read as it was written, and refused when it contradicts itself."""

import json
from collections import Counter

import pytest

from pg_core import published, results
from pg_core.defences.base import Verdict
from pg_core.geometry import ReceptiveField
from pg_core.proportion import Proportion
from pg_core.results import Accuracy, Configuration, Evaluation, Setting

CLASSES = ("cat", "dog")


@pytest.fixture
def evaluation():
    settings = (
        Setting((32, 32), "masking", 0.0, True, "robust masking of 6x6 windows, T = 0"),
        Setting((32, 32), "clipping", None, True, "mean of bounded evidence"),
    )
    verdicts = (
        (Counter({Verdict.CERTIFIED: 3, Verdict.VULNERABLE: 1}), Counter({Verdict.MISCLASSIFIED: 3})),
        (Counter({Verdict.CERTIFIED: 4}), Counter({Verdict.UNDECIDED: 1, Verdict.CERTIFIED: 2})),
    )
    field = ReceptiveField((33, 33), (8, 8))
    versions = (("python", "3.11.7"), ("torch", "2.14.1"))
    return Evaluation(
        Configuration("small", CLASSES, (224, 224), field, "ab" * 32, settings, versions),
        "imagenette/val",
        "cd" * 32,
        1.5e-4,
        Proportion(6, 7),
        tuple(
            Accuracy(setting, Proportion(clean, 7), Proportion(own[0][Verdict.CERTIFIED] + right, 7), own)
            for setting, own, clean, right in zip(settings, verdicts, (4, 7), (0, 2), strict=True)
        ),
    )


def test_a_summary_is_read_again_as_what_it_sums_up(evaluation, tmp_path):
    (tmp_path / "small-val.json").write_text(json.dumps(evaluation.summary(), indent=2))
    assert results.read_all(tmp_path) == {"small-val": evaluation}


@pytest.mark.parametrize(
    "change",
    [
        lambda told: told["runs"][0].update(certified_accuracy=6 / 7),
        lambda told: told["runs"][0].update(certified_interval=[0.5, 0.6]),
        lambda told: told["runs"][1]["verdicts"].update(certified=5),
        lambda told: told["runs"][1]["verdicts_by_class"]["dog"].update(certified=3),
        lambda told: told.update(undefended_accuracy=0.9),
        lambda told: told.update(n=8),
        lambda told: told["runs"].pop(),
        lambda told: told.pop("photos"),
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


def test_shipped_results_can_be_read():
    for name, evaluation in results.read_all().items():
        assert evaluation.n > 0, name
        assert evaluation.configuration.weights_sha256, name


def test_published_figures_are_those_of_the_table():
    cells = {(row.data, row.patch_per_cent, row.method): row for row in published.read()}
    assert len(cells) == 8 * 5 + 1
    row = cells["ImageNette", 2, "Mask-BN"]
    assert (str(row.clean), str(row.certified)) == ("95.0", "86.7")
    row = cells["CIFAR-10", 2.4, "Mask-DS"]
    assert (str(row.clean), str(row.certified), row.image) == ("84.6 *", "57.7 *", "32x32 (native)")
    row = cells["ImageNet", 3, "Mask-DS"]
    assert (row.clean.remembered, row.certified.remembered) == (False, True)
    assert cells["ImageNette", 1, "IBP"].certified is None


def test_what_is_no_table_of_published_figures_is_refused(tmp_path):
    for content in ("a,b\n1,2\n", published.PUBLISHED.read_text().replace(",*", ",?", 1)):
        (tmp_path / "other.csv").write_text(content)
        with pytest.raises(ValueError, match=r"other\.csv"):
            published.read(tmp_path / "other.csv")
