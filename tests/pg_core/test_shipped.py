"""Shipped weights: written and read again, and refused when they are not what the card says."""

import json

import numpy as np
import pytest
import torch

from pg_core.geometry import Window
from pg_core.models import load_model
from pg_core.models.architectures import Tiles
from pg_core.models.network import CheckpointError
from pg_core.models.shipped import read_card, read_weights, write

STATE = {"a.weight": torch.tensor([[1.0, 0.5], [-2.0, 0.25]]), "a.bias": torch.zeros(2)}


@pytest.fixture
def card(tmp_path):
    return write("tiny", STATE, Tiles(8, 4, 16), {"data": "none"}, tmp_path)


def test_what_was_written_is_read_again_in_float32(card, tmp_path):
    assert read_card("tiny", tmp_path) == card
    read = read_weights(card)
    assert read.keys() == STATE.keys()
    for key, tensor in STATE.items():
        assert read[key].dtype == torch.float32
        assert torch.equal(read[key], tensor)


def test_weights_with_another_sha256_are_refused(card):
    content = bytearray(card.weights.read_bytes())
    content[-1] ^= 1
    card.weights.write_bytes(bytes(content))
    with pytest.raises(CheckpointError, match="SHA-256"):
        read_weights(card)


def test_a_missing_or_foreign_card_is_refused(card, tmp_path):
    with pytest.raises(CheckpointError, match="missing"):
        read_card("other", tmp_path)
    card.path.write_text('{"network": {}}')
    with pytest.raises(CheckpointError, match="not the card"):
        read_card("tiny", tmp_path)


def test_the_imagenette_network_is_what_its_card_says():
    card, model = read_card("imagenette"), load_model("imagenette", "cpu")
    assert model.receptive_field == card.network.receptive_field
    assert (len(model.classes), model.classes[0], model.classes[-1]) == (10, "tench", "parachute")
    assert card.weights.stat().st_size <= 16 * 2**20
    content = json.loads(card.path.read_text(encoding="utf-8"))
    assert {"data", "command"} <= content.keys()


def test_the_imagenette_network_sees_its_tile_and_nothing_else():
    model = load_model("imagenette", "cpu")
    height, width = (r + s for r, s in zip(*field_of(model), strict=True))
    pixels = np.random.default_rng(0).random((3, height, width), np.float32)
    local_logits = model.local_logits(pixels)
    assert local_logits.shape == (10, 2, 2)
    tile = model.receptive_field.pixels(Window(1, 1, 1, 1))
    alone = model.local_logits(np.ascontiguousarray(pixels[:, *tile.slices]))
    np.testing.assert_allclose(alone[:, 0, 0], local_logits[:, 1, 1], atol=1e-3)
    outside = pixels.copy()
    outside[:, : tile.top] = 0
    outside[:, :, : tile.left] = 1
    assert np.abs(model.local_logits(outside)[:, 1, 1] - local_logits[:, 1, 1]).max() < 1e-3
    assert np.abs(model.local_logits(outside)[:, 0, 0] - local_logits[:, 0, 0]).max() > 1e-3


def field_of(model):
    return model.receptive_field.size, model.receptive_field.stride
