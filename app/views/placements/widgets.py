"""Which map of the placements is shown, of which patch, and which placement is looked at."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.state import pages
from app.views.placements.results import in_words
from pg_core.defences.patchguard.placements import Placements
from pg_core.geometry import Patch, Size
from pg_core.io.progress import Progress, Report


class Map(StrEnum):
    """What the map shows."""

    FINDINGS = "every place of the patch"
    LARGEST = "the largest certified patch around each pixel"


def shown_map() -> Map:
    """Which of the two maps, of which one is computed."""
    key = pages.option("map", list(Map), Map.FINDINGS)
    return st.segmented_control("Map of", list(Map), format_func=str, required=True, key=key) or Map.FINDINGS


def patch_size(image_size: Size, adversary: Size) -> Size:
    """The size of the patch that is moved over the photo: the adversary's, or another under the same defence."""
    left, right = st.columns(2)
    keys = [f"{side}-{image_size}-{adversary}" for side in "hw"]
    pages.pair("moved", keys, adversary, image_size, low=1)
    words = "In pixels of the image the network sees; at first the adversary's. Another leaves the defence as it is."
    return (
        left.number_input("Height (px)", 1, image_size[0], key=keys[0], help=words),
        right.number_input("Width (px)", 1, image_size[1], key=keys[1]),
    )


def placement(placements: Placements) -> Patch:
    """The placement that is looked at, by the row and the column of its top left; at first the worst."""
    worst, (rows, columns) = placements.worst, placements.footprints.placements
    left, right = st.columns(2)
    key = f"{placements.footprints.patch_size}-{worst.top}-{worst.left}"
    keys = f"placement-row-{key}", f"placement-column-{key}"
    pages.pair("placement", keys, (worst.top, worst.left), (rows - 1, columns - 1))
    row = left.number_input("Top (px)", 0, rows - 1, key=keys[0])
    column = right.number_input("Left (px)", 0, columns - 1, key=keys[1])
    return Patch(row, column, *worst.size)


@contextmanager
def searching(slot: DeltaGenerator) -> Iterator[Report]:
    """Say how far the search for the largest patches is, while it runs."""

    def report(progress: Progress) -> None:
        slot.info(in_words(progress))

    yield report
    slot.empty()
