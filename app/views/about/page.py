"""The page About: the threat model in a picture, and what a verdict says and does not say."""

import streamlit as st

from app.views.about import figure, text


def show() -> None:
    """All of it; nothing is computed."""
    st.header("What is proved here, and what is not")
    st.markdown(text.QUESTION)
    st.subheader("The threat model")
    pictures = (figure.image(), figure.cells(), figure.windows())
    for column, picture, words in zip(st.columns(3, gap="large"), pictures, text.PICTURES, strict=True):
        column.html(picture)
        column.markdown(words)
    st.markdown(text.THREAT)
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("How a proof works")
        st.markdown(text.HOW)
    with right:
        st.subheader("What is not said")
        st.markdown(text.NOT_SAID)
    st.subheader("The words for what is known")
    st.markdown(text.VERDICTS)
    st.caption(text.SOURCES)
