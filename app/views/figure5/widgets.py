"""What fills the malicious window."""

from collections.abc import Sequence

import streamlit as st

from app.state import pages
from app.views.figure5.results import Filling


def filling(options: Sequence[Filling]) -> Filling:
    """What the malicious window holds."""
    key = pages.option("filling", options, options[0], of="-".join(options))
    return st.segmented_control("The window holds", options, required=True, key=key) or options[0]
