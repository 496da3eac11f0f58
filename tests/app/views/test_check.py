"""The page that checks certificate files needs no photo and no network, and hands out the checker that it ships."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import proving
from pg_core.proofs import checker
from tests.app.test_page import PATIENCE

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of streamlit's own dependencies


def check_page():
    from app.views.check import page as check

    check.show()


def test_the_page_runs_without_a_photo_or_a_network(monkeypatch):
    def refuse(*_):
        raise AssertionError("a network was loaded")

    monkeypatch.setattr("app.cache.analysis.load_model", refuse)
    app = AppTest.from_function(check_page, default_timeout=PATIENCE).run()
    assert not app.exception
    assert [button.proto.label for button in app.get("download_button")] == ["checker.py"]


def test_what_a_page_calls_the_checker_is_the_file_that_the_command_runs(monkeypatch):
    given = {}
    monkeypatch.setattr(
        "streamlit.download_button", lambda title, data, *_, **__: given.update({title: data})
    )
    proving.checker_file()
    assert {name: read() for name, read in given.items()} == {
        "checker.py": Path(checker.__file__).read_bytes()
    }
