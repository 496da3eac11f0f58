"""The main pages at the bottom of a phone, in reach of the thumb, and the others behind *More*."""

from collections.abc import Sequence

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from app.components.component import component


def bar(main: Sequence[StreamlitPage], others: Sequence[StreamlitPage], current: StreamlitPage) -> None:
    """Links to four main pages and to the others, which keep the session; the current one is marked. Seen on screens
    at most 768 pixels wide, where Streamlit puts its own links behind a button."""
    with st.container(key="pages", horizontal=True):
        for page in main:
            st.page_link(page)
        with st.popover("More"):
            for page in others:
                st.page_link(page)
        # By its key the styles know the page from the beginning.
        component("bar")(key=f"at-{current.url_path or 'explore'}", data={"current": current.title}, height=1)
