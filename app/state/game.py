"""The game of the page Attack: the place that was picked, and the tries of each photo under each defence."""

from dataclasses import astuple
from typing import Any

import streamlit as st

from app.cache import searches as attacks
from app.cache.patches import Contents, Simulation
from app.cache.searches import Found
from app.sidebar import Choices
from app.state import pages, patch, searches
from pg_core.analysis.photo import Analysis
from pg_core.geometry import Patch, Size

MOST_TRIES = 3
_TRIES = "attack-tries"
_MOST_GAMES = 16
"""Games that a session keeps; then the oldest goes."""


def place(clean: Analysis, size: Size) -> Patch:
    """The place that is attacked, by the row and the column of its top left; at first in the worst window."""
    worst, image = clean.patch_in(clean.certificate.worst, size), clean.features.framing.image_size
    most = image[0] - size[0], image[1] - size[1]
    keys = _keys(clean, size)
    pages.pair("attack", keys, (worst.top, worst.left), most)
    top, left = st.columns(2)
    return Patch(
        top.number_input("Top (px)", 0, most[0], key=keys[0]),
        left.number_input("Left (px)", 0, most[1], key=keys[1]),
        *size,
    )


def pick(clean: Analysis, size: Size, at: tuple[int, int] | None) -> None:
    """Attack the place that was picked on the map, if it is one."""
    if at is not None:
        # A browser may send anything: the fields keep to their ranges.
        for key, value in zip(_keys(clean, size), at, strict=True):
            st.session_state[key] = value


def attempt(chosen: Choices, label: str | None, clean: Analysis, key: str, place: Patch) -> None:
    """Try what is painted at a place; a break is kept with those that searches find."""
    motif = patch.motif()
    found = attacks.painted(
        chosen.photo, chosen.choice, chosen.asked, chosen.threat, label, Simulation(place, motif)
    )
    if found.success:
        searches.remember(key, found)
    what = f"{motif.contents} {motif.seed}" if motif.contents is Contents.NOISE else str(motif.contents)
    games = _games()
    games[key] = [*games.pop(key, []), (what, place_of(found), astuple(found)[1:])][:MOST_TRIES]
    while len(games) > _MOST_GAMES:
        games.pop(next(iter(games)))


def tries(key: str) -> list[tuple[str, Found]]:
    """What was tried, and what it came to."""
    return [(what, Found(Patch(*at), *values)) for what, at, values in _games().get(key, [])]


def begin(key: str) -> None:
    """Forget the tries; what they broke stays broken."""
    _games().pop(key, None)


def place_of(found: Found) -> tuple[int, int, int, int]:
    """The place as plain values."""
    return found.patch.top, found.patch.left, found.patch.height, found.patch.width


def _keys(clean: Analysis, size: Size) -> tuple[str, str]:
    """Of the fields: others where the place that is attacked at first is another."""
    worst = clean.patch_in(clean.certificate.worst, size)
    first = f"{size}-{worst.top}-{worst.left}"
    return f"attack-row-{first}", f"attack-column-{first}"


def _games() -> dict[str, list[tuple[str, tuple[int, ...], tuple[Any, ...]]]]:
    return st.session_state.setdefault(_TRIES, {})
