"""Checks a certificate file without trusting the program that made it: whole numbers and fractions, all exact.

    python -I checker.py photo.proof.json [--photo photo.jpg]

Python's standard library is enough; no line is shared with the program: this is written from theory §3 to §9 and
format.md. Exit codes: 0 proved, 1 refused, with the first reason, 2 unreadable. Not here: whether the network says
this of the photo, see `python -m pg_core check --photo`."""

import argparse
import base64
import hashlib
import json
import re
import struct
import sys
import zlib
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import accumulate
from operator import add, ge, sub
from pathlib import Path
from typing import Any, NoReturn

STATEMENT, PREDICATE = "https://in-toto.io/Statement/v1", "urn:patchguard-explorer:certificate:v1"
MAX_BYTES, MAX_VALUES, MAX_CELLS = 2**26, 2**20, 2**20
MAX_WORK = 10**8  # additions, of which a second does some ten million
TYPES = {"logits": 2**16, "confidence": 1, "prediction": 1, "sharpened": 1, "tanh": 1}  # the largest value
TRUSTED = "subject network framing pixels_sha256 made_with evidence.type evidence.clip_high tolerance.delta"
NAMES = {
    "": "_type predicate predicateType subject",
    ".": "claim defence evidence framing made_with network pixels_sha256 threat tolerance trusted windows witnesses",
    "defence": "name threshold window_size wrapping",
    "evidence": "clip_high sha256 shape step type values",
    "network": "classes device image_size name receptive_field",
    "network.receptive_field": "offset size stride wrapping",
    "threat": "on_network patch_size space",
}
SUBJECT = r'\{"digest":\{"sha256":"([0-9a-f]{64})"\},"name":"(?:[^"\\]|\\.)*"\}'
Rows = list[list[int]]
Position = tuple[Fraction | int, Fraction | int, int, int, bool]
"""Of a window, in steps: both bounds, the rival, the other window lost (-1: none is), whether it is certified."""


class UnreadableError(Exception):
    """The file has not the form of such files: nothing that it says was looked at."""


class RefusedError(Exception):
    """What the file says is not so; the text begins with the field."""


def canonical(content: object) -> str:
    return json.dumps(content, separators=(",", ":"), sort_keys=True, ensure_ascii=False, allow_nan=False)


def refuse(field: str, what: str) -> NoReturn:
    raise RefusedError(f"{field}: {what}")


def shown(text: object) -> str:
    """A stranger's words as a terminal may take them."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in str(text)[:300])


def written(value: Fraction | int) -> int | str:
    """The one way in which a number is written: in lowest terms, and as text if it is a ratio or large."""
    return int(value) if value.denominator == 1 and -(2**53) < value < 2**53 else str(value)


def agree(field: str, expected: object, got: object) -> None:
    """Refuse what is not as expected, by the first field."""
    if isinstance(expected, dict) and isinstance(got, dict) and expected.keys() == got.keys():
        for name, one in expected.items():
            agree(f"{field}.{name}", one, got[name])
    elif isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        for at, (one, other) in enumerate(zip(expected, got, strict=True)):
            agree(f"{field}[{at}]", one, other)
    elif expected != got or type(expected) is not type(got):
        refuse(field, f"expected {shown(expected)}, got {shown(got)}")


def whole(field: str, values: object, count: int, least: int, most: int) -> list[int]:
    """A list of so many whole numbers."""
    listed = values if isinstance(values, list) else []
    if len(listed) != count or not all(type(value) is int and least <= value <= most for value in listed):
        refuse(field, f"expected {count} whole numbers of [{least}, {most}], got {shown(values)}")
    return listed


def first(values: Sequence[int]) -> int:
    """The place of the largest, the first on ties."""
    return values.index(max(values))


class Windows:
    """All windows of a map, row by row; around the right edge on a ring."""

    def __init__(self, rows: int, columns: int, height: int, width: int, ring: bool) -> None:
        self.rows, self.columns, self.height, self.width = rows, columns, height, width
        self.again, self.cells, self.work = (width - 1) * (ring and width < columns), height * width, 0
        self.across = columns - width + 1 + self.again
        self.count = (rows - height + 1) * self.across

    def spend(self, additions: int) -> None:
        self.work += additions + 100
        if self.work > MAX_WORK:
            refuse("evidence", "expected a certificate that can be checked in a minute")

    def sums(self, rows: Rows) -> list[int]:
        """What each window holds, by differences of running sums along rows and down columns."""
        self.spend(self.rows * self.columns + self.count)
        below, held = [[0] * self.across], list[int]()
        for row in rows:
            running = [0, *accumulate(row + row[: self.again])]
            below.append(list(map(add, below[-1], map(sub, running[self.width :], running))))
        for top in range(self.rows - self.height + 1):
            held += map(sub, below[top + self.height], below[top])
        return held

    def filled(self, rows: Rows, window: int, content: Sequence[int] = ()) -> Rows:
        """The map with these numbers in a window, row by row, or with zeros."""
        changed, (top, left) = list(rows), divmod(window, self.across)
        numbers = iter(content or [0] * self.cells)
        for row in range(top, top + self.height):
            changed[row] = list(rows[row])
            for column in range(left, left + self.width):
                changed[row][column % self.columns] = next(numbers)
        return changed

    def outside(self, maps: list[Rows]) -> list[list[int]]:
        """By window, what each class has outside it."""
        every = [[t - held for held in self.sums(rows)] for rows in maps for t in [sum(map(sum, rows))]]
        return [list(each) for each in zip(*every, strict=True)]


class Proof:
    """A file. Fields are named from the predicate, with dots between the names; numbers of evidence are in steps."""

    def __init__(self, data: bytes) -> None:
        """JSON in the one form that RFC 8785 gives it, in which no name stands twice."""
        if len(data) > MAX_BYTES or sum(map(data.count, (b",", b"[", b"{"))) > MAX_VALUES:
            raise UnreadableError(f"expected at most {MAX_BYTES >> 20} MB and {MAX_VALUES} values")
        try:
            self.statement = json.loads(data.decode())
            if canonical(self.statement).encode() != data:
                raise UnreadableError("expected the canonical form of RFC 8785, each name once")
        except (RecursionError, ValueError) as error:
            raise UnreadableError(f"expected JSON in UTF-8, got a {type(error).__name__}") from None

    def field(self, field: str) -> Any:  # noqa: ANN401 - JSON
        content = self.statement
        for name in f"predicate.{field}".rstrip(".").split("."):
            if not isinstance(content, dict) or name not in content:
                refuse(field, "is missing")
            content = content[name]
        return content

    def word(self, field: str, form: str) -> str:
        value = self.field(field)
        if not isinstance(value, str) or not re.fullmatch(form, value):
            refuse(field, f"expected {form}, got {shown(value)}")
        return value

    def pair(self, field: str, least: int = 1) -> list[int]:
        return whole(field, self.field(field), 2, least, 2**20)

    def exact(self, field: str) -> Fraction:
        """A number of at least 0, a whole one or a ratio."""
        value = self.field(field)
        if type(value) not in (int, str) or not re.fullmatch("[0-9]{1,350}(/[1-9][0-9]{0,350})?", str(value)):
            refuse(field, f"expected a whole number or a ratio of at least 0, got {shown(value)}")
        agree(field, written(Fraction(value)), value)
        return Fraction(value)

    def geometry(self) -> None:
        """The windows, which hold all that the patch can corrupt (theory §2, Equation 1)."""
        patch, size = self.pair("threat.on_network"), self.pair("defence.window_size")
        field, names = "network.receptive_field", ("size", "stride", "offset")
        sees, stride, offset = (self.pair(f"{field}.{name}", name != "offset") for name in names)
        if self.word("threat.space", "network|photo") == "network":
            agree("threat.on_network", self.pair("threat.patch_size"), patch)
        ring, image = self.field(f"{field}.wrapping") is True, self.pair("network.image_size")
        agree("defence.wrapping", ring, self.field("defence.wrapping"))
        cells = [(n + 2 * o - r) // s + 1 for n, r, s, o in zip(image, sees, stride, offset, strict=True)]
        cells = [1, image[1]] if ring else cells
        for n, k, p, r, s in zip(cells, size, patch, sees, stride, strict=True):
            needed = min(n, -(-(p + r - 1) // s))
            if not 1 <= needed <= k <= n:
                refuse("defence.window_size", f"expected {needed} to {n} cells for this patch, got {k}")
        self.windows = Windows(cells[0], cells[1], size[0], size[1], ring)

    def evidence(self) -> None:
        """The evidence on its grid, and how far errors move the sum of a class (theory §5, Numerics)."""
        self.type, self.step = self.word("evidence.type", "|".join(TYPES)), self.exact("evidence.step")
        limit, delta = Fraction(TYPES[self.type]), self.exact("tolerance.delta")
        if self.field("evidence.clip_high") is not None:
            limit = min(limit, self.exact("evidence.clip_high"))
        names, rows, columns = self.field("network.classes"), self.windows.rows, self.windows.columns
        if not isinstance(names, list) or len(names) < 2 or not all(isinstance(name, str) for name in names):
            refuse("network.classes", "expected the names of two classes or more")
        agree("evidence.shape", [len(names), rows, columns], self.field("evidence.shape"))
        over, under, cells = *self.step.as_integer_ratio(), rows * columns
        if over & over - 1 or under & under - 1 or not 2**50 < cells * limit / (self.step or 1) <= 2**53:
            refuse("evidence.step", "expected the power of two with which all cells hold about 2^52 steps")
        self.most = round(limit / self.step)
        self.least = -self.most * (self.type == "tanh")
        text, size = self.word("evidence.values", "[A-Za-z0-9+/]+={0,2}"), 8 * cells * len(names)
        try:
            packed, stream = base64.b64decode(text), zlib.decompressobj()
            data = stream.decompress(packed, min(size, 8 * MAX_CELLS) + 1)
        except (ValueError, zlib.error):
            refuse("evidence.values", "expected base64 of zlib")
        rest = not stream.eof or stream.unused_data or base64.b64encode(packed) != text.encode()
        if len(data) != size or rest:
            refuse("evidence.values", f"expected {size} bytes, at most {8 * MAX_CELLS}, and nothing else")
        agree("evidence.sha256", hashlib.sha256(data).hexdigest(), self.field("evidence.sha256"))
        flat = self.legal("evidence.values", list(struct.unpack(f"<{size // 8}q", data)), size // 8)
        lines = [flat[at : at + columns] for at in range(0, len(flat), columns)]
        self.maps = [lines[at : at + rows] for at in range(0, len(lines), rows)]
        moved = cells * (min(delta / 20 if self.type == "tanh" else delta, limit) + self.step)
        if self.type == "prediction":  # how many votes are close to their threshold is not in the evidence
            moved = self.exact("tolerance.moved")
        self.moved = moved if delta else Fraction(0)

    def legal(self, field: str, values: object, count: int) -> list[int]:
        listed = whole(field, values, count, self.least, self.most)
        if self.type == "prediction" and {*listed} - {0, self.most}:
            refuse(field, f"expected votes, of 0 or {self.most} steps")
        return listed

    def attacked(self, field: str, witness: object) -> list[Rows]:
        """The evidence with a witness in its window: legal contents (theory §6), the least for other classes."""
        names, windows = ["for_label", "for_rival", "rival", "window"], self.windows
        given = witness if isinstance(witness, dict) else {}
        agree(field, names, sorted(given))
        (at,) = whole(field, [given["window"]], 1, 0, windows.count - 1)
        (rival,) = whole(field, [given["rival"]], 1, 0, len(self.maps) - 1)
        windows.spend(len(self.maps) * windows.rows * windows.columns)
        changed = [windows.filled(rows, at, [self.least] * windows.cells) for rows in self.maps]
        both = [self.legal(field, given[name], windows.cells) for name in names[:2]]
        for c, content in zip((rival, self.label), reversed(both), strict=True):
            changed[c] = windows.filled(self.maps[c], at, content)
        if self.type in ("confidence", "sharpened") and any(map(all, zip(*both, strict=True))):
            refuse(field, "expected at most one class in each cell: all share one confidence")
        return changed

    def masked(self, maps: list[Rows]) -> int:
        """Robust masking (theory §3): each class loses its largest window if that holds more than T of it all."""
        held = [(max(self.windows.sums(rows)), sum(map(sum, rows))) for rows in maps]
        return first([every - most if most > self.part * every else every for most, every in held])

    def masked_bounds(self) -> Iterator[Position]:
        """The sound bounds and their tolerance (theory §5)."""
        windows, part, left = self.windows, self.part, self.windows.outside(self.maps)
        rivals = [self.strongest(each) for each in left]
        uppers = [each[rival] / (1 - part) for each, rival in zip(left, rivals, strict=True)]
        error, nothing = self.error * (1 + 1 / (1 - part)), [[0] * windows.columns] * windows.rows
        # What float64, in which the program predicts, loses of products with T.
        tolerance = error + (max(uppers) / (1 - part) / 2**50 if part else 0)
        for at, (rival, upper) in enumerate(zip(rivals, uppers, strict=True)):
            rest, t = windows.sums(windows.filled(self.maps[self.label], at)), left[at][self.label]
            m, shared = max(rest), windows.sums(windows.filled(nothing, at, [1] * windows.cells))
            m_o = max(held for held, cells in zip(rest, shared, strict=True) if cells)
            lower = t - m if m > part * t else t - m_o
            # An error can let the largest window pass T.
            surely = t - m if m + error > part * t else lower
            yield lower, upper, rival, first(rest), surely - upper > tolerance

    def twice_masked(self, maps: list[Rows]) -> int:
        """Two rounds (theory §9): the majority, or the first disagreer that no second window denies."""
        one = list(map(first, self.windows.outside(maps)))
        majority = first([one.count(c) for c in range(len(maps))])
        for at, label in enumerate(one):
            left = [self.windows.filled(rows, at) for rows in maps] if label != majority else []
            if left and all(first(each) == label for each in self.windows.outside(left)):
                return label
        return majority

    def twice_masked_bounds(self) -> Iterator[Position]:
        """The lead over the rival outside each window, and what a second window takes of it."""
        own, windows = self.maps[self.label], self.windows
        leads = [[list(map(sub, *both)) for both in zip(own, rows, strict=True)] for rows in self.maps]
        for at, left in enumerate(windows.outside(self.maps)):
            # A second window takes no more of a lead than of the label's evidence, for none is negative.
            most, found = max(windows.sums(windows.filled(own, at))), list[tuple[int, int, int, int]]()
            for c in sorted({*range(len(left))} - {self.label}, key=lambda c: (-left[c], c)):
                lead = left[self.label] - left[c]
                if found and lead - most > min(found)[0]:
                    break
                rest = windows.sums(windows.filled(leads[c], at))
                found.append((lead - max(rest), c, lead, first(rest)))
            margin, rival, lower, other = min(found)
            yield lower, lower - margin, rival, other, margin > 2 * self.error

    def mean(self, maps: list[Rows]) -> int:
        """Bounded evidence (theory §9): nothing is masked."""
        return first([sum(map(sum, rows)) for rows in maps])

    def mean_bounds(self) -> Iterator[Position]:
        """The least for the label and the most for a rival in each cell of a window."""
        for left in self.windows.outside(self.maps):
            rival, cells = self.strongest(left), self.windows.cells
            lower, upper = left[self.label] + cells * self.least, left[rival] + cells * self.most
            yield lower, upper, rival, -1, lower - upper > 2 * self.error

    def strongest(self, values: list[int]) -> int:
        """The class other than the label with most, the lowest on ties."""
        return max((c for c in range(len(values)) if c != self.label), key=lambda c: (values[c], -c))

    def check(self) -> list[bool]:
        """Refuse a file that says anything else than what follows from its evidence; which windows are certified."""
        for field, names in NAMES.items():
            section = self.field(field) if field else self.statement
            agree(field, names.split(), sorted(section) if isinstance(section, dict) else section)
        types = [self.statement[name] for name in ("_type", "predicateType")]
        agree("_type, predicateType", [STATEMENT, PREDICATE], types)
        subjects = re.fullmatch(rf"\[{SUBJECT},{SUBJECT}\]", canonical(self.statement["subject"]))
        self.photo = subjects[1] if subjects else refuse("subject", "expected two, each with a SHA-256")
        self.geometry()
        self.evidence()
        predict, bounds = DEFENCES[self.word("defence.name", "|".join(DEFENCES))]
        self.error, self.part = self.moved / self.step, self.exact("defence.threshold")
        if self.part >= 1 or (self.part and predict is not Proof.masked):
            refuse("defence.threshold", "expected 0 <= T < 1, and 0 where there is no T")
        if self.least and predict is not Proof.mean:
            refuse("evidence.type", "expected evidence of at least 0 for this defence")
        (self.label,) = whole("claim.label", [self.field("claim.label")], 1, 0, len(self.maps) - 1)
        lower, upper, rival, other, counted = map(list, zip(*bounds(self), strict=True))
        sure = "certified" if all(counted) else "undecided"
        self.verdict = "not certified" if any(map(ge, upper, lower)) else sure
        self.verdict = self.verdict if predict(self, self.maps) == self.label else "misclassified"
        witnesses = self.field("witnesses")
        for at, witness in enumerate(witnesses if isinstance(witnesses, list) else [None]):
            if predict(self, self.attacked(f"witnesses[{at}]", witness)) == self.label:
                refuse(f"witnesses[{at}]", "expected contents that change the prediction")
        self.trusted = TRUSTED.split()
        self.trusted += ["threat.on_network"] * (self.field("threat.space") == "photo")
        self.trusted += ["tolerance.moved"] * (self.type == "prediction" and self.moved > 0)
        self.words = {"certified": self.sentence()}.get(self.verdict, f"Nothing is claimed: {self.verdict}.")
        claim = {"label": self.label, "kind": "keeps the label", "verdict": self.verdict, "words": self.words}
        agree("claim", claim, self.field("claim"))
        moved = {"delta": self.field("tolerance.delta"), "moved": written(self.moved)}
        agree("tolerance", moved, self.field("tolerance"))
        bounds_of = {"lower": [*map(written, lower)], "upper": [*map(written, upper)]}
        agree("windows", {**bounds_of, "rival": rival, "other": other}, self.field("windows"))
        agree("trusted", self.trusted, self.field("trusted"))
        return counted

    def sentence(self) -> str:
        patch, names = "x".join(map(str, self.pair("threat.patch_size"))), self.field("network.classes")
        photo, how = self.field("threat.space") == "photo", self.field("defence.name")
        image, label = "original photo" if photo else "image that the network sees", list(names)[self.label]
        return f"No {patch}-pixel patch anywhere on the {image} can change '{label}' under {how}."

    def require_certified(self, photo: bytes | None) -> None:
        """Refuse what is not consistent, what is about another photo, and what is no proof."""
        certified = self.check()
        if photo is not None:
            agree("subject[0].digest.sha256", hashlib.sha256(photo).hexdigest(), self.photo)
        if self.verdict != "certified":
            where = f"at window {divmod([*certified, False].index(False), self.windows.across)}"
            where = "without a patch" if self.verdict == "misclassified" else where
            refuse("claim.verdict", f"{self.verdict} {where}: nothing is proved")


DEFENCES = {
    "robust masking": (Proof.masked, Proof.masked_bounds),
    "double masking on features": (Proof.twice_masked, Proof.twice_masked_bounds),
    "bounded evidence": (Proof.mean, Proof.mean_bounds),
}


def read(path: Path) -> bytes:
    if not path.is_file() or path.stat().st_size > MAX_BYTES:
        raise UnreadableError(f"{path}: expected a file of at most {MAX_BYTES >> 20} MB")
    return path.read_bytes()


def main() -> int:
    parser = argparse.ArgumentParser(description="Check a certificate file by exact arithmetic.")
    parser.add_argument("proof", type=Path)
    parser.add_argument("--photo", type=Path, help="compare its SHA-256 with that in the file")
    options = parser.parse_args()
    try:
        proof = Proof(read(options.proof))
        proof.require_certified(read(options.photo) if options.photo else None)
    except RefusedError as error:
        print(f"refused: {shown(error)}")
        return 1
    except (OSError, UnreadableError) as error:
        print(f"unreadable: {shown(error)}")
        return 2
    print(f"proved: {shown(proof.words)}")
    print(f"level: arithmetic, from the evidence to the verdict, at {proof.windows.count} windows, exactly")
    print(f"on trust: that this network says this of this photo; {', '.join(proof.trusted)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
