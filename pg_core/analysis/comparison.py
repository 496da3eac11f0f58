"""All defences on one image, beside each other: each with its prediction, its certificate and the time that it took.

They are given the same local logits, of one run of the network. Margins of two defences have different units, so that
only their signs can be compared, and each with itself. Some certify windows of cells, others places of the patch in
pixels: a window is proved by the latter if every place whose footprint lies in it is. A defence that runs the network
again, on masked images, takes part when it is given what came of that.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from pg_core.defences.base import Certificate, Defence, Prediction
from pg_core.defences.patchcleanser.pixels import PairLogits
from pg_core.defences.registry import Fitting, Kind
from pg_core.evidence.arrays import first_largest
from pg_core.geometry import Box, Patch, Window, Windows
from pg_core.io.parameters import coerce_fields, member
from pg_core.photos.inference import LocalFeatures


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Contender:
    """A defence and what it says of the image; `seconds` is what prediction and certificate took here."""

    kind: Kind
    defence: Defence
    prediction: Prediction
    certificate: Certificate
    seconds: float

    def __post_init__(self) -> None:
        coerce_fields(self)

    @property
    def relative(self) -> Float64[np.ndarray, "window_rows window_columns"]:
        """The margins in units of the largest finite one of this defence, without sign: in [-1, 1], and where there
        is no bound at all -1 or 1."""
        margin = self.certificate.margin
        finite = np.abs(margin[np.isfinite(margin)])
        return np.clip(margin / max(float(finite.max(initial=0.0)), 2.0**-1000), -1.0, 1.0)

    def __repr__(self) -> str:
        return f"Contender({self.kind}, {self.certificate!r}, {self.seconds * 1000:.0f} ms)"


@dataclass(frozen=True, slots=True)
class Absent:
    """A defence that does not apply to the network, and why, in a sentence."""

    kind: Kind
    reason: str

    def __post_init__(self) -> None:
        coerce_fields(self)


class Positions(Box):
    """A box of positions of a certificate: of windows, or of the top left pixel of the patch."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, eq=False)
class Lineup:
    """What all defences say of an image, in the order of `Kind`, and those that have nothing to say."""

    features: LocalFeatures
    fitting: Fitting
    contenders: tuple[Contender, ...]
    absent: tuple[Absent, ...] = ()

    @property
    def windows(self) -> Windows:
        """The malicious windows of the map of local logits."""
        field = self.fitting.receptive_field
        return Windows(self.features.map_size, self.fitting.window_size, field.wrapping)

    def positions(self, one: Contender, window: Window) -> Positions | None:
        """Where in the certificate of a defence a malicious window lies: its own position, or all places of the patch
        whose footprint lies in it; None if there is no such place."""
        if one.certificate.windows == self.windows:
            return Positions(window.top, window.left, 1, 1)
        rows, columns = (
            self._placed(axis, first, size, self.windows.shape[axis] == 1)
            for axis, (first, size) in enumerate(((window.top, window.height), (window.left, window.width)))
        )
        if not len(rows) or not len(columns):
            return None
        tall, wide = one.certificate.windows.shape
        top, left = (0 if tall == 1 else int(rows[0])), (0 if wide == 1 else int(columns[0]))
        height = 1 if tall == 1 else int(rows[-1]) - top + 1
        return Positions(top, left, height, 1 if wide == 1 else int(columns[-1]) - left + 1)

    def window_at(self, one: Contender, row: int, column: int) -> Window | None:
        """The malicious window that a position in the certificate of a defence stands for: itself, or the first that
        contains the footprint of a patch there; None if no feature sees that patch."""
        if one.certificate.windows == self.windows:
            return self.windows.window(row, column)
        patch = Patch(row, column, *self.fitting.patch_size)
        footprint = self.fitting.receptive_field.footprint(patch, self.features.map_size)
        return None if footprint is None else self.windows.containing(footprint)

    def worst_at(self, one: Contender, window: Window) -> tuple[int, int] | None:
        """The position with the smallest margin among those of a malicious window."""
        box = self.positions(one, window)
        if box is None:
            return None
        margin = one.certificate.margin[box.top : box.bottom, box.left : box.right]
        row, column = divmod(int(first_largest(-margin.reshape(-1))), margin.shape[1])
        return box.top + row, box.left + column

    def proves(self, one: Contender, window: Window) -> bool:
        """Whether what the certificate of a defence claims is proved for a malicious window."""
        certificate, box = one.certificate, self.positions(one, window)
        if box is None:
            return False
        return bool(certificate.proved[box.top : box.bottom, box.left : box.right].all())

    def differing(self, window: Window) -> tuple[Contender, Contender] | None:
        """The first defence that proves a malicious window, and the first (after the undefended network) that does
        not; None if they agree."""
        proving = [one for one in self.contenders if self.proves(one, window)]
        failing = [one for one in self.contenders if not self.proves(one, window)]
        failing.sort(key=lambda one: one.kind is Kind.UNDEFENDED)
        return (proving[0], failing[0]) if proving and failing else None

    def _placed(self, axis: int, first: int, size: int, whole: bool) -> np.ndarray:
        """Places of the patch along an axis whose footprint lies in [first, first + size) of the map, in a row; of a
        window around the right edge, the longer part."""
        patch, image = self.fitting.patch_size[axis], self.features.framing.image_size[axis]
        starts = np.arange(image - patch + 1)
        if whole:
            return starts
        count = self.features.map_size[axis]
        begin, end = self.fitting.receptive_field.spans(
            np.stack([starts, starts + patch], axis=-1), self.features.map_size, axis
        ).T
        ahead = (begin - first) % count if self.fitting.receptive_field.wrapping else begin - first
        inside = starts[(ahead >= 0) & (ahead + end - begin <= size) & (begin < end)]
        runs = np.split(inside, np.flatnonzero(np.diff(inside) > 1) + 1)
        return max(runs, key=len)


def line_up(
    features: LocalFeatures,
    fitting: Fitting,
    label: str | None = None,
    kinds: Iterable[Kind] = Kind,
    pairs: PairLogits | None = None,
) -> Lineup:
    """Every defence, fitted to the network and the patch, on the local logits of one image, or on its pixels.

    label is the class to certify, by default what each defence predicts; pairs are the logits under pairs of the masks
    of the fitting, if there are any (`pg_core.defences.patchcleanser.inference`). Raises ValueError if the label is no
    class.
    """
    if label is not None and label not in features.classes:
        raise ValueError(f"expected one of the {len(features.classes)} classes, got {label!r}")
    index = None if label is None else features.classes.index(label)
    contenders, absent = [], []
    for kind in [member(Kind, kind) for kind in kinds]:
        try:
            defence = fitting.defence(kind)
        except ValueError as error:
            absent.append(Absent(kind, str(error)))
            continue
        if kind.sees_pairs and pairs is None:
            count = fitting.masks.count
            runs = count * (count + 1) // 2
            absent.append(Absent(kind, f"it needs {runs} more runs of the network, which are started below"))
            continue
        seen, delta = features.local_logits, features.delta
        if kind.sees_pixels:
            seen, delta = features.pixels, 0.0
        elif kind.sees_pairs and pairs is not None:
            seen = pairs
        start = time.perf_counter()
        prediction = defence.predict(seen)
        certificate = defence.certify(seen, label=index, delta=delta)
        contenders.append(Contender(kind, defence, prediction, certificate, time.perf_counter() - start))
    return Lineup(features, fitting, tuple(contenders), tuple(absent))
