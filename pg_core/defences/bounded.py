"""Bounded evidence: clipped BagNet ([CBN]) and other types of bounded evidence, by one certificate (theory §9, Bounded
evidence; derived).

The evidence of a cell lies in [lo, hi], so that a window w moves no sum by more than |w|(hi - lo). Not here: votes of
bands, which are counted, see `pg_core.defences.smoothing`.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

import numpy as np
from jaxtyping import Float64

from pg_core.defences.base import Certificate, Claim, DefenceInput, Prediction, labels_of
from pg_core.defences.ranks import ranked
from pg_core.defences.spec import CLIP_HIGH, EVIDENCE, DefenceConfig, DefenceSpec, Term, Waterfall
from pg_core.evidence.arrays import (
    EvidenceMap,
    Labels,
    LocalLogits,
    check_maps,
    first_largest,
    of_label,
    strongest_rival,
)
from pg_core.evidence.grid import clip, scale
from pg_core.evidence.tolerance import Tolerance
from pg_core.evidence.types import EvidenceType
from pg_core.geometry import Size, Windows, cells
from pg_core.io.parameters import coerce_fields

SLOPE, SHIFT = 0.05, -1.0
"""Of the published clipping function tanh(0.05 u - 1), whose range is [-1, 1]."""


class Squashing(StrEnum):
    """What makes the evidence of a location bounded."""

    TANH = "tanh"
    """tanh(0.05 u - 1) of the logit, in [-1, 1] (clipped BagNet)."""
    CLIP = "clip"
    """Logits clipped to [0, c_h], confidences or votes."""


@dataclass(frozen=True, slots=True)
class BoundedEvidence:
    """The class with the largest mean of bounded evidence; nothing is masked.

    window_size is k in features; wrapping is for maps of column bands. TANH is for logits without clip_high; CLIP
    needs a finite range: logits with clip_high = c_h, or confidences or votes, which end at 1 if c_h does not end them
    before. Raises ValueError for other combinations.
    """

    claim: ClassVar[Claim] = Claim.LABEL
    window_size: Size
    squashing: Squashing = Squashing.TANH
    evidence: EvidenceType = EvidenceType.LOGITS
    clip_high: float = math.inf
    wrapping: bool = False

    def __post_init__(self) -> None:
        coerce_fields(self)
        if min(self.window_size) < 1:
            raise ValueError(f"expected a window of at least 1x1 features, got {self.window_size}")
        scale((1, 1), self.evidence, self.clip_high)
        unclipped = math.isinf(self.clip_high)
        if self.squashing is Squashing.TANH and not (unclipped and self.evidence == EvidenceType.LOGITS):
            raise ValueError(
                f"expected logits without clip_high for tanh, got {self.evidence} and {self.clip_high}"
            )
        if self.squashing is Squashing.CLIP and unclipped and not self.evidence.bounded:
            raise ValueError("expected a finite clip_high for logits, got inf: nothing would be bounded")

    def __str__(self) -> str:
        height, width = self.window_size
        clipped = "" if math.isinf(self.clip_high) else f" clipped at {self.clip_high:g}"
        what = f"tanh({SLOPE:g} u - 1)" if self.squashing is Squashing.TANH else f"{self.evidence}{clipped}"
        return f"mean of bounded evidence, {what}, {height}x{width} windows"

    def squash(self, local_logits: LocalLogits) -> Float64[np.ndarray, "*batch classes rows columns"]:
        """The bounded evidence, on the grid of `clip`, so that all sums are exact."""
        check_maps(local_logits)
        if self.squashing is Squashing.CLIP:
            return clip(local_logits, self.evidence, self.clip_high)
        values = np.tanh(SLOPE * np.asarray(local_logits, np.float64) + SHIFT)
        _, step = self._scale(_map_size(local_logits))
        return np.rint(values / step) * step

    def range(self, map_size: Size) -> tuple[float, float]:
        """The least and the largest value of bounded evidence, on the grid of a map of this size."""
        top, step = self._scale(map_size)
        high = float(np.rint(top / step) * step)
        return (-high if self.squashing is Squashing.TANH else 0.0), high

    def predict(self, local_logits: LocalLogits) -> Prediction:
        """The largest mean; the lowest class on ties."""
        return self.predicted(self.squash(local_logits))

    def certify(
        self, local_logits: LocalLogits, label: Labels | int | None = None, delta: float = 0.0
    ) -> Certificate:
        """lower is the label's sum with the least value in every cell of w, upper the rival's with the largest, which
        an adversary in feature space attains: certified iff SUM((v_y - v_c) ⊙ (1 - w)) > |w| R for all c."""
        values = self.squash(local_logits)
        predicted = self.predicted(values)
        labels = labels_of(predicted.label, label, values.shape[-3])
        windows = Windows(_map_size(values), self.window_size, self.wrapping)
        outside = values.sum(axis=(-2, -1))[..., None, None] - windows.sums(values)
        best, rival = strongest_rival(outside, labels)
        least, most = self.range(windows.map_size)
        cells = windows.window_size[0] * windows.window_size[1]
        certificate = Certificate(
            claim=self.claim,
            positions=windows,
            label=labels,
            prediction=predicted.label,
            lower=of_label(outside, labels) + cells * least,
            upper=best + cells * most,
            rival=rival,
            tolerance=self._tolerance(local_logits, delta).spread(best.shape),
        )
        return ranked(certificate, predicted.scores, outside + cells * most)

    def predicted(self, values: Float64[np.ndarray, "*batch classes rows columns"]) -> Prediction:
        """The same as `predict` on evidence that is bounded already."""
        sums = values.sum(axis=(-2, -1))
        return Prediction(first_largest(sums), sums)

    def _scale(self, map_size: Size) -> tuple[float, float]:
        squashed = self.squashing is Squashing.TANH
        # tanh has the range of a confidence, but for its sign.
        return scale(map_size, EvidenceType.CONFIDENCE if squashed else self.evidence, self.clip_high)

    def _tolerance(self, local_logits: LocalLogits, delta: float) -> Tolerance:
        if self.squashing is Squashing.CLIP:
            return Tolerance.of_evidence(local_logits, self.evidence, self.clip_high, delta)
        return Tolerance.of_evidence(local_logits, EvidenceType.CONFIDENCE, math.inf, SLOPE * delta)


def _map_size(local_logits: LocalLogits) -> Size:
    rows, columns = local_logits.shape[-2:]
    return rows, columns


def _explained(
    defence: BoundedEvidence,
    local_logits: LocalLogits,
    prediction: Prediction,
    certificate: Certificate,
    position: tuple[int, int],
) -> tuple[Waterfall, Waterfall]:
    values, windows = defence.squash(local_logits), certificate.windows
    count = windows.window_size[0] * windows.window_size[1]
    sides = zip(
        (int(certificate.label), int(certificate.rival[position])),
        ("lower", "upper"),
        ("least", "most"),
        defence.range(windows.map_size),
        (certificate.lower, certificate.upper),
        strict=True,
    )
    falls = []
    for label, end, what, value, bound in sides:
        total, inside = float(values[label].sum()), float(windows.sums(values[label])[position])
        terms = (
            Term("all: SUM(v)", total, total=True),
            Term("inside w", -inside),
            Term(f"the {what} in w", count * value),
            Term(end, float(bound[position]), total=True),
        )
        falls.append(Waterfall(label, terms))
    return falls[0], falls[1]


def _witness(
    defence: BoundedEvidence,
    local_logits: LocalLogits,
    prediction: Prediction,
    certificate: Certificate,
    position: tuple[int, int],
) -> Prediction:
    """The window is all the rival's: the most for it, and the least for all others."""
    attacked, windows = defence.squash(local_logits), certificate.windows
    inside = cells(windows.window(*position), windows.map_size)
    least, most = defence.range(windows.map_size)
    attacked[..., *inside] = least
    attacked[int(certificate.rival[position])][inside] = most
    return defence.predicted(attacked)


def _squashed(defence: BoundedEvidence, local_logits: LocalLogits) -> EvidenceMap:
    return defence.squash(local_logits)


def _build(config: DefenceConfig) -> BoundedEvidence:
    evidence, clip_high = config.evidence_type, config.clip_high
    unbounded = not evidence.bounded and math.isinf(clip_high)
    squashing = Squashing.TANH if unbounded else Squashing.CLIP
    return BoundedEvidence(
        config.window_size, squashing, evidence, clip_high, config.receptive_field.wrapping
    )


SPEC = DefenceSpec(
    "clipping",
    "CBN (bounded evidence)",
    "The class with the largest mean of evidence that is bounded in each cell; nothing is masked.",
    DefenceInput.LOCAL_LOGITS,
    _build,
    lambda defence: isinstance(defence, BoundedEvidence),
    "'{label}' outside the window, and the least value that evidence can have in each of its cells",
    "'{rival}' outside the window, and the largest value in each of its cells",
    (EVIDENCE, CLIP_HIGH),
    evidence=_squashed,
    explained=_explained,
    witness=_witness,
    ranks=lambda defence: True,
)
