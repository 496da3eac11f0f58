"""Bounded evidence in the letters of Zhang et al. 2020, as literal loops, with the published certificate.

v[y] is the bounded evidence of class y, values in [lo, hi]; a window w of W is a 0/1 array.
"""

import math

import numpy as np


def cbn(u):
    """v = tanh(0.05 u - 1), cell by cell."""
    v = np.zeros(u.shape)
    for y, i, j in np.ndindex(u.shape):
        v[y, i, j] = math.tanh(0.05 * float(u[y, i, j]) - 1)
    return v


def mean_class(v):
    """The class with the largest mean, the first on ties."""
    y = 0
    for c in range(len(v)):
        if v[c].sum() > v[y].sum():
            y = c
    return y


def certificate(v, y, W, lo, hi):
    """lower, upper and rival for every malicious window: all classes are compared."""
    lower, upper, rivals = [], [], []
    for w in W:
        lower.append((v[y] * (1 - w)).sum() + w.sum() * lo)
        best, rival = -math.inf, None
        for c in range(len(v)):
            reached = (v[c] * (1 - w)).sum() + w.sum() * hi
            if c != y and reached > best:
                best, rival = reached, c
        upper.append(best)
        rivals.append(rival)
    return lower, upper, rivals


def published_certificate(v, W, lo, hi):
    """The published code: only the class that comes second without any patch is compared. Unsound."""
    first, second = sorted(range(len(v)), key=lambda c: (-v[c].sum(), c))[:2]
    return all(((v[first] - v[second]) * (1 - w)).sum() > w.sum() * (hi - lo) for w in W)


def adversary(v, y, rival, w, lo, hi):
    """The most that a content of w can do for the rival against y: everything for it, nothing for the others."""
    attacked = v.copy()
    for c in range(len(v)):
        attacked[c][w > 0] = hi if c == rival else lo
    return attacked
