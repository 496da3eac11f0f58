"""The four cases of [PG] Figure 5: how the detected window of a class lies to the malicious one (theory §4).

Each case bounds the evidence that is left of the class, which is Lemma 1. Not here: where the content of the
malicious window comes from (a patch on pixels, a witness, or a person at the toy board).
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from jaxtyping import Shaped

from pg_core.defences.patchguard.masking import Masking, RobustMasking
from pg_core.evidence.arrays import EvidenceMap
from pg_core.geometry import Size, Window, cells
from pg_core.io.parameters import coerce_fields


class Case(StrEnum):
    """How the window that Algorithm 1 detects for a class lies to the malicious window w."""

    EXACT = "I"
    """It is w: all malicious evidence is masked, and no benign evidence."""
    BENIGN = "II"
    """It lies outside w: it holds at least as much as w does, or w would have been detected."""
    PARTIAL = "III"
    """It overlaps w: what it masks by mistake is at least what it misses."""
    NONE = "IV"
    """Nothing passes T: w holds no more than T of all evidence."""


class Region(StrEnum):
    """The parts of malicious and detected window."""

    SPILLED = "r1"
    """Detected, not malicious: benign evidence q1 is masked by mistake."""
    CAUGHT = "r2"
    """Both: malicious evidence q2 is masked."""
    MISSED = "r3"
    """Malicious, not detected: evidence q3 stays."""


@dataclass(frozen=True, slots=True)
class CaseEvidence:
    """The evidence of one class in and around the malicious window w, with the letters of [PG] section 5.

    The detected window w* less w is the region r1, what they share r2, and w less w* r3. So e = q2 + q3, e' = q1 +
    q2 and s = t + e - e', exactly, as sums over the grid of the evidence are.
    """

    case: Case
    outside: float
    """t: benign evidence outside w, out of the adversary's reach."""
    malicious: float
    """e: evidence in w, of the adversary's choice."""
    detected: float
    """e': evidence in w*, which Algorithm 1 masks; 0 if nothing is detected."""
    spilled: float
    """q1: evidence in r1, benign and masked by mistake."""
    caught: float
    """q2: evidence in r2, malicious and masked."""
    missed: float
    """q3: evidence in r3, malicious and not masked."""
    remaining: float
    """s: what is left of the class, its score."""
    bound: float
    """t/(1 - T): the most that is left under any content of w (Lemma 1)."""

    def __post_init__(self) -> None:
        coerce_fields(self)


def cases(
    defence: RobustMasking, benign: EvidenceMap, attacked: Masking, window: Window
) -> tuple[CaseEvidence, ...]:
    """The case of every class of one map: from its benign evidence, and the result of Algorithm 1 on the attacked
    evidence.

    A window smaller than those of W stands for a patch that cannot fill one; a detected window that contains it and is
    larger is case III. Raises ValueError if the window is larger, passes the border, or is not all that was attacked.
    """
    windows, evidence = attacked.windows, attacked.evidence
    inside = (0 <= window.top <= windows.map_size[0] - window.height) and (
        0 <= window.left < windows.map_size[1]
        if windows.wrapping
        else 0 <= window.left <= windows.map_size[1] - window.width
    )
    if not inside or window.height > windows.window_size[0] or window.width > windows.window_size[1]:
        raise ValueError(
            f"expected a malicious window of at most {windows.window_size} inside the map of "
            f"{windows.map_size}, got {window}"
        )
    restored = evidence.copy()
    attackable = cells(window, windows.map_size)
    restored[..., *attackable] = benign[..., *attackable]
    if evidence.ndim != 3 or not np.array_equal(restored, benign):
        raise ValueError("expected evidence of one map that differs from the benign inside the window only")

    content = evidence[:, *attackable].reshape(len(evidence), -1)
    found = attacked.detected >= 0
    held = windows.holding(window)[attacked.detected] & found[:, None]
    sums = attacked.window_sums.reshape(len(evidence), windows.count)
    detected = np.where(found, sums[np.arange(len(sums)), attacked.detected], 0.0)
    malicious, caught = content.sum(axis=-1), (content * held).sum(axis=-1)
    outside = evidence.sum(axis=(-2, -1)) - malicious
    exact = held.all(axis=-1) & (window.size == windows.window_size)
    names = np.select([~found, exact, held.any(axis=-1)], [Case.NONE, Case.EXACT, Case.PARTIAL], Case.BENIGN)
    columns = (
        outside,
        malicious,
        detected,
        detected - caught,
        caught,
        malicious - caught,
        attacked.scores,
        outside / (1 - defence.threshold),
    )
    numbers = np.stack(columns, axis=-1).tolist()
    return tuple(CaseEvidence(Case(name), *row) for name, row in zip(names.tolist(), numbers, strict=True))


def regions(map_size: Size, detected: Window | None, window: Window) -> Shaped[np.ndarray, "rows columns"]:
    """Which region of Figure 5 each cell of the map is in: a value of `Region`, or the empty string."""
    masked, malicious = np.zeros(map_size, bool), np.zeros(map_size, bool)
    malicious[cells(window, map_size)] = True
    if detected is not None:
        masked[cells(detected, map_size)] = True
    parts = [masked & ~malicious, masked & malicious, malicious & ~masked]
    return np.select(parts, [str(region) for region in Region], "")
