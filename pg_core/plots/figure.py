"""An analysis as one figure for a paper or for slides: photo, evidence, margins, and what is proved, in a caption.

It may show any malicious window, and a patch on the photo; the certificate is about the photo without the patch. The
same input gives the same bytes. Drawn by matplotlib, which is loaded when it is needed.
"""

import io
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from pg_core.analysis.photo import Analysis, Answer
from pg_core.analysis.words import places
from pg_core.geometry import Box, Patch, Window, times
from pg_core.io.parameters import member
from pg_core.io.printable import printable
from pg_core.photos.framing import Space
from pg_core.plots.drawing import Outline, outline, outlines

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage


class Format(StrEnum):
    """The formats that papers and slides take."""

    PDF = "pdf"
    SVG = "svg"
    PNG = "png"

    @property
    def mime(self) -> str:
        return {"pdf": "application/pdf", "svg": "image/svg+xml", "png": "image/png"}[self]


@dataclass(frozen=True, slots=True, eq=False)
class Patched:
    """The photo of an analysis with a patch on it: where the patch is, and the predictions for the photo with it."""

    patch: Patch
    answer: Answer


_INCHES = (7.2, 3.1)
"""The width of a text in two columns, and a height for a caption of so many lines."""
_LINES, _LINE = 6, 0.11
"""How many, and what another needs, in inches."""
_CAPTION = 148
"""Characters in a line."""
_DPI = 300
_SETTINGS: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 6.5,
    "axes.titlesize": 7,
    "axes.linewidth": 0.5,
    "pdf.fonttype": 42,  # what publishers ask for
    "svg.hashsalt": "patchguard",  # or names in the file would differ each time
    "image.interpolation": "none",
}
_METADATA: dict[Format, dict[str, str | None]] = {
    Format.PDF: {"CreationDate": None, "Producer": None, "Creator": None},
    Format.SVG: {"Date": None, "Creator": None},
    Format.PNG: {"Software": None},
}
_DRAWING = Lock()
"""matplotlib's settings are those of the whole process."""
_MALICIOUS = ("#d55e00", ":")
_DETECTED = ("#56b4e9", "-")
_FOOTPRINT = ("#cc79a7", "--")
_CURRENT = ("#111111", "-")
_MASKS = 12
"""So many of what a defence took out are drawn."""


def drawn(analysis: Analysis, form: Format, at: Box | None = None, patched: Patched | None = None) -> bytes:
    """The file of the figure, with a position, by default the worst, and with a patch if there is one. Raises
    ImportError with the way to install matplotlib where there is none."""
    form, data = member(Format, form), io.BytesIO()
    figure = plot(analysis, at, patched)
    with _settings():
        figure.savefig(data, format=form.value, dpi=_DPI, metadata=_METADATA[form])
    return data.getvalue()


def plot(analysis: Analysis, at: Box | None = None, patched: Patched | None = None) -> "Figure":
    """Photo, evidence and margins as a matplotlib figure, with a malicious window or a placement of the patch, by
    default the worst, and with a patch if there is one. Raises ImportError where there is no matplotlib."""
    with _settings():
        from matplotlib.figure import Figure

        figure = Figure(figsize=_INCHES, layout="constrained")
        lines = _draw(figure, analysis, at or analysis.certificate.worst, patched)
        figure.set_figheight(_INCHES[1] + _LINE * max(0, lines - _LINES))
    return figure


def plot_margins(analysis: Analysis, axes: "Axes | None" = None) -> "Axes":
    """The margin of each window or placement, on these axes or new ones; blue is positive, red negative, a cross not
    certified, a circle undecided. Raises ImportError where there is no matplotlib."""
    with _settings():
        if axes is None:
            from matplotlib.figure import Figure

            axes = Figure(layout="constrained").subplots()
        image = _margins(axes, analysis)
        axes.figure.colorbar(image, ax=axes)
        _title(axes, f"Margin of each {places(analysis.certificate, one=True)}")
    return axes


@contextmanager
def _settings() -> Iterator[None]:
    try:
        from matplotlib import rc_context
    except ImportError as error:
        raise ImportError("figures need matplotlib: python -m pip install matplotlib") from error
    with _DRAWING, rc_context(_SETTINGS):
        yield


def form_of(path: Path) -> Format:
    """The format of a file by its suffix; raises ValueError for any other suffix."""
    ending = path.suffix.lower().removeprefix(".")
    if ending not in list(Format):
        raise ValueError(f"expected a file that ends in .pdf, .svg or .png, got {path.name}")
    return Format(ending)


def caption(analysis: Analysis, at: Box | None = None, patched: Patched | None = None) -> str:
    """What is proved, against whom, by which defence, and where the margin is smallest, with all that is needed to
    repeat it; and what is drawn: a malicious window, by default the worst, and a patch if there is one."""
    features, certificate = analysis.features, analysis.certificate
    what = places(certificate).capitalize()
    framing, threat = features.framing, analysis.threat
    seen = f"{times(framing.image_size)} image that the network sees"
    where = f"the {seen}"
    if threat.space is Space.PHOTO:
        where = f"the original {times(framing.photo_size)} photo, which is then resized to the {seen}"
    return " ".join(
        [
            analysis.sentence(),
            f"Threat model: one rectangle of at most {times(threat.patch_size)} pixels anywhere on {where}, with any "
            "content.",
            f"Network: {features.model}, receptive field {features.receptive_field}, {times(features.map_size)} "
            f"local features. Defence: {analysis.defence}.",
            *_predictions(analysis, patched),
            f"{what} proved: {certificate.proved.sum()} of {certificate.positions.count}, undecided: "
            f"{certificate.undecided.sum()}.",
            _at(analysis, at or certificate.worst),
            f"What is masked is drawn solid. {what} that are not certified are crossed out, undecided ones circled.",
        ]
    )


def _predictions(analysis: Analysis, patched: Patched | None) -> list[str]:
    """Of the photo, and of the photo with the patch, which the certificate is not about."""
    if patched is None:
        return [
            f"Predictions: {analysis.undefended_prediction} without, {analysis.prediction} with the defence."
        ]
    patch, answer = patched.patch, patched.answer
    certified = analysis.threat.on_network(analysis.features.framing)
    larger = any(p > n for p, n in zip(patch.size, certified, strict=True))
    return [
        f"Predictions for the clean photo: {analysis.undefended_prediction} without, {analysis.prediction} with the "
        "defence; the certificate and all margins are about this photo.",
        f"Drawn with a patch of {times(patch.size)} pixels at row {patch.top}, column {patch.left} (black; dashed: "
        f"the features that see it){', larger than the threat model allows' if larger else ''}. Predictions for the "
        f"patched photo: {answer.undefended_prediction} without, {answer.prediction} with the defence.",
    ]


def _at(analysis: Analysis, at: Box) -> str:
    """The numbers of the position that is drawn, and where the worst is if it is another."""
    certificate, worst = analysis.certificate, analysis.certificate.worst
    drawn, lowest = (at.top, at.left), (worst.top, worst.left)
    what = places(certificate, one=True)
    numbers = (
        f"row {drawn[0]}, column {drawn[1]}, lower {certificate.lower[drawn]:.4g}, upper "
        f"{certificate.upper[drawn]:.4g} ({analysis.rival(at)}), margin {certificate.margin[drawn]:+.4g}, tolerance "
        f"{certificate.tolerance[drawn]:.2g} (estimated)."
    )
    if at == worst:
        return f"Worst {what} (dotted): {numbers}"
    return (
        f"Selected {what} (dotted; framed among the margins): {numbers} Worst {what}: row {lowest[0]}, column "
        f"{lowest[1]}, margin {certificate.margin[lowest]:+.4g} ({analysis.rival(worst)})."
    )


def _draw(figure: "Figure", analysis: Analysis, at: Box, patched: Patched | None) -> int:
    """Draw all panels and the caption; the number of its lines."""
    certificate = analysis.certificate
    shown: Answer = analysis if patched is None else patched.answer
    features = shown.features
    label, rival = int(certificate.label), int(certificate.rival[at.top, at.left])
    panels, scales = figure.subplots(2, 4, height_ratios=(24, 1))
    photo, own, other, margins = panels
    scales[0].set_axis_off()
    height, width = features.framing.image_size
    photo.imshow(features.pixels.transpose(1, 2, 0), extent=(0, width, height, 0))
    with_patch = "" if patched is None else " with the patch"
    _title(photo, f"Photo{with_patch}")
    if patched is not None:
        patch = patched.patch
        edges = map(float, (patch.top, patch.bottom, patch.left, patch.right))
        _frame(photo, Outline(*edges), _CURRENT)
    _outline(photo, shown, analysis.extent(at), _MALICIOUS)
    for axes, scale, index, role in ((own, scales[1], label, "label"), (other, scales[2], rival, "rival")):
        figure.colorbar(_evidence(axes, shown, index), scale, orientation="horizontal")
        what = "Local logits" if shown.evidence is None else "Evidence"
        _title(axes, f"{what}{with_patch}, {role}: {analysis.classes[index]}")
        for masked in shown.masked(index)[:_MASKS]:
            _outline(axes, shown, masked, _DETECTED)
        _outline(axes, shown, analysis.extent(at), _MALICIOUS)
    footprint = None if patched is None else shown.footprint(patched.patch)
    for axes in (photo, own, other):
        if footprint is not None:
            _outline(axes, shown, footprint, _FOOTPRINT)
    figure.colorbar(_margins(margins, analysis), scales[3], orientation="horizontal")
    if at != certificate.worst:
        row, column = at.top, at.left
        _frame(margins, Outline(row - 0.5, row + 0.5, column - 0.5, column + 0.5), _CURRENT)
    _title(margins, f"Margin of each {places(certificate, one=True)}")
    for axes in panels:
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_anchor("S")
    lines = _wrapped(caption(analysis, at, patched), _CAPTION)
    # Names of classes are no formulas.
    figure.supxlabel("\n".join(lines), x=0.01, ha="left", fontsize=6.5, parse_math=False)
    return len(lines)


def _evidence(axes: "Axes", shown: Answer, index: int) -> "AxesImage":
    features = shown.features
    added, logits = shown.evidence, features.local_logits[index].astype(np.float64)
    evidence = logits if added is None else added[index]
    place = outline(features.receptive_field, Window(0, 0, *features.map_size))
    image = axes.imshow(
        evidence,
        extent=(place.left, place.right, place.bottom, place.top),
        cmap="cividis",
        vmin=min(0.0, float(evidence.min())),
        vmax=max(float(evidence.max()), 1e-9),
        aspect="auto" if features.receptive_field.wrapping else "equal",
    )
    height, width = features.framing.image_size
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    return image


def _margins(axes: "Axes", analysis: Analysis) -> "AxesImage":
    certificate = analysis.certificate
    margin = certificate.margin
    # Without any bound a margin is infinite, and drawn like the largest finite one.
    finite = np.abs(margin[np.isfinite(margin)])
    reach = max(float(finite.max()), 1e-9) if finite.size else 1.0
    rows, columns = margin.shape
    image = axes.imshow(
        np.clip(margin, -reach, reach),
        cmap="RdBu",
        vmin=-reach,
        vmax=reach,
        aspect="equal" if max(rows, columns) < 4 * min(rows, columns) else "auto",
    )
    size = (60 / max(rows, columns)) ** 2
    for flags, marker in ((certificate.not_certified, "$\\times$"), (certificate.undecided, "$\\circ$")):
        down, across = np.nonzero(flags)
        axes.scatter(across, down, s=size, marker=marker, color="black", linewidths=0.3)
    return image


def _outline(axes: "Axes", shown: Answer, box: Box, style: tuple[str, str]) -> None:
    """A window where its cells lie in the image; a patch as it is."""
    features = shown.features
    if not isinstance(box, Window):
        _frame(axes, Outline(*map(float, (box.top, box.bottom, box.left, box.right))), style)
        return
    for place in outlines(features.receptive_field, box, features.framing.image_size):
        _frame(axes, place, style)


def _frame(axes: "Axes", place: Outline, style: tuple[str, str]) -> None:
    from matplotlib.patches import Rectangle

    colour, line = style
    axes.add_patch(
        Rectangle(
            (place.left, place.top),
            place.right - place.left,
            place.bottom - place.top,
            fill=False,
            color=colour,
            linestyle=line,
            linewidth=1.2,
        )
    )


def _title(axes: "Axes", text: str) -> None:
    axes.set_title("\n".join(_wrapped(text, 28)), parse_math=False)


def _wrapped(text: str, width: int) -> list[str]:
    """Its lines, as fonts and XML take them."""
    return textwrap.wrap(printable(" ".join(text.split())), width)
