"""Where an attack begins: every uncertain position once, the weakest first, and none that is proved."""

from dataclasses import replace

import numpy as np
import pytest

from pg_core import (
    FeatureMasking,
    MaskSet,
    PatchCleanser,
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
from pg_core.attacks.places import weakest
from tests.pg_core.attacks.test_pixels import FIELD, seen, toy


def analysed(defence, seed=1):
    network = toy(seed)
    return examine(seen(network, seed), defence, model=network)


@pytest.mark.parametrize(
    "defence",
    [RobustMasking((2, 2)), FeatureMasking((3, 2)), PatchCleanser(MaskSet((7, 7), (2, 3), 3))],
    ids=str,
)
def test_each_uncertain_position_has_a_place_and_margins_grow(defence):
    tried = 0
    for seed in range(6):
        analysis = analysed(defence, seed)
        certificate = analysis.certificate
        margins = []
        for patch in weakest(analysis):
            at = analysis.position(patch)
            assert not certificate.proved[at.top, at.left]
            margins.append(certificate.margin[at.top, at.left])
        assert len(margins) == (~certificate.proved & ~certificate.undecided).sum()
        assert margins == sorted(margins)
        tried += len(margins)
    assert tried > 0


def test_on_a_ring_no_place_is_attacked_that_is_proved():
    """The window around the edge holds most of the label, but no patch reaches it, and the nearest place is proved."""
    model = load_model("cifar10-bands", "cpu")
    defence = build("mask-ds", configure(model, (5, 5)))
    features = extract(sample_path("chelsea"), model)
    logits = np.zeros_like(features.local_logits)
    logits[3, :, [28, 29, 30, 31, 0, 1, 2, 3, 12, 13, 14, 15]] = 20.0
    analysis = examine(replace(features, local_logits=logits), defence)
    proved = analysis.certificate.proved
    around = analysis.certificate.windows.window(0, 28)
    assert not proved[0, 28]
    nearest = analysis.position(analysis.patch_in(around, (5, 5)))
    assert (nearest.left, proved[0, nearest.left]) == (24, True)
    places = [analysis.position(place) for place in weakest(analysis)]
    assert places
    assert not any(proved[place.top, place.left] for place in places)


def test_without_a_defence_the_first_place_leaves_the_label_least_outside():
    analysis = analysed(Undefended((2, 2)))
    (first,) = weakest(analysis, 1)
    leads = []
    windows = Windows((6, 6), (2, 2))
    for window in map(windows.at, range(windows.count)):
        left = analysis.features.local_logits.astype(np.float64).copy()
        left[:, window.top : window.bottom, window.left : window.right] = 0.0
        sums, label = left.sum(axis=(1, 2)), int(analysis.certificate.label)
        leads.append((sums[label] - np.delete(sums, label).max(), window.top, window.left))
    footprint = FIELD.footprint(first, (6, 6))
    assert (footprint.top, footprint.left) == min(leads)[1:]


def test_nothing_is_left_to_attack_where_all_is_proved():
    found = [analysed(FeatureMasking((2, 2)), seed) for seed in range(40)]
    proved = [analysis for analysis in found if analysis.certificate.proved.all()]
    assert proved
    assert all(weakest(analysis) == () for analysis in proved)
