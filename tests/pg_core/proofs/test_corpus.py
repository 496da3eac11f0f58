"""The files of `corpus`, which other checkers are held to as well: each gets its exit code and names its field."""

import json
import sys

import pytest

from pg_core.proofs import checker
from tests.pg_core.proofs.write_corpus import FOLDER, INDEX

CASES = json.loads((FOLDER / INDEX).read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["file"].removesuffix(".proof.json"))
def test_a_file_of_the_corpus_gets_its_exit_code_and_names_its_field(case, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["checker.py", str(FOLDER / case["file"])])
    assert checker.main() == case["exit_code"]
    first = capsys.readouterr().out.splitlines()[0]
    result, _, reason = first.partition(": ")
    assert result == ("proved", "refused", "unreadable")[case["exit_code"]]
    if case["exit_code"] == 1:
        # What is refused is the field or a part of it, such as one window.
        field = reason.partition(": ")[0]
        assert field.startswith(case["field"])
        assert field[len(case["field"]) :][:1] in ("", "[", ".")


def test_the_index_names_every_file_and_no_other():
    assert sorted(case["file"] for case in CASES) == sorted(
        path.name for path in FOLDER.iterdir() if path.name != INDEX
    )


def test_the_corpus_is_small_and_has_fifty_of_each():
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 600_000
    codes = [case["exit_code"] for case in CASES]
    assert codes.count(0) >= 50
    assert codes.count(1) + codes.count(2) >= 50
