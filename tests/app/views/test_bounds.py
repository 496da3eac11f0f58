"""The line about the three bounds counts the windows of the library's certificates."""

from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from pg_core import Bound, RobustMasking, analyse, load_model, sample_path
from tests.app.test_page import PATIENCE

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of streamlit's own dependencies


def _page():
    import streamlit as st

    from app import sidebar
    from app.cache import analysis as cached
    from app.views.explore import bounds

    chosen = sidebar.sidebar()
    label, _ = sidebar.classes(cached.features(chosen.photo, chosen.choice))
    bounds.tell(st.empty(), chosen, label)


def proved(bound, threshold):
    model = load_model("tiles-coarse", "cpu")
    defence = RobustMasking(model.receptive_field.window_size((64, 64)), threshold, model.evidence)
    certificate = analyse(sample_path("coffee"), model, replace(defence, bound=bound)).certificate
    return certificate.margin > certificate.tolerance


def test_the_line_counts_the_windows_that_change_between_the_bounds():
    app = AppTest.from_function(_page, default_timeout=PATIENCE).run()
    app.selectbox(key="network").select("tiles-coarse").run()
    app.selectbox(key="sample").select("coffee").run()
    assert not any("published bound" in box.value for box in app.caption)
    app.slider(key="threshold").set_value(0.3).run()
    published, sound, tight = (proved(bound, 0.3) for bound in Bound)
    assert tight.sum() > sound.sum()
    for bound in Bound:
        app.selectbox(key="bound").select(bound).run()
        assert not app.exception
        (line,) = [box.value for box in app.caption if "Windows with a margin" in box.value]
        assert f"of {sound.size}, at T = 0.3: published bound {published.sum()}, " in line
        assert f"sound {sound.sum()}, tight {tight.sum()}." in line
        assert f"the tight one adds {(tight & ~sound).sum()} to the sound" in line
