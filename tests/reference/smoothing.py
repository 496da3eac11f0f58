"""De-randomized smoothing in the letters of Levine and Feizi 2020, as literal loops over bands, pixels and votes.

A band is the set of its pixels (x, y) in an image of H x W; v[c][n] says whether band n votes for class c.
"""

import math


def bands(H, W, b_h, b_w, s_h=1, s_w=1):
    """The blocks of b_h x b_w pixels that begin at every s-th row and column and wrap around, in row-major order; an
    axis on which a block is as long as the image has one start."""
    rows = [0] if b_h == H else range(0, H, s_h)
    cols = [0] if b_w == W else range(0, W, s_w)
    return [{((i + x) % H, (j + y) % W) for x in range(b_h) for y in range(b_w)} for i in rows for j in cols]


def patches(H, W, p_h, p_w):
    """Every placement of the patch, with its pixels."""
    return {
        (i, j): {(i + x, j + y) for x in range(p_h) for y in range(p_w)}
        for i in range(H - p_h + 1)
        for j in range(W - p_w + 1)
    }


def votes(u, threshold):
    """v[c][n] for logits u[c][n]: confidence at least the threshold."""
    v = [[0] * len(u[0]) for _ in u]
    for n in range(len(u[0])):
        powers = [math.exp(u[c][n] - max(row[n] for row in u)) for c in range(len(u))]
        for c in range(len(u)):
            v[c][n] = int(powers[c] / sum(powers) >= threshold)
    return v


def winner(v):
    """Most votes, the lowest class on ties."""
    n = [sum(row) for row in v]
    return n.index(max(n))


def certified(v, y, A):
    """Per location: no votes of the bands in A can make another class win."""
    outside = [sum(vote for n, vote in enumerate(row) if n not in A) for row in v]
    for c in range(len(v)):
        if c != y:
            gap = outside[y] - outside[c] - len(A)
            if gap < 0 or (gap == 0 and c < y):
                return False
    return True


def published_certified(v, y, delta):
    """The gap of the whole image is more than 2 delta, or just that and the tie goes to y."""
    n = [sum(row) for row in v]
    return all(
        n[y] - n[c] > 2 * delta or (n[y] - n[c] == 2 * delta and y < c) for c in range(len(v)) if c != y
    )


def published_delta(p, b, s):
    """How many strided bands a patch is said to meet: ceil((p + b - 1)/s)."""
    return math.ceil((p + b - 1) / s)


def adversary(v, rival, A):
    """All bands in A vote for the rival and for nothing else."""
    return [[int(c == rival) if n in A else vote for n, vote in enumerate(row)] for c, row in enumerate(v)]
