"""Robust masking: [PG] Algorithm 1 (prediction) on local logits, and the defence that it makes (theory §3).

Prediction and certificate share the clipping, the windows and the tie rule. Not here: Algorithm 2, see
`pg_core.defences.patchguard.certificate`; masks larger than the malicious window.
"""

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64, Int

from pg_core.defences.base import Claim, Prediction, labels_of
from pg_core.defences.patchguard.certificate import Bound, MaskingCertificate, certify_windows, sharpened
from pg_core.defences.ranks import ranked
from pg_core.evidence.arrays import EvidenceMap, Labels, LocalLogits, check_maps, first_largest
from pg_core.evidence.grid import clip, scale
from pg_core.evidence.tolerance import EXACT, Tolerance
from pg_core.evidence.types import EvidenceType
from pg_core.geometry import ReceptiveField, Size, Window, Windows
from pg_core.io.parameters import coerce_fields, shown


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Masking(Prediction):
    """The result of Algorithm 1 with its intermediate values, with or without *batch.

    `detected` is the flat position in W of the window removed from each class, -1 where none passes T; `scores` are
    the sums of the evidence that is left; `window_sums` those of the evidence in each window.
    """

    windows: Windows
    evidence: EvidenceMap
    window_sums: Float64[np.ndarray, "*batch classes window_rows window_columns"]
    detected: Int[np.ndarray, "*batch classes"]

    def window(self, label: int) -> Window | None:
        """The window detected and removed for a class of one image; None if there is none."""
        index = int(self.detected[label])
        return None if index < 0 else self.windows.at(index)

    def __repr__(self) -> str:
        return (
            f"Masking(evidence {self.evidence.shape}, windows {self.windows.window_size}, label {self.label})"
        )


@runtime_checkable
class ForPatches(Protocol):
    """The properties of a network that `RobustMasking.for_patch` uses."""

    @property
    def receptive_field(self) -> ReceptiveField: ...

    @property
    def evidence(self) -> EvidenceType: ...


@dataclass(frozen=True, slots=True)
class RobustMasking:
    """PatchGuard's defence: for each class, remove the window with suspiciously much evidence.

    window_size is k in features (`ReceptiveField.window_size` gives it for a patch); threshold is T in [0, 1);
    clip_high is c_h > 0, and c_l = 0, which the proof needs; wrapping is for maps of column bands (Mask-DS). Raises
    ValueError for values out of range.
    """

    window_size: Size
    threshold: float = 0.0
    evidence: EvidenceType = EvidenceType.LOGITS
    clip_high: float = math.inf
    bound: Bound = Bound.SOUND
    wrapping: bool = False

    def __post_init__(self) -> None:
        coerce_fields(self)
        if min(self.window_size) < 1:
            raise ValueError(f"expected a window of at least 1x1 features, got {self.window_size}")
        if not 0 <= self.threshold < 1:
            raise ValueError(f"expected 0 <= threshold < 1, got {self.threshold}")
        scale((1, 1), self.evidence, self.clip_high)

    @classmethod
    def for_patch(cls, network: ForPatches, patch_size: Size) -> "RobustMasking":
        """Robust masking for a network, and for patches of so many pixels (height, width) of the image that it
        sees: its windows, its evidence, and whether they wrap around. Other settings by `dataclasses.replace`."""
        field = network.receptive_field
        return cls(field.window_size(patch_size), evidence=network.evidence, wrapping=field.wrapping)

    @property
    def claim(self) -> Claim:
        """What certificates claim: nothing by the published bound at T > 0, for which it is wrong."""
        return self.bound.claim(self.threshold)

    @property
    def attained(self) -> bool:
        """Whether an adversary in feature space attains both bounds of every window at once (theory §6)."""
        tight = self.bound is Bound.TIGHT and not self.evidence.shared and not self.evidence.whole
        return self.threshold == 0 or tight

    def __str__(self) -> str:
        height, width = self.window_size
        clipped = "" if math.isinf(self.clip_high) else f" clipped at {self.clip_high:g}"
        wraps = " wrapping" if self.wrapping else ""
        return (
            f"robust masking of {height}x{width}{wraps} windows, T = {self.threshold:g}, {self.evidence}{clipped}, "
            f"{self.bound} bound"
        )

    def predict(self, local_logits: LocalLogits) -> Masking:
        """[PG] Algorithm 1: each class loses its largest window if that holds more than T of its evidence."""
        check_maps(local_logits)
        return self.mask(clip(local_logits, self.evidence, self.clip_high))

    def mask(self, evidence: EvidenceMap) -> Masking:
        """The same on evidence that is clipped already, as `clip` gives it or an adversary in feature space."""
        check_maps(evidence, "evidence", least_classes=1)
        windows = Windows(_map_size(evidence), self.window_size, self.wrapping)
        sums = windows.sums(evidence)
        flat = sums.reshape(*sums.shape[:-2], windows.count)
        index = first_largest(flat)
        largest = np.take_along_axis(flat, index[..., None], axis=-1)[..., 0]
        total = evidence.sum(axis=(-2, -1))
        found = largest > self.threshold * total
        scores = total - np.where(found, largest, 0.0)
        return Masking(first_largest(scores), scores, windows, evidence, sums, np.where(found, index, -1))

    def certify(
        self, local_logits: LocalLogits, label: Labels | int | None = None, delta: float = 0.0
    ) -> MaskingCertificate:
        """[PG] Algorithm 2: bounds on the scores under any content of each malicious window.

        label defaults to the defended prediction; delta >= 0 is the largest error of a local logit by the network's
        arithmetic (theory §5, Numerics), 0 for exact maps.
        """
        return self.certify_masking(self.predict(local_logits), label, self.tolerance(local_logits, delta))

    def certify_masking(
        self, masking: Masking, label: Labels | int | None = None, tolerance: Tolerance = EXACT
    ) -> MaskingCertificate:
        """The same for a result of `predict` or `mask`, with the tolerance that `tolerance` gives; raises ValueError
        for anything else."""
        if not isinstance(masking, Masking):
            raise ValueError(f"expected what `predict` or `mask` gave, got {type(masking).__name__}")
        if not isinstance(tolerance, Tolerance):
            raise ValueError(f"expected a Tolerance, as `tolerance` gives it, got {shown(tolerance)}")
        windows, evidence = masking.windows, masking.evidence
        labels = labels_of(masking.label, label, evidence.shape[-3])
        outside = evidence.sum(axis=(-2, -1))[..., None, None] - masking.window_sums
        tolerance = tolerance.of_batch(labels.shape)
        certificate = certify_windows(
            windows, evidence, outside, labels, masking.label, self.threshold, self.bound, tolerance
        )
        if self.bound is Bound.TIGHT and self.threshold > 0:
            top, whole = self.top(windows.map_size), self.evidence.whole
            return sharpened(certificate, evidence, outside, self.threshold, top, whole, tolerance)
        return certificate if self.threshold else ranked(certificate, masking.scores, outside)

    def tolerance(self, local_logits: LocalLogits, delta: float) -> Tolerance:
        """By how much an error of `delta` in every local logit can move a margin.

        Both bounds are sums over at most all cells, the upper one divided by 1 - T: at T = 0 this is
        2 * rows * cols * delta.
        """
        times = 1 + 1 / (1 - self.threshold)
        return Tolerance.of_evidence(local_logits, self.evidence, self.clip_high, delta, times)

    def top(self, map_size: Size) -> float:
        """The largest value that evidence takes on a map of this size: c_h on the grid."""
        top, step = scale(map_size, self.evidence, self.clip_high)
        return float(np.rint(top / step) * step)


def _map_size(local_logits: LocalLogits) -> Size:
    rows, columns = local_logits.shape[-2:]
    return rows, columns
