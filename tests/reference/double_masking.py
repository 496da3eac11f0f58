"""PatchCleanser in the letters of Xiang, Mahloujifar, Mittal 2022, as literal loops over masks, pixels and pairs.

p[i][j] is the class predicted under masks i and j, p[i][i] that under mask i alone.
"""

import math


def starts(N, p, k):
    """Where masks begin along an axis, and how long they are."""
    d = math.ceil((N - p + 1) / k)
    side = min(p + d - 1, N)
    begin, at = [], 0
    while at < N - side:
        begin.append(at)
        at += d
    return [*begin, N - side], side


def masks(size, patch, k):
    """Every mask as the set of its pixels, in row-major order."""
    (rows, height), (cols, width) = (starts(N, p, k) for N, p in zip(size, patch, strict=True))
    return [{(i + x, j + y) for x in range(height) for y in range(width)} for i in rows for j in cols]


def placements(size, patch):
    """Every placement of the patch, with its pixels."""
    return {
        (i, j): {(i + x, j + y) for x in range(patch[0]) for y in range(patch[1])}
        for i in range(size[0] - patch[0] + 1)
        for j in range(size[1] - patch[1] + 1)
    }


def predict(p):
    """Algorithm 1 of the paper."""
    one = [p[i][i] for i in range(len(p))]
    if len(set(one)) == 1:
        return one[0]
    majority = min(set(one), key=lambda c: (-one.count(c), c))
    for i, own in enumerate(one):
        if own != majority and all(p[i][j] == own for j in range(len(p))):
            return own
    return majority


def certified(p, y):
    """Theorem 1: all two-mask predictions are y."""
    return all(p[i][j] == y for i in range(len(p)) for j in range(len(p)))


def safe(p, y, pixels, M):
    """Per location: a mask that hides the patch has y under every second mask."""
    return any(pixels <= M[i] and all(p[i][j] == y for j in range(len(p))) for i in range(len(p)))


def attackable(pixels, M):
    """The pairs under which the patch is seen: their predictions are the adversary's."""
    return [(i, j) for i in range(len(M)) for j in range(i, len(M)) if not (pixels <= M[i] or pixels <= M[j])]


def attacked(p, pairs, classes):
    """p with the predictions of these pairs replaced, both ways round."""
    q = [list(row) for row in p]
    for (i, j), c in zip(pairs, classes, strict=True):
        q[i][j] = q[j][i] = c
    return q
