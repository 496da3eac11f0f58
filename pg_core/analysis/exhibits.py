"""Bounds that were published and are wrong, each with an input on which it breaks (theory §10).

An exhibit has the bound as printed, written here from its source, an input, an attack, and the certificate that holds,
all of them computed on the spot. Not here: errors that make no false certificate.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from pg_core.defences.base import Certificate, Defence, Prediction
from pg_core.defences.bounded import SHIFT, SLOPE, BoundedEvidence
from pg_core.defences.detection import MaskedDetection
from pg_core.defences.patchguard.boards import COUNTEREXAMPLE, COUNTEREXAMPLE_RIVAL
from pg_core.defences.patchguard.certificate import Bound
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.defences.smoothing import Smoothing
from pg_core.evidence.arrays import EvidenceMap, LocalLogits
from pg_core.geometry import Windows, cells

Where = Bool[np.ndarray, "rows columns"]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a bound says of the label (lower) and of its rival (upper) under any patch at one place, in the defence's
    own units, and whether that is called a certificate."""

    lower: float
    upper: float
    certified: bool


@dataclass(frozen=True, slots=True, eq=False)
class Exhibit:
    """A published bound, and an input on which it is wrong.

    `printed` says what is claimed, with its source and year, `error` what is wrong, `since` what became of it, as far
    as is known here. local_logits are the input of `defence`, as published, of which class 0 or `label` is certified;
    where are the cells that one patch can corrupt, and `position` is their place in the certificate of `corrected`,
    the defence as it is here. `as_printed` are the bounds of the publication, and `attack` makes other contents of
    these cells; `evidence` is what the defence adds up.
    """

    name: str
    title: str
    printed: str
    error: str
    since: str
    label: int
    local_logits: LocalLogits
    where: Where
    position: tuple[int, int]
    defence: Defence
    corrected: Defence
    as_printed: Callable[[], Bounds]
    attack: Callable[[], LocalLogits]
    evidence: Callable[[LocalLogits], EvidenceMap]

    @property
    def clean(self) -> Prediction:
        """What the published defence says without a patch."""
        return self.defence.predict(self.local_logits)

    @property
    def certificate(self) -> Certificate:
        """The certificate that holds."""
        return self.corrected.certify(self.local_logits, self.label)

    def holds(self) -> Bounds:
        """The bounds that hold, at the place of the attack."""
        certificate = self.certificate
        lower, upper = (float(bound[self.position]) for bound in (certificate.lower, certificate.upper))
        return Bounds(lower, upper, bool(certificate.proved[self.position]))

    def broken(self) -> "Broken":
        """The attack, made now, and what the published defence and that of `corrected` say of it. Raises
        AssertionError if it changes a cell that no patch reaches."""
        attacked = self.attack()
        assert (attacked == self.local_logits)[..., ~self.where].all(), "one patch"
        return Broken(attacked, self.defence.predict(attacked), self.corrected.predict(attacked))


@dataclass(frozen=True, slots=True, eq=False)
class Broken:
    """Other contents of the cells of one patch; what the published defence predicts for them, and what the corrected
    one does."""

    local_logits: LocalLogits
    prediction: Prediction
    corrected: Prediction


def exhibits() -> tuple[Exhibit, ...]:
    """All of them: of robust masking first, then of the other defences."""
    return (_printed_bound(), _no_wrap(), _runner_up(), _equal_confidence(), _stride(), _tie())


def _printed_bound() -> Exhibit:
    """[PG] Algorithm 2 at T > 0."""
    benign = np.concatenate([COUNTEREXAMPLE.benign, COUNTEREXAMPLE_RIVAL.benign])
    size, threshold, window = (
        COUNTEREXAMPLE.windows.window_size,
        COUNTEREXAMPLE.threshold,
        COUNTEREXAMPLE.window,
    )
    defence = RobustMasking(size, threshold)

    def as_printed() -> Bounds:
        certificate = RobustMasking(size, threshold, bound=Bound.PUBLISHED).certify(benign, 0)
        lower, upper = (
            float(bound[window.top, window.left]) for bound in (certificate.lower, certificate.upper)
        )
        return Bounds(lower, upper, bool((certificate.margin > 0).all()))

    def attack() -> LocalLogits:
        return np.concatenate([COUNTEREXAMPLE.attacked, COUNTEREXAMPLE_RIVAL.attacked])

    return Exhibit(
        "printed-bound",
        "The lower bound of robust masking at T > 0",
        "PatchGuard, Algorithm 2 (Xiang et al., USENIX Security 2021): where no other window passes T, the label "
        "keeps all of its evidence outside the malicious window.",
        "A little evidence *for* the label, put into the malicious window, lets a window pass T that straddles it. It "
        "is masked, and takes honest evidence along.",
        "Corrected by its authors in December 2021. At T = 0, at which the paper reports its results, the bound is "
        "right.",
        0,
        benign,
        _inside(Windows(COUNTEREXAMPLE.windows.map_size, size), (window.top, window.left)),
        (window.top, window.left),
        defence,
        defence,
        as_printed,
        attack,
        lambda logits: np.asarray(defence.mask(logits).evidence),
    )


def _runner_up() -> Exhibit:
    """[CBN]: the margin against the runner-up only."""
    values = np.empty((3, 6, 6))
    values[:] = np.array([0.50, 0.10, 0.32])[:, None, None]
    values[1:, :2, :2] = np.array([0.99, -0.99])[:, None, None]
    defence = BoundedEvidence((2, 2))
    where = _inside(Windows((6, 6), (2, 2)), (0, 0))

    def logits_of(evidence: Float64[np.ndarray, "classes rows columns"]) -> LocalLogits:
        return (np.arctanh(evidence) - SHIFT) / SLOPE

    def as_printed() -> Bounds:
        # Of the sums without a patch the two largest alone: label and runner-up, by range times cells.
        runner_up = int(np.argsort(-values.sum(axis=(-2, -1)), kind="stable")[1])
        outside = values[:, ~where].sum(axis=-1)
        lower, upper = outside[0] - where.sum(), outside[runner_up] + where.sum()
        return Bounds(float(lower), float(upper), bool(lower >= upper))

    def attack() -> LocalLogits:
        attacked = values.copy()
        attacked[:, where] = -0.999
        attacked[2, where] = 0.999
        return logits_of(attacked)

    return Exhibit(
        "runner-up",
        "Clipped BagNet: only the runner-up is looked at",
        "Clipped BagNet (Zhang et al., 2020), as its certificate is computed in the code published with PatchGuard "
        "(2021): the label is compared with the class that comes second without a patch; a tie passes.",
        "A third class may have more outside the window than the runner-up, whose evidence lies within it: the patch "
        "takes that away, and helps the third.",
        "No correction is known here.",
        0,
        logits_of(values),
        where,
        (0, 0),
        defence,
        defence,
        as_printed,
        attack,
        defence.squash,
    )


def _no_wrap() -> Exhibit:
    """Mask-DS in an older version: windows end at the right edge."""
    benign = np.full((2, 1, 8), 2.0)
    benign[1] = 0.5
    printed, ring = RobustMasking((1, 2)), RobustMasking((1, 2), wrapping=True)
    where = _inside(Windows((1, 8), (1, 2), wrapping=True), (0, 7))

    def as_printed() -> Bounds:
        certificate = printed.certify(benign, 0)
        at = certificate.worst_position
        return Bounds(float(certificate.lower[at]), float(certificate.upper[at]), bool(certificate.certified))

    def attack() -> LocalLogits:
        attacked = benign.copy()
        attacked[:, where] = np.array([0.0, 20.0])[:, None]
        return attacked

    return Exhibit(
        "no-wrap",
        "Mask-DS: bands go around the edge, windows do not",
        "Mask-DS, in an early version of the code published with PatchGuard (2020): windows of bands run from the "
        "first column to the last one.",
        "A band that begins near the right edge goes on at the left one. A patch there corrupts the first bands and "
        "the last ones: of these, no window that ends at the edge holds all, so only a part is masked, and no part of "
        "the proof is about them together. So the bounds are right for the windows that they are about, and one "
        "window is left out.",
        "A later version lets windows go around, though still not in every comparison. Here they do so everywhere: "
        "the same attack is masked.",
        0,
        benign,
        where,
        (0, 7),
        printed,
        ring,
        as_printed,
        attack,
        lambda logits: np.asarray(printed.mask(logits).evidence),
    )


def _stride() -> Exhibit:
    """Strided bands by a quotient."""
    defence = Smoothing.columns((224, 224), 19, (32, 32), stride=10)
    met = defence.met
    position = (0, int(met[0].argmax()))
    where = defence.met_at(position)
    bands = where.shape[1]
    quotient = math.ceil((32 + 19 - 1) / 10)
    voters = np.flatnonzero(~where[0])[-6:]
    votes = np.zeros((2, 1, bands))
    votes[0] = 1.0
    votes[:, 0, voters] = np.array([0.0, 1.0])[:, None]

    def as_printed() -> Bounds:
        label, rival = votes.sum(axis=(-2, -1))
        lower, upper = float(label - quotient), float(rival + quotient)
        return Bounds(lower, upper, lower > upper)

    def attack() -> LocalLogits:
        attacked = votes.copy()
        attacked[:, where] = np.array([0.0, 1.0])[:, None]
        return _voting(attacked)

    return Exhibit(
        "stride",
        "Strided bands, counted by a quotient",
        "De-randomized smoothing (Levine and Feizi, 2020) with a stride: a patch of p columns meets at most "
        "ceil((p + b - 1)/stride) bands of b columns, 5 of these.",
        "Where the stride does not divide the width, the last step around the edge is a shorter one. Counted one by "
        f"one, a patch meets up to {int(met.max())} bands.",
        "No correction is known here. Without a stride, as in the paper, the count is right.",
        0,
        _voting(votes),
        where,
        position,
        defence,
        defence,
        as_printed,
        attack,
        defence.votes,
    )


def _tie() -> Exhibit:
    """One runner-up of two that are equal."""
    counts = (5, 3, 3, 3, 19, 3, 0, 4, 5, 3)
    width, patch = 4, 4
    bands = sum(counts)
    affected = patch + width - 1
    defence = Smoothing.columns((bands, bands), width, (patch, patch))
    position = (0, 20)
    where = defence.met_at(position)
    label = int(np.argmax(counts))
    # The label's votes lie where the patch is, then elsewhere; the others' in their order.
    free = [band for band in range(bands) if not where[0, band]]
    votes = np.zeros((len(counts), 1, bands))
    votes[label, where] = 1.0
    for c, count in enumerate(counts):
        for _ in range(count - (int(where.sum()) if c == label else 0)):
            votes[c, 0, free.pop()] = 1.0

    def as_printed() -> Bounds:
        # Of equal counts, a selection by rank may name either: here it is the last.
        runner_up = max((c for c in range(len(counts)) if c != label), key=lambda c: (counts[c], c))
        lower, upper = float(counts[label] - affected), float(counts[runner_up] + affected)
        return Bounds(lower, upper, lower > upper or (lower == upper and label < runner_up))

    def attack() -> LocalLogits:
        attacked = votes.copy()
        attacked[:, where] = 0.0
        attacked[0, where] = 1.0
        return _voting(attacked)

    return Exhibit(
        "tie",
        "A tie, against one of two that come second",
        "The rule of Levine and Feizi (2020) in the Adversarial Robustness Toolbox, `levine2020` (PyTorch): the label "
        "is compared with the class of the second largest count, and at a tie the lower number wins.",
        "Two classes come second. The selection names the higher number, against which the tie is won; the attack "
        "works for the lower one, against which it is lost.",
        "It was so in the version that was read in 2026; whether it has been changed since is not known here.",
        label,
        _voting(votes),
        where,
        position,
        defence,
        defence,
        as_printed,
        attack,
        defence.votes,
    )


def _equal_confidence() -> Exhibit:
    """[PG++]: the confidence that is enough for a certificate raises no alert."""
    defence = MaskedDetection((1, 1), alert_threshold=1.0)
    benign = np.zeros((2, 1, 4))
    benign[0] = 60.0
    where = _inside(Windows((1, 4), (1, 1)), (0, 0))

    def confidence() -> Float64[np.ndarray, "windows"]:
        means = (benign.sum(axis=-1) - benign[..., 0]) / 4
        powers = np.exp(means - means.max(axis=0))
        return np.asarray((powers / powers.sum(axis=0))[0])

    def as_printed() -> Bounds:
        least, threshold = float(confidence().min()), defence.alert_threshold
        return Bounds(least, threshold, least >= threshold)

    def attack() -> LocalLogits:
        attacked = benign.copy()
        attacked[:, where] = np.array([0.0, 600.0])[:, None]
        return attacked

    return Exhibit(
        "equal-confidence",
        "PatchGuard++: the confidence of the threshold itself",
        "PatchGuard++ (Xiang and Mittal, 2021), as its code is published: an image is certified if the label has a "
        "confidence of at least τ without each window, and an alert is raised above τ.",
        "At τ exactly there is a certificate and no alert. In floating point a large lead gives a confidence of "
        "1, so that with τ = 1 everything clear is certified, and nothing ever raises an alert.",
        "No correction is known here. It matters at equality alone.",
        0,
        benign,
        where,
        (0, 0),
        defence,
        defence,
        as_printed,
        attack,
        defence.on_grid,
    )


def _inside(windows: Windows, at: tuple[int, int]) -> Where:
    where = np.zeros(windows.map_size, bool)
    where[cells(windows.window(*at), windows.map_size)] = True
    return where


def _voting(votes: Float64[np.ndarray, "classes rows columns"]) -> LocalLogits:
    """Local logits of which the confidence is next to 1 where a class has a vote; nowhere do two have one."""
    return 40.0 * votes
