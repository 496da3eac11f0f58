"""Is a network local? A test of what every certificate rests on (theory §2), for networks that nobody has read.

A patch must change the local logits of its footprint only, not one bit of any other; a cell must not notice that
all it is said not to see is replaced, nor have a gradient there; and it must notice a change of what it sees. This is
a test and no proof: a program made to deceive can pass it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Float32

from pg_core.geometry import Patch, ReceptiveField, Size, Window, cells, times
from pg_core.io.progress import Pace, Report
from pg_core.networks.base import LocalModel, Pixels

LocalLogits = Float32[np.ndarray, "classes rows columns"]


class Differentiable(LocalModel, Protocol):
    """A network with gradients of its local logits by the pixels."""

    def gradient(self, pixels: Pixels, row: int, column: int) -> Float32[np.ndarray, "height width"] | None:
        """The largest derivative of a cell's local logits by each pixel; None where it cannot be had."""


@dataclass(frozen=True, slots=True)
class Locality:
    """The result of the test: `problem` is one sentence, empty if all held; `notes` are sentences for the person who
    tests.

    `compared` counts local logits that had to stay the same and did, bit for bit.
    """

    runs: int
    compared: int
    problem: str = ""
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.problem


class _Broken(Exception):
    """What is wrong, in one sentence."""


def check_locality(network: Differentiable, report: Report | None = None, seed: int = 0) -> Locality:
    """Test a network on noise: its shape and repeatability, patches, cells with all else replaced, gradients."""
    test = _Test(network, np.random.default_rng(seed), report)
    try:
        test.run()
    except _Broken as broken:
        return Locality(test.runs, test.compared, str(broken))
    return Locality(test.runs, test.compared, "", tuple(test.notes))


class _Test:
    """One run of the test; counts what it has done."""

    def __init__(self, network: Differentiable, random: np.random.Generator, report: Report | None) -> None:
        self.network = network
        self.random = random
        self.report = report
        self.runs = 0
        self.compared = 0
        self.notes: list[str] = []
        self.field: ReceptiveField = network.receptive_field
        self.map_size: Size = self.field.map_size(network.image_size)
        rows, columns = self.map_size
        self.cells = sorted({*product({0, rows - 1}, {0, columns - 1}), (rows // 2, columns // 2)})
        self.patches = list(_patches(network.image_size, random))
        whole = sum(self._whole(row, column) is not None for row, column in self.cells)
        self.pace = Pace(2 + len(self.patches) + 4 * len(self.cells) + 4 * whole)

    def run(self) -> None:
        """Raise _Broken at the first thing that does not hold."""
        pixels = self._noise()
        benign = self._logits(pixels)
        if not np.array_equal(self._logits(pixels.copy()), benign):
            raise _Broken(
                "The same image has other local logits the second time: nothing can be proved about chance."
            )
        for patch in self.patches:
            self._patch(pixels, benign, patch)
        silent: set[str] = set()
        for row, column in self.cells:
            self._outside(pixels, benign, row, column)
            silent |= self._inside(pixels, benign, row, column)
        if silent:
            self.notes.append(
                f"No tested cell noticed a change at the {', '.join(sorted(silent))} of its receptive field: if it "
                "is smaller than stated, all certificates hold, but the windows are larger than they need be."
            )

    def _patch(self, pixels: Pixels, benign: LocalLogits, patch: Patch) -> None:
        """A patch changes nothing but its footprint."""
        patched = pixels.copy()
        patched[:, *patch.slices] = self.random.random((3, *patch.size), np.float32)
        kept = np.ones(self.map_size, bool)
        footprint = self.field.footprint(patch, self.map_size)
        if footprint is not None:
            kept[cells(footprint, self.map_size)] = False
        self._same(
            self._logits(patched), benign, kept, f"a patch of {times(patch.size)} pixels at {_at(patch)}"
        )

    def _outside(self, pixels: Pixels, benign: LocalLogits, row: int, column: int) -> None:
        """A cell notices nothing of what it does not see."""
        seen = self.field.seen(Window(row, column, 1, 1), self.network.image_size)
        kept = np.zeros(self.map_size, bool)
        kept[row, column] = True
        for other in (self._noise(), np.where(pixels > 0.5, np.float32(0), np.float32(1))):
            changed = np.where(seen, pixels, other)
            self._same(self._logits(changed), benign, kept, "other pixels than it is said to see")
        gradient = self.network.gradient(pixels, row, column)
        self._step()
        if gradient is None:
            note = "Gradients cannot be had of this network; only perturbations were tested."
            self.notes += [] if note in self.notes else [note]
        elif gradient[~seen].any():
            top, left = np.argwhere((gradient != 0) & ~seen)[0].tolist()
            raise _Broken(
                f"The local logits at row {row}, column {column} have a gradient at pixel row {top}, column {left}, "
                f"which they are said not to see ({self.field})."
            )

    def _inside(self, pixels: Pixels, benign: LocalLogits, row: int, column: int) -> set[str]:
        """A cell notices what it sees; returns the sides of its field where this cell did not."""
        seen = self.field.seen(Window(row, column, 1, 1), self.network.image_size)
        if self._unmoved(pixels, benign, seen, row, column):
            raise _Broken(
                f"The local logits at row {row}, column {column} do not depend on the pixels that they are said to "
                f"see ({self.field})."
            )
        box = self._whole(row, column)
        if box is None:
            return set()
        silent = set()
        for side, edge in (
            ("top", Patch(box.top, box.left, 1, box.width)),
            ("bottom", Patch(box.bottom - 1, box.left, 1, box.width)),
            ("left", Patch(box.top, box.left, box.height, 1)),
            ("right", Patch(box.top, box.right - 1, box.height, 1)),
        ):
            strip = np.zeros(self.network.image_size, bool)
            strip[edge.slices] = True
            if self._unmoved(pixels, benign, strip, row, column):
                silent.add(side)
        return silent

    def _whole(self, row: int, column: int) -> Patch | None:
        """The receptive field of a cell, if it is a box that lies in the image."""
        box = self.field.pixels(Window(row, column, 1, 1))
        height, width = self.network.image_size
        inside = box.top >= 0 and box.left >= 0 and box.bottom <= height and box.right <= width
        return box if inside and not self.field.wrapping else None

    def _unmoved(
        self,
        pixels: Pixels,
        benign: LocalLogits,
        region: Bool[np.ndarray, "height width"],
        row: int,
        column: int,
    ) -> bool:
        changed = self._logits(np.where(region, 1 - pixels, pixels))
        return np.array_equal(changed[:, row, column], benign[:, row, column])

    def _same(
        self, changed: LocalLogits, benign: LocalLogits, kept: Bool[np.ndarray, "rows columns"], what: str
    ) -> None:
        differs = (changed != benign).any(axis=0) & kept
        if differs.any():
            row, column = np.argwhere(differs)[0].tolist()
            largest = float(np.abs(changed - benign)[:, kept].max())
            raise _Broken(
                f"The local logits at row {row}, column {column} are said to see {self.field}, but {what} changed "
                f"them ({int(differs.sum())} of {int(kept.sum())} cells that had to stay the same differ, by up to "
                f"{largest:.3g})."
            )
        self.compared += int(kept.sum()) * len(benign)

    def _logits(self, pixels: Pixels) -> LocalLogits:
        logits = self.network.local_logits(pixels)
        self._step()
        expected = (len(self.network.classes), *self.map_size)
        if logits.shape != expected:
            raise _Broken(
                f"Expected local logits of {expected[0]} classes on a map of {times(self.map_size)} cells, which "
                f"follows from the image and the receptive field ({self.field}); the network gave {logits.shape}."
            )
        if not np.isfinite(logits).all():
            raise _Broken("The network gave local logits that are NaN or infinite.")
        return logits

    def _noise(self) -> Pixels:
        return self.random.random((3, *self.network.image_size), np.float32)

    def _step(self) -> None:
        self.runs += 1
        if self.report is not None:
            self.report(self.pace.progress(self.runs))


def _patches(image_size: Size, random: np.random.Generator) -> Iterator[Patch]:
    """Squares at the corners, in the middle and anywhere, and single pixels anywhere."""
    height, width = image_size
    side = max(1, min(image_size) // 8)
    last = height - side, width - side
    for top, left in (*product((0, last[0]), (0, last[1])), (last[0] // 2, last[1] // 2)):
        yield Patch(top, left, side, side)
    for size in (side, 1):
        for _ in range(2):
            top, left = (int(random.integers(0, n - size + 1)) for n in image_size)
            yield Patch(top, left, size, size)


def _at(patch: Patch) -> str:
    return f"row {patch.top}, column {patch.left}"
