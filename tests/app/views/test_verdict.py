"""What stands above the stage: the verdict with its limits, and in red what the pixels on the photo did."""

import re
from base64 import b64decode

import pytest
from streamlit.testing.v1 import AppTest

from app.views.about import figure, text
from pg_core import Threat, examine, extract, load_model, sample_path
from pg_core.analysis.inputs import configure
from pg_core.analysis.limits import limits
from pg_core.defences.registry import DEFENCES
from tests.app.test_links import opened
from tests.app.test_page import PATIENCE, metric

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of streamlit's own dependencies
FOOLED = {"network": "cifar10", "photo": "coffee", "patch": "15,15,5,5"}
"""Noise there makes double masking take the coffee, which it calls an automobile, for a bird."""


def told():
    model = load_model("cifar10", "cpu")
    defence = DEFENCES["feature-masking"].build(configure(model, (5, 5)))
    return examine(extract(sample_path("coffee"), model), defence, Threat((5, 5)))


def texts(app):
    return [box.value for box in app.markdown]


def test_pixels_that_change_the_answer_are_announced_in_red_with_both_answers():
    app = opened(**FOOLED)
    (said,) = [box.value for box in app.error if "Patched photo" in box.value]
    assert "These pixels fool double masking on features" in said
    assert "'automobile' becomes 'bird'" in said
    assert "the network still says 'automobile'" in said
    assert metric(app, "Clean photo: defended") == metric(app, "Patched photo: undefended") == "automobile"
    assert metric(app, "Patched photo: defended") == "bird"
    (change,) = [box.delta for box in app.metric if box.delta]
    assert change == "changed by the patch"


def test_the_window_that_the_pixels_break_is_called_so_and_no_longer_a_question_of_feature_space():
    app = opened(**FOOLED)
    (said,) = [line for line in texts(app) if "Broken by pixels" in line and "simulated patch" in line]
    assert "from 'automobile' to 'bird'" in said
    assert not any("Feature-space counterexample**: there is" in line for line in texts(app))


def test_a_patch_that_changes_nothing_is_not_announced():
    app = opened(network="cifar10", photo="china")
    assert not any("Patched photo" in box.value for box in app.error)
    assert not any(box.delta for box in app.metric)


def test_under_the_verdict_stands_what_is_proved_assumed_and_not_said_to_be_quoted():
    app = opened(network="cifar10", photo="coffee")
    said = limits(told())
    (lines,) = [line for line in texts(app) if line.startswith("**Proved:**")]
    for line in (said.proved, said.assumed, said.not_said):
        assert line in lines
    assert [box.value for box in app.code] == [said.quotation]


def test_a_newcomer_reads_what_a_patch_is_until_it_is_hidden():
    app = opened(network="cifar10")
    assert any("**Drag the patch**" in line for line in texts(app))
    app.button(key="hide-introduction").click().run()
    assert not app.exception
    assert not any("**Drag the patch**" in line for line in texts(app))


def about_page():
    from app.views.about import page

    page.show()


def test_the_page_about_says_what_is_not_proved():
    app = AppTest.from_function(about_page, default_timeout=PATIENCE).run()
    assert not app.exception
    assert any("several patches" in line for line in texts(app))
    assert all(words in texts(app) for words in text.PICTURES)


def test_the_pictures_of_the_threat_model_draw_the_windows_and_say_what_they_show():
    for picture, count in ((figure.windows(), 4), (figure.cells(), 1)):
        drawn = b64decode(re.search(r'base64,([^"]+)"', picture)[1]).decode()
        assert drawn.count("stroke-dasharray") == count
        assert re.search(r'alt="[^"]*window', picture)
