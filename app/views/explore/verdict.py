"""What stands above the stage: what a newcomer needs, the verdict with its limits, and what the pixels did."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.navigation.page import StreamlitPage

from app.markup import in_markdown
from app.views.explore import text
from pg_core.analysis.effect import PatchEffect
from pg_core.analysis.limits import limits
from pg_core.analysis.photo import Analysis
from pg_core.defences.base import Verdict
from pg_core.geometry import Patch
from pg_core.io.printable import printable

_HIDDEN = "introduction hidden"


def introduce(story: StreamlitPage, about: StreamlitPage) -> None:
    """What a patch is and what to do, and the way to the story, until a person has read it."""
    if st.session_state.get(_HIDDEN):
        return
    with st.container(border=True, key="introduction"):
        words, more = st.columns([5, 1], vertical_alignment="center")
        words.markdown(text.INTRODUCTION)
        with more.container(horizontal=True, vertical_alignment="center"):
            st.page_link(story, label="Start the story")
            st.page_link(about, label="More")
            st.button("Hide", on_click=_hide, key="hide-introduction", type="tertiary")


def verdict(slot: DeltaGenerator, clean: Analysis) -> None:
    """The verdict in a line, and under it what is proved, assumed and not said."""
    words, told = in_markdown(clean.sentence()), limits(clean)
    with slot.container():
        match clean.verdict:
            case Verdict.CERTIFIED:
                st.success(f"✔ Certified. {words}")
            case Verdict.NOT_CERTIFIED:
                st.error(f"✘ {words}")
            case Verdict.UNDECIDED | Verdict.UNPROVED:
                st.warning(f"? {words}")
            case Verdict.MISCLASSIFIED | Verdict.ALERT:
                st.warning(f"✘ {words}")
        lines, quote = st.container(key="limits").columns([6, 1])
        lines.markdown(
            f"**Proved:** {in_markdown(told.proved)}  \n**Assumed:** {in_markdown(told.assumed)}  \n"
            f"**Not said:** {in_markdown(told.not_said)}"
        )
        with quote.popover(
            "Quote", width="stretch", help="A text with the verdict and its limits, to be copied."
        ):
            st.code(printable(told.quotation), language=None, wrap_lines=True)


def about_pixels(slot: DeltaGenerator, effect: PatchEffect) -> None:
    """In red, both answers for the patched photo, if the pixels on it change one."""
    words = effect.sentence()
    if words is not None:
        slot.error(f"✘ **Patched photo.** {in_markdown(words)}")


def about_optimised(effect: PatchEffect, found_for: Patch | None) -> None:
    """Whether pixels that a search has found still do what they were found for, where the patch is now."""
    if found_for is None or effect.patch == found_for:
        return
    where = f"These pixels were found for row {found_for.top}, column {found_for.left}."
    if effect.fools_defence:
        answer = f"Here they change the defended answer, too: '{in_markdown(effect.patched.prediction)}'."
    else:
        answer = f"Here the defended answer stays '{in_markdown(effect.patched.prediction)}'."
    st.info(f"{where} {answer}")


def _hide() -> None:
    st.session_state[_HIDDEN] = True
