"""Whether what a certificate file says of its evidence is so, by literal loops over windows: a third opinion.

Exact whole numbers and fractions. It looks at bounds, rivals, verdict and witnesses alone, of a file that is whole.
"""

import base64
import zlib
from fractions import Fraction

import mpmath
import numpy as np

from tests import reference


def is_true(statement):
    """Whether the bounds and the verdict are those of the evidence, with witnesses where there may be some."""
    predicate = statement["predicate"]
    û, W = evidence_of(predicate), windows_of(predicate)
    y, T = predicate["claim"]["label"], Fraction(predicate["defence"]["threshold"])
    error = Fraction(predicate["tolerance"]["moved"]) / Fraction(predicate["evidence"]["step"])
    lower, upper, rival, sure, said = BY_NAME[predicate["defence"]["name"]](û, y, W, T, error, predicate)
    verdict = "undecided"
    if said != y:
        verdict = "misclassified"
    elif any(a <= b for a, b in zip(lower, upper, strict=True)):
        verdict = "not certified"
    elif all(sure):
        verdict = "certified"
    stated, how = predicate["windows"], predicate["defence"]["name"]
    if predicate["witnesses"] and how not in WITNESSED:
        return False
    for witness in predicate["witnesses"]:
        inside = W[witness["window"]] == 1
        attacked = np.where(inside, least_of(predicate), û)
        order = inside_in_order(predicate, witness["window"])
        for c, content in ((witness["rival"], witness["for_rival"]), (y, witness["for_label"])):
            for cell, value in zip(order, content, strict=True):
                attacked[c][cell] = value
        if SAYS[how](attacked, W, T) == y:
            return False
    return (
        [Fraction(value) for value in stated["lower"]] == lower
        and [Fraction(value) for value in stated["upper"]] == upper
        and stated["rival"] == rival
        and predicate["claim"]["verdict"] == verdict
    )


def evidence_of(predicate):
    """The evidence in steps, as numbers of Python."""
    evidence = predicate["evidence"]
    values = np.frombuffer(zlib.decompress(base64.b64decode(evidence["values"])), "<i8")
    return values.reshape(evidence["shape"]).astype(object)


def windows_of(predicate):
    """W, of whole numbers."""
    rows, columns = predicate["evidence"]["shape"][1:]
    defence = predicate["defence"]
    W = reference.windows(rows, columns, *defence["window_size"], defence["wrapping"])
    return [w.astype(int).astype(object) for w in W]


def least_of(predicate):
    """The least value in steps: 0, but for tanh."""
    evidence = predicate["evidence"]
    lowest = {"tanh": 1, "local logits": 2**16}.get(evidence["type"], 0)
    return -round(lowest / Fraction(evidence["step"]))


def most_of(predicate):
    """The largest value in steps."""
    evidence = predicate["evidence"]
    top = 2**16 if evidence["type"] in ("logits", "local logits") else 1
    limit = top if evidence["clip_high"] is None else min(top, Fraction(evidence["clip_high"]))
    return round(limit / Fraction(evidence["step"]))


def inside_in_order(predicate, at):
    """The cells of a window, row by row, from its left end on, which on a ring may lie at the right edge."""
    columns = predicate["evidence"]["shape"][2]
    height, width = predicate["defence"]["window_size"]
    around = predicate["defence"]["wrapping"] and width < columns
    top, left = divmod(at, columns if around else columns - width + 1)
    return [(top + i, (left + j) % columns) for i in range(height) for j in range(width)]


def _masking(û, y, W, T, error, predicate):
    lower, upper, rival = reference.algorithm_2(û, y, W, T, "sound")
    error *= 1 + 1 / (1 - T)
    tolerance = error + (max(upper) / (1 - T) / 2**50 if T else 0)
    sure = []
    for w, least, most in zip(W, lower, upper, strict=True):
        v = û[y] * (1 - w)
        m = max((w_ * v).sum() for w_ in W)
        if m + error > T * v.sum():
            least = v.sum() - m
        sure.append(least - most > tolerance)
    return lower, upper, rival, sure, reference.algorithm_1(û, W, T)[0]


def _doubled(û, y, W, T, error, predicate):
    lower, upper, rival, sure = [], [], [], []
    for w in W:
        leads = []
        for c in range(len(û)):
            if c != y:
                lead = (û[y] - û[c]) * (1 - w)
                taken = max((w_ * lead).sum() for w_ in W)
                leads.append((lead.sum() - taken, c, lead.sum(), taken))
        margin, c, kept, taken = min(leads)
        lower.append(kept)
        upper.append(taken)
        rival.append(c)
        sure.append(margin > 2 * error)
    return lower, upper, rival, sure, _two_rounds(û, W, T)


def _two_rounds(û, W, T):
    one = [_largest(û * (1 - w)) for w in W]
    votes = [one.count(c) for c in range(len(û))]
    majority = votes.index(max(votes))
    for w, label in zip(W, one, strict=True):
        if label != majority and all(_largest(û * (1 - w) * (1 - w_)) == label for w_ in W):
            return label
    return majority


def _bounded(û, y, W, T, error, predicate):
    evidence = predicate["evidence"]
    most = most_of(predicate)
    least = -most if evidence["type"] == "tanh" else 0
    lower, upper, rival, sure = [], [], [], []
    for w in W:
        sums = [(v * (1 - w)).sum() for v in û]
        others = [c for c in range(len(û)) if c != y]
        c = min(others, key=lambda c: (-sums[c], c))
        lower.append(sums[y] + w.sum() * least)
        upper.append(sums[c] + w.sum() * most)
        rival.append(c)
        sure.append(lower[-1] - upper[-1] > 2 * error)
    return lower, upper, rival, sure, _largest(û)


def _smoothed(û, y, W, T, error, predicate):
    """Votes, by the columns that the patch covers: a band of b columns at j meets column x if x - j < b, around."""
    columns, votes = û.shape[2], [[int(vote > 0) for vote in v[0]] for v in û]
    vote, b = most_of(predicate), predicate["network"]["receptive_field"]["size"][1]
    p = predicate["threat"]["on_network"][1]
    lower, upper, rival, sure = [], [], [], []
    for place in range(columns - p + 1):
        met = [j for j in range(columns) if any((x - j) % columns < b for x in range(place, place + p))]
        kept = [sum(own[j] for j in range(columns) if j not in met) for own in votes]
        gains = {c: kept[c] + len(met) - (c > y) for c in range(len(û)) if c != y}
        c = min(gains, key=lambda c: (-gains[c], c))
        lower.append(kept[y] * vote)
        upper.append(gains[c] * vote)
        rival.append(c)
        sure.append(lower[-1] - upper[-1] > 2 * error)
    return lower, upper, rival, sure, _largest(û)


def _detected(û, y, W, T, error, predicate):
    """Confidences by mpmath, which is no part of the library or of the checker."""
    step, cells = Fraction(predicate["evidence"]["step"]), û.shape[1] * û.shape[2]
    lower, upper, rival, sure = [], [], [], []
    with mpmath.workdps(80):
        for w in W:
            sums = [(v * (1 - w)).sum() for v in û]
            c = min((c for c in range(len(û)) if c != y), key=lambda c: (-sums[c], c))
            means = [mpmath.mpf(value) * step.numerator / step.denominator / cells for value in sums]
            total = mpmath.log(mpmath.fsum(map(mpmath.exp, means)))
            threshold = mpmath.log(mpmath.mpf(T.numerator) / T.denominator) if T else -(2**30)
            kept, most = means[y] - total, max(means[c] - total, threshold)
            size = min(max(-kept, -most), 2**16)
            moved = mpmath.mpf(error.numerator) / error.denominator * step.numerator / step.denominator
            lower.append(sums[y])
            upper.append(sums[c] if kept > most else max(sums[c], sums[y]))
            rival.append(c)
            sure.append(kept - most > 2 * moved / cells + len(û) * size / 2**50)
    return lower, upper, rival, sure, _largest(û)


def _largest(maps):
    sums = [v.sum() for v in maps]
    return sums.index(max(sums))


BY_NAME = {
    "robust masking": _masking,
    "double masking on features": _doubled,
    "bounded evidence": _bounded,
    "de-randomized smoothing": _smoothed,
    "masked detection": _detected,
}
WITNESSED = ("robust masking", "double masking on features", "bounded evidence")
SAYS = {
    "robust masking": lambda û, W, T: reference.algorithm_1(û, W, T)[0],
    "double masking on features": _two_rounds,
    "bounded evidence": lambda û, W, T: _largest(û),
}
