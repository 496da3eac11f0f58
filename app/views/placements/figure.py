"""Maps over the photo of all places of a patch: what is proved there, and the largest patch that is certified."""

from itertools import pairwise

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Bool, Int

from app.markup import in_figure
from app.plots import style
from app.plots.photo import add_photo, outlines
from pg_core.analysis.effect import BROKEN
from pg_core.analysis.photo import Analysis
from pg_core.analysis.words import number
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.defences.patchguard.placements import Finding, Placements
from pg_core.geometry import Box, Patch, Size

_HEIGHT = 500
_SYMBOLS = {
    Finding.NOT_CERTIFIED: ("x-thin-open", "not certified"),
    Finding.UNDECIDED: ("circle-open", "undecided"),
    Finding.UNSEEN: ("square-open", "seen by no feature"),
}
_STARS = 64
"""Along a side of the map, at most."""
_SIDES = [[0.0, "#440154"], [0.5, "#21918c"], [1.0, "#fde725"]]


def findings(
    clean: Analysis,
    placements: Placements,
    patch: Patch,
    broken: Bool[np.ndarray, "placement_rows placement_columns"] | None = None,
) -> go.Figure:
    """The margin of every placement, drawn where the middle of the patch is; placements with one footprint are one
    block. The patch that is looked at is outlined, and what sees it. A star is where pixels break a placement."""
    footprints = placements.footprints
    rows, columns = footprints.blocks
    at = np.ix_(rows[:-1], columns[:-1])
    margin, found = placements.margin_map[at], placements.finding_map[at]
    # Without any bound a margin is infinite, and drawn like the largest finite one.
    reach = float(np.abs(margin[np.isfinite(margin)]).max(initial=1e-9))
    margin = np.clip(margin, -reach, reach)
    if isinstance(clean.defence, RobustMasking):
        # A rival that fills a whole footprint would leave no colour for the rest.
        reach = max(min(reach, float(placements.lower.max(initial=0.0))), 1e-9)
    edges = [edge + (size - 1) / 2 for edge, size in zip((rows, columns), footprints.patch_size, strict=True)]
    figure = go.Figure(
        go.Heatmap(
            z=margin,
            y=edges[0],
            x=edges[1],
            zmin=-reach,
            zmax=reach,
            colorscale=style.DIVERGING,
            opacity=0.75,
            colorbar={"thickness": 12, "outlinewidth": 0, "title": {"text": "margin", "side": "right"}},
            text=_in_words(clean, placements),
            hovertemplate="%{text}<extra></extra>",
        )
    )
    middles = [(edge[:-1] + edge[1:] - 1) / 2 + 0.5 for edge in edges]
    for finding, (symbol, name) in _SYMBOLS.items():
        down, across = np.nonzero(found == finding.value)
        figure.add_trace(
            go.Scatter(
                y=middles[0][down],
                x=middles[1][across],
                mode="markers",
                name=name,
                marker={
                    "symbol": symbol,
                    "size": max(4, min(12, 300 // max(found.shape))),
                    "color": "#111111",
                    "line": {"width": 1.5},
                },
                hoverinfo="skip",
            )
        )
    if broken is not None and broken.any():
        _broken(figure, broken, placements.footprints.patch_size)
    features = clean.features
    footprint = features.receptive_field.footprint(patch, features.map_size)
    if footprint is not None:
        for edges_seen in outlines(features.receptive_field, footprint, features.framing.image_size):
            _rectangle(figure, "footprint", style.FOOTPRINT, edges_seen)
    _rectangle(figure, "patch", style.CURRENT, _edges(patch))
    return _on_photo(figure, clean)


def largest(clean: Analysis, sides: Int[np.ndarray, "height width"]) -> go.Figure:
    """The side of the largest certified square around each pixel, with lines of equal side; dashed where it reaches
    the longer side of the adversary's patch. A square may pass the border, so the words are of pixels of the image."""
    needed = max(clean.threat.on_network(clean.features.framing))
    top = max(int(sides.max()), 1)
    reach = (sides + 1) // 2
    figure = go.Figure(
        go.Heatmap(
            z=sides.astype(np.uint16),
            customdata=np.stack([*np.indices(sides.shape), reach], axis=-1).astype(np.uint16),
            x0=0.5,
            y0=0.5,
            zmin=0,
            zmax=top,
            colorscale=_SIDES,
            opacity=0.75,
            colorbar={
                "thickness": 12,
                "outlinewidth": 0,
                "title": {"text": "side in pixels", "side": "right"},
            },
            hovertemplate="row %{customdata[0]}, column %{customdata[1]}<br>certified: all pixels of the image fewer "
            "than <b>%{customdata[2]}</b> rows and columns away<extra></extra>",
        )
    )
    # Every few pixels will do for lines.
    step = max(1, max(sides.shape) // 112)
    lines = {"x0": 0.5, "dx": step, "y0": 0.5, "dy": step, "showscale": False, "hoverinfo": "skip"}
    interval = max(1, round(top / 6))
    for name, contours, line in (
        ("equal sides", {"start": interval, "end": top, "size": interval}, {"color": "#ffffff", "width": 1}),
        (
            "the adversary's patch",
            {"start": needed, "end": needed, "size": 1},
            {"color": "#ffffff", "width": 3, "dash": "dash"},
        ),
    ):
        figure.add_trace(
            go.Contour(
                z=sides[::step, ::step],
                name=name,
                contours={"coloring": "none", "showlabels": True, "labelfont": {"size": 12}} | contours,
                line=line,
                **lines,
            )
        )
    return _on_photo(figure, clean)


def _broken(
    figure: go.Figure, broken: Bool[np.ndarray, "placement_rows placement_columns"], patch_size: Size
) -> None:
    """Stars, fewer where there would be too many to be told apart."""
    step = max(1, max(broken.shape) // _STARS)
    down, across = np.nonzero(broken)
    _, first = np.unique(np.stack([down // step, across // step]), axis=1, return_index=True)
    figure.add_trace(
        go.Scatter(
            y=down[first] + patch_size[0] / 2,
            x=across[first] + patch_size[1] / 2,
            mode="markers",
            name=BROKEN,
            marker={
                "symbol": "star",
                "size": 14,
                "color": style.BROKEN,
                "line": {"width": 1, "color": "#111111"},
            },
            hoverinfo="skip",
        )
    )


def _in_words(clean: Analysis, placements: Placements) -> list[list[str]]:
    """For each block of placements, where its patches begin, what is known of them, and against whom."""
    rows, columns = placements.footprints.blocks
    return [
        [_told(clean, placements, range(*down), range(*across)) for across in pairwise(columns.tolist())]
        for down in pairwise(rows.tolist())
    ]


def _told(clean: Analysis, placements: Placements, tops: range, lefts: range) -> str:
    found = placements.at(tops[0], lefts[0])
    name = _SYMBOLS[found.finding][1] if found.finding in _SYMBOLS else "certified"
    against = "" if found.rival is None else f" against {in_figure(clean.classes[found.rival])}"
    return (
        f"top of the patch at row {_spelt(tops)}, left at column {_spelt(lefts)}:<br><b>{name}</b>, "
        f"margin {number(found.margin, '.4g')}{against}"
    )


def _spelt(numbers: range) -> str:
    return f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"


def _edges(box: Box) -> dict[str, float]:
    return {"x0": box.left, "x1": box.right, "y0": box.top, "y1": box.bottom}


def _rectangle(figure: go.Figure, name: str, line: dict[str, object], edges: dict[str, float]) -> None:
    figure.add_shape(type="rect", name=name, line=line, **edges)


def _on_photo(figure: go.Figure, clean: Analysis) -> go.Figure:
    height, width = clean.features.framing.image_size
    add_photo(figure, clean.features.pixels)
    style.finish(figure)
    bare = {"showgrid": False, "zeroline": False, "constrain": "domain"}
    figure.update_xaxes(range=[0, width], title={"text": "column, in pixels"}, constraintoward="left", **bare)
    figure.update_yaxes(
        range=[height, 0], title={"text": "row"}, scaleanchor="x", constraintoward="top", **bare
    )
    return figure.update_layout(height=_HEIGHT, margin={"l": 60, "r": 8, "t": 12, "b": 48})
