"""An attack finds a break where there is one, never at a place that is proved, and leaves the network as it was.

Toy networks on 6x6 features are small enough that all contents of a patch at the corners of the colour cube are tried.
"""

import hashlib
from itertools import product

import numpy as np
import pytest
import torch
from PIL import Image

from pg_core import (
    ALERT,
    BoundedEvidence,
    FeatureMasking,
    MaskedDetection,
    MaskSet,
    Patch,
    PatchCleanser,
    ReceptiveField,
    RobustMasking,
    Undefended,
    Windows,
    build,
    configure,
    examine,
    extract,
    load_model,
    sample_path,
)
from pg_core.analysis.photo import answer
from pg_core.attacks.pixels import Enough, attack
from pg_core.defences.patchcleanser.inference import mean_logits, two_mask_predictions
from pg_core.evidence.types import EvidenceType
from pg_core.networks.base import Part
from pg_core.networks.network import Network
from pg_core.photos.framing import frame
from pg_core.photos.read import FramedPhoto

CLASSES = ("a", "b", "c")
FIELD = ReceptiveField((2, 2), (1, 1))
WINDOW = (2, 2)
CORNERS = np.array(list(product((0.0, 1.0), repeat=3)), np.float32).reshape(-1, 3, 1, 1)
DEFENCES = (
    RobustMasking(WINDOW),
    RobustMasking(WINDOW, evidence=EvidenceType.CONFIDENCE),
    RobustMasking(WINDOW, threshold=0.2),
    FeatureMasking(WINDOW),
    MaskedDetection(WINDOW, 0.9),
    BoundedEvidence(WINDOW),
    Undefended(WINDOW),
    PatchCleanser(MaskSet((7, 7), (1, 1), 3)),
)


def toy(seed):
    """Two layers of random weights, three classes that are close on noise, a map of 6x6 of an image of 7x7 pixels."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        body = torch.nn.Sequential(
            torch.nn.Conv2d(3, 8, 2), torch.nn.ReLU(), torch.nn.Conv2d(8, len(CLASSES), 1)
        )
        for parameter in body.parameters():
            torch.nn.init.normal_(parameter, std=1.0)
        with torch.no_grad():
            body[2].bias -= body(2 * pixels_of(seed)[None] - 1).mean(dim=(0, 2, 3)) - 0.3 * torch.randn(3)
    return Network(
        "toy", body.eval(), CLASSES, (7, 7), FIELD, EvidenceType.LOGITS, "", (0.5,) * 3, (0.5,) * 3
    )


def pixels_of(seed):
    """Noise of 8 bits."""
    levels = np.random.default_rng(seed).integers(0, 256, (3, 7, 7), np.uint8)
    return torch.tensor(levels.astype(np.float32) / np.float32(255))


def seen(network, seed):
    """Its features of this noise."""
    return extract(FramedPhoto(frame((7, 7), (7, 7), Part.WHOLE), pixels_of(seed).numpy()), network)


def broken_by_a_corner(analysis, network, patch):
    """Whether black, white or one of the six plain colours in a patch of one pixel changes the answer."""
    label = analysis.classes.index(analysis.label)
    pixels = np.repeat(analysis.features.pixels[None], len(CORNERS), axis=0)
    pixels[..., *patch.slices] = CORNERS
    if isinstance(analysis.defence, PatchCleanser):
        masks, classify = analysis.defence.masks, mean_logits(network)
        values = np.stack([two_mask_predictions(classify, image, masks) for image in pixels])
    else:
        values = np.stack([network.local_logits(image) for image in pixels])
    return bool((~np.isin(analysis.defence.predict(values).label, (label, ALERT))).any())


def attacked_toys(defence):
    """How many patches of one pixel a corner breaks, and an attack, and how many attacks break what is proved."""
    there = found = at_proved = 0
    for seed in range(30):
        network = toy(seed)
        analysis = examine(seen(network, seed), defence, model=network)
        if int(analysis.defended.label) == ALERT:
            continue
        for patch in (Patch(3, 3, 1, 1), Patch(0, 6, 1, 1)):
            broken = broken_by_a_corner(analysis, network, patch)
            if broken or analysis.certificate.proved.all():
                result = attack(analysis, network, patch, steps=40, restarts=8)
                at = analysis.position(patch)
                at_proved += bool(result.success and analysis.certificate.proved[at.top, at.left])
                there, found = there + broken, found + (broken and result.success)
    return there, found, at_proved


def test_it_finds_a_break_in_99_of_100_cases_where_trying_all_corners_finds_one(record_testsuite_property):
    there, found, at_proved = np.array([attacked_toys(defence) for defence in DEFENCES]).T
    record_testsuite_property("toy attacks", f"{found.sum()} of {there.sum()} breaks found")
    assert at_proved.sum() == 0
    assert there.min() >= 5
    assert found.sum() >= 0.99 * there.sum()


@pytest.mark.parametrize(
    ("network", "name", "size", "settings"),
    [
        ("cifar10", "masking", 2, {}),
        ("cifar10", "masking", 2, {"threshold": 0.1}),
        ("cifar10", "feature-masking", 2, {}),
        ("cifar10", "clipping", 1, {"evidence": "confidence"}),
        ("cifar10", "detection", 2, {"alert_threshold": 0.01}),
        ("cifar10-bands", "mask-ds", 2, {}),
        ("cifar10-bands", "smoothing", 2, {}),
        ("cifar10-interval", "interval", 2, {}),
        ("cifar10", "double-masking", 2, {"masks_per_axis": 2}),
    ],
)
def test_nothing_breaks_a_place_that_is_proved(network, name, size, settings):
    model, tried = load_model(network), 0
    defence = build(name, configure(model, (size, size), settings))
    for sample in ("chelsea", "china", "rocket"):
        analysis = examine(extract(sample_path(sample), model), defence, model=model)
        positions = analysis.certificate.positions
        for row, column in np.argwhere(analysis.certificate.proved)[::97][:2].tolist():
            at = Patch(row, column, size, size)
            if isinstance(positions, Windows):
                at = analysis.patch_in(positions.window(row, column), (size, size))
            result = attack(analysis, model, at, steps=20, restarts=2)
            assert not result.success
            assert result.steps == 20
            tried += 1
    assert tried > 0


@pytest.fixture(scope="module")
def cifar10():
    model = load_model("cifar10")
    return model, examine(extract(sample_path("flower"), model), build("masking", configure(model, (8, 8))))


def test_success_is_what_the_defence_says_of_the_file(cifar10, tmp_path):
    model, analysis = cifar10
    at = analysis.certificate.positions.window(*analysis.certificate.worst_position)
    patch = analysis.patch_in(at, (8, 8))
    result = attack(analysis, model, patch, steps=40)
    assert result.success
    levels = result.contents * 255
    assert (levels == levels.round()).all()
    pixels = analysis.features.pixels.copy()
    pixels[:, *patch.slices] = result.contents
    file = tmp_path / "attacked.png"
    Image.fromarray((pixels * 255).round().astype(np.uint8).transpose(1, 2, 0)).save(file)
    said = answer(extract(file, model), analysis.defence)
    assert said.prediction == result.answer.prediction != analysis.label


def test_equal_arguments_give_equal_pixels_and_another_seed_others(cifar10):
    model, analysis = cifar10
    patch = Patch(10, 10, 4, 4)
    first, again, other = (attack(analysis, model, patch, steps=5, seed=seed) for seed in (0, 0, 7))
    assert (first.contents == again.contents).all()
    assert np.array_equal(first.losses, again.losses, equal_nan=True)
    assert not np.array_equal(first.losses, other.losses, equal_nan=True)


def test_the_better_half_of_the_restarts_goes_on(cifar10):
    """Twice: of four after a quarter of the steps two, after half of them one, and no worse one outlives a better."""
    model, analysis = cifar10
    losses = attack(analysis, model, Patch(0, 0, 1, 1), steps=12).losses
    alive = np.isfinite(losses)
    assert alive.sum(axis=0).tolist() == [4] * 3 + [2] * 3 + [1] * 6
    for step in (2, 5):
        stopped, going = alive[:, step] & ~alive[:, step + 1], alive[:, step + 1]
        assert losses[going, step].max() <= losses[stopped, step].min()


def test_an_attack_that_is_enough_ends_with_its_best(cifar10):
    model, analysis = cifar10

    def after_five(progress):
        if progress.done == 5:
            raise Enough

    result = attack(analysis, model, Patch(0, 0, 1, 1), steps=40, report=after_five)
    whole = attack(analysis, model, Patch(0, 0, 1, 1), steps=40)
    assert result.steps == 5
    assert np.array_equal(result.losses[:, :5], whole.losses[:, :5])
    assert result.attempts == 5 * 4
    assert not result.success
    assert result.answer.prediction == analysis.prediction


def test_an_attack_leaves_weights_mode_and_features_as_they_were(cifar10):
    model, analysis = cifar10

    def state():
        hashed = hashlib.sha256()
        for name, tensor in model.state_dict().items():
            hashed.update(name.encode() + tensor.cpu().numpy().tobytes())
        hashed.update(analysis.features.pixels.tobytes() + analysis.features.local_logits.tobytes())
        return hashed.digest()

    before = state()
    attack(analysis, model, Patch(0, 0, 8, 8), steps=5)
    assert state() == before
    assert not any(part.training for part in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_target_is_what_every_restart_aims_at(cifar10):
    model, analysis = cifar10
    result = attack(analysis, model, Patch(4, 4, 16, 16), steps=10, target=5)
    assert result.targets == (5, 5, 5, 5)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"steps": 0}, "at least 1 for steps, got 0"),
        ({"restarts": -1}, "at least 1 for restarts, got -1"),
        ({"target": 10}, "expected a class other than"),
        ({"placement": Patch(30, 30, 8, 8)}, "expected a patch within 32x32"),
    ],
)
def test_what_cannot_be_attacked_is_refused(cifar10, changed, words):
    model, analysis = cifar10
    with pytest.raises(ValueError, match=words):
        attack(**{"analysis": analysis, "model": model, "placement": Patch(0, 0, 2, 2), "steps": 2} | changed)
