"""Single changes of a certificate file, drawn at random, and how what is left of it is judged.

A file that the checker still takes must either differ in what it names as taken on trust alone, so that what it proves
of the evidence is the same, or be true of the evidence that it has now, by literal loops.
"""

import base64
import copy
import hashlib
import json
import zlib

import numpy as np

from pg_core.proofs.checker import Proof, RefusedError, UnreadableError
from pg_core.proofs.statement import serialised
from tests.pg_core.proofs import literal


def judged(data, changed):
    """What comes of a changed file: refused, unreadable, unchanged, trusted (it differs in that alone), true, or
    false, which must not be."""
    if changed == data:
        return "unchanged"
    try:
        proof = Proof(changed)
        proof.check()
    except UnreadableError:
        return "unreadable"
    except RefusedError:
        return "refused"
    before, after = json.loads(data), json.loads(changed)
    different = leaves(before).items() ^ leaves(after).items()
    trusted = tuple(f"predicate.{name}" for name in proof.trusted if name != "subject")
    if all(path.startswith((*trusted, "subject")) for path, _ in different):
        return "trusted"
    return "true" if literal.is_true(after) else "false"


def changed(data, random):
    """The file with one change."""
    return CHANGES[random.integers(len(CHANGES))](data, random)


def leaves(content, path=""):
    """Every value by its path."""
    if isinstance(content, dict):
        return {
            k: v
            for name, own in content.items()
            for k, v in leaves(own, f"{path}.{name}".lstrip(".")).items()
        }
    if isinstance(content, list):
        return {k: v for n, own in enumerate(content) for k, v in leaves(own, f"{path}.{n}").items()} or {
            path: "[]"
        }
    return {path: repr(content)}


def _a_digit(data, random):
    digits = [at for at, sign in enumerate(data) if chr(sign).isdigit()]
    at = digits[random.integers(len(digits))]
    return data[:at] + str(random.integers(10)).encode() + data[at + 1 :]


def _a_byte(data, random):
    at = random.integers(len(data))
    return data[:at] + bytes([random.integers(256)]) + data[at + 1 :]


def _containers(content):
    if isinstance(content, dict | list):
        yield content
        for own in content.values() if isinstance(content, dict) else content:
            yield from _containers(own)


def _of_content(change):
    def apply(data, random):
        content = json.loads(data)
        places = [own for own in _containers(content) if own]
        own = places[random.integers(len(places))]
        keys = list(own) if isinstance(own, dict) else list(range(len(own)))
        change(own, keys[random.integers(len(keys))], keys, random)
        return serialised(content)

    return apply


def _another_value(own, key, keys, random):
    value = own[key]
    if isinstance(value, bool):
        own[key] = not value
    elif isinstance(value, int):
        own[key] = value + int(random.choice([-1, 1, 1000]))
    elif isinstance(value, str):
        at = random.integers(len(value) + 1)
        own[key] = value[:at] + chr(random.integers(32, 127)) + value[at + 1 :]
    else:
        own[key] = [0, "0", "1/2", None, [], {}, False][random.integers(7)]


def _left_out(own, key, keys, random):
    del own[key]


def _added(own, key, keys, random):
    if isinstance(own, dict):
        own["more"] = copy.deepcopy(own[key])
    else:
        own.insert(key, copy.deepcopy(own[key]))


def _exchanged(own, key, keys, random):
    other = keys[random.integers(len(keys))]
    own[key], own[other] = own[other], own[key]


def _a_name_twice(data, random):
    names = [at for at in range(len(data)) if data[at : at + 2] == b'":']
    end = names[random.integers(len(names))]
    start = data.rindex(b'"', 0, end)
    name = data[start : end + 2]
    return data[:start] + name + b"0," + data[start:]


def _another_threshold(data, random):
    content = json.loads(data)
    content["predicate"]["defence"]["threshold"] = [0, "1/2", "1/5", "9/10", 1][random.integers(5)]
    return serialised(content)


def _other_evidence(data, random):
    """One number of the evidence, with the SHA-256 that it then has."""
    content = json.loads(data)
    evidence = content["predicate"]["evidence"]
    values = np.frombuffer(zlib.decompress(base64.b64decode(evidence["values"])), "<i8").copy()
    at = random.integers(len(values))
    values[at] = max(0, values[at] + int(random.choice([-1, 1, -(2**40), 2**40])))
    evidence["values"] = base64.b64encode(zlib.compress(values.tobytes(), 9)).decode()
    evidence["sha256"] = hashlib.sha256(values.tobytes()).hexdigest()
    return serialised(content)


CHANGES = (
    _a_digit,
    _a_digit,
    _a_byte,
    _of_content(_another_value),
    _of_content(_another_value),
    _of_content(_left_out),
    _of_content(_added),
    _of_content(_exchanged),
    _a_name_twice,
    _another_threshold,
    _other_evidence,
)
