"""Changes of a statement, after which all that can be made to fit again does, for the corpus."""

import copy
from fractions import Fraction

import numpy as np

from pg_core.proofs.statement import packed, written
from tests.pg_core.proofs import literal


def at(statement, path):
    """The container and the key of a field of the predicate."""
    *sections, last = path.split("/")
    place = statement if sections[:1] == [""] else statement["predicate"]
    for name in sections[1:] if sections[:1] == [""] else sections:
        place = place[int(name)] if isinstance(place, list) else place[name]
    return place, int(last) if isinstance(place, list) else last


def edited(statement, **fields):
    """A copy with other values at paths of names, written with __ between them; a function changes the value."""
    own = copy.deepcopy(statement)
    for path, value in fields.items():
        place, key = at(own, path.replace("__", "/"))
        place[key] = value(place[key]) if callable(value) else value
    return own


def dropped(statement, path):
    own = copy.deepcopy(statement)
    place, key = at(own, path)
    del place[key]
    return own


def changed_evidence(statement, change, hashed=True):
    """The evidence changed in place, with the SHA-256 that it then has, or with the old one."""
    own = copy.deepcopy(statement)
    evidence = own["predicate"]["evidence"]
    values = literal.evidence_of(own["predicate"]).astype(np.int64)
    change(values)
    evidence["values"], sha256 = packed(values)
    if hashed:
        evidence["sha256"] = sha256
    return own


def claimed(statement):
    """The statement with the words of a certificate, and without counterexamples."""
    own = copy.deepcopy(statement)
    predicate = own["predicate"]
    patch = "x".join(map(str, predicate["threat"]["patch_size"]))
    label, how = predicate["network"]["classes"][predicate["claim"]["label"]], predicate["defence"]["name"]
    words = f"No {patch}-pixel patch anywhere on the image that the network sees can change '{label}' under {how}."
    predicate["claim"] |= {"verdict": "certified", "words": words}
    predicate["witnesses"] = []
    return own


def further(value):
    """One step more."""
    return written(Fraction(value) + 1)
