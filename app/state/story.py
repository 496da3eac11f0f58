"""Where a person is in the story, and the patch that it begins with."""

import streamlit as st

from app.cache import analysis as cached
from app.cache import patches
from app.sidebar import Choices
from app.state import pages, patch, photos
from pg_core.networks import MODELS

_AT, _BEGUN, _PRESENTING = "story-at", "story-begun", "presenting"
SAMPLE = "story-sample"
_IN_THE_ADDRESS = "step-slider"
"""Where the address looks for the step of the page that is shown."""


def position(count: int) -> int:
    """The screen that is shown, from 0: the one of the link, or the one that a person has gone to."""
    linked = pages.linked("step", lambda text: pages.within(text, 1, count, int), "1")
    if linked is not None:
        st.session_state[_AT] = linked - 1
    at = min(st.session_state.setdefault(_AT, 0), count - 1)
    st.session_state[_IN_THE_ADDRESS] = at + 1
    return at


def go(at: int) -> None:
    """Go to a screen; the pixels with which the story began are put back to where they were found."""
    st.session_state[_AT] = at
    patch.put_back()


def presenting() -> bool:
    """Whether the story fills the screen for a class; with the widget that says so."""
    state = st.session_state
    linked = pages.linked("present", _yes, "false")
    if linked is not None:
        state[_PRESENTING] = linked
    return st.toggle("Present", key=_PRESENTING, help="Large type, and nothing but the story: for a class.")


def choose_sample() -> None:
    """Look at the sample that was chosen beside the screen."""
    photos.choose_sample(st.session_state[SAMPLE])


def show_class(name: str) -> None:
    """Show the maps of a class."""
    st.session_state["shown"] = name
    pages.remember({"shown"})


def begin(chosen: Choices) -> None:
    """Put pixels on the photo that fool the network without a defence, once, where some are shipped for it and a
    person has not chosen others."""
    state = st.session_state
    if chosen.photo.digest in state.setdefault(_BEGUN, []):
        return
    state[_BEGUN].append(chosen.photo.digest)
    first, name = next(iter(MODELS)), chosen.photo.name
    shipped = name in patches.SHIPPED and cached.sample(name).digest == chosen.photo.digest
    if not shipped or chosen.choice.model != first or not patch.untouched():
        return
    place, pixels = patches.shipped(name)
    if chosen.patch_size == place.size:
        patch.put_optimised(place, pixels, MODELS[first].image_size, chosen.patch_size)


def _yes(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(f"expected true or false, got {text!r}")
    return text == "true"
