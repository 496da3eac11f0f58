"""What the pixels of one patch do: the predictions for the clean and the patched photo, and the windows that they
break.

Not here: the search for such pixels, see `pg_core.attacks`. A patch that changes nothing proves nothing, and one that
changes the defended prediction is an attack, which a missing certificate alone is not.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from pg_core.analysis.photo import Analysis, Answer
from pg_core.defences.base import ALERT
from pg_core.defences.undefended import Undefended
from pg_core.geometry import Box, Patch, Windows

BROKEN = "broken by pixels"
"""The name of a window or a placement in which these pixels change the defended prediction."""
STATES = {"proved": "proved", "broken": BROKEN, "undecided": "undecided", "open": "open"}
"""What each of `States` is called."""


@dataclass(frozen=True, slots=True, eq=False)
class PatchEffect:
    """The analysis of the clean photo, the predictions for the patched photo, and where the patch is (pixels)."""

    clean: Analysis
    patched: Answer
    patch: Patch

    @property
    def fools_network(self) -> bool:
        """Whether the undefended prediction is another class than for the clean photo."""
        return self.patched.undefended != self.clean.undefended

    @property
    def alerts(self) -> bool:
        """Whether the defence answers with an alert, and did not for the clean photo."""
        return int(self.patched.defended.label) == ALERT != int(self.clean.defended.label)

    @property
    def fools_defence(self) -> bool:
        """Whether the defended prediction is another class than for the clean photo."""
        return not self.alerts and int(self.patched.defended.label) != int(self.clean.defended.label)

    @property
    def larger(self) -> bool:
        """Whether the patch is larger than the adversary's, so that nothing is claimed of it."""
        allowed = self.clean.threat.on_network(self.clean.features.framing)
        return any(p > n for p, n in zip(self.patch.size, allowed, strict=True))

    @property
    def broken(self) -> Bool[np.ndarray, "window_rows window_columns"]:
        """The windows, or placements of the adversary's patch, that contain the footprint of this patch, if it changes
        the prediction that the certificate is about."""
        return broken_by(self.clean, [self.patch] if self.fools_defence else [])

    def breaks(self, at: Box) -> bool:
        """Whether a window, or a placement, is broken by these pixels."""
        return bool(self.broken[at.top, at.left])

    @property
    def contradicts(self) -> bool:
        """Whether a proved window is broken, which the certificate excludes as long as the estimated tolerance
        holds."""
        return bool((self.broken & self.clean.certificate.proved).any())

    def sentence(self) -> str | None:
        """The predictions for the patched photo, undefended and defended, in a sentence, if one of them is another
        than for the clean photo; None otherwise."""
        said = self._answers()
        if said is None:
            return None
        notes = []
        if self.larger:
            notes.append("The patch is larger than the adversary's, so nothing is claimed of it.")
        if self.contradicts:
            notes.append("The certificate, whose tolerance is estimated, excludes this: please report it.")
        return " ".join([said, *notes])

    def _answers(self) -> str | None:
        clean, patched, title = self.clean, self.patched, self.clean.spec.title
        undefended = f"'{clean.undefended_prediction}' becomes '{patched.undefended_prediction}'"
        defended = f"{_quoted(clean)} becomes {_quoted(patched)}"
        if isinstance(clean.defence, Undefended):
            return f"These pixels fool the network: {defended}." if self.fools_defence else None
        if self.fools_defence:
            still = f"the network still says '{patched.undefended_prediction}'"
            alone = undefended if self.fools_network else still
            return f"These pixels fool {title}: {defended}. Without a defence, {alone}."
        alone = f"These pixels fool the network without a defence ({undefended})"
        if self.alerts:
            return (
                f"{alone}; {title} raises an alert."
                if self.fools_network
                else f"{title} raises an alert about these pixels."
            )
        return f"{alone}; {title} still says {_quoted(patched)}." if self.fools_network else None


@dataclass(frozen=True, slots=True, eq=False)
class States:
    """What is known of each window, or placement: proved, broken by pixels, undecided or open; exactly one of them."""

    proved: Bool[np.ndarray, "window_rows window_columns"]
    broken: Bool[np.ndarray, "window_rows window_columns"]
    undecided: Bool[np.ndarray, "window_rows window_columns"]
    open: Bool[np.ndarray, "window_rows window_columns"]

    def counted(self) -> str:
        """How many there are of each; undecided ones only where there are any."""
        counts = [(int(getattr(self, name).sum()), words) for name, words in STATES.items()]
        return ", ".join(
            f"{count:,} {words}" for count, words in counts if count or words != STATES["undecided"]
        )


def states(clean: Analysis, broken: Bool[np.ndarray, "window_rows window_columns"]) -> States:
    """The states of all windows, or placements, of which pixels break some. A break comes before all else: of what is
    proved it would be a mistake in the proof or its tolerance, which must be seen."""
    certificate = clean.certificate
    proved, undecided = certificate.proved & ~broken, certificate.undecided & ~broken
    return States(proved, broken, undecided, ~(proved | broken | undecided))


def broken_by(clean: Analysis, patches: Iterable[Patch]) -> Bool[np.ndarray, "window_rows window_columns"]:
    """The windows, or placements of the adversary's patch, that hold all that one of these patches changes. Each of
    them has contents with which the defended prediction is another; none where the certificate is about another class
    than is predicted."""
    certificate, field = clean.certificate, clean.features.receptive_field
    positions = certificate.positions
    broken = np.zeros(positions.shape, bool)
    if certificate.prediction != certificate.label:
        return broken
    if isinstance(positions, Windows):
        windows = positions
    else:
        windows, field = positions.windows, positions.field
    for patch in patches:
        changed = field.footprint(patch, windows.map_size)
        if changed is not None:
            broken |= windows.around(changed)
    return broken


def _quoted(answer: Answer) -> str:
    return answer.prediction if int(answer.defended.label) == ALERT else f"'{answer.prediction}'"
