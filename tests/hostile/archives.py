"""Archives of local logits that are none, that grow, or that are not what they say: at least 150."""

import io
import itertools
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from tests.hostile.case import Case, of_bytes
from tests.hostile.names import NAME, TEXTS

_DESCRIPTION = "pg_core.description"
_STATED = ("--layout", "classes,rows,columns", "--no-wrapping")
"""What the command line says of a file that says nothing itself."""
_MAP = np.random.default_rng(0).random((3, 4, 5))
_SAID = {
    "pg_core": "0.1",
    "layout": "classes,rows,columns",
    "wrapping": False,
    "model": "mine",
    "classes": ["a", "b", "c"],
    "evidence": "logits",
    "delta": {"map": 0.5},
}


def archive_cases() -> list[Case]:
    """All of them; the files are made when they are tried."""
    return [
        *_of_maps(),
        *_of_names(),
        *_bombs(),
        *_lying_headers(),
        *_pickles(),
        *_broken_archives(),
        *_descriptions(),
        *_no_files(),
    ]


def npz(**arrays: np.ndarray) -> bytes:
    """An archive as numpy writes it."""
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def packed(entries: dict[str, bytes], compressed: bool = False) -> bytes:
    """An archive of any files."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return file.getvalue()


def npy(header: str | dict[str, object], content: bytes = b"", version: tuple[int, int] = (1, 0)) -> bytes:
    """An array file with any header."""
    text = (header if isinstance(header, str) else repr(header)).encode("latin-1") + b"\n"
    length = struct.pack("<H" if version == (1, 0) else "<I", len(text))
    return b"\x93NUMPY" + bytes(version) + length + text + content


def described(said: object) -> bytes:
    """A sound map and what the file says of itself."""
    text = said if isinstance(said, str) else json.dumps(said)
    return npz(map=_MAP, **{_DESCRIPTION: np.array(text)})


def seeds() -> list[bytes]:
    """Sound archives: without and with a description."""
    return [npz(map=_MAP), described(_SAID)]


def _stated(
    name: str, content: bytes | Callable[[], bytes], accepted: bool | None = False, word: str = ""
) -> Case:
    return of_bytes(name, content, "maps.npz", accepted, word, _STATED)


def _of_maps() -> Iterator[Case]:
    """Arrays of other types, orders and shapes."""
    for kind in ("f8", "f4", "f2", ">f8", ">f4", "i1", "u1", ">i2", "i8", "u8"):
        yield _stated(f"numbers of type {kind}", npz(map=(_MAP * 9).astype(kind)), True)
    for kind in ("c16", "c8", "?", "S3", "U3", "M8[s]", "m8[s]", "V4"):
        yield _stated(f"values of type {kind}", npz(map=np.zeros((3, 4, 5), kind)), False, "expected numbers")
    yield _stated("long doubles", npz(map=_MAP.astype(np.longdouble)), None)
    yield _stated(
        "a record", npz(map=np.zeros((3, 4), [("a", "f8"), ("b", "f4")])), False, "expected numbers"
    )
    yield _stated("in Fortran's order", npz(map=np.asfortranarray(_MAP)), True)
    for shape in (
        (),
        (0,),
        (5,),
        (3, 4),
        (3, 4, 5, 1),
        (0, 4, 5),
        (3, 0, 5),
        (3, 4, 0),
        (1, 4, 5),
        (1, 1, 1),
    ):
        yield _stated(f"a map of shape {shape}", npz(map=np.zeros(shape)))
    yield _stated("a map of 64 axes", npz(map=np.zeros((1,) * 64)))
    yield _stated("a map of two classes and one cell", npz(map=np.zeros((2, 1, 1))), True)
    yield _stated("25,000 classes", lambda: npz(map=np.zeros((25_000, 2, 2), np.float32)), True)
    for value in (np.nan, np.inf, -np.inf):
        yield _stated(f"a map of {value}", npz(map=np.full((3, 4, 5), value)), False, "finite")
    with_one = _MAP.copy()
    with_one[2, 3, 4] = np.nan
    yield _stated("one NaN", npz(map=with_one), False, "finite")
    for value, word in ((1e308, "1e+100"), (1e20, "sums"), (2.0**53, "sums"), (-1e308, "1e+100")):
        yield _stated(f"values of {value:g}", npz(map=np.full((3, 4, 5), value)), False, word)
    for value in (-1e20, 5e-324):
        yield _stated(f"values of {value:g}", npz(map=np.full((3, 4, 5), value)), True)
    yield _stated("long doubles beyond doubles", npz(map=np.full((3, 4, 5), np.longdouble("1e4000"))), False)
    yield _stated("no array", npz(), False, "no array")
    yield _stated("a good and a bad map", npz(a=_MAP, b=_MAP[0]))


def _of_names() -> Iterator[Case]:
    """Names of entries."""
    content = npy({"descr": "<f8", "fortran_order": False, "shape": (3, 4, 5)}, _MAP.tobytes())
    for name in (
        "../../etc/passwd",
        "/etc/passwd",
        "C:\\x",
        "",
        ".",
        "..",
        "a/b/c",
        "file",
        "a" * 5000,
        "\x1b[31m",
        NAME,
    ):
        yield _stated(f"an array named {name[:40]!r}", packed({f"{name}.npy": content}), None)
    for number, text in enumerate(TEXTS):
        yield _stated(f"an array with hostile name {number}", packed({f"{text}.npy": content}), None)
    yield _stated("an entry without .npy", packed({"map": content}), None)
    yield _stated("an entry that is text", packed({"map.npy": content, "README": b"hello"}))
    yield _stated("a folder among the entries", packed({"map.npy": content, "folder/": b""}))
    yield _stated("two arrays of one name", lambda: _twice(content, content), False, "once")
    yield _stated("map and map.npy", packed({"map": content, "map.npy": content}), False, "arrays")
    yield _stated(
        "a description twice", lambda: _twice(content, content, f"{_DESCRIPTION}.npy"), False, "once"
    )


def _twice(first: bytes, second: bytes, name: str = "map.npy") -> bytes:
    import warnings

    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr(name, first)
        archive.writestr(name, second)
    return file.getvalue()


def _zeros(kind: str, *shapes: tuple[int, int, int]) -> bytes:
    """Compressed maps of nothing but zeros, written piece by piece."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number, shape in enumerate(shapes):
            with archive.open(f"map{number}.npy", "w", force_zip64=True) as entry:
                entry.write(npy({"descr": kind, "fortran_order": False, "shape": shape}))
                left = int(np.prod(shape)) * np.dtype(kind).itemsize
                while left > 0:
                    entry.write(bytes(min(left, 2**22)))
                    left -= 2**22
    return file.getvalue()


def _bombs() -> Iterator[Case]:
    """Small files of large maps: a few kilobytes each."""
    yield _stated("a map of 40 MB", lambda: _zeros("<f8", (5, 1000, 1000)), None)
    yield _stated("a map of 3 GB", lambda: _zeros("<f8", (400, 1000, 1000)), False, "cells")
    yield _stated("bytes that widen to 4 GB", lambda: _zeros("|u1", (500, 1000, 1000)), False, "cells")
    yield _stated(
        "twelve maps that widen to 2.6 GB", lambda: _zeros("|u1", *[(30, 1000, 980)] * 12), False, "GB"
    )
    yield _stated("2,000 small maps", lambda: _zeros("<f8", *[(2, 2, 2)] * 2000), None)
    yield _stated(
        "20,000 entries of nothing", lambda: packed({f"{number}.npy": b"" for number in range(20_000)})
    )


def _lying_headers() -> Iterator[Case]:
    """Array files whose header is not true, or no header."""
    right = {"descr": "<f8", "fortran_order": False, "shape": (3, 4, 5)}
    changes: dict[str, object] = {
        "more than there is": right | {"shape": (3, 4, 50)},
        "less than there is": right | {"shape": (3, 4, 4)},
        "terabytes": right | {"shape": (1000, 100_000, 100_000)},
        "more than any address": right | {"shape": (2**31, 2**31, 2**31)},
        "a size below nothing": right | {"shape": (3, -4, -5)},
        "a size that is a text": right | {"shape": (3, "4", 5)},
        "a size that is true": right | {"shape": (3, True, 5)},
        "a size that is no tuple": right | {"shape": 60},
        "an unknown type": right | {"descr": "<q9"},
        "a type of objects": right | {"descr": "|O"},
        "no type": {"fortran_order": False, "shape": (3, 4, 5)},
        "more than it may": right | {"evil": 1},
        "an order that is a word": right | {"fortran_order": "yes"},
        "a call": "__import__('os').system('true')",
        "brackets in one another": "(" * 5000,
        "a text without end": "{'descr': '",
        "nothing": "",
        "a list": "[1, 2]",
        "digits without end": "{'descr': '<f8', 'fortran_order': False, 'shape': (" + "9" * 5000 + ",)}",
    }
    for name, header in changes.items():
        accepted = None if name in ("less than there is", "a size that is true") else False
        yield _stated(f"a header of {name}", packed({"map.npy": npy(header, _MAP.tobytes())}), accepted)
    for version in ((2, 0), (3, 0)):
        yield _stated(
            f"version {version}", packed({"map.npy": npy(right, _MAP.tobytes(), version)}), version == (2, 0)
        )
    yield _stated("version 9", packed({"map.npy": npy(right, _MAP.tobytes(), (9, 0))}))
    yield _stated("a header of 4 GB", packed({"map.npy": b"\x93NUMPY\2\0\xff\xff\xff\xff{"}))
    yield _stated(
        "a header of 60,000 letters",
        packed({"map.npy": npy(repr(right) + " " * 60_000, _MAP.tobytes())}),
        None,
    )
    yield _stated("half of the magic", packed({"map.npy": b"\x93NUM"}))


class _Call:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch harm",)


def _pickles() -> Iterator[Case]:
    """Objects instead of numbers; none is read."""
    objects = np.empty((2, 2, 2), object)
    objects[0, 0, 0] = _Call()
    yield _stated("objects", lambda: npz(map=objects))
    yield _stated("a pickle as an entry", packed({"map.npy": pickle.dumps(_Call())}))
    yield _stated("a pickle as a file", pickle.dumps(_Call()))
    yield _stated("an object as a description", lambda: npz(map=_MAP, **{_DESCRIPTION: objects}))
    buffer = io.BytesIO()
    np.save(buffer, _MAP)
    yield _stated("an array alone", buffer.getvalue())


def _broken_archives() -> Iterator[Case]:
    whole = npz(map=_MAP)
    for share in (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99):
        yield _stated(f"cut at {100 * share:g} %", whole[: int(len(whole) * share)])
    yield _stated("empty", b"")
    yield _stated("text", b"not an archive\n" * 9)
    yield _stated("an empty archive", packed({}), False, "no array")
    at = whole.index(b"PK\x01\x02")
    yield _stated("encrypted", whole[:6] + b"\1" + whole[7 : at + 8] + b"\1" + whole[at + 9 :])
    yield _stated("of an unknown method", whole[: at + 10] + b"\x63" + whole[at + 11 :])
    yield _stated("with a wrong checksum", whole[: at + 16] + b"\0\0\0\0" + whole[at + 20 :], None)
    yield _stated("of a size of 4 GB", whole[: at + 20] + b"\xff" * 8 + whole[at + 28 :], None)
    yield _stated("of a size of 1 byte", whole[: at + 24] + b"\1\0\0\0" + whole[at + 28 :])
    yield _stated("behind other bytes", b"#!/bin/sh\n" + whole, True)
    yield _stated("with a comment", whole[:-2] + b"\4\0evil", True)
    yield _stated("compressed by bzip2", lambda: _by_method(zipfile.ZIP_BZIP2), True)
    yield _stated("compressed by lzma", lambda: _by_method(zipfile.ZIP_LZMA), True)
    for number in range(4):
        yield _stated(f"with flipped bits {number}", _flipped(whole, number), None)


def _by_method(method: int) -> bytes:
    file = io.BytesIO()
    content = npy({"descr": "<f8", "fortran_order": False, "shape": (3, 4, 5)}, _MAP.tobytes())
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("map.npy", content)
    return file.getvalue()


def _flipped(data: bytes, seed: int) -> bytes:
    changed = bytearray(data)
    for at in np.random.default_rng(seed).integers(0, len(data), 8):
        changed[at] ^= 1 << (int(at) % 8)
    return bytes(changed)


def _descriptions() -> Iterator[Case]:
    """What a file says of itself, spoilt in every field."""
    yield of_bytes("a sound description", described(_SAID), "maps.npz", True)
    values = (
        None,
        "",
        "evil",
        7,
        -1,
        1e400,
        [],
        ["a"],
        {},
        True,
        [1, 2, 3],
        {"map": -1},
        {"map": True},
        10**30,
    )
    for field, (number, value) in itertools.product(
        ("layout", "wrapping", "model", "classes", "evidence", "delta"), enumerate(values)
    ):
        sound = (field == "model" and isinstance(value, str)) or (
            field == "wrapping" and isinstance(value, bool)
        )
        name = f"{field} of value {number}"
        yield of_bytes(
            name, described(_SAID | {field: value}), "maps.npz", sound, "" if sound else "description"
        )
    for field in ("layout", "wrapping", "model", "classes", "evidence", "delta"):
        less = {name: value for name, value in _SAID.items() if name != field}
        yield of_bytes(f"without {field}", described(less), "maps.npz", False, "description")
    for name, said in {
        "a list": [],
        "null": None,
        "no JSON": "{",
        "brackets in one another": "[" * 100_000,
        "half a letter": '"\\ud800"',
        "twice the same class": _SAID | {"classes": ["a", "a", "c"]},
        "NaN as an error": _SAID | {"delta": {"map": float("nan")}},
        "an error of another map": _SAID | {"delta": {"other": 0.5}},
        "digits without end": json.dumps(_SAID).replace("0.5", "9" * 5000),
    }.items():
        yield of_bytes(f"a description of {name}", described(said), "maps.npz", False, "description")
    yield of_bytes(
        "hostile classes",
        described(_SAID | {"classes": [NAME, *TEXTS[1:3]], "model": NAME}),
        "maps.npz",
        True,
    )
    yield of_bytes(
        "a description of numbers", npz(map=_MAP, **{_DESCRIPTION: _MAP}), "maps.npz", False, "description"
    )
    yield of_bytes(
        "a description alone",
        npz(**{_DESCRIPTION: np.array(json.dumps(_SAID))}),
        "maps.npz",
        False,
        "no array",
    )


def _no_files() -> Iterator[Case]:
    """Paths at which no regular file is."""

    def pipe(folder: Path) -> Path:
        os.mkfifo(folder / "maps.npz")
        return folder / "maps.npz"

    def loop(folder: Path) -> Path:
        (folder / "maps.npz").symlink_to("maps.npz")
        return folder / "maps.npz"

    def sparse(folder: Path) -> Path:
        with (folder / "maps.npz").open("wb") as file:
            file.truncate(2**40)
        return folder / "maps.npz"

    yield Case("a pipe", pipe, options=_STATED)
    yield Case("a folder", lambda folder: folder, options=_STATED)
    yield Case("a loop of links", loop, options=_STATED)
    yield Case("no file", lambda folder: folder / "none.npz", False, "no such file", _STATED)
    yield Case("a device without end", lambda folder: Path("/dev/zero"), options=_STATED)
    yield Case("a device without anything", lambda folder: Path("/dev/null"), options=_STATED)
    yield Case("a terabyte of holes", sparse, options=_STATED)
