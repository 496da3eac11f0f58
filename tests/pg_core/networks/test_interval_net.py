"""Networks for interval bounds: training minimises what is certified, and their local logits are local."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from pg_core.datasets.folders import labelled_photos
from pg_core.defences.interval.bounds import IntervalBounds
from pg_core.defences.interval.from_torch import layers_of
from pg_core.defences.undefended import Undefended
from pg_core.evidence.types import EvidenceType
from pg_core.geometry import Window, cells
from pg_core.networks.base import Part
from pg_core.networks.bodies.architectures import from_json, to_json
from pg_core.networks.bodies.interval_net import Interval, LocalIntervalNet
from pg_core.networks.catalogue import Description
from pg_core.networks.network import PlacedNetwork
from pg_core.networks.shipped import read_card, write
from pg_core.networks.trained import load_trained
from pg_core.photos.inference import extract
from pg_core.photos.read import read, to_pixels
from pg_core.training.batches import batch
from pg_core.training.loop import train
from pg_core.training.studies.interval import IntervalRecipe, interval_loss
from tests.colours import Colours

SMALL = Interval(field=6, stride=4, width=8, blocks=1, narrow=5)
RECIPE = IntervalRecipe(photos_per_step=12, steps=60, warmup=5, growth=20, patch=4, held_out=0, shards=1)


def network(architecture=SMALL, classes=3, base=None):
    torch.manual_seed(3)
    base = architecture.untrained(classes) if base is None else base
    half = (0.5, 0.5, 0.5)
    return PlacedNetwork(
        "interval",
        LocalIntervalNet(base),
        tuple("abc"[:classes]),
        architecture.image_size,
        architecture.receptive_field,
        EvidenceType.LOGITS,
        "0" * 64,
        mean=half,
        deviation=half,
    ).requires_grad_(False)


@pytest.fixture
def photos(tmp_path):
    generator = np.random.default_rng(0)
    for label, name in enumerate(("red", "green", "blue")):
        (tmp_path / name).mkdir()
        for number in range(6):
            pixels = generator.integers(0, 60, (32, 32, 3))
            pixels[..., label] += 150
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / name / f"{number}.png")
    return labelled_photos(tmp_path, ("red", "green", "blue"))


ARCHITECTURES = [SMALL, Interval(8, 3, 6, 0, 4), Interval(2, 2, 4, 2, 3)]


def leads_of(model, pixels, grown):
    with torch.no_grad():
        images = torch.from_numpy(pixels) * 2 - 1
        return model.body.base(images, torch.tensor(4), torch.tensor(grown)).numpy()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_least_leads_of_training_are_the_literal_loop(architecture):
    model = network(architecture)
    pixels = np.random.default_rng(1).random((2, 3, 32, 32)).astype(np.float32)
    base = model.body.base
    with torch.no_grad():
        says = base.features(torch.from_numpy(pixels) * 2 - 1).double().numpy()
    assert says.min() >= 0
    assert says.max() <= 1
    evidence, bias = base.evidence.double().numpy(), base.bias.double().numpy()
    size = -(-(4 + architecture.field - 1) // architecture.stride)
    corners = [(i, j) for i in range(base.side - size + 1) for j in range(base.side - size + 1)]
    leads = leads_of(model, pixels, 0.7)
    for n, y, c in np.ndindex(2, 3, 3):
        weights = evidence[y] - evidence[c]
        clean = (weights * says[n]).sum()
        worst = np.inf
        for i, j in corners:
            moved = says[n].copy()
            window = np.s_[:, i : i + size, j : j + size]
            moved[window] += 0.7 * ((weights[window] < 0) - moved[window])
            worst = min(worst, (weights * moved).sum())
        expected = np.array([clean, worst]) / base.side + bias[y] - bias[c]
        np.testing.assert_allclose(leads[n, :, y, c], expected, atol=1e-4)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_interval_bounds_certify_at_least_what_training_made_sure_of(architecture):
    model = network(architecture)
    pixels = np.random.default_rng(1).random((2, 3, 32, 32)).astype(np.float32)
    leads = leads_of(model, pixels, 1.0)
    defence = IntervalBounds(layers_of(model), (4, 4))
    logits = defence.predict(pixels).scores
    np.testing.assert_allclose(leads[:, 0], logits[:, :, None] - logits[:, None], atol=1e-4)
    for label in range(3):
        least = np.delete(leads[:, 1, label], label, axis=-1).min(axis=-1)
        margin = defence.certify(pixels, label).margin.min(axis=(1, 2))
        assert (margin >= least - 1e-4).all()
        assert (margin <= np.delete(leads[:, 0, label], label, axis=-1).min(axis=-1) + 1e-4).all()


def test_the_mean_of_local_logits_is_what_interval_bounds_predict():
    model, pixels = network(), np.random.default_rng(2).random((3, 32, 32)).astype(np.float32)
    local_logits = model.local_logits(pixels)
    assert local_logits.shape == (3, 7, 7)
    means = Undefended().predict(local_logits).scores
    np.testing.assert_allclose(
        means, IntervalBounds(layers_of(model), (4, 4)).predict(pixels).scores, atol=1e-5
    )


def test_local_logits_depend_on_their_receptive_field_and_place_alone():
    model, random = network(), np.random.default_rng(3)
    pixels = random.random((3, 32, 32)).astype(np.float32)
    full = model.local_logits(pixels)
    for window in (Window(0, 0, 1, 1), Window(6, 6, 1, 1), Window(2, 3, 3, 2)):
        seen = model.receptive_field.pixels(window)
        noise = random.random((3, 32, 32)).astype(np.float32)
        noise[:, *seen.slices] = pixels[:, *seen.slices]
        inside = cells(window, full.shape[1:])
        np.testing.assert_allclose(model.local_logits(pixels, window), full[:, *inside], atol=1e-5)
        np.testing.assert_allclose(model.local_logits(noise)[:, *inside], full[:, *inside], atol=1e-5)


def test_interval_loss_is_the_literal_loop():
    leads = torch.randn(4, 2, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    leads[..., range(3), range(3)] = 0
    labels, losses = torch.tensor([2, 0, 1, 1]), []
    for image, y in zip(leads.tolist(), labels.tolist(), strict=True):
        clean, worst = (-math.log(1 / sum(math.exp(-lead) for lead in outcome[y])) for outcome in image)
        losses.append(0.3 * clean + 0.7 * worst)
    assert interval_loss(leads, labels, labels, 0.7).item() == pytest.approx(np.mean(losses))


def test_a_step_says_how_far_the_adversary_reaches(photos):
    (images, patch, grown), which = batch(photos, (32, 32), RECIPE, 7, 0)
    assert (images.shape, which.shape) == ((12, 3, 32, 32), (12,))
    assert (int(patch), float(grown)) == (4, pytest.approx(7 / 20))
    assert [RECIPE.grown(step) for step in (0, 10, 20, 50)] == [0, 0.5, 1, 1]
    with pytest.raises(ValueError, match="expected patch and growth >= 1"):
        replace(RECIPE, growth=0)


def test_a_few_steps_on_bright_colours_certify_them(photos, tmp_path):
    torch.manual_seed(0)
    recipe = replace(RECIPE, steps=150, peak_rate=1e-2, averaging=0.8)
    wide = replace(SMALL, width=64, narrow=32)
    base = train(wide.untrained(3), photos, (32, 32), recipe, tmp_path / "run.pt")
    defence = IntervalBounds(layers_of(network(base=base)), (4, 4))
    pixels = np.stack([to_pixels(read(photo.path), (32, 32)) for photo in photos[:6]])
    certificate = defence.certify(pixels, np.array([photo.label for photo in photos[:6]]))
    assert certificate.certified.mean() > 0.8


def test_the_architecture_is_kept_in_a_card():
    assert from_json(to_json(SMALL)) == SMALL


def test_shipped_weights_are_a_network_with_local_logits_and_layers(tmp_path, monkeypatch):
    torch.manual_seed(5)
    base = SMALL.untrained(10)
    write("cifar10-interval", base.state_dict(), SMALL, {}, tmp_path)
    monkeypatch.setattr("pg_core.networks.trained.read_card", lambda name: read_card(name, tmp_path))
    description = Description(
        "cifar10-interval", "", (32, 32), SMALL.receptive_field, EvidenceType.LOGITS, "cifar10", Part.WHOLE
    )
    model = load_trained(description).eval().requires_grad_(False)
    pixels = np.random.default_rng(6).random((3, 32, 32)).astype(np.float32)
    means = model.local_logits(pixels).mean(axis=(1, 2))
    np.testing.assert_allclose(layers_of(model)(pixels), means, atol=1e-4)
    np.testing.assert_allclose(
        network(base=base.requires_grad_(False)).local_logits(pixels).mean(axis=(1, 2)), means, atol=1e-2
    )
    assert extract(Image.new("RGB", (32, 32), (9, 200, 30)), model).map_size == (7, 7)


def test_other_networks_have_no_layers_for_interval_bounds():
    with pytest.raises(ValueError, match="interval bounds need a small network"):
        layers_of(Colours())
