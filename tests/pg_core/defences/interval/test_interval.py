"""Interval bounds are the literal ones, and neither noise nor gradients get below them."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pg_core.defences.base import Verdict
from pg_core.defences.interval.bounds import Convolution, Dense, IntervalBounds, Layers
from tests.reference import interval


def networks():
    """What `made` takes. (Made in the test: the checker of types draws at random, which a strategy must not.)"""
    layers = st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.integers(1, 3))
    return st.tuples(
        st.integers(0, 2**32 - 1),
        st.tuples(st.integers(4, 8), st.integers(4, 8)),
        st.lists(layers, max_size=3),
        st.lists(st.integers(1, 5), max_size=2),
        st.integers(2, 4),
        st.tuples(st.integers(1, 8), st.integers(1, 8)),
    )


def made(drawn):
    """A small network with random weights under interval bounds, and an image."""
    seed, size, layers, hidden, classes, patch = drawn
    random = np.random.default_rng(seed)
    channels, (rows, columns), convolutions = 2, size, []
    for outputs, *kernel, stride in layers:
        kernel = min(kernel[0], rows), min(kernel[1], columns)
        weights = random.normal(size=(outputs, channels, *kernel))
        convolutions.append(Convolution(weights, random.normal(size=outputs), stride))
        channels, rows, columns = (
            outputs,
            (rows - kernel[0]) // stride + 1,
            (columns - kernel[1]) // stride + 1,
        )
    inputs, dense = channels * rows * columns, []
    for outputs in (*hidden, classes):
        dense.append(Dense(random.normal(size=(outputs, inputs)), random.normal(size=outputs)))
        inputs = outputs
    patch = min(patch[0], size[0]), min(patch[1], size[1])
    network = Layers("random", size, tuple(convolutions), tuple(dense))
    return IntervalBounds(network, patch), random.random((2, *size)), random


def literal(network):
    return [("conv", layer.weights, layer.bias, layer.stride) for layer in network.convolutions] + [
        ("dense", layer.weights, layer.bias) for layer in network.dense
    ]


def pasted(image, row, column, contents):
    """The image with each of the contents [n, channels, height, width] at a place."""
    height, width = contents.shape[-2:]
    batch = np.broadcast_to(image, (len(contents), *image.shape)).copy()
    batch[:, :, row : row + height, column : column + width] = contents
    return batch


@settings(max_examples=60)
@given(networks())
def test_logits_and_bounds_are_the_literal_ones_at_every_placement(drawn):
    defence, image, _ = made(drawn)
    layers = literal(defence.network)
    logits = interval.forward(image, layers)
    np.testing.assert_allclose(defence.predict(image).scores, logits, rtol=1e-9, atol=1e-9)
    label = int(logits.argmax())
    certificate = defence.certify(image)
    assert certificate.label == certificate.prediction == label
    for row, column in np.ndindex(certificate.positions.shape):
        leads = interval.least_leads(image, layers, label, (row, column, *defence.patch_size))
        rest = np.delete(leads, label)
        scale = np.abs(leads).max() + 1
        assert certificate.margin[row, column] == pytest.approx(rest.min(), abs=1e-9 * scale)
        assert leads[certificate.rival[row, column]] == pytest.approx(rest.min(), abs=1e-9 * scale)


@settings(max_examples=60)
@given(networks())
def test_no_content_of_the_patch_gets_below_the_bounds(drawn):
    defence, image, random = made(drawn)
    certificate = defence.certify(image)
    label, (rows, columns) = int(certificate.label), certificate.positions.shape
    for row, column in {(0, 0), (rows - 1, columns - 1), (rows // 2, columns // 2)}:
        contents = random.random((40, len(image), *defence.patch_size))
        contents[:20] = random.integers(0, 2, contents[:20].shape)
        scores = defence.predict(pasted(image, row, column, contents)).scores
        leads = scores[:, label] - np.delete(scores, label, axis=1).max(axis=1)
        at = row, column
        assert leads.min() >= certificate.margin[at] - certificate.tolerance[at]


def test_an_informed_adversary_with_the_gradient_of_the_lead_breaks_no_certificate():
    """A trained-like network, in which one class leads; corners of the cube of contents, picked by the gradient."""
    random, tried = np.random.default_rng(4), 0
    for _ in range(12):
        weights = random.normal(size=(6, 3, 3, 3)) * 0.3
        head = random.normal(size=(3, 6 * 16)) * 0.2
        network = Layers(
            "gradient",
            (10, 10),
            (Convolution(weights, random.normal(size=6), 2),),
            (Dense(head, np.zeros(3)),),
        )
        image, defence = random.random((3, 10, 10)), IntervalBounds(network, (2, 3))
        certificate = defence.certify(image)
        label = int(certificate.label)
        first, last = (
            torch.from_numpy(layer.weights) for layer in (network.convolutions[0], network.dense[0])
        )
        bias = torch.from_numpy(network.convolutions[0].bias)
        for row, column in np.argwhere(certificate.margin > -2)[:6].tolist():
            rival = int(certificate.rival[row, column])
            contents = torch.full((3, 2, 3), 0.5, dtype=torch.float64, requires_grad=True)
            best = np.inf
            for _ in range(10):
                attacked = torch.from_numpy(image).clone()
                attacked[:, row : row + 2, column : column + 3] = contents
                hidden = torch.relu(torch.nn.functional.conv2d(attacked[None], first, bias, stride=2))
                logits = last @ hidden.flatten()
                (gradient,) = torch.autograd.grad(logits[label] - logits[rival], contents)
                contents = (gradient < 0).double().requires_grad_()
                scores = defence.predict(pasted(image, row, column, contents.detach().numpy()[None])).scores[
                    0
                ]
                best = min(best, scores[label] - scores[rival])
            assert best >= certificate.margin[row, column]
            tried += 1
    assert tried >= 30


@settings(max_examples=40)
@given(networks(), st.sampled_from([1e-6, 1e-3]), st.integers(0, 2**32 - 1))
def test_an_error_of_delta_moves_no_margin_past_the_tolerance(drawn, delta, seed):
    defence, image, _ = made(drawn)
    certificate = defence.certify(image, 0, delta)
    error = np.random.default_rng(seed).choice([-delta, delta], image.shape)
    moved = defence.certify(np.clip(image + error, 0, 1), 0).margin
    assert (np.abs(moved - certificate.margin) <= certificate.tolerance).all()
    assert defence.certify(image, 0).tolerance.max() < certificate.tolerance.max()


@settings(max_examples=40)
@given(networks())
def test_a_certificate_of_a_patch_is_one_of_every_smaller_patch(drawn):
    defence, image, _ = made(drawn)
    certificate = defence.certify(image)
    assume(certificate.certified)
    smaller = IntervalBounds(defence.network, (1, 1)).certify(image)
    assert smaller.verdict is Verdict.CERTIFIED


def test_what_does_not_fit_is_refused():
    network = Layers("dense", (4, 4), (), (Dense(np.ones((2, 16)), np.zeros(2)),))
    with pytest.raises(ValueError, match="expected a patch within"):
        IntervalBounds(network, (5, 1))
    with pytest.raises(ValueError, match="expected images of"):
        IntervalBounds(network, (2, 2)).predict(np.zeros((1, 5, 4)))
    with pytest.raises(ValueError, match=r"expected pixels in \[0, 1\]"):
        IntervalBounds(network, (2, 2)).certify(np.full((1, 4, 4), 1.5))
