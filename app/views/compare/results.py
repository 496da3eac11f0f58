"""All defences on one photo; the network runs once for all of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from app.cache.analysis import BY_DIGEST, Choice, Photo, features, network, two_mask_predictions
from app.markup import in_markdown
from app.sidebar import Choices
from pg_core.analysis.comparison import Comparison, DefenceResult, compare
from pg_core.analysis.inputs import configure, supply
from pg_core.analysis.words import finite, number
from pg_core.defences.base import ALERT, Claim, Verdict, in_words
from pg_core.defences.detection import ALERT_THRESHOLD
from pg_core.defences.patchcleanser.pixels import MASKS_PER_AXIS, TwoMaskPredictions, mask_set
from pg_core.defences.registry import DEFENCES, build
from pg_core.defences.spec import DefenceConfig, Value
from pg_core.geometry import Window
from pg_core.io.progress import Report
from pg_core.io.spreadsheet import Cell, comma_separated

VERDICTS = {
    Verdict.CERTIFIED: "✔ certified",
    Verdict.UNPROVED: "? unproved",
    Verdict.NOT_CERTIFIED: "✘ not certified",
    Verdict.UNDECIDED: "? undecided",
    Verdict.MISCLASSIFIED: "✘ misclassified",
    Verdict.ALERT: "! alert",
}


def configuration(chosen: Choices, alert_threshold: float, masks_per_axis: int) -> DefenceConfig:
    """The settings of the sidebar, and those that only this page asks for."""
    settings: dict[str, Value] = {
        **dict(chosen.asked.settings),
        ALERT_THRESHOLD.name: alert_threshold,
        MASKS_PER_AXIS.name: masks_per_axis,
    }
    return configure(network(chosen.choice), chosen.patch_size, settings)


def comparison(photo: Photo, choice: Choice, config: DefenceConfig, label: str | None) -> Comparison:
    """What every defence says of a photo; double masking if its pairs of masks have been tried."""
    pairs = next(iter(two_mask_predictions(photo, choice, mask_set(config))), None)
    return _comparison(photo, choice, config, label, pairs is not None, pairs)


def try_pairs(photo: Photo, choice: Choice, config: DefenceConfig, report: Report) -> None:
    """Run the network under every pair of masks, for double masking."""
    tried = two_mask_predictions(photo, choice, mask_set(config))
    if not tried:
        defence = build("double-masking", config)
        values, _ = supply(defence, features(photo, choice), network(choice), report)
        tried.append(values)


@st.cache_resource(max_entries=16, show_spinner=False, hash_funcs=BY_DIGEST)
def _comparison(
    photo: Photo,
    choice: Choice,
    config: DefenceConfig,
    label: str | None,
    with_pairs: bool,
    _pairs: TwoMaskPredictions | None,
) -> Comparison:
    """The pairs come along, not by a second look into their cache: others may have emptied it meanwhile."""
    return compare(features(photo, choice), config, label, two_mask=_pairs)


def table(found: Comparison, window: Window) -> list[dict[str, str]]:
    """A row for each defence that says something: prediction, verdict, windows proved, smallest margin, what of this
    window, time."""
    rows = []
    for one in found.results:
        certificate = one.certificate
        margin = float(certificate.margin[certificate.worst_position])
        rows.append(
            {
                "Defence": one.spec.title,
                "Prediction": named(found, int(one.prediction.label)),
                "Verdict": _verdict(one),
                "Proved": f"{certificate.proved.sum()} of {certificate.positions.count} {places(found, one)}",
                "Smallest margin": number(margin, "+.4g"),
                "This window": proved_in_words(found, one, window),
                "Time": f"{one.seconds * 1000:.0f} ms",
            }
        )
    return rows


def left_out(found: Comparison) -> str:
    """The defences that are not in the table, and why, in a line of Markdown."""
    gone = [f"*{DEFENCES[one.name].title}* ({in_markdown(one.reason)})" for one in found.not_applicable]
    return f"Not applicable, or not run: {'; '.join(gone)}." if gone else ""


def _verdict(one: DefenceResult) -> str:
    """The verdict of a defence, with what certified means where it is not that the label stays."""
    verdict = one.certificate.verdict
    return VERDICTS[verdict].replace(verdict, in_words(verdict, one.certificate.claim))


def proved_in_words(found: Comparison, one: DefenceResult, window: Window) -> str:
    """The verdict of a defence on a malicious window, in words."""
    alert = ": label or alert" if one.certificate.claim is Claim.LABEL_OR_ALERT else ""
    if found.proves(one, window):
        return f"✔ certified{alert}"
    return "? unproved" if one.certificate.claim is Claim.NOTHING else "✘ not certified"


def named(found: Comparison, label: int) -> str:
    """A class by its name; an alert is no class."""
    return "an alert" if label == ALERT else found.features.classes[label]


def lines(found: Comparison) -> str:
    """CSV: a line for each defence and malicious window; a bound that is infinite is an empty cell."""
    rows: list[Sequence[Cell]] = []
    names = [
        "row",
        "column",
        "lower bound",
        "upper bound",
        "margin",
        "tolerance",
        "verdict",
        "label",
        "rival",
    ]
    for one in found.results:
        certificate = one.certificate
        label = named(found, int(certificate.label))
        arrays = (certificate.lower, certificate.upper, certificate.margin, certificate.tolerance)
        places = np.indices(certificate.positions.shape).reshape(2, -1).T.tolist()
        values = np.stack([array.reshape(-1) for array in arrays], axis=-1).tolist()
        rivals = certificate.rival.reshape(-1).tolist()
        verdicts = certificate.verdicts.reshape(-1).tolist()
        for at, bounds, verdict, rival in zip(places, values, verdicts, rivals, strict=True):
            rows.append(
                [
                    one.spec.title,
                    certificate.claim,
                    *at,
                    *map(finite, bounds),
                    verdict,
                    label,
                    named(found, rival),
                ]
            )
    return comma_separated(["defence", "claim", *names], rows)


@dataclass(frozen=True, slots=True)
class Reckoning:
    """The numbers of a defence at a malicious window, or at the worst place of the patch in it; `place` in words.
    `attacked` is what it predicts on a witness, where it has one."""

    place: str
    label: str
    rival: str
    lower: float
    upper: float
    margin: float
    tolerance: float
    attacked: str | None


def reckoning(found: Comparison, one: DefenceResult, window: Window) -> Reckoning | None:
    """What a defence has at a malicious window; None if no place of the patch lies in it."""
    at = found.worst_at(one, window)
    if at is None:
        return None
    certificate = one.certificate
    place = f"row {at[0]}, column {at[1]}" if certificate.positions.shape[0] > 1 else f"column {at[1]}"
    return Reckoning(
        f"the window at {place}" if certificate.positions == found.windows else f"the patch at pixel {place}",
        named(found, int(certificate.label)),
        named(found, int(certificate.rival[at])),
        float(certificate.lower[at]),
        float(certificate.upper[at]),
        float(certificate.margin[at]),
        float(certificate.tolerance[at]),
        _attacked(found, one, window, at),
    )


def _attacked(found: Comparison, one: DefenceResult, window: Window, at: tuple[int, int]) -> str | None:
    """What the defence says of a witness, run on it, where it has one."""
    if one.certificate.margin[at] > 0:
        return None
    said = one.spec.counterexample(one.defence, one.values, one.prediction, one.certificate, at)
    return None if said is None else named(found, int(said.prediction.label))


def places(found: Comparison, one: DefenceResult) -> str:
    """What the positions of a certificate are."""
    return "windows" if one.certificate.positions == found.windows else "places"
