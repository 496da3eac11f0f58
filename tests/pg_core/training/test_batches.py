"""What the photos of a step become: bands, tiles, maps and whole photos, and what each shows."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pg_core.photos.read import read, to_pixels
from pg_core.training.batches import batch
from pg_core.training.studies.bands import BandRecipe
from pg_core.training.studies.pointwise import MapRecipe
from pg_core.training.studies.tiles import TileRecipe
from pg_core.training.studies.whole import WholeRecipe


def test_bands_of_a_step_are_columns_of_its_photos_and_wrap(photos):
    recipe = BandRecipe(photos_per_step=6, shards=1, parts_per_photo=8, shift=0, jitter=0)
    (bands, first), which = batch(photos, (32, 32), recipe, 0, 0)
    assert (bands.shape, first.shape, which.shape) == ((48, 3, 32, 4), (48,), (6,))
    assert (first.reshape(6, 8).sort(dim=1).values.diff(dim=1) == 4).all()
    again, _ = batch(photos, (32, 32), recipe, 0, 0)
    assert torch.equal(again[0], bands)
    known = [to_pixels(read(photo.path), (32, 32)) * 2 - 1 for photo in photos]
    for band, column in zip(bands, first.tolist(), strict=True):
        columns = [(column + offset) % 32 for offset in range(4)]
        assert any(
            np.allclose(band, image[..., columns], atol=1e-6)
            for pixels in known
            for image in (pixels, pixels[..., ::-1])
        )


def test_bands_of_a_step_are_nearer_and_farther_and_of_other_colours_when_asked(photos):
    plain = BandRecipe(photos_per_step=6, shards=1, parts_per_photo=2, shift=0)
    shown, zoomed, coloured = (
        batch(photos, (32, 32), recipe, 0, 0)
        for recipe in (plain, replace(plain, shift=2, zoom=4), replace(plain, colour=0.5))
    )
    spread = [bands.std(dim=(1, 2, 3)).mean() for (bands, _), _ in (shown, zoomed, coloured)]
    assert spread[1] < 0.98 * spread[0], "what is between pixels is smoother than they are"
    for (bands, _), which in (zoomed, coloured):
        assert bands.shape == shown[0][0].shape
        assert bands.abs().max() <= 1
        labels = torch.tensor([photos[index].label for index in which])
        of_photos = bands.mean(dim=(2, 3)).argmax(dim=1)
        assert torch.equal(of_photos, labels.repeat_interleave(2)), "a red photo stays red"
    means = coloured[0][0].mean(dim=(2, 3)) - shown[0][0].mean(dim=(2, 3))
    assert means.abs().max() > 0.05


@pytest.mark.parametrize(
    ("recipe", "changes"),
    [(BandRecipe(), {"shift": 2, "zoom": 5}), (TileRecipe(), {"zoom": 33}), (BandRecipe(), {"colour": -0.1})],
)
def test_more_than_there_is_around_a_photo_cannot_be_shown(recipe, changes):
    with pytest.raises(ValueError, match=r"expected 0 <= zoom <= \d+ and colour >= 0"):
        replace(recipe, **changes)


def test_maps_of_a_step_begin_within_the_stride_and_say_where(photos):
    recipe = MapRecipe(photos_per_step=4, shards=1, training_stride=4)
    corners = set()
    for step in range(12):
        (images, top, left), _ = batch(photos, (32, 32), recipe, step, 0)
        assert images.shape[2:] == (32 - top, 32 - left)
        corners.add((int(top), int(left)))
    assert len(corners) > 4
    assert all(0 <= top < 4 and 0 <= left < 4 for top, left in corners)


def test_tiles_of_a_step_are_of_several_sizes_and_colours_when_asked(photos):
    plain = TileRecipe(photos_per_step=6, shards=1, parts_per_photo=2, dropped=1, tile=16, side=16)
    varied = replace(plain, zoom=4, colour=0.5)
    (tiles,), _ = batch(photos, (32, 32), plain, 0, 0)
    known = [to_pixels(read(photo.path), (32, 32)) * 2 - 1 for photo in photos]
    places = [
        image[:, top : top + 16, left : left + 16]
        for pixels in known
        for image in (pixels, pixels[..., ::-1])
        for top in range(17)
        for left in range(17)
    ]
    assert all(any(np.allclose(tile, place, atol=1e-6) for place in places) for tile in tiles)
    (others,), which = batch(photos, (32, 32), varied, 0, 0)
    labels = torch.tensor([photos[index].label for index in which])
    assert others.shape == tiles.shape
    assert others.abs().max() <= 1
    assert torch.equal(batch(photos, (32, 32), varied, 0, 0)[0][0], others)
    means = others.mean(dim=(2, 3))
    assert torch.equal(means.argmax(dim=1), labels.repeat_interleave(2)), "a red photo stays red"
    assert not any(
        torch.allclose(tile.mean(dim=(1, 2)), mean, atol=0.02)
        for tile, mean in zip(tiles, means, strict=True)
    )


def test_a_square_of_each_whole_photo_is_erased(photos):
    recipe = WholeRecipe(photos_per_step=6, shards=1, shift=0, erased=8)
    seen = set()
    for step in range(8):
        (images,), which = batch(photos, (32, 32), recipe, step, 0)
        for image, index in zip(images.numpy(), which, strict=True):
            pixels = to_pixels(read(photos[index].path), (32, 32)) * 2 - 1
            same = [np.isclose(image, other, atol=1e-6).all(axis=0) for other in (pixels, pixels[..., ::-1])]
            erased = np.argwhere(~max(same, key=np.sum))
            assert (image[:, *erased.T] == 0).all()
            height, width = np.ptp(erased, axis=0) + 1
            assert len(erased) == height * width <= 64, "all of a rectangle, and nothing outside of it"
            seen.add((height, width))
    assert len(seen) > 3, "squares reach outside"
