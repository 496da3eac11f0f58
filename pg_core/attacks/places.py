"""Where an attack is most likely to succeed: a placement of the patch in each position that is not certified, by
margin."""

import numpy as np
from jaxtyping import Float64

from pg_core.analysis.photo import Analysis
from pg_core.geometry import Patch, Windows, box_at


def weakest(analysis: Analysis, count: int | None = None) -> tuple[Patch, ...]:
    """A placement of the threat's patch in each window or placement that is neither proved nor undecided, at most
    `count` of them: those of the smallest margin first, and of equal ones (without a defence all are -inf) those
    outside which the label leads by least."""
    certificate = analysis.certificate
    order = np.lexsort((_outside(analysis).ravel(), certificate.margin.ravel()))
    size = analysis.threat.on_network(analysis.features.framing)
    uncertain = ~(certificate.proved | certificate.undecided).ravel()
    found: dict[Patch, None] = {}
    for index in order[uncertain[order]].tolist():
        if len(found) == count:
            break
        at = box_at(certificate.positions, *divmod(index, certificate.positions.shape[1]))
        place = analysis.patch_in(at, size)
        # A window of a ring that only a patch around the edge of the image would reach has none of its own.
        if not _proved(analysis, place):
            found[place] = None
    return tuple(found)


def _proved(analysis: Analysis, place: Patch) -> bool:
    at = analysis.position(place)
    return at is not None and bool(analysis.certificate.proved[at.top, at.left])


def _outside(analysis: Analysis) -> Float64[np.ndarray, "rows columns"]:
    """The label's lead in what the defence adds up outside each window; 0 for a defence that adds up nothing."""
    evidence, positions = analysis.evidence, analysis.certificate.positions
    if evidence is None or not isinstance(positions, Windows):
        return np.zeros(positions.shape)
    left = evidence.sum(axis=(-2, -1))[:, None, None] - positions.sums(evidence)
    label = int(analysis.certificate.label)
    return left[label] - np.delete(left, label, axis=0).max(axis=0)
