"""What is printed and kept is JSON: no NaN, no Infinity; and what comes in hostile is refused in a sentence."""

import json
import math
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pg_core.__main__ import main
from pg_core.io.json import as_json, from_json

NUMBERS = st.floats(allow_nan=False) | st.integers() | st.text() | st.none() | st.booleans()
CONTENTS = st.recursive(NUMBERS, lambda own: st.lists(own) | st.dictionaries(st.text(), own), max_leaves=9)


def strictly(text):
    """The content, where the text is JSON."""
    return json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))


@pytest.fixture
def certify(capsys, tmp_path):
    """The command on a map of two classes, or on the file given."""
    file = tmp_path / "maps.npz"
    np.savez(file, own=np.stack([np.full((4, 4), 1.0), np.full((4, 4), 0.9)]))

    def call(*options, path=file):
        arguments = (
            "certify",
            "--local-logits",
            path,
            "--window-size",
            "2x2",
            "--layout",
            "classes,rows,columns",
        )
        code = main([str(argument) for argument in (*arguments, *options)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@given(CONTENTS)
def test_every_content_is_json_again_with_null_for_what_is_infinite(content):
    text = as_json(content)
    assert strictly(text) == json.loads(json.dumps(content), parse_constant=lambda word: None)


def test_nan_is_no_result():
    with pytest.raises(ValueError, match="not JSON compliant"):
        as_json({"margins": [0.0, math.nan]})


@given(CONTENTS)
def test_what_was_printed_is_read_again(content):
    text = as_json(content)
    assert from_json(text) == from_json(text.encode()) == strictly(text)


@pytest.mark.parametrize(
    "text",
    ["NaN", "[Infinity]", "-Infinity", "1e999", '{"a": -1e400}', "[" * 100_000, "", b"\xff", b"\0\0", "{"],
)
def test_what_is_no_json_is_a_value_error(text):
    with pytest.raises(ValueError, match=r"expected|Expecting|decode"):
        from_json(text)


@pytest.mark.parametrize("bound", ["sound", "tight"])
@pytest.mark.parametrize("evidence", ["logits", "confidence", "prediction", "sharpened"])
@pytest.mark.parametrize("threshold", [0, 0.3])
def test_an_error_beyond_all_evidence_proves_nothing_and_is_still_json(certify, bound, evidence, threshold):
    options = ("--bound", bound, "--evidence", evidence, "--threshold", threshold)
    code, out, _ = certify("--delta", "1e308", *options)
    told = strictly(out)
    assert code == 0
    assert told["windows_proved"] == 0
    assert math.isfinite(told["tolerance"])


def test_a_label_of_any_length_is_refused_in_a_line_that_can_be_read(certify):
    code, out, err = certify("--label", "9" * 5000)
    assert (code, out) == (1, "")
    assert "expected a class index from 0 to 1" in err
    assert len(err) < 200


def test_a_folder_in_the_place_of_a_file_is_named_in_the_sentence(certify, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert certify("--labels", ".")[2] == "error: .: not a JSON file that can be read\n"
    assert certify(path=".")[2] == "error: .: expected a file, got a folder\n"


@pytest.mark.filterwarnings("ignore:Duplicate name")  # what zipfile says as the archive is made
@pytest.mark.parametrize(
    ("second", "word"),
    [("own.npy", "expected each array once, got 'own' 2 times"), ("own", "expected arrays (.npy) only")],
)
def test_an_archive_with_a_name_twice_is_refused(certify, tmp_path, second, word):
    path = tmp_path / "twice.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name, value in (("own.npy", 1.0), (second, 2.0)):
            with archive.open(name, "w") as file:
                np.lib.format.write_array(file, np.full((2, 4, 4), value))
    code, out, err = certify(path=path)
    assert (code, out) == (1, "")
    assert f"twice.npz: {word}" in err
