"""Ctrl-C and its kind: the first one ends a run, and work that must not end halfway puts it off to its next end.

KeyboardInterrupt says in its text what is kept, where something is from which the same command goes on.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_ENDING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interruptible() -> Iterator[None]:
    """Within the block SIGTERM raises KeyboardInterrupt as Ctrl-C does; only the first of them does, so that a second
    one does not cut short the cleaning up."""
    stopped = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopped
        if not stopped:
            stopped = True
            raise KeyboardInterrupt

    # Whoever started this with nohup or in the background wants it to go on.
    with _handled({own: stop for own in _ENDING if signal.getsignal(own) is not signal.SIG_IGN}):
        yield


@contextmanager
def put_off() -> Iterator[Callable[[], bool]]:
    """Put off the first interrupt to the end of the block; the function that is given says whether one came. A second
    one is let through."""
    came = False
    before = {own: signal.getsignal(own) for own in _ENDING}

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal came
        handler = before[signal.Signals(number)]
        if came and callable(handler):
            handler(number, frame)
        came = True

    with _handled({own: note for own, handler in before.items() if callable(handler)}):
        yield lambda: came
    if came:
        raise KeyboardInterrupt


@contextmanager
def _handled(handlers: dict[signal.Signals, Callable[[int, FrameType | None], None]]) -> Iterator[None]:
    """Meanwhile signals have these handlers; Python lets the main thread alone say so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {own: signal.signal(own, handler) for own, handler in handlers.items()}
    try:
        yield
    finally:
        for own, handler in before.items():
            signal.signal(own, handler)
