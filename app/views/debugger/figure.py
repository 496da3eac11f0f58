"""Why a position fails: both bounds as waterfalls, the position on the photo, and the evidence of a witness."""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import replace

import plotly.graph_objects as go

from app.markup import in_figure
from app.plots import style
from app.plots.maps import (
    around_cells,
    cell_axes,
    edges_of,
    evidence_over_photo,
    named,
    outlined,
)
from app.plots.photo import add_photo, outlines
from app.views.debugger.text import NO_BOUND, number, step
from pg_core.analysis.photo import Analysis
from pg_core.defences.patchguard.explain import Diagnosis
from pg_core.defences.patchguard.masking import Masking
from pg_core.defences.patchguard.witness import Witness
from pg_core.defences.spec import Explanation, Term, Waterfall
from pg_core.geometry import Box, Window

_HALF = 0.4
"""Of the width of a bar; from one to the next it is 1."""
_LETTERS = 80
"""In one line below all bars."""
MASKS = 12
"""So many of what a defence took out are drawn."""
_CONNECTOR: dict[str, object] = {"color": style.BEFORE, "width": 1}
_OPPOSITE: dict[str, object] = {"color": "#111111", "width": 1.5, "dash": "dash"}
_INFINITE: dict[str, object] = {"text": "<b>∞</b>", "showarrow": True, "bgcolor": "rgba(255,255,255,0.85)"}


def waterfall(fall: Waterfall, other: Waterfall, name: str) -> go.Figure:
    """From the terms of a bound to the bound itself, and the other bound beside it as a line. Both waterfalls of a
    position have the same scale; what is infinite is hatched to the edge of the figure, and an arrow goes on."""
    low, high = _scale(fall, other)
    bars, arrows, connectors = [], [], ""
    running = 0.0
    for at, term in enumerate(fall.terms):
        before = 0.0 if term.total else running
        running = term.value if term.total else running + term.value
        start, end = (min(max(value, low), high) for value in (before, running))
        bars.append((start, end - start))
        if at + 1 < len(fall.terms) and math.isfinite(running):
            # Where a bar ends, the next one begins.
            connectors += f"M{at + _HALF},{running}H{at + 1 - _HALF}"
        if math.isinf(term.value):
            arrows.append(_arrow(at, end, upwards=term.value > 0))
    said = [_said(term, _LETTERS // len(fall.terms)) for term in fall.terms]
    shapes: list[dict[str, object]] = []
    if connectors:
        shapes.append({"type": "path", "path": connectors, "line": _CONNECTOR})
    opposite = other.terms[-1]
    if math.isfinite(opposite.value):
        level = {"y0": opposite.value, "y1": opposite.value, "x0": 0, "x1": 1, "xref": "paper"}
        shapes.append({"type": "line", "name": "opposite", "line": _OPPOSITE, **level})
        note = f"- - -  {opposite.name}: {number(opposite.value)}"
    else:
        note = f"{opposite.name}: {NO_BOUND}"
    bases, heights = zip(*bars, strict=True)
    figure = go.Figure(
        go.Bar(
            base=bases,
            y=heights,
            width=2 * _HALF,
            # A waterfall trace has no hatching.
            marker={
                "color": [_colour(term) for term in fall.terms],
                "pattern": {"shape": ["/" if math.isinf(term.value) else "" for term in fall.terms]},
            },
            customdata=said,
            hovertemplate="%{customdata}<extra></extra>",
            name=in_figure(name),
        )
    )
    above = {"x": 1, "y": 1, "xref": "paper", "yref": "paper", "xanchor": "right", "yanchor": "bottom"}
    return style.finish(figure).update_layout(
        shapes=shapes,
        annotations=[{"text": note, "showarrow": False, **above}, *arrows],
        yaxis={"range": [low, high], "showgrid": False, "zeroline": True, "showticklabels": False},
        xaxis={
            # Beside a bar, a value would lie on the line of the other class where it matters.
            "tickvals": list(range(len(fall.terms))),
            "ticktext": said,
            "tickangle": 0,
            "tickfont": {"size": 12},
            "showgrid": False,
            "zeroline": False,
            "automargin": True,
        },
        height=320,
        margin={"l": 8, "r": 8, "t": 26, "b": 64},
    )


def by_branch(explanation: Explanation, told: Diagnosis) -> Explanation:
    """The waterfalls of robust masking, whose last step but one is named by the branch that applies."""
    falls = []
    for fall, account in ((explanation.lower, told.label), (explanation.upper, told.rival)):
        *terms, change, bound = fall.terms
        falls.append(replace(fall, terms=(*terms, replace(change, name=step(account)), bound)))
    return replace(explanation, lower=falls[0], upper=falls[1])


def in_words(fall: Waterfall, name: str) -> str:
    """A waterfall for those who cannot see it."""
    return f"{name}: " + ", ".join(
        f"{term.name} {number(term.value, signed=not term.total) if math.isfinite(term.value) else NO_BOUND}"
        for term in fall.terms
    )


def position_on_photo(
    analysis: Analysis, at: Box, masked: Sequence[Box] = (), other: Window | None = None
) -> go.Figure:
    """The photo under what the defence adds up for the label, if it adds up evidence: with the malicious window w and
    all pixels that its cells see, or the patch; with what the defence masked; and with the other window w' that costs
    the label most."""
    field, image_size = analysis.features.receptive_field, analysis.features.framing.image_size
    figure = _photo(analysis)
    shapes = outlined("seen", style.FOOTPRINT, [edges_of(field.pixels(at))]) if isinstance(at, Window) else []
    names = []
    drawn: list[tuple[str, str, dict[str, object], Box]] = [
        ("", "masked", style.DETECTED, box) for box in masked[:MASKS]
    ]
    if other is not None:
        drawn.append(("w'", "other", style.OTHER, other))
    # A name would lie on a small patch.
    drawn.append(("w" if isinstance(at, Window) else "", "malicious", style.MALICIOUS, at))
    for letter, name, line, box in drawn:
        around = outlines(field, box, image_size) if isinstance(box, Window) else [edges_of(box)]
        shapes += outlined(name, line, around)
        if letter:
            names.append(named(around[0]["x0"], around[0]["y0"], letter, corner=True))
    figure.update_traces(showscale=False)
    margin = {"l": 4, "r": 4, "t": 4, "b": 26}
    return figure.update_layout(height=400, margin=margin, shapes=shapes, annotations=names)


def witness_maps(analysis: Analysis, witness: Witness) -> go.Figure:
    """The evidence of the label and of the class that wins, before and after, with what Algorithm 1 detects in it."""
    maps: list[go.Heatmap] = []
    axes: dict[str, dict[str, object]] = {}
    shapes: list[dict[str, object]] = []
    titles = []
    for index in (witness.label, witness.prediction):
        most = max(float(analysis.masking.evidence[index].max()), float(witness.evidence[index].max()), 1e-9)
        for masking, when in ((analysis.masking, "as it is"), (witness.masking, "with the witness")):
            panel = len(maps) + 1
            suffix = "" if panel == 1 else str(panel)
            maps.append(_map(masking, index, most, suffix))
            map_size, detected = masking.windows.map_size, masking.window(index)
            axes |= cell_axes(map_size, panel)
            if detected is not None:
                shapes += outlined("detected", style.DETECTED, around_cells(detected, map_size, 0.42), panel)
            shapes += outlined("malicious", style.MALICIOUS, around_cells(witness.window, map_size), panel)
            titles.append(_title(f"{in_figure(analysis.classes[index])}: {when}", suffix))
    figure = style.finish(go.Figure(maps))
    return figure.update_layout(
        grid={"rows": 2, "columns": 2, "pattern": "independent", "xgap": 0.08, "ygap": 0.16},
        height=560,
        margin={"l": 4, "r": 4, "t": 26, "b": 26},
        shapes=shapes,
        annotations=titles,
        **axes,
    )


def _scale(fall: Waterfall, other: Waterfall) -> tuple[float, float]:
    """From the least to the largest finite value that either waterfall reaches, with room beyond them."""
    values = [0.0]
    for each in (fall, other):
        running = 0.0
        for term in each.terms:
            running = term.value if term.total else running + term.value
            values.append(running)
    finite = [value for value in values if math.isfinite(value)]
    low, high = min(finite), max(finite)
    room = max(high - low, 1e-9)
    return (low - 0.12 * room if low < 0 else 0.0), high + 0.12 * room


def _colour(term: Term) -> str:
    if term.total:
        return style.AFTER
    return style.GAINED if term.value >= 0 else style.LOST


def _said(term: Term, letters: int) -> str:
    value = number(term.value, signed=not term.total)
    lines = textwrap.wrap(term.name, letters)
    return "<br>".join([*lines, f"<b>{value if math.isfinite(term.value) else NO_BOUND}</b>"])


def _arrow(at: int, edge: float, upwards: bool) -> dict[str, object]:
    """An arrow that ends at the edge of the figure."""
    tail = 40 if upwards else -40
    return {"x": at, "y": edge, "ax": 0, "ay": tail, "arrowhead": 2, "arrowwidth": 2, **_INFINITE}


def _photo(analysis: Analysis) -> go.Figure:
    evidence, features = analysis.evidence, analysis.features
    if evidence is not None:
        own = evidence[int(analysis.certificate.label)]
        figure = evidence_over_photo(features, own, 0.4)
        return figure.update_traces(zmin=min(0.0, float(own.min())))
    figure, (height, width) = go.Figure(), features.framing.image_size
    add_photo(figure, features.pixels)
    axis = {"visible": False, "constrain": "domain"}
    return style.finish(figure).update_layout(
        xaxis={"range": [0, width], **axis}, yaxis={"range": [height, 0], "scaleanchor": "x", **axis}
    )


def _map(masking: Masking, index: int, most: float, suffix: str) -> go.Heatmap:
    return go.Heatmap(
        z=masking.evidence[index],
        zmin=0.0,
        zmax=most,
        colorscale=style.SEQUENTIAL,
        showscale=False,
        hovertemplate="row %{y}, column %{x}<br>evidence <b>%{z:.4g}</b><extra></extra>",
        xaxis=f"x{suffix}",
        yaxis=f"y{suffix}",
    )


def _title(text: str, suffix: str) -> dict[str, object]:
    place = {"x": 0.5, "y": 1.0, "xref": f"x{suffix} domain", "yref": f"y{suffix} domain"}
    return {"text": text, **place, "xanchor": "center", "yanchor": "bottom", "showarrow": False}
