"""A margin of zero: a tie where both bounds are attained, exact under linear programs, and open elsewhere."""

from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest

from pg_core.defences.patchguard.certificate import Bound
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.defences.patchguard.witness import WindowStatus, window_status
from pg_core.geometry import Window


def most_kept_in_fractions(values, inside, threshold):
    """The most that one class keeps of a line of whole numbers and any content of the two cells inside: t, or t + e*
    at the best corner of the polygon that the windows of two cells and Case IV leave (theory §6)."""
    t = sum(value for cell, value in enumerate(values) if cell not in inside)
    edges = [(Fraction(-1), Fraction(0), Fraction(0)), (Fraction(0), Fraction(-1), Fraction(0))]
    for first in range(len(values) - 1):
        held = [cell in (first, first + 1) for cell in inside]
        benign = sum(values[cell] for cell in (first, first + 1) if cell not in inside)
        edges.append((held[0] - threshold, held[1] - threshold, threshold * t - benign))
    corners = []
    for (a, b, c), (d, e, f) in combinations(edges, 2):
        if determinant := a * e - b * d:
            x, y = (c * e - b * f) / determinant, (a * f - c * d) / determinant
            if all(p * x + q * y <= r for p, q, r in edges):
                corners.append(x + y)
    return t + max(corners, default=0)


@pytest.mark.parametrize(
    ("label", "rival", "at"),
    [
        ([2, 3, 2, 2, 4, 5, 0], [0, 2, 0, 2, 1, 0, 1], 2),
        ([4, 0, 3, 3, 0, 0, 5], [1, 1, 0, 1, 2, 3, 4], 4),
        ([5, 3, 3, 3, 4, 3, 5], [2, 4, 1, 5, 1, 0, 2], 1),
    ],
)
def test_an_exact_tie_under_linear_programs_is_a_tie(label, rival, at):
    """The bound of the program errs upwards by some 1e-11, which must not make a failure of a tie."""
    defence = RobustMasking((1, 2), 0.4, bound=Bound.TIGHT)
    evidence = np.array([[label], [rival]], float)
    masking = defence.mask(evidence)
    certificate = defence.certify_masking(masking, 0)
    exact = most_kept_in_fractions(rival, (at, at + 1), Fraction(2, 5))
    assert certificate.lower[0, at] == exact
    assert certificate.margin[0, at] == 0
    status, witness = window_status(defence, masking, certificate, Window(0, at, 1, 2))
    assert (status, witness) == (WindowStatus.TIED, None)


def test_a_margin_of_zero_is_a_tie_only_where_both_bounds_are_attained():
    """The sound bound at T > 0 is not: here the tight bound proves the window, so no rival can draw level."""
    evidence = np.array([[[6.0, 5, 3, 4]], [[2.0, 1, 3, 1]]])
    window = Window(0, 1, 1, 2)
    for bound, expected in ((Bound.SOUND, WindowStatus.OPEN), (Bound.TIGHT, WindowStatus.CERTIFIED)):
        defence = RobustMasking((1, 2), 0.25, bound=bound)
        masking = defence.mask(evidence)
        certificate = defence.certify_masking(masking, 0)
        assert certificate.margin[0, 1] == (0 if bound is Bound.SOUND else 1)
        assert window_status(defence, masking, certificate, window)[0] is expected
