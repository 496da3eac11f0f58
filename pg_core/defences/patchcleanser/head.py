"""Double masking with a learned head: a small classifier of all that two masks leave (after [CURE]; derived here).

PatchCURE masks inside a network and lets the rest of it see what is left. Here the rest is a head on the mean of the
cells that are left: of the confidence of each class, to several powers. That keeps the certificate of theory §9, whose
proof asks for nothing but answers from the cells outside both masks: o_w and every p_wj are the head's answer to cells
that w does not hold, so no content of w reaches them.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float64, Int

from pg_core.defences.base import Certificate, Claim, DefenceInput, Prediction, labels_of
from pg_core.defences.patchcleanser.pixels import DoubleMasking
from pg_core.defences.patchcleanser.rounds import Sums, in_parts, left_by_two, masked, two_rounds
from pg_core.defences.spec import DefenceConfig, DefenceSpec, Term, Waterfall
from pg_core.evidence.arrays import EvidenceMap, Labels, LocalLogits, check_maps
from pg_core.evidence.grid import scale
from pg_core.evidence.head import POWERS, MaskingHead
from pg_core.evidence.types import EvidenceType, confidence
from pg_core.geometry import Size, Window, Windows, cells
from pg_core.io.parameters import coerce_fields, non_negative

_SLOPE = 0.75
"""More than a confidence to any power can move, for each unit that all local logits may: the largest value of
2 n p^n (1 - p) over p grows with n to 2/e."""

CellValues = Float64[np.ndarray, "*batch values rows columns"]
"""What the head is given of a cell: for each power the confidences of all classes, to this power."""


@dataclass(frozen=True, slots=True)
class HeadMasking:
    """The prediction of two rounds of masks, which are all windows of W; the class of what two masks leave is that for
    which the head has the largest score, the lowest one on ties.

    window_size is k in features; wrapping is for maps of column bands. Raises ValueError for values out of range.
    """

    claim: ClassVar[Claim] = Claim.LABEL
    window_size: Size
    head: MaskingHead
    wrapping: bool = False

    def __post_init__(self) -> None:
        coerce_fields(self)
        if min(self.window_size) < 1:
            raise ValueError(f"expected a window of at least 1x1 features, got {self.window_size}")

    def __str__(self) -> str:
        height, width = self.window_size
        wraps, head = " wrapping" if self.wrapping else "", self.head.digest
        return f"double masking by all {height}x{width}{wraps} windows, with the learned head {head}"

    def __repr__(self) -> str:
        return f"HeadMasking({self})"

    def predict(self, local_logits: LocalLogits) -> DoubleMasking:
        """The prediction of both rounds; the second masks are tried on the disagreers only."""
        return self.mask(self.values(local_logits))

    def values(self, local_logits: LocalLogits) -> CellValues:
        """What the head is given, on a grid so fine that every sum of it is exact, as that of `clip`. Raises
        ValueError for another number of classes than the head's."""
        check_maps(local_logits)
        classes, rows, columns = local_logits.shape[-3:]
        if classes != self.head.classes:
            raise ValueError(
                f"expected local logits of the head's {self.head.classes} classes, got {classes}"
            )
        _, step = scale((rows, columns), EvidenceType.CONFIDENCE, math.inf)
        shares = confidence(local_logits)
        return np.rint(np.concatenate([shares**power for power in POWERS], axis=-3) / step) * step

    def mask(self, values: CellValues) -> DoubleMasking:
        """The same on the values of cells, as `values` gives them or an adversary in feature space."""
        return two_rounds(values, self._windows(values), self._scores(values))

    def certify(
        self, local_logits: LocalLogits, label: Labels | int | None = None, delta: float = 0.0
    ) -> Certificate:
        """lower is the label's score, upper that of its rival, where they are closest: without the malicious window w
        and the second mask that leaves least between them.

        Certified iff the label leads outside w and j for every mask j, by more than errors can move its lead: then,
        whatever w holds, the mask w predicts it under every second mask, and as a second mask contradicts every
        disagreer of another class (theory §9). A window without a lead may have no witness.
        """
        values = self.values(local_logits)
        prediction = self.mask(values)
        labels = labels_of(prediction.label, label, self.head.classes)
        windows = self._windows(values)
        slack = self._slack(values, non_negative(delta, "delta"))
        shape = (*labels.shape, *windows.shape)
        lower, upper, tolerance = np.empty(shape), np.empty(shape), np.empty(shape)
        rival = np.empty(shape, int)
        for at in np.ndindex(labels.shape):
            found = self._least_leads(values[at], windows, int(labels[at]), slack)
            for kept, each in zip((lower, upper, rival, tolerance), found, strict=True):
                kept[at] = each.reshape(windows.shape)
        return Certificate(
            claim=self.claim,
            positions=windows,
            label=labels,
            prediction=prediction.label,
            lower=lower,
            upper=upper,
            rival=rival,
            tolerance=tolerance,
        )

    def attacked(self, values: CellValues, content: int, window: Window) -> CellValues:
        """One map in which every cell of a malicious window is certain of one class."""
        windows = self._windows(values)
        inside = cells(window, windows.map_size)
        attacked = values.copy()
        attacked[..., *inside] = 0.0
        attacked[content :: self.head.classes, *inside] = 1.0
        return attacked

    def attacked_prediction(self, values: CellValues, label: int, window: Window) -> DoubleMasking | None:
        """The prediction of both rounds under the first class that, in every cell of the window, makes another one
        win; None if there is none, which proves nothing."""
        for content in range(self.head.classes):
            if content != label:
                said = self.mask(self.attacked(values, content, window))
                if said.label != label:
                    return said
        return None

    def _least_leads(
        self, values: Float64[np.ndarray, "values rows columns"], windows: Windows, label: int, slack: float
    ) -> tuple[
        Float64[np.ndarray, "windows"],
        Float64[np.ndarray, "windows"],
        Int[np.ndarray, "windows"],
        Float64[np.ndarray, "windows"],
    ]:
        """For each malicious window the scores of label and rival where the label leads least, who that is, and by how
        much errors bring the least lead further down."""
        count, others = values[0].size, np.arange(self.head.classes) != label
        parts = []
        for masks in in_parts(np.arange(windows.count), values):
            left = left_by_two(values, windows, masks)
            scores = self.head.scores(left, count)
            leads = np.where(others[:, None], scores[:, label, None] - scores, np.inf)
            flat = leads.reshape(len(masks), -1)
            at = flat.argmin(axis=1)
            rival, second = np.divmod(at, windows.count)
            every = np.arange(len(masks))
            least = flat[every, at]
            surely = (leads - self.head.errors(left, count, label, slack)).min(axis=(1, 2))
            own, against = scores[every, label, second], scores[every, rival, second]
            parts.append((own, against, rival, least - surely))
        own, against, rival, off = (np.concatenate(each) for each in zip(*parts, strict=True))
        return own, against, rival, off

    def _slack(self, values: CellValues, delta: float) -> float:
        """The most by which a mean of `values` can be wrong, for an error of at most delta in every local logit."""
        rows, columns = values.shape[-2:]
        _, step = scale((rows, columns), EvidenceType.CONFIDENCE, math.inf)
        return min(_SLOPE * delta, 1.0) + step if delta > 0 else 0.0

    def _scores(self, values: CellValues) -> "Scorer":
        return Scorer(self.head, values.shape[-2] * values.shape[-1])

    def _windows(self, values: CellValues) -> Windows:
        rows, columns = values.shape[-2:]
        return Windows((rows, columns), self.window_size, self.wrapping)


@dataclass(frozen=True, slots=True)
class Scorer:
    """The head's scores on maps of so many cells."""

    head: MaskingHead
    count: int

    def __call__(self, outside: Sums) -> Float64[np.ndarray, "*batch classes masks"]:
        return self.head.scores(outside, self.count)


def _build(config: DefenceConfig) -> HeadMasking:
    if not isinstance(config.head, MaskingHead):
        raise ValueError(
            "double masking with a learned head needs a head that was trained for the network: choose feature-masking"
        )
    return HeadMasking(config.window_size, config.head, config.receptive_field.wrapping)


def _confidences(defence: HeadMasking, local_logits: LocalLogits) -> EvidenceMap:
    """What the first power is of."""
    return defence.values(local_logits)[..., : defence.head.classes, :, :]


def _explained(
    defence: HeadMasking,
    local_logits: LocalLogits,
    prediction: DoubleMasking,
    certificate: Certificate,
    position: tuple[int, int],
) -> tuple[Waterfall, Waterfall]:
    """Both scores outside the window and the second mask that leaves the label least ahead of its rival."""
    values, windows = defence.values(local_logits), certificate.windows
    label, rival = int(certificate.label), int(certificate.rival[position])
    mask = np.ravel_multi_index(position, windows.shape)
    (left,) = left_by_two(values, windows, np.array([mask]))
    count = values[0].size
    scores = defence.head.scores(left, count)
    sums = left[:, int((scores[label] - scores[rival]).argmin())]
    return (
        _summed(defence.head, sums, count, label, "lower", float(certificate.lower[position])),
        _summed(defence.head, sums, count, rival, "upper", float(certificate.upper[position])),
    )


def _summed(
    head: MaskingHead, sums: Float64[np.ndarray, "values"], count: int, label: int, name: str, bound: float
) -> Waterfall:
    bias, *parts = head.terms(sums, count, label)
    powers = (
        Term("confidences" if power == 1 else f"their power {power}", part)
        for power, part in zip(POWERS, parts, strict=True)
    )
    return Waterfall(label, (Term("bias", bias, True), *powers, Term(name, bound, True)))


def _witness(
    defence: HeadMasking,
    local_logits: LocalLogits,
    prediction: DoubleMasking,
    certificate: Certificate,
    position: tuple[int, int],
) -> Prediction | None:
    window = certificate.windows.window(*position)
    return defence.attacked_prediction(defence.values(local_logits), int(certificate.label), window)


SPEC = DefenceSpec(
    "head-masking",
    "double masking with a learned head (ours)",
    "Two rounds of masks, all windows of the map; a small trained classifier answers for what two of them leave.",
    DefenceInput.LOCAL_LOGITS,
    _build,
    lambda defence: isinstance(defence, HeadMasking),
    "the head's score of '{label}' where its lead is least, outside the window and a second one",
    "the head's score of '{rival}' there",
    evidence=_confidences,
    masked=masked,
    explained=_explained,
    witness=_witness,
)
