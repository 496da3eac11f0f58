"""Files from outside: only regular ones are read. A pipe may never end, and a device has no size that a limit sees."""

import stat
from pathlib import Path

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def regular(path: Path) -> Path:
    """The path of a regular file, or of a link to one.

    Raises OSError where there is none, and ValueError, without the file's name, for a folder, a pipe or a device.
    """
    mode = path.stat().st_mode
    for is_such, kind in _KINDS:
        if is_such(mode):
            raise ValueError(f"expected a file, got {kind}")
    return path
