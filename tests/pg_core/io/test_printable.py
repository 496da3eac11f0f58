"""What a terminal would obey and XML forbids is visible; everything else stays as it is."""

import html
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pg_core.__main__ import main
from pg_core.io.printable import printable

HOSTILE = "red\x1b[31m\x9b0m\x07\u202egpj\u2066.exe\r\n\ud800"
anything = st.text(st.characters(exclude_categories=()))


@given(anything)
def test_any_text_can_be_encoded_and_is_the_same_out_of_xml(text):
    shown = printable(text)
    document = f"<name>{html.escape(shown)}</name>".encode()
    assert (ElementTree.fromstring(document).text or "") == shown
    assert printable(shown) == shown


@pytest.mark.parametrize(
    "text", ["Petri dish", "naïve café", "猫 🐱 👩‍👩‍👧", "שלום", "می‌خواهم", "a\\x1b", "1 < 2 & 3"]
)
def test_what_people_write_stays_as_it_is(text):
    assert printable(text) == text


def test_nothing_of_a_hostile_text_reaches_a_terminal():
    assert printable(HOSTILE) == r"red\x1b[31m\x9b0m\x07\u202egpj\u2066.exe\r\n\ud800"


@pytest.mark.parametrize(
    "arguments",
    [
        ("certify", "no such \x1b[31m\u202e photo.jpg"),
        ("figure", "no such \x1b[31m\u202e photo.jpg", "-o", "figure.png"),
        ("evaluate", "no such \x1b[31m\u202e folder", "--model", "tiles-coarse"),
        ("certify", "photo.jpg", "spare\x1b[31m\u202e.jpg"),
        ("certify", "photo.jpg", "--model", "\x1b[31m\u202e"),
    ],
)
def test_a_command_quotes_its_arguments_visibly(arguments, capsys):
    try:
        code = main(arguments)
    except SystemExit as stop:
        code = stop.code
    assert code in (1, 2)
    told = capsys.readouterr()
    assert r"\x1b[31m\u202e" in told.err
    assert all(line.isprintable() for line in (told.out + told.err).splitlines())
