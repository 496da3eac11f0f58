"""What every page about the photo begins with: the network runs, or the page says what is missing."""

from dataclasses import dataclass

from streamlit.delta_generator import DeltaGenerator

from app import choices, compute
from app.choices import Choices
from app.compute import Simulation
from pg_core.analysis import Analysis
from pg_core.geometry import Window


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """The photo as it is, the same with the simulated patch if there is one, and what is being looked at: the index
    of a class, and a malicious window."""

    clean: Analysis
    shown: Analysis
    simulation: Simulation | None
    shown_class: int
    malicious: Window

    @property
    def footprint(self) -> Window | None:
        """What the simulated patch reaches."""
        if self.simulation is None:
            return None
        features = self.clean.features
        return features.receptive_field.footprint(self.simulation.patch, features.map_size)


def opened(chosen: Choices | None, slot: DeltaGenerator) -> Opened | None:
    """The analysis of what is chosen in the sidebar; progress and errors go to the slot."""
    if chosen is None:
        slot.info(
            "This network has no weights yet. Put a published checkpoint into the folder assets/weights; "
            "the page Networks explains which, and lists what is there."
        )
        return None
    title = compute.described(chosen.choice).title
    try:
        with choices.progress(slot, f"Loading the network: {title} …", chosen.choice):
            compute.network(chosen.choice)
        looking = "Running the network on every part of the photo …"
        with choices.progress(slot, looking, chosen.photo.digest, chosen.choice):
            seen = compute.features(chosen.photo, chosen.choice)
    except ValueError as error:
        slot.error(str(error))
        return None
    slot.empty()
    label, shown_class = choices.classes(seen)
    simulation = choices.simulation(seen.framing.image_size, chosen.patch_size)
    clean = shown = compute.analysis(chosen.photo, chosen.choice, chosen.defence, chosen.threat, label)
    if simulation is not None:
        shown = compute.simulated(chosen.photo, chosen.choice, chosen.defence, simulation)
    malicious = choices.malicious_window(clean, simulation, chosen.photo)
    return Opened(clean, shown, simulation, clean.classes.index(shown_class or clean.label), malicious)
