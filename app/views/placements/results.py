"""The largest patch that is certified around each pixel, and what is known of all places, in files."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import streamlit as st
from jaxtyping import Bool, Int

from app.cache.analysis import BY_DIGEST, Choice, DefenceChoice, Photo, analysis
from pg_core.analysis.effect import States
from pg_core.analysis.photo import Analysis
from pg_core.defences.patchguard.placements import Finding, Placements, largest_inside
from pg_core.geometry import Patch
from pg_core.io.progress import Progress, Report
from pg_core.io.spreadsheet import Cell, comma_separated
from pg_core.photos.framing import Threat

Sides = Int[np.ndarray, "height width"]
Places = Bool[np.ndarray, "placement_rows placement_columns"]


@dataclass(frozen=True, slots=True)
class Extremes:
    """The smallest of the certified sides and its first pixel (row, column); the largest certified square inside the
    image, if there is one; and the share of pixels around which the adversary's patch is certified."""

    smallest: int
    weakest: tuple[int, int]
    inside: Patch | None
    share: float


def largest_patches(
    photo: Photo, choice: Choice, asked: DefenceChoice, threat: Threat, label: str | None, report: Report
) -> Sides:
    """The side of the largest certified square around each pixel; found once for a photo and a defence."""
    kept = _kept_sides(photo, choice, asked, threat, label)
    if not kept:
        kept.append(analysis(photo, choice, asked, threat, label).largest_patches(report))
    return kept[0]


def extremes(clean: Analysis, sides: Sides) -> Extremes:
    """Where the photo is weakest and strongest. A square that holds the adversary's patch is certified with it."""
    needed = max(clean.threat.on_network(clean.features.framing))
    weakest = divmod(int(sides.argmin()), sides.shape[1])
    return Extremes(int(sides.min()), weakest, largest_inside(sides), float((sides >= needed).mean()))


def broken_places(placements: Placements, attacked: Iterable[Patch]) -> Places:
    """The placements of the patch that hold one of those at which pixels change the defended answer."""
    rows, columns = placements.footprints.placements
    height, width = placements.footprints.patch_size
    broken = np.zeros((rows, columns), bool)
    for patch in attacked:
        top, left = max(0, patch.bottom - height), max(0, patch.right - width)
        broken[top : patch.top + 1, left : patch.left + 1] = True
    return broken


def states(placements: Placements, broken: Places) -> str:
    """How many places there are in each of the states, in words."""
    found = placements.finding_map
    undecided = (found == Finding.UNDECIDED.value) & ~broken
    proved = np.isin(found, [Finding.CERTIFIED.value, Finding.UNSEEN.value]) & ~broken
    still_open = ~(proved | broken | undecided)
    return f"Places: {States(proved, broken, undecided, still_open).counted()}."


def placements_csv(clean: Analysis, placements: Placements) -> str:
    """A line for each block of placements that share a footprint: first and last row and column of the patch's top
    left, what is known, and the numbers by the names of the glossary."""
    rows, columns = placements.footprints.blocks
    names = [
        "top",
        "last_top",
        "left",
        "last_left",
        "finding",
        "lower bound",
        "upper bound",
        "margin",
        "rival",
    ]
    lines: list[Sequence[Cell]] = []
    for top, bottom in pairwise(rows.tolist()):
        for left, right in pairwise(columns.tolist()):
            found = placements.at(top, left)
            rival = None if found.rival is None else clean.classes[found.rival]
            numbers = [found.lower, found.upper, found.margin, rival]
            lines.append([top, bottom - 1, left, right - 1, found.finding, *numbers])
    return comma_separated(names, lines)


def sides_csv(sides: Sides) -> str:
    """A line for each row of pixels: the sides of the squares around its pixels."""
    return "\n".join(",".join(map(str, row)) for row in sides.tolist()) + "\n"


def in_words(progress: Progress) -> str:
    """How far the search is; where it will end is not known before."""
    return f"Looking for the largest certified patch around each pixel: {progress.message} …"


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs=BY_DIGEST)
def _kept_sides(
    photo: Photo, choice: Choice, asked: DefenceChoice, threat: Threat, label: str | None
) -> list[Sides]:
    """A place to keep the one result in: inside a cached function, progress could not be shown."""
    return []
