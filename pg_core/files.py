"""Files of the disk, which may be hostile: a pipe waits for ever, and a device has no end."""

import os
import stat
from pathlib import Path
from typing import BinaryIO


def regular(path: str | Path) -> BinaryIO:
    """A file opened for reading, if it is one; raises ValueError for a folder, a pipe or a device, and OSError as
    `open` does."""
    # Without waiting: a pipe that nobody writes into would hold up the opening already.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    kind = "a folder" if stat.S_ISDIR(mode) else "a pipe" if stat.S_ISFIFO(mode) else "a device"
    raise ValueError(f"expected a file, got {kind}")
