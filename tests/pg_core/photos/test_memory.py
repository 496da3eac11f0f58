"""What a process keeps of the memory that it has freed."""

import ctypes
import subprocess
import sys

import pytest

GNU = pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "malloc_info"), reason="only the GNU C library can be told what to keep"
)

TRIMMED = """
from pathlib import Path
from pg_core.photos.memory import give_back
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20
before = resident()
chunks = [bytes(60_000) for _ in range(5000)]
last = bytes(60_000)
del chunks  # the last one keeps the end of the heap
held = resident()
give_back()
print(before, held, resident())
"""


def _said(program: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=100
    ).stdout


@GNU
def test_freed_memory_goes_back_to_the_system():
    before, held, after = map(float, _said(TRIMMED).split())
    assert held > before + 200
    assert after < before + 50
