"""All defences on one image, beside each other: each with its prediction, its certificate and the time that it took.

They are given the same local logits, of one run of the network. Margins of two defences have different units, so that
only their signs can be compared, and each with itself. It leaves out defences that run the network again.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from pg_core.defences.base import Certificate, Defence, Prediction
from pg_core.defences.catalogue import Fitting, Kind
from pg_core.features import LocalFeatures
from pg_core.geometry import Window


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Contender:
    """A defence and what it says of the image; `seconds` is what prediction and certificate took here."""

    kind: Kind
    defence: Defence
    prediction: Prediction
    certificate: Certificate
    seconds: float

    @property
    def relative(self) -> Float64[np.ndarray, "window_rows window_columns"]:
        """The margins in units of the largest finite one of this defence, without sign: in [-1, 1], and where there
        is no bound at all -1 or 1."""
        margin = self.certificate.margin
        finite = np.abs(margin[np.isfinite(margin)])
        return np.clip(margin / max(float(finite.max(initial=0.0)), 2.0**-1000), -1.0, 1.0)

    def proves(self, window: Window) -> bool:
        """Whether no content of a malicious window can change the prediction, which is the label."""
        certificate, at = self.certificate, (window.top, window.left)
        proved = certificate.margin[at] > certificate.tolerance[at]
        return bool(proved and certificate.prediction == certificate.label and self.defence.sound)

    def __repr__(self) -> str:
        return f"Contender({self.kind}, {self.certificate!r}, {self.seconds * 1000:.0f} ms)"


@dataclass(frozen=True, slots=True)
class Absent:
    """A defence that does not apply to the network, and why, in a sentence."""

    kind: Kind
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Lineup:
    """What all defences say of an image, in the order of `Kind`, and those that have nothing to say."""

    features: LocalFeatures
    contenders: tuple[Contender, ...]
    absent: tuple[Absent, ...]

    def differing(self, window: Window) -> tuple[Contender, Contender] | None:
        """The first defence that proves a malicious window, and the first (after the undefended network) that does
        not; None if they agree."""
        proving = [one for one in self.contenders if one.proves(window)]
        failing = [one for one in self.contenders if not one.proves(window)]
        failing.sort(key=lambda one: one.kind is Kind.UNDEFENDED)
        return (proving[0], failing[0]) if proving and failing else None


def line_up(
    features: LocalFeatures, fitting: Fitting, label: str | None = None, kinds: Iterable[Kind] = Kind
) -> Lineup:
    """Every defence, fitted to the network and the patch, on the local logits of one image.

    label is the class to certify, by default what each defence predicts. Raises ValueError if it is no class.
    """
    if label is not None and label not in features.classes:
        raise ValueError(f"expected one of the {len(features.classes)} classes, got {label!r}")
    index = None if label is None else features.classes.index(label)
    contenders, absent = [], []
    for kind in kinds:
        try:
            defence = fitting.defence(kind)
        except ValueError as error:
            absent.append(Absent(kind, str(error)))
            continue
        start = time.perf_counter()
        prediction = defence.predict(features.local_logits)
        certificate = defence.certify(features.local_logits, label=index, delta=features.delta)
        contenders.append(Contender(kind, defence, prediction, certificate, time.perf_counter() - start))
    return Lineup(features, tuple(contenders), tuple(absent))
