"""Checkpoints that carry code, that ask for memory, that lie or are broken, and files of other kinds: at least 50."""

import io
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from tests.hostile.case import Case, of_bytes
from tests.hostile.names import NAME

_STATE = {"fc.weight": torch.ones(3, 4), "fc.bias": torch.zeros(3)}
_HEAD = (119547037146038801333356, 1001, {"little_endian": True})
"""What the old format begins with."""


def checkpoint_cases() -> list[Case]:
    """All of them; the files are made when they are tried."""
    return [
        *_sound(),
        *_with_code(),
        *_asking_for_memory(),
        *_of_odd_tensors(),
        *_safetensors(),
        *_broken(),
        *_no_files(),
    ]


def saved(content: object, old: bool = False) -> bytes:
    """A file as torch writes it."""
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=not old)
    return file.getvalue()


def seeds() -> list[bytes]:
    """Sound checkpoints of both formats."""
    return [saved({"state_dict": _STATE, "epoch": 3}, old) for old in (False, True)]


def asking(body: bytes, packed: bool) -> bytes:
    """A checkpoint of either format whose pickle is this."""
    if not packed:
        return b"".join(pickle.dumps(part, 2) for part in _HEAD) + body + pickle.dumps([], 2)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in (("data.pkl", body), ("version", b"3\n"), ("byteorder", b"little")):
            archive.writestr(f"archive/{name}", content)
    return file.getvalue()


def tensors_file(header: object, content: bytes = b"", length: int | None = None) -> bytes:
    """A safetensors file with any header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + content


def _sound() -> Iterator[Case]:
    for old in (False, True):
        which = "old" if old else "new"
        yield of_bytes(f"plain weights, {which} format", saved(_STATE, old), "a.pth", True)
        yield of_bytes(
            f"numbers beside the weights, {which} format",
            saved({"net": _STATE, "best": np.float64(0.5)}, old),
            "a.pth",
            True,
        )
    yield of_bytes(
        "names with hostile texts",
        lambda: saved({NAME: torch.ones(2), "\x1b[31m\n": torch.ones(2)}),
        "a.pth",
        True,
    )
    yield of_bytes("a name of a megabyte", lambda: saved({"x" * 10**6: torch.ones(2)}), "a.pth", True)
    yield of_bytes("30,000 tensors of one storage", lambda: _many(), "a.pth", None)


def _many() -> bytes:
    value = torch.ones(1)
    return saved({f"{number}": value for number in range(30_000)})


class _Call:
    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


def _with_code() -> Iterator[Case]:
    """Code in several dresses: none of it is run."""
    calls = {
        "system": _Call(os.system, "touch harm"),
        "open": _Call(open, "harm", "w"),
        "eval": _Call(eval, "1"),
        "a module that is imported": _Call(__import__, "antigravity"),
        "torch.load": _Call(torch.load, "a.pth"),
        "an attribute": _Call(getattr, "", "join"),
    }
    for name, call in calls.items():
        yield of_bytes(f"a pickle that calls {name}", lambda c=call: pickle.dumps(c, 2), "a.pth")
        for old in (False, True):
            label = f"weights that call {name}, {'old' if old else 'new'} format"
            yield of_bytes(
                label, lambda c=call, old=old: saved({**_STATE, "x": c}, old), "a.pth", False, "not loaded"
            )
    yield of_bytes("a pickle of protocol 5", lambda: pickle.dumps({"a": torch.ones(2)}, 5), "a.pth")
    yield of_bytes("a pickle of protocol 0", lambda: pickle.dumps(calls["eval"], 0), "a.pth")
    yield of_bytes("a whole module", lambda: saved(torch.nn.Linear(2, 2)), "a.pth", False, "not loaded")


def _text(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text)) + text.encode()


def _asking_for_memory() -> Iterator[Case]:
    """Files of a few hundred bytes of which torch makes a gigabyte, or what it never gets."""
    billion = b"\x8a\4" + struct.pack("<I", 10**9)
    encoded = b"c_codecs\nencode\n" * 25 + _text("x" * 64) + _text("utf-8") + b"\x86R"
    for _ in range(24):
        encoded += _text("hex") + b"\x86R"
    bodies = {
        "an array of bytes": b"\x80\2c__builtin__\nbytearray\n" + billion + b"\x85R.",
        "a text encoded 25 times": b"\x80\2" + encoded + b".",
        "a tensor of a billion": b"\x80\2ctorch\nFloatTensor\n" + billion + b"\x85R.",
        "memory of a billion": b"\x80\2ctorch.storage\nUntypedStorage\n" + billion + b"\x85R.",
        "a tensor on another device": b"\x80\2ctorch._utils\n_rebuild_device_tensor_from_cpu_tensor\n)R.",
        "a set of sets": b"\x80\2" + b"\x8f" * 10**5 + b".",
        "lists in one another": b"\x80\2" + b"]" * 10**5 + b"a" * (10**5 - 1) + b".",
        "three million dictionaries": b"\x80\2" + b"}" * 3 * 10**6 + b".",
        "itself": b"\x80\2}q\0" + _text("a") + b"h\0s.",
        "no end": b"\x80\2}",
        "an unknown operation": b"\x80\2\xff.",
        "a number of 255 bytes": b"\x80\2\x8a\xff" + b"\x7f" * 255 + b".",
        "a mark that is missing": b"\x80\2u.",
        "a memory that is empty": b"\x80\2h\x09.",
        "a place that is none": b"\x80\2" + _text("x") + b"Q.",
    }
    for name, body in bodies.items():
        for packed in (True, False):
            yield of_bytes(
                f"a pickle of {name}, {'new' if packed else 'old'} format",
                lambda b=body, p=packed: asking(b, p),
                "a.pth",
            )
    yield of_bytes("an entry of 3 GB", lambda: _zip_bomb(), "a.pth", False, "at most")
    huge = {"fc.weight": torch.zeros(1).expand(10**9, 2048)}
    yield of_bytes("a billion classes of 4 bytes", lambda: saved(huge), "a.pth", None)


def _zip_bomb() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("archive/data/0", "w", force_zip64=True) as entry:
            for _ in range(3 * 2**8):
                entry.write(bytes(2**22))
        archive.writestr("archive/data.pkl", pickle.dumps({}, 2))
    return file.getvalue()


def _of_odd_tensors() -> Iterator[Case]:
    """Tensors that nothing can be computed with, or not what is awaited."""
    odd: dict[str, Callable[[], object]] = {
        "sparse": lambda: torch.ones(3, 4).to_sparse(),
        "on no device": lambda: torch.ones(3, 4, device="meta"),
        "quantised": lambda: torch.quantize_per_tensor(torch.ones(3, 4), 0.1, 0, torch.qint8),
        "complex": lambda: torch.ones(3, 4, dtype=torch.complex64),
    }
    for name, make in odd.items():
        yield of_bytes(
            f"a tensor that is {name}", lambda make=make: _quietly({"fc.weight": make()}), "a.pth", None
        )
    for name, value in {"NaN": torch.nan, "infinite": torch.inf}.items():
        content = {"fc.weight": torch.full((3, 2048), value), "fc.bias": torch.zeros(3)}
        yield of_bytes(f"weights that are {name}", lambda c=content: saved(c), "a.pth", True)
    yield of_bytes(
        "two names of one tensor",
        lambda: saved({**_STATE, "module.fc.bias": torch.ones(3)}),
        "a.pth",
        False,
        "once",
    )
    for name, content in {
        "nothing": {},
        "a list": [torch.ones(2)],
        "a tensor": torch.ones(2),
        "a text": "text",
        "numbers for names": {7: torch.ones(2)},
        "no tensors": {"state_dict": {"a": 1}},
        "itself": {},
    }.items():
        yield of_bytes(f"a checkpoint of {name}", lambda c=content: saved(c), "a.pth", False, "expected")
    cyclic: dict[str, object] = {"a": torch.ones(2)}
    cyclic["state_dict"] = cyclic
    yield of_bytes("a state dict within itself", lambda: saved(cyclic), "a.pth", None)
    deep: object = _STATE
    for _ in range(100):
        deep = {"state_dict": deep}
    yield of_bytes("a state dict 100 times in one another", lambda: saved(deep), "a.pth")


def _quietly(content: object) -> bytes:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return saved(content)


def _safetensors() -> Iterator[Case]:
    right = {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
    yield of_bytes("sound safetensors", tensors_file(right, bytes(8)), "a.safetensors", True)
    for name, content in {
        "a header of 2**63 bytes": tensors_file(right, bytes(8), 2**63),
        "a header longer than the file": tensors_file(right, bytes(8), 10**6),
        "no header": b"",
        "a header that is no JSON": tensors_file(b"{"),
        "a header of brackets": tensors_file(b"[" * 10**5),
        "a header of other bytes": tensors_file(b"\xff\xfe{}"),
        "a tensor beyond the file": tensors_file({"a": right["a"] | {"data_offsets": [0, 800]}}, bytes(8)),
        "offsets backwards": tensors_file({"a": right["a"] | {"data_offsets": [8, 0]}}, bytes(8)),
        "offsets below nothing": tensors_file({"a": right["a"] | {"data_offsets": [-8, 0]}}, bytes(8)),
        "a shape of 10**30": tensors_file({"a": right["a"] | {"shape": [10**15, 10**15]}}, bytes(8)),
        "a shape below nothing": tensors_file({"a": right["a"] | {"shape": [-2]}}, bytes(8)),
        "an unknown type": tensors_file({"a": right["a"] | {"dtype": "F999"}}, bytes(8)),
        "tensors that overlap": tensors_file({"a": right["a"], "b": right["a"]}, bytes(8)),
        "a hole": tensors_file({"a": right["a"] | {"data_offsets": [4, 12]}}, bytes(12)),
        "a pickle": pickle.dumps({}),
    }.items():
        yield of_bytes(f"safetensors of {name}", content, "a.safetensors")
    entry = json.dumps(right["a"]).encode()
    twice = b'{"a": ' + entry + b', "a": ' + entry + b"}"
    yield of_bytes("safetensors of one name twice", tensors_file(twice, bytes(8)), "a.safetensors")
    yield of_bytes("safetensors of no tensor", tensors_file({}), "a.safetensors")
    yield of_bytes("safetensors named pth", tensors_file(right, bytes(8)), "a.pth")
    yield of_bytes("weights named safetensors", lambda: saved(_STATE), "a.safetensors")


def _broken() -> Iterator[Case]:
    for number, which in enumerate(("new", "old")):
        for share in (0.1, 0.5, 0.95):
            name = f"{which} format cut at {100 * share:g} %"
            yield of_bytes(
                name, lambda n=number, s=share: seeds()[n][: int(len(seeds()[n]) * s)], "a.pth", None
            )
        for seed in range(3):
            yield of_bytes(
                f"{which} format with flipped bits {seed}",
                lambda n=number, s=seed: _flipped(seeds()[n], s),
                "a.pth",
                None,
            )
    yield of_bytes("empty", b"", "a.pth")
    yield of_bytes("text", b"not a checkpoint\n", "a.pth")
    yield of_bytes("zeros", bytes(5000), "a.pth")
    yield of_bytes("a photo", b"\x89PNG\r\n\x1a\n" + bytes(99), "a.pth")
    yield of_bytes("an old tar", lambda: b"archive" + bytes(250) + b"ustar\x0000" + bytes(600), "a.tar")
    yield of_bytes(
        "a pickle behind which an archive stands",
        lambda: asking(b"\x80\2c__builtin__\nbytearray\n\x8a\4\0\xca\x9a;\x85R.", False) + seeds()[0],
        "a.pth",
    )
    yield of_bytes("an archive named as a program", lambda: seeds()[0], "a.ts")
    yield of_bytes("text named as a program", b"text", "a.pt2")
    yield of_bytes(
        "a pickle named as a program", lambda: pickle.dumps(_Call(os.system, "touch harm")), "b.pt2"
    )


def _flipped(data: bytes, seed: int) -> bytes:
    changed = bytearray(data)
    for at in np.random.default_rng(seed).integers(0, len(data), 12):
        changed[at] ^= 1 << (int(at) % 8)
    return bytes(changed)


def _no_files() -> Iterator[Case]:
    """Paths at which no regular file is."""

    def pipe(folder: Path) -> Path:
        os.mkfifo(folder / "a.pth")
        return folder / "a.pth"

    def loop(folder: Path) -> Path:
        (folder / "a.pth").symlink_to("a.pth")
        return folder / "a.pth"

    def sparse(folder: Path) -> Path:
        with (folder / "a.pth").open("wb") as file:
            file.truncate(2**40)
        return folder / "a.pth"

    yield Case("a pipe", pipe, False, "a pipe")
    yield Case("a folder", lambda folder: folder, False, "a folder")
    yield Case("a loop of links", loop)
    yield Case("no file", lambda folder: folder / "none.pth", False, "no such file")
    yield Case("a device without end", lambda folder: Path("/dev/zero"), False, "a device")
    yield Case("a device without anything", lambda folder: Path("/dev/null"), False, "a device")
    yield Case("a terabyte of holes", sparse, False, "at most")
