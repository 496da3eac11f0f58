"""What a step of Algorithm 1 or 2 does, drawn and said; a mask leaves cells empty."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float64

from app.markup import in_figure, in_formula, in_markdown
from app.plots import style
from app.plots.maps import around_cells, cell_axes, named, outlined
from app.plots.photo import add_photo
from app.plots.photo import outlines as photo_outlines
from pg_core.defences.base import Certificate, Verdict
from pg_core.defences.patchcleanser.trace import FeatureLine, FeatureStep
from pg_core.defences.patchguard.masking import Masking
from pg_core.defences.patchguard.trace import Line, Step
from pg_core.geometry import Window, cells
from pg_core.photos.inference import LocalFeatures

_HEIGHT, _PHOTO = 400, 220
_WRITTEN = 64
"""Up to so many cells, each shows its value."""
MARGINS = (Line.MARGIN, FeatureLine.MARGIN)

Outline = tuple[str, str, dict[str, object], Window]
"""A window by its name, its letter and its line."""


def evidence_step(masking: Masking, logits: Float64[np.ndarray, "rows columns"], step: Step) -> go.Figure:
    """The map of the step's class as the step sees it: local logits before they are clipped, then evidence, with what
    is masked or malicious left out."""
    values = np.array(logits, np.float64)
    if step.line is not Line.CLASSES and step.label is not None:
        values = masking.evidence[step.label]
    return masked_map(values, _left_out(step), outlined_windows(step), signed=step.line is Line.CLASSES)


def masked_map(
    values: Float64[np.ndarray, "rows columns"],
    left_out: Sequence[Window],
    outlines: Sequence[Outline],
    signed: bool = False,
) -> go.Figure:
    """A map without the cells of some windows, and the outlines of windows; values from 0, or signed ones."""
    map_size = values.shape[0], values.shape[1]
    left = values.copy()
    for window in left_out:
        left[cells(window, map_size)] = np.nan
    # An empty map has no largest value.
    reach = max(float(np.nan_to_num(np.abs(left)).max()), 1e-9)
    written = left.size <= _WRITTEN
    figure = go.Figure(
        go.Heatmap(
            z=left,
            zmin=-reach if signed else 0.0,
            zmax=reach,
            colorscale=style.DIVERGING if signed else style.BENIGN_CELLS if written else style.SEQUENTIAL,
            showscale=not written,
            colorbar={"thickness": 10, "outlinewidth": 0},
            texttemplate="%{z:.3g}" if written else None,
            textfont={"color": "#111111"},
            hoverongaps=False,
            hovertemplate="row %{y}, column %{x}<br><b>%{z:.4g}</b><extra></extra>",
        )
    )
    return style.finish(figure).update_layout(
        height=_HEIGHT,
        margin={"l": 4, "r": 4, "t": 8, "b": 28},
        shapes=[
            shape
            for name, _, line, window in outlines
            for shape in outlined(name, line, around_cells(window, map_size))
        ],
        annotations=[
            named(window.left - 0.5, window.top - 0.5, letter, corner=True)
            for _, letter, _, window in outlines
        ],
        **cell_axes(map_size),
    )


def on_photo(features: LocalFeatures, outlines: Sequence[Outline]) -> go.Figure:
    """The photo, small, with the windows of a step where their cells lie on it."""
    (height, width), figure = features.framing.image_size, go.Figure()
    add_photo(figure, features.pixels)
    bare = {"visible": False, "constrain": "domain"}
    return style.finish(figure).update_layout(
        height=_PHOTO,
        margin={"l": 4, "r": 4, "t": 4, "b": 4},
        xaxis={"range": [0, width], **bare},
        yaxis={"range": [height, 0], "scaleanchor": "x", **bare},
        shapes=[
            shape
            for name, _, line, window in outlines
            for shape in outlined(
                name, line, photo_outlines(features.receptive_field, window, (height, width))
            )
        ],
    )


def scores_step(masking: Masking, classes: Sequence[str], chosen: int, count: int = 8) -> go.Figure:
    """The scores of the classes with most evidence left; the chosen one is marked by a star and a pattern."""
    order = sorted(range(len(masking.scores)), key=lambda index: (-masking.scores[index], index))[:count]
    return bars(masking.scores, classes, order, chosen, "score s", "s")


def bars(
    scores: Float64[np.ndarray, "classes"],
    classes: Sequence[str],
    order: Sequence[int],
    chosen: int,
    title: str,
    letter: str,
) -> go.Figure:
    """What speaks for these classes, in this order; the chosen one is marked by a star and a pattern."""
    names = [("★ " if index == chosen else "") + in_figure(classes[index]) for index in order]
    figure = go.Figure(
        go.Bar(
            y=names,
            x=scores[order],
            orientation="h",
            marker={
                "color": [style.AFTER if index == chosen else style.BEFORE for index in order],
                "pattern": {"shape": ["" if index == chosen else "/" for index in order]},
            },
            text=[f"{score:.4g}" for score in scores[order]],
            textposition="auto",
            hovertemplate=f"%{{y}}: {letter} = <b>%{{x:.4g}}</b><extra></extra>",
        )
    )
    style.finish(figure)
    return figure.update_layout(
        height=_HEIGHT,
        xaxis={"title": {"text": title}, "rangemode": "tozero"},
        yaxis={"autorange": "reversed", "automargin": True},
        margin={"l": 8, "r": 8, "t": 8, "b": 48},
    )


def margins_step(certificate: Certificate, known: Sequence[Step | FeatureStep]) -> go.Figure:
    """The margins that are known so far, crosses where one is not positive, and a frame around the last."""
    margin = np.full(certificate.windows.shape, np.nan)
    told = [step for step in known if step.line in MARGINS and step.window is not None]
    for step in told:
        if step.window is not None:
            margin[step.window.top, step.window.left] = step.number("margin")
    reach = max(float(np.abs(certificate.margin).max()), 1e-9)
    figure = go.Figure(
        go.Heatmap(
            z=margin,
            zmin=-reach,
            zmax=reach,
            colorscale=style.DIVERGING,
            colorbar={"thickness": 10, "outlinewidth": 0, "title": {"text": "margin", "side": "top"}},
            hoverongaps=False,
            hovertemplate="window at row %{y}, column %{x}<br>margin <b>%{z:.4g}</b><extra></extra>",
        )
    )
    rows, columns = np.nonzero(margin <= 0)
    figure.add_trace(
        go.Scatter(
            x=columns,
            y=rows,
            mode="markers",
            name="not certified",
            marker={"symbol": "x-thin-open", "size": 10, "color": "#111111", "line": {"width": 1.5}},
            hoverinfo="skip",
        )
    )
    shapes: list[dict[str, object]] = []
    last = known[-1].window
    if last is not None and known[-1].line in MARGINS:
        around = around_cells(Window(last.top, last.left, 1, 1), certificate.windows.shape)
        shapes = outlined("current", style.CURRENT, around)
    axes, margins = cell_axes(certificate.windows.shape), {"l": 4, "r": 4, "t": 8, "b": 28}
    return style.finish(figure).update_layout(height=_HEIGHT, margin=margins, shapes=shapes, **axes)


def said(step: Step, classes: Sequence[str]) -> str:
    """What the step does, in words and numbers, as Markdown."""
    name = "" if step.label is None else f"'{in_markdown(classes[step.label])}'"
    numbers = {letters: f"{value:.4g}" for letters, value in step.numbers}
    told = {letters: in_formula(f"{letters} = {value}") for letters, value in numbers.items()}
    match step.line:
        case Line.CLASSES if step.label is None:
            return f"The same for the other {numbers['classes']} classes, one by one."
        case Line.CLASSES:
            return f"The class {name}: its local logits $u_y$, as the network gives them."
        case Line.CLIP:
            return f"Clipped from below at 0 and from above at $c_h$, {name} has {told['SUM(û)']}."
        case Line.DETECT:
            return f"Of all windows, {at(step.other)} holds most of it: {told['SUM(w* ⊙ û)']}."
        case Line.COMPARE:
            found = "it is detected" if step.other is not None else "nothing is detected"
            sign = ">" if step.other is not None else "≤"
            compared = f"{numbers['SUM(w* ⊙ û)']} {sign} T · SUM(û) = {numbers['T · SUM(û)']}"
            return f"{in_formula(compared)}: {found}."
        case Line.SCORE:
            kept = f"{numbers['SUM(û)']} - {numbers['SUM(w* ⊙ û)']} = {numbers['s']}"
            return f"{name} keeps {in_formula(f's = SUM(û) - SUM(w* ⊙ û) = {kept}')}."
        case Line.PREDICT:
            return f"{name} has the largest score, {told['s']}: it is the prediction."
        case Line.CLEAN:
            return f"Without a patch, Algorithm 1 predicts {name} with {told['s']}."
        case Line.WINDOWS:
            return f"Say that {at(step.window)} is malicious: the adversary can put anything there."
        case Line.UPPER | Line.UPPER_TIGHT:
            return (
                f"The rival is {name}: {told['t']} of its evidence lies outside $w$, and its "
                f"score is at most {told['upper']}."
            )
        case Line.OUTSIDE:
            return (
                f"Of {told['SUM(û)']} for {name}, {told['t']} lies "
                f"outside $w$. One other window holds {told['m']} of it."
            )
        case Line.LOWER | Line.LOWER_TIGHT | Line.LOWER_PUBLISHED:
            sign = ">" if step.number("m") > step.number("T t") else "≤"
            lost = "" if step.other is None else f", and {at(step.other)} costs it most"
            least = "at least"
            if step.line is Line.LOWER_PUBLISHED and step.number("T t") > 0:
                least = "by the published bound, which is wrong for $T > 0$,"
            branch = in_formula(f"m = {numbers['m']} {sign} T t = {numbers['T t']}")
            return f"{branch}{lost}: the score of {name} is {least} {told['lower']}."
        case Line.MARGIN:
            return margin_said(step, name)
    return verdict_said(step, name)


def margin_said(step: Step | FeatureStep, rival: str) -> str:
    """The margin of a malicious window against a rival, by its name as Markdown."""
    lower, upper, margin = (f"{step.number(letters):.4g}" for letters in ("lower", "upper", "margin"))
    holds = "✔ positive" if step.number("margin") > 0 else "✘ not positive"
    told = in_formula(f"margin = {lower} - {upper} = {margin}")
    return f"{at(step.window).capitalize()}: {told} against {rival}: {holds}."


def verdict_said(step: Step | FeatureStep, label: str) -> str:
    """How many windows are proved, and the verdict for the label, by its name as Markdown."""
    windows, proved = (f"{step.number(letters):.4g}" for letters in ("windows", "proved"))
    undecided = "" if not step.number("undecided") else f", {step.number('undecided'):.4g} undecided"
    marks: dict[Verdict | None, str] = {Verdict.CERTIFIED: "✔", Verdict.UNDECIDED: "?", Verdict.UNPROVED: "?"}
    verdict = f"{marks.get(step.verdict, '✘')} {step.verdict}"
    return f"{proved} of {windows} windows are proved{undecided}: {verdict} for {label}."


def at(window: Window | None) -> str:
    """A window in words."""
    return "no window" if window is None else f"the window at row {window.top}, column {window.left}"


def _left_out(step: Step) -> list[Window]:
    """The cells that the line masks, or takes as malicious."""
    if step.line is Line.SCORE:
        return [] if step.other is None else [step.other]
    if step.line in (Line.UPPER, Line.UPPER_TIGHT, Line.OUTSIDE):
        return [step.window] if step.window is not None else []
    if step.line in (Line.LOWER, Line.LOWER_TIGHT, Line.LOWER_PUBLISHED):
        return [window for window in (step.window, step.other) if window is not None]
    return []


def outlined_windows(step: Step) -> list[Outline]:
    """The windows of a step by name and letter; the detected one is dashed until it has passed T."""
    windows: list[Outline] = []
    if step.other is not None and step.window is not None:
        windows.append(("other", "w'", style.OTHER, step.other))
    elif step.other is not None:
        sure = step.line in (Line.COMPARE, Line.SCORE)
        line = style.DETECTED if sure else {**style.DETECTED, "dash": "dash"}
        windows.append(("detected", "w*", line, step.other))
    if step.window is not None:
        windows.append(("malicious", "w", style.MALICIOUS, step.window))
    return windows
