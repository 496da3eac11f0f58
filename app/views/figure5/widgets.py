"""What fills the malicious window."""

from collections.abc import Sequence

import streamlit as st

from app.views.figure5.results import Filling


def filling(options: Sequence[Filling]) -> Filling:
    """What the malicious window holds."""
    return st.segmented_control(
        "The window holds", options, default=options[0], required=True, key=f"filling-{'-'.join(options)}"
    )
