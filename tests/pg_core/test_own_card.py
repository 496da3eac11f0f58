"""The card of a person's own network: what it must say, and what is refused."""

import json

import pytest

from pg_core.arrays import EvidenceType
from pg_core.geometry import ReceptiveField
from pg_core.models.own import read_card


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
    assert own.evidence is EvidenceType.CONFIDENCE
    assert own.description.title == "Mine"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"title": " "}, "expected a name"),
        ({"file": "../mine.pt2"}, "expected a file name"),
        ({"file": "mine.pkl"}, "expected a file name that ends in .pt2"),
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
