"""De-randomized smoothing ([DS]): a vote of bands or blocks, each classified from its own pixels alone (theory §9,
De-randomized smoothing).

A patch changes the votes of the bands that it meets, and they are counted. Not here: the network; that which
classifies a band wraps around the image, and so do the bands here.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float64, Int

from pg_core.defences.base import Certificate, Claim, DefenceInput, Prediction, Rule, labels_of
from pg_core.defences.ranks import ranked
from pg_core.defences.spec import DefenceConfig, DefenceSpec, Term, Waterfall
from pg_core.evidence.arrays import (
    EvidenceMap,
    Labels,
    LocalLogits,
    check_maps,
    first_largest,
    of_label,
    strongest_rival,
)
from pg_core.evidence.tolerance import Tolerance
from pg_core.evidence.types import confidence
from pg_core.geometry import PatchPositions, Size
from pg_core.io.parameters import coerce_fields, non_negative

VOTE_THRESHOLD = 0.2
"""A band votes for each class whose confidence is at least this."""


@dataclass(frozen=True, slots=True)
class Smoothing:
    """The class with most votes of blocks, the lowest on ties, in prediction and certificate.

    Sizes are in pixels. A block begins at every `stride`-th row and column and wraps around; one that is as high as
    the image is a band of columns, of which there is one row. `columns`, `rows` and `blocks` make the three kinds. The
    map of local logits has a cell for each block; positions of the certificate are those of the patch's top left
    pixel, one for an axis along which blocks are as long as the image. vote_threshold is θ in (0, 1]. Raises
    ValueError for values out of range.
    """

    claim: ClassVar[Claim] = Claim.LABEL
    image_size: Size
    block_size: Size
    patch_size: Size
    stride: Size = (1, 1)
    vote_threshold: float = VOTE_THRESHOLD
    rule: Rule = Rule.LOCAL

    def __post_init__(self) -> None:
        coerce_fields(self)
        for name, size in (("a block", self.block_size), ("a patch", self.patch_size)):
            if not all(1 <= k <= n for k, n in zip(size, self.image_size, strict=True)):
                raise ValueError(f"expected {name} within {self.image_size} pixels, got {size}")
        if min(self.stride) < 1:
            raise ValueError(f"expected a stride of at least 1x1 pixels, got {self.stride}")
        if not 0 < self.vote_threshold <= 1:
            raise ValueError(f"expected 0 < vote_threshold <= 1, got {self.vote_threshold}")

    @classmethod
    def columns(cls, image_size: Size, width: int, patch_size: Size, stride: int = 1) -> "Smoothing":
        """Bands of `width` columns."""
        return cls(image_size, (image_size[0], width), patch_size, (1, stride))

    @classmethod
    def rows(cls, image_size: Size, height: int, patch_size: Size, stride: int = 1) -> "Smoothing":
        """Bands of `height` rows."""
        return cls(image_size, (height, image_size[1]), patch_size, (stride, 1))

    @classmethod
    def blocks(cls, image_size: Size, side: int, patch_size: Size, stride: int = 1) -> "Smoothing":
        """Square blocks."""
        return cls(image_size, (side, side), patch_size, (stride, stride))

    @property
    def map_size(self) -> Size:
        """Rows and columns of blocks: ceil(n/stride), or one where a block is as long as the image."""
        rows, columns = (len(self._starts(axis)) for axis in (0, 1))
        return rows, columns

    @property
    def positions(self) -> PatchPositions:
        """The placements of the patch; along an axis on which blocks are as long as the image, all are alike."""
        down, across = (b >= n for b, n in zip(self.block_size, self.image_size, strict=True))
        return PatchPositions(self.image_size, self.patch_size, down, across)

    @property
    def met(self) -> Int[np.ndarray, "placement_rows placement_columns"]:
        """|A_l|: how many blocks a patch meets at each placement, counted.

        >>> int(Smoothing.columns((224, 224), 19, (32, 32), stride=10).met.max())
        6
        """
        down, across = (self._meeting(axis).sum(axis=1) for axis in (0, 1))
        return np.asarray(down[:, None] * across)

    def met_at(self, position: tuple[int, int]) -> Bool[np.ndarray, "rows columns"]:
        """Which blocks a patch at a position meets."""
        rows, columns = (self._meeting(axis)[place] for axis, place in enumerate(position))
        return rows[:, None] & columns

    def __str__(self) -> str:
        height, width = self.block_size
        kind = (
            "columns" if height == self.image_size[0] else "rows" if width == self.image_size[1] else "blocks"
        )
        tall, wide = self.patch_size
        return (
            f"de-randomized smoothing by {kind} of {height}x{width} pixels, votes at {self.vote_threshold:g}, "
            f"patches of {tall}x{wide} pixels, {self.rule} rule"
        )

    def predict(self, local_logits: LocalLogits) -> Prediction:
        """The class with most votes, the lowest on ties; `scores` are the votes of each class."""
        return _counted(self.votes(local_logits))

    def certify(
        self, local_logits: LocalLogits, label: Labels | int | None = None, delta: float = 0.0
    ) -> Certificate:
        """lower is the label's least number of votes, upper the rival's largest, less one where it loses a tie.

        By the local rule the blocks A_l that the patch meets are the adversary's, and no other: certified iff
        n_y - n_c > |A_l| outside A_l, which an adversary in feature space attains. Published: n_y - n_c > 2Δ in the
        whole image, where Δ is the largest |A_l|. A tie is enough for a label below the rival.
        """
        votes = self.votes(local_logits)
        counted = _counted(votes)
        labels = labels_of(counted.label, label, votes.shape[-3])
        met = np.broadcast_to(self.met.astype(np.float64), (*labels.shape, *self.positions.shape))
        if self.rule is Rule.LOCAL:
            down, across = (self._meeting(axis).astype(np.float64) for axis in (0, 1))
            outside = counted.scores[..., None, None] - down @ votes @ across.T
            kept, gained = of_label(outside, labels), outside + met[..., None, :, :]
        else:
            most = met.max(initial=0.0)
            everywhere = np.broadcast_to(
                counted.scores[..., None, None], (*counted.scores.shape, *met.shape[-2:])
            )
            kept, gained = of_label(everywhere, labels) - most, everywhere + most
        after = np.arange(votes.shape[-3]) > labels[..., None]
        gained = gained - after[..., None, None]
        upper, rival = strongest_rival(gained, labels)
        certificate = Certificate(
            claim=self.claim,
            positions=self.positions,
            label=labels,
            prediction=counted.label,
            lower=kept,
            upper=upper,
            rival=rival,
            tolerance=Tolerance(2 * self._doubtful(local_logits, delta)).spread(upper.shape),
        )
        return ranked(certificate, counted.scores, gained)

    def votes(self, local_logits: LocalLogits) -> Float64[np.ndarray, "*batch classes rows columns"]:
        """1 where a block votes for a class, else 0. Raises ValueError for a map of another size than `map_size`."""
        check_maps(local_logits)
        if local_logits.shape[-2:] != self.map_size:
            raise ValueError(f"expected a map of {self.map_size} blocks, got {local_logits.shape[-2:]}")
        return (confidence(local_logits) >= self.vote_threshold).astype(np.float64)

    def _doubtful(self, local_logits: LocalLogits, delta: float) -> Float64[np.ndarray, "*batch"]:
        """How many votes of a class an error of delta in every logit can flip: no confidence moves by more."""
        delta = non_negative(delta, "delta")
        near = np.abs(confidence(local_logits) - self.vote_threshold) <= delta
        flips = near.sum(axis=(-2, -1)).max(axis=-1).astype(np.float64)
        return np.asarray(flips * (delta > 0))

    def _starts(self, axis: int) -> Int[np.ndarray, "starts"]:
        """First pixels of the blocks along an axis."""
        size, block = self.image_size[axis], self.block_size[axis]
        return np.arange(0, size, self.stride[axis]) if block < size else np.zeros(1, int)

    def _meeting(self, axis: int) -> Bool[np.ndarray, "placements starts"]:
        """Whether the patch at each place along an axis has a pixel in each block, which may wrap around."""
        size, block, patch = self.image_size[axis], self.block_size[axis], self.patch_size[axis]
        if block == size:
            return np.ones((1, 1), bool)
        first = np.arange(size - patch + 1)[:, None]
        start = self._starts(axis)
        end = start + block - 1
        plain = (first <= end) & (start <= first + patch - 1)
        return plain | (first <= end - size)


def _counted(votes: Float64[np.ndarray, "*batch classes rows columns"]) -> Prediction:
    totals = votes.sum(axis=(-2, -1))
    return Prediction(first_largest(totals), totals)


def _explained(
    defence: Smoothing,
    local_logits: LocalLogits,
    prediction: Prediction,
    certificate: Certificate,
    position: tuple[int, int],
) -> tuple[Waterfall, Waterfall]:
    votes, met = defence.votes(local_logits), defence.met_at(position)
    label, rival = int(certificate.label), int(certificate.rival[position])
    lower, upper = float(certificate.lower[position]), float(certificate.upper[position])
    local = defence.rule is Rule.LOCAL
    most = float(met.sum()) if local else float(defence.met.max(initial=0))
    lost = float(votes[label][met].sum()) if local else most
    kept, gained = float(votes[label].sum()), float(votes[rival].sum())
    again = float(votes[rival][met].sum()) if local else 0.0
    tie = upper - (gained - again + most)
    return (
        Waterfall(
            label,
            (Term("all votes", kept, True), Term("met by the patch", -lost), Term("lower", lower, True)),
        ),
        Waterfall(
            rival,
            (
                Term("all votes", gained, True),
                Term("met by the patch", -again),
                Term("every band met", most),
                Term("loses a tie", tie),
                Term("upper", upper, True),
            ),
        ),
    )


def _witness(
    defence: Smoothing,
    local_logits: LocalLogits,
    prediction: Prediction,
    certificate: Certificate,
    position: tuple[int, int],
) -> Prediction:
    """Every block that the patch meets votes for the rival alone."""
    votes, met = defence.votes(local_logits), defence.met_at(position)
    votes[:, met] = 0.0
    votes[int(certificate.rival[position]), met] = 1.0
    return _counted(votes)


def _votes(defence: Smoothing, local_logits: LocalLogits) -> EvidenceMap:
    return defence.votes(local_logits)


def _build(config: DefenceConfig) -> Smoothing:
    if not config.receptive_field.wrapping:
        raise ValueError("de-randomized smoothing needs a network of column bands, and this one has none")
    return Smoothing.columns(config.image_size, config.receptive_field.size[1], config.patch_size)


SPEC = DefenceSpec(
    "smoothing",
    "de-randomized smoothing",
    "The class with most votes of bands; a patch changes the votes of the bands that it meets, and no others.",
    DefenceInput.LOCAL_LOGITS,
    _build,
    lambda defence: isinstance(defence, Smoothing),
    "the votes of '{label}' in bands that the patch does not meet",
    "the votes of '{rival}' there, and one of each band that the patch meets, less one if it loses a tie",
    evidence=_votes,
    explained=_explained,
    witness=_witness,
    ranks=lambda defence: True,
)
