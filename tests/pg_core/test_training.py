"""Training: the objectives against literal loops, and a run that is killed and goes on."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from pg_core.datasets import labelled_photos
from pg_core.models.network import CheckpointError
from pg_core.recipe import Recipe
from pg_core.training import masked_loss, provable_loss, read_checkpoint, split, train

RECIPE = Recipe(
    tile=8, side=16, photos_per_step=4, tiles_per_photo=3, steps=9, warmup=2, held_out=2, averaging=0.5
)


class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(7)
        self.convolution = nn.Conv2d(3, 4, 3, 2)
        self.head = nn.Linear(4, 3)

    def forward(self, tiles):
        return self.head(self.convolution(tiles).relu().mean(dim=(2, 3)))


@pytest.fixture
def photos(tmp_path):
    generator = np.random.default_rng(0)
    for label, name in enumerate(("red", "green", "blue")):
        (tmp_path / name).mkdir()
        for number in range(4):
            pixels = generator.integers(0, 60, (32, 32, 3))
            pixels[..., label] += 150
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / name / f"{number}.png")
    return labelled_photos(tmp_path, ("red", "green", "blue"))


def softmax(values):
    powers = [math.exp(value) for value in values]
    return [power / sum(powers) for power in powers]


@pytest.mark.parametrize(
    ("dropped", "sharpness", "tile_weight"), [(0, 1.0, 0.0), (1, 2.0, 0.5), (2, 1.0, 1.0)]
)
def test_masked_loss_is_the_literal_loop(dropped, sharpness, tile_weight):
    logits = torch.randn(5, 4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, 2, 0])
    of_photos, of_tiles = [], []
    for photo, y in zip(logits.tolist(), labels.tolist(), strict=True):
        tiles = [softmax(tile) for tile in photo]
        own = sorted((tile[y] for tile in tiles), reverse=True)[dropped:]
        sums = [sum(own) if c == y else sum(tile[c] for tile in tiles) for c in range(3)]
        powers = [(total / len(tiles) + 1e-4) ** sharpness for total in sums]
        of_photos.append(-math.log(powers[y] / sum(powers)))
        of_tiles += [-math.log(tile[y]) for tile in tiles]
    expected = np.mean(of_photos) + tile_weight * np.mean(of_tiles)
    assert masked_loss(logits, labels, dropped, sharpness, tile_weight).item() == pytest.approx(expected)


def test_provable_loss_is_the_literal_loop():
    logits = torch.randn(3, 4, 5, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    labels = torch.tensor([3, 0, 1])
    losses = []
    for image, y in zip(logits.numpy(), labels.tolist(), strict=True):
        û = np.maximum(image, 0)
        sums = [û[y, i : i + 2, j : j + 3].sum() for i in range(4) for j in range(4)]
        totals = û.sum(axis=(1, 2))
        totals[y] -= max(sums)
        losses.append(-math.log(softmax(totals / 30)[y]))
    assert provable_loss(logits, labels, (2, 3)).item() == pytest.approx(np.mean(losses))


def test_a_run_that_was_cut_short_goes_on_to_the_same_weights(photos, tmp_path):
    whole = train(Tiny(), photos, (32, 32), RECIPE, tmp_path / "whole.pt")
    train(Tiny(), photos, (32, 32), RECIPE, tmp_path / "cut.pt", last_step=4)
    resumed = train(Tiny(), photos, (32, 32), RECIPE, tmp_path / "cut.pt")
    for key, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key
    assert read_checkpoint(tmp_path / "cut.pt").recipe == RECIPE


def test_more_steps_may_be_added_until_the_rate_falls(photos, tmp_path):
    train(Tiny(), photos, (32, 32), RECIPE, tmp_path / "run.pt", last_step=5)
    longer = replace(RECIPE, steps=12)
    resumed = train(Tiny(), photos, (32, 32), longer, tmp_path / "run.pt")
    whole = train(Tiny(), photos, (32, 32), longer, tmp_path / "whole.pt")
    assert torch.equal(resumed.head.weight, whole.head.weight)
    with pytest.raises(ValueError, match="another recipe"):
        train(Tiny(), photos, (32, 32), replace(longer, steps=20), tmp_path / "run.pt")


def test_another_recipe_or_another_file_is_refused(photos, tmp_path):
    train(Tiny(), photos, (32, 32), RECIPE, tmp_path / "run.pt", last_step=1)
    with pytest.raises(ValueError, match="another recipe"):
        train(Tiny(), photos, (32, 32), replace(RECIPE, seed=1), tmp_path / "run.pt")
    (tmp_path / "text.pt").write_text("not a checkpoint")
    with pytest.raises(CheckpointError, match=r"text\.pt"):
        read_checkpoint(tmp_path / "text.pt")


def test_weights_without_a_gradient_stay(photos, tmp_path):
    base = Tiny()
    base.convolution.requires_grad_(False)
    before = base.convolution.weight.clone()
    trained = train(base, photos, (32, 32), RECIPE, tmp_path / "run.pt")
    assert torch.equal(trained.convolution.weight, before)
    assert not torch.equal(trained.head.weight, Tiny().head.weight)


def test_held_out_photos_are_the_same_for_every_order_and_none_is_trained_on(photos):
    used, held = split(photos, 3)
    assert len(held) == 3
    assert set(used) | set(held) == set(photos)
    assert not set(used) & set(held)
    assert split(photos[::-1], 3) == (used, held)


def test_progress_tells_the_time_left(photos, tmp_path):
    seen = []
    train(Tiny(), photos, (32, 32), replace(RECIPE, steps=3), tmp_path / "run.pt", seen.append)
    assert [(progress.done, progress.total) for progress in seen] == [(1, 3), (2, 3), (3, 3)]
    assert seen[-1].seconds_left == 0
    assert seen[0].message.startswith("loss ")
