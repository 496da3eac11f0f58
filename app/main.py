"""PatchGuard Explorer's server: the page for every session, and what is made ready before the first of them.

Run it with `python -m streamlit run app/main.py` from the root of the repository.
"""

from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

from app import warming
from app.document import FirstPaint

server = st.App(
    Path(__file__).with_name("page.py"), lifespan=warming.lifespan, middleware=[Middleware(FirstPaint)]
)
