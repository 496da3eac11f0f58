"""How far errors can move a margin: those of the network's arithmetic, and those of float64 (theory §5, Numerics)."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64

from pg_core.evidence.arrays import LocalLogits, WindowValues, check_maps
from pg_core.evidence.grid import scale
from pg_core.evidence.types import EvidenceType
from pg_core.io.parameters import non_negative, shown

_ROUNDING = 2.0**-50
"""Relative error of a product with T, or of a quotient by 1 - T."""


@dataclass(frozen=True, slots=True, eq=False)
class Tolerance:
    """By how much errors can move a margin, for one image or each of a batch; a margin counts above it.

    `error` is the most by which errors in the values that a defence is given can move a margin, `rounding` the most by
    which float64 rounds its bounds. Both are >= 0, in the units of the margin. Raises ValueError for anything else.
    """

    error: Float64[np.ndarray, "*batch"]
    rounding: Float64[np.ndarray, "*batch"]

    def __init__(self, error: object = 0.0, rounding: object = 0.0) -> None:
        for name, values in (("error", error), ("rounding", rounding)):
            given = np.asarray(values)
            if given.dtype.kind not in "fiu" or not (given >= 0).all():
                raise ValueError(f"expected tolerance >= 0, one or one for each image, got {shown(values)}")
            object.__setattr__(self, name, given.astype(np.float64))

    @classmethod
    def of_evidence(
        cls,
        local_logits: LocalLogits,
        evidence: EvidenceType,
        clip_high: float,
        delta: float,
        times: float = 2.0,
    ) -> "Tolerance":
        """The tolerance for an error of at most `delta` >= 0 in every local logit. The evidence of a class, summed
        over any cells, moves by at most so much, and a margin by `times` as much: by default 2, once for the label and
        once for the rival.

        However large the error, evidence stays in its range. Raises ValueError for a negative delta, and as
        `check_maps` and `scale`.
        """
        check_maps(local_logits, least_classes=1)
        evidence, delta = EvidenceType.named(evidence), non_negative(delta, "delta")
        if evidence.error is not None and delta > 0:
            return cls(evidence.error(local_logits, delta) * times)
        rows, columns = local_logits.shape[-2:]
        top, step = scale((rows, columns), evidence, clip_high)
        # The smallest error can move a value by a step of the grid, and the top is on the grid to half a step.
        error = min(delta, top) + step if delta > 0 else 0.0
        return cls(np.full(local_logits.shape[:-3], rows * columns * error) * times)

    def rounded(self, threshold: float, upper: WindowValues) -> "Tolerance":
        """The same tolerance with the rounding of products with T and of quotients by 1 - T added, so that no tie
        passes for a positive margin; `upper` are the bounds of the rivals. At T = 0 all sums are exact."""
        if not threshold:
            return self
        return replace(self, rounding=_ROUNDING / (1 - threshold) * upper.max(axis=(-2, -1), initial=0.0))

    def of_batch(self, shape: tuple[int, ...]) -> "Tolerance":
        """The tolerance of each image of a batch of this shape; raises ValueError if it is that of another number of
        images."""
        if any(values.shape not in ((), shape) for values in (self.error, self.rounding)):
            raise ValueError(f"expected one tolerance, or one for each image of {list(shape)}, got {self}")
        return Tolerance(np.broadcast_to(self.error, shape), np.broadcast_to(self.rounding, shape))

    def __getitem__(self, index: tuple[int, ...]) -> "Tolerance":
        """The tolerance of one image of a batch."""
        return Tolerance(self.error[index], self.rounding[index])

    def lets_pass(
        self, held: Float64[np.ndarray, "*windows"] | float, most: Float64[np.ndarray, "*windows"] | float
    ) -> Bool[np.ndarray, "*windows"]:
        """Whether an error within the tolerance can bring the evidence `held` by a window above `most`, such as T
        t."""
        held = np.asarray(held)
        error = self.error.reshape(self.error.shape + (1,) * (held.ndim - self.error.ndim))
        return np.asarray(held + error > most)

    def spread(
        self, shape: tuple[int, ...], more: Float64[np.ndarray, "*windows"] | float = 0.0
    ) -> WindowValues:
        """The tolerance at each position of certificates of this shape, with `more` >= 0 added where a bound can
        jump."""
        return np.broadcast_to(np.asarray(self.error + self.rounding)[..., None, None] + more, shape)

    def __repr__(self) -> str:
        return f"Tolerance(error {shown(self.error)}, rounding {shown(self.rounding)})"


EXACT = Tolerance()
"""The tolerance of values without an error."""
