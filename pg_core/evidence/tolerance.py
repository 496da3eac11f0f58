"""How far the evidence of a class can move by errors of the network's arithmetic (theory §5, Numerics)."""

import numpy as np
from jaxtyping import Float64

from pg_core.evidence.arrays import LocalLogits, check_maps
from pg_core.evidence.grid import scale
from pg_core.evidence.types import EvidenceType
from pg_core.io.parameters import non_negative


def evidence_error(
    local_logits: LocalLogits, evidence: EvidenceType, clip_high: float, delta: float
) -> Float64[np.ndarray, "*batch"]:
    """By how much an error of `delta` in every local logit can move the evidence of a class, summed over any cells.

    However large the error, evidence stays in its range.
    """
    check_maps(local_logits, least_classes=1)
    evidence, delta = EvidenceType.named(evidence), non_negative(delta, "delta")
    if evidence.error is not None and delta > 0:
        return evidence.error(local_logits, delta)
    rows, columns = local_logits.shape[-2:]
    top, step = scale((rows, columns), evidence, clip_high)
    # The smallest error can move a value by a step of the grid, and the top is on the grid to half a step.
    error = min(delta, top) + step if delta > 0 else 0.0
    return np.full(local_logits.shape[:-3], rows * columns * error)
