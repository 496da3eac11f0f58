"""Whole grids of tiles: their views, their loss and a run."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from pg_core.training.loop import train
from pg_core.training.objectives import double_masking_loss
from pg_core.training.studies.grids import GridRecipe
from pg_core.training.views import grid_of_tiles, varied
from tests.pg_core.training.test_training import Tiny

RECIPE = GridRecipe(
    tile=8,
    stride=4,
    side=16,
    every=1,
    patch=5,
    photos_per_step=2,
    shards=1,
    steps=3,
    warmup=1,
    held_out=2,
)


def drawn(seed, count):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (count, 3, 12, 14)).astype(np.uint8))


def test_a_view_of_all_of_a_photo_in_its_colours_is_the_photo_or_its_mirror_image():
    photos = drawn(0, 16)
    mirrored = []
    for photo, shown in zip(photos, varied(photos, 1.0, 0.0, np.random.default_rng(1)), strict=True):
        plain = photo.float() / 127.5 - 1
        mirrored.append(not torch.allclose(shown, plain, atol=1e-4))
        assert not mirrored[-1] or torch.allclose(shown, plain.flip(-1), atol=1e-4)
    assert 0 < sum(mirrored) < 16


def test_the_tiles_of_a_grid_are_the_literal_crops():
    images = varied(drawn(2, 2), 1.0, 0.0, np.random.default_rng(3))
    crops = [
        image[:, top : top + 5, left : left + 5]
        for image in images
        for top in (1, 4, 7)
        for left in (2, 5, 8)
    ]
    expected = F.interpolate(torch.stack(crops), (9, 9), mode="bilinear", align_corners=False)
    assert torch.equal(grid_of_tiles(images, 5, 3, 9, (1, 2)), expected)


def test_the_loss_of_a_grid_takes_the_window_of_its_patch():
    logits = torch.randn(2 * 49, 3, generator=torch.Generator().manual_seed(4))
    labels = torch.tensor([2, 0])
    alone = GridRecipe(tile=8, stride=4, every=1, patch=5, clean_weight=0.0, part_weight=0.0)
    maps = (logits.softmax(dim=1) ** 3).reshape(2, 7, 7, 3).permute(0, 3, 1, 2)
    # ceil((5 + 8 - 1) / 4) = 3 features.
    expected = double_masking_loss(maps, labels, labels, 3, 2.0)
    assert torch.allclose(alone.loss(logits, labels, labels), expected)


def test_a_run_that_was_stopped_ends_in_the_same_weights(photos, tmp_path):
    whole = train(Tiny(), photos, (32, 32), RECIPE, tmp_path / "whole.pt")
    train(Tiny(), photos, (32, 32), RECIPE, tmp_path / "part.pt", last_step=1)
    resumed = train(Tiny(), photos, (32, 32), RECIPE, tmp_path / "part.pt")
    began = Tiny().state_dict()
    for name, values in whole.state_dict().items():
        assert torch.equal(values, resumed.state_dict()[name])
        assert not torch.equal(values, began[name])


@pytest.mark.parametrize("wrong", [{"tile": 0}, {"every": 0}, {"least_area": 0.0}, {"colour": -1.0}])
def test_a_grid_out_of_range_is_refused(wrong):
    with pytest.raises(ValueError, match="expected"):
        GridRecipe(**wrong)
