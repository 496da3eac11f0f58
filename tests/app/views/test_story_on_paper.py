"""Slides and hand-out: whole HTML with every screen and the right answers, in which a hostile name is text."""

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from app.views.story import deck
from app.views.story.screens import PRINTED_BOUND, SCREENS
from pg_core.geometry import Patch
from tests.app.views.test_story import subject_of
from tests.hostile.names import NAME

ABOUT = deck.About(NAME, f"network {NAME}", "http://example.org/story?step=1&photo=<b>")
SINGLE = {"meta", "img", "br"}


class Parts(HTMLParser):
    """The tags of a document, which must be closed in their order, and its text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.texts, self.sources = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.sources += [value for name, value in attrs if name in ("src", "href")]
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag not in SINGLE:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.texts.append(data)


@pytest.fixture(scope="module")
def subject():
    told = subject_of("chelsea", "cifar10", Patch(4, 16, 5, 5))
    clean = told.clean
    classes = tuple(f"{NAME} {name}" for name in clean.classes)
    renamed = replace(clean, features=replace(clean.features, classes=classes))
    shown = replace(told.seen.shown, features=replace(told.seen.shown.features, classes=classes))
    told.seen.clean, told.seen.shown = renamed, shown
    return replace(told, effect=replace(told.effect, clean=renamed, patched=shown))


@pytest.mark.parametrize("make", [deck.slides, deck.hand_out])
def test_a_file_is_whole_needs_nothing_else_and_names_are_text(subject, make):
    screens = (*SCREENS, PRINTED_BOUND)
    parts = Parts(make(screens, subject, ABOUT))
    assert set(parts.tags) <= {
        *(
            "html",
            "head",
            "meta",
            "title",
            "style",
            "body",
            "section",
            "h1",
            "h2",
            "p",
            "div",
            "figure",
            "img",
        ),
        *("figcaption", "footer", "strong", "em", "br", "ul", "li", "table", "tr", "th", "td"),
    }
    assert parts.sources
    assert all(source.startswith("data:image/") for source in parts.sources)
    text = " ".join(parts.texts)
    for screen in screens:
        assert screen.title in text
    assert "\u2060" not in text


def test_there_is_a_slide_for_each_screen(subject):
    parts = Parts(deck.slides(SCREENS, subject, ABOUT))
    assert parts.tags.count("section") == len(SCREENS)
    assert parts.tags.count("img") >= len(SCREENS)


def test_the_hand_out_keeps_its_answers_for_the_end_and_its_table_empty(subject):
    text = deck.hand_out(SCREENS, subject, ABOUT)
    questions, answers = text.split('<div class="answers">')
    assert questions.count("<td></td>") == 8
    for screen in SCREENS:
        question = screen.question(subject)
        assert deck.markup(question.because) in answers
        assert deck.markup(question.because) not in questions
        for option in question.options:
            assert f"<li>{deck.markup(option)}</li>" in questions


def test_markup_of_a_hostile_name_is_what_the_name_is():
    from app.markup import in_markdown

    name = "a **b** <script>alert(1)</script> `c` ![d](e) $f$"
    told = Parts(f"<p>{deck.markup(in_markdown(name))}</p>")
    assert "".join(told.texts) == name
    assert told.tags == ["p"]
