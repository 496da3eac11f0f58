"""PatchGuard in eight screens on the photo that is chosen: one sentence, one thing to do, one question each."""

import hashlib
from dataclasses import replace

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from app import opening, searching, staging
from app.cache import analysis as cached
from app.cache import patches
from app.cache.analysis import DefenceChoice
from app.cache.patches import Simulation
from app.components.charts import chart
from app.opening import Classes, Opened
from app.plots.scores import in_words, scores
from app.sidebar import Choices
from app.state import patch, searches, story
from app.views.story.questions import Subject
from app.views.story.screens import PRINTED_BOUND, SCREENS, Screen
from pg_core.analysis.effect import PatchEffect
from pg_core.analysis.photo import Answer
from pg_core.defences.patchguard.spec import THRESHOLD
from pg_core.defences.undefended import SPEC as UNDEFENDED
from pg_core.geometry import Patch

_BOTH_CLASSES = ("Local logits", "Clipping", "Detecting", "Masking")
"""Screens on which the map of another class is worth a look."""


def show(
    chosen: Choices | None,
    explore: StreamlitPage,
    attack: StreamlitPage,
    steps: StreamlitPage,
    museum: StreamlitPage,
) -> None:
    """The screen that the address names, or the first."""
    chosen = opening.about_robust_masking(chosen)
    screens = SCREENS if chosen is None or not chosen.asked[THRESHOLD] else (*SCREENS, PRINTED_BOUND)
    at = story.position(len(screens))
    screen = screens[at]
    st.header(f"{at + 1} of {len(screens)}: {screen.title}")
    _controls(at, len(screens), explore)
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
        if screen.title in _BOTH_CLASSES:
            _classes(subject)
    staging.stage(chosen, asked, screen.panels)
    _ask(screen, subject, at, chosen)
    if screen.title == "A patch fools a network":
        _of_the_attack(chosen, asked, subject)
    elif screen.title == "Masking":
        chart(scores(seen.shown), "story-scores", in_words(seen.shown))
    elif screen is SCREENS[-1]:
        st.page_link(attack, label="Attack this photo")
    elif screen is PRINTED_BOUND:
        st.page_link(steps, label="Go through it step by step")
        st.page_link(museum, label="See other bounds that were wrong")


def _controls(at: int, count: int, explore: StreamlitPage) -> None:
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
        st.page_link(explore, label="Leave the story")
        st.caption("Your own photo: drop it anywhere, or choose one in the sidebar.")


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


def _ask(screen: Screen, subject: Subject, at: int, chosen: Choices) -> None:
    """The question, and what is right as soon as a person has chosen."""
    question = screen.question(subject)
    st.subheader("Check yourself")
    # Another question where its options are others: its field forgets what was chosen for the one before.
    told = hashlib.sha256(repr((at, chosen.photo.digest, question)).encode()).hexdigest()[:16]
    said = st.radio(question.text, question.options, index=None, key=f"story-answer-{told}", horizontal=True)
    if said is None:
        return
    if said == question.answer:
        st.success(f"✔ Right: {question.answer}. {question.because}")
    else:
        st.error(f"✘ Not {said}, but {question.answer}. {question.because}")


def _elsewhere(chosen: Choices, seen: Opened) -> Answer | None:
    """What is said with the same patch in the top left corner."""
    if seen.simulation is None:
        return None
    there = Simulation(Patch(0, 0, *seen.simulation.patch.size), seen.simulation.motif)
    return patches.simulated(chosen.photo, chosen.choice, chosen.asked, there)


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
