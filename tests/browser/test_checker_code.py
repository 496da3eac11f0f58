"""The checker of the browser, run in Chromium without the page, says of every file what checker.py says."""

import base64
import hashlib
import json
import struct
from collections import Counter

import numpy as np
import pytest

from pg_core.proofs.checker import MAX_BYTES, Proof, RefusedError, UnreadableError
from pg_core.proofs.statement import prove, serialised
from tests.browser.conftest import ROOT
from tests.browser.steps import bare_page
from tests.pg_core.proofs.drawn import SUBJECT, drawn_analysis
from tests.pg_core.proofs.tampering import changed
from tests.pg_core.proofs.test_standalone import hostile
from tests.pg_core.proofs.write_corpus import FOLDER, INDEX

pytestmark = pytest.mark.browser
OUTCOMES = ("proved", "refused", "unreadable")
AT_ONCE = 50


@pytest.fixture(scope="module")
def code(chromium):
    """A page with nothing on it, of no secure context, and the functions of the checker."""
    page = bare_page(chromium)
    page.evaluate(
        """async () => {
            for (const name of ['checker', 'proof_file']) Object.assign(window, await import(`/${name}.js`));
            window.bytesOf = (text) => Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
        }"""
    )
    assert not page.evaluate("isSecureContext")
    yield page
    page.close()


def in_browser(code, files):
    """Of each file its outcome, the field that is refused, and how many additions it took where nothing is."""
    found = []
    for at in range(0, len(files), AT_ONCE):
        texts = [base64.b64encode(data).decode() for data in files[at : at + AT_ONCE]]
        found += code.evaluate(
            """async (texts) => {
                const found = [];
                for (const text of texts) {
                    const one = await check(bytesOf(text));
                    found.push([one.outcome, one.field ?? null, one.map?.work ?? null]);
                }
                return found;
            }""",
            texts,
        )
    return [tuple(one) for one in found]


def in_python(data):
    """The same of checker.py."""
    work = None
    try:
        proof = Proof(data)
        proof.check()
        work = proof.windows.work
        proof.require_certified(None)
    except UnreadableError:
        return "unreadable", None, work
    except RefusedError as error:
        return "refused", str(error).partition(": ")[0], work
    return "proved", None, work


def differing(code, files):
    """The files by name of which the two say different things, with what they say; and how often each outcome is."""
    expected = [in_python(data) for data in files.values()]
    found = in_browser(code, list(files.values()))
    different = {name: pair for name, *pair in zip(files, expected, found, strict=True) if pair[0] != pair[1]}
    return different, Counter(outcome for outcome, _, _ in expected)


def test_both_checkers_say_the_same_of_every_file_of_the_corpus(code):
    cases = json.loads((FOLDER / INDEX).read_text(encoding="utf-8"))
    different, _ = differing(code, {case["file"]: (FOLDER / case["file"]).read_bytes() for case in cases})
    assert different == {}


def test_both_checkers_say_the_same_of_drawn_files_and_of_single_changes_of_them(code):
    files = {}
    for seed in range(100):
        random = np.random.default_rng(seed)
        data = serialised(prove(drawn_analysis(random), SUBJECT))
        files[seed] = data
        files |= {(seed, n): changed(data, random) for n in range(4)}
    different, outcomes = differing(code, files)
    assert different == {}
    assert all(outcomes[outcome] >= 40 for outcome in OUTCOMES)


def test_both_checkers_say_the_same_of_hostile_files(code):
    files = {name: data for name, data, _ in hostile() if len(data) <= MAX_BYTES}
    different, outcomes = differing(code, files)
    assert different == {}
    assert outcomes["refused"] > 20


def test_a_file_of_too_many_bytes_is_unreadable(code):
    found = code.evaluate(f"check(new Uint8Array({MAX_BYTES + 1}).fill(32))")
    assert (found["outcome"], found["reason"]) == ("unreadable", "expected a file of at most 64 MB")


def test_a_number_that_is_no_whole_one_is_read_or_not_as_python_reads_it(code):
    random = np.random.default_rng(0)
    numbers = [struct.unpack("d", random.bytes(8))[0] for _ in range(300)]
    numbers += [
        float(f"{sign}{digit}e{power}") for sign in "+-" for digit in (1, 12345) for power in range(-9, 23)
    ]
    texts = {repr(number) for number in numbers if number == number}
    texts |= {text.replace("e+", "e").replace(".0", "") for text in texts}
    texts |= {
        "-0",
        "-0.0",
        "1.50",
        "1E5",
        "1e400",
        "01",
        "1.",
        ".5",
        "9" * 4300,
        "9" * 4301,
        "-" + "9" * 4300,
    }
    different, outcomes = differing(
        code, {f"{text[:25]}, {len(text)} signs": text.encode() for text in texts}
    )
    assert different == {}
    assert all(outcomes[outcome] > 30 for outcome in ("refused", "unreadable"))


@pytest.mark.parametrize(
    "data",
    [
        *(bytes(range(count)) for count in (0, 1, 54, 55, 56, 63, 64, 65, 119, 120, 128)),
        np.random.default_rng(0).bytes(100_000),
    ],
    ids=len,
)
def test_without_a_secure_context_a_sha256_is_the_same(code, data):
    found = code.evaluate("(text) => ownSha256(bytesOf(text))", base64.b64encode(data).decode())
    assert found == hashlib.sha256(data).hexdigest()


def test_the_modules_of_the_checker_import_no_others():
    """They are made a worker by their text, in this order, and share nothing with the program."""
    names = ("proof_file.js", "proof_bounds.js", "checker.js")
    for at, name in enumerate(names):
        lines = (ROOT / "app" / "components" / name).read_text(encoding="utf-8").splitlines()
        imported = {line.rpartition(" from ")[2] for line in lines if line.startswith("import ")}
        assert imported <= {f"'./{other}';" for other in names[:at]}
        assert len(lines) <= 400
