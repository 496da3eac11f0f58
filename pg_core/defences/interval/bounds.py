"""Interval bound propagation against patches ([IBP], Chiang et al. 2020), for small networks on small images (theory
§9, Interval bounds).

The pixels of the patch may be anything in [0, 1]; intervals are carried through convolutions and ReLUs to the last
layer, which is merged with the difference of two classes. Networks are arrays here. Not here: their training, see
`pg_core.training.studies.interval`.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Float64, Int

from pg_core.defences.base import Certificate, Claim, DefenceInput, Prediction, labels_of
from pg_core.defences.spec import DefenceConfig, DefenceSpec
from pg_core.evidence.arrays import Labels, Scores, check_maps, first_largest, strongest_rival
from pg_core.evidence.tolerance import Tolerance
from pg_core.geometry import PatchPositions, Size
from pg_core.io.parameters import coerce_fields, non_negative

Images = Float[np.ndarray, "*batch channels height width"]
Activations = Float64[np.ndarray, "*batch channels rows columns"]
Blocks = Float64[np.ndarray, "placement_rows placement_columns channels block_rows block_columns"]

_ROUNDING = 2.0**-40
"""Relative error of a sum of products of some thousand terms in float64, with room to spare."""
_VALUES_AT_A_TIME = 2**22
"""Numbers in one intermediate array, 32 MB."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Convolution:
    """A convolution without padding; a ReLU follows."""

    weights: Float64[np.ndarray, "outputs channels kernel_rows kernel_columns"]
    bias: Float64[np.ndarray, "outputs"]
    stride: int = 1

    def __call__(
        self, values: Activations
    ) -> Float64[np.ndarray, "*batch outputs output_rows output_columns"]:
        """The output before the ReLU."""
        return _convolved(values, self.weights, self.stride) + self.bias[:, None, None]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Dense:
    """A linear layer on all values in the order channels, rows, columns; a ReLU follows all but the last one."""

    weights: Float64[np.ndarray, "outputs inputs"]
    bias: Float64[np.ndarray, "outputs"]

    def __call__(self, values: Float64[np.ndarray, "*batch inputs"]) -> Float64[np.ndarray, "*batch outputs"]:
        """The output before the ReLU."""
        return values @ self.weights.T + self.bias


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Layers:
    """A network on pixels in [0, 1] as arrays: convolutions, then at least one linear layer. `name` has to identify
    the weights: settings and caches know the network by it."""

    name: str
    image_size: Size
    convolutions: tuple[Convolution, ...]
    dense: tuple[Dense, ...]

    @property
    def classes(self) -> int:
        return len(self.dense[-1].bias)

    @property
    def channels(self) -> int:
        """The number of channels of its images."""
        if self.convolutions:
            return self.convolutions[0].weights.shape[1]
        return self.dense[0].weights.shape[1] // math.prod(self.image_size)

    def __call__(self, pixels: Images) -> Scores:
        """Logits, in float64, of pixels in [0, 1]."""
        values = np.asarray(pixels, np.float64)
        for convolution in self.convolutions:
            values = np.maximum(convolution(values), 0.0)
        flat = values.reshape(*values.shape[:-3], math.prod(values.shape[-3:]))
        for dense in self.dense[:-1]:
            flat = np.maximum(dense(flat), 0.0)
        return self.dense[-1](flat)

    def __repr__(self) -> str:
        height, width = self.image_size
        return f"Layers({self.name}, {self.classes} classes, {height}x{width} pixels)"


@dataclass(frozen=True, slots=True)
class IntervalBounds:
    """The undefended prediction of a network, certified by intervals at every placement of a patch of `patch_size`
    pixels.

    Prediction and certificate are about the network in float64, its `Layers`; the float32 network that they were made
    of rounds otherwise, and nothing is claimed about it. Raises ValueError for a patch that does not fit into the
    image.
    """

    claim: ClassVar[Claim] = Claim.LABEL
    network: Layers
    patch_size: Size

    def __post_init__(self) -> None:
        coerce_fields(self)
        if self.network.classes < 2:
            raise ValueError(f"expected a network of at least two classes, got {self.network.classes}")
        if not all(1 <= p <= n for p, n in zip(self.patch_size, self.network.image_size, strict=True)):
            raise ValueError(
                f"expected a patch within {self.network.image_size} pixels, got {self.patch_size}"
            )

    def __str__(self) -> str:
        height, width = self.patch_size
        return f"interval bounds of {self.network.name} in float64, patches of {height}x{width} pixels"

    def predict(self, pixels: Images) -> Prediction:
        """The largest logit; the lowest class on ties."""
        logits = self.network(self._checked(pixels))
        return Prediction(first_largest(logits), logits)

    def certify(self, pixels: Images, label: Labels | int | None = None, delta: float = 0.0) -> Certificate:
        """lower bounds the difference of the logits of label and rival from below, for the rival with the least bound;
        upper is 0.

        The tolerance covers an error of delta in every pixel, and the rounding of float64.
        """
        predicted = self.predict(pixels).label
        labels = labels_of(predicted, label, self.network.classes)
        positions = PatchPositions(self.network.image_size, self.patch_size)
        flat = np.asarray(pixels, np.float64).reshape(labels.size, *pixels.shape[-3:])
        leads = np.empty((len(flat), self.network.classes, *positions.shape))
        for image, own, lead in zip(flat, labels.reshape(-1), leads, strict=True):
            lead[:] = _least_leads(self.network, image, int(own), self.patch_size)
        least, rival = strongest_rival(-leads.reshape(*labels.shape, *leads.shape[1:]), labels)
        error = _error(self.network, delta)
        return Certificate(
            claim=self.claim,
            positions=positions,
            label=labels,
            prediction=predicted,
            lower=-least,
            upper=np.zeros(least.shape),
            rival=rival,
            tolerance=Tolerance(2 * (error[labels] + error.max())).spread(least.shape),
        )

    def _checked(self, pixels: Images) -> Images:
        check_maps(pixels, "pixels", ("channels", "height", "width"), least_classes=1)
        if pixels.shape[-2:] != self.network.image_size:
            raise ValueError(f"expected images of {self.network.image_size} pixels, got {pixels.shape[-2:]}")
        if pixels.shape[-3] != self.network.channels:
            raise ValueError(f"expected images of {self.network.channels} channels, got {pixels.shape[-3]}")
        if not ((pixels >= 0) & (pixels <= 1)).all():
            raise ValueError(f"expected pixels in [0, 1], got {pixels.min():g} to {pixels.max():g}")
        return pixels


@dataclass(frozen=True, slots=True, eq=False)
class _Spread:
    """What a patch can reach of a layer, for every placement: intervals in a block whose top left is at `tops` of
    its placement row and `lefts` of its column, and the clean activations everywhere else."""

    clean: Float64[np.ndarray, "channels rows columns"]
    tops: Int[np.ndarray, "placement_rows"]
    lefts: Int[np.ndarray, "placement_columns"]
    lower: Blocks
    upper: Blocks

    def through(self, layer: Convolution) -> "_Spread":
        """The same after a convolution and the ReLU. The block is the window that contains all outputs which see
        the block before, so it stays small as long as the receptive field does."""
        clean = np.maximum(layer(self.clean), 0.0)
        places = []
        for axis, starts in enumerate((self.tops, self.lefts)):
            kernel, stride = layer.weights.shape[2 + axis], layer.stride
            outputs = clean.shape[1 + axis]
            size = min(-(-(self.lower.shape[3 + axis] + kernel - 1) // stride), outputs)
            first = np.clip(-(-(starts - kernel + 1) // stride), 0, outputs - size)
            places.append((first, first * stride, (size - 1) * stride + kernel))
        (tops, rows, height), (lefts, columns, width) = places
        lower, upper = self.around(rows, height, columns, width)
        middle, reach = (lower + upper) / 2, (upper - lower) / 2
        middle = layer(middle)
        reach = _convolved(reach, np.abs(layer.weights), layer.stride)
        return _Spread(clean, tops, lefts, np.maximum(middle - reach, 0.0), np.maximum(middle + reach, 0.0))

    def around(
        self,
        rows: Int[np.ndarray, "placement_rows"],
        height: int,
        columns: Int[np.ndarray, "placement_columns"],
        width: int,
    ) -> tuple[Blocks, Blocks]:
        """The least and the largest activations in a box of the layer, at its own place for every placement."""
        at_rows, at_columns = rows[:, None] + np.arange(height), columns[:, None] + np.arange(width)
        clean = self.clean[:, at_rows[:, None, :, None], at_columns[:, None]]
        down, across = at_rows - self.tops[:, None], at_columns - self.lefts[:, None]
        tall, wide = self.lower.shape[-2:]
        inside = ((down >= 0) & (down < tall))[:, None, :, None] & ((across >= 0) & (across < wide))[:, None]
        index = (
            np.arange(len(rows))[:, None, None, None],
            np.arange(len(columns))[:, None, None],
            slice(None),
            np.clip(down, 0, tall - 1)[:, None, :, None],
            np.clip(across, 0, wide - 1)[:, None],
        )
        clean = np.moveaxis(clean, 0, 2)
        lower, upper = (
            np.where(inside[:, :, None], np.moveaxis(block[index], -1, 2), clean)
            for block in (self.lower, self.upper)
        )
        return lower, upper

    def parts(self) -> Iterator[tuple[slice, "_Spread"]]:
        """Some rows of placements at a time, so that all activations of each fit in memory."""
        step = max(1, _VALUES_AT_A_TIME // (self.clean.size * len(self.lefts)))
        for first in range(0, len(self.tops), step):
            part = slice(first, first + step)
            yield part, _Spread(self.clean, self.tops[part], self.lefts, self.lower[part], self.upper[part])


def _least_leads(
    network: Layers, pixels: Float64[np.ndarray, "channels height width"], label: int, patch_size: Size
) -> Float64[np.ndarray, "classes placement_rows placement_columns"]:
    """The least that the label's logit can exceed each class's by, over all contents of the patch."""
    rows, columns = (np.arange(n - p + 1) for n, p in zip(network.image_size, patch_size, strict=True))
    anything = np.ones((len(rows), len(columns), len(pixels), *patch_size))
    spread = _Spread(pixels, rows, columns, 0.0 * anything, anything)
    for convolution in network.convolutions:
        spread = spread.through(convolution)
    last = network.dense[-1]
    merged = Dense(last.weights[label] - last.weights, last.bias[label] - last.bias)
    height, width = spread.clean.shape[1:]
    leads = np.empty((len(rows), len(columns), network.classes))
    for part, some in spread.parts():
        whole = np.zeros_like(some.tops), height, np.zeros_like(some.lefts), width
        lower, upper = (values.reshape(*values.shape[:2], -1) for values in some.around(*whole))
        for dense in network.dense[:-1]:
            middle, reach = dense((lower + upper) / 2), (upper - lower) / 2 @ np.abs(dense.weights).T
            lower, upper = np.maximum(middle - reach, 0.0), np.maximum(middle + reach, 0.0)
        leads[part] = merged((lower + upper) / 2) - (upper - lower) / 2 @ np.abs(merged.weights).T
    return np.moveaxis(leads, -1, 0)


def _error(network: Layers, delta: float) -> Float64[np.ndarray, "classes"]:
    """By how much a logit can be off if each pixel in [0, 1] is off by delta, and every layer rounds."""
    delta = non_negative(delta, "delta")
    channels = (network.convolutions[0].weights.shape[1],) if network.convolutions else ()
    size = (*channels, *network.image_size) if channels else (network.dense[0].weights.shape[1],)
    largest, error = np.ones(size), np.full(size, delta)
    for convolution in network.convolutions:
        bound = Convolution(np.abs(convolution.weights), np.abs(convolution.bias), convolution.stride)
        largest, error = bound(largest), _convolved(error, bound.weights, bound.stride)
        error += _ROUNDING * largest
    largest, error = largest.ravel(), error.ravel()
    for dense in network.dense:
        weights = np.abs(dense.weights)
        largest, error = weights @ largest + np.abs(dense.bias), weights @ error
        error += _ROUNDING * largest
    return error


def _convolved(
    values: Float64[np.ndarray, "*batch channels rows columns"],
    weights: Float64[np.ndarray, "outputs channels kernel_rows kernel_columns"],
    stride: int,
) -> Float64[np.ndarray, "*batch outputs output_rows output_columns"]:
    fields = np.lib.stride_tricks.sliding_window_view(values, weights.shape[2:], axis=(-2, -1))
    fields = fields[..., ::stride, ::stride, :, :]
    sums = np.tensordot(fields, weights, axes=((-5, -2, -1), (1, 2, 3)))
    return np.moveaxis(sums, -1, -3)


def _build(config: DefenceConfig) -> IntervalBounds:
    if not isinstance(config.network, Layers):
        raise ValueError("interval bounds need the layers of a small network that was trained for them")
    return IntervalBounds(config.network, config.patch_size)


SPEC = DefenceSpec(
    "interval",
    "IBP (interval bounds, float64)",
    "The network is computed on intervals that hold whatever the patch may show.",
    DefenceInput.PIXELS,
    _build,
    lambda defence: isinstance(defence, IntervalBounds),
    "the least lead of '{label}' over '{rival}', whatever the pixels of the patch",
    "0: the label must be ahead",
)
