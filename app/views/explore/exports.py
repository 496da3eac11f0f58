"""What is on the screen in files: the chosen window, the patch, every window in tables, and a figure for a paper."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pg_core import __version__
from pg_core.analysis.effect import BROKEN, PatchEffect
from pg_core.analysis.limits import limits
from pg_core.analysis.photo import Analysis
from pg_core.analysis.words import finite, identified, places
from pg_core.defences.patchguard.certificate import MaskingCertificate
from pg_core.geometry import Box
from pg_core.io.json import as_json
from pg_core.io.latex import table
from pg_core.io.spreadsheet import comma_separated
from pg_core.plots.figure import Format, Patched, drawn

_TERMS = {"outside": "t", "other": "m"}
"""Of robust masking, by the letters of the page: the label's evidence outside w, and what another window takes."""
_BOUNDS = {"lower": "lower bound", "upper": "upper bound", "margin": "margin", "tolerance": "tolerance"}


@dataclass(frozen=True, slots=True, eq=False)
class Screen:
    """The analysis of the clean photo, the position that is looked at, and the patch with what it does, if there is
    one; SHA-256 of the photo's bytes and of the network's weights, as far as they are known."""

    analysis: Analysis
    chosen: Box
    effect: PatchEffect | None
    photo: str
    photo_sha256: str
    weights_sha256: str | None

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns of a table, as on the page."""
        return ("row", "column", *self._numbers().values(), "verdict", "rival", "chosen", "pixels")

    def rows(self) -> Iterator[tuple[str | int | float, ...]]:
        """What is known of each position. The margin of an undecided one is positive, and no larger than the
        tolerance."""
        certificate, classes = self.analysis.certificate, self.analysis.classes
        values = [
            np.broadcast_to(getattr(certificate, name), certificate.margin.shape) for name in self._numbers()
        ]
        broken = np.zeros(certificate.positions.shape, bool) if self.effect is None else self.effect.broken
        for at in np.ndindex(certificate.positions.shape):
            chosen = "chosen" if at == (self.chosen.top, self.chosen.left) else ""
            numbers = (
                number if math.isfinite(number := float(value[at])) else "no bound" for value in values
            )
            verdict, rival = str(certificate.verdicts[at]), classes[certificate.rival[at]]
            yield *at, *numbers, verdict, rival, chosen, BROKEN if broken[at] else ""

    def _numbers(self) -> dict[str, str]:
        terms = _TERMS if isinstance(self.analysis.certificate, MaskingCertificate) else {}
        return {**terms, **_BOUNDS}


def windows_csv(screen: Screen) -> str:
    """A line for each malicious window or placement."""
    return comma_separated(screen.columns, screen.rows())


def windows_latex(screen: Screen) -> str:
    """The same for LaTeX, with what it is about in the caption."""
    columns = screen.columns
    tolerance = columns.index("tolerance")
    # Four digits after the point would leave nothing of a tolerance.
    written = [
        [f"{cell:.1e}" if n == tolerance and isinstance(cell, float) else cell for n, cell in enumerate(row)]
        for row in screen.rows()
    ]
    analysis = screen.analysis
    caption = (
        f"{analysis.sentence()} Photo {screen.photo} (SHA-256 {screen.photo_sha256[:12]}), network "
        f"{analysis.features.model}, {analysis.defence}; t, m, bounds and margins are of the clean photo. "
        f"PatchGuard Explorer {__version__}."
    )
    label = f"{places(analysis.certificate)}-{screen.photo_sha256[:12]}"
    return table("r" * (len(columns) - 4) + "llll", columns, written, caption, label)


def analysis_json(screen: Screen) -> str:
    """The JSON of the command line, and what the screen shows besides: what it does not say, the chosen position, the
    patch, and the numbers of all positions, row by row."""
    analysis, certificate = screen.analysis, screen.analysis.certificate
    said, at = limits(analysis), (screen.chosen.top, screen.chosen.left)
    rivals = np.array(analysis.classes, dtype=object)[certificate.rival]
    told = {
        **identified(analysis, screen.photo, screen.photo_sha256, screen.weights_sha256),
        "limits": {"proved": said.proved, "assumed": said.assumed, "not_said": said.not_said},
        "chosen": {
            "row": at[0],
            "column": at[1],
            **{
                name: finite(np.asarray(getattr(certificate, name))[at])
                for name in ("lower", "upper", "margin")
            },
            "rival": rivals[at],
            "verdict": str(certificate.verdicts[at]),
            "status": BROKEN
            if screen.effect is not None and screen.effect.breaks(screen.chosen)
            else str(analysis.status(screen.chosen)),
        },
        "patch": None if screen.effect is None else _patch(screen.effect),
        "positions": {
            "lower": certificate.lower.tolist(),
            "upper": certificate.upper.tolist(),
            "verdict": certificate.verdicts.tolist(),
            "rival": rivals.tolist(),
        },
    }
    return as_json(told)


def figure(screen: Screen, form: Format) -> bytes:
    """The figure, which takes about a second to draw."""
    effect = screen.effect
    patched = None if effect is None else Patched(effect.patch, effect.patched)
    return drawn(screen.analysis, form, screen.chosen, patched)


def _patch(effect: PatchEffect) -> dict[str, object]:
    patch, patched = effect.patch, effect.patched
    return {
        "top": patch.top,
        "left": patch.left,
        "height": patch.height,
        "width": patch.width,
        "undefended_prediction": patched.undefended_prediction,
        "prediction": patched.prediction,
        "statement": effect.sentence(),
        "broken": np.argwhere(effect.broken).tolist(),
    }
