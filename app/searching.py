"""The search for pixels as pages show it: what to attack and how, how far it is, and what was found.

Not here: the threads, see `app.cache.searches`; what is kept, see `app.state.searches`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from app.cache import patches
from app.cache.searches import AT_ONCE, MOST_SECONDS, End, Found, Search
from app.components.charts import chart
from app.markup import in_markdown
from app.plots.descent import descent
from app.sidebar import Choices
from app.state import patch as simulated
from app.state import searches
from pg_core.analysis.effect import BROKEN
from pg_core.analysis.photo import AN_ALERT, Analysis
from pg_core.analysis.words import number, places
from pg_core.defences.base import DefenceInput
from pg_core.defences.patchguard.placements import Finding, Placed
from pg_core.geometry import Patch, Size
from pg_core.io.progress import duration
from pg_core.photos.read import MIN_SIDE

EVERYWHERE = "all open {}, worst first"
_EVERY = 1.0
"""Seconds between two looks at a search that runs."""
_WHOLE = "search-whole-page"
_MOST_LISTED = 200


@dataclass(frozen=True, slots=True)
class Subject:
    """What is attacked: a photo under a defence, and under which key what was found is kept."""

    chosen: Choices
    label: str | None
    clean: Analysis

    @property
    def key(self) -> str:
        return searches.key_of(self.chosen, self.label)

    @property
    def found(self) -> list[Found]:
        return searches.found(self.key)

    @property
    def places(self) -> str:
        """What the certificate is about, windows or placements."""
        return places(self.clean.certificate)

    def placed(self, place: Patch) -> Placed:
        """What is proved of a place."""
        chosen = self.chosen
        settings = chosen.photo, chosen.choice, chosen.asked, chosen.threat, self.label
        return patches.placements(*settings, place.size).at(place.top, place.left)

    def certified(self, place: Patch) -> bool:
        """Whether no pixels at a place can change the answer."""
        return self.placed(place).finding in (Finding.CERTIFIED, Finding.UNSEEN)


def panel(
    subject: Subject,
    here: dict[str, Patch],
    explore: StreamlitPage | None = None,
    aimed: bool = False,
) -> None:
    """The button with its options, how far a search is, and what is known of the place that is looked at.

    `here` are places by what they are called, of which one is attacked, or all that are open. `explore` is the page
    with the stage, if it is another one. The page begins with `searches.collect`, so that all of it knows as much;
    `aimed` whether the page has asked for the class to bring about.
    """
    nothing = pointless(subject)
    if nothing is not None:
        st.caption(nothing)
        return
    everywhere = EVERYWHERE.format(subject.places)
    asked = st.selectbox("Where to search", [*here, everywhere], key=f"search-where-{'|'.join(here)}")
    if not aimed:
        searches.target_control(subject.clean)
    button, more = st.columns([3, 2], vertical_alignment="bottom")
    with more.popover("Options", width="stretch"):
        order = searches.effort()
        st.caption(
            f"Projected gradient descent on the pixels, in several restarts, against the defence itself. At most "
            f"{MOST_SECONDS // 60} minutes; {AT_ONCE} searches run at once on this server."
        )
    place = here.get(asked or everywhere)
    refused = None
    if place is None:
        attacked: tuple[Patch, ...] = searches.open_places(subject.clean, subject.found)
        if not attacked:
            refused = f"No {subject.places} are open: there is nothing to attack."
    else:
        attacked = (place,)
        refused = _proved_here(subject, place)
    about = searches.current()
    running = searches.unfinished()
    # Not by a callback: its arguments would be those of the run before, without what was chosen just now.
    if button.button(
        "Search for pixels",
        key="search-start",
        disabled=refused is not None or (about is not None and running and about[0] == subject.key),
        width="stretch",
    ):
        wanted = order(attacked, searches.target(subject.clean))
        searches.start(subject.chosen, subject.label, subject.clean, wanted)
        st.rerun()
    if refused is not None:
        st.caption(refused)
    if running:
        st.session_state[_WHOLE] = True
        _watch(subject.key)
    _about_the_end(subject)
    if subject.found:
        _results(subject, next(iter(here.values())) if place is None else place, explore)


def pointless(subject: Subject) -> str | None:
    """Why there is nothing to attack: without a patch the answer is another one than the label already."""
    clean = subject.clean
    if clean.certificate.prediction == clean.certificate.label:
        return None
    said = clean.prediction if clean.prediction == AN_ALERT else f"'{in_markdown(clean.prediction)}'"
    return f"There is nothing to attack: without a patch the answer is {said}."


def reading(subject: Subject, place: Patch) -> str:
    """What is known of a place: proved, broken by pixels, undecided or open."""
    known = searches.at(subject.found, place)
    if known is not None and known.success:
        return f"★ This place is **{BROKEN}**."
    match subject.placed(place).finding:
        case Finding.CERTIFIED | Finding.UNSEEN:
            return f"✔ This place is **proved**. {lost(subject, place)}"
        case Finding.UNDECIDED:
            return "? This place is **undecided**: the margin is positive, but within the tolerance."
    return "? This place is **open**: there is no proof, and no pixels are known that change the answer."


def counted(subject: Subject) -> str:
    """How many windows, or placements, are in each of the states."""
    known = searches.known(subject.clean, subject.found)
    return f"{subject.places.capitalize()}: **{known.counted()}**."


def outcome(subject: Subject, found: Found) -> str:
    """What an attack came to, and what that means at its place."""
    where = f"row {found.patch.top}, column {found.patch.left}"
    effort = f"{found.steps} steps, {found.restarts} restarts" if found.restarts else "painted by hand"
    clean, certified = subject.clean, subject.certified(found.patch)
    answers = f"'{in_markdown(clean.label)}' becomes '{in_markdown(clean.named(found.prediction))}'"
    if found.success:
        contradiction = ""
        if certified:
            contradiction = " The certificate, whose tolerance is estimated, excludes this: please report it."
        return f"★ **Broken by pixels** at {where}: {answers} ({effort}).{contradiction}"
    if certified:
        failed = f"✔ **Certified, and the attack failed** at {where} ({effort}), as the proof says."
        return f"{failed} {closed(found)} {lost(subject, found.patch)}"
    return f"? **Open**: no pixels found at {where} ({effort}), which proves nothing. {closed(found)}"


def lost(subject: Subject, place: Patch) -> str:
    """Why no pixels win at a place that is proved: the margin that is left whatever they are."""
    margin = subject.placed(place).margin
    return (
        f"Whatever the pixels, a margin of {number(margin, '+.4g')} is left." if math.isfinite(margin) else ""
    )


def closed(found: Found) -> str:
    """How near the pixels came, as a share of the way that the bounds allow, or of the label's lead."""
    if math.isfinite(found.gap):
        return (
            f"The best pixels closed {100 * found.gap:.0f} % of the gap between the clean lead "
            f"({number(found.clean_lead, '.4g')}) and the margin of the certificate; the lead that is left is "
            f"{number(found.lead, '.4g')}."
        )
    return (
        f"The lead of the label went from {number(found.clean_lead, '.4g')} to {number(found.lead, '.4g')}, in the "
        "defence's own units."
    )


def _proved_here(subject: Subject, place: Patch) -> str | None:
    """Why a place is not attacked: it is proved, and nobody has asked for it all the same."""
    if not subject.certified(place):
        return None
    anyway = st.checkbox("Attack it anyway", key="search-anyway", help="To see the attack fail.")
    return None if anyway else "This place is proved: no pixels can change the answer there."


@st.fragment(run_every=_EVERY)
def _watch(key: str) -> None:
    """How far the search is; once it has ended, or has found something, the whole page follows."""
    alone = not st.session_state.pop(_WHOLE, False)
    about = searches.current()
    # With the whole page nothing is taken over that the rest of it does not show.
    if about is None or (alone and (searches.collect() or not about[1].running)):
        st.rerun()
    search = about[1]
    bar, button = st.columns([5, 1], vertical_alignment="center")
    other = "" if about[0] == key else " (of another photo or other settings)"
    bar.progress(search.share, text=_so_far(search) + other)
    button.button("Stop", key="search-stop", on_click=searches.stop, width="stretch")


def _so_far(search: Search) -> str:
    ahead = searches.waiting(search)
    if ahead is not None:
        before = "yours is the next" if ahead == 0 else f"{ahead} before yours"
        return f"Waiting: {AT_ONCE} searches run on this server already, {before}."
    left = search.seconds_left
    told = "" if left is None else f", {duration(left)} left at most"
    count = len(search.order.places)
    which = f"place {min(search.done + 1, count):,} of {count:,}, " if count > 1 else ""
    step = 0 if search.progress is None else search.progress.done
    broken = sum(one.success for one in search.found)
    return f"Attacking: {which}step {step} of {search.order.steps}{told}; {broken} broken by pixels so far."


def _about_the_end(subject: Subject) -> None:
    about = searches.current()
    if about is None or searches.unfinished() or about[0] != subject.key:
        return
    search = about[1]
    match search.end:
        case End.FAILED:
            st.error(in_markdown(search.problem))
        case End.STOPPED:
            st.caption(f"Stopped after {search.done:,} of {len(search.order.places):,} places.")
        case End.TIME:
            st.caption(f"Ended after {MOST_SECONDS // 60} minutes, with {search.done:,} places done.")


def _results(subject: Subject, here: Patch, explore: StreamlitPage | None) -> None:
    """What is known of the place that is looked at, or of another that was attacked."""
    found = subject.found
    shown = _shown(found, here)
    listed = [one for one in found if one.success or one == shown][-_MOST_LISTED:]
    if len(listed) > 1:
        names = {_name(one): one for one in listed}
        # Another list where something else is looked at, or known: it begins with that.
        key = f"search-shown-{here}-{len(found)}"
        shown = names[st.selectbox("Found pixels", list(names), list(names).index(_name(shown)), key=key)]
    words = outcome(subject, shown)
    (st.error if shown.success else st.info)(words)
    if not shown.success and len(shown.losses) > 1:
        chart(
            descent(shown.losses, shown.steps),
            "search-descent",
            f"The least loss of the attack: from {number(shown.losses[0], '.4g')} to "
            f"{number(shown.losses[-1], '.4g')} in {shown.steps} steps",
        )
    put, save = st.columns(2)
    if subject.chosen.asked.spec.input is not DefenceInput.TWO_MASK_PREDICTIONS:
        image_size = subject.clean.features.framing.image_size
        place = shown.patch, shown.pixels, image_size, subject.chosen.patch_size
        put.button(
            "Put it on the stage",
            key="search-put",
            on_click=simulated.put_optimised,
            args=place,
            width="stretch",
        )
        if explore is not None and simulated.optimised_for() == shown.patch:
            st.page_link(explore, label="It is on the stage: see it on *Explore*")
    save.download_button(
        "Download as PNG",
        patches.png_of(shown.pixels, shown.patch.size),
        file_of(subject.chosen, shown.patch),
        "image/png",
        on_click="ignore",
        key="search-save",
        width="stretch",
    )
    st.caption(
        "These are pixels of the image that the network sees. Printing, light and angle are another threat, which is "
        f"not modelled. The file can be uploaded again as a sticker, which keeps each pixel; a patch of fewer than "
        f"{MIN_SIDE} pixels on a side is in it in blocks."
    )


def file_of(chosen: Choices, place: Patch) -> str:
    """The name of the file with the pixels of a place."""
    return f"{chosen.photo.name.rsplit('.', 1)[0]}-patch-top{place.top}-left{place.left}.png"


def _shown(found: Sequence[Found], here: Patch) -> Found:
    """What is known of a place, else the last success, else the last attack."""
    successes = [one for one in found if one.success]
    return searches.at(found, here) or (successes or list(found))[-1]


def _name(found: Found) -> str:
    size: Size = found.patch.size
    return f"{size[0]}x{size[1]} at row {found.patch.top}, column {found.patch.left}"
