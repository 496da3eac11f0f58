"""The story: every answer is one that the library gives, counted here in another way, and so is every picture."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.asking import Question
from app.cache import analysis as cached
from app.cache import patches
from app.cache.analysis import Choice, DefenceChoice
from app.cache.patches import Contents, Motif, Simulation
from app.views.story import questions
from app.views.story.questions import Subject
from app.views.story.screens import PRINTED_BOUND, SCREENS
from pg_core import RobustMasking, Threat
from pg_core.analysis.effect import PatchEffect
from pg_core.defences.patchguard.boards import COUNTEREXAMPLE, COUNTEREXAMPLE_RIVAL
from pg_core.geometry import Patch
from pg_core.networks import MODELS
from tests.app.test_links import address
from tests.app.test_page import PATIENCE

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of streamlit's own dependencies
FIRST = next(iter(MODELS))
SHIPPED_DIGEST = patches.digest_of_pixels(patches.shipped("chelsea")[1])


def story_page():
    import streamlit as st

    from app import links, opening, sidebar
    from app.views.story import page as story

    links.follow()
    chosen = sidebar.sidebar()
    opening.about_the_link()
    titles = ("Explore", "Attack", "Figure 5", "Steps", "Museum")
    story.show(
        chosen,
        *(st.Page(lambda: None, title=title, url_path=title.lower().replace(" ", "")) for title in titles),
    )
    links.write(chosen)


def opened(**link):
    app = AppTest.from_function(story_page, default_timeout=PATIENCE)
    for name, value in link.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def words(app):
    return " ".join(box.value for kind in (app.header, app.markdown, app.caption) for box in kind)


def subject_of(photo, model, patch, contents=None, **settings):
    """What the story is told of, for a patch of noise or of other contents at a place."""
    choice = Choice(model)
    asked = DefenceChoice("masking", patch.size).having(settings)
    clean = cached.analysis(cached.sample(photo), choice, asked, Threat(patch.size), None)
    simulation = Simulation(patch, contents or Motif())
    shown = patches.simulated(cached.sample(photo), choice, asked, simulation)
    there = patches.simulated(
        cached.sample(photo), choice, asked, Simulation(Patch(0, 0, *patch.size), simulation.motif)
    )
    seen = SimpleNamespace(
        clean=clean, shown=shown, shown_class=int(clean.certificate.label), malicious=clean.certificate.worst
    )
    return Subject(seen, PatchEffect(clean, shown, patch), lambda: there)


@pytest.fixture(scope="module")
def cat():
    return subject_of("chelsea", "cifar10", Patch(4, 16, 5, 5))


def with_shipped_pixels(sample):
    place, pixels = patches.shipped(sample)
    return subject_of(sample, FIRST, place, Motif(Contents.OPTIMISED, pixels=pixels, pixels_size=place.size))


@pytest.fixture(scope="module")
def shipped():
    return with_shipped_pixels("chelsea")


@pytest.mark.parametrize("sample", patches.SHIPPED)
def test_shipped_pixels_fool_the_first_network_and_not_robust_masking(sample):
    told = with_shipped_pixels(sample)
    effect, answers = told.effect, {"chelsea": ("cat", "fox"), "coffee": ("espresso", "consomme")}
    assert (told.clean.undefended_prediction, effect.patched.undefended_prediction) == answers[sample]
    assert effect.fools_network
    assert not effect.fools_defence
    assert told.clean.threat.patch_size == effect.patch.size


@pytest.mark.parametrize("name", ["cat", "shipped"])
def test_each_question_has_one_answer_among_two_options_or_more(request, name):
    subject = request.getfixturevalue(name)
    for screen in (*SCREENS, PRINTED_BOUND):
        question = screen.question(subject)
        assert isinstance(question, Question)
        assert 2 <= len(question.options) == len(set(question.options)) <= 4
        assert question.answer in question.options


@pytest.mark.parametrize("name", ["cat", "shipped"])
def test_the_answers_are_those_of_literal_loops(request, name):
    subject = request.getfixturevalue(name)
    clean, shown, patch = subject.clean, subject.seen.shown, subject.effect.patch
    field, (rows, columns) = clean.features.receptive_field, clean.features.map_size
    reached = 0
    for row in range(rows):
        for column in range(columns):
            top, left = (
                at * stride - offset
                for at, stride, offset in zip((row, column), field.stride, field.offset, strict=True)
            )
            apart = top >= patch.bottom or left >= patch.right
            apart = apart or top + field.size[0] <= patch.top or left + field.size[1] <= patch.left
            reached += not apart
    assert questions.about_the_footprint(subject).answer == str(reached)

    label, other = int(clean.certificate.label), subject.others[1]
    logits = clean.features.local_logits
    alone = sum(
        all(logits[label, row, column] >= value for value in logits[:, row, column])
        for row in range(rows)
        for column in range(columns)
    )
    assert questions.about_the_cells(subject).answer == str(alone)

    evidence, (height, width) = shown.masking.evidence, clean.robust_masking.window_size
    sums = {
        (row, column): evidence[other, row : row + height, column : column + width].sum()
        for row in range(rows - height + 1)
        for column in range(columns - width + 1)
    }
    row, column = max(sums, key=sums.__getitem__)
    assert questions.about_detection(subject).answer == f"row {row}, column {column}"
    assert questions.about_masking(subject).answer == shown.prediction
    assert questions.about_the_proof(subject).answer == str(
        (clean.certificate.margin > clean.certificate.tolerance).sum()
    )
    worst = np.unravel_index(clean.certificate.margin.argmin(), clean.certificate.margin.shape)
    assert questions.about_the_weakest(subject).answer == "row {}, column {}".format(*worst)
    changed = subject.elsewhere().undefended_prediction != clean.undefended_prediction
    told = ("yes" if changed else "no") if subject.effect.fools_network else str(rows * columns)
    assert questions.about_the_corner(subject).answer == told


def test_a_window_holds_as_much_as_its_cells_may(cat):
    top = cat.clean.robust_masking.evidence.top
    assert questions.about_clipping(cat).answer == f"{81 * top:,.0f}"
    clipped = subject_of("chelsea", "cifar10", Patch(4, 16, 5, 5), clip_high=0.5)
    assert questions.about_clipping(clipped).answer == "40.5"


def test_where_no_window_passes_the_threshold_none_is_detected():
    high = subject_of("chelsea", "cifar10", Patch(4, 16, 5, 5), threshold=0.99)
    assert questions.about_detection(high).answer == "none"
    assert "T = 0.99" in questions.about_detection(high).because


def test_the_printed_bound_breaks_as_the_algorithm_says():
    question = questions.about_the_printed_bound(None)
    evidence = np.concatenate([COUNTEREXAMPLE.attacked, COUNTEREXAMPLE_RIVAL.attacked])
    masking = RobustMasking((2, 2), 0.4).mask(evidence)
    assert int(masking.label) == 1
    assert question.answer == f"{masking.scores[0]:g}" == "23"
    assert "keeps at least 37" in question.text


def test_the_screens_are_gone_through_and_each_is_an_address():
    app, titles = opened(network="cifar10"), []
    while True:
        titles.append(app.header[0].value)
        if app.button(key="story-next").disabled:
            break
        app.button(key="story-next").click().run()
        assert not app.exception
        assert address(app)["step"] == str(len(titles) + 1)
    assert titles == [f"{at} of 8: {screen.title}" for at, screen in enumerate(SCREENS, 1)]
    app.button(key="story-back").click().run()
    assert app.header[0].value == "7 of 8: The proof"
    assert opened(network="cifar10", step="5").header[0].value == "5 of 8: Detecting"
    for wrong in ("0", "9", "two"):
        app = opened(network="cifar10", step=wrong)
        assert app.header[0].value.startswith("1 of 8")
        assert any(f"step={wrong}" in box.value for box in app.warning)


def test_a_ninth_screen_is_there_for_a_threshold():
    app = opened(network="cifar10", threshold="0.2", step="9", defence="masking")
    assert app.header[0].value == "9 of 9: The printed bound"
    app.main.radio[-1].set_value("23").run()
    assert any("Right: 23. The little" in box.value for box in app.success)
    app.slider(key="threshold").set_value(0.0).run()
    assert app.header[0].value.startswith("8 of 8")


def test_a_wrong_answer_is_told_the_right_one_with_its_reason():
    app = opened(network="cifar10", step="4")
    asked = app.main.radio[-1]
    wrong = next(option for option in asked.options if option == "as much as they like")
    asked.set_value(wrong).run()
    (told,) = [box.value for box in app.error]
    assert re.match(r"✘ Not as much as they like, but [0-9.,]+\. Evidence of the type", told)
    app.button(key="story-next").click().run()
    assert not app.error
    assert not app.success


def test_the_story_of_the_first_sample_begins_with_pixels_that_fool_it():
    app = opened()
    assert "without a defence 'cat' becomes 'fox'" in words(app)
    said = address(app)
    assert said["contents"].startswith("optimised:")
    again = opened(**said)
    assert "without a defence 'cat' becomes 'fox'" in words(again)
    assert not again.warning
    assert "without a defence 'espresso' becomes 'consomme'" in words(opened(photo="coffee"))
    assert "without a defence the answer stays" in words(opened(photo="astronaut"))


def test_a_patch_that_a_person_has_chosen_stays():
    app = opened(contents="noise:7", step="1")
    assert "without a defence the answer stays 'cat'" in words(app)
    assert address(app)["contents"] == "noise:7"
    assert any(button.label == "Search for pixels" for button in app.button)


def test_both_classes_can_be_shown():
    app = opened(network="cifar10", step="3")
    button = next(
        button for button in app.button if button.label.startswith("Show '") and not button.disabled
    )
    button.click().run()
    assert not app.exception
    assert app.selectbox(key="shown").value == button.label.removeprefix("Show '").removesuffix("'")


def test_for_a_class_there_is_the_story_alone_and_a_sample_can_be_chosen():
    app = opened(network="cifar10", step="3", present="true")
    assert address(app)["present"] == "true"
    assert not any("Slides" in button.label for button in app.get("download_button"))
    app.selectbox(key="story-sample").set_value("rocket").run()
    assert not app.exception
    assert address(app)["photo"] == "rocket"
    assert app.header[0].value == "3 of 8: Local logits"
    assert any("present=perhaps" in box.value for box in opened(network="cifar10", present="perhaps").warning)


def test_pixels_that_were_dragged_away_are_put_back_by_a_button_and_by_the_next_screen():
    for key in ("story-put-back", "story-next"):
        app = opened(contents="optimised:" + SHIPPED_DIGEST, patch="10,20,64,64")
        assert "without a defence the answer stays 'cat'" in words(app)
        app.button(key=key).click().run()
        assert not app.exception
        assert address(app)["patch"] == "159,127,64,64"
        assert not any(button.key == "story-put-back" for button in app.button)
        app.button(key="story-back" if key == "story-next" else "story-next").click().run()
        assert address(app)["patch"] == "159,127,64,64"


def test_the_scores_are_shown_after_the_answer():
    app = opened(network="cifar10", step="6")
    assert not any("unclipped" in box.value for box in app.caption)
    field = app.main.radio[-1]
    field.set_value(field.options[0]).run()
    assert any("unclipped" in box.value for box in app.caption)
