"""One writer at a time: a lock on a folder, which the system takes back from a process that ends, in any way.

Not here: readers, which need none, since files take their names whole (`pg_core.io.files`).
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pg_core.io.files import FileError, cannot_be_written

_NAME = ".lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Meanwhile no other process holds the lock of this folder. Raises FileError if one does, or where the lock cannot
    be made. Its file stays, empty: to remove it would let two others hold it at once."""
    path = folder / _NAME
    try:
        number = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise FileError(cannot_be_written(str(path), error)) from error
    try:
        if not _taken(number):
            raise FileError(
                f"{folder}: another run writes into this folder: wait for its end, or name another place"
            )
        yield
    finally:
        os.close(number)


def _taken(number: int) -> bool:
    """Take the lock of an open file, without waiting, if nobody has it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(number, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
