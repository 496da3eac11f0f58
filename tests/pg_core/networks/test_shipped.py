"""Shipped weights: written and read again, and refused when they are not what the card says."""

import json

import numpy as np
import pytest
import torch

from pg_core.geometry import Window
from pg_core.io.files import FileError
from pg_core.networks import MODELS, TRAINED, load_model
from pg_core.networks.bodies.tiles import SquareTiles
from pg_core.networks.network import CheckpointError
from pg_core.networks.shipped import read_card, read_weights, write
from tests.limits import full_after

STATE = {"a.weight": torch.tensor([[1.0, 0.5], [-2.0, 0.25]]), "a.bias": torch.zeros(2)}


@pytest.fixture
def card(tmp_path):
    return write("tiny", STATE, SquareTiles(8, 4, 16), {"data": "none"}, tmp_path)


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
    card.path.write_text('{"network": {"kind": "tiles", "lite": 3}, "sha256": ""}')
    with pytest.raises(CheckpointError, match="not the card") as refused:
        read_card("tiny", tmp_path)
    assert "Lite0, 1 or 2" in str(refused.value.__cause__)


@pytest.mark.parametrize("name", TRAINED)
def test_a_trained_network_is_what_its_card_says(name):
    card, model = read_card(name), load_model(name, "cpu")
    assert model.receptive_field == card.network.receptive_field == MODELS[name].receptive_field
    assert model.image_size == card.network.image_size == MODELS[name].image_size
    assert len(model.classes) == 10
    assert card.weights.stat().st_size <= 16 * 2**20
    content = json.loads(card.path.read_text(encoding="utf-8"))
    assert {"data", "command", "recipe"} <= content.keys() or {
        "data",
        "command",
        "training",
    } <= content.keys()


def test_all_weights_together_are_small():
    assert sum(read_card(name).weights.stat().st_size for name in TRAINED) <= 40 * 2**20


def test_a_band_sees_its_columns_around_the_edge_and_nothing_else():
    model = load_model("cifar10-bands", "cpu")
    generator = np.random.default_rng(0)
    pixels = generator.random((3, 32, 32), np.float32)
    before = model.local_logits(pixels)
    assert before.shape == (10, 1, 32)
    for column in (0, 13, 31):
        changed = pixels.copy()
        changed[:, :, column] = generator.random((3, 32), np.float32)
        moved = np.abs(model.local_logits(changed) - before).max(axis=(0, 1)) > 1e-4
        assert set(np.flatnonzero(moved)) == {(column - offset) % 32 for offset in range(4)}


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


@pytest.mark.parametrize(
    "name", ["../escape", "/tmp/escape", "a/b", "a\\b", ".hidden", "..", "", "a\nb", "é", "a" * 101]
)
def test_a_name_that_would_lead_out_of_the_folder_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="expected a name of up to 100 letters"):
        write(name, STATE, SquareTiles(8, 4, 16), {}, tmp_path / "weights")
    assert list(tmp_path.iterdir()) == []


def test_weights_and_card_that_do_not_fit_leave_those_before(card, tmp_path):
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    larger = {"a.weight": torch.ones(300)}
    with full_after(500), pytest.raises(FileError, match=r"tiny\.safetensors: cannot be written"):
        write("tiny", larger, SquareTiles(8, 4, 16), {}, tmp_path)
    with full_after(500), pytest.raises(FileError, match=r"tiny\.json: cannot be written"):
        write("tiny", STATE, SquareTiles(8, 4, 16), {"data": "n" * 500}, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_new_weights_beside_the_old_card_as_a_kill_leaves_them_are_refused_with_the_cure(
    card, tmp_path, monkeypatch
):
    class Killed(BaseException):
        pass

    renamed, rename = [], type(tmp_path).replace

    def once(new, path):
        if renamed:
            raise Killed
        renamed.append(path)
        rename(new, path)

    monkeypatch.setattr("pathlib.Path.replace", once)
    with pytest.raises(Killed):
        write("tiny", {"a.weight": torch.ones(3)}, SquareTiles(8, 4, 16), {}, tmp_path)
    assert renamed == [card.weights]
    with pytest.raises(CheckpointError, match=r"as its card says, .* write both again"):
        read_weights(read_card("tiny", tmp_path))


@pytest.mark.parametrize(
    "content", ["[]", '{"network": 3, "sha256": ""}', "[" * 100_000, '{"sha256": NaN}', "\xff"]
)
def test_a_card_that_is_no_card_is_refused_in_a_sentence(card, tmp_path, content):
    card.path.write_text(content, encoding="latin-1")
    with pytest.raises(CheckpointError, match=r"^tiny\.json: not the card of a network$"):
        read_card("tiny", tmp_path)
