"""A budget of memory that several threads share, so that all of them together take no more than there is."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition, Lock

_LIBRARY = ctypes.CDLL(None) if os.name == "posix" else None


class SharedMemory:
    """A budget of `total` bytes, of which each thread takes what its work needs, and waits until that is free. Threads
    are served in the order in which they come, or small work would keep large work waiting for ever."""

    def __init__(self, total: int) -> None:
        self._free = total
        self._changed = Condition()
        self._turn = Lock()

    @contextmanager
    def taken(self, needed: int) -> Iterator[None]:
        """Take `needed` bytes, at most the total, for the time of the block."""
        with self._turn, self._changed:
            self._changed.wait_for(lambda: self._free >= needed)
            self._free -= needed
        try:
            yield
        finally:
            with self._changed:
                self._free += needed
                self._changed.notify()


def give_back() -> None:
    """Give free memory back to the system, where the C library can be told to."""
    trim = getattr(_LIBRARY, "malloc_trim", None)
    if trim is not None:
        trim(0)
