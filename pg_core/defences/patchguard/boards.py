"""Small maps of one class on which to try [PG] Figure 5, and one on which the published bound is wrong (theory §5).

A board is benign evidence, a malicious window and what the adversary puts into it; Algorithm 1 runs on it as on any
map. Not here: drawings.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from pg_core.defences.patchguard.cases import Case, CaseEvidence, cases
from pg_core.defences.patchguard.certificate import Bound
from pg_core.defences.patchguard.masking import Masking, RobustMasking
from pg_core.evidence.arrays import EvidenceMap
from pg_core.evidence.grid import clip
from pg_core.evidence.types import CEILING
from pg_core.geometry import Size, Window, Windows, cells

Rows = tuple[tuple[float, ...], ...]
"""A map as plain values, row by row."""


@dataclass(frozen=True, slots=True)
class Board:
    """One class on a small map: benign evidence, and the content of the malicious window at a corner (row, column).

    The benign evidence under the window is kept, and comes back when the window moves. Raises ValueError for rows of
    different lengths, evidence outside [0, `CEILING`], a window larger than the map, and T outside [0, 1).
    """

    values: Rows
    content: Rows
    corner: tuple[int, int]
    threshold: float

    def __post_init__(self) -> None:
        for rows in (self.values, self.content):
            numbers = [value for row in rows for value in row]
            if not numbers or len({len(row) for row in rows}) != 1:
                raise ValueError(f"expected rows of one length, got {[len(row) for row in rows]}")
            if not all(0 <= value <= CEILING for value in numbers):
                raise ValueError(
                    f"expected evidence from 0 to {CEILING:g}, got {min(numbers)} to {max(numbers)}"
                )
        if _size(self.content) != self.windows.window_size:
            raise ValueError(f"expected a window within {_size(self.values)}, got {_size(self.content)}")
        self.windows.window(*self.corner)
        _ = self.defence

    @property
    def windows(self) -> Windows:
        return Windows(_size(self.values), _size(self.content))

    @property
    def window(self) -> Window:
        """The malicious window w."""
        return self.windows.window(*self.corner)

    @property
    def defence(self) -> RobustMasking:
        return RobustMasking(_size(self.content), self.threshold)

    @property
    def benign(self) -> EvidenceMap:
        """The evidence without the adversary, of one class."""
        return clip(np.array([self.values]))

    @property
    def attacked(self) -> EvidenceMap:
        """The evidence with the content in the window."""
        evidence = self.benign
        evidence[:, *cells(self.window, self.windows.map_size)] = clip(np.array([self.content]))
        return evidence

    @property
    def masking(self) -> Masking:
        """The result of Algorithm 1 on the attacked evidence."""
        return self.defence.mask(self.attacked)

    @property
    def evidence(self) -> CaseEvidence:
        """The case of Figure 5 that the board shows, with its numbers."""
        (known,) = cases(self.defence, self.benign, self.masking, self.window)
        return known

    def lower(self, bound: Bound) -> float:
        """The lower bound of the class under any content of the window, `published` or `sound`."""
        against_nothing = np.concatenate([self.benign, np.zeros_like(self.benign)])
        defence = replace(self.defence, bound=bound)
        certificate = defence.certify_masking(defence.mask(against_nothing), 0)
        return float(certificate.lower[self.corner])

    def painted(self, places: Iterable[tuple[int, int]], value: float) -> "Board":
        """The board with this evidence in these cells: part of the content inside the window, benign outside."""
        values, content = np.array(self.values), np.array(self.content)
        window = self.window
        for row, column in places:
            if window.top <= row < window.bottom and window.left <= column < window.right:
                content[row - window.top, column - window.left] = value
            else:
                values[row, column] = value
        return replace(self, values=_rows(values), content=_rows(content))

    def moved(self, row: int, column: int) -> "Board":
        """The board with the window and its content at another position, or as near to it as the map allows."""
        rows, columns = self.windows.shape
        return replace(self, corner=(min(max(row, 0), rows - 1), min(max(column, 0), columns - 1)))

    def resized(self, map_size: Size, window_size: Size) -> "Board":
        """The board with another size of map and window, with zeros in new cells; what is cut off is lost."""
        fitted = Windows(map_size, window_size).window_size
        resized = replace(
            self,
            values=_cut(self.values, map_size),
            content=_cut(self.content, fitted),
            corner=(0, 0),
        )
        return resized.moved(*self.corner)


def mirrored(board: Board) -> Board:
    """A rival for a board: its evidence mirrored left to right and halved, with nothing in the window."""
    halved = np.array(board.values)[:, ::-1] / 2
    return replace(board, values=_rows(halved), content=_rows(np.zeros(_size(board.content))))


def _size(rows: Rows) -> Size:
    return len(rows), len(rows[0])


def _rows(values: np.ndarray) -> Rows:
    return tuple(tuple(row) for row in values.astype(float).tolist())


def _cut(rows: Rows, size: Size) -> Rows:
    cut = np.zeros(size)
    kept = np.array(rows)[: size[0], : size[1]]
    cut[: kept.shape[0], : kept.shape[1]] = kept
    return _rows(cut)


_BENIGN = (
    (0.0, 1.0, 2.0, 1.0, 1.0, 0.0),
    (1.0, 1.0, 2.0, 2.0, 1.0, 0.0),
    (0.0, 1.0, 1.0, 1.0, 0.0, 1.0),
    (1.0, 0.0, 0.0, 1.0, 0.0, 1.0),
    (1.0, 1.0, 1.0, 1.0, 0.0, 1.0),
    (0.0, 1.0, 0.0, 0.0, 1.0, 1.0),
)
_CONTENTS = {
    Case.EXACT: ((3.0, 1.0, 3.0), (1.0, 2.0, 1.0), (3.0, 1.0, 3.0)),
    Case.BENIGN: ((1.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 1.0)),
    Case.PARTIAL: ((5.0, 3.0, 1.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
    Case.NONE: ((2.0, 0.0, 2.0), (0.0, 0.0, 0.0), (2.0, 0.0, 2.0)),
}
EXAMPLES = MappingProxyType(
    {case: Board(_BENIGN, content, (3, 2), 0.4) for case, content in _CONTENTS.items()}
)
"""The four cases of Figure 5: one board, one window, one T, and four contents of the window."""

COUNTEREXAMPLE = Board(
    (
        (1.0, 0.0, 2.0, 0.0, 0.0, 0.0),
        (0.0, 0.0, 0.0, 1.0, 0.0, 1.0),
        (2.0, 2.0, 0.0, 2.0, 0.0, 0.0),
        (2.0, 0.0, 2.0, 5.0, 5.0, 0.0),
        (0.0, 0.0, 5.0, 0.0, 4.0, 2.0),
        (2.0, 0.0, 3.0, 2.0, 4.0, 0.0),
    ),
    ((0.0, 2.0), (0.0, 0.0)),
    (4, 2),
    0.4,
)
"""The true class falls below the bound published for T > 0: t = 37, m = 14 <= T t, so 37 should be left at least.
Evidence of 2 has a straddling window detected, which takes 14 of the benign evidence along: 23 are left. Found by a
search over some 40,000 boards of whole numbers that the published bound certifies in every window."""

COUNTEREXAMPLE_RIVAL = Board(
    (
        (1.0, 1.0, 0.0, 2.0, 0.0, 0.0),
        (1.0, 1.0, 0.0, 0.0, 0.0, 1.0),
        (0.0, 0.0, 2.0, 0.0, 0.0, 2.0),
        (0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
        (0.0, 0.0, 1.0, 0.0, 2.0, 2.0),
        (0.0, 0.0, 0.0, 0.0, 2.0, 1.0),
    ),
    ((3.0, 3.0), (3.0, 3.0)),
    (4, 2),
    0.4,
)
"""A wrong class on the same map, at its bound t/(1 - T) = 30: the published bound certifies every window against it,
and with both contents Algorithm 1 predicts it."""
