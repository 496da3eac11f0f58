"""The page that checks a certificate file in the browser: nothing of it is sent to the server."""

import streamlit as st

from app import proving
from app.components.check import checker
from app.views.check import text


def show() -> None:
    """A place for the file, and what a check means."""
    st.header("Check a certificate")
    st.markdown(text.INTRODUCTION)
    checker("check")
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("What a check says")
        st.markdown(text.OUTCOMES)
    with right:
        st.subheader("What it does not say")
        st.markdown(text.NOT_SAID)
    st.markdown(text.ELSEWHERE)
    proving.checker_file()
