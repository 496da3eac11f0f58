"""The objectives of training are the literal loops."""

import math

import numpy as np
import pytest
import torch

from pg_core.defences.patchcleanser.features import FeatureMasking
from pg_core.training.objectives import double_masking_loss, outside_two_windows, provable_loss
from pg_core.training.studies.pointwise import window_loss
from pg_core.training.studies.tiles import TileRecipe


def softmax(values):
    powers = [math.exp(value) for value in values]
    return [power / sum(powers) for power in powers]


def targets(labels, classes, share):
    """Probabilities of which the label's is 1 - share at least."""
    generator = torch.Generator().manual_seed(9)
    others = torch.rand((len(labels), classes), generator=generator, dtype=torch.float64)
    wanted = share * others / others.sum(dim=1, keepdim=True)
    wanted[torch.arange(len(labels)), labels] += 1 - share
    return wanted


def cross_entropy(wanted, probabilities):
    return -sum(q * math.log(p) for q, p in zip(wanted, probabilities, strict=True))


@pytest.mark.parametrize(
    ("dropped", "power", "sharpness", "part_weight"),
    [(0, 1, 1.0, 0.0), (1, 1, 2.0, 0.5), (2, 1, 1.0, 1.0), (1, 3, 1.0, 0.5)],
)
@pytest.mark.parametrize("share", [0.0, 0.7])
def test_the_objective_of_parts_is_the_literal_loop(dropped, power, sharpness, part_weight, share):
    logits = torch.randn(5, 4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, 2, 0])
    wanted, of_photos, of_tiles, of_taught = targets(labels, 3, share), [], [], []
    thought = targets(labels.repeat_interleave(4), 3, 0.9)
    for photo, y, q, r in zip(
        logits.tolist(), labels.tolist(), wanted.tolist(), thought.reshape(5, 4, 3).tolist(), strict=True
    ):
        of_tiles += [cross_entropy(q, softmax(tile)) for tile in photo]
        of_taught += [cross_entropy(asked, softmax(tile)) for asked, tile in zip(r, photo, strict=True)]
        tiles = [[p**power for p in softmax(tile)] for tile in photo]
        own = sorted((tile[y] for tile in tiles), reverse=True)[dropped:]
        sums = [sum(own) if c == y else sum(tile[c] for tile in tiles) for c in range(3)]
        powers = [(total / len(tiles) + 1e-4) ** sharpness for total in sums]
        of_photos.append(cross_entropy(q, [each / sum(powers) for each in powers]))
    recipe = TileRecipe(
        parts_per_photo=4, dropped=dropped, power=power, sharpness=sharpness, part_weight=part_weight
    )
    for of_parts, part_targets in ((of_tiles, None), (of_taught, thought)):
        expected = np.mean(of_photos) + part_weight * np.mean(of_parts)
        for asked in [wanted] if share else [wanted, labels]:
            loss = recipe.loss(logits.flatten(0, 1), labels, asked, part_targets)
            assert loss.item() == pytest.approx(expected)


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


@pytest.mark.parametrize("share", [0.0, 0.7])
def test_window_loss_is_the_literal_loop(share):
    logits = torch.randn(4, 3, 5, 6, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    labels, size, losses = torch.tensor([2, 0, 1, 1]), 2, []
    wanted = targets(labels, 3, share)
    for image, y, q in zip(logits.numpy(), labels.tolist(), wanted.tolist(), strict=True):
        û = np.maximum(image, 0)
        outside = np.ones((5, 6))
        masks = []
        for _ in range(2):
            corners = [(i, j) for i in range(4) for j in range(5)]
            sums = [(û[y] * outside)[i : i + size, j : j + size].sum() for i, j in corners]
            i, j = corners[int(np.argmax(sums))]
            outside = outside.copy()
            outside[i : i + size, j : j + size] = 0
            masks.append(outside)
        scores = [(û[c] * masks[1 if c == y else 0]).sum() / 30 * 3.0 for c in range(3)]
        clean = softmax([3.0 * û[c].mean() for c in range(3)])
        losses.append(cross_entropy(q, softmax(scores)) + 0.5 * cross_entropy(q, clean))
    for asked in [wanted] if share else [wanted, labels]:
        assert window_loss(logits, labels, asked, size, 3.0, 0.5).item() == pytest.approx(np.mean(losses))


def two_windows(lead, size):
    """The cells outside two windows: the largest, the largest of the rest, the first chosen again."""

    def without_largest(values, kept):
        corners = [(i, j) for i in range(len(values) - size + 1) for j in range(len(values[0]) - size + 1)]
        sums = [(values * kept)[i : i + size, j : j + size].sum() for i, j in corners]
        i, j = corners[int(np.argmax(sums))]
        alone = np.ones(values.shape)
        alone[i : i + size, j : j + size] = 0
        return alone

    second = without_largest(lead, without_largest(lead, np.ones(lead.shape)))
    return without_largest(lead, second) * second


@pytest.mark.parametrize("share", [0.0, 0.7])
def test_the_objective_of_double_masking_is_the_literal_loop(share):
    evidence = torch.rand(4, 3, 5, 6, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    labels, losses = torch.tensor([2, 0, 1, 1]), []
    wanted = targets(labels, 3, share)
    for û, y, q in zip(evidence.numpy(), labels.tolist(), wanted.tolist(), strict=True):
        scores = []
        for c in range(3):
            outside = two_windows(û[y] - û[c], 2)
            kept, reached = (û[y] * outside).sum() / 30, (û[c] * outside).sum() / 30
            scores.append(2.0 * (math.log(reached + 1e-4) - math.log(kept + 1e-4)))
        losses.append(cross_entropy(q, softmax(scores)))
    for asked in [wanted] if share else [wanted, labels]:
        assert double_masking_loss(evidence, labels, asked, 2, 2.0).item() == pytest.approx(np.mean(losses))


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("seed", range(8))
def test_training_never_sees_less_than_the_margin_and_the_same_for_single_cells(size, seed):
    generator = torch.Generator().manual_seed(seed)
    evidence = torch.rand(3, 2, 5, 6, generator=generator, dtype=torch.float64)
    labels = torch.tensor([0, 1, 0])
    # One rival: the margin of the certificate is the least over its windows. The grid of evidence rounds it.
    kept, reached = outside_two_windows(evidence, labels, size)
    seen = 30 * (kept - reached)[torch.arange(3), 1 - labels].numpy()
    certificate = FeatureMasking((size, size), clip_high=1.0).certify(evidence.numpy(), labels.numpy())
    margin = (certificate.lower - certificate.upper).min(axis=(-2, -1))
    assert (seen >= margin - 1e-6).all()
    if size == 1:
        assert seen == pytest.approx(margin, abs=1e-6)
