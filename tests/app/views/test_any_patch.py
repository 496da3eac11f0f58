"""Every page about a photo, with a simulated patch of any size: larger than the adversary's, or around a ring."""

import pytest
from streamlit.testing.v1 import AppTest

from tests.app.test_page import PATIENCE

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of streamlit's own dependencies


def figure5_page():
    from app import sidebar
    from app.views.figure5 import page as figure5

    figure5.show(sidebar.sidebar())


def debugger_page():
    from app import sidebar
    from app.views.debugger import page as debugger

    debugger.show(sidebar.sidebar())


def steps_page():
    from app import sidebar
    from app.views.steps import page as steps

    steps.show(sidebar.sidebar())


def placements_page():
    from app import sidebar
    from app.views.placements import page as placements

    placements.show(sidebar.sidebar())


def compare_page():
    from app import sidebar
    from app.views.compare import page as compare

    compare.show(sidebar.sidebar())


def opened(page, network, box, share=2.0):
    """A page with the patch of a link, on an image of the network."""
    app = AppTest.from_function(page, default_timeout=PATIENCE)
    app.session_state["network"] = network
    app.session_state["place"] = (None, None, *box)
    app.session_state["share"] = share
    return app.run()


def explore(network, box, share=2.0):
    app = AppTest.from_file("../../../app/page.py", default_timeout=PATIENCE)
    app.query_params.update(network=network, patch=",".join(map(str, box)), size=f"{share}%")
    return app.run()


@pytest.mark.parametrize(
    "page", [explore, figure5_page, debugger_page, steps_page, placements_page, compare_page]
)
@pytest.mark.parametrize(
    ("network", "box", "share"),
    [
        ("tiles-coarse", (0, 0, 300, 300), 2.0),
        ("tiles-coarse", (0, 0, 448, 448), 2.0),
        ("tiles-coarse", (0, 383, 448, 65), 2.0),
        ("cifar10-bands", (0, 0, 32, 32), 2.4),
        ("cifar10-bands", (3, 20, 2, 12), 2.4),
        ("cifar10-bands", (0, 1, 2, 2), 90.0),
    ],
)
def test_no_size_of_the_simulated_patch_stops_a_page(page, network, box, share):
    app = explore(network, box, share) if page is explore else opened(page, network, box, share)
    assert not app.exception
    assert app.session_state["place"][2:] == box


def test_of_a_patch_larger_than_the_adversary_s_figure_5_says_that_it_is_outside_the_threat_model():
    app = opened(figure5_page, "tiles-coarse", (0, 0, 300, 300))
    (said,) = [box.value for box in app.info]
    assert "300x300 pixels is larger than the adversary's 64x64, so it is outside the threat model" in said
    assert "it reaches 5x5 cells, and no malicious window holds more than 3x3" in said
    assert "the simulated patch" not in app.segmented_control[0].options
    within = opened(figure5_page, "tiles-coarse", (0, 0, 64, 64))
    assert not within.info
    assert "the simulated patch" in within.segmented_control[0].options
