"""The shapes of arrays, the check at the door of every defence, and the rule that breaks ties (theory §3).

Shapes are words: *batch, classes, rows, columns (of the feature map), window_rows, window_columns (the positions of a
window on it). Shapes are checked in the tests, and arrays from outside by `check_maps`. Not here: where local logits
come from, see `pg_core.networks`.
"""

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

from pg_core.io.parameters import shown

LocalLogits = Float[np.ndarray, "*batch classes rows columns"]
EvidenceMap = Float64[np.ndarray, "*batch classes rows columns"]
Scores = Float64[np.ndarray, "*batch classes"]
Labels = Int[np.ndarray, "*batch"]
WindowValues = Float64[np.ndarray, "*batch window_rows window_columns"]
WindowLabels = Int[np.ndarray, "*batch window_rows window_columns"]
WindowFlags = Bool[np.ndarray, "*batch window_rows window_columns"]


def check_maps(
    values: object,
    name: str = "local logits",
    axes: tuple[str, str, str] = ("classes", "rows", "columns"),
    least_classes: int = 2,
) -> None:
    """Raise ValueError for anything but a plain array [*batch, classes, rows, columns] of finite real numbers of at
    most 64 bits, with at least `least_classes` classes, one row and one column. A masked array is refused, for its
    mask would be lost. `name` and `axes` are what the error calls the array and its last three axes."""
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
    """The type and shape of a refused value, as an error shows them.

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
    """The largest value at each position among the classes other than the label, and the index of that class, the
    lowest on ties."""
    is_label = np.arange(values.shape[-3]) == labels[..., None]
    by_class = np.moveaxis(np.where(is_label[..., None, None], -np.inf, values), -3, -1)
    rival = first_largest(by_class)
    return np.take_along_axis(by_class, rival[..., None], axis=-1)[..., 0], rival


def first_largest(values: Float64[np.ndarray, "*batch last"]) -> Int[np.ndarray, "*batch"]:
    """The index of the largest value along the last axis, the lowest one on ties.

    The one tie rule of windows (in row-major order) and of classes, in predictions and certificates.
    """
    return np.asarray(values.argmax(axis=-1))
