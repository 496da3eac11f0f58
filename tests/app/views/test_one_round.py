"""The toy of five masks: which votes two photos can get, counted over all adversaries, and the page that shows it."""

from itertools import product

import pytest
from streamlit.testing.v1 import AppTest

from app.views.steps.one_round import COVERS, MASKS, ambiguous, explained
from tests.app.test_page import PATIENCE

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of streamlit's own dependencies


def possible():
    """All votes that a photo of a class can get, by class: each place of the patch, and every adversary."""
    votes = {"a": set(), "b": set()}
    for label, covering in product("ab", COVERS):
        free = [mask for mask in range(MASKS) if mask not in covering]
        for said in product("ab", repeat=len(free)):
            by = dict.fromkeys(covering, label) | dict(zip(free, said, strict=True))
            votes[label].add("".join(by[mask] for mask in range(MASKS)))
    return votes


def test_22_of_32_votes_come_from_two_photos():
    votes = possible()
    both = votes["a"] & votes["b"]
    assert len(both) == 22
    assert set(ambiguous()) == both
    assert len(votes["a"] | votes["b"]) == 32
    for said in product("ab", repeat=MASKS):
        told = explained("".join(said))
        assert {label for label, places in told.items() if places} == {
            label for label in "ab" if "".join(said) in votes[label]
        }


def test_a_second_round_tells_every_two_photos_apart():
    """The pairs of masks of which one covers the patch say the label: whatever the adversary makes of the others,
    double masking answers with it."""
    for label, covering in product("ab", COVERS):
        free = [mask for mask in range(MASKS) if mask not in covering]
        pairs = [(i, j) for i in free for j in free if i < j]
        for said in product("ab", repeat=len(free) + len(pairs)):
            one = dict.fromkeys(covering, label) | dict(zip(free, said, strict=False))
            two = dict(zip(pairs, said[len(free) :], strict=True))
            majority = max("ab", key=lambda c: (sum(vote == c for vote in one.values()), c == "a"))
            answer = majority
            for mask in range(MASKS):
                if one[mask] != majority and all(
                    pair(one, two, label, covering, mask, other) == one[mask] for other in range(MASKS)
                ):
                    answer = one[mask]
                    break
            assert answer == label


def pair(one, two, label, covering, mask, other):
    if mask == other:
        return one[mask]
    if mask in covering or other in covering:
        return label
    return two[min(mask, other), max(mask, other)]


def test_the_page_shows_both_photos_and_follows_a_vote():
    app = AppTest.from_function(steps_page, default_timeout=PATIENCE).run()
    assert not app.exception
    assert any("Two photos, the same votes" in box.value for box in app.error)
    for mask, vote in enumerate("aaaba"):
        field = next(box for box in app.segmented_control if box.label == f"Mask {mask + 1}")
        field.set_value(vote).run()
        assert not app.exception
    assert any("Only a photo of class a" in box.value for box in app.success)
    assert any("22 of the 32" in box.value for box in app.markdown)


def steps_page():
    from app.views.steps import page as steps

    steps.show(None)
