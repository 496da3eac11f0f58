"""[PG] in the paper's letters, as literal loops: the oracle of the fast versions, and an informed adversary.

Nothing here comes from `pg_core`. A window w of W is a 0/1 array of the shape of the map; û[y] is the clipped
evidence of class y; ⊙ is `*` and SUM is `.sum()`. It is slow on purpose. Not here: the network.
"""

import math

import numpy as np

# --- Geometry: [PG] section 3 -----------------------------------------------------------------------------


def equation_1(p, r, s):
    """k = ceil((p + r - 1)/s): the most features that a patch of p pixels can corrupt, along one axis."""
    return math.ceil((p + r - 1) / s)


def footprint(patch, r, s, o, rows, cols):
    """The features (i, j) that see a pixel of patch = (top, left, height, width): all pixels are tried."""
    a, b, p_h, p_w = patch
    touched = {(x, y) for x in range(a, a + p_h) for y in range(b, b + p_w)}
    cells = set()
    for i in range(rows):
        for j in range(cols):
            field = {
                (x, y)
                for x in range(i * s[0] - o[0], i * s[0] - o[0] + r[0])
                for y in range(j * s[1] - o[1], j * s[1] - o[1] + r[1])
            }
            if field & touched:
                cells.add((i, j))
    return cells


def windows(rows, cols, k_h, k_w, wrapping=False):
    """W: every k_h x k_w box inside the map, in row-major order; the whole map if k is larger. If it wraps, column 0
    follows the last one, and a box begins at every column."""
    k_h, k_w = min(k_h, rows), min(k_w, cols)
    W = []
    for i in range(rows - k_h + 1):
        for j in range(cols if wrapping and k_w < cols else cols - k_w + 1):
            w = np.zeros((rows, cols))
            for x in range(k_w):
                w[i : i + k_h, (j + x) % cols] = 1
            W.append(w)
    return W


# --- Evidence: [PG] section 4.1 ---------------------------------------------------------------------------


def evidence(u, kind, c_h=math.inf):
    """û, cell by cell: the logit, the confidence (softmax), its cube, or the prediction (above 0.2), clipped."""
    C, rows, cols = u.shape
    û = np.zeros(u.shape)
    for i in range(rows):
        for j in range(cols):
            cell = [float(x) for x in u[:, i, j]]
            if kind != "logits":
                powers = [math.exp(x - max(cell)) for x in cell]
                cell = [x / sum(powers) for x in powers]
            if kind == "prediction":
                cell = [1.0 if x > 0.2 else 0.0 for x in cell]
            if kind == "sharpened":
                cell = [x * x * x for x in cell]
            for y in range(C):
                û[y, i, j] = min(max(cell[y], 0.0), c_h)
    return û


# --- Algorithm 1: robust masking --------------------------------------------------------------------------


def detect(û_y, W, T):
    """DETECT: the index in W of w*, or None. b > T is written SUM(w* ⊙ û) > T SUM(û): no 0/0."""
    best, w_star = -1.0, None
    for n, w in enumerate(W):
        if (w * û_y).sum() > best:
            best, w_star = (w * û_y).sum(), n
    return w_star if best > T * û_y.sum() else None


def score(û_y, W, T):
    """s_y: the evidence of the class that is left when the detected window is masked."""
    n = detect(û_y, W, T)
    return û_y.sum() if n is None else (û_y * (1 - W[n])).sum()


def algorithm_1(û, W, T):
    """The prediction ȳ, the scores s_y, and the detected window of every class (None where there is none)."""
    s = [score(û_y, W, T) for û_y in û]
    ȳ = 0
    for y in range(len(s)):
        if s[y] > s[ȳ]:
            ȳ = y
    return ȳ, s, [detect(û_y, W, T) for û_y in û]


# --- Algorithm 2: provable analysis -----------------------------------------------------------------------


def lower_bound(û_y, w, W, T, bound):
    """The least that the true class keeps when the window w is malicious, `published` or `sound`."""
    v = û_y * (1 - w)
    t, m, m_o = v.sum(), 0.0, 0.0
    for w_ in W:
        q = (w_ * v).sum()
        m = max(m, q)
        if (w_ * w).any():
            m_o = max(m_o, q)
    if m > T * t:
        return t - m
    return t if bound == "published" else t - m_o


def upper_bound(û, y, w, T):
    """Lemma 1 for the wrong classes: the largest t_c/(1 - T), and the rival that attains it (the first)."""
    best, rival = -1.0, None
    for c in range(len(û)):
        if c != y and (û[c] * (1 - w)).sum() > best:
            best, rival = (û[c] * (1 - w)).sum(), c
    return best / (1 - T), rival


def algorithm_2(û, y, W, T, bound="sound"):
    """lower, upper and rival for every malicious window."""
    lower, upper, rivals = [], [], []
    for w in W:
        lower.append(lower_bound(û[y], w, W, T, bound))
        most, rival = upper_bound(û, y, w, T)
        upper.append(most)
        rivals.append(rival)
    return lower, upper, rivals


# --- Lemma 1: the four cases of Figure 5 ------------------------------------------------------------------


def figure_5(û_y, w, W, T):
    """The case of a class, and t, e, e', q1, q2, q3, s, from the regions r1, r2, r3 as 0/1 arrays."""
    n = detect(û_y, W, T)
    w_star = np.zeros(w.shape) if n is None else W[n]
    r1, r2, r3 = w_star * (1 - w), w_star * w, w * (1 - w_star)
    numbers = {
        "t": (û_y * (1 - w)).sum(),
        "e": (û_y * w).sum(),
        "e_": (û_y * w_star).sum(),
        "q1": (û_y * r1).sum(),
        "q2": (û_y * r2).sum(),
        "q3": (û_y * r3).sum(),
        "s": score(û_y, W, T),
    }
    if n is None:
        return "IV", numbers
    if (w_star == w).all():
        return "I", numbers
    return ("III" if r2.any() else "II"), numbers


# --- The informed adversary: what a content of w can do to each class --------------------------------------


def patterns(w):
    """Ways to share 1 unit of evidence over the cells of w: one cell, the corners, every cell alike."""
    rows, cols = np.nonzero(w)
    for i, j in zip(rows, cols, strict=True):
        a = np.zeros(w.shape)
        a[i, j] = 1
        yield a
    a = np.zeros(w.shape)
    a[np.ix_([rows.min(), rows.max()], [cols.min(), cols.max()])] = 1
    yield a / a.sum()
    yield w / w.sum()


def hidden(v, a, W, T):
    """The most evidence x, shared as in a, that leaves every window of v + x a at or under T; 0 if none."""
    t, x, least = v.sum(), math.inf, 0.0
    for w_ in W:
        q, share = (w_ * v).sum(), (w_ * a).sum()
        if share > T:
            x = min(x, (T * t - q) / (share - T))
        elif share < T:
            least = max(least, (q - T * t) / (T - share))
    return x if least <= x else 0.0


def attack_rival(û_c, w, W, T, c_h):
    """A wrong class keeps most: evidence hidden just under T, or w full to the brim and masked itself."""
    v = û_c * (1 - w)
    best = v
    for a in patterns(w):
        just_under = min(hidden(v, a, W, T) * (1 - 1e-9), 2.0**15) * a
        brim = np.where(a > 0, 2.0**15, 0)
        for content in (just_under, brim):
            attacked = v + np.minimum(content, c_h)
            if score(attacked, W, T) > score(best, W, T):
                best = attacked
    return best


def framing(v, a, w_, W, T):
    """Just enough evidence x, shared as in a inside w_, to make w_ the detected window."""
    t, q = v.sum(), (w_ * v).sum()
    x = max((T * t - q) / (1 - T), 0.0)
    for other in W:
        share = (other * a).sum()
        if share < 1:
            x = max(x, ((other * v).sum() - q) / (1 - share))
    return x * (1 + 1e-9) + 1e-6


def attack_label(û_y, w, W, T, c_h):
    """The true class keeps least: nothing in w, or just enough to have a straddling window detected."""
    v = û_y * (1 - w)
    worst = v
    for w_ in W:
        shared = w_ * w
        if shared.any():
            a = shared / shared.sum()
            attacked = v + np.minimum(framing(v, a, w_, W, T) * a, c_h)
            if score(attacked, W, T) < score(worst, W, T):
                worst = attacked
    return worst


def informed_adversary(û, y, w, W, T, c_h=math.inf):
    """û with the content of the malicious window w chosen against class y, for each class on its own."""
    attacks = [attack_label if c == y else attack_rival for c in range(len(û))]
    return np.stack([attack(û_c, w, W, T, c_h) for attack, û_c in zip(attacks, û, strict=True)])


# --- Mask-DS: column bands, whose windows wrap around -------------------------------------------------------


def mask_ds_published_lower_bound(û_y, n, W, T):
    """The published code at window n of a map [1, W]: the evidence in the other windows is corrected for the
    malicious one at the positions n - k + 1 .. n + k - 1 that are not cut off at the ends of the map, instead of
    wrapping around. (The bound is the corrected one of December 2021.)"""
    k, v = int(W[0].sum()), û_y * (1 - W[n])
    q = [(w_ * û_y).sum() for w_ in W]
    near = range(max(0, n - k + 1), min(n + k, len(W)))
    for j in near:
        q[j] = (W[j] * v).sum()
    t, m, m_o = v.sum(), max(q), max(q[j] for j in near)
    return t - m if m > T * t else t - m_o
