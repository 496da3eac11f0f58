"""Play the attacker: a place, some paint, three tries, and a search for pixels that tries the same."""

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from app import opening, searching
from app.cache import analysis as cached
from app.components.charts import chart, picked
from app.searching import Subject
from app.sidebar import Choices
from app.state import game, searches
from app.state import patch as simulated
from app.views.attack import figure as figures
from app.views.attack import text
from pg_core.defences.base import DefenceInput
from pg_core.geometry import Patch

_MAP = "attack-map"


def show(chosen: Choices | None, explore: StreamlitPage | None = None) -> None:
    """The map of the three states, and beside it the game and the search; `explore` has the stage."""
    st.header("Can you fool it?")
    st.markdown(text.RULES)
    slot = st.empty()
    asked = opening.classes(chosen, slot)
    if asked is None or chosen is None:
        return
    slot.empty()
    clean = cached.analysis(chosen.photo, chosen.choice, chosen.asked, chosen.threat, asked.label)
    subject = Subject(chosen, asked.label, clean)
    searches.collect()
    nothing = searching.pointless(subject)
    if nothing is not None:
        st.info(nothing)
        return
    left, right = st.columns([3, 2], gap="large")
    with right:
        place = game.place(clean, chosen.patch_size)
        st.markdown(searching.reading(subject, place))
        searches.target_control(clean)
        _paint(subject, place)
        st.subheader("The search")
        searching.panel(subject, {"at this place": place}, explore, aimed=True)
    with left:
        _map(subject, place)


def _map(subject: Subject, place: Patch) -> None:
    clean = subject.clean
    known = searches.known(clean, subject.found)
    st.markdown(searching.counted(subject))
    chart(
        figures.states_map(clean, known, searches.places(clean), place),
        _MAP,
        f"What is known of every place of the patch: {known.counted()}",
        on_pick=lambda: game.pick(clean, subject.chosen.patch_size, picked(_MAP)),
    )
    st.caption(text.LEGEND)


def _paint(subject: Subject, place: Patch) -> None:
    """The paint, the button for a try, and what became of the tries."""
    clean, chosen, target = subject.clean, subject.chosen, searches.target(subject.clean)
    st.markdown(text.goal(clean, target))
    if chosen.asked.spec.input is DefenceInput.TWO_MASK_PREDICTIONS:
        st.caption(text.NO_PAINTING)
        return
    simulated.contents_controls()
    tries = game.tries(subject.key)
    left = game.MOST_TRIES - len(tries)
    paint, again = st.columns(2)
    # Not by a callback: its arguments would be those of the run before, without what was painted just now.
    if paint.button(
        f"Try it ({left} left)" if left else "No tries left",
        key="attack-try",
        disabled=not left,
        width="stretch",
    ):
        game.attempt(chosen, subject.label, clean, subject.key, place)
        st.rerun()
    again.button("New game", key="attack-new", on_click=game.begin, args=(subject.key,), width="stretch")
    if not tries:
        return
    rows = [f"| {number} | {what} | {text.result(clean, one, target)} | {text.score(one)} |"
            for number, (what, one) in enumerate(tries, 1)]  # fmt: skip
    st.markdown("\n".join(["| try | what | result | score |", "|---|---|---|---:|", *rows]), help=text.SCORE)
    last = tries[-1][1]
    if not last.success and subject.certified(last.patch):
        st.info(
            f"You cannot win at this place: it is proved. {searching.lost(subject, last.patch)}", icon="🛡️"
        )
