"""Double masking, as in PatchCleanser ([PC]), on evidence instead of pixels (theory §9, Double masking on features).

A network with a small receptive field need not run again for a mask: the masked evidence is subtracted from the sums,
so that every window of Equation 1 can be a mask. PatchCURE ([CURE]) masks features likewise. The certificate of each
window, and that it is never less than that of robust masking at T = 0, are derived.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float64, Int

from pg_core.defences.base import Certificate, Claim, DefenceInput, Prediction, labels_of
from pg_core.defences.patchcleanser.pixels import DoubleMasking
from pg_core.defences.patchcleanser.rounds import masked, two_rounds
from pg_core.defences.spec import CLIP_HIGH, EVIDENCE, DefenceConfig, DefenceSpec, Term, Waterfall
from pg_core.evidence.arrays import EvidenceMap, Labels, LocalLogits, check_maps
from pg_core.evidence.grid import clip, scale
from pg_core.evidence.tolerance import Tolerance
from pg_core.evidence.types import EvidenceType
from pg_core.geometry import Size, Window, Windows, cells
from pg_core.io.parameters import coerce_fields


@dataclass(frozen=True, slots=True)
class FeatureMasking:
    """The prediction of two rounds of masks, which are all windows of W; one of them hides the patch.

    Without window i a class has SUM(û_c ⊙ (1 - i)), and the class with most is predicted, the lowest one on ties;
    without two windows likewise. If all single masks agree, that is the class; else that of the first disagreer with
    the majority whose class every second mask leaves; else the majority's. window_size is k in features; clip_high is
    c_h > 0; wrapping is for maps of column bands. Raises ValueError for values out of range.
    """

    claim: ClassVar[Claim] = Claim.LABEL
    window_size: Size
    evidence: EvidenceType = EvidenceType.LOGITS
    clip_high: float = math.inf
    wrapping: bool = False

    def __post_init__(self) -> None:
        coerce_fields(self)
        if min(self.window_size) < 1:
            raise ValueError(f"expected a window of at least 1x1 features, got {self.window_size}")
        scale((1, 1), self.evidence, self.clip_high)

    def __str__(self) -> str:
        height, width = self.window_size
        clipped = "" if math.isinf(self.clip_high) else f" clipped at {self.clip_high:g}"
        wraps = " wrapping" if self.wrapping else ""
        return f"double masking on features by all {height}x{width}{wraps} windows, {self.evidence}{clipped}"

    def predict(self, local_logits: LocalLogits) -> DoubleMasking:
        """The prediction of both rounds; the second masks are tried on the disagreers only."""
        return self.mask(self.clipped(local_logits))

    def clipped(self, local_logits: LocalLogits) -> EvidenceMap:
        """The clipped evidence û."""
        check_maps(local_logits)
        return clip(local_logits, self.evidence, self.clip_high)

    def mask(self, evidence: EvidenceMap) -> DoubleMasking:
        """The same on evidence that is clipped already, as `clip` gives it or an adversary in feature space."""
        check_maps(evidence, "evidence", least_classes=1)
        return two_rounds(evidence, self._windows(evidence))

    def certify(
        self, local_logits: LocalLogits, label: Labels | int | None = None, delta: float = 0.0
    ) -> Certificate:
        """lower is the label's lead over its rival outside the malicious window w, upper the most of this lead that a
        second mask takes; the rival is the class for which their difference is least.

        Certified iff, for all masks j and classes c != y, SUM((û_y - û_c) ⊙ (1 - w) ⊙ (1 - j)) > 0. Then, whatever w
        holds, the mask w predicts y under every second mask, and as a second mask it contradicts every disagreer of
        another class. Robust masking at T = 0 asks the label to lose two windows and the rival one; here both lose the
        same two, so the margin is never smaller. The margin is exact in feature space only for logits without a finite
        c_h: where it is negative, enough evidence of a rival in every cell of w wins under every mask but w, which j
        contradicts. With a finite range a window of negative margin may have no witness; it is open.
        """
        evidence = self.clipped(local_logits)
        prediction = self.mask(evidence)
        labels = labels_of(prediction.label, label, evidence.shape[-3])
        windows = self._windows(evidence)
        shape = (*labels.shape, *windows.shape)
        lower, upper, rival = np.empty(shape), np.empty(shape), np.empty(shape, int)
        for at in np.ndindex(labels.shape):
            lower[at], upper[at], rival[at] = _least_leads(evidence[at], windows, int(labels[at]))
        tolerance = Tolerance.of_evidence(local_logits, self.evidence, self.clip_high, delta)
        return Certificate(
            claim=self.claim,
            positions=windows,
            label=labels,
            prediction=prediction.label,
            lower=lower,
            upper=upper,
            rival=rival,
            tolerance=tolerance.spread(shape),
        )

    def attacked(self, evidence: EvidenceMap, rival: int, window: Window) -> EvidenceMap:
        """One map in which a malicious window has the largest value of evidence for a rival in every cell, and none
        for the other classes."""
        windows = self._windows(evidence)
        inside = cells(window, windows.map_size)
        attacked = evidence.copy()
        attacked[..., *inside] = 0.0
        top, step = scale(windows.map_size, self.evidence, self.clip_high)
        attacked[rival][inside] = np.rint(top / step) * step
        return attacked

    def attacked_prediction(
        self, evidence: EvidenceMap, label: int, rival: int, window: Window
    ) -> DoubleMasking | None:
        """The prediction of both rounds on one map that is attacked so: a witness if it is not the label, else None.
        Without a finite c_h it is a witness wherever the margin is negative."""
        said = self.mask(self.attacked(evidence, rival, window))
        return None if said.label == label else said

    def _windows(self, evidence: EvidenceMap) -> Windows:
        rows, columns = evidence.shape[-2:]
        return Windows((rows, columns), self.window_size, self.wrapping)


def _least_leads(
    evidence: Float64[np.ndarray, "classes rows columns"], windows: Windows, label: int
) -> tuple[
    Float64[np.ndarray, "window_rows window_columns"],
    Float64[np.ndarray, "window_rows window_columns"],
    Int[np.ndarray, "window_rows window_columns"],
]:
    """The label's lead outside each window, what a second one takes of it, and for which class the rest is least."""
    most, _ = windows.largest_others(evidence[label])
    margin, lower, upper = (np.full(windows.shape, np.inf) for _ in range(3))
    rival = np.full(windows.shape, len(evidence))
    leads = evidence[label] - evidence
    outside = leads.sum(axis=(-2, -1))[:, None, None] - windows.sums(leads)
    # No second mask takes more of a lead than of the label's evidence: beside the strongest rival, which comes first,
    # most classes need not be looked at.
    least = outside - most
    for c in np.argsort(least.min(axis=(-2, -1)), kind="stable").tolist():
        if c == label or (least[c] > margin).all():
            continue
        taken, _ = windows.largest_others(leads[c])
        rest = outside[c] - taken
        nearer = (rest < margin) | ((rest == margin) & (c < rival))
        margin[nearer], lower[nearer], upper[nearer] = rest[nearer], outside[c][nearer], taken[nearer]
        rival[nearer] = c
    return lower, upper, rival


def _explained(
    defence: FeatureMasking,
    local_logits: LocalLogits,
    prediction: DoubleMasking,
    certificate: Certificate,
    position: tuple[int, int],
) -> tuple[Waterfall, Waterfall]:
    """The label's lead over its rival, and what a second window takes of it."""
    evidence, windows = defence.clipped(local_logits), certificate.windows
    label, rival = int(certificate.label), int(certificate.rival[position])
    lead = evidence[label] - evidence[rival]
    total, inside = float(lead.sum()), float(windows.sums(lead)[position])
    lower, upper = float(certificate.lower[position]), float(certificate.upper[position])
    return (
        Waterfall(
            label,
            (Term("all: SUM(û_y - û_c)", total, True), Term("inside w", -inside), Term("lower", lower, True)),
        ),
        Waterfall(rival, (Term("the best w' of it", upper, True), Term("upper", upper, True))),
    )


def _witness(
    defence: FeatureMasking,
    local_logits: LocalLogits,
    prediction: DoubleMasking,
    certificate: Certificate,
    position: tuple[int, int],
) -> Prediction | None:
    label, rival = int(certificate.label), int(certificate.rival[position])
    evidence, window = defence.clipped(local_logits), certificate.windows.window(*position)
    return defence.attacked_prediction(evidence, label, rival, window)


def _clipped(defence: FeatureMasking, local_logits: LocalLogits) -> EvidenceMap:
    return defence.clipped(local_logits)


def _build(config: DefenceConfig) -> FeatureMasking:
    wrapping = config.receptive_field.wrapping
    return FeatureMasking(config.window_size, config.evidence_type, config.clip_high, wrapping)


SPEC = DefenceSpec(
    "feature-masking",
    "double masking on features (ours)",
    "Two rounds of masks, all windows of the map; a class stands if no second mask contradicts it. Derived here.",
    DefenceInput.LOCAL_LOGITS,
    _build,
    lambda defence: isinstance(defence, FeatureMasking),
    "the lead of '{label}' over '{rival}' in evidence outside the window",
    "the most of this lead that the best other window takes, from both",
    (EVIDENCE, CLIP_HIGH),
    evidence=_clipped,
    masked=masked,
    explained=_explained,
    witness=_witness,
)
