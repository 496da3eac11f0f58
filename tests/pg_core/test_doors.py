"""What comes through a public door is what it is declared to be, or is refused: "expected ..., got ..."."""

import json
import subprocess
import sys

import pytest

from tests.pg_core import doors
from tests.pg_core.vocabulary import words

WORDS = dict(words())


@pytest.fixture(scope="module")
def tried():
    """What came of every case where nothing but the library itself checks it."""
    run = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.pg_core.doors"],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(run.stdout)


def test_every_parameter_that_is_one_of_a_few_values_with_names_is_tried(tried):
    assert {"RobustMasking.evidence", "RobustMasking.bound", "Threat.space", "clip.evidence"} <= WORDS.keys()
    assert WORDS.keys() == tried["words"].keys()


@pytest.mark.parametrize("name", WORDS)
def test_a_name_does_what_its_value_does_and_any_other_is_refused(name, tried):
    found, kind = tried["words"][name], WORDS[name]
    assert len(found["words"]) == len(kind)
    assert found["words"] == found["members"]
    assert found["wrong"].startswith(f"ValueError: expected one of {', '.join(kind)}, got 'magic'")


def test_a_value_made_of_words_and_numbers_of_numpy_is_the_same_value(tried):
    for written, plain in tried["equals"]:
        assert written == plain


def test_every_array_that_is_no_map_is_refused_at_the_door_of_every_defence(tried):
    # One class is enough to mask, if not to predict; the channels of pixels are no classes.
    allowed = {name for name in tried["arrays"] if "mask: one class" in name}
    for name, came in tried["arrays"].items():
        if name not in allowed:
            assert came.startswith("ValueError: expected "), (name, came)
            assert "of shape [" in came or "finite" in came or "channels" in came, (name, came)
    assert len(tried["arrays"]) > 20 * len(doors.BAD)


def test_pixels_that_are_no_image_are_refused_in_a_sentence(tried):
    for name, came in tried["pixels"].items():
        assert came.startswith("ValueError: "), (name, came)
        assert "expected " in came, (name, came)
        assert len(came) < 200, (name, came)


def test_a_number_or_word_in_the_place_of_another_is_refused_in_a_sentence(tried):
    for name, came in tried["scalars"].items():
        assert came.startswith(("ValueError: expected ", "ImageError: ")), (name, came)
        assert len(came) < 200, (name, came)
