"""Footprints of all placements of a patch: those that see its pixels, and the sums over them and over the masks."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pg_core.geometry import Patch, ReceptiveField, Windows, cells
from pg_core.geometry.footprints import Footprints
from tests import reference
from tests.pg_core.defences.patchguard.test_placements import UNIT, footprints_on
from tests.pg_core.geometry.test_geometry import cells_of, scenes
from tests.reference.placements import placements as literal_placements


@settings(max_examples=50)
@given(scenes())
def test_every_placement_finds_the_features_that_see_its_pixels(scene):
    field, image, patch = scene
    map_size = field.map_size(image)
    ours = Footprints.of(field, patch.size, image)
    literal = literal_placements(image, patch.size, field.size, field.stride, field.offset, *map_size)
    assert ours.placements == (image[0] - patch.height + 1, image[1] - patch.width + 1)
    for (top, left), touched in literal.items():
        row, column = int(ours.row_of[top]), int(ours.column_of[left])
        assert (set() if min(row, column) < 0 else cells_of(ours.footprint(row, column))) == touched
    assert len(set(map(tuple, ours.rows.tolist()))) == len(ours.rows)
    assert set(ours.row_of.tolist()) - {-1} == set(range(len(ours.rows)))
    assert set(ours.column_of.tolist()) - {-1} == set(range(len(ours.columns)))


@settings(max_examples=50)
@given(st.data(), st.integers(2, 9), st.integers(1, 4))
def test_every_placement_finds_the_bands_that_see_its_pixels_around_the_right_edge(data, width, band):
    assume(band <= width)
    field, map_size = ReceptiveField((4, band), (4, 1), wrapping=True), (1, width)
    size = data.draw(st.integers(1, 4)), data.draw(st.integers(1, width))
    ours = Footprints.of(field, size, (4, width))
    for at in np.ndindex(ours.placements):
        row, column = int(ours.row_of[at[0]]), int(ours.column_of[at[1]])
        assert ours.footprint(row, column) == field.footprint(Patch(*at, *size), map_size)


def test_the_37_249_placements_of_bagnet_17_share_625_footprints_of_few_shapes():
    ours = Footprints.of(ReceptiveField((17, 17), (8, 8)), (32, 32), (224, 224))
    assert math.prod(ours.placements) == 37249
    assert math.prod(ours.shape) == 625
    assert {ours.footprint(*at).size for at in np.ndindex(ours.shape)} == {
        (h, w) for h in (4, 5, 6) for w in (4, 5, 6)
    }


@given(
    st.data(),
    st.tuples(st.integers(1, 6), st.integers(1, 6)),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_the_sums_over_footprints_and_over_what_they_share_with_masks_are_those_of_the_loop(
    data, map_size, k, wrapping, seed
):
    ours, windows = data.draw(footprints_on(map_size)), Windows(map_size, k, wrapping)
    values = np.random.default_rng(seed).integers(0, 5, map_size) * 1.0
    sums, shared = ours.sums(values), ours.shared_sums(windows, values)
    assert sums.shape == ours.shape
    assert shared.shape == (*ours.shape, *windows.shape)
    for at in np.ndindex(ours.shape):
        f = np.zeros(map_size)
        f[cells(ours.footprint(*at), map_size)] = 1
        assert sums[at] == (f * values).sum()
        literal = [(f * M * values).sum() for M in reference.windows(*map_size, *k, wrapping)]
        np.testing.assert_array_equal(shared[at].ravel(), literal)


def test_a_patch_that_does_not_fit_into_the_image_is_refused():
    for size in ((9, 1), (1, 13), (0, 1)):
        with pytest.raises(ValueError, match="expected a patch of 1x1 to 8x12 pixels"):
            Footprints.of(UNIT, size, (8, 12))


# --- Bounds -----------------------------------------------------------------------------------------------
