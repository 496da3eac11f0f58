"""What pages begin with: what a link says wrongly; and the network runs on the photo, or they say what is missing."""

from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import links, sidebar
from app.cache import analysis as cached
from app.cache import patches
from app.cache.patches import Simulation
from app.markup import in_markdown
from app.sidebar import Choices
from app.state import patch, windows
from pg_core.analysis.photo import Analysis, Answer
from pg_core.defences.patchguard.masking import Bound, RobustMasking
from pg_core.geometry import Window
from pg_core.photos.read import Threat


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """The photo as it is, the same with the simulated patch if there is one, and what is being looked at: the index
    of a class, and a malicious window."""

    clean: Analysis
    shown: Answer
    simulation: Simulation | None
    shown_class: int
    malicious: Window

    @property
    def footprint(self) -> Window | None:
        """What the simulated patch reaches."""
        return None if self.simulation is None else self.clean.footprint(self.simulation.patch)


@dataclass(frozen=True, slots=True)
class Classes:
    """The class to certify, None for the defended prediction; and the one that is shown, None for that class."""

    label: str | None
    shown: str | None


def about_the_link() -> None:
    """Name what the link says wrongly, on whichever page it leads to."""
    wrong = links.refused()
    if wrong:
        parts = in_markdown(", ".join(wrong))
        st.warning(f"The link says what means nothing here, and that is left out: {parts}.")


def _about_its_classes(names: tuple[str, ...]) -> None:
    """Name the classes of the link that this network does not have, which `choices.classes` leaves out."""
    wrong = links.refused_classes(names)
    if wrong:
        parts = in_markdown(", ".join(wrong))
        st.warning(f"This network has no such class, so that part of the link is left out: {parts}.")


def opened(chosen: Choices | None, slot: DeltaGenerator) -> Opened | None:
    """The analysis of what is chosen in the sidebar; progress and errors go to the slot."""
    asked = classes(chosen, slot)
    if chosen is None or asked is None:
        return None
    slot.empty()
    return looked_at(chosen, asked)


def classes(chosen: Choices | None, slot: DeltaGenerator) -> Classes | None:
    """Run the network on the photo, unless it has been, and ask for the classes; None if it cannot run."""
    if chosen is None:
        slot.info(
            "This network has no weights yet. Put a published checkpoint into the folder assets/weights; "
            "the page Networks explains which, and lists what is there."
        )
        return None
    title = in_markdown(cached.described(chosen.choice).title)
    try:
        with sidebar.progress(slot, f"Loading the network: {title} …", chosen.choice):
            cached.network(chosen.choice)
        looking = "Running the network on every part of the photo …"
        with sidebar.progress(slot, looking, chosen.photo.digest, chosen.choice):
            seen = cached.features(chosen.photo, chosen.choice)
    except ValueError as error:
        slot.error(in_markdown(str(error)))
        return None
    _about_its_classes(seen.classes)
    asked = Classes(*sidebar.classes(seen))
    analysis = proved(chosen, chosen.defence, chosen.threat, asked.label, slot)
    window = windows.beyond(analysis, chosen.photo)
    if window is not None:
        st.warning(
            f"There is no such window here, so that part of the link is left out: {in_markdown(window)}."
        )
    return asked


def proved(
    chosen: Choices, defence: RobustMasking, threat: Threat, label: str | None, slot: DeltaGenerator
) -> Analysis:
    """The analysis under these settings; the slot says so where programs for many windows may take their time."""
    settings = chosen.photo, chosen.choice, defence, threat, label
    if defence.bound is not Bound.TIGHT or defence.threshold == 0:
        return cached.analysis(*settings)
    with sidebar.progress(
        slot, "Solving programs for the tight bounds …", chosen.photo.digest, *settings[1:]
    ):
        return cached.analysis(*settings)


def looked_at(chosen: Choices, asked: Classes) -> Opened:
    """What there is to show of the photo and of the simulated patch; the network runs on the patch alone. Where a
    person's own network fails on the patch, that is said, and the photo is shown without it."""
    clean = cached.analysis(chosen.photo, chosen.choice, chosen.defence, chosen.threat, asked.label)
    simulation = patch.simulation(clean, chosen.patch_size)
    shown: Answer = clean
    if simulation is not None:
        try:
            shown = patches.simulated(chosen.photo, chosen.choice, chosen.defence, simulation)
        except ValueError as error:
            st.error(in_markdown(str(error)))
            simulation = None
    place = None if simulation is None else simulation.patch
    malicious = windows.malicious_window(clean, place, chosen.photo)
    return Opened(clean, shown, simulation, clean.classes.index(asked.shown or clean.label), malicious)
