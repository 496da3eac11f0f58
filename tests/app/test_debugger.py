"""The window debugger without a browser: its numbers are the library's, and other settings are tried at once."""

import math

import pytest
from streamlit.testing.v1 import AppTest

from pg_core import (
    Bound,
    FeatureMasking,
    RobustMasking,
    analyse,
    examine,
    load_model,
    sample_path,
)
from pg_core.defences.patchguard.explain import diagnose, failures
from pg_core.defences.patchguard.witness import window_status
from tests.app.test_page import PATIENCE

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of streamlit's own dependencies


def _debugger_page():
    from app import sidebar
    from app.views.debugger import page as debugger

    debugger.show(sidebar.sidebar())


@pytest.fixture(scope="module")
def model():
    return load_model("tiles-coarse", "cpu")


@pytest.fixture(scope="module")
def told(model):
    defence = RobustMasking(model.receptive_field.window_size((64, 64)), evidence=model.evidence)
    return analyse(sample_path("coffee"), model, defence)


@pytest.fixture
def page():
    app = AppTest.from_function(_debugger_page, default_timeout=PATIENCE).run()
    app.selectbox(key="network").select("tiles-coarse").run()
    app.selectbox(key="sample").select("coffee").run()
    assert not app.exception
    return app


def text(app):
    return " ".join(box.value for box in app.markdown)


def metric(app, name):
    return next(box.value for box in app.metric if box.label == name)


def test_the_worst_window_is_diagnosed_in_the_numbers_of_the_library(page, told):
    worst = told.certificate.worst
    expected = diagnose(told.defence, told.masking, told.certificate, worst)
    assert f"The window at row {worst.top}, column {worst.left}" in [box.value for box in page.subheader]
    assert metric(page, "Rival") == told.rival(worst)
    assert metric(page, "Margin") == f"{expected.margin:+.4g}"
    assert metric(page, "Missing evidence") == f"{expected.missing:.4g}"
    assert f"**'espresso' keeps at least {expected.label.bound:.4g}.**" in text(page)
    assert f"lower = t - m = {expected.label.outside:.4g} - {expected.label.taken:.4g}" in text(page)
    assert "✘ feature-space counterexample" in text(page)
    _, witness = window_status(told.defence, told.masking, told.certificate, worst)
    assert f"predicts **'{told.classes[witness.prediction]}'** instead of **'espresso'**" in text(page)


def test_the_worst_window_is_tried_with_double_masking_of_the_same_evidence(page, told):
    defence = told.defence
    other = FeatureMasking(defence.window_size, defence.evidence)
    certificate = other.certify(told.features.local_logits, int(told.certificate.label), told.features.delta)
    at = told.certificate.worst.top, told.certificate.worst.left
    proves = (
        certificate.prediction == certificate.label and certificate.margin[at] > certificate.tolerance[at]
    )
    assert ("**proves this window**" in text(page)) == proves
    assert ("does not prove this window either" in text(page)) != proves
    assert f"{certificate.margin[at]:.4g}" in text(page)
    assert told.classes[certificate.rival[at]] in text(page)


def test_the_table_lists_every_failing_window_and_can_be_filtered(page, told):
    expected = list(failures(told.defence, told.masking, told.certificate))
    table = page.dataframe[0].value
    assert [(row, column) for row, column in zip(table["row"], table["column"], strict=True)] == [
        (failure.window.top, failure.window.left) for failure in expected
    ]
    assert list(table["margin"]) == [failure.margin for failure in expected]
    assert list(table["rival"]) == [told.classes[failure.rival] for failure in expected]
    assert list(table["label's case"]) == [failure.label_case for failure in expected]
    case = expected[0].label_case
    page.multiselect(key="failing-case").select(str(case)).run()
    kept = [failure for failure in expected if failure.label_case == case]
    assert len(page.dataframe[0].value) == len(kept)


def test_what_if_counts_and_verdict_follow_at_once_without_the_network(page, told, model, monkeypatch):
    def refuse(*_):
        raise AssertionError("the network ran again")

    monkeypatch.setattr("app.cache.analysis.extract", refuse)
    page.number_input(key="whatif-height").set_value(128).run()
    page.number_input(key="whatif-width").set_value(128).run()
    assert not page.exception
    larger = examine(
        told.features,
        RobustMasking(model.receptive_field.window_size((128, 128)), evidence=model.evidence),
    )
    before, after = told.certificate, larger.certificate
    assert (
        f"With patch 64x64 → 128x128: still not certified; {before.proved.sum()} of 16 windows proved → "
        f"**{after.proved.sum()} of {after.windows.count}** proved." in text(page)
    )
    next(button for button in page.button if button.label == "As in the sidebar").click().run()
    assert "still not certified" not in text(page)
    page.slider(key="whatif-threshold").set_value(0.3).run()
    page.number_input(key="whatif-clip_high").set_value(0.5).run()
    other = examine(
        told.features,
        RobustMasking(before.windows.window_size, 0.3, model.evidence, 0.5),
        label="espresso",
    ).certificate
    gained = (other.proved & ~before.proved).sum()
    lost = (before.proved & ~other.proved).sum()
    assert "With T 0 → 0.3, c_h ∞ → 0.5" in text(page)
    assert f"({gained} newly, {lost} no longer)" in text(page)


def test_the_settings_of_the_sidebar_are_where_what_if_begins(page):
    page.slider(key="threshold").set_value(0.2).run()
    assert page.slider(key="whatif-threshold").value == 0.2
    assert "→" not in text(page).split("windows")[0]
    page.slider(key="whatif-threshold").set_value(0.1).run()
    assert "With T 0.2 → 0.1" in text(page)


@pytest.mark.parametrize("bound", ["tight", "published"])
def test_each_bound_is_told_by_the_branch_that_applies(page, told, bound):
    page.slider(key="threshold").set_value(0.3).run()
    page.selectbox(key="bound").select(bound).run()
    defence = RobustMasking(told.defence.window_size, 0.3, told.defence.evidence, math.inf, Bound(bound))
    other = examine(told.features, defence)
    window = other.certificate.worst
    expected = diagnose(defence, other.masking, other.certificate, window)
    keeps = (
        "keeps at least" if bound == "tight" else "keeps, by the published bound, which is wrong for T > 0,"
    )
    assert f"{keeps} {expected.label.bound:.4g}" in text(page)
    assert f"reaches at most {expected.rival.bound:.4g}" in text(page)
    assert not page.exception


def test_a_certified_photo_has_no_failing_window():
    app = AppTest.from_function(_debugger_page, default_timeout=PATIENCE).run()
    app.selectbox(key="network").select("tiles-coarse").run()
    assert "✔ There is none." in text(app)
    assert "✔ certified: no content of this window" in text(app)
    assert not app.exception
