"""Why a window fails: both bounds as waterfalls, the windows on the photo, and the evidence of a witness."""

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
from app.plots.photo import outlines
from pg_core.analysis.photo import Analysis
from pg_core.defences.patchguard.explain import Account, Branch, Diagnosis
from pg_core.defences.patchguard.masking import Masking
from pg_core.defences.patchguard.witness import Witness


def waterfall(diagnosis: Diagnosis, account: Account, name: str) -> go.Figure:
    """From all evidence of a class to its bound, and beside it the bound of the other side as a line; both waterfalls
    of a diagnosis have the same scale."""
    for_label = account == diagnosis.label
    change = -account.taken if for_label else account.hidden
    bound, opposite = ("lower", "upper") if for_label else ("upper", "lower")
    against = diagnosis.rival if for_label else diagnosis.label
    values = [account.total, -account.inside, account.outside, change, account.bound]
    names = ["all: SUM(û)", "inside w", "outside: t", _step(account), bound]
    said = [f"{value:.4g}" if at in (0, 2, 4) else f"{value:+.4g}" for at, value in enumerate(values)]
    figure = go.Figure(
        go.Waterfall(
            # Beside a bar, a value would lie on the line of the other class where it matters.
            x=[f"{name}<br><b>{value}</b>" for name, value in zip(names, said, strict=True)],
            y=values,
            measure=["absolute", "relative", "total", "relative", "total"],
            increasing={"marker": {"color": style.GAINED}},
            decreasing={"marker": {"color": style.LOST}},
            totals={"marker": {"color": style.AFTER}},
            connector={"line": {"color": style.BEFORE, "width": 1}},
            hovertemplate="%{x}<extra></extra>",
            name=in_figure(name),
        )
    )
    across = {"xref": "paper", "x0": 0, "x1": 1, "y0": against.bound, "y1": against.bound}
    note = {
        "text": f"- - -  {opposite} of the other class: {against.bound:.4g}",
        "showarrow": False,
        "x": 1,
        "y": 1,
        "xref": "paper",
        "yref": "paper",
        "xanchor": "right",
        "yanchor": "top",
    }
    most = max(diagnosis.label.total, diagnosis.rival.total, diagnosis.rival.bound, 1e-9)
    return style.finish(figure).update_layout(
        shapes=[{"type": "line", "line": {"color": "#111111", "width": 1.5, "dash": "dash"}, **across}],
        annotations=[note],
        yaxis={"range": [0, 1.12 * most], "showgrid": False, "zeroline": True, "showticklabels": False},
        xaxis={"automargin": True, "tickfont": {"size": 12}},
        height=320,
        margin={"l": 8, "r": 8, "t": 12, "b": 64},
    )


def windows_on_photo(analysis: Analysis, diagnosis: Diagnosis) -> go.Figure:
    """The photo under the label's evidence, with the malicious window w, all pixels that its cells see, and the other
    window w' that costs the label most."""
    field = analysis.features.receptive_field
    figure = evidence_over_photo(analysis.features, analysis.masking.evidence[diagnosis.label.label], 0.4)
    image_size = analysis.features.framing.image_size
    shapes = outlined("seen", style.FOOTPRINT, [edges_of(field.pixels(diagnosis.window))])
    names = []
    drawn = [("w", "malicious", style.MALICIOUS, diagnosis.window)]
    if diagnosis.label.other is not None:
        drawn.insert(0, ("w'", "other", style.OTHER, diagnosis.label.other))
    for letter, name, line, window in drawn:
        around = outlines(field, window, image_size)
        shapes += outlined(name, line, around)
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


def why_label(account: Account, threshold: float) -> str:
    """Which branch of the lower bound applies, in words and numbers."""
    t, most, m = account.outside, threshold * account.outside, account.taken
    match account.branch:
        case Branch.OTHER:
            return (
                f"m = {m:.4g} > T t = {most:.4g}: even with nothing in w, the window w' is detected and masked. "
                f"lower = t - m = {t:.4g} - {m:.4g} = {account.bound:.4g}."
            )
        case Branch.STRADDLING:
            return (
                f"m ≤ T t = {most:.4g}: nothing need be detected. But a little evidence for the label in w has the "
                f"straddling window w' detected, which takes {m:.4g} along. lower = t - m_o = {t:.4g} - {m:.4g} = "
                f"{account.bound:.4g}."
            )
    return (
        f"m ≤ T t = {most:.4g}: nothing is detected with nothing in w, and no evidence in w changes that for the "
        f"worse, this bound says. lower = t = {account.bound:.4g}."
    )


def why_rival(account: Account, threshold: float) -> str:
    """Which branch of the upper bound applies, in words and numbers."""
    t = account.outside
    match account.branch:
        case Branch.LEMMA if threshold == 0:
            return (
                "Lemma 1 at T = 0: however much is put into w, no less is masked. "
                f"upper = t/(1 - T) = t = {account.bound:.4g}."
            )
        case Branch.LEMMA:
            return (
                f"Lemma 1: as much as tT/(1 - T) = {account.hidden:.4g} can stay in w below T. "
                f"upper = t/(1 - T) = {t:.4g}/{1 - threshold:.4g} = {account.bound:.4g}."
            )
        case Branch.HIDDEN:
            return (
                f"A linear program finds that e\\* = {account.hidden:.4g} at most can hide in w below T (Case IV). "
                f"upper = t + e\\* = {t:.4g} + {account.hidden:.4g} = {account.bound:.4g}."
            )
    return f"Nothing can hide in w: some window passes T whatever it holds. upper = t = {account.bound:.4g}."


def _step(account: Account) -> str:
    match account.branch:
        case Branch.OTHER:
            return "to w': m"
        case Branch.STRADDLING:
            return "to w': m_o"
        case Branch.SPARED:
            return "to w': none"
        case Branch.LEMMA:
            return "1/(1 - T)"
        case Branch.HIDDEN:
            return "hidden: e*"
    return "hidden: none"


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
