"""The objects that the pickle in a checkpoint asks for, checked before torch makes them.

`torch.load(weights_only=True)` runs no code, but it makes what it allows however much memory that takes: an array of
bytes as long as a number says, a text whose encoding is encoded again, thirty times over. Such a file has a hundred
bytes. Here only what tensors and the settings beside them are made of may be asked for. Not here: what `torch.load`
itself refuses, and how much a file may hold unpacked, see `pg_core.networks.network`.
"""

import encodings
import io
import pkgutil
import re
import zipfile
from collections.abc import Iterator
from encodings.aliases import aliases
from pathlib import Path
from pickletools import genops

_MAX_BYTES = 2 * 2**20
"""Of a pickle without its tensors; each byte can ask for an empty dictionary."""
_IN_OLD_FORMAT = 5
"""Pickles one after the other, before the tensors begin."""
_TEXTS = "latin1"
"""The encoding in which a pickle keeps bytes."""
_ENCODE = "_codecs encode"
_MADE = frozenset(
    {
        _ENCODE,
        "collections OrderedDict",
        "collections Counter",
        "__builtin__ set",
        "builtins set",
        "__builtin__ complex",
        "builtins complex",
        "torch Size",
        "torch device",
        "torch.nn.parameter Parameter",
        "torch._tensor _rebuild_from_type_v2",
        *(
            f"torch._utils _rebuild_{kind}"
            for kind in (
                *("tensor", "tensor_v2", "tensor_v3", "parameter", "parameter_with_state"),
                "meta_tensor_no_storage",
            )
        ),
    }
)
_MEMORY = re.compile(r"torch(\.cuda|\.storage)? \w+Storage")
"""Torch's types of memory: the tensors' bytes stand elsewhere in the file."""
_NUMBERS = re.compile(r"torch [a-z0-9_]+")
"""Types of numbers and of their quantisation; what else has small letters alone, torch refuses."""
_CODECS = frozenset({*aliases, *(module.name for module in pkgutil.iter_modules(encodings.__path__))})


def unexpected(path: Path, known: frozenset[str]) -> str | None:
    """The first thing, in words, that a checkpoint asks for and that is neither a part of tensors nor among the
    `known` types, as module.name; None where all is as it should be.

    Raises ValueError, zipfile.BadZipFile and others for what is no pickle, as it comes.
    """
    with path.open("rb") as file:
        packed = file.read(4) == b"PK\x03\x04"  # as torch tells its two formats
        file.seek(0)
        if not packed:
            return _in_pickles(file, _IN_OLD_FORMAT, known)
        with zipfile.ZipFile(file) as archive:
            for entry in archive.infolist():
                if entry.filename.rpartition("/")[2] == "data.pkl":
                    if entry.file_size > _MAX_BYTES:
                        return f"{entry.file_size // 2**20} MB beside its tensors"
                    found = _in_pickles(io.BytesIO(archive.read(entry)), 1, known)
                    if found is not None:
                        return found
    return None


def _in_pickles(file: io.BytesIO | io.BufferedReader, count: int, known: frozenset[str]) -> str | None:
    for _ in range(count):
        encoding, texts = False, set[str]()
        for name, argument in _operations(file):
            if name == "GLOBAL":
                if not _expected(argument, known):
                    return argument.replace(" ", ".")
                encoding |= argument == _ENCODE
            else:
                texts.add(argument)
        others = sorted(text for text in texts - {_TEXTS} if _is_codec(text)) if encoding else []
        if others:
            return f"bytes encoded by {others[0]}"
    return None


def _operations(file: io.BytesIO | io.BufferedReader) -> Iterator[tuple[str, str]]:
    """The names and the texts that a pickle holds; raises ValueError where it ends before its end."""
    start = file.tell()
    for operation, argument, _ in genops(file):
        if file.tell() - start > _MAX_BYTES:
            raise ValueError(f"expected at most {_MAX_BYTES} bytes beside the tensors")
        if isinstance(argument, str):
            yield operation.name, argument
        elif isinstance(argument, bytes):
            yield operation.name, argument.decode("latin-1")


def _expected(name: str, known: frozenset[str]) -> bool:
    listed = name in _MADE or name.replace(" ", ".") in known
    return listed or any(pattern.fullmatch(name) for pattern in (_MEMORY, _NUMBERS))


def _is_codec(text: str) -> bool:
    name = encodings.normalize_encoding(text).lower()
    return name in _CODECS or name.replace(".", "_") in _CODECS
