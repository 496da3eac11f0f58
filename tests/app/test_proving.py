"""The button for the certificate as a file: it writes what the command `prove` writes, or says why none is written."""

import numpy as np
import pytest

from app.cache import analysis as cached
from app.cache.analysis import Choice, DefenceChoice
from app.markup import in_markdown
from app.proving import proof_file
from app.sidebar import Choices
from pg_core import Bound, RobustMasking, Threat, examine, sample_path
from pg_core.__main__ import main
from pg_core.defences.detection import MaskedDetection
from pg_core.defences.patchguard.spec import THRESHOLD
from pg_core.proofs.arithmetic import refusal
from pg_core.proofs.statement import prove
from tests.app.test_links import opened
from tests.app.views.test_any_defence import on_page
from tests.app.views.test_any_patch import debugger_page, placements_page
from tests.app.views.test_networks import explore_page
from tests.pg_core.proofs.drawn import SUBJECT, drawn_analysis, features_of

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of streamlit's own dependencies
FILE = "Certificate as a file"


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


@pytest.mark.parametrize("page", [debugger_page, placements_page, explore_page])
@pytest.mark.parametrize("defence", ["masking", "detection"])
def test_a_page_with_a_certificate_writes_it_or_says_why_it_is_not_written(page, defence):
    app = on_page(page, "cifar10", defence)
    button = buttons(app)[FILE]
    assert button.disabled == (defence == "detection")
    assert "checker.py" in buttons(app)
    assert ("There is no file of this certificate yet: expected robust masking" in captions(app)) == (
        defence == "detection"
    )
    assert ("got PatchGuard" in captions(app)) == (defence == "detection")


def test_a_bound_that_is_not_written_is_named_on_the_page():
    app = opened(network="cifar10", defence="masking", threshold="0.2", bound="tight")
    assert buttons(app)[FILE].disabled
    assert in_markdown("expected the sound bound for T > 0") in captions(app)


def test_what_is_refused_before_it_is_asked_for_is_what_prove_refuses():
    benign = features_of(np.random.default_rng(0).uniform(0, 1, (2, 3, 3)))
    refused = [
        examine(benign, MaskedDetection((1, 1))),
        examine(benign, RobustMasking((1, 1), 0.2, bound=Bound.TIGHT)),
        examine(benign, RobustMasking((1, 1), 0.2, bound=Bound.PUBLISHED)),
    ]
    for analysis in refused:
        with pytest.raises(ValueError, match=r"^expected ") as error:
            prove(analysis, SUBJECT)
        assert refusal(analysis) == str(error.value)
    for seed in range(20):
        assert refusal(drawn_analysis(np.random.default_rng(seed))) is None
