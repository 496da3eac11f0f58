"""Interval bound propagation in plain loops over the outputs of a layer, every placement from scratch.

A network is a list of ("conv", W, b, stride) and ("dense", W, b); a ReLU follows all layers but the last.
"""

import numpy as np


def conv(x, W, b, s):
    """Without padding."""
    outputs, _, k_h, k_w = W.shape
    rows, cols = (x.shape[1] - k_h) // s + 1, (x.shape[2] - k_w) // s + 1
    z = np.zeros((outputs, rows, cols))
    for o, i, j in np.ndindex(z.shape):
        z[o, i, j] = (W[o] * x[:, i * s : i * s + k_h, j * s : j * s + k_w]).sum() + b[o]
    return z


def layer(x, kind, W, b, *s):
    return conv(x, W, b, *s) if kind == "conv" else W @ x.ravel() + b


def forward(x, network):
    """The logits."""
    for n, (kind, W, b, *s) in enumerate(network):
        x = layer(x, kind, W, b, *s)
        if n < len(network) - 1:
            x = np.maximum(x, 0)
    return x


def least_leads(x, network, y, patch):
    """The least that logit y can exceed each logit by, by intervals, the pixels of patch = (top, left, height,
    width) being anything in [0, 1]."""
    top, left, height, width = patch
    low, high = x.copy(), x.copy()
    low[:, top : top + height, left : left + width] = 0
    high[:, top : top + height, left : left + width] = 1
    for kind, W, b, *s in network[:-1]:
        up, down = np.maximum(W, 0), np.minimum(W, 0)
        zero = np.zeros_like(b)
        new_low = layer(low, kind, up, b, *s) + layer(high, kind, down, zero, *s)
        new_high = layer(high, kind, up, b, *s) + layer(low, kind, down, zero, *s)
        low, high = np.maximum(new_low, 0), np.maximum(new_high, 0)
    _, W, b = network[-1]
    leads = []
    for c in range(len(b)):
        w = W[y] - W[c]
        leads.append((np.maximum(w, 0) * low.ravel() + np.minimum(w, 0) * high.ravel()).sum() + b[y] - b[c])
    return np.array(leads)
