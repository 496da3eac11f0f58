"""The page Attack, and the search on Placements and Explore: what is found is shown, kept, and seen by no other."""

import io
import json
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from app.cache import analysis as cached
from app.cache.patches import Contents, Motif, pixels_of, png_of
from app.components import charts
from app.markup import in_markdown
from app.searching import file_of
from app.state import searches
from app.state.game import MOST_TRIES
from app.views.attack.figure import states_map
from pg_core import RobustMasking, Threat, analyse, certify, sample_path
from pg_core.analysis.effect import STATES, broken_by, states
from pg_core.geometry import Box, Patch, box_at
from tests.app.test_hostile_names import any_page
from tests.app.test_links import address
from tests.app.test_page import PATIENCE, field, press
from tests.colours import Colours

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of streamlit's own dependencies


def opened(view="attack", **link):
    app = AppTest.from_function(any_page, default_timeout=PATIENCE)
    app.session_state["view"] = view
    for name, value in ({"network": "cifar10"} | link).items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def words(app):
    boxes = (app.error, app.info, app.markdown, app.caption, app.warning)
    return " ".join(box.value for kind in boxes for box in kind)


def button(app, label):
    return next(button for button in app.button if button.label.startswith(label))


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "search for pixels"]


def run_until(app, happened):
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)
        app.run()
        assert not app.exception


def look(app, view):
    app.session_state["view"] = view
    app.run()
    assert not app.exception


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    deadline = time.monotonic() + PATIENCE
    while threads():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("view", ["attack", "placements", "explore"])
def test_a_search_finds_pixels_and_the_page_says_where_and_what_they_do(view):
    app = opened(view)
    assert "★ **Broken" not in words(app)
    press(app, "Search for pixels")
    run_until(app, lambda: "★ **Broken by pixels** at row" in words(app))
    assert "'cat' becomes 'dog'" in words(app)
    assert "Printing, light and angle are another threat" in words(app)
    other = opened(view)
    assert "★ **Broken" not in words(other)


def test_the_states_of_all_windows_are_counted():
    app = opened()
    assert "Windows: **176 proved, 0 broken by pixels, 224 open**." in words(app)
    press(app, "Search for pixels")
    run_until(app, lambda: "broken by pixels**." in words(app) and "0 broken" not in words(app))
    assert "Windows: **176 proved, 1 broken by pixels, 223 open**." in words(app)
    app.selectbox(key="sample").select("china").run()
    assert "Windows: **400 proved, 0 broken by pixels, 0 open**." in words(app)
    app.selectbox(key="sample").select("chelsea").run()
    assert "176 proved, 1 broken by pixels" in words(app)


def test_a_search_goes_on_while_another_page_is_shown_and_ends_with_stop():
    app = opened()
    app.selectbox(key="search-where-at this place").select("all open windows, worst first").run()
    press(app, "Search for pixels")
    look(app, "compare")
    assert threads()
    look(app, "attack")
    run_until(app, lambda: "★ **Broken" in words(app))
    assert any(box.label == "Stop" for box in app.button)
    press(app, "Stop")
    run_until(app, lambda: "Stopped after" in words(app))
    assert not any(box.label == "Stop" for box in app.button)
    assert not threads()
    assert "★ **Broken" in words(app)


def test_a_search_ends_when_all_settings_are_reset():
    app = opened(attack_steps="500", restarts="16")
    app.selectbox(key="search-where-at this place").select("all open windows, worst first").run()
    press(app, "Search for pixels")
    assert threads()
    press(app, "Reset all settings")
    # The fixture waits until no thread is left; five minutes of attacks do not fit in.


def test_a_place_that_is_proved_is_attacked_only_if_asked_and_the_attack_fails():
    clean = certify(sample_path("chelsea"), "cifar10", patch=(5, 5), defence="masking")
    first = np.argwhere(clean.certificate.proved)[0].tolist()
    place = clean.patch_in(box_at(clean.certificate.positions, *first), (5, 5))
    app = opened(attack=f"{place.top},{place.left}", attack_steps="20", defence="masking")
    assert "✔ This place is **proved**" in words(app)
    assert button(app, "Search for pixels").disabled
    app.checkbox(key="search-anyway").check().run()
    assert not button(app, "Search for pixels").disabled
    press(app, "Search for pixels")
    run_until(app, lambda: "the attack failed" in words(app))
    assert "as the proof says" in words(app)
    assert "of the gap between the clean lead" in words(app)
    assert "Whatever the pixels, a margin of +" in words(app)
    data = [
        json.loads(node.proto.json) for node in app.get("bidi_component") if "least loss" in node.proto.json
    ]
    assert [one["description"].startswith("The least loss of the attack: from ") for one in data] == [True]


def test_found_pixels_on_the_stage_change_the_headline_and_say_elsewhere_whether_they_still_work():
    app = opened("explore")
    assert not any("Patched photo" in box.value and "fool double" in box.value for box in app.error)
    press(app, "Search for pixels")
    run_until(app, lambda: "★ **Broken" in words(app))
    assert "a patch that was found in it changes the defended answer" in words(app)
    assert "It may not be realisable" not in words(app)
    press(app, "Put it on the stage")
    assert not app.exception
    assert any(
        "These pixels fool double masking on features (ours): 'cat' becomes 'dog'" in box.value
        for box in app.error
    )
    assert app.selectbox(key="contents").value is Contents.OPTIMISED
    assert "These pixels were found" not in words(app)
    field(app, "patch_top").set_value(27).run()
    assert "These pixels were found for row 4, column 16. Here the defended answer stays 'cat'." in words(app)
    assert app.selectbox(key="contents").value is Contents.OPTIMISED


def test_a_link_with_found_pixels_is_understood_by_the_session_that_found_them_alone():
    app = AppTest.from_file("../../../app/page.py", default_timeout=PATIENCE)
    app.query_params["network"] = "cifar10"
    app.run()
    press(app, "Search for pixels")
    run_until(app, lambda: "★ **Broken" in words(app))
    press(app, "Put it on the stage")
    contents = address(app)["contents"]
    assert contents.startswith("optimised:")
    app.run()
    assert "Ignored unknown" not in words(app)
    other = opened("explore", contents=contents)
    assert "contents=optimised" in words(other)
    assert other.selectbox(key="contents").value is Contents.NOISE


def test_three_tries_end_a_game_and_a_new_one_begins():
    app = opened(defence="masking", attack="23,23")
    for left in range(MOST_TRIES, 0, -1):
        press(app, f"Try it ({left} left)")
    assert button(app, "No tries left").disabled
    (table,) = [box.value for box in app.markdown if "| try |" in box.value]
    assert table.count("\n") == 1 + MOST_TRIES
    assert "still 'cat'" in table
    assert "%" in table
    press(app, "New game")
    assert not any("| try |" in box.value for box in app.markdown)
    assert button(app, "Try it (3 left)")


def test_a_try_on_a_proved_place_says_why_it_loses():
    app = opened(attack="23,23")
    press(app, "Try it (3 left)")
    assert "You cannot win at this place: it is proved. Whatever the pixels, a margin of +" in words(app)


def test_what_is_found_while_the_page_is_drawn_is_shown_by_the_next_look(monkeypatch):
    app = opened()
    press(app, "Search for pixels")
    monkeypatch.setattr(searches, "collect", lambda: False)
    run_until(app, lambda: not app.session_state["search-running"][1].running)
    assert button(app, "Stop")  # so the page looks again
    monkeypatch.undo()
    app.run()
    assert "★ **Broken by pixels** at row" in words(app)


@pytest.mark.parametrize("view", ["attack", "placements", "explore"])
def test_where_the_answer_is_another_than_the_label_without_a_patch_there_is_nothing_to_attack(view):
    app = opened(view, label="frog")
    assert "There is nothing to attack: without a patch the answer is 'cat'." in words(app)
    assert not any(box.label == "Search for pixels" for box in app.button)
    assert not any(box.label.startswith("Try it") for box in app.button)


def test_paint_that_wins_is_a_break_like_any_other():
    app = opened(photo="coffee")
    app.selectbox(key="contents").select(Contents.CHECKERBOARD).run()
    press(app, "Try it (3 left)")
    assert "★ You win: 'automobile' becomes 'bird'" in words(app)
    assert "painted by hand" in words(app)
    assert "★ This place is **broken by pixels**" in words(app)


@pytest.mark.parametrize(
    "link",
    [
        {"attack": "1e9,0", "target": "nobody", "attack_steps": "0", "restarts": "99", "attack_seed": "-1"},
        {
            "attack": "a,b",
            "target": "<script>",
            "attack_steps": "1.5",
            "restarts": "nan",
            "attack_seed": "inf",
        },
        {"attack": "1,2,3", "target": "cat", "attack_steps": "501", "restarts": "", "attack_seed": "0x1"},
    ],
)
def test_what_a_link_says_wrongly_of_an_attack_is_named_and_left_out(link):
    app = opened(**link)
    for name, value in link.items():
        if value:
            assert in_markdown(f"{name}={value}") in words(app)
    assert field(app, "attack-row").value == 4
    assert app.selectbox(key="search-target").value == "automatic"
    assert app.number_input(key="search-steps").value == 100
    assert app.number_input(key="search-restarts").value == 4
    assert app.number_input(key="search-seed").value == 0


def test_the_choices_of_an_attack_are_in_the_link():
    link = {"attack": "7,9", "target": "frog", "attack_steps": "30", "restarts": "2", "attack_seed": "5"}
    app = opened(**link)
    assert [field(app, f"attack-{name}").value for name in ("row", "column")] == [7, 9]
    assert app.selectbox(key="search-target").value == "frog"
    assert [app.number_input(key=f"search-{name}").value for name in ("steps", "restarts", "seed")] == [
        30,
        2,
        5,
    ]
    assert "Goal: the defended answer 'frog' instead of 'cat'." in words(app)


@pytest.mark.parametrize(
    "message",
    [
        None,
        5,
        {},
        {"row": 1},
        {"row": 1, "column": None},
        {"row": True, "column": 2},
        {"row": "1", "column": 2},
    ],
)
def test_a_click_that_a_browser_invents_is_none(message, monkeypatch):
    monkeypatch.setattr(charts.st, "session_state", {"map": SimpleNamespace(picked=message)})
    assert charts.picked("map") is None


def test_a_click_is_the_row_and_the_column_of_its_place(monkeypatch):
    monkeypatch.setattr(charts.st, "session_state", {"map": SimpleNamespace(picked={"row": 3, "column": 4})})
    assert charts.picked("map") == (3, 4)


@pytest.mark.parametrize("size", [(5, 5), (64, 48), (23, 31)])
def test_a_file_of_pixels_uploaded_as_a_sticker_gives_them_back_to_the_bit(size):
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    file = png_of(pixels.tobytes(), size)
    photo = cached.uploaded("patch.png", file)

    def page():
        import streamlit as st

        from app.state import patch

        st.session_state["contents"] = "sticker"
        st.session_state["sticker_of"] = "your own picture"
        st.session_state["cut-of-it"] = patch._cut(patch._sticker_photo())

    app = AppTest.from_function(page, default_timeout=PATIENCE)
    app.session_state["sticker-kept"] = (photo.name, photo.digest, photo.data, photo.size)
    app.run()
    assert not app.exception
    cut = app.session_state["cut-of-it"]
    assert cut == Box(0, 0, *photo.size)
    sticker = pixels_of(Motif(Contents.STICKER, sticker=photo, cut=cut), size)
    optimised = pixels_of(Motif(Contents.OPTIMISED, pixels=pixels.tobytes(), pixels_size=size), size)
    expected = pixels.transpose(2, 0, 1).astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(sticker, expected)
    np.testing.assert_array_equal(optimised, expected)
    assert Image.open(io.BytesIO(file)).size == (photo.size[1], photo.size[0])


def test_the_file_of_a_patch_is_called_by_its_place():
    chosen = SimpleNamespace(photo=cached.sample("coffee"))
    assert file_of(chosen, Patch(96, 128, 5, 5)) == "coffee-patch-top96-left128.png"


@pytest.fixture(scope="module")
def result():
    image = Image.new("RGB", (64, 48), (250, 20, 10))
    image.paste((10, 200, 20), (0, 0, 30, 48))
    model = Colours()
    return analyse(image, model, RobustMasking(model.receptive_field.window_size((8, 8))), Threat((8, 8)))


def test_every_window_is_in_one_state_and_a_break_comes_first(result):
    everywhere = [
        result.patch_in(box_at(result.certificate.positions, *at), (8, 8)) for at in ((0, 0), (3, 5))
    ]
    broken = broken_by(result, everywhere)
    known = states(result, broken)
    flags = np.stack([getattr(known, name) for name in STATES])
    assert (flags.sum(axis=0) == 1).all()
    np.testing.assert_array_equal(known.broken, broken)
    assert (broken & result.certificate.proved).any()
    assert known.counted().startswith(
        f"{int(known.proved.sum())} proved, {int(broken.sum())} broken by pixels, "
    )
    assert known.counted().endswith(f"{int(known.open.sum())} open")


def test_the_map_has_a_sign_of_its_own_for_each_state_at_the_place_in_each_window(result):
    positions = result.certificate.positions
    places = [result.patch_in(box_at(positions, *at), (8, 8)) for at in np.ndindex(positions.shape)]
    known = states(result, broken_by(result, places[:1]))
    figure = states_map(result, known, places, Patch(3, 4, 8, 8))
    assert len({trace.marker.symbol for trace in figure.data}) == len(STATES)
    assert len({trace.marker.color for trace in figure.data}) == len(STATES)
    for trace in figure.data:
        (name,) = [name for name, words in STATES.items() if trace.name.startswith(f"{words} (")]
        flags = getattr(known, name).reshape(-1)
        assert trace.name == f"{STATES[name]} ({flags.sum():,})"
        expected = [places[index] for index in np.flatnonzero(flags)]
        assert [tuple(corner) for corner in trace.customdata] == [(p.top, p.left) for p in expected]
        assert list(trace.y) == [p.top + 4 for p in expected]
    (outline,) = figure.layout.shapes
    assert (outline.y0, outline.y1, outline.x0, outline.x1) == (3, 11, 4, 12)
