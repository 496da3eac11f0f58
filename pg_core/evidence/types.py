"""Types of evidence: how the local logits of a cell become its evidence for each class ([PG] section 4.1; theory §2,
Evidence).

A type is a value: its transform, its range, how far an error of the logits moves it, and which contents of a window an
adversary may choose. Not here: clipping and the grid on which sums are exact, see `pg_core.evidence.grid`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from jaxtyping import Float64

from pg_core.evidence.arrays import EvidenceMap, LocalLogits
from pg_core.io.parameters import shown

CEILING = 2.0**16
"""Evidence above this is clipped even where c_h is infinite. Clipping is part of the defence and covered by
its proof; it keeps the sums of a hostile map exact, where one value of 1e20 would swallow all the others."""

VOTE_THRESHOLD = 0.2
"""A cell votes for each class whose confidence is above this (evidence type `prediction`)."""

SHARPENED_POWER = 3
"""Sharpened evidence is the confidence to this power; 2 to 4 do about as well for tiles."""


@dataclass(frozen=True, slots=True, repr=False)
class EvidenceType:
    """A type of evidence for a class in a cell. Two types of one name are equal.

    transform makes evidence of local logits in float64, [*batch, classes, rows, columns], before it is clipped to [0,
    c_h]; top is its largest value without c_h; help says in words what it is. error gives, for local logits and an
    error delta > 0 in each of them, how far the evidence of one class, summed over any cells, can move; None where no
    value moves by more than delta. What an adversary may put into a cell: with `shared` = p > 0, values whose p-th
    roots sum to at most 1 over the classes, else anything from 0 to the top for each class by itself; with `whole`
    only 0 or the top.
    """

    LOGITS: ClassVar["EvidenceType"]
    CONFIDENCE: ClassVar["EvidenceType"]
    PREDICTION: ClassVar["EvidenceType"]
    SHARPENED: ClassVar["EvidenceType"]

    name: str
    help: str = field(compare=False)
    transform: Callable[[EvidenceMap], EvidenceMap] = field(compare=False)
    top: float = field(compare=False)
    error: Callable[[LocalLogits, float], Float64[np.ndarray, "*batch"]] | None = field(
        default=None, compare=False
    )
    shared: int = field(default=0, compare=False)
    whole: bool = field(default=False, compare=False)

    @classmethod
    def named(cls, value: object) -> "EvidenceType":
        """The type itself, or the type of a name; raises ValueError for anything else."""
        if isinstance(value, cls):
            return value
        if isinstance(value, str) and value in EVIDENCE_TYPES:
            return EVIDENCE_TYPES[value]
        raise ValueError(f"expected one of {', '.join(EVIDENCE_TYPES)}, got {shown(value)}")

    @property
    def bounded(self) -> bool:
        """Whether it has a largest value of its own, below the ceiling that keeps sums exact."""
        return self.top < CEILING

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"EvidenceType({self.name!r})"


def confidence(local_logits: LocalLogits) -> EvidenceMap:
    """Softmax over the classes in each cell, in float64, in [0, 1]."""
    values = np.asarray(local_logits, np.float64)
    powers = np.exp(values - values.max(axis=-3, keepdims=True))
    return powers / powers.sum(axis=-3, keepdims=True)


def _unchanged(local_logits: EvidenceMap) -> EvidenceMap:
    return local_logits


def _votes(local_logits: EvidenceMap) -> EvidenceMap:
    return (confidence(local_logits) > VOTE_THRESHOLD).astype(np.float64)


def _sharpened(local_logits: EvidenceMap) -> EvidenceMap:
    return confidence(local_logits) ** SHARPENED_POWER


def _flipped_votes(local_logits: LocalLogits, delta: float) -> Float64[np.ndarray, "*batch"]:
    """A vote flips only where the confidence, which moves by at most half of delta, is close to the threshold."""
    doubtful = np.abs(confidence(local_logits) - VOTE_THRESHOLD) <= delta
    return np.asarray(doubtful.sum(axis=(-2, -1)).max(axis=-1), np.float64)


# Confidence moves less than the logits do, by at most half as much, and sharpened confidence by less than two thirds.
EvidenceType.LOGITS = EvidenceType("logits", "its logit", _unchanged, CEILING)
EvidenceType.CONFIDENCE = EvidenceType(
    "confidence", "its confidence (softmax over the classes)", confidence, 1.0, shared=1
)
EvidenceType.PREDICTION = EvidenceType(
    "prediction",
    f"a vote for each class with a confidence above {VOTE_THRESHOLD:g}",
    _votes,
    1.0,
    _flipped_votes,
    whole=True,
)
EvidenceType.SHARPENED = EvidenceType(
    "sharpened",
    f"its confidence to the power {SHARPENED_POWER}, not normalised again and not published: a cell that is sure of "
    "no class counts little for any",
    _sharpened,
    1.0,
    shared=SHARPENED_POWER,
)

EVIDENCE_TYPES: dict[str, EvidenceType] = {
    kind.name: kind
    for kind in (
        EvidenceType.LOGITS,
        EvidenceType.CONFIDENCE,
        EvidenceType.PREDICTION,
        EvidenceType.SHARPENED,
    )
}
"""By name, in the order in which they are offered."""
