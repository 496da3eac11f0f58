"""What pixels do to both answers, said of the clean and of the patched photo."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pg_core import Patch, RobustMasking, Window, Windows, analyse, examine, extract, update
from pg_core.analysis.effect import PatchEffect
from pg_core.analysis.limits import limits
from pg_core.analysis.photo import answer
from pg_core.defences.detection import MaskedDetection
from pg_core.defences.undefended import Undefended
from pg_core.photos import patches as attacks
from tests.colours import Colours


def photo(reds):
    image = Image.new("RGB", (64, 48), (10, 250, 20))
    image.paste((250, 20, 10), (0, 0, reds, 48))
    return image


def effect(reds, defence, patch, colour):
    clean = examine(extract(photo(reds), Colours()), defence)
    pixels = attacks.solid(patch.size, colour)
    patched = answer(update(clean.features, Colours(), patch, pixels), clean.defence)
    return PatchEffect(clean, patched, patch)


def test_a_patch_that_changes_both_answers_breaks_all_windows_that_hold_it_and_no_other():
    found = effect(33, RobustMasking((5, 5)), Patch(16, 20, 8, 8), (0, 255, 0))
    assert found.fools_defence
    footprint = found.clean.footprint(found.patch)
    windows = found.clean.certificate.windows
    inside = windows.holding(footprint).all(axis=1).reshape(windows.shape)
    assert inside.any()
    assert not inside.all()
    np.testing.assert_array_equal(found.broken, inside)
    assert not (found.broken & found.clean.certificate.proved).any()
    assert "robust masking: 'red' becomes 'green'" in found.sentence()


def test_a_patch_that_changes_no_answer_is_not_mentioned():
    found = effect(64, RobustMasking((5, 5)), Patch(16, 4, 8, 8), (0, 255, 0))
    assert not found.broken.any()
    assert found.sentence() is None


def test_the_two_answers_are_told_apart_where_only_the_network_is_fooled():
    found = effect(64, RobustMasking((5, 5)), Patch(16, 4, 8, 8), (0, 255, 0))
    fooled = replace(found, patched=replace(found.patched, undefended=1))
    assert not fooled.broken.any()
    assert fooled.sentence() == (
        "These pixels fool the network without a defence ('red' becomes 'green'); robust masking still says 'red'."
    )


def test_an_answer_without_a_defence_is_said_once():
    found = effect(36, Undefended((5, 5)), Patch(0, 0, 40, 40), (0, 255, 0))
    assert found.sentence().startswith("These pixels fool the network: 'red' becomes 'green'.")


def test_a_patch_larger_than_the_adversary_is_said_to_be_outside_the_claim():
    found = effect(64, RobustMasking((5, 5)), Patch(0, 0, 48, 60), (0, 255, 0))
    assert found.fools_defence
    assert not found.broken.any()
    assert "larger than the adversary's" in found.sentence()


def test_a_proved_window_that_pixels_break_is_said_to_contradict_the_certificate():
    found = effect(64, RobustMasking((5, 5)), Patch(16, 4, 8, 8), (0, 255, 0))
    label = np.array(1)
    other = replace(
        found, patched=replace(found.patched, defended=replace(found.patched.defended, label=label))
    )
    assert other.contradicts
    assert "please report it" in other.sentence()


def test_an_alert_is_an_answer_of_its_own_and_breaks_nothing():
    defence = MaskedDetection((5, 5), 0.4)
    found = effect(38, defence, Patch(16, 20, 8, 8), (0, 255, 0))
    assert found.alerts
    assert not found.broken.any()
    assert found.sentence() == "PatchGuard++ (detection) raises an alert about these pixels."


@given(st.data(), st.booleans())
def test_the_windows_around_a_box_are_those_that_hold_all_of_its_cells(data, wrapping):
    rows, columns = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 6))
    size = data.draw(st.integers(1, rows)), data.draw(st.integers(1, columns))
    windows = Windows((rows, columns), size, wrapping)
    height, width = data.draw(st.integers(1, rows)), data.draw(st.integers(1, columns))
    top = data.draw(st.integers(0, rows - height))
    left = data.draw(st.integers(0, columns - (1 if wrapping else width)))
    box = Window(top, left, height, width)
    expected = windows.holding(box).all(axis=1).reshape(windows.shape)
    np.testing.assert_array_equal(windows.around(box), expected)


@pytest.mark.parametrize("reds", [64, 36])
def test_every_verdict_is_quoted_with_what_it_does_not_say(reds):
    told = analyse(photo(reds), Colours(), RobustMasking((5, 5)))
    said = limits(told)
    assert told.sentence() in said.quotation
    assert f"that '{told.label}' is right" in said.not_said
    assert said.not_said in said.quotation
    proved = told.certificate.proved
    assert ("wherever it is" in said.proved) == proved.all()
    assert proved.all() or f"{proved.sum()} of {proved.size}" in said.proved or said.proved == "nothing."
