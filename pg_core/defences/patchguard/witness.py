"""Attacks in feature space on windows that are not certified: theory §6 (derived), run through [PG] Algorithm 1.

A witness equals the benign evidence outside one malicious window and is legal evidence inside it: logits in [0, c_h],
confidences in [0, min(1, c_h)] that sum to at most 1 in a cell, as they are or sharpened, or votes. Not here: whether
pixels attain it, see `pg_core.attacks`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from jaxtyping import Shaped

from pg_core.defences.base import Certificate
from pg_core.defences.patchguard.masking import Masking, RobustMasking
from pg_core.defences.patchguard.tight import (
    Cells,
    Surroundings,
    cornered_content,
    hidden_content,
    hidden_votes,
    most_kept,
    shared_contents,
    straddling,
)
from pg_core.evidence.arrays import EvidenceMap, Scores
from pg_core.evidence.grid import scale
from pg_core.geometry import Window, cells


class WindowStatus(StrEnum):
    """What is known of one malicious window in feature space."""

    CERTIFIED = "certified"
    """No content of the window changes the prediction: its margin is above the tolerance."""
    COUNTEREXAMPLE = "feature-space counterexample"
    """A witness changes the prediction: evidence inside the window, legal for its type. Pixels need not attain it."""
    TIED = "tie"
    """The margin is zero, its bounds are attained, and no rival at the tie comes before the label: a rival can draw
    level, but not win; no certificate, and no counterexample."""
    UNDECIDED = "undecided"
    """The margin is positive, but within the tolerance."""
    OPEN = "open"
    """Neither certificate nor counterexample: at T > 0, between a bound and what the adversary attains; or the
    certificate claims nothing."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Witness:
    """Evidence that differs from the benign one in a malicious window only, and is not predicted as the label.

    `masking` is the result of Algorithm 1 on it; its evidence is the witness, its label the wrong prediction.
    """

    window: Window
    label: int
    rival: int
    masking: Masking

    @property
    def evidence(self) -> EvidenceMap:
        return self.masking.evidence

    @property
    def prediction(self) -> int:
        return int(self.masking.label)

    @property
    def scores(self) -> Scores:
        return self.masking.scores

    def __repr__(self) -> str:
        return (
            f"Witness(window at row {self.window.top}, column {self.window.left}: {self.prediction} with "
            f"{self.scores[self.prediction]:.4g} beats {self.label} with {self.scores[self.label]:.4g})"
        )


def find_witness(
    defence: RobustMasking, masking: Masking, label: int, window: Window, rival: int | None = None
) -> Witness | None:
    """A witness against the label of one map at a malicious window, for one rival or the first that has one.

    At T = 0 there is one wherever the margin is negative, and where it is zero if the tie rule favours a rival. At T >
    0 the same holds of the tight bound within the precision of the solver for logits. Votes are whole and may not
    attain it; with confidence and sharpened evidence label and rival may need the same cells, and a witness of
    sharpened evidence may be missed. Raises ValueError for a rival that is the label.
    """
    if label == rival:
        raise ValueError(f"expected a rival other than the label, got {rival} for both")
    found = find_contents(defence, masking, label, window, rival)
    if found is None:
        return None
    against, contents = found
    attacked = defence.mask(_filled(masking.evidence, window, (label, against), contents))
    assert attacked.label != label, "the rival beats the label"
    return Witness(window, label, against, attacked)


def find_contents(
    defence: RobustMasking, masking: Masking, label: int, window: Window, rival: int | None = None
) -> tuple[int, tuple[Cells, Cells]] | None:
    """The rival, or the first of all (the strongest first, the lowest on ties), and contents of w for label and rival
    with which Algorithm 1 scores the rival higher; the other classes have nothing in w. None if none were found."""
    windows, threshold = masking.windows, defence.threshold
    own = Surroundings.of(masking.evidence[label], windows, window, threshold)
    options = _options(defence, own)
    inside = masking.evidence[..., *cells(window, windows.map_size)].sum(axis=(-2, -1))
    most = (masking.evidence.sum(axis=(-2, -1)) - inside) / (1 - threshold)
    most[label] = -np.inf
    order = np.argsort(-most, kind="stable") if rival is None else np.array([rival])
    for c in order[most[order] >= options[0].kept * (1 - 2.0**-40)]:
        other = Surroundings.of(masking.evidence[c], windows, window, threshold)
        for contents in _contents(defence, other, options):
            kept, gained = (
                float(defence.mask(around.filled(content)[None]).scores[0])
                for around, content in zip((own, other), contents, strict=True)
            )
            # The tie rule of classes: `first_largest`.
            if gained > kept or (gained == kept and c < label):
                return int(c), contents
    return None


def duel(
    masking: Masking, label: int, window: Window, found: tuple[int, tuple[Cells, Cells]]
) -> tuple[EvidenceMap, EvidenceMap]:
    """The benign evidence of label and rival alone, in this order, and the same with the contents in w."""
    rival, contents = found
    benign = masking.evidence[[label, rival]]
    return benign, _filled(benign, window, (0, 1), contents)


def window_status(
    defence: RobustMasking, masking: Masking, certificate: Certificate, window: Window
) -> tuple[WindowStatus, Witness | None]:
    """What is known of one malicious window of one map, with its witness if it has a counterexample."""
    at = window.top, window.left
    if certificate.proved[at]:
        return WindowStatus.CERTIFIED, None
    found = find_witness(defence, masking, int(certificate.label), window)
    return (
        without_witness(defence, certificate, at) if found is None else WindowStatus.COUNTEREXAMPLE
    ), found


def window_statuses(
    defence: RobustMasking, masking: Masking, certificate: Certificate
) -> Shaped[np.ndarray, "window_rows window_columns"]:
    """What is known of every malicious window of one map: the values of `WindowStatus`.

    As `window_status`, but Algorithm 1 runs on label and rival alone: a class that the rival beats is not predicted.
    """
    label = int(certificate.label)
    longest = max(map(len, WindowStatus))
    known = np.full(certificate.windows.shape, WindowStatus.CERTIFIED.value, dtype=f"U{longest}")
    for row, column in np.argwhere(~certificate.proved):
        window = certificate.windows.window(int(row), int(column))
        found = find_contents(defence, masking, label, window)
        at = int(row), int(column)
        known[at] = WindowStatus.COUNTEREXAMPLE if found else without_witness(defence, certificate, at)
    return known


def without_witness(defence: RobustMasking, certificate: Certificate, at: tuple[int, int]) -> WindowStatus:
    """What is known of a window of one map that is neither proved nor has a witness."""
    if certificate.margin[at] == 0 and defence.attained:
        return WindowStatus.TIED
    return WindowStatus.UNDECIDED if certificate.undecided[at] else WindowStatus.OPEN


def _filled(
    evidence: EvidenceMap, window: Window, classes: tuple[int, int], contents: tuple[Cells, Cells]
) -> EvidenceMap:
    """The evidence with these contents for two classes in w, and nothing there for the others."""
    filled, inside = evidence.copy(), cells(window, evidence.shape[-2:])
    filled[..., *inside] = 0.0
    for index, content in zip(classes, contents, strict=True):
        filled[index][inside] = content.reshape(window.size)
    return filled


@dataclass(frozen=True, slots=True, eq=False)
class _Option:
    """What the label keeps if it has `needed` evidence in these cells of w (0 or 1), or nothing in w."""

    kept: float
    cells: Cells
    needed: float


def _options(defence: RobustMasking, own: Surroundings) -> list[_Option]:
    """What the adversary may do to the label, the worst first: nothing in w, or a straddling window detected."""
    nothing = own.filled(np.zeros(own.held.shape[1]))
    zeros = _Option(float(defence.mask(nothing[None]).scores[0]), np.zeros(own.held.shape[1]), 0.0)
    taken, cells = straddling(own, defence.top(own.windows.map_size))
    needed = (own.threshold * own.outside - taken) / (1 - own.threshold)
    order = [n for n in np.argsort(-taken, kind="stable") if own.outside - taken[n] < zeros.kept]
    return [*(_Option(float(own.outside - taken[n]), cells[n], float(needed[n])) for n in order), zeros]


def _contents(
    defence: RobustMasking, other: Surroundings, options: list[_Option]
) -> Iterator[tuple[Cells, Cells]]:
    """Contents of w for label and rival that are worth a trial, in the range and on the grid of the evidence.

    Channels are separate but for confidences: there a label that needs evidence leaves the rival less room.
    """
    map_size = other.windows.map_size
    top, (_, step) = defence.top(map_size), scale(map_size, defence.evidence, defence.clip_high)
    full, whole = np.full(other.held.shape[1], top), defence.evidence.whole
    power = defence.evidence.shared
    shared = power > 0
    alone = options[-1] if shared else options[0]
    yield alone.cells * top, full
    cornered = None if whole else cornered_content(other, top)
    if cornered is not None:
        yield alone.cells * top, _on_grid(cornered * (1 - 2.0**-30), step, full)
    most = most_kept(other, top, whole)
    if most > other.outside and most >= alone.kept:
        hidden = hidden_votes(other, top) if whole else hidden_content(other, top, alone.kept)
        if hidden is not None:
            yield alone.cells * top, _on_grid(hidden, step, full)
    if shared:
        for option in options[:-1]:
            if option.kept > most:
                return
            for own, against in shared_contents(other, top, option.kept, option.cells, option.needed):
                rounded = _on_grid(against, step, full)
                # The program shares out 1 in each cell, which is more than sharpened confidences leave.
                room = np.floor((1 - rounded ** (1 / power)) ** power / step) * step
                yield _on_grid(own, step, np.minimum(full, room)), rounded


def _on_grid(content: Cells, step: float, caps: Cells) -> Cells:
    return np.clip(np.rint(content / step) * step, 0.0, caps)
