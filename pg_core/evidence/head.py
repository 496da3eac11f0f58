"""A learned classifier of what masks leave of a map: of the mean of confidences, to several powers, over its cells.

Not here: the defence that asks it, see `pg_core.defences.patchcleanser.head`; how it is trained, see
`pg_core.training.head`.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from pg_core.io.parameters import shown

POWERS = (1, 3, 8)
"""Of the confidences: a cell that is half sure counts for the first, one that is sure for all."""
LEAST = 1e-3
"""Added to means before the logarithm, so that no evidence at all has a score."""
_ROUNDING = 2.0**-44
"""Relative error of a sum of a few hundred products in float64, and of a logarithm, with much to spare."""
_MOST_CLASSES = 100

ValueSums = Float64[np.ndarray, "*batch values masks"]
"""For each power the sums of the confidences of all classes, to this power, over the cells outside each mask."""


@dataclass(frozen=True, slots=True)
class MaskingHead:
    """Scores b + W log(m + `LEAST`); m holds, for each of `POWERS` and each class, the mean over all cells of the map
    of what masks leave of its confidence to this power.

    weights is W, a row for each class and a column for each power and class, biases is b. A layer between the two, and
    the network's own embedding in place of confidences, were tried and certified no more (measured here). Raises
    ValueError for other shapes, and for numbers that are not finite.
    """

    weights: tuple[tuple[float, ...], ...]
    biases: tuple[float, ...]

    def __post_init__(self) -> None:
        classes = len(self.biases)
        shape = f"{classes} rows of {len(POWERS) * classes} finite weights and {classes} finite biases"
        if not 2 <= classes <= _MOST_CLASSES:
            raise ValueError(f"expected biases of 2 to {_MOST_CLASSES} classes, got {classes}")
        if len(self.weights) != classes or any(len(row) != len(POWERS) * classes for row in self.weights):
            raise ValueError(f"expected {shape}, got {[len(row) for row in self.weights]} weights")
        if not all(math.isfinite(value) for row in (*self.weights, self.biases) for value in row):
            raise ValueError(f"expected {shape}, got NaN or infinite ones")

    @classmethod
    def from_json(cls, content: object) -> "MaskingHead":
        """The head of a network's card; raises ValueError for anything else."""
        if not isinstance(content, Mapping) or content.get("powers") != list(POWERS):
            raise ValueError(f"expected a head with powers {list(POWERS)}, got {shown(content)}")
        try:
            rows = tuple(tuple(map(float, row)) for row in content["weights"])
            biases = tuple(map(float, content["biases"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"expected a head with weights and biases, got {shown(content)}") from error
        return cls(rows, biases)

    def to_json(self) -> dict[str, object]:
        """What `from_json` reads."""
        return {
            "powers": list(POWERS),
            "weights": [list(row) for row in self.weights],
            "biases": list(self.biases),
        }

    @property
    def classes(self) -> int:
        return len(self.biases)

    @property
    def digest(self) -> str:
        """Of all its numbers: results with another head are others."""
        return hashlib.sha256(repr((self.weights, self.biases)).encode()).hexdigest()[:12]

    def scores(self, sums: ValueSums, count: int) -> Float64[np.ndarray, "*batch classes masks"]:
        """The score of each class from sums over the cells that are left of `count`."""
        weights, biases = self._arrays
        return weights @ np.log(sums / count + LEAST) + biases[:, None]

    def errors(
        self, sums: ValueSums, count: int, label: int, slack: float
    ) -> Float64[np.ndarray, "*batch classes masks"]:
        """By how much the label's lead over each class can be wrong where a mean is wrong by up to `slack`, rounding
        included."""
        weights, biases = self._arrays
        mean = sums / count
        least = np.maximum(mean - slack, 0.0) + LEAST
        off = np.log(np.maximum((mean + LEAST) / least, (mean + slack + LEAST) / (mean + LEAST)))
        apart = np.abs(weights[label] - weights)
        largest = np.abs(weights).sum(axis=1).max() * -math.log(LEAST) + np.abs(biases).max()
        return apart @ off + 2 * _ROUNDING * float(largest)

    def terms(self, sums: Float64[np.ndarray, "values"], count: int, label: int) -> tuple[float, ...]:
        """What the score of a class is the sum of: its bias, and a term for each power."""
        weights, biases = self._arrays
        parts = (weights[label] * np.log(sums / count + LEAST)).reshape(len(POWERS), -1).sum(axis=1)
        return float(biases[label]), *parts.tolist()

    @property
    def _arrays(self) -> tuple[Float64[np.ndarray, "classes values"], Float64[np.ndarray, "classes"]]:
        return np.array(self.weights), np.array(self.biases)
