"""PatchCleanser ([PC]): double masking on pixels, with any classifier (theory §9, PatchCleanser).

It is given a table of logits under every pair of masks, with single masks on its diagonal, and never sees the
classifier: `pg_core.defences.patchcleanser.inference` fills the table. The certificate of each placement is derived.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Float64, Int

from pg_core.defences.base import Certificate, Claim, DefenceInput, Prediction, Rule, labels_of
from pg_core.defences.patchcleanser.masks import MaskSet
from pg_core.defences.spec import DefenceConfig, DefenceSpec, Parameter
from pg_core.evidence.arrays import Labels, Scores, check_maps, first_largest, of_label, strongest_rival
from pg_core.evidence.tolerance import Tolerance
from pg_core.geometry import Box, Windows
from pg_core.io.parameters import coerce_fields, non_negative

TwoMaskPredictions = Float[np.ndarray, "*batch classes masks masks"]
"""Logits of the image under two masks, those of a single mask where they are the same; symmetric."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class DoubleMasking(Prediction):
    """The results of both rounds. `scores` counts the masks that predict each class in the first round; `one_mask` are
    their predictions, `majority` the class of most. `disagreer` is the index of the mask that decided against the
    majority because all its two-mask predictions are its own, -1 if there is none. On features the masks are
    `windows`."""

    one_mask: Int[np.ndarray, "*batch masks"]
    majority: Labels
    disagreer: Labels
    windows: Windows | None = None


@dataclass(frozen=True, slots=True)
class PatchCleanser:
    """The prediction of two rounds of masks; one of them hides the patch. The lowest class wins ties.

    By the local rule each placement of the patch is certified on its own, by the published one all or none.
    """

    claim: ClassVar[Claim] = Claim.LABEL
    masks: MaskSet
    rule: Rule = Rule.LOCAL

    def __post_init__(self) -> None:
        coerce_fields(self)

    def __str__(self) -> str:
        (height, width), (tall, wide) = self.masks.mask_size, self.masks.patch_size
        return (
            f"double masking by {self.masks.count} masks of {height}x{width} pixels, patches of {tall}x{wide} "
            f"pixels, {self.rule} rule"
        )

    def predict(self, two_mask_predictions: TwoMaskPredictions) -> DoubleMasking:
        """If all masks agree, their class; else the first disagreer that no second mask contradicts; else the
        majority."""
        return self._predicted(self._checked(two_mask_predictions))

    def certify(
        self, two_mask_predictions: TwoMaskPredictions, label: Labels | int | None = None, delta: float = 0.0
    ) -> Certificate:
        """lower is the least logit of the label, upper the largest of its rival, where the two are closest.

        A placement of the patch is certified if some mask i covers it such that the label leads under (i, j) for every
        mask j: then all two-mask predictions of i are the label, and i as second mask contradicts every disagreer of
        another class. The margin is the least lead under i, for the best such i. Published: the label leads under all
        pairs. A tie is no lead.
        """
        logits = self._checked(two_mask_predictions)
        prediction = self._predicted(logits)
        labels = labels_of(prediction.label, label, logits.shape[-3])
        tolerance = Tolerance(2 * non_negative(delta, "delta"))
        best, rival = strongest_rival(logits, labels)
        own = of_label(logits, labels)
        second = first_largest(best - own)
        lower, upper, against = (
            np.take_along_axis(values, second[..., None], axis=-1)[..., 0] for values in (own, best, rival)
        )
        if self.rule is Rule.PUBLISHED:
            chosen, rows, columns = first_largest(upper - lower)[..., None, None], *self._nowhere
        else:
            # For each place, the covering mask under which the label leads by most; places differ in what covers them.
            (down, rows), (across, columns) = (
                np.unique(self.masks.covers(axis), axis=0, return_inverse=True) for axis in (0, 1)
            )
            covering = (down[:, None, :, None] & across[:, None]).reshape(len(down), len(across), -1)
            chosen = first_largest(np.where(covering, (lower - upper)[..., None, None, :], -np.inf))
        lower, upper, against = (
            np.take_along_axis(values[..., None, :], chosen, axis=-1)[..., rows[:, None], columns]
            for values in (lower, upper, against)
        )
        return Certificate(
            claim=self.claim,
            positions=self.masks.positions,
            label=labels,
            prediction=prediction.label,
            lower=lower,
            upper=upper,
            rival=against,
            tolerance=tolerance.spread(lower.shape),
        )

    @property
    def _nowhere(self) -> tuple[Int[np.ndarray, "placement_rows"], Int[np.ndarray, "placement_columns"]]:
        """All places stand for one."""
        rows, columns = self.masks.positions.shape
        return np.zeros(rows, int), np.zeros(columns, int)

    def _checked(
        self, two_mask_predictions: TwoMaskPredictions
    ) -> Float64[np.ndarray, "*batch classes masks masks"]:
        check_maps(two_mask_predictions, "logits", ("classes", "masks", "masks"))
        count = self.masks.count
        if two_mask_predictions.shape[-2:] != (count, count):
            raise ValueError(
                f"expected logits of {count}x{count} pairs of masks, got {two_mask_predictions.shape[-2:]}"
            )
        logits = np.asarray(two_mask_predictions, np.float64)
        if not (logits == logits.swapaxes(-2, -1)).all():
            raise ValueError(
                "expected a symmetric table, for a pair of masks has no order, got one that is not symmetric"
            )
        return logits

    def _predicted(self, logits: Float64[np.ndarray, "*batch classes masks masks"]) -> DoubleMasking:
        pairs = first_largest(np.moveaxis(logits, -3, -1))
        one = np.diagonal(pairs, axis1=-2, axis2=-1)
        votes: Scores = (one[..., None] == np.arange(logits.shape[-3])).sum(axis=-2).astype(np.float64)
        majority = first_largest(votes)
        stands = (pairs == one[..., None]).all(axis=-1) & (one != majority[..., None])
        first = np.asarray(stands.argmax(axis=-1))
        found = stands.any(axis=-1)
        own = np.take_along_axis(one, first[..., None], axis=-1)[..., 0]
        label = np.where(found, own, majority)
        return DoubleMasking(label, votes, one, majority, np.where(found, first, -1))


MASKS_PER_AXIS = Parameter(
    "masks_per_axis",
    "Masks along each axis",
    "With k x k masks the network runs k²(k² + 1)/2 times. Published: 6, which is 666 runs.",
    3,
    2,
    16,
)


def mask_set(config: DefenceConfig) -> MaskSet:
    """The masks under which the network runs, for a configuration."""
    return MaskSet(config.image_size, config.patch_size, config[MASKS_PER_AXIS])


def _masked(defence: PatchCleanser, prediction: DoubleMasking, label: int) -> tuple[Box, ...]:
    """The mask of the disagreer that decided."""
    found = int(prediction.disagreer)
    return () if found < 0 else (defence.masks.at(found),)


def _build(config: DefenceConfig) -> PatchCleanser:
    return PatchCleanser(mask_set(config))


SPEC = DefenceSpec(
    "double-masking",
    "PatchCleanser (double masking on pixels)",
    "Two rounds of grey masks on the image, one of which hides the patch, for any classifier.",
    DefenceInput.TWO_MASK_PREDICTIONS,
    _build,
    lambda defence: isinstance(defence, PatchCleanser),
    "the logit of '{label}' under the worst pair of a mask that hides the patch and any other",
    "the logit of '{rival}' under the same two masks",
    (MASKS_PER_AXIS,),
    masked=_masked,
)
