"""The card of a person's own network: what it must say, and what is refused."""

import json
import os

import pytest

from pg_core.evidence.types import EvidenceType
from pg_core.geometry import ReceptiveField
from pg_core.networks.own import MAX_CARD_BYTES, Format, card_in, read_card


def test_a_card_by_hand_needs_no_more_than_what_cannot_be_guessed():
    card = {
        "title": "Mine",
        "file": "mine.pt2",
        "sha256": "0" * 64,
        "image_size": [40, 48],
        "receptive_field": {"size": [11, 11], "stride": [4, 4]},
        "classes": ["a", "b"],
    }
    own = read_card(json.dumps(card))
    assert own.receptive_field == ReceptiveField((11, 11), (4, 4))
    assert own.evidence == EvidenceType.CONFIDENCE
    assert own.description.title == "Mine"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"title": " "}, "expected a name"),
        ({"file": "../mine.pt2"}, "expected a file name"),
        ({"file": "mine.pkl"}, "expected a file name that ends in .pt2"),
        ({"file": "..\\mine.pt2"}, "expected a file name"),
        ({"file": "\0mine.pt2"}, "expected a file name"),
        ({"title": "tiles"}, "expected a title that is no network's name here, got 'tiles'"),
        ({"image_size": [0, 48]}, "expected an image of 1 to 1024"),
        ({"image_size": [10**6, 48]}, "expected an image of 1 to 1024"),
        ({"image_size": 40}, "not the card"),
        ({"receptive_field": {"size": [99, 11], "stride": [4, 4]}}, "expected an image of at least 99x11"),
        ({"receptive_field": {"size": [11, 11], "stride": [0, 4]}}, "stride >= 1"),
        ({"classes": ["a"]}, "expected 2 to"),
        ({"classes": ["a", "b", "a"]}, "got 'a' 2 times"),
        ({"classes": ["a", " "]}, "none empty"),
        ({"deviation": [0, 1, 1]}, "deviations above 0"),
        ({"mean": [float("nan"), 1, 1]}, "expected finite means"),
        ({"mean": [1, 1]}, "not the card"),
        ({"evidence": "guess"}, "not the card"),
        ({"colour": "blue"}, "unknown: colour"),
        ({"file": "mine.pth"}, "expected a base"),
        ({"file": "mine.pth", "base": "torchvision/resnet18", "side": 0}, "expected tiles resized to 1 to"),
    ],
)
def test_a_card_that_cannot_be_is_refused_with_the_reason(change, words):
    card = {
        "title": "Mine",
        "file": "mine.pt2",
        "sha256": "0" * 64,
        "image_size": [40, 48],
        "receptive_field": {"size": [11, 11], "stride": [4, 4]},
        "classes": ["a", "b"],
    }
    with pytest.raises(ValueError, match="not the card of a network") as caught:
        read_card(json.dumps(card | change))
    assert words in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "null", "7", "{", '{"title": 1}'])
def test_what_is_no_card_is_refused(text):
    with pytest.raises(ValueError, match="not the card of a network"):
        read_card(text)


CARD = {
    "title": "Mine",
    "file": "mine.pt2",
    "sha256": "0" * 64,
    "image_size": [40, 48],
    "receptive_field": {"size": [11, 11], "stride": [4, 4]},
    "classes": ["a", "b"],
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"title": None}, "title: expected a text in quotes, got null"),
        ({"title": "x" * 10**6}, f"at most 200 letters, got '{'x' * 60}...'"),
        ({"sha256": "x" * 10**6}, "expected a SHA-256 of 64 hexadecimal digits"),
        ({"classes": "ab"}, 'classes: expected a list of names, ["cat", "dog"], got "ab"'),
        ({"classes": ["a", None]}, "classes: expected a list of names"),
        ({"classes": ["a", "x" * 10**6]}, "at most 200 letters"),
        ({"side": 1.5}, "side: expected a whole number, got 1.5"),
        ({"side": True}, "side: expected a whole number, got true"),
        ({"image_size": ["40", "48"]}, 'image_size: expected a whole number, got "40"'),
        ({"image_size": [40, True]}, "image_size: expected a whole number, got true"),
        (
            {"image_size": [40, 48, 3]},
            "image_size: expected two whole numbers, [rows, columns], got [40, 48, 3]",
        ),
        ({"mean": [10**400, 0, 0]}, "expected numbers of at most 18 digits, got 1000"),
        ({"mean": ["0", "0", "0"]}, 'mean: expected three numbers, [red, green, blue], got ["0", "0", "0"]'),
        ({"mean": [True, 0, 0]}, "mean: expected three numbers"),
        ({"mean": [123.7, 116.3, 103.5]}, "divide those of pixels in 0..255 by 255"),
        ({"deviation": [58.4, 57.1, 57.4]}, "divide those of pixels in 0..255 by 255"),
        ({"evidence": ["logits"]}, "evidence: expected one of"),
        ({"part": {}}, "part: expected one of middle, whole, got {}"),
        ({"base": 7}, "base: expected a text in quotes, got 7"),
        ({"receptive_field": 11}, "receptive_field: expected an object {...}, got 11"),
        ({"receptive_field": {"size": [11, 11]}}, "'stride' is missing"),
        (
            {"receptive_field": CARD["receptive_field"] | {"wrapping": "no"}},
            'wrapping: expected true or false, got "no"',
        ),
        (
            {"receptive_field": CARD["receptive_field"] | {"padding": [1, 1]}},
            "receptive_field: expected size, stride, offset, wrapping, got unknown: padding",
        ),
        (
            {"receptive_field": {"size": [9000, 9000], "stride": [4, 4], "offset": [8000, 8000]}},
            "expected a receptive field of at most 4096 pixels per axis",
        ),
    ],
)
def test_a_card_of_odd_types_is_refused_with_what_was_expected_and_what_came(change, words):
    with pytest.raises(ValueError, match="not the card of a network") as caught:
        read_card(json.dumps(CARD | change))
    assert words in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 10**5, "too many brackets"),
        ('{"title": ' * 10**5, "too many brackets"),
        ("[1]", "the card: expected an object {...}, got [1]"),
        ('{"title": "a", "title": "b"}', "expected each entry once, got 'title' more often"),
        ('{"title": }', "expected JSON, got something else in line 1, column 11"),
        (json.dumps(CARD | {"title": "\ud800"}), "expected letters, got half of one"),
    ],
    ids=["brackets", "braces", "list", "twice", "no value", "half a letter"],
)
def test_a_text_that_is_no_card_is_refused_in_one_line(text, words):
    with pytest.raises(ValueError, match="not the card of a network") as caught:
        read_card(text)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_card_in_a_file_may_begin_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "mine.network.json"
    path.write_text(json.dumps(CARD), encoding="utf-8-sig")
    assert card_in(path) == read_card(json.dumps(CARD))


def test_a_card_of_other_bytes_than_letters_or_without_end_is_refused(tmp_path):
    path = tmp_path / "mine.network.json"
    path.write_text(json.dumps(CARD | {"title": "é"}, ensure_ascii=False), encoding="latin-1")
    with pytest.raises(ValueError, match="expected a text in UTF-8, got other bytes at 11"):
        card_in(path)
    with path.open("wb") as file:
        file.truncate(MAX_CARD_BYTES + 1)
    with pytest.raises(ValueError, match="expected at most 16 MB"):
        card_in(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ValueError, match="expected a file, got a pipe"):
        card_in(path)


def test_a_file_name_in_capitals_is_what_its_ending_says():
    assert read_card(json.dumps(CARD | {"file": "MINE.PT2"})).format is Format.EXPORTED
