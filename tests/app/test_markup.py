"""What is escaped is nothing but text to Streamlit's Markdown and to Plotly; what people write stays as it is."""

import doctest
import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import markup
from app.markup import in_figure, in_markdown
from pg_core.io.printable import printable
from pg_core.networks import CIFAR10, imagenet_classes
from tests.hostile.names import NAME, TEXTS, constructs

PLAIN = ("=cmd", "naïve", "line", "- item", "3. third", "> quotation", "# heading", "--- *** ", "**bold**")
"""Beginnings of texts in which `constructs` has nothing to find."""


def test_the_docstring_examples_are_true():
    assert doctest.testmod(markup).failed == 0


@pytest.mark.parametrize("text", TEXTS)
def test_a_hostile_text_is_nothing_but_text(text):
    assert constructs(in_markdown(text)) == []
    figure = in_figure(text)
    assert not re.search(r"<|%\{|&(?!amp;|lt;|gt;|#123;)", figure)
    assert html.unescape(figure) == printable(text)


def test_the_check_finds_what_is_hostile_in_the_texts():
    assert len(constructs(NAME)) == 8
    harmless = [text for text in TEXTS if not constructs(text)]
    assert all(text.startswith((*PLAIN, "a | b", "`code`", "\\ ", "-> ", "[x]")) for text in harmless), (
        harmless
    )


@given(st.text(st.sampled_from("ab1 \\`*_[]()<>$~|&!#:+-=.@/w\n")) | st.text())
def test_without_its_escapes_the_text_is_the_same(text):
    shown = in_markdown(text)
    assert constructs(shown) == []
    assert "\n" not in shown
    read = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", shown).replace("\u2060", "")
    assert read == printable(" ".join(text.split())).replace("\u2060", "")
    assert html.unescape(in_figure(text)) == printable(text) or "&" in text


def test_names_of_classes_and_usual_files_are_not_touched():
    for name in (*CIFAR10, *imagenet_classes(), "IMG-2041 (1).jpg", "a photo, mine.png"):
        assert in_markdown(name) == in_figure(name) == name
