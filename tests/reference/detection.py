"""PatchGuard++ in the paper's letters, as literal loops; u[y] are local logits, a window w of W is a 0/1 array."""

import math

import numpy as np

ALERT = "alert"


def masked_softmax(u, w):
    """softmax(g - SUM(u ⊙ w)/(rows*cols)), by classes; and the logits."""
    g = np.array([(u_y * (1 - w)).sum() / w.size for u_y in u])
    powers = [math.exp(x - max(g)) for x in g]
    return [x / sum(powers) for x in powers], g


def predict(u, W, τ):
    """The class with the largest mean, or an alert if a masked prediction differs with a confidence above τ."""
    g = [u_y.mean() for u_y in u]
    ȳ = int(np.argmax(g))
    for w in W:
        p, logits = masked_softmax(u, w)
        c = int(np.argmax(logits))
        if c != ȳ and p[c] > τ:
            return ALERT
    return ȳ


def certified(u, y, w, τ):
    """The masked prediction is y, with a confidence above τ."""
    p, logits = masked_softmax(u, w)
    return all(logits[y] > x for c, x in enumerate(logits) if c != y) and p[y] > τ


def published_certified(u, y, W, τ):
    """The published code: a confidence of τ is enough for a certificate, though not for an alert. Unsound."""
    for w in W:
        p, logits = masked_softmax(u, w)
        if int(np.argmax(logits)) != y or p[y] < τ:
            return False
    return True


def adversary(u, w, y, rival, strength):
    """Evidence in w for the rival and against the label, just enough to win or with all strength."""
    attacked = u.copy()
    attacked[:, w > 0] = 0
    attacked[y][w > 0] = -strength
    attacked[rival][w > 0] = strength
    return attacked
