"""The certificate that a page shows as a file that others can check, and the program that checks it.

Not here: what is in the file, see `pg_core.proofs.statement`; the check in the browser, see `app.views.check`.
"""

from functools import partial
from pathlib import Path

import streamlit as st

from app.cache import analysis as cached
from app.markup import in_markdown
from app.sidebar import Choices
from pg_core.analysis.photo import Analysis
from pg_core.proofs import checker
from pg_core.proofs.arithmetic import check_provable
from pg_core.proofs.statement import Subject, prove, serialised

_HELP = (
    "Evidence, both bounds of every window and counterexamples, in exact numbers: a file that others can check "
    "without trusting this program, on the page *Check a certificate* or by `python -I checker.py`. One that is not "
    "certified says what was found, and proves nothing."
)
_HELP_CHECKER = (
    "One file that needs Python alone: `python -I checker.py photo.proof.json --photo photo.jpg` computes every bound "
    "again, exactly."
)


def certificate_file(chosen: Choices, analysis: Analysis) -> None:
    """A button for the certificate as a file, written when it is asked for, and one for the checker; where this
    certificate cannot be written, the reason."""
    reason = _refusal(analysis)
    with st.container(horizontal=True):
        st.download_button(
            "Certificate as a file",
            partial(proof_file, chosen, analysis),
            f"{chosen.photo.name.rsplit('.', 1)[0]}.proof.json",
            "application/json",
            on_click="ignore",
            key="export-proof",
            help=_HELP,
            disabled=reason is not None,
        )
        checker_file()
    if reason is not None:
        st.caption(f"There is no file of this certificate yet: {in_markdown(reason)}.")


def checker_file() -> None:
    """A button for the program that checks certificate files."""
    st.download_button(
        "checker.py",
        Path(checker.__file__).read_bytes,
        "checker.py",
        "text/x-python",
        on_click="ignore",
        key="export-checker",
        help=_HELP_CHECKER,
    )


def _refusal(analysis: Analysis) -> str | None:
    """Why `prove` would refuse to write this certificate; None where it would not."""
    try:
        check_provable(analysis)
    except ValueError as error:
        return str(error)
    return None


def proof_file(chosen: Choices, analysis: Analysis) -> bytes:
    """What the command `prove` writes; raises ValueError where it refuses."""
    photo, network = chosen.photo, cached.network(chosen.choice)
    subject = Subject(photo.name, photo.digest, network.weights_sha256, network.device)
    return serialised(prove(analysis, subject))
