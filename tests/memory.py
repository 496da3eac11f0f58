"""How much memory something takes at its peak, in a process of its own."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

needs_linux = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="only Linux tells the peak of a part of a program"
)


def peak_of(work: Callable[[], Any]) -> tuple[float, Any]:
    """Run `work` in a child: the most memory in MB that it held over what the child began with, and its result."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            before = _status("VmRSS")
            Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
            result = work()
            answer = (_status("VmHWM") - before) / 2**10, result
        except BaseException as error:
            answer = (float("nan"), error)
        with os.fdopen(writing, "wb") as file:
            pickle.dump(answer, file)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        peak, result = pickle.load(file)
    os.waitpid(child, 0)
    if isinstance(result, BaseException):
        raise result
    return peak, result


def _status(name: str) -> int:
    """kB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))
