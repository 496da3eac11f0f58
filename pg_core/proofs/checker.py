"""Checks a certificate file without trusting the program that made it: by whole numbers and fractions, exactly.

    python -I checker.py photo.proof.json [--photo photo.jpg]

Python's standard library is enough; this is written from theory §3 to §9 and format.md alone. Exit codes: 0 proved,
1 refused, with the first reason, 2 unreadable. Not here: whether the network says this of the photo, see `check`."""

import argparse
import hashlib
import re
import struct
import sys
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import accumulate
from json import JSONEncoder, loads
from operator import add, ge, sub
from pathlib import Path
from typing import Any, NoReturn

HEAD = ["https://in-toto.io/Statement/v1", "urn:patchguard-explorer:certificate:v1"]
MAX_BYTES, MAX_VALUES, MAX_CELLS = 2**26, 2**20, 2**20
MAX_WORK = 10**8  # additions, of which a second does some ten million
TYPES = {"logits": 2**16, "local logits": 2**16, "confidence": 1, "prediction": 1, "sharpened": 1, "tanh": 1}
POSITIVE = "logits|confidence|prediction|sharpened"
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
canonical = JSONEncoder(separators=(",", ":"), sort_keys=True, ensure_ascii=False, allow_nan=False).encode
Rows = list[list[int]]
Position = tuple[Fraction | int, Fraction | int, int, int, bool]  # bounds, rival, other window, certified


class UnreadableError(Exception):
    """The file has not the form of such files: nothing that it says was looked at."""


class RefusedError(Exception):
    """What the file says is not so; the text begins with the field."""


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


def whole(field: str, values: object, count: int, allowed: range) -> list[int]:
    """A list of so many whole numbers."""
    listed = values if isinstance(values, list) else []
    if len(listed) != count or not all(type(value) is int and value in allowed for value in listed):
        refuse(field, f"expected {count} whole numbers of {allowed}, got {shown(values)}")
    return listed


def first_largest(values: Sequence[int]) -> int:
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
        below = [[0] * self.across]
        for row in rows:
            running = [0, *accumulate(row + row[: self.again])]
            below.append(list(map(add, below[-1], map(sub, running[self.width :], running))))
        ends = zip(below[self.height :], below, strict=False)
        return [held for both in ends for held in map(sub, *both)]

    def filled(self, rows: Rows, window: int, content: Sequence[int] = ()) -> Rows:
        """The map with these numbers in a window, row by row, or with zeros."""
        changed, (top, left) = list(map(list, rows)), divmod(window, self.across)
        for at, number in enumerate(content or [0] * self.cells):
            row, column = divmod(at, self.width)
            changed[top + row][(left + column) % self.columns] = number
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
            self.statement = loads(data.decode())
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
        return whole(field, self.field(field), 2, range(least, 2**20 + 1))

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
            needed = min(n, -(-(p + r - 1) // (1 if ring else s)))
            if not 1 <= needed <= k <= n:
                refuse("defence.window_size", f"expected {needed} to {n} cells for this patch, got {k}")
        self.windows = Windows(cells[0], cells[1], size[0], size[1], ring)
        self.bands = range(1 - sees[1], image[1] - patch[1] - sees[1] + 2)  # the first that a patch meets

    def evidence(self, types: str) -> None:
        """The evidence on its grid, and how far errors move the sum of a class (theory §5, Numerics)."""
        self.type, self.step = self.word("evidence.type", types), self.exact("evidence.step")
        limit, delta = Fraction(TYPES[self.type]), self.exact("tolerance.delta")
        if self.field("evidence.clip_high") is not None:
            limit = min(limit, self.exact("evidence.clip_high"))
        names, rows, columns = self.field("network.classes"), self.windows.rows, self.windows.columns
        if not isinstance(names, list) or len(names) < 2 or not all(isinstance(name, str) for name in names):
            refuse("network.classes", "expected the names of two classes or more")
        agree("evidence.shape", [len(names), rows, columns], self.field("evidence.shape"))
        self.names, (over, under), cells = names, self.step.as_integer_ratio(), rows * columns
        if {over.bit_count(), under.bit_count()} != {1} or not 2**50 < cells * limit / self.step <= 2**53:
            refuse("evidence.step", "expected the power of two with which all cells hold about 2^52 steps")
        self.most, self.unit = round(limit / self.step), self.step / cells
        self.least = -self.most * (self.type in ("local logits", "tanh"))
        text, size = self.word("evidence.values", "[A-Za-z0-9+/]+={0,2}"), 8 * cells * len(names)
        try:
            packed, stream = b64decode(text), zlib.decompressobj()
            data = stream.decompress(packed, min(size, 8 * MAX_CELLS) + 1)
        except (ValueError, zlib.error):
            refuse("evidence.values", "expected base64 of zlib")
        if len(data) != size or not stream.eof or stream.unused_data or b64encode(packed) != text.encode():
            refuse("evidence.values", f"expected {size} bytes, at most {8 * MAX_CELLS}, and nothing else")
        agree("evidence.sha256", hashlib.sha256(data).hexdigest(), self.field("evidence.sha256"))
        self.legal = range(self.least, self.most + 1, self.most if self.type == "prediction" else 1)
        flat = whole("evidence.values", [*struct.unpack(f"<{size // 8}q", data)], size // 8, self.legal)
        lines = [flat[at : at + columns] for at in range(0, len(flat), columns)]
        self.maps = [lines[at : at + rows] for at in range(0, len(lines), rows)]
        moved = cells * (min(delta / 20 if self.type == "tanh" else delta, limit) + self.step)
        if self.type == "prediction":  # how many votes are close to their threshold is not in the evidence
            moved = self.exact("tolerance.moved")
        self.moved = moved if delta else Fraction(0)

    def attacked(self, field: str, witness: object) -> list[Rows]:
        """The evidence with a witness in its window: legal contents (theory §6), the least for other classes."""
        names, windows = ["for_label", "for_rival", "rival", "window"], self.windows
        given = witness if isinstance(witness, dict) else {}
        agree(field, names, sorted(given))
        (at,) = whole(field, [given["window"]], 1, range(windows.count))
        (rival,) = whole(field, [given["rival"]], 1, range(len(self.maps)))
        windows.spend(len(self.maps) * windows.rows * windows.columns)
        changed = [windows.filled(rows, at, [self.least] * windows.cells) for rows in self.maps]
        both = [whole(field, given[name], windows.cells, self.legal) for name in names[:2]]
        for c, content in zip((rival, self.label), reversed(both), strict=True):
            changed[c] = windows.filled(self.maps[c], at, content)
        if self.type in ("confidence", "sharpened") and any(map(all, zip(*both, strict=True))):
            refuse(field, "expected at most one class in each cell: all share one confidence")
        return changed

    def masked(self, maps: list[Rows]) -> int:
        """Robust masking (theory §3): each class loses its largest window if that holds more than T of it all."""
        held = [(max(self.windows.sums(rows)), sum(map(sum, rows))) for rows in maps]
        return first_largest([every - most if most > self.part * every else every for most, every in held])

    def masked_bounds(self) -> Iterator[Position]:
        """The sound bounds and their tolerance (theory §5)."""
        windows, part, left = self.windows, self.part, self.windows.outside(self.maps)
        rivals = [max(self.rivals, key=each.__getitem__) for each in left]
        uppers = [each[rival] / (1 - part) for each, rival in zip(left, rivals, strict=True)]
        error, nothing = self.error * (1 + 1 / (1 - part)), [[0] * windows.columns] * windows.rows
        tolerance = error + (max(uppers) / (1 - part) / 2**50 if part else 0)  # float64 loses so much
        for at, (rival, upper) in enumerate(zip(rivals, uppers, strict=True)):
            rest, t = windows.sums(windows.filled(self.maps[self.label], at)), left[at][self.label]
            m, shared = max(rest), windows.sums(windows.filled(nothing, at, [1] * windows.cells))
            m_o = max(held for held, cells in zip(rest, shared, strict=True) if cells)
            lower = t - m if m > part * t else t - m_o
            surely = t - m if m + error > part * t else lower  # an error can let it pass T
            yield lower, upper, rival, first_largest(rest), surely - upper > tolerance

    def twice_masked(self, maps: list[Rows]) -> int:
        """Two rounds (theory §9): the majority, or the first disagreer that no second window denies."""
        one = list(map(first_largest, self.windows.outside(maps)))
        majority = first_largest([one.count(c) for c in range(len(maps))])
        for at, label in enumerate(one):
            left = [self.windows.filled(rows, at) for rows in maps] if label != majority else []
            if left and all(first_largest(each) == label for each in self.windows.outside(left)):
                return label
        return majority

    def twice_masked_bounds(self) -> Iterator[Position]:
        """The lead over a rival outside a window, and what a second one takes of it: no more than of the label."""
        own, windows = self.maps[self.label], self.windows
        leads = [[list(map(sub, *both)) for both in zip(own, rows, strict=True)] for rows in self.maps]
        for at, left in enumerate(windows.outside(self.maps)):
            most, found = max(windows.sums(windows.filled(own, at))), list[tuple[int, int, int, int]]()
            for c in sorted(self.rivals, key=lambda c: -left[c]):
                lead = left[self.label] - left[c]
                if found and lead - most > min(found)[0]:
                    break
                rest = windows.sums(windows.filled(leads[c], at))
                found.append((lead - max(rest), c, lead, first_largest(rest)))
            margin, rival, lower, other = min(found)
            yield lower, lower - margin, rival, other, margin > 2 * self.error

    def mean(self, maps: list[Rows]) -> int:
        """Bounded evidence and de-randomized smoothing (theory §9): nothing is masked."""
        return first_largest([sum(map(sum, rows)) for rows in maps])

    def mean_bounds(self, sums: Sequence[list[int]] = ()) -> Iterator[Position]:
        """The least for the label and the most for a rival in each cell of a window."""
        for left in sums or self.windows.outside(self.maps):
            rival, cells = max(self.rivals, key=left.__getitem__), self.windows.cells
            lower, upper = left[self.label] + cells * self.least, left[rival] + cells * self.most
            yield lower, upper, rival, -1, lower - upper > 2 * self.error

    def voted_bounds(self) -> Iterator[Position]:
        """The same by places of the patch, which meets a window of bands; higher classes lose a tie by a vote."""
        agree("defence.wrapping", True, self.field("defence.wrapping"))
        left, most, label = self.windows.outside(self.maps), self.most, self.label
        votes = [[held - most * (c > label) for c, held in enumerate(each)] for each in left]
        return self.mean_bounds([votes[band % len(votes)] for band in self.bands])

    def detected_bounds(self) -> Iterator[Position]:
        """What is left without a window, if the label has more than T of confidence; else the label's is the upper."""
        part = self.part
        for left in self.windows.outside(self.maps):
            self.windows.spend(200 * len(left))
            rival, lower = max(self.rivals, key=left.__getitem__), left[self.label]
            with localcontext(prec=50):  # of exponentials and logarithms, which are no ratios
                least = (
                    Fraction((Decimal(part.numerator) / part.denominator).ln()) if part else -Fraction(2**20)
                )
                means = [Decimal(held - lower) * self.unit.numerator / self.unit.denominator for held in left]
                sure = Fraction(-sum(map(Decimal.exp, means), Decimal()).ln())
            most = max(sure + (left[rival] - lower) * self.unit, least)
            size = min(max(-sure, -most), Fraction(2**16))  # float64 loses so much of logarithms
            tolerance = 2 * self.error * self.unit + len(left) * size / 2**50
            upper = left[rival] if sure > most else max(left[rival], lower)
            yield lower, upper, rival, -1, sure - most > tolerance

    def check(self) -> list[bool]:
        """Refuse a file that says anything else than what follows from its evidence; which windows are certified."""
        for field, names in NAMES.items():
            section = self.field(field) if field else self.statement
            agree(field, names.split(), sorted(section) if isinstance(section, dict) else section)
        agree("_type, predicateType", HEAD, [self.statement[name] for name in ("_type", "predicateType")])
        subjects = re.fullmatch(rf"\[{SUBJECT},{SUBJECT}\]", canonical(self.statement["subject"]))
        self.photo = subjects[1] if subjects else refuse("subject", "expected two, each with a SHA-256")
        self.geometry()
        name, photo = self.word("defence.name", "|".join(DEFENCES)), self.field("threat.space") == "photo"
        (predict, bounds, allowed), alerts = DEFENCES[name], name == "masked detection"
        self.evidence(allowed)
        self.error, self.part = self.moved / self.step, self.exact("defence.threshold")
        if self.part >= 1 or (self.part and not alerts and predict is not Proof.masked):
            refuse("defence.threshold", "expected 0 <= T < 1, and 0 where there is no T")
        (self.label,) = whole("claim.label", [self.field("claim.label")], 1, range(len(self.maps)))
        self.rivals = sorted({*range(len(self.maps))} - {self.label})
        lower, upper, rival, other, counted = map(list, zip(*bounds(self), strict=True))
        sure = "certified" if all(counted) else "undecided"
        self.verdict = "not certified" if any(map(ge, upper, lower)) else sure
        self.verdict = self.verdict if predict(self, self.maps) == self.label else "misclassified"
        witnesses = self.field("witnesses")
        for at, witness in enumerate(witnesses if isinstance(witnesses, list) else [None]):
            attacked = self.attacked(f"witnesses[{at}]", witness)
            if bounds in (Proof.voted_bounds, Proof.detected_bounds) or predict(self, attacked) == self.label:
                refuse(f"witnesses[{at}]", "expected contents that change the prediction")
        self.trusted = [*TRUSTED.split(), *["threat.on_network"] * photo]
        self.trusted += ["tolerance.moved"] * (self.type == "prediction" and self.moved > 0)
        patch, image = "x".join(map(str, self.pair("threat.patch_size"))), "image that the network sees"
        change = f"on the {'original photo' if photo else image} can change '{self.names[self.label]}'"
        words = f"No {patch}-pixel patch anywhere {change} under {name}{' without an alert' * alerts}."
        self.words = words if self.verdict == "certified" else f"Nothing is claimed: {self.verdict}."
        kind = f"keeps the label{' or raises an alert' * alerts}"
        claim = {"label": self.label, "kind": kind, "verdict": self.verdict, "words": self.words}
        agree("claim", claim, self.field("claim"))
        moved = {"delta": self.field("tolerance.delta"), "moved": written(self.moved)}
        agree("tolerance", moved, self.field("tolerance"))
        bounds_of = {"lower": [*map(written, lower)], "upper": [*map(written, upper)]}
        agree("windows", {**bounds_of, "rival": rival, "other": other}, self.field("windows"))
        agree("trusted", self.trusted, self.field("trusted"))
        return counted

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
    "robust masking": (Proof.masked, Proof.masked_bounds, POSITIVE),
    "double masking on features": (Proof.twice_masked, Proof.twice_masked_bounds, POSITIVE),
    "bounded evidence": (Proof.mean, Proof.mean_bounds, f"{POSITIVE}|tanh"),
    "de-randomized smoothing": (Proof.mean, Proof.voted_bounds, "prediction"),
    "masked detection": (Proof.mean, Proof.detected_bounds, "local logits"),
}


def main() -> int:
    parser = argparse.ArgumentParser(description="Check a certificate file by exact arithmetic.")
    parser.add_argument("proof", type=Path)
    parser.add_argument("--photo", type=Path, help="compare its SHA-256 with that in the file")
    options = parser.parse_args()
    try:
        for path in filter(None, (options.proof, options.photo)):
            if not path.is_file() or path.stat().st_size > MAX_BYTES:
                raise UnreadableError(f"{path}: expected a file of at most {MAX_BYTES >> 20} MB")
        proof = Proof(options.proof.read_bytes())
        proof.require_certified(options.photo.read_bytes() if options.photo else None)
    except (OSError, RefusedError, UnreadableError) as error:
        refused = isinstance(error, RefusedError)
        print(f"{'refused' if refused else 'unreadable'}: {shown(error)}")
        return 1 if refused else 2
    print(f"proved: {shown(proof.words)}")
    print(f"level: arithmetic, from the evidence to the verdict, at {proof.windows.count} windows, exactly")
    print(f"on trust: that this network says this of this photo; {', '.join(proof.trusted)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
