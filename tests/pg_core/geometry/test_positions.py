"""Placements of a patch: each is one rectangle of pixels inside the image, and a certificate says what it is about."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pg_core.defences.base import Certificate, Claim
from pg_core.geometry import Patch, PatchPositions, Windows


def certificate(positions):
    zero, label = np.zeros(positions.shape), np.array(0)
    rival = np.ones(positions.shape, np.int64)
    return Certificate(Claim.LABEL, positions, label, label, zero + 1, zero, rival, zero)


@given(st.data())
def test_the_placements_are_all_rectangles_of_the_size_inside_the_image(data):
    image = data.draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    patch = tuple(data.draw(st.integers(1, n)) for n in image)
    positions = PatchPositions(image, patch)
    inside = [
        Patch(top, left, *patch)
        for top in range(image[0])
        for left in range(image[1])
        if top + patch[0] <= image[0] and left + patch[1] <= image[1]
    ]
    assert [positions.at(index) for index in range(positions.count)] == inside
    assert [positions.patch(*at) for at in np.ndindex(positions.shape)] == inside


def test_where_all_rows_are_alike_one_stands_for_them():
    positions = PatchPositions((8, 10), (3, 4), rows_alike=True)
    assert (positions.shape, positions.count) == ((1, 7), 7)
    assert positions.at(6) == Patch(0, 6, 3, 4)
    assert PatchPositions((8, 10), (3, 4), columns_alike=True).shape == (6, 1)
    assert positions != PatchPositions((8, 10), (3, 4))


def test_a_place_outside_and_a_patch_that_does_not_fit_are_refused():
    positions = PatchPositions((8, 10), (3, 4))
    for at in ((6, 0), (0, 7), (-1, 0)):
        with pytest.raises(IndexError, match="expected a position within 6x7"):
            positions.patch(*at)
    with pytest.raises(IndexError):
        positions.at(42)
    for patch in ((9, 1), (1, 11), (0, 1)):
        with pytest.raises(ValueError, match="expected a patch within"):
            PatchPositions((8, 10), patch)


def test_a_certificate_of_placements_has_no_windows_and_says_what_it_is_about():
    placed = certificate(PatchPositions((8, 10), (3, 4)))
    assert "42 of 42 placements proved" in repr(placed)
    assert placed.worst_position == (0, 0)
    with pytest.raises(ValueError, match="expected a certificate of windows"):
        _ = placed.windows
    windows = Windows((8, 10), (3, 4))
    assert certificate(windows).windows == windows
    assert "42 of 42 windows proved" in repr(certificate(windows))
