"""A statement has the form that format.md describes, and the two commands write and check it."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import rfc8785

import pg_core.proofs
from pg_core import __version__, sample_path
from pg_core.__main__ import main
from pg_core.proofs import checker
from pg_core.proofs.statement import prove, serialised
from tests.pg_core.proofs.drawn import SUBJECT, drawn_analysis

FOLDER = Path(pg_core.proofs.__file__).parent
COFFEE = str(sample_path("coffee"))
OPTIONS = ("--model", "cifar10", "--device", "cpu", "--patch-size", "2")


def fits(value, schema, top):
    """Whether a value fits a schema of the few words that ours uses."""
    if "$ref" in schema:
        return fits(value, top["$defs"][schema["$ref"].rpartition("/")[2]], top)
    known = {"const", "enum", "type", "pattern", "minimum", "minItems", "maxItems", "items", "required"}
    known |= {
        "properties",
        "additionalProperties",
        "oneOf",
        "contentEncoding",
        "title",
        "$schema",
        "$id",
        "$defs",
    }
    assert schema.keys() <= known
    if "oneOf" in schema:
        return sum(fits(value, one, top) for one in schema["oneOf"]) == 1
    kinds = {
        "object": dict,
        "array": list,
        "string": str,
        "boolean": bool,
        "null": type(None),
        "integer": int,
    }
    named = schema.get("type", [])
    allowed = [kinds[name] for name in ([named] if isinstance(named, str) else named)]
    good = not allowed or type(value) in allowed
    good = good and ("const" not in schema or value == schema["const"])
    good = good and ("enum" not in schema or value in schema["enum"])
    if good and isinstance(value, str) and "pattern" in schema:
        good = re.search(schema["pattern"], value) is not None
    if good and isinstance(value, int) and "minimum" in schema:
        good = value >= schema["minimum"]
    if good and isinstance(value, list):
        good = schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value))
        good = good and all(fits(each, schema.get("items", {}), top) for each in value)
    if good and isinstance(value, dict):
        properties = schema.get("properties", {})
        good = set(schema.get("required", ())) <= value.keys()
        good = good and (schema.get("additionalProperties", True) or value.keys() <= properties.keys())
        good = good and all(fits(each, properties.get(name, {}), top) for name, each in value.items())
    return good


def test_every_statement_fits_the_schema_and_none_does_with_a_field_more_or_less():
    schema = json.loads((FOLDER / "certificate.schema.json").read_text(encoding="utf-8"))
    for seed in range(30):
        statement = json.loads(serialised(prove(drawn_analysis(np.random.default_rng(seed)), SUBJECT)))
        assert fits(statement, schema, schema)
        statement["predicate"]["evidence"]["more"] = 0
        assert not fits(statement, schema, schema)
        del statement["predicate"]["evidence"]["more"], statement["predicate"]["trusted"]
        assert not fits(statement, schema, schema)


def test_the_format_describes_each_field_that_the_schema_has():
    text = (FOLDER / "format.md").read_text(encoding="utf-8")
    predicate = json.loads((FOLDER / "certificate.schema.json").read_text(encoding="utf-8"))
    properties = predicate["properties"]["predicate"]["properties"]
    for section, own in properties.items():
        assert f"`{section}" in text, section
        if section not in ("network", "witnesses", "framing", "made_with"):
            for name in own.get("properties", {}):
                assert f"`{section}.{name}`" in text or f"`.{name}`" in text, (section, name)
    assert predicate["properties"]["predicateType"]["const"] in text


def test_a_statement_is_serialised_as_the_checker_has_it():
    for seed in range(20):
        statement = prove(drawn_analysis(np.random.default_rng(seed)), SUBJECT)
        statement["predicate"]["network"]["classes"][0] = 'é"\\\u2028\x01\U0001f600'
        assert checker.canonical(statement).encode() == rfc8785.dumps(statement)


def test_a_proof_is_written_and_checked_and_its_network_runs_again(run, tmp_path):
    file = tmp_path / "coffee.proof.json"
    code, out, err = run("prove", COFFEE, *OPTIONS, "--defence", "masking", "--threshold", "0.2", "-o", file)
    assert (code, err) == (0, "")
    assert out.startswith(f"{file}: ")
    written = json.loads(file.read_bytes())
    assert written["subject"][0]["name"] == "coffee.png"
    assert written["predicate"]["made_with"]["patchguard-explorer"] == __version__
    certified = written["predicate"]["claim"]["verdict"] == "certified"
    code, out, err = run("check", file)
    assert code == (0 if certified else 1)
    if not certified:
        assert err.startswith("error: coffee.proof.json is refused: claim.verdict: not certified at window (")


@pytest.fixture
def proof(run, tmp_path):
    """A proof of a certified photo, and its file."""
    file = tmp_path / "coffee.proof.json"
    code, _, err = run(
        "prove", COFFEE, "--model", "imagenette", "--device", "cpu", "--patch-size", "8", "-o", file
    )
    assert (code, err) == (0, "")
    assert json.loads(file.read_bytes())["predicate"]["claim"]["verdict"] == "certified"
    return file


def test_with_the_photo_the_level_is_inference_and_another_photo_is_refused(run, proof):
    code, out, err = run("check", proof)
    assert (code, err) == (0, "")
    assert "level: arithmetic" in out
    assert "level: inference" not in out
    code, out, err = run("check", proof, "--photo", COFFEE)
    assert (code, err) == (0, "")
    assert "level: inference; the network was run again; its evidence differs by at most " in out
    code, out, err = run("check", proof, "--photo", sample_path("chelsea"))
    assert (code, out) == (1, "")
    assert err.startswith("error: coffee.proof.json is refused: subject[0].digest.sha256: expected ")


@pytest.mark.parametrize(
    ("options", "compared"),
    [
        (("--model", "cifar10-bands", "--defence", "smoothing"), "at most 0 votes of a class are others"),
        (
            ("--model", "cifar10", "--defence", "detection", "--alert-threshold", "0.05"),
            "its evidence differs by at most ",
        ),
    ],
    ids=["votes", "local logits"],
)
def test_with_the_photo_votes_and_local_logits_are_compared_too(run, tmp_path, options, compared):
    file, photo = tmp_path / "chelsea.proof.json", str(sample_path("chelsea"))
    assert run("prove", photo, *options, "--device", "cpu", "--patch-size", "1", "-o", file)[0] == 0
    code, out, err = run("check", file, "--photo", photo, "--device", "cpu")
    assert (code, err) == (0, "")
    assert compared in out


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda own: own["subject"][1]["digest"].update(sha256="ab" * 32), "subject\\[1\\].digest.sha256"),
        (lambda own: own["predicate"].update(pixels_sha256="ab" * 32), "pixels_sha256"),
        (lambda own: own["predicate"]["network"].update(name="tiles"), "subject\\[1\\].digest.sha256"),
        (lambda own: own["predicate"]["framing"].update(view="pad"), "pixels_sha256"),
        (lambda own: own["predicate"]["network"].update(name="none"), "network.name"),
    ],
)
def test_what_the_arithmetic_takes_on_trust_the_network_refuses(run, proof, change, field):
    own = json.loads(proof.read_bytes())
    change(own)
    proof.write_bytes(serialised(own))
    assert run("check", proof)[0] == 0
    code, _, err = run("check", proof, "--photo", COFFEE, "--device", "cpu")
    assert code == 1
    assert re.match(f"error: {field}: expected ", err)
    assert err.count("\n") == 1


def test_a_defence_of_which_no_proof_is_written_is_refused_in_one_line(run, tmp_path):
    file = tmp_path / "coffee.proof.json"
    code, out, err = run("prove", COFFEE, *OPTIONS, "--defence", "undefended", "-o", file)
    assert (code, out) == (1, "")
    assert re.match(
        "error: expected a defence of whose certificates .*, got no defence: choose --defence ", err
    )
    assert not file.exists()


@pytest.mark.parametrize("data", [b"", b"{", b"[[[", b"\xff"])
def test_what_is_no_proof_is_one_line(run, tmp_path, data):
    (tmp_path / "a.json").write_bytes(data)
    code, out, err = run("check", tmp_path / "a.json")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("error: a.json cannot be read: expected ")


def test_a_network_is_run_with_a_photo_only(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["check", "a.json", "--model", "cifar10"])
    assert stop.value.code == 2
    assert "with --photo" in capsys.readouterr().err
