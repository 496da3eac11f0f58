"""[PG] Figure 5: malicious and detected window, their regions, and what they hold, on a board and on a photo."""

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float64, Shaped

from app.markup import in_formula
from app.plots import style
from app.plots.maps import around_cells, cell_axes, evidence_over_photo, named, outlined
from app.plots.photo import outlines
from pg_core.analysis.photo import Analysis
from pg_core.defences.patchguard.boards import Board
from pg_core.defences.patchguard.cases import Case, CaseEvidence, Region, regions
from pg_core.defences.patchguard.masking import Masking
from pg_core.geometry import Window
from pg_core.plots.drawing import middle

TITLES = {
    Case.EXACT: "perfectly detected",
    Case.BENIGN: "a benign window is detected",
    Case.PARTIAL: "partially detected",
    Case.NONE: "nothing is detected",
}
MEANINGS = {
    Region.SPILLED: "detected, not malicious: benign evidence $q_1$ is masked by mistake",
    Region.CAUGHT: "detected and malicious: evidence $q_2$ is masked",
    Region.MISSED: "malicious, not detected: evidence $q_3$ stays",
}
"""In Markdown."""
_PATTERNS = {Region.SPILLED: "/", Region.CAUGHT: "x", Region.MISSED: "."}


def board(shown: Board, most: float | None = None) -> go.Figure:
    """A small board with its values; the cells of r1, r2 and r3 are hatched, and each region has its name, between the
    values. Colours end at `most`, by default the largest value: boards side by side need the same."""
    rows, columns = shown.windows.map_size
    evidence, window = shown.attacked[0], shown.window
    detected = shown.masking.window(0)
    parts = regions((rows, columns), detected, window)
    malicious = np.isin(parts, [Region.CAUGHT, Region.MISSED])
    text = np.vectorize("{:.3g}".format, otypes=[object])(evidence)
    maps = [
        go.Heatmap(
            z=np.where(cells, evidence, np.nan),
            zmin=0.0,
            zmax=max(float(evidence.max()), 1.0) if most is None else most,
            colorscale=scale,
            showscale=False,
            hoverongaps=False,
            xgap=1,
            ygap=1,
            text=np.where(cells, text, ""),
            texttemplate="%{text}",
            textfont={"color": "#111111", "size": 12},
            hovertemplate="row %{y}, column %{x}<br>evidence <b>%{z:.4g}</b><extra></extra>",
        )
        for cells, scale in ((~malicious, style.BENIGN_CELLS), (malicious, style.MALICIOUS_CELLS))
    ]
    edges = np.arange(rows + 1) - 0.5, np.arange(columns + 1) - 0.5
    map_size = rows, columns
    shapes = outlined("malicious", style.MALICIOUS, around_cells(window, map_size, 0.53))
    if detected is not None:
        shapes = [*outlined("detected", style.DETECTED, around_cells(detected, map_size, 0.43)), *shapes]
    figure = style.finish(go.Figure([*maps, *_hatched(parts, edges)]))
    margin = {"l": 2, "r": 2, "t": 4, "b": 22}
    names = [named(column, row, str(region)) for region, (row, column) in _between(parts).items()]
    return figure.update_layout(
        height=230, margin=margin, shapes=shapes, annotations=names, **cell_axes(map_size)
    )


def case_on_photo(clean: Analysis, attacked: Masking, shown_class: int, window: Window) -> go.Figure:
    """The evidence of a class over the photo, with both windows and the regions hatched and named.

    `attacked` is what Algorithm 1 saw and did with the content in the window.
    """
    features, field = clean.features, clean.features.receptive_field
    detected = attacked.window(shown_class)
    parts = regions(features.map_size, detected, window)
    figure = evidence_over_photo(features, attacked.evidence[shown_class], 0.7)
    edges = tuple(
        np.array([middle(field, cell, axis) for cell in range(count + 1)]) - field.stride[axis] / 2
        for axis, count in enumerate(features.map_size)
    )
    image_size = features.framing.image_size
    shapes = outlined("malicious", style.MALICIOUS, outlines(field, window, image_size))
    if detected is not None:
        shapes = [*outlined("detected", style.DETECTED, outlines(field, detected, image_size)), *shapes]
    figure.add_traces(_hatched(parts, edges))
    return figure.update_layout(height=420, shapes=shapes, annotations=_named(parts, edges))


def inequality(evidence: CaseEvidence, threshold: float) -> str:
    """What the case says of the evidence that is left, in the paper's letters and in numbers."""
    t, e, e_ = (f"{value:.4g}" for value in (evidence.outside, evidence.malicious, evidence.detected))
    q1, q3 = f"{evidence.spilled:.4g}", f"{evidence.missed:.4g}"
    s, bound = f"{evidence.remaining:.4g}", f"{evidence.bound:.4g}"
    match evidence.case:
        case Case.EXACT:
            return f"e = e' = {e}, so s = t = {s}"
        case Case.BENIGN:
            return f"e = {e} ≤ e' = {e_}, so s = t + e - e' = {t} + {e} - {e_} = {s} ≤ t = {t}"
        case Case.PARTIAL:
            return f"q3 = {q3} ≤ q1 = {q1}, so s = t + q3 - q1 = {t} + {q3} - {q1} = {s} ≤ t = {t}"
    most = f"{evidence.bound - evidence.outside:.4g}"
    return (
        f"e = {e} ≤ tT/(1 - T) = {t} · {threshold:.4g}/{1 - threshold:.4g} = {most}, "
        f"so s = t + e = {t} + {e} = {s} ≤ t/(1 - T) = {bound}"
    )


def formula(evidence: CaseEvidence, threshold: float) -> str:
    """The same as Markdown with formulas."""
    return ", so ".join(map(in_formula, inequality(evidence, threshold).split(", so ")))


def in_words(shown: Board) -> str:
    """The board for those who cannot see it."""
    evidence, window = shown.evidence, shown.window
    detected = shown.masking.window(0)
    found = "none" if detected is None else f"at row {detected.top}, column {detected.left}"
    return (
        f"Case {evidence.case}, {TITLES[evidence.case]}. Malicious window at row {window.top}, column "
        f"{window.left}; detected window {found}. {inequality(evidence, shown.threshold)}."
    )


def _hatched(
    parts: Shaped[np.ndarray, "rows columns"],
    edges: tuple[Float64[np.ndarray, "row_edges"], ...],
) -> list[go.Scatter]:
    """Each region in its own pattern; a shape of the layout cannot have one."""
    traces = []
    for region, pattern in _PATTERNS.items():
        x: list[float | None] = []
        y: list[float | None] = []
        for row, column in np.argwhere(parts == region):
            left, right = edges[1][column : column + 2]
            top, bottom = edges[0][row : row + 2]
            x += [left, right, right, left, left, None]
            y += [top, top, bottom, bottom, top, None]
        hatch = {
            "shape": pattern,
            "fgcolor": style.HATCH,
            "bgcolor": "rgba(0,0,0,0)",
            "size": 9,
            "solidity": 0.15,
        }
        traces.append(
            go.Scatter(
                x=x,
                y=y,
                mode="lines",
                line={"width": 0},
                fill="toself",
                fillpattern=hatch,
                name=region,
                hoverinfo="skip",
            )
        )
    return traces


def _named(
    parts: Shaped[np.ndarray, "rows columns"],
    edges: tuple[Float64[np.ndarray, "row_edges"], ...],
) -> list[dict[str, object]]:
    """The name of each region, in its cell that is nearest to its middle."""
    names = []
    for region in Region:
        cells = np.argwhere(parts == region)
        if not len(cells):
            continue
        row, column = cells[np.abs(cells - cells.mean(axis=0)).sum(axis=1).argmin()]
        x, y = edges[1][column : column + 2].mean(), edges[0][row : row + 2].mean()
        names.append(named(float(x), float(y), str(region)))
    return names


def _between(parts: Shaped[np.ndarray, "rows columns"]) -> dict[Region, tuple[float, float]]:
    """Row and column of a place near the middle of each region where no value stands: between four of its cells, or
    else between two; a single cell has it in its corner."""
    places = {}
    for region in Region:
        inside = parts == region
        if not inside.any():
            continue
        down, across = inside[:-1] & inside[1:], inside[:, :-1] & inside[:, 1:]
        free = [
            (np.argwhere(down[:, :-1] & down[:, 1:]), (0.5, 0.5)),
            (np.argwhere(across), (0.0, 0.5)),
            (np.argwhere(down), (0.5, 0.0)),
            (np.argwhere(inside), (-0.4, -0.4)),
        ]
        cells, shift = next((cells, shift) for cells, shift in free if len(cells))
        centre = np.argwhere(inside).mean(axis=0)
        row, column = cells[np.abs(cells + shift - centre).sum(axis=1).argmin()] + shift
        places[region] = (float(row), float(column))
    return places
