"""Sums over boxes of a map by its integral image, and the cells that two windows share, on a line or on a ring.

What they mean is in `pg_core.geometry.windows` and `pg_core.geometry.footprints`.
"""

import numpy as np
from jaxtyping import Float64, Int


def integral(
    values: Float64[np.ndarray, "*batch rows columns"],
) -> Float64[np.ndarray, "*batch table_rows table_columns"]:
    """The integral image: entry (i, j) is the sum of values[:i, :j]."""
    padding = [(0, 0)] * (values.ndim - 2) + [(1, 0), (1, 0)]
    return np.pad(values, padding).cumsum(axis=-2).cumsum(axis=-1)


def largest_apart(
    values: Float64[np.ndarray, "*batch positions"], size: int, wrapping: bool
) -> Float64[np.ndarray, "*batch positions"]:
    """For each position along an axis, the largest of the values of windows that share no cell with the window
    there, at least 0."""
    positions = values.shape[-1]
    best = np.zeros_like(values)
    if wrapping:
        apart = positions - 2 * size + 1  # windows that begin `size` to W - size columns further on
        if apart > 0:
            ahead = np.concatenate([values, values], axis=-1)[..., size : 2 * positions - size]
            best = np.lib.stride_tricks.sliding_window_view(ahead, apart, axis=-1).max(axis=-1)
    elif positions > size:
        best[..., size:] = np.maximum.accumulate(values, axis=-1)[..., :-size]
        after = np.maximum.accumulate(values[..., ::-1], axis=-1)[..., ::-1][..., size:]
        best[..., :-size] = np.maximum(best[..., :-size], after)
    return best


Span = tuple[Int[np.ndarray, "positions distances"], Int[np.ndarray, "positions distances"]]


def overlaps(
    positions: int, size: int, wrapping: bool
) -> tuple[Int[np.ndarray, "positions distances"], list[Span]]:
    """Along one axis, for each position and each distance below `size`: the other position (-1 if it is off
    the map), and the spans of cells that the two windows share, first and last + 1: one, or two around a ring."""
    reach = min(size, positions) - 1
    position = np.arange(positions)[:, None]
    distance = np.arange(-reach, reach + 1)
    other = position + distance
    spans = [_shared(position, other, size)]
    if not wrapping:
        return np.where((other >= 0) & (other < positions), other, -1), spans
    if 2 * size > positions:
        spans.append(_shared(position, other + np.where(distance > 0, -positions, positions), size))
    return other % positions, spans


def _shared(
    position: Int[np.ndarray, "positions 1"], other: Int[np.ndarray, "positions distances"], size: int
) -> Span:
    """What two windows of a line share, first and last + 1 cell; the same twice if they share nothing."""
    first = np.maximum(position, other)
    last = np.maximum(np.minimum(position, other) + size, first)
    limit = len(position) + size - 1
    return np.clip(first, 0, limit), np.clip(last, 0, limit)
