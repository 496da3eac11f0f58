"""Files that are written whole or not at all, and in one sentence why one cannot be; and files that are no pipe, which
waits for ever, and no device, which has no end.

Not here: what is in them. A file is made beside its place and takes its name when all of it is on the disk, so that
whoever reads it finds the one before or the new one, after a kill or on a full disk too.
"""

import errno
import os
import secrets
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

_SUFFIX = ".new"
_LEFT_OVER = 60.0
"""Seconds since the last byte after which nobody writes a file any more that has not got its name yet."""
_NAME_THE_REST = "or name another place"
_REASONS = {
    errno.ENOSPC: f"the disk is full: make room, {_NAME_THE_REST}",
    errno.EDQUOT: f"the disk has no more room for you: make some, {_NAME_THE_REST}",
    errno.EFBIG: f"the system lets no file become so large: raise its limit, {_NAME_THE_REST}",
    errno.EROFS: "the disk can only be read: name another place",
    errno.EACCES: f"it is not allowed: change the permissions, {_NAME_THE_REST}",
    errno.EPERM: f"it is not allowed: change the permissions, {_NAME_THE_REST}",
    errno.ENOENT: f"there is no such folder: make it, {_NAME_THE_REST}",
    errno.ENOTDIR: "a part of its path is a file, not a folder: name another place",
    errno.EEXIST: "a file is in the place of its folder: name another place",
    errno.EISDIR: "a folder has this name: name another file",
    errno.ENAMETOOLONG: "the name is too long: choose a shorter one",
}
_KINDS = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class FileError(OSError):
    """A file that cannot be written or is none; the text is one sentence that names it and says what to do."""


class UnreadableError(FileError):
    """A file that cannot be read; the text names it, without its folder, and says why, `reason` says why alone."""

    def __init__(self, path: str | Path, reason: str) -> None:
        super().__init__(f"{Path(path).name or path}: {reason}")
        self.reason = reason


def prepare_folder(folder: Path) -> None:
    """Make sure, before the work begins, that a folder can be written into. The folder is made if it is missing, those
    above it are not. Raises FileError if it cannot be."""
    try:
        folder.mkdir(exist_ok=True)
        probe = _beside(folder / "probe")
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        raise _refused(folder, error) from error


def prepare(path: Path) -> None:
    """Make sure, before the work begins, that a file can be written, in a folder as `prepare_folder` makes it, and
    remove what a killed run left beside it. Raises FileError if it cannot be."""
    check_regular(path)
    prepare_folder(path.parent)
    try:
        if path.exists():
            path.open("ab").close()
        for left in path.parent.iterdir():
            of_this_file = left.name.startswith(f".{path.name}.") and left.name.endswith(_SUFFIX)
            if of_this_file and time.time() - left.stat().st_mtime > _LEFT_OVER:
                left.unlink()
    except OSError as error:
        raise _refused(path, error) from error


@contextmanager
def regular(path: str | Path) -> Iterator[BufferedReader]:
    """A file opened for reading. Raises UnreadableError where the system cannot open or read it, and, before anything
    is read, for a folder, a pipe or a device."""
    try:
        # Without waiting: a pipe that nobody writes into would hold up the opening already.
        number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        mode = os.fstat(number).st_mode
        if not stat.S_ISREG(mode):
            os.close(number)
            raise UnreadableError(path, f"expected a file, got {_kind(mode) or 'something else'}")
        with os.fdopen(number, "rb") as file:
            yield file
    except FileNotFoundError as error:
        raise UnreadableError(path, "no such file") from error
    except UnreadableError:
        raise
    except OSError as error:
        raise UnreadableError(path, error.strerror or "cannot be read") from error


def check_regular(path: Path) -> None:
    """Raise FileError if there is a pipe, a device or a folder in the place of a file: to open one may wait forever,
    or never come to its end."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return  # Opening it says what is wrong.
    kind = _kind(mode)
    if kind is not None:
        raise FileError(f"{path}: expected a file, got {kind}: name another one")


def write(contents: Mapping[Path, bytes | memoryview]) -> None:
    """Write files, each whole or not at all: they take their names, in this order, when all are on the disk. Raises
    FileError, and leaves nothing behind, if one cannot be written."""
    path, pending = next(iter(contents)), {path: _beside(path) for path in contents}
    try:
        with ExitStack() as closing:
            for path, content in contents.items():
                check_regular(path)
                file = closing.enter_context(pending[path].open("xb"))
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for path, new in pending.items():
            new.replace(path)
            _sync(path.parent)
    except OSError as error:
        raise _refused(path, error) from error
    finally:
        for new in pending.values():
            with suppress(OSError):
                new.unlink()


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """A file that is written piece by piece and takes its name at the end of the block. Raises FileError if it cannot
    be written, and leaves nothing behind after any error, or an interrupt, within the block."""
    new = _beside(path)
    try:
        check_regular(path)
        with new.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        _sync(path.parent)
    except OSError as error:
        raise _refused(path, error) from error
    finally:
        with suppress(OSError):
            new.unlink()


def append(path: Path, line: bytes) -> None:
    """Add to a file, on the disk when this returns. Raises FileError if it cannot be, and takes back what was written
    of it."""
    try:
        with path.open("ab", buffering=0) as file:
            before = file.tell()
            try:
                rest = memoryview(line)
                while rest:
                    rest = rest[file.write(rest) :]
                os.fsync(file.fileno())
            except BaseException:
                with suppress(OSError):
                    file.truncate(before)
                raise
    except OSError as error:
        raise _refused(path, error) from error


def cannot_be_written(what: str, error: OSError) -> str:
    """The sentence that says why a file cannot be written, and the cure, for an error of the system."""
    reason = _REASONS.get(error.errno or 0) or f"{error.strerror or 'no reason is known'}: name another place"
    return f"{what}: cannot be written, {reason}"


def _kind(mode: int) -> str | None:
    """What there is in the place of a file; None for a file."""
    return next((kind for is_kind, kind in _KINDS if is_kind(mode)), None)


def _refused(path: Path, error: OSError) -> FileError:
    return error if isinstance(error, FileError) else FileError(cannot_be_written(str(path), error))


def _beside(path: Path) -> Path:
    """A name that nobody else has; hidden, so that a folder of results does not show it."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}{_SUFFIX}")


def _sync(folder: Path) -> None:
    """The names in a folder on the disk, where the system can say that."""
    with suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
