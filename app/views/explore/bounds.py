"""A line about the three bounds: how many windows change between them."""

from streamlit.delta_generator import DeltaGenerator

from app import sidebar
from app.sidebar import Choices
from app.views.explore import results as bounds
from pg_core.defences.patchguard.spec import THRESHOLD


def tell(slot: DeltaGenerator, chosen: Choices, label: str | None) -> None:
    """Fill the slot; where programs have to be solved first, it says so meanwhile."""
    threshold = chosen.asked[THRESHOLD]
    if threshold == 0:
        return  # all three are the same in every window
    key = chosen.choice, chosen.asked, chosen.threat, label
    solving = "Comparing the bounds: a linear program for each window that the sound one refuses …"
    with sidebar.progress(slot, solving, chosen.photo.digest, *key):
        found = bounds.compared(chosen.photo, *key)
    slot.caption(
        f"Windows with a margin above the tolerance, of {found.windows}, at T = {threshold:g}: published bound "
        f"{found.published}, sound {found.sound}, tight {found.tight}. "
        f"{_windows(found.refused)} accepted by the published bound, which is wrong for T > 0, and refused by the "
        f"sound one; the tight one adds {found.added} to the sound."
    )


def _windows(count: int) -> str:
    return "No window is" if count == 0 else "1 window is" if count == 1 else f"{count} windows are"
