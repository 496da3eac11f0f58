"""The results page and the network picker show what is in assets/results, and nothing else."""

import json
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from app.cache import results as compute
from app.cache import tables
from app.views.results import attacked
from pg_core.evaluation import results
from pg_core.evaluation.bracket import Bracket, Budget, State
from pg_core.evaluation.outcome_table import open_table
from pg_core.io.json import as_json
from pg_core.networks import TRAINED
from pg_core.networks.shipped import read_card

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of streamlit's own dependencies
PATIENCE = 120


def show():
    from app.views.results import page as results

    results.show()


@pytest.fixture
def page():
    app = AppTest.from_function(show, default_timeout=PATIENCE).run()
    assert not app.exception
    return app


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """A folder of results in the place of the shipped one."""
    for path in results.RESULTS.glob("*.json"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(compute, "RESULTS", tmp_path)
    return tmp_path


def rows(page):
    return page.dataframe[0].value.to_dict("records")


def test_the_table_has_one_row_for_a_patch_and_a_network_with_every_defence_in_it(page):
    evaluation = results.read_all()["imagenette-unseen"]
    heads = [(row["Patch"], row["Network"], row["Source"]) for row in rows(page)]
    assert len(heads) == len(set(heads))
    source = f"measured here: unseen, n = {evaluation.n:,}"
    for run in evaluation.runs:
        if run.setting.defence == "masking" and run.setting.threshold == 0:
            if run.setting.patch_size not in ((23, 23), (32, 32), (39, 39)):
                continue
            patch = "{}x{} of 224x224".format(*run.setting.patch_size)
            (row,) = [row for row in rows(page) if (row["Patch"], row["Source"]) == (patch, source)]
            clean, certified = run.clean.in_per_cent, run.certified.in_per_cent
            assert row["robust masking (Mask-BN, Mask-DS)"] == f"{clean.per_cent:.1f} / {certified}"
            assert row["PatchGuard++ (detection): label or alert"]
    assert all("measured here" in row["Source"] or "as published" in row["Source"] for row in rows(page))
    assert not any("nothing" in word for row in rows(page) for word in row.values())


def test_a_filter_leaves_the_networks_that_are_chosen(page):
    page.multiselect(key="result-networks").set_value(["BagNet-17"]).run()
    assert not page.exception
    assert {row["Network"] for row in rows(page)} == {"BagNet-17"}


def test_a_network_has_one_row_for_each_patch_on_the_page_networks():
    found = compute.measured_networks()
    heads = [(row["Patch"], row["Network"], row["Source"]) for row in found]
    assert len(heads) == len(set(heads))
    assert {row["Network"] for row in found} == {"imagenette", "cifar10", "cifar10-bands", "cifar10-interval"}


def test_published_figures_cite_their_source_and_none_is_from_memory(page):
    page.segmented_control(key="data").set_value("CIFAR-10").run()
    assert not page.exception
    quoted = [row for row in rows(page) if "as published" in row["Source"]]
    assert quoted
    assert {row["Source"].partition(": ")[2] for row in quoted} == {
        "Chiang et al. 2020, repository",
        "Metzen and Yatsura 2021, abstract",
    }
    assert not any("*" in word for row in rows(page) for word in row.values())
    assert not any("from memory" in box.value for box in (*page.markdown, *page.caption))
    assert any("native" in caption.value for caption in page.caption)


@pytest.mark.parametrize(
    ("data", "setting"),
    [("ImageNette", "32x32 pixels, masking, T = 0"), ("CIFAR-10", "5x5 pixels, mask-ds, T = 0")],
)
def test_failures_begin_with_robust_masking_at_a_published_patch_size(page, data, setting):
    page.segmented_control(key="data").set_value(data).run()
    runs = page.selectbox(key="run")
    assert runs.options[runs.index] == setting


def test_every_choice_of_the_page_can_be_made(page):
    page.segmented_control(key="measure").set_value("clean (defended)").run()
    page.segmented_control(key="against").set_value("threshold T").run()
    page.selectbox(key="patch_measured").select_index(0).run()
    assert not page.exception
    runs = page.selectbox(key="run")
    runs.select_index(0).run()
    assert not page.exception
    page.segmented_control(key="data").set_value("ImageNet").run()
    assert not page.exception


def test_results_of_other_weights_than_the_shipped_ones_are_called_so(copied):
    path = copied / "imagenette-unseen.json"
    told = json.loads(path.read_text())
    told["configuration"]["weights_sha256"] = "0" * 64
    path.write_text(json.dumps(told))
    app = AppTest.from_function(show, default_timeout=PATIENCE).run()
    sources = {row["Source"].split(":")[0] for row in rows(app)}
    assert "measured here with other weights" in sources
    assert "measured here with other weights" in compute.in_brief("imagenette").lower()


def test_a_damaged_file_of_results_costs_a_sentence(copied):
    (copied / "imagenette-unseen.json").write_text("{}")
    app = AppTest.from_function(show, default_timeout=PATIENCE).run()
    assert not app.exception
    assert "imagenette-unseen.json" in app.error[0].value
    assert "imagenette-unseen.json" in compute.in_brief("imagenette")


def test_a_network_in_brief_says_n_interval_and_the_published_figure():
    told = compute.in_brief("imagenette")
    evaluation = results.read_all()["imagenette-unseen"]
    assert f"n = {evaluation.n:,}" in told
    assert "published: for Mask-BN (BagNet-17) 95.0 / 86.7" in told
    current = evaluation.configuration.weights_sha256 == read_card("imagenette").sha256
    assert ("with other weights" not in told) == current
    assert compute.in_brief("tiles") == "No accuracy has been measured for this network."
    assert "for Mask-BN 95.0 / 86.7 (ImageNette, 2 % of 224x224)" in compute.in_brief("bagnet17")
    assert compute.in_brief("bagnet17-192") == "No accuracy has been measured for this network."
    assert "IBP (interval bounds, float64)" in compute.in_brief("cifar10-interval")
    assert "published: for IBP (small network) 47.8 / 30.3" in compute.in_brief("cifar10-interval")
    assert "CIFAR" not in compute.in_brief("bagnet17")


def test_brackets_are_bars_of_what_is_proved_open_and_broken(copied):
    """One of the shipped evaluations' configuration, with counts of its own."""
    evaluation = results.read_all()["cifar10-test"]
    (copied / "attacked").mkdir()
    for defence, counted in (
        ("masking", {State.PROVED: 5, State.OPEN: 1, State.BROKEN: 2, State.MISCLASSIFIED: 2}),
        ("undefended", {State.OPEN: 1, State.BROKEN: 8, State.MISCLASSIFIED: 1}),
    ):
        setting = next(
            run.setting
            for run in evaluation.runs
            if run.setting.defence == defence and run.setting.patch_size == (5, 5)
        )
        configuration = replace(evaluation.configuration, settings=(setting,))
        bracket = Bracket(configuration, Budget(), "cifar10/test", "0" * 64, counted)
        (copied / "attacked" / f"{defence}.json").write_text(as_json(bracket.summary()))
    app = AppTest.from_function(show, default_timeout=PATIENCE).run()
    app.segmented_control[0].set_value("CIFAR-10").run()
    assert not app.exception
    (table,) = [each.value for each in app.dataframe if "Attacked (%)" in each.value.columns]
    said = {row["Defence"]: row for row in table.to_dict("records")}
    assert list(said) == ["no defence", "robust masking"]
    assert said["no defence"]["Certified (%)"] == "nothing claimed"
    assert said["robust masking"]["Certified (%)"].startswith("50.0 [")
    assert said["robust masking"]["Attacked (%)"].startswith("60.0 [")
    assert said["robust masking"]["Open (photos)"] == 1
    brackets = compute.brackets(next(data for data in compute.data() if data.title == "CIFAR-10"))
    figure = attacked.bars(brackets)
    stacked = {trace.name: trace.x for trace in figure.data if trace.type == "bar"}
    assert [sum(values) for values in zip(*stacked.values(), strict=True)] == [90.0, 80.0]
    assert "certified 50.0" in attacked.in_words(brackets)


def test_every_shipped_table_is_of_the_weights_that_are_shipped_and_opens_from_the_results():
    shipped = tables.shipped_of(TRAINED)
    assert {path.name for path in tables.SHIPPED.iterdir()} == set(shipped)
    for name, network in shipped.items():
        table = open_table(tables.SHIPPED / name)
        assert table.run.configuration.model == network
        assert table.run.configuration.weights_sha256 == read_card(network).sha256
        assert table.query("select count(distinct photo) from outcomes") == [(500,)]


def test_a_name_that_begins_like_a_network_is_of_the_network_with_the_longest_name():
    found = tables.shipped_of(["cifar10", "cifar10-bands"])
    assert found["cifar10-test-5x5"] == "cifar10"
    assert found["cifar10-bands-test-5x5"] == "cifar10-bands"
    assert "imagenette-val-32x32" not in found
