"""Hostile texts in every element of Streamlit that renders Markdown, and in a figure; a page of `test_markup`."""

import plotly.graph_objects as go
import streamlit as st

from app.components.charts import chart
from app.markup import in_figure, in_markdown
from tests.hostile.names import TEXTS

for number, text in enumerate(TEXTS):
    shown = in_markdown(text)
    with st.container(key=f"text-{number}"):
        st.markdown(shown)
        st.markdown(f"With it, **'{shown}'** instead of '{shown}'.")
        st.markdown(f"| name | value |\n|---|---|\n| {shown} | 1 |")
        st.caption(shown)
        st.error(f"{shown}: it cannot be read.")
        st.subheader(shown)
        st.metric(shown, shown)
        st.table([{"name": shown}], hide_index=True)
        st.selectbox(shown, ["a"], key=f"selectbox-{number}")
        st.download_button(shown, "", key=f"download-{number}")
names = [in_figure(text) for text in TEXTS]
bars = go.Bar(y=names, x=[1] * len(names), orientation="h", name=names[0], showlegend=True)
layout = {"yaxis": {"automargin": True}, "height": 40 * len(names), "title": {"text": names[0]}}
chart(go.Figure(bars, layout), "figure", "")
st.markdown("*The end.*")
