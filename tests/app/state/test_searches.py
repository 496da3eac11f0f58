"""Searches for pixels in the background: what they find, how they end, and that they disturb nobody."""

import gc
import threading
import time
from itertools import count

import numpy as np
import pytest
import torch

from app.cache import analysis as cached
from app.cache.analysis import Choice
from app.cache.searches import DESK, Desk, End, Order, Search, found_of, of_its_own
from app.state.searches import _Owner, _presence
from pg_core import attack, certify, extract, load_model, sample_path
from pg_core.geometry import Patch

PATIENCE = 120
CHOICE = Choice("cifar10")
FOREVER = 10**6
"""Steps that nobody waits for."""
numbers = count()


@pytest.fixture(scope="module")
def model():
    return load_model("cifar10", "cpu")


@pytest.fixture(scope="module")
def clean(model):
    return certify(sample_path("chelsea"), model, patch=(5, 5), defence="masking")


def worst(clean):
    return clean.patch_in(clean.certificate.worst, (5, 5))


def proved(clean):
    """A place that no attack can break, so that a search there goes on."""
    at = np.argwhere(clean.certificate.proved)[0].tolist()
    return clean.patch_in(clean.certificate.windows.window(*at), (5, 5))


def searched(clean, model, places, steps=20, owner=None, present=lambda: True):
    return Search(clean, model, Order(tuple(places), steps, 2, 0, None), owner or next(numbers), present)


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "search for pixels"]


def wait_until(happened):
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def desk():
    desk = Desk()
    yield desk
    desk.close()
    wait_until(lambda: not threads())


def test_a_search_finds_what_the_library_finds_to_the_bit(clean, model, desk):
    search = searched(clean, model, [worst(clean)])
    desk.hand_in(search)
    assert search.join(PATIENCE)
    (found,) = search.found
    told = attack(clean, model, worst(clean), steps=20, restarts=2)
    assert told.success
    assert found == found_of(clean, told)
    contents = np.frombuffer(found.pixels, np.uint8).reshape(5, 5, 3).transpose(2, 0, 1)
    np.testing.assert_array_equal(contents.astype(np.float32) / np.float32(255), told.contents)
    assert search.end is End.DONE


def test_a_search_that_is_stopped_keeps_what_it_has_found_and_leaves_no_thread(clean, model, desk):
    search = searched(clean, model, [worst(clean), proved(clean)], steps=FOREVER)
    desk.hand_in(search)
    wait_until(lambda: search.done == 1 and search.progress is not None)
    desk.withdraw(search)
    assert search.join(PATIENCE)
    assert search.end is End.STOPPED
    assert [one.success for one in search.found] == [True, False]
    assert 0 < search.found[1].steps < FOREVER
    wait_until(lambda: not threads())


def test_a_search_ends_with_the_state_of_the_session_that_holds_its_owner(clean, model, desk):
    owner = _Owner()
    search = searched(clean, model, [proved(clean)], FOREVER, owner.number, _presence(owner))
    desk.hand_in(search)
    wait_until(lambda: search.progress is not None)
    del owner
    gc.collect()
    assert search.join(PATIENCE)
    assert search.end is End.STOPPED


def test_a_second_search_of_a_person_takes_the_place_of_the_first(clean, model, desk):
    first = searched(clean, model, [proved(clean)], FOREVER)
    second = searched(clean, model, [worst(clean)], 20, first.owner)
    desk.hand_in(first)
    wait_until(lambda: first.progress is not None)
    desk.hand_in(second)
    assert first.join(PATIENCE)
    assert second.join(PATIENCE)
    assert (first.end, second.end) == (End.STOPPED, End.DONE)


def test_two_searches_run_at_once_and_a_third_waits_for_its_turn(clean, model, desk):
    first, second = (searched(clean, model, [proved(clean)], FOREVER) for _ in range(2))
    third, fourth = (searched(clean, model, [worst(clean)]) for _ in range(2))
    for search in (first, second, third, fourth):
        desk.hand_in(search)
    wait_until(lambda: first.progress is not None and second.progress is not None)
    assert len(threads()) == 2
    assert [desk.ahead(search) for search in (first, second, third, fourth)] == [None, None, 0, 1]
    desk.withdraw(third)
    assert third.end is End.STOPPED
    assert not third.found
    assert desk.ahead(fourth) == 0
    desk.withdraw(second)
    assert fourth.join(PATIENCE)
    assert fourth.end is End.DONE
    assert first.running


def test_an_analysis_beside_a_search_is_the_same_to_the_bit_and_the_search_too(clean, model, desk):
    alone = searched(clean, model, [proved(clean)], steps=40)
    desk.hand_in(alone)
    assert alone.join(PATIENCE)
    shared = cached.network(CHOICE)
    own, beside = of_its_own(CHOICE), searched(clean, of_its_own(CHOICE), [proved(clean)], steps=40)
    assert own is not shared
    weights = zip(own.parameters(), shared.parameters(), strict=True)
    assert all(one.data_ptr() == other.data_ptr() for one, other in weights)
    desk.hand_in(beside)
    while beside.running:
        seen = extract(sample_path("chelsea"), shared)
        np.testing.assert_array_equal(seen.local_logits, clean.features.local_logits)
    assert beside.found == alone.found


def test_an_analysis_on_the_network_of_a_search_is_the_same_to_the_bit(clean, model, desk):
    search = searched(clean, model, [proved(clean)], FOREVER)
    desk.hand_in(search)
    wait_until(lambda: search.progress is not None)
    steps = search.progress.done
    for _ in range(5):
        seen = extract(sample_path("chelsea"), model)
        np.testing.assert_array_equal(seen.local_logits, clean.features.local_logits)
        assert seen.delta == clean.features.delta
    wait_until(lambda: search.progress.done > steps)
    assert torch.is_grad_enabled()
    assert all(weights.grad is None for weights in model.parameters())


def test_a_search_keeps_to_one_thread_of_torch_and_leaves_others_theirs(clean, model, desk, monkeypatch):
    before, inside = torch.get_num_threads(), []
    search = searched(clean, model, [worst(clean)])
    monkeypatch.setattr(Search, "work", lambda search: inside.append(torch.get_num_threads()))
    torch.set_num_threads(2)
    try:
        desk.hand_in(search)
        assert search.join(PATIENCE)
        other = threading.Thread(target=lambda: inside.append(torch.get_num_threads()))
        other.start()
        other.join()
        assert inside == [1, 2]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_an_attack_that_cannot_be_made_ends_in_its_sentence(clean, model, desk):
    outside = searched(clean, model, [Patch(30, 30, 5, 5)])
    desk.hand_in(outside)
    assert outside.join(PATIENCE)
    assert outside.end is End.FAILED
    assert "expected a patch within 32x32 pixels" in outside.problem


def test_an_error_of_the_program_ends_in_a_sentence_too(clean, model, desk, monkeypatch):
    def fail(*_):
        raise RuntimeError("of torch")

    monkeypatch.setattr("pg_core.attacks.pixels.attack", fail)
    search = searched(clean, model, [worst(clean)])
    desk.hand_in(search)
    assert search.join(PATIENCE)
    assert search.end is End.FAILED
    assert "please report it" in search.problem


def test_windows_that_found_pixels_break_are_not_attacked_again(clean, model, desk):
    search = searched(clean, model, [worst(clean), worst(clean)])
    desk.hand_in(search)
    assert search.join(PATIENCE)
    assert search.end is End.DONE
    assert [one.success for one in search.found] == [True]
    assert search.done == 2


def test_the_time_of_a_search_ends(clean, model, desk, monkeypatch):
    monkeypatch.setattr("app.cache.searches.MOST_SECONDS", 0)
    search = searched(clean, model, [proved(clean)], FOREVER)
    desk.hand_in(search)
    assert search.join(PATIENCE)
    assert search.end is End.TIME


def test_nothing_waits_on_the_server_s_own_desk():
    assert not DESK._running
    assert not DESK._waiting
