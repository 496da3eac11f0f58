"""A photo in a link: a small copy of what the network sees, and whether its verdict is that of the original.

The copy is in the fragment of the address, which no server is sent; its SHA-256 and the verdict of the original are
parts of the address like others. It is another photo: its pixels went through JPEG once more.
"""

import base64
import hashlib

import streamlit as st

from app.cache import analysis as cached
from app.cache.analysis import Photo
from app.sidebar import Choices
from pg_core.analysis.photo import Analysis
from pg_core.defences.base import Verdict

UNKNOWN = "unknown"
"""The verdict of the original under other settings than those of its link."""
_COPY = "copy"


def receive(digest: str, verdict: Verdict | None) -> None:
    """The photo with this SHA-256 is a copy out of a link, and of the original this is the verdict; None if that is
    not known."""
    st.session_state[_COPY] = (digest, UNKNOWN if verdict is None else verdict.value, None)


def in_link(chosen: Choices) -> str | None:
    """The verdict of the original, if the photo is a copy; unknown under other settings than those of its link."""
    digest, verdict, settings = st.session_state.get(_COPY, (None, UNKNOWN, None))
    if digest != chosen.photo.digest:
        return None
    return verdict if settings in (None, _settings(chosen)) else UNKNOWN


def sentence(chosen: Choices, analysis: Analysis) -> str | None:
    """What has to be said of a copy; None where the photo is none."""
    digest, verdict, settings = st.session_state.get(_COPY, (None, UNKNOWN, None))
    if digest != chosen.photo.digest:
        return None
    if settings is None:
        settings = _settings(chosen)
        st.session_state[_COPY] = (digest, verdict, settings)
    told = "This photo is a small copy out of a link, of what the network saw of the sender's photo"
    if verdict == UNKNOWN or settings != _settings(chosen):
        return f"{told}; the original's verdict under these settings is not known."
    if verdict == analysis.verdict.value:
        return f"{told}; the original's verdict is the same: {verdict}."
    return f"{told}. The original's verdict is another: {verdict}, not {analysis.verdict.value}."


def link_with(chosen: Choices, analysis: Analysis) -> tuple[dict[str, str], str]:
    """The parts of a link that brings the photo along, and its fragment."""
    data = cached.small_copy(chosen.photo, chosen.choice)
    verdict = in_link(chosen) or analysis.verdict.value
    parts = {"photo": hashlib.sha256(data).hexdigest(), "copy": verdict}
    return parts, "photo=" + base64.urlsafe_b64encode(data).decode().rstrip("=")


def of_a_person(photo: Photo) -> bool:
    """Whether nobody else has the photo: a sample is in every link by its name."""
    return photo.digest == st.session_state.get("own-photo")


def _settings(chosen: Choices) -> str:
    label = st.session_state.get("label") or ""
    return str((chosen.choice.model, chosen.choice.checkpoint, chosen.asked, chosen.threat, label))
