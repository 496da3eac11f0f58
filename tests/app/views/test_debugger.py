"""The window debugger without a browser: its numbers are the library's, and other settings are tried at once."""

import math

import pytest
from streamlit.testing.v1 import AppTest

from app.markup import in_formula, in_markdown
from app.views.debugger import results
from app.views.debugger.text import number
from pg_core import (
    Bound,
    FeatureMasking,
    RobustMasking,
    analyse,
    certify,
    examine,
    load_model,
    sample_path,
)
from pg_core.analysis.words import among_the_best
from pg_core.defences.patchguard.explain import diagnose, failures
from pg_core.defences.patchguard.witness import window_status
from tests.app.test_page import PATIENCE, field

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
    assert f"**The score of 'espresso' is at least {expected.label.bound:.4g}.**" in text(page)
    bound = f"lower = t - m = {expected.label.outside:.4g} - {expected.label.taken:.4g} = {expected.label.bound:.4g}"
    assert in_formula(bound) in text(page)
    assert "✘ feature-space counterexample" in text(page)
    _, witness = window_status(told.defence, told.masking, told.certificate, worst)
    assert f"predicts **'{told.classes[witness.prediction]}'** instead of **'espresso'**" in text(page)


def test_the_worst_window_says_among_how_many_of_the_best_classes_the_label_stays(page, told):
    at = told.masking_certificate.worst
    expected = in_markdown(among_the_best(told, at))
    assert f"best {told.certificate.least_rank[at.top, at.left]} of 673" in expected
    assert expected in text(page)
    page.slider(key="whatif-threshold").set_value(0.2).run()
    assert not page.exception
    assert "among the best" not in text(page)


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
    next(button for button in page.button if button.label == "Reset to sidebar settings").click().run()
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
    assert f"({gained} newly certified, {lost} newly failing)" in text(page)


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
    keeps = "at least" if bound == "tight" else "by the published bound, which is wrong for $T > 0$,"
    assert f"{keeps} {expected.label.bound:.4g}" in text(page)
    assert f"is at most {expected.rival.bound:.4g}" in text(page)
    assert not page.exception


def test_a_certified_photo_has_no_failing_window():
    app = AppTest.from_function(_debugger_page, default_timeout=PATIENCE).run()
    app.selectbox(key="network").select("tiles-coarse").run()
    assert "✔ There is none." in text(app)
    assert "✔ certified: no content of this window" in text(app)
    assert not app.exception


ANY_DEFENCE = [
    ("cifar10", "detection"),
    ("cifar10", "feature-masking"),
    ("cifar10", "undefended"),
    ("cifar10", "clipping"),
    ("cifar10-bands", "smoothing"),
    ("cifar10-interval", "interval"),
]


def opened(network, defence, side=5):
    app = AppTest.from_function(_debugger_page, default_timeout=PATIENCE)
    app.session_state["network"] = network
    app.session_state[f"defence-{network}"] = defence
    app.session_state["unit"] = "pixels"
    app.session_state["linked-size"] = (side, side)
    app.session_state["sample"] = "coffee"
    app.run()
    assert not app.exception
    return app


@pytest.fixture(params=ANY_DEFENCE, ids=lambda param: param[1], scope="module")
def any_defence(request):
    network, defence = request.param
    return opened(network, defence), certify(sample_path("coffee"), network, 5, defence)


def test_margin_rival_missing_and_bounds_of_any_defence_are_those_of_the_library(any_defence):
    app, told = any_defence
    worst = told.certificate.worst
    expected = told.explanation(worst)
    assert f"row {worst.top}, column {worst.left}" in " ".join(box.value for box in app.subheader)
    assert metric(app, "Margin") == number(expected.margin, signed=True)
    assert metric(app, "Rival") == told.rival(worst)
    nothing = told.certificate.claim == "nothing"
    assert metric(app, "Missing") == ("–" if nothing else number(max(expected.missing, 0)))
    assert f"**lower bound = {number(expected.lower.bound)}**" in text(app)
    assert f"**upper bound = {number(expected.upper.bound)}**" in text(app)
    assert told.spec.lower.format(label=told.label, rival=told.rival(worst)) in text(app)


def test_every_position_that_any_defence_does_not_prove_is_in_the_table(any_defence):
    app, told = any_defence
    certificate = told.certificate
    at = [(row, column) for row, column in zip(*(~certificate.proved).nonzero(), strict=True)]
    assert 0 < len(at) <= results.LISTED
    table = app.dataframe[0].value
    assert list(zip(table["row"], table["column"], strict=True)) == at
    assert list(table["margin"]) == [certificate.margin[place] for place in at]
    assert list(table["rival"]) == [told.classes[certificate.rival[place]] for place in at]
    if told.spec.witness is None:
        assert set(table["status"]) <= {"not known", "undecided"}
    else:
        assert list(table["status"].notna()) == [n < results.TRIED for n in range(len(at))]


def test_a_witness_is_told_by_what_wins_and_without_one_it_is_not_known(any_defence):
    app, told = any_defence
    worst = told.certificate.worst
    found = told.counterexample(worst)
    assert (found is not None) == (told.spec.witness is not None)
    if found is None:
        assert "no certificate; whether there is a counterexample is *not known*" in text(app)
    else:
        winner = told.named(int(found.prediction.label))
        assert f"the defence says '{winner}' instead of '{told.label}'" in text(app)


def test_the_words_without_a_defence_call_the_upper_bound_infinite():
    app = opened("cifar10", "undefended")
    assert "**upper bound = ∞**: no bound" in text(app)
    assert metric(app, "Margin") == "-∞"
    assert any("Hatched, with an arrow: without a bound." in box.value for box in app.caption)


def test_what_if_asks_for_the_parameters_of_the_chosen_defence_and_tries_them():
    app = opened("cifar10", "feature-masking")
    app.selectbox(key="whatif-evidence").select("confidence").run()
    app.number_input(key="whatif-clip_high").set_value(0.9).run()
    app.number_input(key="whatif-height").set_value(1).run()
    app.number_input(key="whatif-width").set_value(1).run()
    assert not app.exception
    told = certify(sample_path("coffee"), "cifar10", 5, "feature-masking")
    settings = {"evidence": "confidence", "clip_high": 0.9}
    other = certify(sample_path("coffee"), "cifar10", 1, "feature-masking", told.label, settings)
    before, after = told.certificate, other.certificate
    assert after.proved.sum() != before.proved.sum()
    assert "With evidence logits → confidence, c_h ∞ → 0.9, patch 5x5 → 1x1: " in text(app)
    assert (
        f"{before.proved.sum()} of 400 windows proved → **{after.proved.sum()} of {after.windows.count}** proved."
        in text(app)
    )
    assert in_markdown(other.sentence()) in text(app)


def test_a_what_if_that_raises_an_alert_says_so():
    app = opened("cifar10", "detection")
    app.slider(key="whatif-alert_threshold").set_value(0.1).run()
    assert not app.exception
    told = certify(sample_path("coffee"), "cifar10", 5, "detection", settings={"alert_threshold": 0.1})
    assert told.verdict == "alert"
    assert "With τ 0.5 → 0.1: not certified → **alert**; 0 of 400 windows proved" in text(app)
    (legend,) = [box.value for box in app.caption if box.value.startswith("The photo")]
    masked = told.masked(int(told.certificate.label))
    assert f"Solid blue: what the defence masked, the first 12 of {len(masked)}." in legend


def test_an_alert_is_no_counterexample_to_a_claim_that_allows_for_it():
    app = opened("cifar10", "detection")
    app.slider(key="whatif-alert_threshold").set_value(0.1).run()
    field(app, "window_row").set_value(10).run()
    field(app, "window_column").set_value(10).run()
    told = certify(sample_path("coffee"), "cifar10", 5, "detection", settings={"alert_threshold": 0.1})
    assert told.verdict == "alert"
    assert told.certificate.margin[10, 10] > told.certificate.tolerance[10, 10]
    assert "? open: neither a certificate nor a counterexample" in text(app)
    assert "an alert" not in set(app.dataframe[0].value["winner"])


def test_a_table_that_is_cut_names_the_smallest_margins_and_says_how_many_there_are(monkeypatch):
    monkeypatch.setattr(results, "LISTED", 7)
    results.failing.clear()
    app = opened("cifar10-interval", "interval")
    results.failing.clear()
    certificate = certify(sample_path("coffee"), "cifar10-interval", 5, "interval").certificate
    least = sorted(certificate.margin[~certificate.proved])[:7]
    assert sorted(app.dataframe[0].value["margin"]) == least
    said = f"Of {(~certificate.proved).sum():,} placements these 7 have the smallest margins"
    assert any(said in box.value for box in app.caption)


def test_patchcleanser_is_shown_after_its_runs_without_a_what_if():
    app = opened("cifar10", "double-masking")
    assert not app.metric
    next(button for button in app.button if button.label.startswith("Run the network")).click().run()
    assert not app.exception
    told = certify(sample_path("coffee"), "cifar10", 5, "double-masking")
    worst = told.certificate.worst
    assert metric(app, "Margin") == number(float(told.certificate.margin[worst.top, worst.left]), signed=True)
    assert not any((box.key or "").startswith("whatif") for box in app.number_input)
    assert any("So there is no *what if* here" in box.value for box in app.caption)


def test_a_placement_that_is_typed_is_looked_at():
    app = opened("cifar10-interval", "interval")
    field(app, "window_row").set_value(20).run()
    field(app, "window_column").set_value(3).run()
    assert "The patch at row 20, column 3" in [box.value for box in app.subheader]
    certificate = certify(sample_path("coffee"), "cifar10-interval", 5, "interval").certificate
    assert metric(app, "Margin") == number(float(certificate.margin[20, 3]), signed=True)
