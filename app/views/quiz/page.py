"""Guess where a patch wins, and ten questions; all of it about the photo that is chosen."""

from dataclasses import replace

import streamlit as st

from app import opening
from app.asking import ask
from app.cache import analysis as cached
from app.cache.analysis import DefenceChoice
from app.components.charts import chart, picked
from app.markup import in_markdown
from app.opening import Opened
from app.sidebar import Choices
from app.state import quiz, searches
from app.views.quiz.figure import guesses
from app.views.quiz.questions import Subject, drawn
from pg_core.analysis.photo import Analysis
from pg_core.analysis.words import number
from pg_core.defences.patchcleanser.features import SPEC as FEATURE_MASKING
from pg_core.defences.spec import CLIP_HIGH, EVIDENCE
from pg_core.geometry import Box, Window

_MAP = "guess-map"


def show(chosen: Choices | None) -> None:
    """The guess first, for afterwards the margins are known."""
    st.header("Guess, then see")
    slot = st.empty()
    chosen = opening.about_robust_masking(chosen)
    seen = opening.opened(chosen, slot)
    if seen is None or chosen is None:
        return
    _guess(seen.clean, searches.key_of(chosen, None))
    st.header("Ten questions")
    _questions(seen, chosen)


def _guess(clean: Analysis, key: str) -> None:
    """A click on the photo, then the margins and the rank of the place."""
    places, certificate = searches.places(clean), clean.certificate
    at = quiz.guess(key)
    chosen = next((place for place in places if (place.top, place.left) == at), None)
    left, right = st.columns([3, 2], gap="large")
    with left:
        chart(
            guesses(clean, places, chosen),
            _MAP,
            "A mark for each window" + ("" if chosen is None else ", in the colour of its margin"),
            on_pick=lambda: quiz.take_guess(key, picked(_MAP)),
        )
    with right:
        st.markdown(
            f"Each mark stands for a window that one patch can corrupt, {certificate.positions.count} in all. **Click "
            "the one in which you think that a patch comes nearest to turning "
            f"'{in_markdown(clean.label)}' into something else.** The margins are shown afterwards."
        )
        if chosen is None:
            names = [f"row {place.top}, column {place.left}" for place in places]
            told = st.selectbox("or choose its place", names, index=None, key=f"guess-{key}")
            if told is not None:
                place = places[names.index(told)]
                quiz.take_guess(key, (place.top, place.left))
                st.rerun()
            return
        margins = certificate.margin.reshape(-1)
        margin = float(margins[places.index(chosen)])
        rank = int((margins < margin).sum()) + 1
        worst = certificate.worst
        st.markdown(
            f"Your window is **number {rank} of {len(places)}**: its margin is {number(margin, '+.4g')}. The "
            f"smallest, {number(float(margins.min()), '+.4g')}, is at {_at(worst)}, against "
            f"'{in_markdown(clean.rival(worst))}': "
            + (
                "not even there can a patch win."
                if certificate.certified
                else "there the proof fails; whether pixels can win is for the page *Attack*."
            )
        )
        st.button("Guess again", on_click=quiz.guess_again)


def _questions(seen: Opened, chosen: Choices) -> None:
    """All ten below one another, and how many are right so far."""
    subject, seed = _subject(seen, chosen), quiz.seed()
    questions = drawn(subject, seed)
    given = quiz.answers(len(questions))
    for at, question in enumerate(questions):
        before = given[at]
        if before is not None and before >= len(question.options):
            before = None  # of a link that was about another photo
        with st.container(border=True):
            st.markdown(f"**{at + 1} of {len(questions)}**")
            given[at] = ask(question, f"{seed} {at} {chosen.photo.digest}", before)
    quiz.remember(given)
    right = sum(
        one is not None and question.options[one] == question.answer
        for one, question in zip(given, questions, strict=True)
    )
    answered = sum(one is not None for one in given)
    st.markdown(
        f"**{right} of {answered} answered are right.** Your answers are in the address, and kept nowhere else."
    )
    st.button("Ten other questions", on_click=quiz.anew)


def _subject(seen: Opened, chosen: Choices) -> Subject:
    """The photo, its patch as far as it lies in a window, and double masking of the same evidence."""
    clean, shown, window = seen.clean, seen.shown, None
    if seen.simulation is not None:
        at = clean.position(seen.simulation.patch)
        window = at if isinstance(at, Window) else None
    if window is None:
        shown = clean
    settings = {EVIDENCE.name: chosen.asked[EVIDENCE], CLIP_HIGH.name: chosen.asked[CLIP_HIGH]}
    doubly = replace(chosen, asked=DefenceChoice(FEATURE_MASKING.name, chosen.patch_size).having(settings))
    other = cached.analysis(doubly.photo, doubly.choice, doubly.asked, doubly.threat, None)
    return Subject(clean, shown, window, other)


def _at(window: Box) -> str:
    return f"row {window.top}, column {window.left}"
