"""The button for the certificate as a file: it writes what the command `prove` writes, or says why none is written."""

import pytest

from app.cache import analysis as cached
from app.cache.analysis import Choice, DefenceChoice
from app.markup import in_markdown
from app.proving import proof_file
from app.sidebar import Choices
from pg_core import Threat, sample_path
from pg_core.__main__ import main
from pg_core.defences.patchguard.spec import THRESHOLD
from tests.app.test_links import opened
from tests.app.views.test_any_defence import on_page
from tests.app.views.test_any_patch import debugger_page, placements_page

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of streamlit's own dependencies
FILE = "Certificate as a file"
CASES = [
    ("cifar10", "masking", None),
    ("cifar10-interval", "interval", "got IBP"),
    ("cifar10", "undefended", "got no defence"),
]


def buttons(app):
    return {button.proto.label: button.proto for button in app.get("download_button")}


def captions(app):
    return " ".join(caption.value for caption in app.caption)


@pytest.mark.parametrize("threshold", [0.0, 0.2])
def test_the_file_is_the_one_that_the_command_prove_writes(tmp_path, threshold):
    file, patch = tmp_path / "coffee.proof.json", (2, 2)
    options = ("--model", "cifar10", "--patch-size", "2", "--defence", "masking", "--threshold", threshold)
    assert main([str(word) for word in ("prove", sample_path("coffee"), *options, "-o", file)]) == 0
    photo = cached.uploaded("coffee.png", sample_path("coffee").read_bytes())
    asked = DefenceChoice("masking", patch).having({THRESHOLD.name: threshold})
    chosen = Choices(photo, Choice("cifar10"), Threat(patch), patch, asked)
    analysis = cached.analysis(chosen.photo, chosen.choice, asked, chosen.threat, None)
    assert proof_file(chosen, analysis) == file.read_bytes()


@pytest.mark.parametrize(
    "page", [debugger_page, placements_page, None], ids=["debugger", "placements", "explore"]
)
@pytest.mark.parametrize(("network", "defence", "told"), CASES)
def test_a_page_with_a_certificate_writes_it_or_says_why_it_is_not_written(page, network, defence, told):
    explore = page is None  # the first page, whose links need the others
    app = opened(network=network, defence=defence) if explore else on_page(page, network, defence)
    assert "checker.py" in buttons(app)
    assert buttons(app)[FILE].disabled == (told is not None)
    reasons = [words.value for words in app.caption if "There is no file of this certificate" in words.value]
    assert len(reasons) == (told is not None)
    assert told is None or told in reasons[0]


def test_a_bound_that_is_not_written_is_named_on_the_page():
    app = opened(network="cifar10", defence="masking", threshold="0.2", bound="tight")
    assert buttons(app)[FILE].disabled
    assert in_markdown("expected the sound bound for T > 0") in captions(app)
