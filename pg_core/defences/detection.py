"""PatchGuard++ ([PG++], Xiang and Mittal 2021): a patch that changes the prediction raises an alert (theory §9,
PatchGuard++).

Every window is masked in turn; with the one that hides the patch the prediction is that without a patch. An alert on a
clean image counts as wrong. Not here: what to do after an alert.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float64

from pg_core.defences.base import ALERT, Certificate, Claim, DefenceInput, Prediction, labels_of
from pg_core.defences.spec import DefenceConfig, DefenceSpec, Parameter, Term, Waterfall
from pg_core.evidence.arrays import (
    EvidenceMap,
    Labels,
    LocalLogits,
    WindowFlags,
    WindowLabels,
    WindowValues,
    check_maps,
    first_largest,
    of_label,
    strongest_rival,
)
from pg_core.evidence.grid import scale
from pg_core.evidence.tolerance import Tolerance
from pg_core.evidence.types import CEILING, EvidenceType
from pg_core.geometry import Box, Size, Windows, cells
from pg_core.io.parameters import coerce_fields, non_negative

_ROUNDING = 2.0**-50
"""Relative error of an exponential; sums of them are taken in any order."""

MaskedLogits = Float64[np.ndarray, "*batch classes window_rows window_columns"]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Detection(Prediction):
    """The predictions with each window masked. `scores` are the means of the local logits and `undefended` the class
    with the largest; `label` is the same or `ALERT`. For each window: the class predicted without it (`masked`), the
    logarithm of its confidence, and whether this contradicts the undefended class with confidence above τ
    (`alerts`)."""

    windows: Windows
    undefended: Labels
    masked: WindowLabels
    log_confidence: WindowValues
    alerts: WindowFlags


@dataclass(frozen=True, slots=True)
class MaskedDetection:
    """The class of the largest mean, or an alert if a masked window predicts another one with confidence above τ.

    window_size is k in features, alert_threshold τ in [0, 1]. Local logits beyond ±`CEILING` are clipped, and all are
    rounded to a grid on which sums are exact, so that masked values leave no rounding error behind, however large.
    Raises ValueError for τ outside [0, 1].
    """

    claim: ClassVar[Claim] = Claim.LABEL_OR_ALERT
    window_size: Size
    alert_threshold: float = 0.5
    wrapping: bool = False

    def __post_init__(self) -> None:
        coerce_fields(self)
        if min(self.window_size) < 1:
            raise ValueError(f"expected a window of at least 1x1 features, got {self.window_size}")
        if not 0 <= self.alert_threshold <= 1:
            raise ValueError(f"expected 0 <= alert_threshold <= 1, got {self.alert_threshold}")

    def __str__(self) -> str:
        height, width = self.window_size
        return (
            f"detection by masked {height}x{width} windows, alert above confidence {self.alert_threshold:g}"
        )

    def predict(self, local_logits: LocalLogits) -> Detection:
        """The class with the largest mean, or an alert; ties go to the lowest class, with each mask and without."""
        return self._detected(*self._masked(local_logits))

    def certify(
        self, local_logits: LocalLogits, label: Labels | int | None = None, delta: float = 0.0
    ) -> Certificate:
        """lower is the logarithm of the label's confidence without the window, upper that of τ or of the rival's
        confidence, if it is larger: certified iff every masked window predicts the label with confidence above τ.

        A patch in the window then leaves this prediction, so it cannot bring about another class without an alert.
        The label defaults to the undefended class.
        """
        windows, values, masked = self._masked(local_logits)
        detection = self._detected(windows, values, masked)
        labels = labels_of(detection.undefended, label, values.shape[-3])
        best, rival = strongest_rival(masked, labels)
        lower = _log_confidence(masked, of_label(masked, labels))
        log_threshold = math.log(self.alert_threshold) if self.alert_threshold else -math.inf
        upper = np.maximum(_log_confidence(masked, best), log_threshold)
        delta = non_negative(delta, "delta")
        _, step = scale(windows.map_size, EvidenceType.LOGITS, math.inf)
        tolerance = Tolerance(2 * (delta + step) if delta > 0 else 0.0)
        # Where a confidence is next to 0, its logarithm rounds as the logits do.
        size = np.minimum(np.maximum(np.abs(lower), np.abs(upper)), CEILING)
        return Certificate(
            claim=self.claim,
            positions=windows,
            label=labels,
            prediction=detection.label,
            lower=lower,
            upper=upper,
            rival=rival,
            tolerance=tolerance.spread(size.shape, values.shape[-3] * _ROUNDING * size),
        )

    def on_grid(self, local_logits: LocalLogits) -> Float64[np.ndarray, "*batch classes rows columns"]:
        """Local logits within ±`CEILING`, on the grid on which sums are exact."""
        check_maps(local_logits)
        rows, columns = local_logits.shape[-2:]
        top, step = scale((rows, columns), EvidenceType.LOGITS, math.inf)
        return np.rint(np.clip(np.asarray(local_logits, np.float64), -top, top) / step) * step

    def _masked(
        self, local_logits: LocalLogits
    ) -> tuple[Windows, Float64[np.ndarray, "*batch classes rows columns"], MaskedLogits]:
        """The windows, the local logits on the grid, and the mean logits without each window."""
        values = self.on_grid(local_logits)
        rows, columns = local_logits.shape[-2:]
        windows = Windows((rows, columns), self.window_size, self.wrapping)
        outside = values.sum(axis=(-2, -1))[..., None, None] - windows.sums(values)
        return windows, values, outside / (rows * columns)

    def _detected(
        self,
        windows: Windows,
        values: Float64[np.ndarray, "*batch classes rows columns"],
        masked: MaskedLogits,
    ) -> Detection:
        means = values.sum(axis=(-2, -1)) / (windows.map_size[0] * windows.map_size[1])
        undefended = first_largest(means)
        predicted = first_largest(np.moveaxis(masked, -3, -1))
        confidences = _log_confidence(masked, masked.max(axis=-3))
        log_threshold = math.log(self.alert_threshold) if self.alert_threshold else -math.inf
        alerts = (predicted != undefended[..., None, None]) & (confidences > log_threshold)
        label = np.where(alerts.any(axis=(-2, -1)), ALERT, undefended)
        return Detection(label, means, windows, undefended, predicted, confidences, alerts)


def _log_confidence(masked: MaskedLogits, own: WindowValues) -> WindowValues:
    """log softmax of one of the classes, whose logits are `own`. A confidence of nearly 1 is far from saturated: it is
    minus the sum of the others'."""
    # Beyond this an exponential is infinite, and the confidence 0 in any case.
    relative = np.minimum(masked - own[..., None, :, :], 700.0)
    # Without the class itself, whose 1 would swallow what is small.
    others = np.where(relative == 0.0, 0.0, np.exp(relative)).sum(axis=-3)
    equal = (relative == 0.0).sum(axis=-3) - 1.0
    return -np.log1p(others + equal)


ALERT_THRESHOLD = Parameter(
    "alert_threshold",
    "Alert threshold τ",
    "A masked window that predicts another class with more confidence than this raises an alert. A smaller τ "
    "certifies more, and raises more alerts on clean photos, which count as wrong.",
    0.5,
    0.0,
    1.0,
    0.01,
)


def _explained(
    defence: MaskedDetection,
    local_logits: LocalLogits,
    prediction: Detection,
    certificate: Certificate,
    position: tuple[int, int],
) -> tuple[Waterfall, Waterfall]:
    lower, upper = float(certificate.lower[position]), float(certificate.upper[position])
    log_threshold = math.log(defence.alert_threshold) if defence.alert_threshold else -math.inf
    what = "log τ" if upper == log_threshold else "log confidence without w"
    return (
        Waterfall(
            int(certificate.label),
            (Term("log confidence without w", lower, True), Term("lower", lower, True)),
        ),
        Waterfall(int(certificate.rival[position]), (Term(what, upper, True), Term("upper", upper, True))),
    )


def _witness(
    defence: MaskedDetection,
    local_logits: LocalLogits,
    prediction: Detection,
    certificate: Certificate,
    position: tuple[int, int],
) -> Prediction:
    """The window is all another class's: of the one that is predicted without it, or else of the rival. It then wins
    with every mask but w, under which the photo says what it says."""
    windows, label = certificate.windows, int(certificate.label)
    predicted = int(prediction.masked[position])
    winner = int(certificate.rival[position]) if predicted == label else predicted
    attacked = defence.on_grid(local_logits)
    inside = cells(windows.window(*position), windows.map_size)
    attacked[..., *inside] = -CEILING
    attacked[winner][inside] = CEILING
    return defence.predict(attacked)


def _masked(defence: MaskedDetection, prediction: Detection, label: int) -> tuple[Box, ...]:
    """The windows without which another class is predicted strongly enough for an alert."""
    return tuple(prediction.windows.window(*at) for at in np.argwhere(prediction.alerts).tolist())


def _on_grid(defence: MaskedDetection, local_logits: LocalLogits) -> EvidenceMap:
    return defence.on_grid(local_logits)


def _build(config: DefenceConfig) -> MaskedDetection:
    return MaskedDetection(config.window_size, config[ALERT_THRESHOLD], config.receptive_field.wrapping)


SPEC = DefenceSpec(
    "detection",
    "PatchGuard++ (detection)",
    "Every window is masked in turn; one that makes another class confident raises an alert.",
    DefenceInput.LOCAL_LOGITS,
    _build,
    lambda defence: isinstance(defence, MaskedDetection),
    "log of the confidence in '{label}' without the window",
    "log of τ, or of the confidence in '{rival}' if that is larger",
    (ALERT_THRESHOLD,),
    evidence=_on_grid,
    masked=_masked,
    explained=_explained,
    witness=_witness,
)
