"""What all defences have in common: a prediction, and a certificate with a margin and a rival for each window or
placement.

The result of [PG] Algorithm 2 as a value (theory §5), and its counterpart for the other defences (theory §9), so that
they can be compared and counted in one loop. Not here: how the bounds come about, see each defence.
"""

from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Shaped

from pg_core.evidence.arrays import Labels, Scores, WindowFlags, WindowLabels, WindowValues, first_largest
from pg_core.geometry import Patch, Positions, Window, Windows, box_at
from pg_core.io.parameters import coerce_fields, member, shown, whole

ALERT = 2**31 - 1
"""The label of a prediction that is an alert and no class: an outcome of its own, which is never right. No class
has this index, so that a list of names refuses it."""

InputArray = Float[np.ndarray, "*batch depth rows columns"]
"""Local logits, pixels, or two-mask predictions."""


class DefenceInput(StrEnum):
    """The kind of array that a defence takes; `pg_core.analysis.inputs` supplies it."""

    LOCAL_LOGITS = "local logits"
    """[classes, rows, columns], of one run of the network."""
    PIXELS = "pixels"
    """[3, height, width] in [0, 1], of the image that the network sees."""
    TWO_MASK_PREDICTIONS = "two-mask predictions"
    """[classes, masks, masks], for which the network runs again for every pair of masks."""

    @property
    def exact(self) -> bool:
        """Whether its values have no error, since no network computed them."""
        return self is DefenceInput.PIXELS


class Verdict(StrEnum):
    """What is known of one image and label."""

    MISCLASSIFIED = "misclassified"
    """The defended prediction is not the label, without any patch."""
    ALERT = "alert"
    """The defence raises an alert, without any patch: no answer, which counts as a wrong one."""
    UNPROVED = "unproved"
    """The certificate claims nothing, whatever its margins are."""
    NOT_CERTIFIED = "not certified"
    """Some malicious window has no positive margin: a proof is missing there, which is not an attack."""
    CERTIFIED = "certified"
    """What the certificate claims holds for a patch in any malicious window; the defended prediction is the label."""
    UNDECIDED = "undecided"
    """Every margin is positive, but one is within the tolerance: not certified."""


class Claim(StrEnum):
    """What a certificate guarantees for every patch inside a malicious window whose margin is above the tolerance."""

    LABEL = "keeps the label"
    """The defended prediction stays the label."""
    LABEL_OR_ALERT = "keeps the label or raises an alert"
    """It stays the label, or the defence raises an alert (PatchGuard++): no other class is predicted."""
    NOTHING = "nothing"
    """Margins are shown for comparison: of a bound that is wrong, or of a network without a defence."""


def in_words(verdict: str, claim: Claim) -> str:
    """A verdict on a photo or a window, with what certified means where it is not that the label stays.

    >>> in_words(Verdict.CERTIFIED, Claim.LABEL_OR_ALERT)
    'certified: label or alert'
    """
    alert = verdict == Verdict.CERTIFIED and member(Claim, claim) is Claim.LABEL_OR_ALERT
    return f"{verdict}: label or alert" if alert else str(verdict)


class Rule(StrEnum):
    """Which condition certifies, for a defence whose published condition is not the tightest."""

    PUBLISHED = "published"
    """One condition for the whole image."""
    LOCAL = "local"
    """A condition for each place of the patch, which is met more often (theory §9; derived)."""


Result = TypeVar("Result", bound="Prediction | Certificate")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Prediction:
    """The defended prediction of one image, or of each of a *batch: `label` is the index of a class or `ALERT`,
    `scores` the score of each class in the defence's own units. Defences add their intermediate results."""

    label: Labels
    scores: Scores

    def __getitem__(self: Result, index: int) -> Result:
        """The prediction of one image of a batch."""
        return _of_one(self, index)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(label {self.label})"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Certificate:
    """Bounds for the label and for its strongest rival at each position, with or without *batch, and what they claim.

    lower bounds the label's score from below and upper the rival's from above, both in the defence's own units, under
    any content of that window; lower - upper is the margin. A margin counts as positive above `tolerance`, by which
    errors of the arithmetic can move it. A tie is not a certificate. Positions are windows of features, or placements
    of a patch of pixels.

    A defence that ranks the classes (`pg_core.defences.ranks`) adds the label's `rank` without a patch, from 1, and at
    each position `least_rank`: the least k for which its bounds prove that the label is among the k classes with the
    largest scores, whatever the position holds; 1 exactly where the margin is above the tolerance. None: not known.
    """

    claim: Claim
    positions: Positions
    label: Labels
    prediction: Labels
    lower: WindowValues
    upper: WindowValues
    rival: WindowLabels
    tolerance: WindowValues
    rank: Labels | None = field(default=None, kw_only=True)
    least_rank: WindowLabels | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        coerce_fields(self)

    @property
    def margin(self) -> WindowValues:
        return self.lower - self.upper

    @property
    def undecided(self) -> WindowFlags:
        """Malicious windows whose margin is positive but within the tolerance, where the label is predicted and
        something is claimed."""
        return self._provable & (self.margin > 0) & (self.margin <= self.tolerance)

    @property
    def not_certified(self) -> WindowFlags:
        """Malicious windows that are neither proved nor undecided: those without a positive margin, or all if another
        class is predicted or nothing is claimed."""
        return ~self.proved & ~self.undecided

    @property
    def proved(self) -> WindowFlags:
        """Malicious windows for which the claim is proved: something is claimed, the label is predicted, and the
        margin is above the tolerance."""
        return self._provable & (self.margin > self.tolerance)

    @property
    def verdicts(self) -> Shaped[np.ndarray, "window_rows window_columns"]:
        """The verdict on each malicious window of one image, as values of `Verdict`; raises ValueError for a batch."""
        self._require_one()
        if self.prediction != self.label or self.claim is Claim.NOTHING:
            return np.full(self.positions.shape, self.verdict.value)
        flags = [self.margin <= 0, self.undecided]
        return np.select(
            flags, [Verdict.NOT_CERTIFIED.value, Verdict.UNDECIDED.value], Verdict.CERTIFIED.value
        )

    @property
    def certified(self) -> Bool[np.ndarray, "*batch"]:
        """Whether the claim is proved for every malicious window."""
        return np.asarray(self.proved.all(axis=(-2, -1)))

    def certified_among(self, k: int) -> Bool[np.ndarray, "*batch"]:
        """Whether the label is proved to stay among the k >= 1 classes with the largest scores, whatever any one
        position holds. It need not be the prediction. Raises ValueError for another k, and for a certificate without
        ranks."""
        if whole(k, "k") < 1:
            raise ValueError(f"expected k >= 1, got {k}")
        return np.asarray(self.worst_rank <= k)

    @property
    def worst_rank(self) -> Labels:
        """The largest `least_rank` of any position: the least k for which `certified_among` holds. Raises ValueError
        for a certificate without ranks."""
        if self.least_rank is None:
            raise ValueError(
                "expected the certificate of a defence that ranks the classes, got one without ranks: choose robust "
                "masking at T = 0, CBN or de-randomized smoothing"
            )
        return np.asarray(self.least_rank.max(axis=(-2, -1)))

    @property
    def verdict(self) -> Verdict:
        """The verdict on one image; raises ValueError for a batch, which is to be indexed first."""
        self._require_one()
        if self.prediction == ALERT:
            return Verdict.ALERT
        if self.prediction != self.label:
            return Verdict.MISCLASSIFIED
        if self.claim is Claim.NOTHING:
            return Verdict.UNPROVED
        if (self.margin <= 0).any():
            return Verdict.NOT_CERTIFIED
        return Verdict.CERTIFIED if self.certified else Verdict.UNDECIDED

    @property
    def windows(self) -> Windows:
        """The positions of a certificate of windows; raises ValueError for one of placements."""
        if not isinstance(self.positions, Windows):
            raise ValueError(
                "expected a certificate of windows of features, got one of placements of a patch"
            )
        return self.positions

    @property
    def worst_position(self) -> tuple[int, int]:
        """Row and column of the position with the smallest margin, the first on ties, of one image."""
        self._require_one()
        return divmod(int(first_largest(-self.margin.reshape(-1))), self.positions.shape[1])

    @property
    def worst(self) -> Window | Patch:
        """The malicious window, or the patch, with the smallest margin, the first on ties, of one image."""
        return box_at(self.positions, *self.worst_position)

    def __getitem__(self: Result, index: int) -> Result:
        """The certificate of one image of a batch."""
        return _of_one(self, index)

    def __repr__(self) -> str:
        name = type(self).__name__
        if self.label.ndim:
            return f"{name}(batch of {self.label.shape}, {self.certified.sum()} certified)"
        what = "windows" if isinstance(self.positions, Windows) else "placements"
        proved = f"{self.proved.sum()} of {self.positions.count} {what} proved"
        return f"{name}({self.verdict}, label {self.label}, claims: {self.claim}, {proved})"

    @property
    def _provable(self) -> Bool[np.ndarray, "*batch 1 1"]:
        """Whether something is claimed, and the label is predicted without a patch."""
        return np.asarray((self.prediction == self.label) & (self.claim is not Claim.NOTHING))[
            ..., None, None
        ]

    def _require_one(self) -> None:
        if self.label.ndim:
            raise ValueError(f"expected the certificate of one image, got a batch of {self.label.shape}")


@runtime_checkable
class Defence(Protocol):
    """A prediction with a certificate against patches; a value that prints its settings.

    It is deterministic: equal arrays give equal predictions and certificates. Runs of the network, and all that is
    random, come before.
    """

    @property
    def claim(self) -> Claim:
        """What its certificates claim; each of them carries it."""

    def predict(self, values: InputArray, /) -> Prediction:
        """The defended prediction of one image or of a batch."""

    def certify(
        self, values: InputArray, /, label: Labels | int | None = None, delta: float = 0.0
    ) -> Certificate:
        """What is proved of a label (index of a class), by default the prediction, at each malicious window or
        placement; delta >= 0 is the largest error of a value that certificates must survive (theory §5, Numerics)."""


def labels_of(prediction: Labels, label: Labels | int | None, classes: int) -> Labels:
    """The labels to certify: the given ones, one for all, or the predictions.

    Raises ValueError for anything but whole numbers in [0, classes), for another shape than that of the predictions,
    and for fewer than two classes.
    """
    if classes < 2:
        raise ValueError(f"expected at least two classes, got {classes}")
    given = np.asarray(prediction if label is None else label)
    if given.dtype.kind not in "iu" or isinstance(label, np.ma.MaskedArray):
        raise ValueError(f"expected the index of a class as label, a whole number, got {shown(label)}")
    if given.min(initial=0) < 0 or given.max(initial=0) >= classes:
        raise ValueError(f"expected 0 <= label < {classes}, got {label}")
    if given.ndim and given.shape != prediction.shape:
        raise ValueError(f"expected labels of shape {list(prediction.shape)}, got {list(given.shape)}")
    return np.broadcast_to(given.astype(np.int64), prediction.shape)


def _of_one(result: Result, index: int) -> Result:
    """One image of a batch: every array begins with the axes of the batch."""
    if not result.label.ndim:
        raise IndexError(f"expected a batch, got the {type(result).__name__} of one image")
    arrays: dict[str, Any] = {
        entry.name: np.asarray(value[index])
        for entry in fields(result)
        if isinstance(value := getattr(result, entry.name), np.ndarray)
    }
    return replace(result, **arrays)
