"""What a session searches and has found: the one search that it may have at a time, and the pixels, by their places.

What was found is plain values in the state of the session, under all that it depends on: photo, network, defence,
threat and label. Nobody else can see it. A search ends with the session: its thread asks whether that is still there.
"""

import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import astuple
from itertools import count
from typing import Any
from weakref import ref

import numpy as np
import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from app.cache import analysis as cached
from app.cache.searches import DESK, Found, Order, Search, of_its_own
from app.sidebar import Choices
from app.state import pages
from pg_core.analysis.effect import States, broken_by, states
from pg_core.analysis.photo import Analysis
from pg_core.attacks.places import weakest
from pg_core.geometry import Box, Patch, box_at

MOST_STEPS, MOST_RESTARTS, MOST_SEED = 500, 16, 9999
MOST_BYTES = 8 * 2**20
"""Of found pixels that a session keeps; then the oldest go."""
ANY_CLASS = "automatic"
_OWNER, _SEARCH, _FOUND, _SEEN = "searcher", "search-running", "search-found", "search-seen"
_GRACE = 10.0
"""Seconds for which the connection of a browser may be lost."""
_numbers = count()


class _Owner:
    """Whose a search is: the state of a session alone holds it."""

    def __init__(self) -> None:
        self.number = next(_numbers)


def key_of(chosen: Choices, label: str | None) -> str:
    """All that a search depends on, but for the place."""
    parts = chosen.photo.digest, chosen.choice, chosen.asked, chosen.threat, label
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def start(chosen: Choices, label: str | None, clean: Analysis, order: Order) -> None:
    """Begin a search, in place of the one that the session may have."""
    collect()
    search = Search(clean, of_its_own(chosen.choice), order, *whose())
    st.session_state[_SEARCH] = (key_of(chosen, label), search)
    st.session_state[_SEEN] = 0
    DESK.hand_in(search)


def whose() -> tuple[int, Callable[[], bool]]:
    """The number of the session among those that hand in work, and what asks whether it is still there."""
    owner = st.session_state.setdefault(_OWNER, _Owner())
    return owner.number, _presence(owner)


def stop() -> None:
    """Stop the search of the session."""
    _, search = st.session_state.get(_SEARCH, ("", None))
    if search is not None:
        DESK.withdraw(search)


def current() -> tuple[str, Search] | None:
    """The key of what the last search of the session is about, and the search."""
    return st.session_state.get(_SEARCH)


def waiting(search: Search) -> int | None:
    """How many wait before it; None where it does not wait."""
    return DESK.ahead(search)


def collect() -> bool:
    """Take over what the search has found since this was asked last; whether there was anything."""
    about = current()
    if about is None:
        return False
    key, search = about
    seen = st.session_state.get(_SEEN, 0)
    fresh = search.found[seen:]
    st.session_state[_SEEN] = seen + len(fresh)
    for one in fresh:
        remember(key, one)
    return bool(fresh)


def unfinished() -> bool:
    """Whether the search runs, or has found what was not taken over yet."""
    about = current()
    return about is not None and (about[1].running or len(about[1].found) > st.session_state.get(_SEEN, 0))


def remember(key: str, found: Found) -> None:
    """Keep what an attack came to, unless better is known of the place; the oldest is forgotten for it."""
    kept = _kept().setdefault(key, {})
    place = (found.patch.top, found.patch.left, found.patch.height, found.patch.width)
    if place in kept and kept[place][2] and not found.success:
        return
    kept.pop(place, None)
    kept[place] = astuple(found)[1:]
    while sum(len(values[0]) for each in _kept().values() for values in each.values()) > MOST_BYTES:
        oldest = next(iter(_kept()))
        _kept()[oldest].pop(next(iter(_kept()[oldest])))
        if not _kept()[oldest]:
            _kept().pop(oldest)


def found(key: str) -> list[Found]:
    """What is known of places that were attacked, the oldest first."""
    return [Found(Patch(*place), *values) for place, values in _kept().get(key, {}).items()]


def broken(found: Iterable[Found]) -> list[Patch]:
    """The places at which pixels change the defended answer."""
    return [one.patch for one in found if one.success]


def known(clean: Analysis, found: Iterable[Found]) -> States:
    """What is known of every window, or placement."""
    return states(clean, broken_by(clean, broken(found)))


def breaks(clean: Analysis, found: Iterable[Found], at: Box) -> bool:
    """Whether pixels break this window, or placement."""
    return bool(known(clean, found).broken[at.top, at.left])


def open_places(clean: Analysis, found: Iterable[Found]) -> tuple[Patch, ...]:
    """A place of the adversary's patch in each window that is neither proved, nor broken, nor undecided; the weakest
    first."""
    left = known(clean, found).open
    places = ((place, clean.position(place)) for place in weakest(clean))
    return tuple(place for place, at in places if at is None or left[at.top, at.left])


def places(clean: Analysis) -> list[Patch]:
    """A place of the adversary's patch in each window, or placement, row by row."""
    positions, size = clean.certificate.positions, clean.threat.on_network(clean.features.framing)
    boxes = (box_at(positions, row, column) for row, column in np.ndindex(positions.shape))
    return [clean.patch_in(box, size) for box in boxes]


def at(found: Iterable[Found], place: Patch) -> Found | None:
    """What is known of one place."""
    return next((one for one in found if one.patch == place), None)


def target(clean: Analysis) -> int | None:
    """The class that pixels are to bring about, None for any; chosen by `target_control`, which may come later."""
    name = st.session_state.get("search-target", ANY_CLASS)
    return clean.classes.index(name) if name in clean.classes and name != clean.label else None


def target_control(clean: Analysis) -> None:
    """The widget of the class that pixels are to bring about."""
    names = [name for name in cached.order_of_classes(clean.features) if name != clean.label]
    about = f"{clean.features.model} {clean.label}"
    key = pages.option("target", [ANY_CLASS, *names], ANY_CLASS, of=about)
    st.session_state[key] = st.session_state[
        key
    ]  # where another page has this widget, it is that one's until now
    st.selectbox(
        "Target class",
        [ANY_CLASS, *names],
        key=key,
        help="The class that the pixels are to bring about; automatic: the rival of the certificate, then the classes "
        "with most evidence.",
    )


def effort() -> Callable[[tuple[Patch, ...], int | None], Order]:
    """The widgets of how hard to search; what they say, as an order for some places and a class."""
    limits = (
        ("attack_steps", "Steps", 1, MOST_STEPS, 100),
        ("restarts", "Restarts", 1, MOST_RESTARTS, 4),
        ("attack_seed", "Seed", 0, MOST_SEED, 0),
    )
    steps, restarts, seed = (
        int(column.number_input(title, low, high, key=pages.number(name, low, high, usual)))
        for column, (name, title, low, high, usual) in zip(st.columns(3), limits, strict=True)
    )
    return lambda places, index: Order(places, steps, restarts, seed, index)


def _presence(owner: _Owner) -> Callable[[], bool]:
    """Asks whether the session is still there: its state, and, but for a moment, its browser."""
    alive, context = ref(owner), get_script_run_ctx(suppress_warning=True)
    session = "" if context is None else context.session_id
    seen = time.monotonic()

    def present() -> bool:
        nonlocal seen
        if alive() is None:
            return False
        # Without a server there is no browser that could leave.
        if not runtime.exists() or runtime.get_instance().is_active_session(session):
            seen = time.monotonic()
        return time.monotonic() - seen < _GRACE

    return present


def _kept() -> dict[str, dict[tuple[int, ...], tuple[Any, ...]]]:
    return st.session_state.setdefault(_FOUND, {})
