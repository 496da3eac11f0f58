"""Footprints that need not have the shape of a mask, in the paper's letters (theory §7)."""

from tests.reference import footprint


def placements(image, p, r, s, o, rows, cols):
    """For each top left of a patch of p pixels: the cells that it touches."""
    return {
        (a, b): footprint((a, b, *p), r, s, o, rows, cols)
        for a in range(image[0] - p[0] + 1)
        for b in range(image[1] - p[1] + 1)
    }


def most_of_rival(û_c, f, W, T, top):
    """The most that a wrong class keeps under contents of [0, top] in the cells f: some mask is taken, or none."""
    v = û_c * (1 - f)
    t = v.sum()
    masked = min(((v + top * f) * (1 - M)).sum() for M in W)
    if T == 0:
        return masked
    e = top * f.sum()
    k = [(M * v).sum() for M in W if (M * f).sum() == f.sum()]
    if k:
        e = min(e, (T * t - max(k)) / (1 - T))
    return max(masked, t + e)
