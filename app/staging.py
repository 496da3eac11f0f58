"""The stage as pages show it: what is on it, and what follows when a person drags the patch or picks a window."""

from collections.abc import Collection

import streamlit as st

from app import opening
from app.cache import patches
from app.components.stage import Data, answer_of, patch_canvas, scene_of
from app.opening import Classes, Opened
from app.sidebar import Choices
from app.state import patch, searches, windows

_CANVAS = "stage"
EVERY_PANEL = (1, 2, 3, 4)
"""Photo, local logits, evidence, margins."""


def stage(chosen: Choices, asked: Classes, panels: Collection[int] = EVERY_PANEL) -> None:
    """The stage; panels are those that the page speaks of, the others are dimmed."""
    patch.expect_canvas()
    _stage(chosen, asked, tuple(panels))


@st.fragment
def _stage(chosen: Choices, asked: Classes, panels: tuple[int, ...]) -> None:
    """The canvas; run alone it answers for the patch where it is, and once that rests the whole page follows."""
    alone, moving = not patch.canvas_expected(), patch.moving()
    seen = opening.looked_at(chosen, asked)
    clean = seen.clean
    answer = None
    if seen.simulation is not None:
        answer = answer_of(clean, seen.shown, seen.shown_class, seen.simulation.patch)
    patch_canvas(
        None if alone else _scene(seen, chosen, asked),
        answer,
        clean,
        patch.acknowledged(),
        panels,
        key=_CANVAS,
        on_window=lambda: windows.follow_canvas(clean, chosen.photo, _CANVAS),
        on_patch=lambda: patch.follow_canvas(clean, chosen.photo.digest, chosen.patch_size, _CANVAS),
    )
    if alone and not moving:
        st.rerun()


def _scene(seen: Opened, chosen: Choices, asked: Classes) -> Data:
    place = None if seen.simulation is None else seen.simulation.patch
    proved = None
    if place is not None:
        proved = patches.placements(
            chosen.photo, chosen.choice, chosen.asked, chosen.threat, asked.label, place.size
        )
    found = searches.broken(searches.found(searches.key_of(chosen, asked.label)))
    return scene_of(
        chosen.photo.digest, seen.clean, seen.shown, seen.shown_class, seen.malicious, place, proved, found
    )
