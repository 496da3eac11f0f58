"""No traceback reaches a person: every hostile file and link is taken, or refused in one sentence, within limits."""

import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app.markup import in_markdown
from tests.hostile.cage import Outcome
from tests.hostile.case import LinkCase
from tests.hostile.kinds import KINDS
from tests.hostile.links import on_the_page

ROOT = Path(__file__).parents[2]
LEAST = {"photos": 130, "archives": 150, "checkpoints": 50, "cards": 150, "links": 250}
PYTHON = re.compile(
    r"Traceback|NoneType|object has no|list index|codec can't|object is not|Errno|must be str|embedded null|"
    r"unhashable|allow_pickle|argument of type|invalid literal|could not convert"
)
"""Words of Python, which say nothing to a person."""
AWAITED: dict[tuple[str, str], str] = {}
"""Cases that do not end as they should, and why: each is expected to fail until that is mended."""


@cache
def tried(kind: str) -> dict[str, Outcome]:
    """What became of all cases of a kind, by name; they are tried in one go, in processes of their own."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.hostile.cage", kind],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert run.returncode == 0, run.stderr[-2000:]
    found = [Outcome(**json.loads(line)) for line in run.stdout.splitlines()]
    return {outcome.name: outcome for outcome in found}


def cases():
    for kind, rules in KINDS.items():
        for case in rules.cases():
            why = AWAITED.get((kind, case.name))
            marks = [] if why is None else [pytest.mark.xfail(reason=why, strict=True)]
            yield pytest.param(kind, case, marks=marks, id=f"{kind}: {ascii(case.name)[1:-1]}")


@pytest.mark.parametrize(("kind", "case"), list(cases()))
def test_it_is_taken_or_refused_in_a_sentence_within_limits(kind, case, counted):
    outcome = tried(kind)[case.name]
    counted(kind, case.name, outcome.accepted)
    assert outcome.ended == ""
    assert outcome.megabytes <= KINDS[kind].megabytes
    if isinstance(case, LinkCase):
        return
    if case.accepted is not None:
        assert outcome.accepted == case.accepted, outcome.words
    assert outcome.accepted or outcome.words
    assert not PYTHON.search(outcome.words)
    assert not re.search(r"[\n\r]|/tmp|/root|site-packages|pg_core/", outcome.words)
    assert outcome.accepted or case.word in outcome.words
    if not hasattr(case, "options"):
        return
    assert outcome.code in (0, 1, 2), outcome.stderr
    if outcome.code:
        line = outcome.stderr.rstrip("\n")
        last = (
            line.rpartition("\n")[2] if outcome.code == 2 else line
        )  # usage stands before the line of an exit 2
        assert re.match(r"error: |python -m pg_core|.*: error: ", last), line
        assert not re.search(r"[\x00-\x1f\x7f\u202e]", last)
        assert not PYTHON.search(last)
    else:
        assert outcome.stderr == ""


@pytest.mark.parametrize("kind", LEAST)
def test_there_are_enough_of_each_kind_and_none_is_left_out(kind):
    names = [case.name for case in KINDS[kind].cases()]
    assert len(names) == len(set(names)) >= LEAST[kind]
    assert tried(kind).keys() == set(names)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of streamlit's own dependencies
@pytest.mark.parametrize("case", on_the_page(), ids=lambda case: case.name)
def test_the_page_opens_whatever_the_link_says_and_names_what_means_nothing(case):
    app = AppTest.from_file("../../app/page.py", default_timeout=120)
    for name, value in ({"network": "cifar10"} | case.query).items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    told = " ".join(box.value for box in app.warning if "Ignored unknown values" in box.value)
    assert all(in_markdown(f"{name}=") in told for name in case.refused)
    assert bool(told) == bool(case.refused)


def test_every_awaited_case_is_one_of_the_corpus():
    there = {(kind, case.name) for kind, rules in KINDS.items() for case in rules.cases()}
    assert AWAITED.keys() <= there
