"""Every defence that the sidebar offers: pages say of it what the library says, and a link brings it back."""

import re
from functools import cache

import pytest
from streamlit.testing.v1 import AppTest

from app.cache import analysis as cached
from app.cache.analysis import Choice
from app.markup import in_markdown
from app.views.placements.results import extremes
from pg_core import Threat, Verdict, examine, extract, load_model, sample_path
from pg_core.analysis.inputs import configure
from pg_core.analysis.words import number, places
from pg_core.defences.base import Claim, DefenceInput
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.defences.patchguard.placements import Finding
from pg_core.defences.registry import DEFENCES
from pg_core.networks import MODELS
from pg_core.photos.framing import square
from tests.app.test_links import address, opened
from tests.app.test_page import PATIENCE, metric, press, statement
from tests.app.views.test_any_patch import compare_page, figure5_page, placements_page, steps_page

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of streamlit's own dependencies
NETWORKS = ("cifar10", "cifar10-bands", "cifar10-interval", "tiles")
RUN_PAIRS = "Run the network under every pair of masks"
LARGEST = "the largest certified patch around each pixel"


def patch_of(network):
    """The adversary's patch with which the page opens."""
    return square(0.02, MODELS[network].image_size)


def offered(network):
    return cached.applicable(Choice(network), patch_of(network))


PAIRS = [(network, name) for network in NETWORKS for name in offered(network)]
PAIRS += [("imagenette", name) for name in offered("imagenette") if name not in offered("tiles")]
QUICK = [pair for pair in PAIRS if pair != ("tiles", "double-masking")]
"""Those for which the network need not run 45 times on a large image."""


@cache
def examined(network, name):
    model, patch = load_model(network, "cpu"), patch_of(network)
    defence = DEFENCES[name].build(configure(model, patch))
    return examine(extract(sample_path("chelsea"), model), defence, Threat(patch), model=model)


def on_page(page, network, name):
    app = AppTest.from_function(page, default_timeout=PATIENCE)
    app.session_state["network"] = network
    app.session_state[f"defence-{network}"] = name
    app.run()
    if any(button.label == RUN_PAIRS for button in app.button) and page is placements_page:
        press(app, RUN_PAIRS)
    assert not app.exception
    return app


def words(app):
    kinds = (app.markdown, app.caption, app.info, app.warning, app.error, app.success)
    return " ".join(box.value for kind in kinds for box in kind)


def without_infinity(app):
    shown = [words(app), *(box.value for box in app.metric)]
    return not any(re.search(r"\b(inf|nan|Infinity|NaN)\b", text) for text in shown)


@pytest.mark.parametrize(("network", "name"), QUICK)
def test_explore_says_of_each_defence_what_the_library_says(network, name):
    app = opened(network=network)
    app.selectbox(key=f"defence-{network}").select(name).run()
    if name == "double-masking":
        press(app, RUN_PAIRS)
    assert not app.exception
    told = examined(network, name)
    certificate = told.certificate
    assert in_markdown(told.sentence()) in statement(app)
    assert bool(app.success) == (told.verdict is Verdict.CERTIFIED)
    assert metric(app, "Clean photo: defended") == in_markdown(told.prediction)
    proved = f"{certificate.proved.sum()} of {certificate.positions.count}"
    assert metric(app, f"{places(certificate).capitalize()} proved") == proved
    assert metric(app, "Smallest margin") == number(certificate.margin.min(), "+.3f")
    assert without_infinity(app)


@pytest.mark.parametrize("network", NETWORKS)
def test_a_network_opens_with_its_usual_defence_among_those_that_fit(network):
    app = opened(network=network)
    defence = app.selectbox(key=f"defence-{network}")
    assert defence.value == cached.usual_defence(Choice(network)) == MODELS[network].defence
    assert defence.options == [spec.title for spec in offered(network).values()]
    assert "defence" not in address(app)


@pytest.mark.parametrize("network", MODELS)
def test_the_usual_defence_of_every_network_fits_it(network):
    usual = cached.usual_defence(Choice(network))
    fitting = offered(network)
    assert usual in fitting
    bands = MODELS[network].receptive_field.wrapping
    assert ("mask-ds" in fitting, "masking" in fitting) == (bands, not bands)


@pytest.mark.parametrize(
    ("network", "name", "settings"),
    [
        (
            "cifar10",
            "masking",
            {"threshold": "0.1", "evidence": "confidence", "clip": "0.5", "bound": "tight"},
        ),
        ("cifar10", "feature-masking", {"evidence": "confidence"}),
        ("cifar10", "undefended", {}),
        ("cifar10", "detection", {"alert_threshold": "0.35"}),
        ("cifar10", "clipping", {"clip": "12"}),
        ("cifar10", "double-masking", {"masks_per_axis": "2"}),
        ("cifar10-bands", "mask-ds", {"threshold": "0.25"}),
        ("cifar10-bands", "smoothing", {}),
        ("cifar10-interval", "interval", {}),
    ],
)
def test_a_link_with_a_defence_and_its_settings_opens_it_and_is_written_again(network, name, settings):
    link = {"photo": "coffee", "network": network, "size": "3x4", "defence": name, **settings}
    app = opened(**link)
    assert app.selectbox(key=f"defence-{network}").value == name
    assert not any("link" in box.value for box in app.warning)
    if name == "double-masking":
        press(app, RUN_PAIRS)
    expected = dict(link)
    if name == cached.usual_defence(Choice(network)):
        del expected["defence"]
    assert address(app) == expected
    again = opened(**address(app))
    assert address(again) == expected
    assert [box.value for box in again.metric] == [box.value for box in app.metric]


def test_settings_of_the_link_reach_the_certificate():
    detection = opened(network="cifar10", defence="detection", alert_threshold="0.35")
    model = load_model("cifar10", "cpu")
    config = configure(model, patch_of("cifar10"), {"alert_threshold": 0.35})
    told = examine(extract(sample_path("chelsea"), model), DEFENCES["detection"].build(config))
    assert metric(detection, "Smallest margin") == number(told.certificate.margin.min(), "+.3f")
    assert told.certificate.margin.min() != examined("cifar10", "detection").certificate.margin.min()


def test_a_defence_of_the_link_that_does_not_fit_the_network_is_replaced_and_named():
    app = opened(network="cifar10", defence="smoothing")
    (warning,) = app.warning
    assert warning.value == (
        "de-randomized smoothing does not fit this network and this patch: double masking on features (ours) is in "
        "its place."
    )
    assert "defence" not in address(app)
    app.run()
    assert not app.warning


def test_each_network_keeps_the_defence_that_was_chosen_for_it():
    app = opened(network="cifar10")
    app.selectbox(key="defence-cifar10").select("detection").run()
    app.selectbox(key="network").select("cifar10-bands").run()
    assert app.selectbox(key="defence-cifar10-bands").value == "feature-masking"
    app.selectbox(key="network").select("cifar10").run()
    assert app.selectbox(key="defence-cifar10").value == "detection"


@pytest.mark.parametrize(("network", "runs"), [("cifar10", 45), ("tiles", 45)])
def test_patchcleanser_asks_before_it_runs_the_network(network, runs, monkeypatch):
    def refuse(*_):
        raise AssertionError("the network ran")

    cached.two_mask_predictions.clear()
    with monkeypatch.context() as forbidden:
        forbidden.setattr("app.cache.analysis.supply", refuse)
        app = opened(network=network, defence="double-masking")
        (asked,) = [box.value for box in app.info]
        assert f"it has to run {runs} times on this photo" in asked
        assert not app.metric
    if network == "tiles":
        return
    press(app, RUN_PAIRS)
    assert not app.exception
    told = examined(network, "double-masking")
    assert in_markdown(told.sentence()) in statement(app)
    app.run()
    assert not any(button.label == RUN_PAIRS for button in app.button)


@pytest.mark.parametrize(("network", "name"), PAIRS)
def test_figure_5_says_that_it_belongs_to_robust_masking(network, name):
    app = on_page(figure5_page, network, name)
    told = "This page belongs to robust masking" in words(app)
    assert told == (name not in ("masking", "mask-ds"))
    assert DEFENCES[name].title in words(app) or not told


@pytest.mark.parametrize(("network", "name"), PAIRS)
def test_steps_says_which_two_defences_it_is_about_whichever_is_chosen(network, name):
    told = words(on_page(steps_page, network, name))
    assert (
        "This page is about robust masking and double masking on features, whichever defence is chosen"
        in told
    )


@pytest.mark.parametrize(("network", "name"), PAIRS)
def test_compare_opens_whichever_defence_is_chosen(network, name):
    app = on_page(compare_page, network, name)
    others = {spec.title for spec in offered(network).values() if spec.input is DefenceInput.LOCAL_LOGITS}
    assert others <= set(app.dataframe[0].value.iloc[:, 0])


@pytest.mark.parametrize(("network", "name"), QUICK)
def test_placements_says_of_each_defence_what_the_library_says_and_in_its_own_terms(network, name):
    app = on_page(placements_page, network, name)
    told, text = examined(network, name), words(app)
    found, robust = told.placements(), isinstance(told.defence, RobustMasking)
    assert metric(app, "Places certified") == f"{100 * found.share:.1f} %"
    assert metric(app, "Places not certified") == f"{found.counts[Finding.NOT_CERTIFIED]:,}"
    worst = found.worst
    placed = found.at(worst.top, worst.left)
    assert (f"margin **{placed.margin:+.4f}**" in text) == (abs(placed.margin) < float("inf"))
    assert without_infinity(app)
    one = places(told.certificate, one=True)
    assert ("masks of the defence" in text) == robust == ("Algorithm" in text or "masking has bounds" in text)
    assert (f"is certified where a {one} that contains" in text) == (not robust)
    if placed.finding is Finding.CERTIFIED:
        alert = told.certificate.claim is Claim.LABEL_OR_ALERT
        assert ("changes the prediction without an alert." in text) == alert
    app.segmented_control(key="map-of").set_value(LARGEST).run()
    assert not app.exception
    sides = told.largest_patches()
    inside = extremes(told, sides).inside
    assert metric(app, "Largest inside the image") == (
        f"{inside.height}x{inside.width}" if inside is not None else "none"
    )
    assert without_infinity(app)
    assert "leaves the prediction as it is" not in words(app)


def test_without_a_defence_no_place_is_certified_and_the_page_says_why():
    text = words(on_page(placements_page, "cifar10", "undefended"))
    assert "without a defence nothing is claimed" in text
    assert "What a rival reaches has no bound" in text


@pytest.mark.parametrize(
    ("network", "name", "one"),
    [("cifar10", "feature-masking", "window"), ("cifar10-interval", "interval", "placement")],
)
def test_of_a_patch_that_no_position_contains_the_page_says_that_there_is_no_bound(network, name, one):
    app = on_page(placements_page, network, name)
    height = next(box for box in app.number_input if box.label == "Height (px)")
    height.set_value(20).run()
    assert not app.exception
    assert metric(app, "Places certified") == "0.0 %"
    assert f"No {one} of the certificate contains the patch, so there is no bound" in words(app)
    assert without_infinity(app)


def test_a_learned_head_is_offered_with_the_weights_that_it_was_trained_for_alone():
    assert ("imagenette", "head-masking") in PAIRS
    assert "head-masking" not in offered("tiles")
    other = Choice("imagenette", "ab" * 32)
    assert "head-masking" not in cached.applicable(other, patch_of("imagenette"))
