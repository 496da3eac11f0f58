"""The page of the networks: files by what they are, and one's own network, which is tested before it is used."""

import io
import json
import os

import pytest
import torch
from streamlit.testing.v1 import AppTest
from torch import nn
from torchvision import models

from app.cache import analysis as cached
from app.cache import networks
from pg_core.networks.locality import check_locality
from pg_core.networks.own import read_card, write_card
from pg_core.networks.published import PUBLISHED
from tests.pg_core.networks.test_own_network import Convolutions, described, saved
from tests.pg_core.networks.test_programs import scripted

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of streamlit's own dependencies
PATIENCE = 120


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """An empty folder in place of assets/weights."""
    monkeypatch.setattr(networks, "WEIGHTS", tmp_path)
    return tmp_path


def networks_page():
    from app import sidebar
    from app.views.networks import page as networks

    sidebar.sidebar()
    networks.show()


def opened():
    app = AppTest.from_function(networks_page, default_timeout=PATIENCE)
    return app.run()


def listed(app):
    return {row["File"]: row for row in app.dataframe[1].value.to_dict("records")}


def test_an_empty_folder_is_said_to_be_empty(weights):
    app = opened()
    assert not app.exception
    assert any("No additional weights found" in box.value for box in app.info)
    assert any("ResNet-50 can certify nothing" in box.value for box in app.markdown)
    windows = {row["Name"]: row["Window for 2 %"] for row in app.dataframe[0].value.to_dict("records")}
    assert windows["resnet50"] == "7x7: the whole map"
    assert windows["bagnet17"] == "6x6"


def test_every_file_is_listed_with_its_convention_and_the_networks_that_take_it(weights):
    with torch.device("meta"):
        shapes = PUBLISHED["bagnet9"].build(10).state_dict()
    state = {
        f"module.{key}": torch.zeros((), dtype=value.dtype).expand(value.shape)
        for key, value in shapes.items()
    }
    torch.save({"net": state}, weights / "bagnet9_192_cifar.pth")
    torch.save({"fc.weight": torch.ones(5, 7)}, weights / "other.pt")
    (weights / "notes.txt").write_text("no network")
    (weights / "bad.network.json").write_text("{}")
    path = saved(weights, Convolutions(), networks.Format.EXPORTED)
    (weights / "mine.network.json").write_text(write_card(described(path)))
    found = listed(opened())
    assert set(found) == {
        "bagnet9_192_cifar.pth",
        "other.pt",
        "mine.pt2",
        "mine.network.json",
        "bad.network.json",
    }
    assert found["bagnet9_192_cifar.pth"]["What it is"] == "state dict under 'net', names with 'module.'"
    assert found["bagnet9_192_cifar.pth"]["For"] == "BagNet-9 for CIFAR-10, from a checkpoint"
    assert "none of the published networks" in found["other.pt"]["For"]
    assert (found["mine.pt2"]["What it is"], found["mine.pt2"]["For"]) == ("program of torch.export", "Mine")
    assert "not the card of a network" in found["bad.network.json"]["For"]


def fill(app, **values):
    for key, value in values.items():
        widget = next(
            found
            for kind in (app.number_input, app.text_input, app.text_area, app.selectbox)
            for found in kind
            if found.key == f"own-{key}"
        )
        widget.set_value(value)
    return app.run()


def press(app):
    return next(button for button in app.button if button.label.startswith("Test and add")).click().run()


def described_on_the_page(weights, **values):
    saved(weights, Convolutions(), networks.Format.EXPORTED)
    app = opened()
    fill(app, file="mine.pt2")
    names = {"names": "red\ngreen\nblue"}
    sizes = {"image-height": 40, "image-width": 48, "size": 11, "stride": 4, "offset": 3}
    return fill(app, **({"title": "Mine", "normalisation": "[-1, 1]"} | sizes | names | values))


def test_a_network_that_is_local_is_offered_on_every_page_and_certifies(weights):
    app = press(described_on_the_page(weights))
    assert not app.exception
    (told,) = [box.value for box in app.success]
    assert "'Mine' is local, as far as" in told
    assert "Mine (own)" in app.selectbox(key="network").options
    app.selectbox(key="network").select("Mine").run()
    assert not app.exception
    (card,) = app.session_state["own-networks"].values()
    own = read_card(card)
    photo = cached.sample("chelsea")
    seen = cached.features(photo, cached.Choice(own.description.name, own=own))
    assert seen.classes == ("red", "green", "blue")
    assert seen.map_size == (9, 11)


def test_a_network_that_is_not_local_as_described_is_refused_and_never_certifies(weights):
    app = press(described_on_the_page(weights, size=9))
    assert not app.success
    (told,) = [box.value for box in app.error]
    assert told.startswith("✘ Not added.")
    assert "own-networks" not in app.session_state
    path = weights / "mine.pt2"
    own = described(path, Convolutions.field.__class__((9, 9), (4, 4), (2, 2)))
    (weights / "lying.network.json").write_text(write_card(own))
    with pytest.raises(ValueError, match="is not local as described, so nothing can be certified"):
        cached.network(cached.Choice(own.description.name, own=own))


def test_what_cannot_be_is_said_in_a_sentence_before_anything_runs(weights, monkeypatch):
    monkeypatch.setattr(networks, "own_network", None)
    for values, words in (
        ({"names": "red\nred"}, "expected different class names"),
        ({"names": "red"}, "expected 2 to"),
        ({"size": 400}, "expected an image of at least"),
        ({"title": " "}, "expected a name"),
    ):
        app = described_on_the_page(weights)
        fill(app, **values)
        assert not app.exception
        assert any(words in box.value for box in app.error)
        assert next(button for button in app.button if button.label.startswith("Test")).disabled
    app = described_on_the_page(weights)
    fill(app, normalisation="other")
    fill(app, mean="0.5, half")
    assert any("expected three numbers" in box.value for box in app.error)


def test_uploaded_weights_are_the_base_of_a_tile_ensemble_and_leave_no_file(weights):
    module = models.shufflenet_v2_x0_5(weights=None, num_classes=2).eval()
    torch.save(module.state_dict(), weights / "made.pth")
    content = (weights / "made.pth").read_bytes()
    (weights / "made.pth").unlink()
    app = opened()
    app.file_uploader(key="own-upload").set_value(("mine.pth", content, "application/octet-stream")).run()
    assert not app.exception
    fill(app, base="torchvision/shufflenet_v2_x0_5", tile=48, side=48)
    fill(app, **{"tile-stride": 32, "image-height": 112, "image-width": 112})
    press(app)
    assert not app.exception
    assert not app.error, [box.value for box in app.error]
    assert len(app.success) == 1
    assert list(weights.iterdir()) == []


class Attack:
    def __reduce__(self):
        return (exec, ("raise SystemExit('code in an upload ran')",))


def test_an_uploaded_program_is_never_loaded(weights, monkeypatch):
    import pickle

    app = opened()
    assert all(not kind.endswith(("pt2", "ts")) for kind in app.file_uploader(key="own-upload").allowed_type)
    own = described(saved(weights, Convolutions(), networks.Format.EXPORTED))
    monkeypatch.setattr(torch.export, "load", None)
    with pytest.raises(ValueError, match="never from a browser"):
        networks.own_network(own, b"anything")
    app.file_uploader(key="own-upload").set_value(
        ("evil.pth", pickle.dumps(Attack()), "application/octet-stream")
    )
    press(app.run())
    assert not app.exception
    assert any("not a checkpoint of plain tensors" in box.value for box in app.error)


def test_a_lone_card_in_the_folder_is_a_network_for_good(weights):
    path = saved(weights, Convolutions(), networks.Format.EXPORTED)
    own = described(path)
    (weights / "mine.network.json").write_text(write_card(own))
    app = opened()
    assert "Mine (own)" in app.selectbox(key="network").options
    assert json.loads(write_card(own))["title"] == "Mine"
    assert check_locality(networks.tested(own)).passed
    assert isinstance(networks.tested(own), nn.Module)


def dictionary(weights):
    """A program that gives a dict, and its card."""
    with pytest.warns(Warning, match="deprecated"):
        path = scripted(weights, lambda logits: {"logits": logits})
    (weights / "mine.network.json").write_text(write_card(described(path)))
    return path


@pytest.mark.filterwarnings("ignore")  # of tracing
def test_a_program_that_gives_no_local_logits_is_refused_in_one_sentence_in_the_form(weights):
    dictionary(weights)
    app = opened()
    fill(app, file="mine.ts")
    sizes = {"image-height": 40, "image-width": 48, "size": 11, "stride": 4, "offset": 3}
    app = press(fill(app, title="Other", names="red\ngreen\nblue", **sizes))
    assert not app.exception
    (told,) = [box.value for box in app.error]
    assert told.startswith("mine.ts: the program gave a dict, expected one tensor")


def explore_page():
    import streamlit as st

    from app import sidebar
    from app.views.explore import page as explore

    st.session_state["introduction hidden"] = True  # its link needs all pages
    explore.show(sidebar.sidebar(), None, None, None)


@pytest.mark.filterwarnings("ignore")  # of tracing
def test_a_program_that_gives_no_local_logits_is_refused_in_one_sentence_in_the_sidebar(weights):
    dictionary(weights)
    app = AppTest.from_function(explore_page, default_timeout=PATIENCE).run()
    app.selectbox(key="network").select("Mine").run()
    assert not app.exception
    (told,) = [box.value for box in app.error]
    assert told.startswith("mine.ts: the program gave a dict, expected one tensor")


def test_a_file_that_vanishes_or_cannot_be_read_leaves_no_traceback(weights, monkeypatch):
    saved(weights, Convolutions(), networks.Format.EXPORTED)

    def unreadable(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pg_core.networks.loading.sha256_of", unreadable)
    networks.digest.clear()
    app = opened()
    fill(app, file="mine.pt2")
    assert not app.exception
    assert any("mine.pt2 cannot be read (Permission denied)" in box.value for box in app.error)


def test_an_upload_whose_name_is_in_capitals_is_what_its_ending_says(weights):
    module = models.shufflenet_v2_x0_5(weights=None, num_classes=2)
    content = io.BytesIO()
    torch.save(
        {"state_dict_ema": {f"module.{key}": value for key, value in module.state_dict().items()}}, content
    )
    app = opened()
    app.file_uploader(key="own-upload").set_value(
        ("MINE.PTH", content.getvalue(), "application/octet-stream")
    )
    fill(app.run(), base="torchvision/shufflenet_v2_x0_5", tile=48, side=48)
    fill(app, **{"tile-stride": 32, "image-height": 112, "image-width": 112})
    press(app)
    assert not app.exception
    assert not app.error, [box.value for box in app.error]
    assert len(app.success) == 1


def test_a_card_that_is_too_deep_is_listed_with_what_is_wrong(weights):
    (weights / "deep.network.json").write_text("[" * 10**5)
    app = opened()
    assert not app.exception
    assert "too many brackets" in listed(app)["deep.network.json"]["For"]


def test_of_two_cards_with_one_title_the_second_is_listed_with_what_is_wrong(weights):
    card = write_card(described(saved(weights, Convolutions(), networks.Format.EXPORTED)))
    for name in ("a.network.json", "b.network.json"):
        (weights / name).write_text(card)
    assert networks.cards()["a.network.json"].title == "Mine"
    assert networks.cards()["b.network.json"] == "a.network.json has this title too: choose another one"


def test_a_pipe_that_is_called_a_card_holds_up_nobody(weights):
    os.mkfifo(weights / "pipe.network.json")
    assert networks.cards()["pipe.network.json"] == "expected a file, got a pipe"
