"""The server as the README starts it is for this machine only, and says nothing of itself to those who ask."""

import tomllib
from pathlib import Path

from streamlit import config

from app.cache import networks
from pg_core.photos.read import MAX_BYTES

ROOT = Path(__file__).parents[2]


def test_the_page_listens_on_this_machine_only_and_keeps_its_tracebacks_to_itself():
    said = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    server = said["server"]
    assert server["address"] == "127.0.0.1"
    assert server["enableXsrfProtection"] is True
    assert server["enableCORS"] is True
    assert server["maxUploadSize"] == networks.MAX_UPLOAD > MAX_BYTES / 2**20
    assert 16 <= server["maxMessageSize"] <= 64
    assert said["client"]["showErrorDetails"] == config.ShowErrorDetailsConfigOptions.NONE
    known = config.get_config_options()
    assert {f"{section}.{name}" for section in ("server", "client") for name in said[section]} <= known.keys()


def test_the_readme_says_so():
    assert "It listens on this machine only" in (ROOT / "README.md").read_text(encoding="utf-8")
