"""The quiz: its answers are those of the library, counted in another way where there is one."""

from dataclasses import replace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.cache import analysis as cached
from app.cache import patches
from app.cache.analysis import Choice, DefenceChoice
from app.cache.patches import Motif, Simulation
from app.views.quiz.questions import THRESHOLDS, Subject, drawn
from pg_core import Threat
from pg_core.geometry import Patch
from tests.app.test_links import address
from tests.app.test_page import PATIENCE

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of streamlit's own dependencies


def subject_of(photo, patched=True, size=(5, 5), **settings):
    choice, asked = Choice("cifar10"), DefenceChoice("masking", size).having(settings)
    clean = cached.analysis(cached.sample(photo), choice, asked, Threat(size), None)
    doubly = cached.analysis(
        cached.sample(photo), choice, DefenceChoice("feature-masking", size), Threat(size), None
    )
    patch = Patch(4, 16, *size)
    if not patched:
        return Subject(clean, clean, None, doubly)
    shown = patches.simulated(cached.sample(photo), choice, asked, Simulation(patch, Motif()))
    return Subject(clean, shown, clean.position(patch), doubly)


SUBJECTS = {
    "patched": {"photo": "chelsea"},
    "clean": {"photo": "coffee", "patched": False},
    "threshold": {"photo": "rocket", "threshold": 0.3},
    "certified": {"photo": "rocket", "size": (1, 1), "patched": False},
}


@pytest.mark.parametrize("name", SUBJECTS)
@pytest.mark.parametrize("seed", [1, 2, 77])
def test_ten_questions_have_one_answer_each_and_are_drawn_again_by_their_number(name, seed):
    subject = subject_of(**SUBJECTS[name])
    questions = drawn(subject, seed)
    assert len(questions) == 10
    assert questions == drawn(subject, seed)
    for question in questions:
        assert 2 <= len(question.options) == len(set(question.options))
        assert question.options.count(question.answer) == 1
    assert questions != drawn(subject, seed + 1)


@pytest.mark.parametrize("name", SUBJECTS)
def test_answers_agree_with_the_certificate_and_the_algorithm(name):
    subject = subject_of(**SUBJECTS[name])
    clean, shown = subject.clean, subject.shown
    for seed in range(12):
        _, score, answer, case, rival, proved, weakest, _, fails, two = drawn(subject, seed)
        scores = {f"{value:,.4g}" for value in shown.masking.scores}
        assert score.answer in scores
        assert answer.answer == shown.prediction
        assert case.answer in ("I", "II", "III", "IV")
        row, column = place_in(rival.text)
        assert rival.answer == clean.classes[int(clean.certificate.rival[row, column])]
        row, column = place_in(proved.text)
        assert (proved.answer == "yes") == bool(clean.certificate.proved[row, column])
        row, column = place_in(weakest.answer)
        assert clean.certificate.margin[row, column] == clean.certificate.margin.min()
        ours, doubly = clean.certificate.proved.sum(), subject.doubly.certificate.proved.sum()
        assert two.answer == (
            "both the same"
            if ours == doubly
            else "robust masking"
            if ours > doubly
            else "double masking on features"
        )
        first = fails.answer.removeprefix("T = ")
        for threshold in THRESHOLDS:
            defence = replace(clean.robust_masking, threshold=threshold)
            certified = defence.certify(
                clean.features.local_logits, int(clean.certificate.label), clean.features.delta
            ).certified
            if f"{threshold:g}" == first:
                assert not certified
                break
            assert certified


def test_a_case_is_that_of_the_patched_window():
    subject = subject_of("chelsea")
    for seed in range(6):
        case = drawn(subject, seed)[3]
        assert f"row {subject.window.top}, column {subject.window.left}" in case.text


def place_in(text):
    words = text.split("row ")[1]
    row, column = words.split(", column ")
    return int(row), int("".join(sign for sign in column[:4] if sign.isdigit()))


def quiz_page():
    from app import links, opening, sidebar
    from app.views.quiz import page as quiz

    links.follow()
    chosen = sidebar.sidebar()
    opening.about_the_link()
    quiz.show(chosen)
    links.write(chosen)


def opened(**link):
    app = AppTest.from_function(quiz_page, default_timeout=PATIENCE)
    for name, value in {"network": "cifar10", **link}.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def words(app):
    return " ".join(box.value for box in app.markdown)


def test_answers_are_counted_and_are_in_the_address():
    app = opened()
    assert "quiz" not in address(app)
    right = 0
    for at in range(3):
        field = app.main.radio[at]
        field.set_value(field.options[0]).run()
        assert not app.exception
        right = sum("Right: " in box.value for box in app.success)
    assert f"**{right} of 3 answered are right.**" in words(app)
    said = address(app)
    assert said["quiz"] == "1:aaa-------"
    again = opened(quiz=said["quiz"])
    assert f"**{right} of 3 answered are right.**" in words(again)
    next(button for button in again.button if button.label == "Ten other questions").click().run()
    assert address(again)["quiz"] == "2:----------"
    assert "**0 of 0 answered are right.**" in words(again)


@pytest.mark.parametrize("wrong", ["1:xyz", "10000:a", "one:a", "1:gggggggg"])
def test_a_link_with_other_answers_is_no_error(wrong):
    app = opened(quiz=wrong)
    assert "**0 of 0 answered are right.**" in words(app)


def test_a_guess_is_ranked_among_all_windows():
    app = opened()
    clean = subject_of("chelsea", size=(5, 5), patched=False).clean
    field = next(box for box in app.selectbox if box.label == "or choose its place")
    assert len(field.options) == 400
    field.set_value(field.options[7]).run()
    assert not app.exception
    margins = clean.certificate.margin.reshape(-1)
    rank = sum(bool(margin < margins[7]) for margin in margins) + 1
    assert f"number {rank} of 400" in words(app)
    assert f"{margins.min():+.4g}" in words(app)
    next(button for button in app.button if button.label == "Guess again").click().run()
    assert "number " not in words(app)
    assert np.isfinite(margins).all()
