"""Every index and every window sum is that of the literal loops over pixels and windows."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pg_core.evidence.grid import clip
from pg_core.evidence.types import EvidenceType
from pg_core.geometry import Box, Patch, ReceptiveField, Window, Windows, cells
from tests import reference

BAGNETS = {size: ReceptiveField((size, size), (8, 8)) for size in (9, 17, 33)}


@st.composite
def scenes(draw, largest_offset=3):
    """A receptive field, an image it fits into, and a patch inside the image."""
    size = draw(st.tuples(st.integers(1, 7), st.integers(1, 7)))
    stride = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    offset = tuple(draw(st.integers(0, min(largest_offset, r - 1))) for r in size)
    image = tuple(draw(st.integers(r, 20)) for r in size)
    patch_size = tuple(draw(st.integers(1, n)) for n in image)
    top, left = (draw(st.integers(0, n - p)) for n, p in zip(image, patch_size, strict=True))
    return ReceptiveField(size, stride, offset), image, Patch(top, left, *patch_size)


@st.composite
def maps_with_windows(draw):
    """Clipped evidence with any number of leading axes, and windows on it, some larger than the map."""
    batch = draw(st.sampled_from([(), (1,), (3,), (2, 2)]))
    map_size = draw(st.tuples(st.integers(1, 8), st.integers(1, 8)))
    window_size = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    wrapping = draw(st.booleans())
    elements = draw(st.sampled_from([st.integers(0, 3).map(float), st.floats(-1, 5), st.floats(0, 1e6)]))
    values = draw(hnp.arrays(np.float64, (*batch, 1, *map_size), elements=elements))
    return clip(values, EvidenceType.LOGITS)[..., 0, :, :], Windows(map_size, window_size, wrapping)


def cells_of(window):
    return {(i, j) for i in range(window.top, window.bottom) for j in range(window.left, window.right)}


# --- Equation 1 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "size_224", "size_192", "window_sizes"),
    [(9, 27, 23, (4, 5, 6)), (17, 26, 22, (5, 6, 7)), (33, 24, 20, (7, 8, 9))],
)
def test_bagnets_have_the_maps_and_windows_of_the_paper(field, size_224, size_192, window_sizes):
    bagnet = BAGNETS[field]
    assert bagnet.map_size((224, 224)) == (size_224, size_224)
    assert bagnet.map_size((192, 192)) == (size_192, size_192)
    for patch, k in zip((23, 32, 39), window_sizes, strict=True):
        assert bagnet.window_size((patch, patch)) == (k, k)


@given(scenes())
def test_window_size_is_equation_1_on_each_axis(scene):
    field, _, patch = scene
    expected = tuple(
        reference.equation_1(p, r, s) for p, r, s in zip(patch.size, field.size, field.stride, strict=True)
    )
    assert field.window_size(patch.size) == expected


@given(scenes())
def test_the_largest_patch_of_a_window_is_the_largest(scene):
    field, _, patch = scene
    window = field.window_size(patch.size)
    height, width = field.patch_size(window)
    assert height >= patch.height
    assert width >= patch.width
    assert field.window_size((height, width)) == window
    assert field.window_size((height + 1, width + 1)) == (window[0] + 1, window[1] + 1)


def test_no_patch_fits_a_window_that_the_receptive_field_outgrows():
    assert ReceptiveField((17, 17), (8, 8)).patch_size((2, 2)) == (0, 0)


def test_a_resnet_window_is_the_whole_map():
    field = ReceptiveField((483, 483), (32, 32), (226, 226))
    windows = Windows((7, 7), field.window_size((32, 32)))
    assert windows.covering_map
    assert windows.count == 1
    assert windows.window(0, 0) == Window(0, 0, 7, 7)


@given(scenes())
def test_the_map_has_exactly_the_fields_that_lie_in_the_padded_image(scene):
    field, image, _ = scene
    rows, columns = field.map_size(image)
    for count, n, r, s, o in zip((rows, columns), image, field.size, field.stride, field.offset, strict=True):
        assert (count - 1) * s - o + r <= n + o
        assert count * s - o + r > n + o


def test_an_image_smaller_than_the_receptive_field_is_refused():
    with pytest.raises(ValueError, match="at least 17x17 pixels"):
        ReceptiveField((17, 17), (8, 8)).map_size((16, 224))


# --- Footprints -------------------------------------------------------------------------------------------


@given(scenes())
def test_a_footprint_is_the_features_that_see_a_pixel_of_the_patch(scene):
    field, image, patch = scene
    map_size = field.map_size(image)
    box = (patch.top, patch.left, patch.height, patch.width)
    seen = reference.footprint(box, field.size, field.stride, field.offset, *map_size)
    footprint = field.footprint(patch, map_size)
    assert (set() if footprint is None else cells_of(footprint)) == seen


@given(scenes())
def test_a_footprint_always_lies_in_a_window_of_equation_1(scene):
    field, image, patch = scene
    map_size = field.map_size(image)
    footprint = field.footprint(patch, map_size)
    assume(footprint is not None)
    window = Windows(map_size, field.window_size(patch.size)).containing(footprint)
    assert cells_of(footprint) <= cells_of(window)
    assert 0 <= window.top <= window.bottom <= map_size[0]
    assert 0 <= window.left <= window.right <= map_size[1]


@given(
    st.data(),
    st.tuples(st.integers(1, 8), st.integers(1, 8)),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.booleans(),
)
def test_the_containing_window_is_the_first_that_contains_the_footprint(
    data, map_size, window_size, wrapping
):
    windows = Windows(map_size, window_size, wrapping)
    height, width = (data.draw(st.integers(1, k)) for k in windows.window_size)
    top = data.draw(st.integers(0, map_size[0] - height))
    left = data.draw(st.integers(0, map_size[1] - (1 if wrapping else width)))
    footprint = Window(top, left, height, width)

    def covered(window):
        return {(i, j % map_size[1]) for i, j in cells_of(window)}

    every = [windows.at(index) for index in range(windows.count)]
    assert windows.containing(footprint) == next(w for w in every if covered(footprint) <= covered(w))


@given(scenes(largest_offset=0))
def test_without_padding_every_window_is_the_footprint_of_some_patch(scene):
    field, image, patch = scene
    map_size = field.map_size(image)
    windows = Windows(map_size, field.window_size(patch.size))
    reached = {
        field.footprint(Patch(top, left, *patch.size), map_size)
        for top in range(image[0] - patch.height + 1)
        for left in range(image[1] - patch.width + 1)
    }
    assert {windows.at(index) for index in range(windows.count)} <= reached


@given(scenes(largest_offset=0))
def test_a_patch_put_into_a_window_lies_inside_the_image_and_snaps_to_that_window(scene):
    field, image, patch = scene
    map_size = field.map_size(image)
    windows = Windows(map_size, field.window_size(patch.size))
    for index in range(windows.count):
        put = field.patch_in(windows.at(index), patch.size, image)
        assert 0 <= put.top <= image[0] - put.height
        assert 0 <= put.left <= image[1] - put.width
        assert windows.containing(field.footprint(put, map_size)) == windows.at(index)


def test_a_patch_is_put_into_the_windows_of_bands_as_far_as_one_can_lie_there():
    field, size, image = ReceptiveField((32, 4), (32, 1), wrapping=True), (5, 5), (32, 32)
    windows = Windows((1, 32), field.window_size(size), wrapping=True)
    found = [
        windows.containing(field.footprint(field.patch_in(windows.at(index), size, image), (1, 32))).left
        for index in range(windows.count)
    ]
    # A patch may begin at columns 0 to 27, which bands meet from 3 columns before on.
    assert found == [*range(25), *[24] * 4, 29, 30, 31]


def test_the_placements_of_a_patch_on_bagnet_17_share_625_footprints():
    spans = {BAGNETS[17].footprint(Patch(top, 0, 32, 32), (26, 26)) for top in range(193)}
    assert len(spans) == 25
    both = {BAGNETS[17].footprint(Patch(t, u, 32, 32), (26, 26)) for t in range(193) for u in range(193)}
    assert len(both) == 625


def test_the_last_pixels_of_bagnet_17_are_seen_by_no_feature():
    unseen = [BAGNETS[17].footprint(Patch(row, 0, 1, 1), (26, 26)) is None for row in range(224)]
    assert [row for row in range(224) if unseen[row]] == list(range(217, 224))
    assert BAGNETS[17].footprint(Patch(217, 217, 7, 7), (26, 26)) is None
    assert BAGNETS[17].footprint(Patch(100, 217, 32, 7), (26, 26)) is None


@given(scenes())
def test_the_pixels_of_a_window_are_the_hull_of_its_receptive_fields(scene):
    field, image, patch = scene
    map_size = field.map_size(image)
    footprint = field.footprint(patch, map_size)
    assume(footprint is not None)
    pixels = field.pixels(footprint)
    assert isinstance(pixels, Patch)
    (r_h, r_w), (s_h, s_w), (o_h, o_w) = field.size, field.stride, field.offset
    assert pixels.top == footprint.top * s_h - o_h
    assert pixels.left == footprint.left * s_w - o_w
    assert pixels.bottom == (footprint.bottom - 1) * s_h - o_h + r_h
    assert pixels.right == (footprint.right - 1) * s_w - o_w + r_w


# --- Boxes and windows ------------------------------------------------------------------------------------


def test_a_patch_is_never_a_window():
    assert Patch(1, 2, 3, 4) != Window(1, 2, 3, 4)
    assert Patch(1, 2, 3, 4) == Patch(1, 2, 3, 4)
    assert len({Patch(1, 2, 3, 4), Patch(1, 2, 3, 4), Window(1, 2, 3, 4)}) == 2


def test_a_box_without_area_and_a_patch_without_pixels_are_refused():
    for size in ((0, 1), (1, 0), (-1, 3)):
        with pytest.raises(ValueError, match="expected height >= 1"):
            Box(0, 0, *size)
        with pytest.raises(ValueError, match="at least 1x1"):
            ReceptiveField((3, 3), (1, 1)).window_size(size)
        with pytest.raises(ValueError, match="at least 1x1"):
            Windows((4, 4), size)


@given(maps_with_windows())
def test_windows_are_all_boxes_of_their_size_in_row_major_order(drawn):
    values, windows = drawn
    literal = reference.windows(*windows.map_size, *windows.window_size, windows.wrapping)
    assert windows.count == len(literal)
    for index, mask in enumerate(literal):
        ours = np.zeros(values.shape[-2:])
        ours[cells(windows.at(index), windows.map_size)] = 1
        np.testing.assert_array_equal(ours, mask)
        assert windows.window(*divmod(index, windows.shape[1])) == windows.at(index)


def test_a_window_larger_than_the_map_is_the_whole_map():
    windows = Windows((4, 5), (9, 2))
    assert windows == Windows((4, 5), (4, 2))
    assert windows.shape == (1, 4)
    assert not windows.covering_map
    assert Windows((4, 5), (9, 9)).covering_map


def test_windows_of_bands_begin_at_every_column_and_wrap_around():
    windows = Windows((1, 5), (1, 3), wrapping=True)
    assert windows.shape == (1, 5)
    assert windows.at(4) == Window(0, 4, 1, 3)
    np.testing.assert_array_equal(windows.sums(np.array([[1.0, 2, 4, 8, 16]])), [[7, 14, 28, 25, 19]])
    assert Windows((1, 5), (1, 5), wrapping=True) == Windows((1, 5), (1, 5))


def test_a_position_off_the_map_and_a_footprint_too_large_are_refused():
    windows = Windows((4, 5), (2, 2))
    for position in ((3, 0), (0, 4), (-1, 0)):
        with pytest.raises(IndexError, match="within 3x4"):
            windows.window(*position)
    with pytest.raises(IndexError):
        windows.at(windows.count)
    with pytest.raises(ValueError, match="expected a footprint within"):
        windows.containing(Window(0, 0, 3, 1))


@given(maps_with_windows())
def test_window_sums_are_bit_identical_to_the_loop(drawn):
    values, windows = drawn
    sums = windows.sums(values)
    literal = reference.windows(*windows.map_size, *windows.window_size, windows.wrapping)
    assert sums.shape == (*values.shape[:-2], *windows.shape)
    for index in np.ndindex(values.shape[:-2]):
        expected = [(mask * values[index]).sum() for mask in literal]
        np.testing.assert_array_equal(sums[index].ravel(), expected)


@given(maps_with_windows())
def test_the_most_another_window_holds_is_bit_identical_to_the_loop(drawn):
    values, windows = drawn
    other, overlapping = windows.largest_others(values)
    literal = reference.windows(*windows.map_size, *windows.window_size, windows.wrapping)
    assert other.shape == overlapping.shape == (*values.shape[:-2], *windows.shape)
    for index in np.ndindex(values.shape[:-2]):
        for n, mask in enumerate(literal):
            outside = values[index] * (1 - mask)
            held = [(w * outside).sum() for w in literal]
            near = [(w * outside).sum() for w in literal if (w * mask).any()]
            assert other[index].ravel()[n] == max(held)
            assert overlapping[index].ravel()[n] == max(near)


@pytest.mark.parametrize("wrapping", [False, True])
def test_a_large_batch_is_worked_in_parts_that_agree_with_one_by_one(wrapping, monkeypatch):
    values = clip(np.random.default_rng(3).normal(1, 2, size=(7, 3, 9, 8)))
    windows = Windows((9, 8), (3, 2), wrapping)
    whole = windows.largest_others(values)
    monkeypatch.setattr("pg_core.geometry.windows._PAIRS_AT_A_TIME", 5000)
    for ours, expected in zip(windows.largest_others(values), whole, strict=True):
        np.testing.assert_array_equal(ours, expected)
    for index in np.ndindex(7, 3):
        for ours, expected in zip(windows.largest_others(values[index]), whole, strict=True):
            np.testing.assert_array_equal(ours, expected[index])


@pytest.mark.parametrize("batch", [(0,), (0, 3), (3, 0)])
def test_an_empty_batch_has_empty_sums(batch):
    values = np.zeros((*batch, 5, 4))
    windows = Windows((5, 4), (2, 2))
    assert windows.sums(values).shape == (*batch, 4, 3)
    for held in windows.largest_others(values):
        assert held.shape == (*batch, 4, 3)


@pytest.mark.parametrize("pairs", [1, 50, 700, 2**21])
def test_the_size_of_a_step_in_memory_changes_nothing(pairs, monkeypatch):
    values = clip(np.random.default_rng(0).random((3, 9, 8)) * 5)
    windows = Windows((9, 8), (4, 3))
    expected = windows.largest_others(values)
    monkeypatch.setattr("pg_core.geometry.windows._PAIRS_AT_A_TIME", pairs)
    for ours, theirs in zip(windows.largest_others(values), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_sums_of_a_map_of_another_size_are_refused():
    with pytest.raises(ValueError, match="expected a map of"):
        Windows((9, 8), (4, 3)).sums(np.zeros((8, 9)))
