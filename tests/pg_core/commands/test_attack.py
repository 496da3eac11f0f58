"""python -m pg_core attack: what it says of each place, in words and as JSON, and the image that it writes."""

import json

import pytest

from pg_core import sample_path
from pg_core.__main__ import main

FLOWER = [
    "attack",
    str(sample_path("flower")),
    "--model",
    "cifar10",
    "--defence",
    "masking",
    "--patch-size",
    "8",
]


def test_an_image_that_is_written_gets_the_answer_that_was_said(tmp_path, capsys):
    image = tmp_path / "new" / "attacked.png"
    assert main([*FLOWER, "--steps", "60", "--json", "-o", str(image)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["state"] == "broken by pixels"
    assert said["prediction"] != said["label"]
    assert main(["certify", str(image), *FLOWER[2:], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["prediction"] == said["prediction"]


def test_a_place_that_is_certified_stays_so(capsys):
    small = [*FLOWER[:-1], "2"]
    assert main([*small, "--placements", "3,4", "--steps", "5", "--restarts", "2"]) == 0
    assert capsys.readouterr().out == (
        "patch of 2x2 pixels at row 3, column 4: certified (no pixels found; 5 steps, 2 restarts)\n"
    )


def test_where_nothing_is_open_there_is_nothing_to_attack(capsys):
    china = ["attack", str(sample_path("china")), *FLOWER[2:-1], "2"]
    assert main(china) == 0
    assert capsys.readouterr().out == "Nothing to attack: all windows are certified or undecided.\n"


def test_the_worst_windows_come_first_each_on_its_line(capsys):
    assert (
        main([*FLOWER, "--placements", "worst:2", "--steps", "1", "--restarts", "1", "--target", "frog"]) == 0
    )
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("patch of 8x8 pixels at row ") for line in lines)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--placements", "31,0"], "expected a patch within 32x32"),
        (["--target", "zebra"], "the model has no class"),
    ],
)
def test_what_cannot_be_attacked_is_one_sentence(options, words, capsys):
    assert main([*FLOWER, *options, "--steps", "1"]) == 1
    error = capsys.readouterr().err
    assert words in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1


@pytest.mark.parametrize("options", [["--placements", "best:1"], ["-o", "image.jpg"], ["--steps", "0"]])
def test_wrong_options_end_with_the_usage(options):
    with pytest.raises(SystemExit) as ended:
        main([*FLOWER, *options])
    assert ended.value.code == 2
