"""The checker is one file that needs Python alone: in an empty folder, with its exit codes, on hostile files too."""

import ast
import base64
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from pg_core import Threat, examine
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.proofs import checker
from pg_core.proofs.statement import prove, serialised
from tests.pg_core.proofs.drawn import SUBJECT, features_of

CHECKER = Path(checker.__file__)
GIGABYTE = 2**30


def statement(lead=3.0, threshold=0.2, shape=(3, 8, 8)):
    local_logits = np.random.default_rng(0).uniform(0, 1, shape)
    local_logits[0] += lead
    return prove(
        examine(features_of(local_logits), RobustMasking((2, 2), threshold), Threat((2, 2))), SUBJECT
    )


def run(folder, *arguments):
    """The checker on its own, with a gigabyte and a minute at most."""

    def limited():
        resource.setrlimit(resource.RLIMIT_AS, (GIGABYTE, GIGABYTE))
        resource.setrlimit(resource.RLIMIT_CPU, (60, 60))

    return subprocess.run(
        [sys.executable, "-I", "checker.py", *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        preexec_fn=limited,
    )


@pytest.fixture
def folder(tmp_path):
    """A folder with the checker and nothing else."""
    shutil.copy(CHECKER, tmp_path / "checker.py")
    return tmp_path


def test_the_checker_is_one_short_file_of_the_standard_library_alone():
    text = CHECKER.read_text(encoding="utf-8")
    names = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(text))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or "."]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert names <= set(sys.stdlib_module_names)
    assert len(text.splitlines()) <= 400


def test_it_shares_no_line_of_code_with_the_program():
    ours = {
        line.strip()
        for path in CHECKER.parents[1].rglob("*.py")
        if path != CHECKER
        for line in path.read_text(encoding="utf-8").splitlines()
    }
    for line in CHECKER.read_text(encoding="utf-8").splitlines():
        telling = len(line.strip()) > 50 and not line.lstrip().startswith('"""')
        assert not telling or line.strip() not in ours, line


def test_a_proof_is_proved_in_an_empty_folder_and_its_photo_is_compared(folder):
    (folder / "photo.jpg").write_bytes(b"photo")
    own = statement()
    (folder / "a.json").write_bytes(serialised(own))
    found = run(folder, "a.json")
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout.startswith(
        "proved: No 2x2-pixel patch anywhere on the image that the network sees can"
    )
    assert "level: arithmetic" in found.stdout
    assert "on trust: that this network says this of this photo; subject, network" in found.stdout
    found = run(folder, "a.json", "--photo", "photo.jpg")
    assert found.returncode == 1
    assert found.stdout.startswith("refused: subject[0].digest.sha256: expected ")
    own["subject"][0]["digest"]["sha256"] = hashlib.sha256(b"photo").hexdigest()
    (folder / "a.json").write_bytes(serialised(own))
    assert run(folder, "a.json", "--photo", "photo.jpg").returncode == 0


def test_a_certificate_that_is_not_certified_is_refused_as_a_claim_with_its_first_window(folder):
    (folder / "a.json").write_bytes(serialised(statement(lead=0.02)))
    found = run(folder, "a.json")
    assert (found.returncode, found.stderr) == (1, "")
    assert found.stdout == "refused: claim.verdict: not certified at window (0, 0): nothing is proved\n"


def test_a_misclassified_photo_is_refused_without_a_window(folder):
    local_logits = np.random.default_rng(0).uniform(0, 1, (3, 8, 8))
    local_logits[0] += 3
    analysis = examine(features_of(local_logits), RobustMasking((2, 2)), Threat((2, 2)), "class 1")
    (folder / "a.json").write_bytes(serialised(prove(analysis, SUBJECT)))
    found = run(folder, "a.json")
    assert found.returncode == 1
    assert found.stdout == "refused: claim.verdict: misclassified without a patch: nothing is proved\n"


def test_what_is_refused_is_named_by_its_field(folder):
    own = statement()
    own["predicate"]["windows"]["upper"][3] = 5
    (folder / "a.json").write_bytes(serialised(own))
    found = run(folder, "a.json")
    assert found.returncode == 1
    assert found.stdout.startswith("refused: windows.upper[3]: expected ")


def test_words_of_a_stranger_do_not_reach_the_terminal_as_they_are(folder):
    own = statement()
    own["predicate"]["claim"]["words"] = "\x1b[31m\u202egpj"
    (folder / "a.json").write_bytes(serialised(own))
    found = run(folder, "a.json")
    assert "\\x1b[31m\\u202egpj" in found.stdout
    assert found.stdout.count("\n") == 1


def changed(**fields):
    own = statement()
    for name, value in fields.items():
        *sections, last = name.split("__")
        place = own["predicate"]
        for section in sections:
            place = place[section]
        place[last] = value
    return serialised(own)


def bomb():
    """Evidence that unpacks to a gigabyte."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(2**24)) for _ in range(64)) + packer.flush()
    return changed(evidence__values=base64.b64encode(packed).decode())


def hostile():
    """Files by what is wrong with them, each with the exit code that it must get."""
    plain = serialised(statement())
    text = plain.decode()
    yield "nothing", b"", 2
    yield "a photo", bytes(range(256)), 2
    yield "half a letter", b'"\xff"', 2
    yield "half a surrogate", b'"\\ud800"', 2
    yield "brackets in each other", b"[" * 10**6, 2
    yield "brackets that end", b"[" * 50_000 + b"]" * 50_000, 2
    yield "too many bytes", b" " * (2**26 + 1), 2
    yield "too many values", b"[" + b"0," * 2**21 + b"0]", 2
    yield "a name twice", plain.replace(b'{"_type"', b'{"_type":0,"_type"'), 2
    yield "spaces", json.dumps(json.loads(text)).encode(), 2
    yield "NaN", b'{"_type":NaN}', 2
    yield "an infinite number", b'{"_type":1e999}', 2
    yield "Infinity", b'{"_type":-Infinity}', 2
    yield "a number of a million digits", b'{"_type":' + b"9" * 10**6 + b"}", 2
    yield "a list", b"[]", 1
    yield "a number", b"5", 1
    yield "another type of statement", changed().replace(b"Statement/v1", b"Statement/v0"), 1
    yield "a fraction for a whole number", text.replace('"label":0', '"label":0.5').encode(), 1
    yield "a float for a whole number", text.replace('"label":0', '"label":0.0').encode(), 1
    yield "truth for a whole number", text.replace('"label":0', '"label":false').encode(), 1
    yield "a label below zero", changed(claim__label=-1), 1
    yield "a label that is no class", changed(claim__label=3), 1
    yield "a huge ratio", changed(evidence__step="1/" + "9" * 10**5), 1
    yield "a ratio with zero under it", changed(evidence__step="1/0"), 1
    yield "a ratio that is not in lowest terms", changed(defence__threshold="2/10"), 1
    yield "a threshold of one", changed(defence__threshold=1), 1
    yield "a step that is no power of two", changed(evidence__step="1/1099511627777"), 1
    yield "a step of zero", changed(evidence__step=0), 1
    yield "a huge map", changed(network__image_size=[2**20, 2**20], evidence__shape=[3, 2**20, 2**20]), 1
    yield "a window that is smaller than the patch needs", changed(defence__window_size=[1, 2]), 1
    yield "a window of zero cells", changed(defence__window_size=[0, 2]), 1
    yield "evidence that is no base64", changed(evidence__values="!!!!"), 1
    yield "evidence that is no zlib", changed(evidence__values="AAAA"), 1
    yield "evidence that unpacks to a gigabyte", bomb(), 1
    yield "nothing for the witnesses", changed(witnesses={}), 1
    yield "a number for a witness", changed(witnesses=[5]), 1
    yield "an object for the network", changed(network={}), 1
    yield "a list for the defence", changed(defence=["name", "threshold", "window_size", "wrapping"]), 1
    yield "a field more", changed(defence__more=0), 1


@pytest.mark.parametrize(
    ("data", "code"), [case[1:] for case in hostile()], ids=[case[0] for case in hostile()]
)
def test_a_hostile_file_is_one_line_and_an_exit_code(folder, data, code):
    (folder / "a.json").write_bytes(data)
    found = run(folder, "a.json")
    assert (found.returncode, found.stderr) == (code, "")
    assert found.stdout.startswith("refused: " if code == 1 else "unreadable: ")
    assert found.stdout.count("\n") == 1


def test_a_folder_and_a_pipe_and_no_file_cannot_be_read(folder):
    os.mkfifo(folder / "pipe")
    for name in (".", "pipe", "missing"):
        found = run(folder, name)
        assert (found.returncode, found.stderr) == (2, "")
        assert found.stdout.startswith("unreadable: ")


def test_what_takes_too_long_is_refused_after_so_many_additions(monkeypatch):
    monkeypatch.setattr(checker, "MAX_WORK", 1000)
    with pytest.raises(checker.RefusedError, match="can be checked in a minute"):
        checker.Proof(serialised(statement())).check()
