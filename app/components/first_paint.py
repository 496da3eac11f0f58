"""The photo and the room for the panels in plain HTML: they stand in the place of the stage until it is drawn. Their
styles come with the document."""

import streamlit as st

from pg_core.geometry import Size

PLACE = "stage-place"
"""The key of the container that holds both."""


def first_paint(picture: str, size: Size) -> None:
    """Show a photo (a data URL) of this size in pixels where the stage's first panel will be; hidden by the stage."""
    height, width = size
    st.html(
        f'<div class="pg-first" style="--ratio: {height / width:.6f}">'
        f'<img src="{picture}" alt="The photo, as the network sees it"><i></i><i></i><i></i></div>'
    )
