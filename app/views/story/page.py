"""PatchGuard in eight screens on the photo that is chosen: one sentence, one thing to do, one question each."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from urllib.parse import urlencode

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from app import links, opening, searching, staging
from app.asking import ask
from app.cache import analysis as cached
from app.cache import patches
from app.cache.analysis import DefenceChoice
from app.cache.patches import Simulation
from app.components.charts import chart
from app.opening import Classes, Opened
from app.plots.scores import in_words, scores
from app.sidebar import Choices
from app.state import patch, searches, story
from app.views.story import deck
from app.views.story.questions import Subject
from app.views.story.screens import FAILURE, MASKING, PATCH, PRINTED_BOUND, SCREENS, Screen
from pg_core.analysis.effect import PatchEffect
from pg_core.analysis.photo import Answer
from pg_core.datasets.folders import SAMPLES, sample_title
from pg_core.defences.patchguard.spec import THRESHOLD
from pg_core.defences.undefended import SPEC as UNDEFENDED
from pg_core.geometry import Patch

_LARGE = """<style>
[data-testid="stSidebar"], [data-testid="stExpandSidebarButton"], [data-testid="stHeader"] { display: none; }
.st-key-head, .st-key-pages { display: none; }
.stMainBlockContainer { padding: 1.5rem 3rem; max-width: none; }
.stMainBlockContainer p, .stMainBlockContainer label p, .stMainBlockContainer li { font-size: 1.3rem; }
.pg-readout, .pg-legend { font-size: 1.15rem; }
</style>"""


def show(
    chosen: Choices | None,
    explore: StreamlitPage,
    attack: StreamlitPage,
    figure5: StreamlitPage,
    steps: StreamlitPage,
    museum: StreamlitPage,
) -> None:
    """The screen that the address names, or the first."""
    chosen = opening.about_robust_masking(chosen)
    screens = SCREENS if chosen is None or not chosen.asked[THRESHOLD] else (*SCREENS, PRINTED_BOUND)
    at = story.position(len(screens))
    screen = screens[at]
    st.header(f"{at + 1} of {len(screens)}: {screen.title}")
    presenting = _controls(at, len(screens), explore)
    if presenting:
        st.html(_LARGE)
    slot = st.empty()
    words = st.container()
    if chosen is not None:
        story.begin(chosen)
    asked = opening.classes(chosen, slot)
    if chosen is None or asked is None:
        return
    slot.empty()
    searches.collect()
    seen = opening.looked_at(chosen, asked)
    effect = None if seen.simulation is None else PatchEffect(seen.clean, seen.shown, seen.simulation.patch)
    subject = Subject(seen, effect, _elsewhere(chosen, seen))
    with words:
        st.markdown(f"{screen.said(subject)}\n\n**Try it:** {screen.task}")
        if patch.moved():
            st.button("Put the patch back", on_click=patch.put_back, key="story-put-back")
        if screen.both_classes:
            _classes(subject)
    staging.stage(chosen, asked, screen.panels)
    st.subheader("Check yourself")
    answered = ask(screen.question(subject), f"{at} {chosen.photo.digest}") is not None
    if screen is PATCH:
        _of_the_attack(chosen, asked, subject)
    elif screen is MASKING:
        if answered:
            chart(scores(seen.shown), "story-scores", in_words(seen.shown))
            st.caption(
                "Without a defence the class with the largest mean of *unclipped* local logits wins: there a few "
                "cells that a patch makes very large outweigh many honest ones."
            )
        st.page_link(figure5, label="Where the detected window can lie: the four cases of Figure 5")
    elif screen is FAILURE:
        st.page_link(attack, label="Attack this photo")
    elif screen is PRINTED_BOUND:
        st.page_link(steps, label="Go through it step by step")
        st.page_link(museum, label="See other bounds that were wrong")
    if not presenting:
        _on_paper(screens, subject, chosen)


def _controls(at: int, count: int, explore: StreamlitPage) -> bool:
    """Back, Next, and for a class a sample and nothing else; whether the story is presented."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "◀ Back", on_click=story.go, args=(at - 1,), disabled=at == 0, key="story-back", shortcut="Alt+B"
        )
        st.button(
            "Next ▶",
            on_click=story.go,
            args=(at + 1,),
            disabled=at == count - 1,
            key="story-next",
            shortcut="Alt+N",
        )
        if story.presenting():
            st.selectbox(
                "Sample",
                list(SAMPLES),
                index=None,
                key=story.SAMPLE,
                format_func=sample_title,
                on_change=story.choose_sample,
                placeholder="another photo",
                label_visibility="collapsed",
                width=240,
            )
            return True
        st.page_link(explore, label="Leave the story")
        st.caption("Your own photo: drop it anywhere, or choose one in the sidebar.")
    return False


def _on_paper(screens: tuple[Screen, ...], subject: Subject, chosen: Choices) -> None:
    """The story of this photo as files, made when they are asked for."""
    here = (st.context.url or "").partition("?")[0]
    link = f"{here}?{urlencode(links.of(chosen))}"
    about = deck.About(chosen.photo.name, cached.described(chosen.choice).title, link)
    st.subheader("For a class")
    st.caption(
        "Slides of 16:9 and a hand-out with empty tables, of this photo and these settings; a browser shows and "
        "prints them. *Share* above has a QR code of this screen."
    )
    stem = chosen.photo.name.rsplit(".", 1)[0]
    with st.container(horizontal=True):
        for title, make, name in (("Slides", deck.slides, "slides"), ("Hand-out", deck.hand_out, "hand-out")):
            st.download_button(
                title,
                partial(make, screens, subject, about),
                f"{stem}-{name}.html",
                "text/html",
                on_click="ignore",
                key=f"story-{name}",
            )


def _classes(subject: Subject) -> None:
    """Buttons for the map of the label, and for that of the class that the patch works for."""
    shown = subject.seen.shown_class
    with st.container(horizontal=True):
        for index in dict.fromkeys(subject.others):
            st.button(
                f"Show '{subject.named(index)}'",
                key=f"story-class-{index}",
                on_click=story.show_class,
                args=(subject.clean.classes[index],),
                disabled=index == shown,
            )


def _elsewhere(chosen: Choices, seen: Opened) -> Callable[[], Answer] | None:
    """Runs the network on the same patch in the top left corner, for the question that needs it."""
    if seen.simulation is None:
        return None
    there = Simulation(Patch(0, 0, *seen.simulation.patch.size), seen.simulation.motif)
    return partial(patches.simulated, chosen.photo, chosen.choice, chosen.asked, there)


def _of_the_attack(chosen: Choices, asked: Classes, subject: Subject) -> None:
    """Where the pixels come from, or how to find some for this photo."""
    if subject.effect is not None and subject.effect.fools_network:
        st.caption(
            "These pixels were found by an attack on this network without a defence (page *Attack* does the same for "
            "any defence); nothing here is a picture: the network runs again wherever you drag them."
        )
        return
    with st.expander("Find pixels that fool the network without a defence", expanded=True):
        undefended = replace(chosen, asked=DefenceChoice(UNDEFENDED.name, chosen.patch_size))
        clean = cached.analysis(chosen.photo, chosen.choice, undefended.asked, chosen.threat, asked.label)
        place = patch.placed(subject.clean, chosen.patch_size)
        searching.panel(searching.Subject(undefended, asked.label, clean), {"where the patch is": place})
