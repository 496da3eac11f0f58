"""The defences by name, each fitted to a network and a patch size, or refused in one sentence.

It knows a network by its receptive field, the size of its image and its evidence, and no more.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from pg_core.defences.base import Defence
from pg_core.defences.bounded import BoundedEvidence, Squashing
from pg_core.defences.detection import MaskedDetection
from pg_core.defences.interval.bounds import IntervalBounds, Layers
from pg_core.defences.patchcleanser.features import FeatureMasking
from pg_core.defences.patchcleanser.masks import CoveringMasks
from pg_core.defences.patchcleanser.pixels import PatchCleanser
from pg_core.defences.patchguard.masking import Bound, RobustMasking
from pg_core.defences.smoothing import Smoothing
from pg_core.defences.undefended import Undefended
from pg_core.evidence.types import EvidenceType
from pg_core.geometry import ReceptiveField, Size
from pg_core.io.parameters import coerce_fields, member


class Kind(StrEnum):
    """A defence, whatever its parameters."""

    UNDEFENDED = "undefended"
    MASKING = "masking"
    MASK_DS = "mask-ds"
    CLIPPING = "clipping"
    SMOOTHING = "smoothing"
    DETECTION = "detection"
    INTERVAL = "interval"
    FEATURE_MASKING = "feature-masking"
    DOUBLE_MASKING = "double-masking"

    @property
    def sees_pixels(self) -> bool:
        """Whether it looks at the pixels of the image, and not at local logits."""
        return self is Kind.INTERVAL

    @property
    def sees_pairs(self) -> bool:
        """Whether it looks at logits under every pair of masks, for which the network runs again and again."""
        return self is Kind.DOUBLE_MASKING


TITLES = {
    Kind.UNDEFENDED: "no defence",
    Kind.MASKING: "robust masking",
    Kind.MASK_DS: "robust masking (Mask-DS)",
    Kind.CLIPPING: "CBN (bounded evidence)",
    Kind.SMOOTHING: "de-randomized smoothing",
    Kind.DETECTION: "PatchGuard++ (detection)",
    Kind.INTERVAL: "IBP (interval bounds, float64)",
    Kind.FEATURE_MASKING: "double masking on features",
    Kind.DOUBLE_MASKING: "PatchCleanser (double masking on pixels)",
}


@dataclass(frozen=True, slots=True)
class Fitting:
    """What a defence is fitted to: a network and patches of `patch_size` pixels of the image that it sees.

    The other values are for the defences that have them: T, c_h and the bound of robust masking; τ of detection; the
    layers of a network that was trained for interval bounds; the masks of double masking along an axis.
    """

    receptive_field: ReceptiveField
    image_size: Size
    evidence: EvidenceType
    patch_size: Size
    threshold: float = 0.0
    clip_high: float = math.inf
    bound: Bound = Bound.SOUND
    alert_threshold: float = 0.5
    layers: Layers | None = None
    masks_per_axis: int = 6

    def __post_init__(self) -> None:
        coerce_fields(self)

    @property
    def window_size(self) -> Size:
        """k, the features that a patch can corrupt."""
        return self.receptive_field.window_size(self.patch_size)

    def defence(self, kind: Kind) -> Defence:
        """The defence; raises ValueError, one sentence, if it does not fit this network."""
        kind = member(Kind, kind)
        window, wrapping = self.window_size, self.receptive_field.wrapping
        match kind:
            case Kind.UNDEFENDED:
                return Undefended(window, wrapping)
            case Kind.MASKING if wrapping:
                raise ValueError("robust masking of column bands is Mask-DS: choose mask-ds")
            case Kind.MASK_DS if not wrapping:
                raise ValueError("Mask-DS needs a network of column bands, and this one has none")
            case Kind.MASKING | Kind.MASK_DS:
                return RobustMasking(
                    window, self.threshold, self.evidence, self.clip_high, self.bound, wrapping
                )
            case Kind.CLIPPING:
                unbounded = not self.evidence.bounded and math.isinf(self.clip_high)
                squashing = Squashing.TANH if unbounded else Squashing.CLIP
                return BoundedEvidence(window, squashing, self.evidence, self.clip_high, wrapping)
            case Kind.SMOOTHING:
                if not wrapping:
                    raise ValueError(
                        "de-randomized smoothing needs a network of column bands, and this one has none"
                    )
                return Smoothing.columns(self.image_size, self.receptive_field.size[1], self.patch_size)
            case Kind.DETECTION:
                return MaskedDetection(window, self.alert_threshold, wrapping)
            case Kind.INTERVAL:
                if self.layers is None:
                    raise ValueError(
                        "interval bounds need the layers of a small network that was trained for them"
                    )
                return IntervalBounds(self.layers, self.patch_size)
            case Kind.FEATURE_MASKING:
                return FeatureMasking(window, self.evidence, self.clip_high, wrapping)
            case Kind.DOUBLE_MASKING:
                return PatchCleanser(self.masks)

    @property
    def masks(self) -> CoveringMasks:
        """The masks of double masking."""
        return CoveringMasks(self.image_size, self.patch_size, self.masks_per_axis)
