"""Shares of photos: counted, with a 95 % interval, as every accuracy here is given, or quoted."""

import math
from dataclasses import dataclass

_QUANTILE = 1.959963984540054
"""Of the normal distribution, for two-sided 95 %."""


@dataclass(frozen=True, slots=True)
class Proportion:
    """`count` out of `n` photos; raises ValueError for more than n, or fewer than 0."""

    count: int
    n: int

    def __post_init__(self) -> None:
        if not 0 <= self.count <= self.n:
            raise ValueError(f"expected 0 <= count <= n, got {self.count} of {self.n}")

    @property
    def share(self) -> float:
        """count / n, in [0, 1]; NaN for n = 0."""
        return self.count / self.n if self.n else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval (1927), which stays within [0, 1] and is right for shares near 1.

        >>> [round(bound, 4) for bound in Proportion(81, 263).interval]
        [0.2553, 0.3662]
        """
        if not self.n:
            return 0.0, 1.0
        # Not by scipy.stats.binomtest, with which the tests compare it: it takes 0.6 s to import, and differs in the
        # last bit now and then, while a result is read only if it is what would be written.
        square = _QUANTILE**2
        middle = (self.count + square / 2) / (self.n + square)
        spread = self.count * (self.n - self.count) / self.n + square / 4
        half = _QUANTILE * math.sqrt(spread) / (self.n + square)
        return max(0.0, middle - half), min(1.0, middle + half)

    @property
    def in_per_cent(self) -> "Share":
        """The share and its interval in per cent."""
        low, high = self.interval
        return Share(100 * self.share, (100 * low, 100 * high))

    def __str__(self) -> str:
        low, high = self.interval
        return f"{100 * self.share:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


@dataclass(frozen=True, slots=True)
class Share:
    """Per cent of photos, with a 95 % interval where they were counted here."""

    per_cent: float
    interval: tuple[float, float] | None = None

    def __str__(self) -> str:
        if self.interval is None:
            return f"{self.per_cent:.1f}"
        low, high = self.interval
        return f"{self.per_cent:.1f} [{low:.1f}, {high:.1f}]"
