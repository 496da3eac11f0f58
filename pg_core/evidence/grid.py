"""Clipped evidence on a grid so fine that every sum of it is exact ([PG] section 4.1; theory §5, Numerics)."""

import math

import numpy as np

from pg_core.evidence.arrays import EvidenceMap, LocalLogits, check_maps
from pg_core.evidence.types import EvidenceType
from pg_core.io.parameters import number


def clip(
    local_logits: LocalLogits, evidence: EvidenceType = EvidenceType.LOGITS, clip_high: float = math.inf
) -> EvidenceMap:
    """The clipped evidence û = clip(u, 0, c_h) of each class at each location ([PG] section 4.1; c_l = 0).

    Values are rounded to a grid that depends on the size of the map and on c_h alone: a power of two, so fine that
    every sum over any set of cells is *exact* in float64, in whatever order it is taken (about 1e-8 for logits, 1e-13
    for confidence, on 26x26 cells). Equal local logits give equal evidence of the type logits on any machine;
    confidences take an exponential, whose last bit libraries round differently. clip_high is c_h > 0, in the units of
    the evidence. Raises ValueError as `check_maps` and `scale`.

    >>> clip(np.array([[[-1.0, 0.5, 3.0]]]), clip_high=2.0)
    array([[[0. , 0.5, 2. ]]])
    """
    check_maps(local_logits, least_classes=1)
    evidence = EvidenceType.named(evidence)
    rows, columns = local_logits.shape[-2:]
    top, step = scale((rows, columns), evidence, clip_high)
    values = evidence.transform(np.asarray(local_logits, np.float64))
    return np.rint(np.clip(values, 0.0, top) / step) * step


def scale(map_size: tuple[int, int], evidence: EvidenceType, clip_high: float) -> tuple[float, float]:
    """The largest value that evidence can have (to half a step), and the step of the grid that it lies on.

    Raises ValueError for a c_h that is not positive, or so small that its grid has no room in float64.
    """
    if not number(clip_high, "clip_high") >= 2.0**-900:
        raise ValueError(f"expected clip_high > 0 (and no less than 2**-900), got {clip_high}")
    top = min(clip_high, EvidenceType.named(evidence).top)
    return top, 2.0 ** (math.ceil(math.log2(map_size[0] * map_size[1] * top)) - 52)
