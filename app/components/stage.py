"""The stage in the browser: four linked panels and the patch in; a picked window and the patch's new place out.

A *scene* is what the browser needs to show everything at rest and to go on by itself while the patch is dragged: the
figure, what is proved of every placement, and the maps without the patch. An *answer* is what the network says of
one place of the patch: the cells that it changes, and the predictions. While the patch moves only answers are sent.
"""

import base64
import math
from collections.abc import Callable, Collection

import numpy as np

from app.components.component import PLOTLY_URL, component
from app.plots import style
from app.plots.stage import maps_of, stage
from pg_core.analysis.photo import Analysis, Answer
from pg_core.analysis.words import number
from pg_core.defences.base import ALERT, Claim, in_words
from pg_core.defences.patchguard.cases import Case, cases
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.defences.patchguard.placements import Finding, Placements
from pg_core.geometry import Box, Patch, Positions, ReceptiveField, Size, Window, Windows, cells

Data = dict[str, object]
"""Numbers and words only, as JSON takes them."""

_LINES = {
    "malicious": style.MALICIOUS,
    "detected": style.DETECTED,
    "footprint": style.FOOTPRINT,
    "current": style.CURRENT,
}
_CASES = {
    Case.EXACT: "the malicious window is detected",
    Case.BENIGN: "a benign window is detected",
    Case.PARTIAL: "partially detected",
    Case.NONE: "nothing is detected",
}


def patch_canvas(
    scene: Data | None,
    answer: Data | None,
    clean: Analysis,
    acknowledged: int,
    panels: tuple[int, ...],
    key: str,
    on_window: Callable[[], None],
    on_patch: Callable[[], None],
) -> None:
    """Show a scene, or None to keep the last one while the patch moves, and the answer for the patch, if there is one.

    Calls back when a window is picked and when the patch is moved: `window` and `patch` of the state under the key
    then say where. `acknowledged` is the number of the last message about the patch that has been dealt with; the
    panels that are not named, 1 to 4, are dimmed.
    """
    features, positions = clean.features, clean.certificate.positions
    field, image_size = features.receptive_field, features.framing.image_size
    # The cells of the maps are those of the network, also where placements of pixels are certified.
    windows = positions if isinstance(positions, Windows) else Windows(features.map_size, (1, 1))
    component("stage")(
        key=key,
        data={
            "plotly": PLOTLY_URL,
            "scene": scene,
            "answer": answer,
            "acknowledged": acknowledged,
            "panels": list(panels),
            "stage": stage_in(field, image_size, windows),
            "certified": certified_in(field, image_size, positions),
        },
        on_window_change=on_window,
        on_patch_change=on_patch,
    )


def stage_in(field: ReceptiveField, image_size: Size, windows: Windows) -> Data:
    """The sizes that the browser's formulas need, as rows and columns."""
    return {
        "image": list(image_size),
        "map": list(windows.map_size),
        "field": list(field.size),
        "stride": list(field.stride),
        "offset": list(field.offset),
        "bands": field.wrapping,
        "window": list(windows.window_size),
        "positions": list(windows.shape),
        "wrapping": windows.wrapping,
    }


def certified_in(field: ReceptiveField, image_size: Size, positions: Positions) -> Data:
    """The same of what is certified, what that is called, and the axes along which all of it is alike."""
    if isinstance(positions, Windows):
        return {**stage_in(field, image_size, positions), "what": "window", "alike": [False, False]}
    return {
        **stage_in(positions.field, image_size, positions.windows),
        "what": "placement",
        "alike": [positions.rows_alike, positions.columns_alike],
    }


def scene_of(
    photo: str,
    clean: Analysis,
    shown: Answer,
    shown_class: int,
    malicious: Box,
    patch: Patch | None,
    placements: Placements | None,
    found: Collection[Patch] = (),
) -> Data:
    """All that is shown at rest, and all that a drag needs of the photo of this digest and of its certificate; found
    are places at which other pixels are known to change the defended answer."""
    at = malicious.top, malicious.left
    logits, evidence = maps_of(clean, shown_class)
    return {
        "figure": stage(clean, shown, shown_class, malicious, patch, found).to_json(),
        "photo": photo,
        "patch": patch and _box(patch),
        "picked": {"row": at[0], "column": at[1]},
        "spoken": _spoken(clean, malicious),
        "lines": {name: {"line": line} for name, line in _LINES.items()},
        "logits": _float64(logits),
        "evidence": _float64(evidence),
        "certified": list(clean.threat.on_network(clean.features.framing)),
        "windows": _windows(clean),
        "placements": placements
        and placements_in(placements, clean.classes, clean.certificate.claim, _note(clean)),
    }


def answer_of(clean: Analysis, shown: Answer, shown_class: int, patch: Patch) -> Data:
    """What the network says of the photo with the patch there: predictions, and the cells that differ."""
    footprint, scores = shown.footprint(patch), shown.defended.scores
    masked = shown.masked(shown_class)
    # The outline that moves is a window of the certificate's size; more or other ones are drawn at rest.
    detected = masked[0] if len(masked) == 1 and isinstance(masked[0], Window) else None
    label = int(shown.defended.label)
    others = [index for index in np.argsort(-scores, kind="stable").tolist() if index != label]
    changed = (slice(0), slice(0)) if footprint is None else cells(footprint, shown.features.map_size)
    logits, evidence = (values[changed] for values in maps_of(shown, shown_class))
    return {
        "patch": _box(patch),
        "footprint": footprint and _box(footprint),
        "logits": _float64(logits),
        "evidence": _float64(evidence),
        "detected": detected and [detected.top, detected.left],
        "undefended": shown.undefended_prediction,
        "defence": clean.spec.title,
        "changed": label != int(clean.defended.label),
        "defended": shown.prediction,
        "score": None if label == ALERT else float(scores[label]),
        "next": shown.classes[others[0]],
        "next_score": float(scores[others[0]]),
        "figure_5": _case(clean, shown, shown_class, patch),
    }


def placements_in(
    placements: Placements, classes: tuple[str, ...], claim: Claim = Claim.LABEL, note: str = ""
) -> Data:
    """What is proved of every distinct footprint, for the browser to look up, what each finding is called where this
    is claimed, and a note on how."""
    footprints = placements.footprints
    rivals, index = np.unique(placements.rival, return_inverse=True)
    predicted = placements.prediction == placements.label
    return {
        "size": list(footprints.patch_size),
        "rows": footprints.rows.tolist(),
        "columns": footprints.columns.tolist(),
        "margin": _float64(placements.margin),
        "findings": placements.findings.reshape(-1).tolist(),
        "rivals": index.reshape(-1).tolist(),
        "names": [classes[rival] for rival in rivals.tolist()],
        "unseen": (Finding.UNSEEN if predicted else Finding.NOT_CERTIFIED).value,
        "benign": placements.benign,
        "words": {finding.value: in_words(finding.value, claim) for finding in Finding},
        "note": note,
    }


def _case(clean: Analysis, shown: Answer, shown_class: int, patch: Patch) -> str | None:
    """The case of Figure 5 for the class that is shown, with the patch as it is there; None if none applies: the
    patch is larger than the certificate allows for, or no feature sees it."""
    window = clean.position(patch)
    if not isinstance(window, Window) or not isinstance(shown.defence, RobustMasking):
        return None
    case = cases(shown.defence, clean.masking.evidence, shown.masking, window)[shown_class].case
    return f"Figure 5, {shown.classes[shown_class]}: case {case.value}, {_CASES[case]}"


def _windows(clean: Analysis) -> Data:
    certificate = clean.certificate
    verdicts = [in_words(verdict, certificate.claim) for verdict in certificate.verdicts.reshape(-1).tolist()]
    rivals, index = np.unique(certificate.rival, return_inverse=True)
    return {
        "margin": _float64(certificate.margin),
        "verdicts": verdicts,
        "rivals": index.reshape(-1).tolist(),
        "names": [clean.classes[rival] for rival in rivals.tolist()],
    }


def _spoken(clean: Analysis, malicious: Box) -> str:
    """What is looked at, for those who cannot see it."""
    certificate, positions = clean.certificate, clean.certificate.positions
    row, column = f"row {malicious.top}", f"column {malicious.left}"
    what = "Malicious window"
    if not isinstance(positions, Windows):
        what = "Patch"
        row, column = (
            "any row" if positions.rows_alike else row,
            "any column" if positions.columns_alike else column,
        )
    margin = float(certificate.margin[malicious.top, malicious.left])
    said = number(margin, ".3g")
    if math.isfinite(margin):
        said = f"margin {said} against {clean.rival(malicious)}"
    return f"{what} at {row}, {column}: {said}."


def _note(clean: Analysis) -> str:
    """Placements have sound bounds even where the certificate of the photo claims nothing."""
    published = isinstance(clean.defence, RobustMasking) and clean.certificate.claim is Claim.NOTHING
    return " (by the sound bound)" if published else ""


def _box(box: Box) -> list[int]:
    return [box.top, box.left, box.height, box.width]


def _float64(values: np.ndarray) -> str:
    """The bytes of the numbers, all of them, little endian, row by row."""
    return base64.b64encode(np.ascontiguousarray(values, "<f8").tobytes()).decode()
