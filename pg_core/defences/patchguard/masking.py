"""Robust masking: [PG] Algorithms 1 (prediction) and 2 (provable analysis) on local logits (theory §3 to §5).

Prediction and certificate share the clipping, the windows and the tie rule. Not here: masks larger than the
malicious window, and the programs behind the tight bound, see `pg_core.defences.patchguard.tight`.
"""

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64, Int

from pg_core.defences.base import Certificate, Claim, Prediction, labels_of
from pg_core.defences.patchguard.tight import PRECISION, Surroundings, least_kept, most_kept
from pg_core.evidence.arrays import (
    EvidenceMap,
    Labels,
    LocalLogits,
    WindowValues,
    check_maps,
    first_largest,
    of_label,
    strongest_rival,
)
from pg_core.evidence.grid import clip, scale
from pg_core.evidence.tolerance import evidence_error
from pg_core.evidence.types import EvidenceType
from pg_core.geometry import ReceptiveField, Size, Window, Windows
from pg_core.io.parameters import coerce_fields, shown


class Bound(StrEnum):
    """How the label's score is bounded from below, and a rival's from above."""

    PUBLISHED = "published"
    """t - m if m > T t, else t ([PG] Algorithm 2 as printed). Wrong for T > 0 (theory §10): for comparison only."""
    SOUND = "sound"
    """t - m if m > T t, else t - m_o (the authors' correction of December 2021)."""
    TIGHT = "tight"
    """As sound, and where that refuses a window at T > 0, the bounds of linear programs: t or t + e* for each rival,
    and only straddling windows that the range of the evidence lets the adversary have detected (theory §6; derived).
    An adversary in feature space attains both at once for logits, with or without c_h. Votes are whole, so that no
    content need attain e*; for confidence and sharpened evidence label and rival want the same cells, and each bound
    is attained alone. At T = 0 the sound bound is attained for every evidence type."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Masking(Prediction):
    """What Algorithm 1 saw and did, with or without *batch.

    `detected` is the flat position in W of the window removed from each class, -1 where none passes T; `scores`
    are the evidence that is left.
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


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class MaskingCertificate(Certificate):
    """The bounds of Algorithm 2 on the scores. `outside` is t, the label's evidence outside the malicious window,
    `other` the most that one other window holds of it (m). `tolerance` is that of theory §5, Numerics:
    where an error within it would lower the bound by a jump, the height of that jump is part of it."""

    outside: WindowValues
    other: WindowValues

    @property
    def worst(self) -> Window:
        """The malicious window with the smallest margin, the first on ties, of one image."""
        return self.windows.window(*self.worst_position)


@runtime_checkable
class ForPatches(Protocol):
    """What `RobustMasking.for_patch` asks of a network."""

    @property
    def receptive_field(self) -> ReceptiveField: ...

    @property
    def evidence(self) -> EvidenceType: ...


@dataclass(frozen=True, slots=True)
class RobustMasking:
    """PatchGuard's defence: for each class, remove the window with suspiciously much evidence.

    window_size is k in features (`ReceptiveField.window_size` gives it for a patch); threshold is T in [0,
    1); clip_high is c_h > 0, and c_l = 0, which the proof needs; wrapping is for maps of column bands (Mask-DS).
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
        return Claim.NOTHING if self.bound is Bound.PUBLISHED and self.threshold > 0 else Claim.LABEL

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

        label defaults to the defended prediction; delta is the largest error of a local logit that the
        network's arithmetic makes (theory §5, Numerics), 0 for exact maps.
        """
        return self.certify_masking(self.predict(local_logits), label, self.tolerance(local_logits, delta))

    def certify_masking(
        self,
        masking: Masking,
        label: Labels | int | None = None,
        tolerance: Float64[np.ndarray, "*batch"] | float = 0.0,
    ) -> MaskingCertificate:
        """The same for what Algorithm 1 has seen already; a margin counts above `tolerance` (>= 0)."""
        if not isinstance(masking, Masking):
            raise ValueError(f"expected what `predict` or `mask` gave, got {type(masking).__name__}")
        labels = labels_of(masking.label, label, masking.evidence.shape[-3])
        outside = masking.evidence.sum(axis=(-2, -1))[..., None, None] - masking.window_sums
        best, rival = strongest_rival(outside, labels)
        upper, own = best / (1 - self.threshold), of_label(outside, labels)
        tolerances = _tolerances(tolerance, labels)
        lower, other, jump = self._lower(masking, labels, own, tolerances[..., None, None])
        # Products with T and quotients by 1 - T round, so that a tie could pass for a margin.
        rounding = 2.0**-50 / (1 - self.threshold) * upper.max(axis=(-2, -1)) if self.threshold else 0.0
        certificate = MaskingCertificate(
            claim=self.claim,
            positions=masking.windows,
            label=labels,
            prediction=masking.label,
            lower=lower,
            upper=upper,
            rival=rival,
            outside=own,
            other=other,
            tolerance=np.asarray(tolerances + rounding)[..., None, None] + jump,
        )
        if self.bound is Bound.TIGHT and self.threshold > 0:
            return self._sharpened(certificate, masking, outside, tolerances, np.asarray(rounding))
        return certificate

    def top(self, map_size: Size) -> float:
        """The largest value that evidence takes on a map of this size: c_h on the grid."""
        top, step = scale(map_size, self.evidence, self.clip_high)
        return float(np.rint(top / step) * step)

    def _sharpened(
        self,
        certificate: MaskingCertificate,
        masking: Masking,
        outside: Float64[np.ndarray, "*batch classes window_rows window_columns"],
        tolerances: Float64[np.ndarray, "*batch"],
        rounding: Float64[np.ndarray, "*batch"],
    ) -> MaskingCertificate:
        """The certificate with what the adversary attains in the windows that the plain bounds refuse."""
        windows, top = certificate.windows, self.top(certificate.windows.map_size)
        votes = self.evidence.whole
        by_class = np.moveaxis(outside, -3, -1)
        lower, upper = certificate.lower.copy(), certificate.upper.copy()
        rival, tolerance = certificate.rival.copy(), certificate.tolerance.copy()
        for at in map(tuple, np.argwhere(certificate.margin <= certificate.tolerance).tolist()):
            batch, window, label = at[:-2], windows.window(*at[-2:]), int(certificate.label[at[:-2]])
            evidence, doubt = masking.evidence[batch], float(tolerances[batch])
            own, other = float(certificate.outside[at]), float(certificate.other[at])
            if other <= self.threshold * own:
                around = Surroundings.of(evidence[label], windows, window, self.threshold)
                lower[at] = worst = least_kept(around, top)
                if doubt:
                    unsure = other + doubt > self.threshold * own
                    worst = own - other if unsure else least_kept(around, top, doubt)
                tolerance[at] = doubt + rounding[batch] + lower[at] - worst
            most = by_class[at] / (1 - self.threshold)
            most[label] = -np.inf
            best, jump, least = -np.inf, 0.0, lower[at] - tolerance[at]
            # The strongest first; a rival that its plain bound leaves below the label or the best needs no program.
            for c in np.argsort(-most, kind="stable"):
                if most[c] < max(best, least):
                    break
                around = Surroundings.of(evidence[c], windows, window, self.threshold)
                most[c] = most_kept(around, top, votes)
                best = max(best, most[c])
                if doubt:
                    jump = max(jump, most_kept(around, top, votes, doubt) - most[c])
            rival[at] = first_largest(most)
            upper[at] = most[rival[at]]
            # A program's bound errs upwards, so that an exact tie would look like a failure. Neither is a certificate;
            # `upper` may then lie below what is attained, by less than PRECISION.
            if 0 < upper[at] - lower[at] <= PRECISION * upper[at]:
                upper[at] = lower[at]
            tolerance[at] += jump
        return replace(certificate, lower=lower, upper=upper, rival=rival, tolerance=tolerance)

    def _lower(
        self,
        masking: Masking,
        labels: Labels,
        outside: WindowValues,
        tolerance: Float64[np.ndarray, "*batch 1 1"],
    ) -> tuple[WindowValues, WindowValues, WindowValues]:
        """The least that the label keeps, m, and how far that least falls if an error within the tolerance
        lets a benign window be detected: the bound jumps where m passes T t."""
        other, overlapping = masking.windows.largest_others(of_label(masking.evidence, labels))
        spared = outside if self.bound is Bound.PUBLISHED else outside - overlapping
        lower = np.where(other > self.threshold * outside, outside - other, spared)
        in_doubt = other + tolerance > self.threshold * outside
        return lower, other, np.where(in_doubt, lower - (outside - other), 0.0)

    def tolerance(self, local_logits: LocalLogits, delta: float) -> Float64[np.ndarray, "*batch"]:
        """By how much an error of `delta` in every local logit can move a margin.

        Both bounds are sums over at most all cells, the upper one divided by 1 - T: at T = 0 this is
        2 * rows * cols * delta.
        """
        moved = evidence_error(local_logits, self.evidence, self.clip_high, delta)
        return np.asarray(moved * (1 + 1 / (1 - self.threshold)))


def _tolerances(
    tolerance: Float64[np.ndarray, "*batch"] | float, labels: Labels
) -> Float64[np.ndarray, "*batch"]:
    """The tolerance of each image: the given ones, or one for all."""
    given = np.asarray(tolerance)
    if given.dtype.kind not in "fiu" or given.shape not in ((), labels.shape) or not (given >= 0).all():
        raise ValueError(f"expected tolerance >= 0, one or one for each image, got {shown(tolerance)}")
    return np.broadcast_to(given.astype(np.float64), labels.shape)


def _map_size(local_logits: LocalLogits) -> Size:
    rows, columns = local_logits.shape[-2:]
    return rows, columns
