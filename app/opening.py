"""What pages begin with: what a link says wrongly; and the network runs on the photo, or they say what is missing."""

from dataclasses import dataclass
from functools import partial

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import links, sidebar
from app.cache import analysis as cached
from app.cache import patches
from app.cache.analysis import DefenceChoice, Photo
from app.cache.patches import Simulation
from app.markup import in_markdown
from app.sidebar import Choices
from app.state import copies, patch, photos, views, windows
from pg_core.analysis.photo import Analysis, Answer
from pg_core.defences.base import DefenceInput, Verdict
from pg_core.defences.patchguard.certificate import Bound
from pg_core.defences.patchguard.spec import BOUND, THRESHOLD
from pg_core.geometry import Patch, Window
from pg_core.io.progress import Progress
from pg_core.photos.framing import Space, Threat

_MARKS = {Verdict.CERTIFIED: "✔", Verdict.NOT_CERTIFIED: "✘", Verdict.MISCLASSIFIED: "✘", Verdict.ALERT: "✘"}


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """The photo as it is, the same with the simulated patch if there is one, and what is being looked at: the index
    of a class, and a malicious window."""

    clean: Analysis
    shown: Answer
    simulation: Simulation | None
    shown_class: int
    malicious: Window | Patch

    @property
    def window(self) -> Window:
        """The malicious window; raises ValueError for a certificate of placements."""
        if not isinstance(self.malicious, Window):
            raise ValueError(
                "expected a certificate of windows of features, got one of placements of a patch"
            )
        return self.malicious

    @property
    def footprint(self) -> Window | None:
        """What the simulated patch reaches."""
        return None if self.simulation is None else self.clean.footprint(self.simulation.patch)


@dataclass(frozen=True, slots=True)
class Classes:
    """The class to certify, None for the defended prediction; and the one that is shown, None for that class."""

    label: str | None
    shown: str | None


def about_robust_masking(chosen: Choices | None) -> Choices | None:
    """The choices with robust masking, for a page that belongs to it; says so where another defence is chosen."""
    if chosen is None:
        return None
    if chosen.robust_masking.asked != chosen.asked:
        st.caption(
            f"This page belongs to robust masking, with its settings; *{chosen.asked.spec.title}* is chosen in the "
            "sidebar."
        )
    return chosen.robust_masking


def about_the_link() -> None:
    """Name what the link says wrongly, and what it needs that is not here, on whichever page it leads to."""
    wrong = links.refused()
    if wrong:
        parts = in_markdown(", ".join(wrong))
        st.warning(f"Ignored unknown values in this link: {parts}.")
    waiting = patch.about_the_awaited()
    if waiting is not None:
        st.info(waiting)


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
        with slot.container():
            photos.about_the_awaited()
        return None
    title = in_markdown(cached.described(chosen.choice).title)
    try:
        with sidebar.progress(slot, f"Loading the network: {title} …", chosen.choice):
            cached.network(chosen.choice)
        looking = "Running the network on every part of the photo …"
        with sidebar.progress(slot, looking, chosen.photo.digest, chosen.photo.view, chosen.choice):
            seen = cached.features(chosen.photo, chosen.choice)
    except ValueError as error:
        slot.error(in_markdown(str(error)))
        return None
    _about_its_classes(seen.classes)
    asked = Classes(*sidebar.classes(seen))
    if not _pairs_are_there(chosen, slot):
        return None
    analysis = proved(chosen, chosen.asked, chosen.threat, asked.label, slot)
    copied = copies.sentence(chosen, analysis)
    if copied is not None:
        st.info(copied)
    window = windows.beyond(analysis, chosen.photo)
    if window is not None:
        st.warning(
            f"There is no such window here, so that part of the link is left out: {in_markdown(window)}."
        )
    return asked


def _pairs_are_there(chosen: Choices, slot: DeltaGenerator) -> bool:
    """Whether the network has run under every pair of masks, where the defence needs it; else how to start that."""
    settings = chosen.photo, chosen.choice, chosen.asked
    runs = cached.pairs_needed(*settings)
    if not runs:
        return True
    with slot.container():
        st.info(
            f"{chosen.asked.spec.title} looks at what the network says under every pair of masks: it has to run "
            f"{runs:,} times on this photo."
        )
        if not st.button("Run the network under every pair of masks"):
            return False
        bar = st.progress(0.0, "Masking …")

        def report(progress: Progress) -> None:
            bar.progress(progress.done / progress.total, str(progress))

        try:
            cached.run_pairs(*settings, report)
        except ValueError as error:
            st.error(in_markdown(str(error)))
            return False
    return True


def proved(
    chosen: Choices, asked: DefenceChoice, threat: Threat, label: str | None, slot: DeltaGenerator
) -> Analysis:
    """The analysis under these settings; the slot says so where programs for many windows may take their time."""
    settings = chosen.photo, chosen.choice, asked, threat, label
    tight = THRESHOLD in asked.spec.parameters and asked[BOUND] == Bound.TIGHT and asked[THRESHOLD] > 0
    if not tight:
        return cached.analysis(*settings)
    with sidebar.progress(
        slot, "Solving programs for the tight bounds …", chosen.photo.digest, *settings[1:]
    ):
        return cached.analysis(*settings)


def tray(chosen: Choices | None) -> None:
    """The photos of the session, each with its verdict under these settings; last, since the network
    may have to run on each."""
    photos.tray(partial(_verdict_of, chosen))


def _verdict_of(chosen: Choices | None, photo: Photo) -> str:
    if chosen is None or chosen.asked.spec.input is DefenceInput.TWO_MASK_PREDICTIONS:
        return "look at it"
    asked, threat, photo = chosen.asked, chosen.threat, views.seen(photo, chosen.choice)
    if threat.space is Space.PHOTO and photo != chosen.photo:
        return "look at it"  # the same patch is another on a photo of another size
    try:
        analysis = cached.analysis(photo, chosen.choice, asked, threat, sidebar.certified_label())
    except ValueError:
        return "? no verdict"
    return f"{_MARKS.get(analysis.verdict, '?')} {analysis.verdict.value}"


def looked_at(chosen: Choices, asked: Classes) -> Opened:
    """What there is to show of the photo and of the simulated patch; the network runs on the patch alone. Where a
    person's own network fails on the patch, that is said, and the photo is shown without it."""
    clean = cached.analysis(chosen.photo, chosen.choice, chosen.asked, chosen.threat, asked.label)
    simulation = patch.simulation(clean, chosen.patch_size)
    if chosen.asked.spec.input is DefenceInput.TWO_MASK_PREDICTIONS:
        simulation = None  # the network would have to run for every pair of masks at each place of the patch
    shown: Answer = clean
    if simulation is not None:
        try:
            shown = patches.simulated(chosen.photo, chosen.choice, chosen.asked, simulation)
        except ValueError as error:
            st.error(in_markdown(str(error)))
            simulation = None
    place = None if simulation is None else simulation.patch
    malicious = windows.malicious_window(clean, place, chosen.photo)
    return Opened(clean, shown, simulation, clean.classes.index(asked.shown or clean.label), malicious)
