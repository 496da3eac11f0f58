"""An analysis as one figure for a paper or for slides: photo, evidence, margins, and what is proved, in a caption.

The same analysis gives the same bytes. Drawn by matplotlib, which is loaded when it is needed. It leaves out simulated
patches.
"""

import io
import textwrap
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from pg_core.analysis import Analysis
from pg_core.geometry import ReceptiveField, Size, Window
from pg_core.images import Space

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


_INCHES = (7.2, 3.1)
"""The width of a text in two columns."""
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


def drawn(analysis: Analysis, form: Format) -> bytes:
    """The file of the figure. Raises ImportError with the way to install matplotlib where there is none."""
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("figures need matplotlib: python -m pip install matplotlib") from error
    data = io.BytesIO()
    with _DRAWING, rc_context(_SETTINGS):
        figure = Figure(figsize=_INCHES, layout="constrained")
        _draw(figure, analysis)
        figure.savefig(data, format=form.value, dpi=_DPI, metadata=_METADATA[form])
    return data.getvalue()


def form_of(path: Path) -> Format:
    """The format of a file by its name; raises ValueError for another."""
    ending = path.suffix.lower().removeprefix(".")
    if ending not in list(Format):
        raise ValueError(f"expected a file that ends in .pdf, .svg or .png, got {path.name}")
    return Format(ending)


def caption(analysis: Analysis) -> str:
    """What is proved, against whom, by which defence, and where it is weakest; enough to do it again."""
    features, certificate = analysis.features, analysis.certificate
    framing, threat, worst = features.framing, analysis.threat, analysis.certificate.worst
    at = worst.top, worst.left
    seen = f"{_times(framing.image_size)} image that the network sees"
    where = f"the {seen}"
    if threat.space is Space.PHOTO:
        where = f"the original {_times(framing.photo_size)} photo, which is then resized to the {seen}"
    return " ".join(
        [
            analysis.sentence(),
            f"Threat model: one rectangle of at most {_times(threat.patch_size)} pixels anywhere on {where}, with any "
            "content.",
            f"Network: {features.model}, receptive field {features.receptive_field}, {_times(features.map_size)} "
            f"local features. Defence: {analysis.defence}.",
            f"Predictions: {analysis.undefended_prediction} without, {analysis.prediction} with the defence.",
            f"Failing windows: {certificate.failing.sum()} of {certificate.windows.count}, undecided: "
            f"{certificate.undecided.sum()}.",
            f"Worst window (dotted): row {at[0]}, column {at[1]}, lower {certificate.lower[at]:.4g}, upper "
            f"{certificate.upper[at]:.4g} ({analysis.rival(worst)}), margin {certificate.margin[at]:+.4g}, float "
            f"tolerance {certificate.tolerance[at]:.2g}. Detected windows are solid. Windows that fail are crossed "
            "out, undecided ones circled.",
        ]
    )


def _draw(figure: "Figure", analysis: Analysis) -> None:
    features, worst = analysis.features, analysis.certificate.worst
    label, rival = int(analysis.certificate.label), int(analysis.certificate.rival[worst.top, worst.left])
    panels, scales = figure.subplots(2, 4, height_ratios=(24, 1))
    photo, own, other, margins = panels
    scales[0].set_axis_off()
    height, width = features.framing.image_size
    photo.imshow(features.pixels.transpose(1, 2, 0), extent=(0, width, height, 0))
    _title(photo, "Photo")
    _outline(photo, analysis, worst, _MALICIOUS)
    for axes, scale, index, role in ((own, scales[1], label, "label"), (other, scales[2], rival, "rival")):
        figure.colorbar(_evidence(axes, analysis, index), scale, orientation="horizontal")
        _title(axes, f"Evidence, {role}: {analysis.classes[index]}")
        detected = analysis.masking.window(index)
        if detected is not None:
            _outline(axes, analysis, detected, _DETECTED)
        _outline(axes, analysis, worst, _MALICIOUS)
    figure.colorbar(_margins(margins, analysis), scales[3], orientation="horizontal")
    _title(margins, "Margin of each window")
    for axes in panels:
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_anchor("S")
    text = "\n".join(textwrap.wrap(caption(analysis), _CAPTION))
    # Names of classes are no formulas.
    figure.supxlabel(text, x=0.01, ha="left", fontsize=6.5, parse_math=False)


def _evidence(axes: "Axes", analysis: Analysis, index: int) -> "AxesImage":
    features = analysis.features
    evidence = analysis.masking.evidence[index]
    rows, columns = features.map_size
    left, right, top, bottom = _edges(features.receptive_field, Window(0, 0, rows, columns))
    image = axes.imshow(
        evidence,
        extent=(left, right, bottom, top),
        cmap="cividis",
        vmin=0.0,
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
    reach = max(float(np.abs(margin).max()), 1e-9)
    rows, columns = margin.shape
    image = axes.imshow(
        margin,
        cmap="RdBu",
        vmin=-reach,
        vmax=reach,
        aspect="equal" if max(rows, columns) < 4 * min(rows, columns) else "auto",
    )
    size = (60 / max(rows, columns)) ** 2
    for flags, marker in ((certificate.failing, "$\\times$"), (certificate.undecided, "$\\circ$")):
        down, across = np.nonzero(flags)
        axes.scatter(across, down, s=size, marker=marker, color="black", linewidths=0.3)
    return image


def _outline(axes: "Axes", analysis: Analysis, window: Window, style: tuple[str, str]) -> None:
    from matplotlib.patches import Rectangle

    colour, line = style
    field, map_size = analysis.features.receptive_field, analysis.features.map_size
    for piece in _pieces(window, map_size):
        left, right, top, bottom = _edges(field, piece)
        axes.add_patch(
            Rectangle(
                (left, top),
                right - left,
                bottom - top,
                fill=False,
                color=colour,
                linestyle=line,
                linewidth=1.2,
            )
        )


def _pieces(window: Window, map_size: Size) -> Iterator[Window]:
    """The window, in two where it wraps around the right edge."""
    beyond = window.right - map_size[1]
    if beyond <= 0:
        yield window
        return
    yield Window(window.top, window.left, window.height, window.width - beyond)
    yield Window(window.top, 0, window.height, beyond)


def _edges(field: ReceptiveField, window: Window) -> tuple[float, float, float, float]:
    """Left, right, top and bottom on the photo: a cell is as large as the stride, in the middle of what it sees."""
    pixels = field.pixels(window)
    down, across = ((r - s) / 2 for r, s in zip(field.size, field.stride, strict=True))
    return pixels.left + across, pixels.right - across, pixels.top + down, pixels.bottom - down


def _title(axes: "Axes", text: str) -> None:
    axes.set_title("\n".join(textwrap.wrap(text, 28)), parse_math=False)


def _times(size: Size) -> str:
    return f"{size[0]}x{size[1]}"
