"""The two rounds of double masking by windows, whatever makes a class of what two of them leave (theory §9).

A map with a small receptive field need not be computed again for a mask: what is masked is subtracted from the sums,
so that every window of Equation 1 can be a mask. The proof that the rounds keep a label asks for answers that are a
function of the cells outside both masks, and nothing else.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float64, Int

from pg_core.defences.patchcleanser.pixels import DoubleMasking
from pg_core.evidence.arrays import first_largest
from pg_core.geometry import Box, Window, Windows

_CELLS_AT_A_TIME = 2**21
"""Of masked maps in memory at once, 16 MB for each intermediate array."""

Sums = Float64[np.ndarray, "*batch depth masks"]
"""Of each of the values of a cell, what is outside each mask."""

ClassScores = Callable[[Sums], Float64[np.ndarray, "*batch classes masks"]]
"""The score of each class from the sums of the cells that are left."""


def summed(outside: Sums) -> Float64[np.ndarray, "*batch classes masks"]:
    """The sums are the scores."""
    return outside


def two_rounds(
    values: Float64[np.ndarray, "*batch depth rows columns"], windows: Windows, scores: ClassScores = summed
) -> DoubleMasking:
    """The prediction of two rounds of masks, which are all windows; the lowest class wins ties.

    If all single masks agree, it is their class; else that of the first disagreer with the majority whose class every
    second mask leaves; else the majority's.
    """
    one = _answers(values, windows, scores)
    classes = scores(np.zeros((values.shape[-3], 1))).shape[-2]
    votes = (one[..., None] == np.arange(classes)).sum(axis=-2).astype(np.float64)
    majority = first_largest(votes)
    disagreer = np.full(majority.shape, -1)
    for at in map(tuple, np.argwhere((one != majority[..., None]).any(axis=-1)).tolist()):
        disagreer[at] = _first_consistent(values[at], windows, one[at], int(majority[at]), scores)
    own = np.take_along_axis(one, np.maximum(disagreer, 0)[..., None], axis=-1)[..., 0]
    return DoubleMasking(np.where(disagreer < 0, majority, own), votes, one, majority, disagreer, windows)


def second_round(
    values: Float64[np.ndarray, "depth rows columns"],
    windows: Windows,
    masks: Int[np.ndarray, "masks"],
    scores: ClassScores = summed,
) -> Int[np.ndarray, "masks windows"]:
    """p_ij of theory §9, for the first masks i given by their flat positions in W and every second mask j: the class
    with the largest score of one map outside both, the lowest one on ties."""
    return first_largest(np.moveaxis(scores(left_by_two(values, windows, masks)), -2, -1))


def left_by_two(
    values: Float64[np.ndarray, "depth rows columns"], windows: Windows, masks: Int[np.ndarray, "masks"]
) -> Float64[np.ndarray, "masks depth windows"]:
    """The sums outside each of these first masks and every second one."""
    held = windows.holding(Window(0, 0, *windows.map_size))[masks].reshape(-1, 1, *windows.map_size)
    return _outside(np.where(held, 0.0, values), windows)


def in_parts(
    masks: Int[np.ndarray, "masks"], values: Float64[np.ndarray, "depth rows columns"]
) -> list[Int[np.ndarray, "part"]]:
    """The first masks, as many at a time as memory should hold maps of."""
    some = max(1, _CELLS_AT_A_TIME // values.size)
    return [masks[first : first + some] for first in range(0, len(masks), some)]


def masked(defence: object, prediction: DoubleMasking, label: int) -> tuple[Box, ...]:
    """The window without which the disagreer that decided was found."""
    found = int(prediction.disagreer)
    return () if found < 0 or prediction.windows is None else (prediction.windows.at(found),)


def _outside(values: Float64[np.ndarray, "*batch depth rows columns"], windows: Windows) -> Sums:
    outside = values.sum(axis=(-2, -1))[..., None, None] - windows.sums(values)
    return outside.reshape(*values.shape[:-2], windows.count)


def _answers(
    values: Float64[np.ndarray, "*batch depth rows columns"], windows: Windows, scores: ClassScores
) -> Int[np.ndarray, "*batch masks"]:
    return first_largest(np.moveaxis(scores(_outside(values, windows)), -2, -1))


def _first_consistent(
    values: Float64[np.ndarray, "depth rows columns"],
    windows: Windows,
    one: Int[np.ndarray, "masks"],
    majority: int,
    scores: ClassScores,
) -> int:
    """The first mask whose class is not the majority's and is left by every second mask; -1 if there is none."""
    for masks in in_parts(np.flatnonzero(one != majority), values):
        second = second_round(values, windows, masks, scores)
        consistent = masks[(second == one[masks][:, None]).all(axis=1)]
        if len(consistent):
            return int(consistent[0])
    return -1
