"""The progress of long work, and the time that is left."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` steps; `seconds_left` at the pace so far, None before there is one."""

    done: int
    total: int
    seconds_left: float | None
    message: str = ""

    def __str__(self) -> str:
        left = "" if self.seconds_left is None else f", {duration(self.seconds_left)} left"
        return f"{self.done}/{self.total}{left}{f': {self.message}' if self.message else ''}"


Report = Callable[[Progress], None]
"""A function that is told the progress."""


@dataclass(slots=True)
class Pace:
    """Measures the pace of work of which `first` steps were done before it began."""

    total: int
    first: int = 0
    began: float = field(default_factory=time.monotonic)

    def progress(self, done: int, message: str = "") -> Progress:
        """The progress after `done` steps, those before the beginning included."""
        fresh = done - self.first
        seconds = (time.monotonic() - self.began) / fresh * (self.total - done) if fresh > 0 else None
        return Progress(done, self.total, seconds, message)


def duration(seconds: float) -> str:
    """Hours, minutes and seconds.

    >>> duration(3725.0)
    '1:02:05'
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
