"""Names from outside are text on every page: of an upload, of a card's network and classes, and in every link."""

import json
import re
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from app import links
from app.cache import networks, tables
from pg_core.networks.own import Format, write_card
from tests.app.test_page import PATIENCE, png
from tests.hostile.names import FILE, NAME, constructs
from tests.pg_core.networks.test_own_network import Convolutions, described, saved
from tests.tables_of_runs import write_table

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of streamlit's own dependencies
VIEWS = ("explore", "debugger", "figure5", "steps", "story", "quiz", "placements", "attack", "compare")
VIEWS += ("networks", "results", "atlas")
WITHOUT_NETWORK = ("networks", "results", "atlas")
"""Pages on which no network runs."""
CLASSES = (f"{NAME} 1", f"| {NAME}", f"# {NAME} :smile:")
TITLE = NAME


def any_page():
    import importlib

    import streamlit as st

    from app import links, opening, sidebar

    view = st.session_state.setdefault("view", "networks")
    show = importlib.import_module(f"app.views.{view}.page").show
    links.follow()
    chosen = sidebar.sidebar()
    opening.about_the_link()
    if view in ("networks", "results", "atlas"):
        show()
    elif view in ("explore", "story"):
        titles = {
            "explore": ("Debugger", "About", "Story"),
            "story": ("Explore", "Attack", "Figure5", "Steps", "Museum"),
        }[view]
        show(chosen, *(st.Page(lambda: None, title=title, url_path=title.lower()) for title in titles))
    else:
        show(chosen)


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """A folder in place of assets/weights with an own network whose every name is hostile, and other files with such
    names."""
    monkeypatch.setattr(networks, "WEIGHTS", tmp_path)
    path = saved(tmp_path, Convolutions(), Format.EXPORTED)
    path = path.rename(tmp_path / f"{FILE}.pt2")
    own = replace(described(path), title=TITLE, classes=CLASSES)
    (tmp_path / f"{FILE}.network.json").write_text(write_card(own))
    (tmp_path / f"broken {FILE}.network.json").write_text(json.dumps({NAME: NAME}))
    (tmp_path / f"{FILE}.pth").write_bytes(b"nothing")
    return tmp_path


def rendered(node):
    """Every text that Streamlit renders as Markdown, below a part of the page: not what stands in fields, lists and
    data frames, and no HTML."""
    if node.type == "html":
        return
    proto = getattr(node, "proto", None)
    values = (getattr(proto, field, "") for field in ("body", "label", "help", "text", "delta", "caption"))
    yield from (value for value in values if isinstance(value, str))
    if node.type == "table":
        yield from map(str, node.value.to_numpy().reshape(-1))
    for child in getattr(node, "children", {}).values():
        yield from rendered(child)


def figures(node):
    """Every figure that Plotly draws, below a part of the page."""
    data = json.loads(getattr(getattr(node, "proto", None), "json", "") or "{}") or {}
    found = [data.get("figure"), (data.get("scene") or {}).get("figure")]
    yield from (json.loads(figure) for figure in found if figure)
    for child in getattr(node, "children", {}).values():
        yield from figures(child)


def strings(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from strings(each)
    if isinstance(value, str) and not value.startswith("data:"):
        yield value


def unwanted(text):
    """What Streamlit would make of a text; formulas are the page's own where nothing of a name is in them."""
    return (
        part
        for part in constructs(text)
        if not part.startswith("$") or "evil" in part or part.strip("$ ") == "x"
    )


def texts(app):
    assert not app.exception
    parts = (app.main, app.sidebar)
    found = [text for part in parts for text in rendered(part)]
    assert {text: wrong for text in found if (wrong := list(unwanted(text)))} == {}
    for text in (text for part in parts for figure in figures(part) for text in strings(figure)):
        if "evil.example" in text:
            assert "&lt;b&gt;c&lt;/b&gt;" in text
            assert not re.search(r"%\{y\} =|[\x00-\x1f\u202e]|<(?!/?(b|br|extra)>)", text)
    return found


@pytest.mark.parametrize("view", VIEWS)
def test_no_name_is_more_than_text_on_a_page(weights, view):
    app = AppTest.from_function(any_page, default_timeout=PATIENCE)
    app.session_state["view"] = view
    app.session_state["network"] = TITLE
    app.session_state["story-at"] = 2  # whose screen and question name classes
    app.run()
    named = any("%{y} =1+1 www" in text.replace("\u2060", "") for text in texts(app))
    assert named or view in WITHOUT_NETWORK
    drawn = "".join(text for figure in figures(app.main) for text in strings(figure))
    assert "evil.example" in drawn or view in ("attack", "figure5", "steps", "quiz", *WITHOUT_NETWORK)
    upload = app.file_uploader(key="upload")
    upload.set_value((f"{FILE}.png", b"nothing", "image/png")).run()
    assert any("evil.example" in text.replace("\u2060", "") for text in texts(app))
    upload.set_value((f"{FILE}.png", png(), "image/png")).run()
    texts(app)
    if view not in WITHOUT_NETWORK:
        app.slider(key="threshold").set_value(0.3).run()
        texts(app)


@pytest.mark.parametrize("look", ["Photos", "Side by side", "What would it take?"])
def test_names_out_of_a_table_are_text(tmp_path, monkeypatch, look):
    monkeypatch.setenv(tables.TABLES, str(tmp_path))
    write_table(tmp_path / FILE[:40], CLASSES, lambda label, number: f"{FILE}/{number}{FILE}.png")
    app = AppTest.from_function(any_page, default_timeout=PATIENCE)
    app.session_state["view"] = "atlas"
    app.session_state["atlas-look"] = look
    app.session_state["filter-label"] = 1
    app.run()
    assert any("evil.example" in text.replace("\u2060", "") for text in texts(app))
    if look == "Photos":
        assert any("evil.example" in text for figure in figures(app.main) for text in strings(figure))
    app.text_input(key="scenario-name").set_value(NAME).run()
    next(button for button in app.button if button.label == "Keep these filters").click().run()
    texts(app)


def test_a_network_that_fails_is_named_as_text(weights):
    for card in weights.glob("*.network.json"):
        card.write_text(
            card.read_text().replace('"size": [\n      11,\n      11', '"size": [\n      9,\n      9')
        )
    app = AppTest.from_function(any_page, default_timeout=PATIENCE)
    app.session_state["view"] = "explore"
    app.session_state["network"] = TITLE
    app.run()
    assert any("is not local as described" in box.value for box in app.error)
    texts(app)


@pytest.mark.parametrize("view", VIEWS)
def test_every_page_names_what_a_link_says_wrongly_as_text_and_cut(weights, view):
    app = AppTest.from_function(any_page, default_timeout=PATIENCE)
    app.session_state["view"] = view
    names = {part.name for part in links.PARTS}
    for name in names:
        app.query_params[name] = NAME * 40  # Streamlit leaves out an address of more than 512 kB
    app.query_params["network"] = "tiles-coarse"
    app.run()
    texts(app)
    (told,) = [box.value for box in app.warning if "Ignored unknown values" in box.value]
    told = told.replace("\\", "").replace("\u2060", "")
    # Whether a text is a class is known where the network has run.
    wrong = names - {"network", "label", "class"}
    assert all(f"{name}=![a](http://127.0.0.1:1/t.png) $x$ [b](https" in told for name in wrong)
    assert len(told) < (links._SHOWN + 10) * len(wrong) + 100
    classes = [box.value.replace("\\", "") for box in app.warning if "has no such class" in box.value]
    assert len(classes) == (view not in WITHOUT_NETWORK)
    assert all("label=![a]" in text and "class=![a]" in text and len(text) < 400 for text in classes)
