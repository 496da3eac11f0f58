"""Where a certificate claims nothing, no picture and no word of it says that something is certified."""

import numpy as np
import pytest
from PIL import Image

from app.components.stage import placements_in, scene_of
from app.plots.stage import stage
from app.views.steps.figure import said
from pg_core import Bound, RobustMasking, Verdict, examine, extract
from pg_core.defences.base import ALERT, Claim, in_words
from pg_core.defences.detection import MaskedDetection
from pg_core.defences.patchguard.trace import Line, trace_certificate
from pg_core.plots.figure import caption
from tests.colours import Colours

VALUES = np.random.default_rng(3).integers(0, 256, (48, 64, 3), np.uint8)
VALUES[..., 0] = 255


@pytest.fixture(scope="module")
def unproved():
    features = extract(Image.fromarray(VALUES), Colours())
    result = examine(features, RobustMasking((5, 5), 0.4, bound=Bound.PUBLISHED))
    assert (result.certificate.margin > result.certificate.tolerance).any()
    assert result.certificate.claim is Claim.NOTHING
    return result


def test_every_window_is_marked_and_none_is_called_certified_on_the_stage(unproved):
    count = unproved.certificate.windows.count
    figure = stage(unproved, unproved, 0, unproved.certificate.worst)
    (crosses,) = [trace for trace in figure.data if trace.name == "not certified"]
    assert len(crosses.x) == count
    scene = scene_of("photo", unproved, unproved, 0, unproved.certificate.worst, None, None)
    assert set(scene["windows"]["verdicts"]) == {"unproved"}


def test_caption_summary_and_sentence_say_that_nothing_is_proved(unproved):
    told, count = unproved.summary(), unproved.certificate.windows.count
    assert (told["verdict"], told["claim"], told["windows_proved"]) == ("unproved", "nothing", 0)
    assert told["windows_not_certified"] == count
    assert f"Windows proved: 0 of {count}" in caption(unproved)
    assert "Nothing is proved" in unproved.sentence()


def test_the_steps_call_the_lower_bound_wrong_and_end_unproved(unproved):
    steps = trace_certificate(
        unproved.defence, unproved.masking, unproved.certificate, unproved.certificate.worst
    )
    words = [said(step, unproved.classes) for step in steps]
    (lower,) = [text for step, text in zip(steps, words, strict=True) if step.line is Line.LOWER_PUBLISHED]
    assert "at least" not in lower
    assert "wrong for $T > 0$" in lower
    assert f"0 of {unproved.certificate.windows.count} windows are proved: ? unproved" in words[-1]


def test_placements_that_are_proved_by_another_bound_say_by_which(unproved):
    scene = scene_of(
        "photo", unproved, unproved, 0, unproved.certificate.worst, None, unproved.placements((8, 8))
    )
    assert scene["placements"]["note"] == " (by the sound bound)"
    assert placements_in(unproved.placements((8, 8)), unproved.classes)["note"] == ""


def test_a_certificate_of_a_photo_that_raises_an_alert_proves_no_window():
    local_logits = np.zeros((2, 3, 4))
    local_logits[0, 0, 0], local_logits[1] = 100.0, 5.0
    certificate = MaskedDetection((1, 1)).certify(local_logits)
    assert certificate.prediction == ALERT
    assert certificate.verdict is Verdict.ALERT
    assert (certificate.margin > 0).any()
    assert not certificate.proved.any()
    assert certificate.not_certified.all()


def test_certified_by_detection_is_said_with_its_alert():
    assert in_words(Verdict.CERTIFIED, Claim.LABEL_OR_ALERT) == "certified: label or alert"
    assert in_words(Verdict.NOT_CERTIFIED, Claim.LABEL_OR_ALERT) == "not certified"
    assert in_words(Verdict.CERTIFIED, Claim.LABEL) == "certified"
