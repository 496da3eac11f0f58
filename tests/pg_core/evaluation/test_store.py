"""Kept local logits: what was damaged is computed anew, and never taken for what was seen."""

import os

import numpy as np
import pytest

from pg_core.evaluation.run import evaluate
from pg_core.evaluation.store import Kept, Store
from pg_core.io.files import FileError
from tests.limits import full_after
from tests.pg_core.evaluation.test_evaluation import CASES, Means
from tests.pg_core.evaluation.test_resuming import paint, photos_in

SHAPE = (3, 2, 4)
MAP = np.arange(24, dtype=np.float32).reshape(SHAPE)


@pytest.fixture
def store(tmp_path):
    """With one map in it."""
    own = Store(tmp_path, "network", SHAPE)
    own.keep("photo", Kept(MAP, 0.5))
    return own


def the_file(store):
    (path,) = store.folder.iterdir()
    return path


def test_what_was_kept_is_found_again(store):
    found = store.find("photo")
    assert np.array_equal(found.local_logits, MAP)
    assert found.delta == 0.5
    assert store.find("another") is None


@pytest.mark.parametrize(
    ("values", "delta"),
    [
        (MAP[:, :1], 0.5),
        (MAP.reshape(3, 4, 2), 0.5),
        (MAP[0], 0.5),
        (MAP.astype(np.float64), 0.5),
        (MAP.astype(np.int32), 0.5),
        (MAP + np.float32(np.nan), 0.5),
        (MAP + np.float32(np.inf), 0.5),
        (MAP, -0.5),
        (MAP, np.nan),
        (MAP, np.inf),
        (MAP, "0.5"),
        (MAP, [0.5, 0.5]),
    ],
)
def test_a_file_with_another_map_or_an_impossible_error_is_as_none(store, values, delta):
    np.savez(the_file(store), local_logits=values, delta=delta)
    assert store.find("photo") is None
    store.keep("photo", Kept(MAP, 0.5))
    assert store.find("photo").delta == 0.5


def test_no_byte_of_a_file_can_be_changed_unseen(store):
    path, generator = the_file(store), np.random.default_rng(0)
    content = path.read_bytes()
    for place in generator.choice(len(content), 300, replace=False):
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(generator.integers(8))
        path.write_bytes(damaged)
        found = store.find("photo")
        assert found is None or (np.array_equal(found.local_logits, MAP) and found.delta == 0.5), place


def test_a_pipe_in_the_place_of_a_file_is_not_opened_and_named_when_it_would_be_written(store):
    path = the_file(store)
    path.unlink()
    os.mkfifo(path)
    assert store.find("photo") is None
    with pytest.raises(FileError, match=rf"{path.name}: expected a file, got a pipe"):
        store.keep("photo", Kept(MAP, 0.5))


def test_a_file_that_does_not_fit_leaves_nothing_behind(store):
    before = the_file(store).read_bytes()
    with full_after(100), pytest.raises(FileError, match="cannot be written"):
        store.keep("another", Kept(MAP, 0.5))
    assert the_file(store).read_bytes() == before


def test_an_evaluation_measures_again_what_was_damaged_and_keeps_it(tmp_path):
    for name in Means.classes:
        (tmp_path / "val" / name).mkdir(parents=True)
        paint(tmp_path / "val" / name / "0.png", 0)
        paint(tmp_path / "val" / name / "1.png", len(name))
    photos, kept = photos_in(tmp_path / "val"), tmp_path / "kept"
    whole = evaluate(Means(), photos, CASES, logits=kept)
    files = sorted(kept.iterdir())
    np.savez(files[0], local_logits=np.zeros((3, 2, 2), np.float32), delta=0.5)
    np.savez(files[1], local_logits=np.zeros((3, 8, 8), np.float32), delta=-1.0)
    again, third = Means(), Means()
    assert evaluate(again, photos, CASES, logits=kept) == whole
    assert evaluate(third, photos, CASES, logits=kept) == whole
    assert (again.images, third.images) == (2, 0)
