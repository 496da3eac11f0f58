"""The tight bounds: the largest score of a rival and the least score of the label under any content of a malicious
window (theory §6).

Both are attained in feature space, but for votes. Derived: published nowhere we know of. Not here: the content of the
window for several classes at once, see `pg_core.defences.patchguard.witness`.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from pg_core.geometry import Window, Windows, cells

Cells = Float64[np.ndarray, "cells"]
"""Evidence of one class in the cells of a window, or 0 and 1 for a choice of cells, in row-major order."""

_ROUNDING = 2.0**-40
"""Relative: far above what float64 loses in a program of some hundred rows, far below a margin that matters."""
PRECISION = 2.0**-30
"""Relative: what a bound by a program may miss what it bounds by, above the tolerance of the solver. A margin that is
negative by less is a tie."""
_NODES = 100
"""A limit on the search for whole contents that does not depend on how busy the machine is."""
_PRECISE = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


@dataclass(frozen=True, slots=True, eq=False)
class Surroundings:
    """One class around a malicious window w: the evidence outside it (`values`, 0 inside), the total t of it,
    what each window w' holds of it (`benign`, flat), and which cells of w each w' holds (`held`, 0 or 1)."""

    windows: Windows
    window: Window
    threshold: float
    values: Float64[np.ndarray, "rows columns"]
    outside: float
    benign: Float64[np.ndarray, "windows"]
    held: Float64[np.ndarray, "windows cells"]

    @classmethod
    def of(
        cls,
        evidence: Float64[np.ndarray, "rows columns"],
        windows: Windows,
        window: Window,
        threshold: float,
    ) -> "Surroundings":
        """The surroundings of a window in the evidence of a class; what is inside the window is ignored."""
        values = evidence.copy()
        values[cells(window, windows.map_size)] = 0.0
        benign, held = windows.sums(values).ravel(), windows.holding(window).astype(np.float64)
        return cls(windows, window, threshold, values, float(values.sum()), benign, held)

    def filled(
        self, contents: Float64[np.ndarray, "*batch cells"]
    ) -> Float64[np.ndarray, "*batch rows columns"]:
        """The maps with these contents in w."""
        maps = np.broadcast_to(self.values, (*contents.shape[:-1], *self.values.shape)).copy()
        maps[..., *cells(self.window, self.windows.map_size)] = contents.reshape(
            *contents.shape[:-1], *self.window.size
        )
        return maps


def straddling(
    around: Surroundings, top: float, doubt: float = 0.0
) -> tuple[Float64[np.ndarray, "overlapping"], Float64[np.ndarray, "overlapping cells"]]:
    """The windows w' overlapping w that the adversary can have detected for the label: the benign evidence q1 that
    each takes along, and its cells of w (0 or 1).

    With SUM(a) = x in w' ∩ w and nothing else in w, w' passes T as soon as q1 + x > T(t + x). Then the largest window
    is removed, which holds q1 + x or more, and t - q1 or less is left. More of x only helps, so `top` in every cell of
    w' ∩ w decides (theory §6, At T > 0). A window counts also if it misses this by at most `doubt` >= 0.
    """
    overlapping = around.held.any(axis=1)
    taken, held = around.benign[overlapping], around.held[overlapping]
    full = held.sum(axis=1) * top
    passing = taken + full + doubt > around.threshold * (around.outside + full)
    return taken[passing], held[passing]


def least_kept(around: Surroundings, top: float, doubt: float = 0.0) -> float:
    """The least score of the label under contents of [0, top] in each cell of w, where m <= T t: t - q1 for the best
    straddling window that can be detected, t - m_o if the range is wide enough for all."""
    # More of x cannot undo a detection by rounding where 1 - T of a step of the grid is over half a unit in the
    # last place of any sum (`scale`); closer to T = 1, rounding counts as doubt.
    rounding = 0.0 if around.threshold < 0.75 else 2.0**-50 * (around.outside + around.held.shape[1] * top)
    taken, _ = straddling(around, top, doubt + rounding)
    return around.outside - float(taken.max(initial=0.0))


def most_kept(around: Surroundings, top: float, whole: bool = False, doubt: float = 0.0) -> float:
    """The largest score of a wrong class under contents of [0, top] in each cell of w, or an upper bound for `whole`
    contents: max(t, t + e*).

    e* is the most evidence that w can hold while no window passes T (Case IV): SUM(a) under, for all w' in W, SUM(w' ⊙
    (v + a)) <= T(t + SUM(a)) + doubt. `whole` contents are 0 or top, as votes are. The bound is evaluated from the
    multipliers of the program by weak duality, so that the tolerance of the solver cannot make it too small; it is
    never above t/(1 - T).
    """
    plain = around.outside / (1 - around.threshold)
    if not whole and cornered_content(around, top) is not None:
        return plain
    hidden = _most_hidden(around, top, doubt)
    if whole:
        hidden = float(np.floor(hidden / top + 1e-9)) * top
    return max(around.outside, min(around.outside + hidden, plain))


def cornered_content(around: Surroundings, top: float) -> Cells | None:
    """T t/(1 - T), the most that Case IV allows, in equal parts in the corners of w, if that is in range and leaves
    every window at or below T (but for rounding): then Lemma 1 is attained without a program."""
    height, width = around.window.size
    corners = np.zeros((height, width))
    corners[[0, 0, -1, -1], [0, -1, 0, -1]] = 1.0
    allowed = around.outside * around.threshold / (1 - around.threshold)
    content = corners.ravel() / corners.sum() * allowed
    most = float((around.benign + around.held @ content).max())
    inside = content.max() <= top and most <= allowed * (1 + _ROUNDING)
    return content if inside else None


def hidden_content(around: Surroundings, top: float, target: float) -> Cells | None:
    """A content of w for a rival with which no window passes T (Case IV) and its score is above the target, with as
    much slack in both as possible; None if there is no such content."""
    solved = _contents(around, top, target, np.zeros(around.held.shape[1]), 0.0, True)
    return None if solved is None else solved[1]


def shared_contents(
    around: Surroundings, top: float, target: float, shared: Cells, needed: float
) -> Iterator[tuple[Cells, Cells]]:
    """Contents of w for the label and for a rival that sum to at most 1 in each cell: the label has `needed` in total
    in the shared cells, so that a straddling window is detected; the rival, whose surroundings these are, has a score
    above the target.

    It has if no window passes T, or if the largest window leaves enough even when it is detected. Nothing else helps,
    so that with `straddling` these programs decide whether such contents exist.
    """
    for hiding in (False, True):
        solved = _contents(around, top, target, shared, needed, hiding)
        if solved is not None:
            yield solved


def hidden_votes(around: Surroundings, top: float) -> Cells | None:
    """The largest content of zeros and `top` that leaves every window at or below T; None if none was found."""
    # Imported where it is needed: half a second that most certificates do without.
    from scipy.optimize import Bounds, LinearConstraint, milp

    matrix, room = _program(around, around.threshold, 0.0)
    cells = matrix.shape[1]
    limits = room * around.outside / top + 1e-9
    solved = milp(
        -np.ones(cells),
        integrality=np.ones(cells),
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(matrix, ub=limits),
        options={"node_limit": _NODES},
    )
    return None if solved.x is None else np.rint(solved.x) * top


def _most_hidden(around: Surroundings, top: float, doubt: float) -> float:
    """An upper bound on e*, tight to the precision of the solver; -inf if the program is infeasible."""
    scale, threshold = around.outside, around.threshold * (1 + _ROUNDING)
    if scale == 0:
        return doubt / (1 - threshold)
    cells = around.held.shape[1]
    loose = doubt / scale
    # Window w itself lets no cell hold more than this.
    most = (threshold + loose) / (1 - threshold)
    cap = min(top / scale, most)
    if around.benign.max() / scale > threshold * (1 + min(cells * cap, most)) + loose + _ROUNDING:
        return -math.inf
    matrix, room = _program(around, threshold, loose + _ROUNDING)
    bounds = np.column_stack([np.zeros(cells), np.full(cells, cap)])
    solved = _solve(-np.ones(cells), matrix, room, bounds)
    if solved is not None:
        multipliers = solved[1]
        excess = np.maximum(1 - multipliers @ matrix, 0).sum() * cap
        size = multipliers @ np.abs(room) + 1
        return float(multipliers @ room + excess + size * _ROUNDING) * scale
    # The least violation of the worst row; its multipliers prove that the program is infeasible.
    rows = np.column_stack([matrix, -np.ones(len(matrix))])
    eased = np.vstack([bounds, [-1.0, 2.0]])
    solved = _solve(np.append(np.zeros(cells), 1.0), rows, room, eased)
    if solved is not None:
        multipliers = solved[1]
        violation = np.minimum(multipliers @ matrix, 0).sum() * cap - multipliers @ room
        if violation > _ROUNDING:
            return -math.inf
    return most * scale


def _contents(
    around: Surroundings, top: float, target: float, shared: Cells, needed: float, hiding: bool
) -> tuple[Cells, Cells] | None:
    """The program of `hidden_content` and `shared_contents`, in units of t: variables are the rival's evidence in
    each cell, the label's, and the slack."""
    scale, cells = around.outside, around.held.shape[1]
    if scale == 0:  # the score is what w holds less the detected window: no more than filling w gives
        return None
    # Detected or not, t + SUM(a) - SUM(w' ⊙ (v + a)) is left, which is the row of T = 1.
    matrix, room = _program(around, around.threshold if hiding else 1.0, 0.0 if hiding else -target / scale)
    nothing, each = np.zeros((len(matrix), cells)), np.eye(cells)
    kept = np.concatenate([-np.ones(cells), np.zeros(cells), [1.0]])
    given = np.concatenate([np.zeros(cells), -shared, [1.0]])
    rows = [np.column_stack([matrix, nothing, np.ones(len(matrix))])]
    limits = [room]
    if hiding:
        rows.append(kept[None])
        limits.append(np.array([1 - target / scale]))
    if shared.any():
        rows += [given[None], np.column_stack([each, each, np.zeros(cells)])]
        limits += [np.array([-needed / scale]), np.full(cells, 1 / scale)]
    bounds = np.zeros((2 * cells + 1, 2))
    bounds[:, 1] = np.concatenate([np.full(cells, top / scale), shared * top / scale, [1.0]])
    solved = _solve(-np.eye(2 * cells + 1)[-1], np.vstack(rows), np.concatenate(limits), bounds)
    if solved is None:
        return None
    return solved[0][cells:-1] * scale, solved[0][:cells] * scale


def _program(
    around: Surroundings, threshold: float, loose: float
) -> tuple[Float64[np.ndarray, "rows cells"], Float64[np.ndarray, "rows"]]:
    """The rows (w' - T) a <= T t + loose - SUM(w' ⊙ v), in units of t: one for each w' that overlaps w, and one
    for the best of the others, which hold no cell of w."""
    overlapping = around.held.any(axis=1)
    held, benign = around.held[overlapping], around.benign[overlapping]
    disjoint = around.benign[~overlapping]
    if disjoint.size:
        held = np.vstack([held, np.zeros(held.shape[1])])
        benign = np.append(benign, disjoint.max())
    scale = max(around.outside, 1e-300)
    return held - threshold, threshold + loose - benign / scale


def _solve(
    costs: Float64[np.ndarray, "variables"],
    matrix: Float64[np.ndarray, "rows variables"],
    limits: Float64[np.ndarray, "rows"],
    bounds: Float64[np.ndarray, "variables 2"],
) -> tuple[Float64[np.ndarray, "variables"], Float64[np.ndarray, "rows"]] | None:
    """The cheapest x with matrix x <= limits, and the multipliers (>= 0) of the rows; None without a solution."""
    from scipy.optimize import linprog

    solved = linprog(costs, matrix, limits, bounds=bounds, method="highs", options=_PRECISE)
    if solved.status != 0:
        return None
    return np.asarray(solved.x), np.maximum(-np.asarray(solved.ineqlin.marginals), 0.0)
