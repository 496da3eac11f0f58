"""Evidence made of local logits, the arrays by their shapes, and the rule that breaks ties.

Shapes are words: *batch, classes, rows, columns (of the feature map), window_rows, window_columns (the
positions of a window on it). The shapes are checked in the tests; `check_maps` is what stands at the door of every
defence. Not here: where local logits come from, see `pg_core.networks`.
"""

import math
from enum import StrEnum

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

from pg_core.io.parameters import member, non_negative, number, shown

LocalLogits = Float[np.ndarray, "*batch classes rows columns"]
EvidenceMap = Float64[np.ndarray, "*batch classes rows columns"]
Scores = Float64[np.ndarray, "*batch classes"]
Labels = Int[np.ndarray, "*batch"]
WindowValues = Float64[np.ndarray, "*batch window_rows window_columns"]
WindowLabels = Int[np.ndarray, "*batch window_rows window_columns"]
WindowFlags = Bool[np.ndarray, "*batch window_rows window_columns"]

CEILING = 2.0**16
"""Evidence above this is clipped even where c_h is infinite. Clipping is part of the defence and covered by
its proof; it keeps the sums of a hostile map exact, where one value of 1e20 would swallow all the others."""

VOTE_THRESHOLD = 0.2
"""A location predicts each class whose confidence is above this (evidence type `prediction`)."""

SHARPENED_POWER = 3
"""The power of the confidence that `sharpened` evidence is: 2 to 4 do about as well for tiles."""


class EvidenceType(StrEnum):
    """What a location says for a class: its logit, its confidence (softmax over the classes) or a vote; those are
    [PG]'s. Or, not published, its confidence to the third power, not normalised again: what is not sure of any class
    then hardly counts for the others, while one that is sure of the label keeps its say."""

    LOGITS = "logits"
    CONFIDENCE = "confidence"
    PREDICTION = "prediction"
    SHARPENED = "sharpened"


def clip(
    local_logits: LocalLogits, evidence: EvidenceType = EvidenceType.LOGITS, clip_high: float = math.inf
) -> EvidenceMap:
    """The clipped evidence û = clip(u, 0, c_h) of each class at each location ([PG] section 4.1; c_l = 0).

    Values are rounded to a grid that depends on the size of the map and on c_h alone: a power of two, so fine
    that every sum over any set of cells is *exact* in float64, in whatever order it is taken (about 1e-8 for
    logits, 1e-13 for confidence, on 26x26 cells). Equal local logits give equal evidence on any machine and in the
    browser if it is logits; confidence takes an exponential, of which libraries round the last bit differently.

    >>> clip(np.array([[[-1.0, 0.5, 3.0]]]), clip_high=2.0)
    array([[[0. , 0.5, 2. ]]])
    """
    check_maps(local_logits, least_classes=1)
    evidence = member(EvidenceType, evidence)
    rows, columns = local_logits.shape[-2:]
    top, step = scale((rows, columns), evidence, clip_high)
    values = np.asarray(local_logits, np.float64)
    if evidence is not EvidenceType.LOGITS:
        values = confidence(values)
    if evidence is EvidenceType.PREDICTION:
        values = (values > VOTE_THRESHOLD).astype(np.float64)
    if evidence is EvidenceType.SHARPENED:
        values = values**SHARPENED_POWER
    return np.rint(np.clip(values, 0.0, top) / step) * step


def scale(map_size: tuple[int, int], evidence: EvidenceType, clip_high: float) -> tuple[float, float]:
    """The largest value that evidence can have (to half a step), and the step of the grid that it lies on.

    Raises ValueError for a c_h that is not positive, or so small that its grid has no room in float64.
    """
    if not number(clip_high, "clip_high") >= 2.0**-900:
        raise ValueError(f"expected clip_high > 0 (and no less than 2**-900), got {clip_high}")
    top = min(clip_high, CEILING if member(EvidenceType, evidence) is EvidenceType.LOGITS else 1.0)
    return top, 2.0 ** (math.ceil(math.log2(map_size[0] * map_size[1] * top)) - 52)


def confidence(local_logits: LocalLogits) -> EvidenceMap:
    """Softmax over the classes at each location, in float64."""
    values = np.asarray(local_logits, np.float64)
    powers = np.exp(values - values.max(axis=-3, keepdims=True))
    return powers / powers.sum(axis=-3, keepdims=True)


def evidence_error(
    local_logits: LocalLogits, evidence: EvidenceType, clip_high: float, delta: float
) -> Float64[np.ndarray, "*batch"]:
    """By how much an error of `delta` in every local logit can move the evidence of a class, summed over any
    cells.

    Confidence moves less than the logits do, by at most half as much, and sharpened confidence by less than two
    thirds as much; a vote flips only where the confidence is within delta of the threshold, and then by one. However
    large the error, evidence stays in its range.
    """
    check_maps(local_logits, least_classes=1)
    evidence, delta = member(EvidenceType, evidence), non_negative(delta, "delta")
    if evidence is EvidenceType.PREDICTION and delta > 0:
        doubtful = np.abs(confidence(local_logits) - VOTE_THRESHOLD) <= delta
        return np.asarray(doubtful.sum(axis=(-2, -1)).max(axis=-1), np.float64)
    rows, columns = local_logits.shape[-2:]
    top, step = scale((rows, columns), evidence, clip_high)
    # The smallest error can move a value by a step of the grid, and the top is on the grid to half a step.
    error = min(delta, top) + step if delta > 0 else 0.0
    return np.full(local_logits.shape[:-3], rows * columns * error)


def check_maps(
    values: object,
    name: str = "local logits",
    axes: tuple[str, str, str] = ("classes", "rows", "columns"),
    least_classes: int = 2,
) -> None:
    """Raise ValueError for anything but an array [*batch, classes, rows, columns] of finite real numbers, with so many
    classes and at least one row and one column. A masked array is refused, for its mask would be lost."""
    classes, rows, columns = axes
    expected = f"expected {name} of shape [*batch, {classes} >= {least_classes}, {rows} >= 1, {columns} >= 1]"
    if not isinstance(values, np.ndarray) or isinstance(values, np.ma.MaskedArray):
        raise ValueError(f"{expected}, a plain array, got {type_and_shape(values)}")
    if values.dtype.kind not in "fiu" or values.dtype.itemsize > 8:
        raise ValueError(f"{expected}, real numbers of at most 64 bits, got {type_and_shape(values)}")
    if values.ndim < 3 or min(values.shape[-2:]) < 1 or values.shape[-3] < least_classes:
        raise ValueError(f"{expected}, got {type_and_shape(values)}")
    if not np.isfinite(values).all():
        raise ValueError(f"expected finite {name}, got NaN or infinite values")


def type_and_shape(values: object) -> str:
    """What came instead of an array, as an error shows it.

    >>> type_and_shape(np.zeros((2, 3), np.float32)), type_and_shape([0.5])
    ('float32 of shape [2, 3]', 'list [0.5]')
    """
    if isinstance(values, np.ndarray):
        kind = "masked " if isinstance(values, np.ma.MaskedArray) else ""
        return f"{kind}{values.dtype} of shape {list(values.shape)}"
    return f"{type(values).__name__} {shown(values)}"


def of_label(
    values: Float64[np.ndarray, "*batch classes rows columns"], labels: Labels
) -> Float64[np.ndarray, "*batch rows columns"]:
    """The map of each image's label."""
    return np.take_along_axis(values, labels[..., None, None, None], axis=-3)[..., 0, :, :]


def strongest_rival(
    values: Float64[np.ndarray, "*batch classes rows columns"], labels: Labels
) -> tuple[Float64[np.ndarray, "*batch rows columns"], Int[np.ndarray, "*batch rows columns"]]:
    """The largest value at each position among the classes other than the label, and whose it is."""
    is_label = np.arange(values.shape[-3]) == labels[..., None]
    by_class = np.moveaxis(np.where(is_label[..., None, None], -np.inf, values), -3, -1)
    rival = first_largest(by_class)
    return np.take_along_axis(by_class, rival[..., None], axis=-1)[..., 0], rival


def first_largest(values: Float64[np.ndarray, "*batch last"]) -> Int[np.ndarray, "*batch"]:
    """The index of the largest value along the last axis, the lowest one on ties.

    The one tie rule of windows (in row-major order) and of classes, in predictions and certificates.
    """
    return np.asarray(values.argmax(axis=-1))
