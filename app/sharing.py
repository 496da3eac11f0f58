"""The address to hand on: the title of the page, its link, with a person's own photo in it too, and a QR code."""

from urllib.parse import urlencode

import segno
import streamlit as st

from app import links
from app.cache import analysis as cached
from app.components.copier import copier
from app.sidebar import Choices
from app.state import copies
from pg_core.datasets.folders import SAMPLES
from pg_core.io.printable import printable

_MODULE = 4
"""Pixels of a module of the QR code."""


def title(page: str, chosen: Choices | None) -> str:
    """The title of the page in the browser's tabs and history."""
    names = [page, *([] if chosen is None else [printable(chosen.photo.name)[:60]])]
    return " · ".join([*names, "PatchGuard Explorer"])


def share(chosen: Choices | None) -> None:
    """A button that opens what there is to copy."""
    with st.popover("Share", help="A link to exactly what you see", width="stretch"):
        parts = links.address()
        here = (st.context.url or "").partition("?")[0].partition("#")[0]
        link, with_photo = f"{here}?{urlencode(parts)}", None
        if chosen is not None and copies.of_a_person(chosen.photo):
            with_photo = _link_with_photo(here, parts, chosen)
        copier(link, with_photo, key="copier")
        if chosen is not None and chosen.photo.name not in SAMPLES:
            st.caption(
                "The photo stays on this computer: the link alone asks for it. The link with the photo holds a small "
                "copy of what the network sees, for whoever has the link."
            )
        picture = _qr(link)
        if picture is None:
            st.caption("The link is too long for a QR code.")
        else:
            st.image(picture, caption="The link, to be photographed", width=260)


def _link_with_photo(here: str, parts: dict[str, str], chosen: Choices) -> str | None:
    """The link with a copy of the photo in its fragment; None where the network cannot run on the photo."""
    label = st.session_state.get("label") or None
    try:
        analysis = cached.analysis(chosen.photo, chosen.choice, chosen.asked, chosen.threat, label)
    except ValueError:
        return None
    copied, fragment = copies.link_with(chosen, analysis)
    framed = {name: text for name, text in parts.items() if name != "frame"}  # the copy is what was seen
    return f"{here}?{urlencode(framed | copied)}#{fragment}"


@st.cache_data(max_entries=16, show_spinner=False)
def _qr(link: str) -> str | None:
    """The QR code of a link as a data URL; None for one that is too long."""
    try:
        code = segno.make(link, error="l", micro=False)
    except segno.DataOverflowError:
        return None
    return code.svg_data_uri(scale=_MODULE, light="white")
