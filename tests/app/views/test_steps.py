"""The step-through without a browser: each step is the library's, forwards, backwards and to the end."""

import pytest
from streamlit.testing.v1 import AppTest

from app.markup import in_formula
from app.views.steps import widgets as controls
from app.views.steps.results import Algorithm, Scene
from pg_core import FeatureMasking, RobustMasking, analyse, load_model, sample_path
from tests.app.test_page import PATIENCE

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of streamlit's own dependencies


def _board_page():
    from app.views.steps import page as steps

    steps.show(None)


def _photo_page():
    from app import sidebar
    from app.views.steps import page as steps

    steps.show(sidebar.sidebar())


@pytest.fixture
def board_page():
    return AppTest.from_function(_board_page, default_timeout=PATIENCE).run()


def press(app, name):
    app.button(key=f"step-{name}").click().run()
    assert not app.exception


def text(app):
    return " ".join(box.value for box in app.markdown)


def test_every_step_to_the_end_and_back(board_page):
    assert "**The class 'the class': its local logits $u_y$" in text(board_page)
    seen = []
    while not board_page.button(key="step-next").disabled:
        seen.append(text(board_page))
        press(board_page, "next")
    assert "'the rival' has the largest score, $s = 30$: it is the prediction." in text(board_page)
    assert len(seen) == len(set(seen)) == 10
    press(board_page, "back")
    assert text(board_page) == seen[-1]
    press(board_page, "start")
    assert text(board_page) == seen[0]


def test_algorithm_2_on_the_counterexample_ends_not_certified(board_page):
    board_page.segmented_control(key="algorithm").set_value(Algorithm.CERTIFICATE).run()
    assert "Without a patch, Algorithm 1 predicts 'the class'" in text(board_page)
    press(board_page, "end")
    assert "windows are proved: ✘ not certified for 'the class'" in text(board_page)
    assert board_page.button(key="step-end").disabled


def test_the_current_line_is_marked_in_the_listing(board_page):
    press(board_page, "next")
    listing = board_page.get("html")[-1].proto.body
    marked = listing.split('aria-current="step"')
    assert len(marked) == 2
    assert marked[1].startswith(' style="--indent: 4">û<sub>y</sub> ← clip(u<sub>y</sub>, 0, c<sub>h</sub>)')


def test_the_slider_jumps_and_another_algorithm_begins_at_its_first_step(board_page):
    board_page.slider(key="step-slider").set_value(5).run()
    kept = in_formula("s = SUM(û) - SUM(w* ⊙ û) = 39 - 16 = 23")
    assert f"'the class' keeps {kept}." in text(board_page)
    board_page.segmented_control(key="algorithm").set_value(Algorithm.CERTIFICATE).run()
    assert board_page.slider(key="step-slider").value == 1


def test_playing_goes_on_by_itself_and_stops_at_the_end(board_page, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(controls.time, "monotonic", lambda: clock[0])
    press(board_page, "play")
    assert board_page.slider(key="step-slider").value == 1
    for step in range(2, 12):
        clock[0] += controls.PACES["normal"]
        board_page.run()
        assert board_page.slider(key="step-slider").value == step
    assert not board_page.session_state["step-playing"]
    assert "it is the prediction" in text(board_page)


def test_the_speed_sets_how_long_a_step_is_shown(board_page, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(controls.time, "monotonic", lambda: clock[0])
    press(board_page, "play")
    clock[0] += controls.PACES["fast"]
    board_page.run()
    assert board_page.slider(key="step-slider").value == 1
    board_page.segmented_control(key="step-pace").set_value("fast").run()
    assert board_page.slider(key="step-slider").value == 2


def test_the_page_says_which_classes_are_walked_through(board_page):
    (line,) = [box.value for box in board_page.caption if "Classes walked through" in box.value]
    assert "'the class', 'the rival', the label and those with the largest scores." in line


def test_playing_goes_through_a_loop_over_windows_and_not_past_it(board_page, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(controls.time, "monotonic", lambda: clock[0])
    board_page.segmented_control(key="algorithm").set_value(Algorithm.FEATURES).run()
    press(board_page, "play")
    shown = [text(board_page)]
    while board_page.session_state["step-playing"]:
        clock[0] += controls.PACES["normal"]
        board_page.run()
        shown.append(text(board_page))
    assert sum("23 of 25 single masks leave 'the class'" in words for words in shown) == 1
    assert "No disagreer stands: 'the class', the class of the majority, is the prediction." in shown[-1]


def test_the_counterexample_to_the_published_bound_neither_fools_double_masking_nor_escapes_its_proof(
    board_page,
):
    press(board_page, "end")
    assert "'the rival' has the largest score" in text(board_page)
    board_page.segmented_control(key="algorithm").set_value(Algorithm.FEATURES).run()
    press(board_page, "end")
    assert "No disagreer stands: 'the class'" in text(board_page)
    board_page.segmented_control(key="algorithm").set_value(Algorithm.FEATURE_CERTIFICATE).run()
    assert "Without a patch, the two rounds predict 'the class'" in text(board_page)
    press(board_page, "end")
    assert "25 of 25 windows are proved: ✔ certified for 'the class'." in text(board_page)


def test_a_step_by_hand_stops_the_play(board_page):
    press(board_page, "play")
    assert board_page.button(key="step-play").label == "Pause"
    press(board_page, "next")
    assert board_page.button(key="step-play").label == "Play"


def test_both_algorithms_end_on_a_photo_in_what_the_library_says():
    app = AppTest.from_function(_photo_page, default_timeout=PATIENCE).run()
    app.selectbox(key="network").select("tiles-coarse").run()
    app.selectbox(key="sample").select("coffee").run()
    model = load_model("tiles-coarse", "cpu")
    defence = RobustMasking(model.receptive_field.window_size((64, 64)), evidence=model.evidence)
    told = analyse(sample_path("coffee"), model, defence)
    press(app, "end")
    assert f"'espresso' has the largest score, $s = {told.masking.scores.max():.4g}$" in text(app)
    scenes = app.selectbox(key="scene")
    scenes.select(Scene.WITNESS).run()
    press(app, "end")
    assert "'espresso' has the largest score" not in text(app)
    app.segmented_control(key="algorithm").set_value(Algorithm.CERTIFICATE).run()
    press(app, "end")
    assert f"{told.certificate.proved.sum()} of 16 windows are proved" in text(app)


@pytest.mark.parametrize("network", ["tiles-coarse", "cifar10-bands"])
def test_double_masking_on_a_photo_ends_in_what_the_library_says(network):
    app = AppTest.from_function(_photo_page, default_timeout=PATIENCE).run()
    app.selectbox(key="network").select(network).run()
    app.selectbox(key="sample").select("coffee").run()
    patch_size = (64, 64) if network == "tiles-coarse" else (5, 5)
    model = load_model(network, "cpu")
    field = model.receptive_field
    defence = FeatureMasking(field.window_size(patch_size), model.evidence, wrapping=field.wrapping)
    told = analyse(sample_path("coffee"), model, defence)
    app.segmented_control(key="algorithm").set_value(Algorithm.FEATURE_CERTIFICATE).run()
    assert f"the two rounds predict '{told.prediction}'" in text(app)
    press(app, "end")
    certificate = told.certificate
    assert f"{certificate.proved.sum()} of {certificate.windows.count} windows are proved" in text(app)
    app.segmented_control(key="algorithm").set_value(Algorithm.FEATURES).run()
    scenes = app.selectbox(key="scene")
    assert scenes.options[:2] == [Scene.PHOTO, Scene.PATCHED]
    attacked = told.counterexample(told.certificate.worst)
    assert (Scene.WITNESS in scenes.options) == (attacked is not None)
    for scene in scenes.options[: scenes.options.index(Scene.ATTACKED)]:
        scenes.select(scene).run()
        assert not app.exception
        press(app, "end")
        assert "the prediction" in text(app)
        if scene == Scene.WITNESS:
            winner = told.classes[int(attacked.prediction.label)]
            assert winner != told.prediction
            assert f"'{winner}'" in text(app)
    scenes.select(Scene.PHOTO).run()
    press(app, "end")
    assert f"'{told.prediction}'" in text(app)


def test_evidence_and_c_h_of_the_sidebar_apply_to_both_and_the_page_says_that_it_is_about_both():
    app = AppTest.from_function(_photo_page, default_timeout=PATIENCE).run()
    app.selectbox(key="network").select("tiles-coarse").run()
    for name in ("masking", "feature-masking", "detection"):
        app.selectbox(key="defence-tiles-coarse").select(name).run()
        assert any(
            "robust masking and double masking on features, whichever" in box.value for box in app.caption
        )
    app.selectbox(key="defence-tiles-coarse").select("masking").run()
    app.selectbox(key="evidence-tiles-coarse").select("logits").run()
    app.checkbox(key="clipped").check().run()
    app.number_input(key="clip_high").set_value(3.0).run()
    for algorithm, defence in ((Algorithm.PREDICTION, "robust"), (Algorithm.FEATURES, "double")):
        app.segmented_control(key="algorithm").set_value(algorithm).run()
        assert any(
            box.value.startswith(f"{defence} masking") and "logits clipped at 3" in box.value
            for box in app.caption
        )
