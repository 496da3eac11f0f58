"""The modules of the components on their way to the browser: an address of their own, and nothing else there."""

import shutil

import pytest

from app.components.component import remove_modules, serve_modules, version
from tests.browser.conftest import ROOT

SOURCES = {path.name: path.read_bytes() for path in (ROOT / "app" / "components").glob("*.js")}


@pytest.mark.parametrize(
    "other",
    [
        {"stage.js": b"1;", "courier.js": b"3"},
        {"stage.js": b"2", "courier.js": b"1;"},
        {"stage.js": b"1;", "post.js": b"2"},
        {"stage.js": b"1;"},
        {"stage.js": b"1;", "courier.js": b"2", "post.js": b""},
    ],
)
def test_modules_of_which_one_differs_have_another_address(other):
    assert version(other) != version({"stage.js": b"1;", "courier.js": b"2"})


def test_the_order_in_which_a_disk_lists_the_modules_does_not_change_their_address():
    assert version({"courier.js": b"2", "stage.js": b"1;"}) == version(
        {"stage.js": b"1;", "courier.js": b"2"}
    )


def test_what_is_served_is_the_modules_and_nothing_else():
    assert {path.name: path.read_bytes() for path in serve_modules().iterdir()} == SOURCES


@pytest.mark.parametrize("tidy", [lambda folder: (folder / "courier.js").unlink(), shutil.rmtree])
def test_modules_that_were_tidied_away_are_served_from_a_new_folder(tidy):
    before = serve_modules()
    assert serve_modules() == before
    tidy(before)
    after = serve_modules()
    assert after != before
    assert {path.name: path.read_bytes() for path in after.iterdir()} == SOURCES


def test_nothing_of_the_modules_is_left_when_the_server_ends_and_they_are_served_again_if_asked_for():
    before = serve_modules()
    remove_modules()
    assert not before.exists()
    assert serve_modules().is_dir()
