"""All defences on one photo; the network runs once for all of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import streamlit as st

from app.cache.analysis import BY_DIGEST, Choice, Photo, features, network
from pg_core.analysis.comparison import Contender, Lineup, line_up
from pg_core.defences.base import ALERT, Claim, Verdict, in_words
from pg_core.defences.interval.from_torch import layers_of
from pg_core.defences.patchcleanser.features import FeatureMasking
from pg_core.defences.patchcleanser.inference import mean_logits, pair_logits
from pg_core.defences.patchcleanser.masks import CoveringMasks
from pg_core.defences.patchcleanser.pixels import PairLogits
from pg_core.defences.registry import TITLES, Fitting
from pg_core.evidence.grid import clip
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


def lineup(photo: Photo, choice: Choice, fitting: Fitting, label: str | None) -> Lineup:
    """What every defence says of a photo; double masking if its pairs of masks have been tried."""
    pairs = next(iter(_tried(photo, choice, fitting.masks)), None)
    return _lineup(photo, choice, fitting, label, pairs is not None, pairs)


def try_pairs(photo: Photo, choice: Choice, masks: CoveringMasks, report: Report) -> None:
    """Run the network under every pair of masks, for double masking."""
    tried = _tried(photo, choice, masks)
    if not tried:
        classify = mean_logits(network(choice))
        tried.append(pair_logits(classify, features(photo, choice).pixels, masks, batch=1, report=report))


@st.cache_resource(max_entries=16, show_spinner=False, hash_funcs=BY_DIGEST)
def _tried(photo: Photo, choice: Choice, masks: CoveringMasks) -> list[PairLogits]:
    """Where the logits under pairs of masks are kept: what is cached may not draw a progress bar."""
    return []


@st.cache_resource(max_entries=16, show_spinner=False, hash_funcs=BY_DIGEST)
def _lineup(
    photo: Photo,
    choice: Choice,
    fitting: Fitting,
    label: str | None,
    with_pairs: bool,
    _pairs: PairLogits | None,
) -> Lineup:
    """The pairs come along, not by a second look into their cache: others may have emptied it meanwhile."""
    model = network(choice)
    try:
        layers = layers_of(model)
    except ValueError:
        layers = None  # then interval bounds say so themselves
    return line_up(features(photo, choice), replace(fitting, layers=layers), label, pairs=_pairs)


def table(found: Lineup, window: Window) -> list[dict[str, str]]:
    """A row for each defence: prediction, verdict, windows proved, smallest margin, what of this window, time."""
    rows = []
    for one in found.contenders:
        certificate = one.certificate
        worst = certificate.worst
        margin = float(certificate.margin[worst.top, worst.left])
        rows.append(
            {
                "Defence": TITLES[one.kind],
                "Prediction": named(found, int(one.prediction.label)),
                "Verdict": _verdict(one),
                "Proved": f"{certificate.proved.sum()} of {certificate.windows.count} {places(found, one)}",
                "Smallest margin": f"{margin:+.4g}",
                "This window": proved_in_words(found, one, window),
                "Time": f"{one.seconds * 1000:.0f} ms",
            }
        )
    names = list(rows[0]) if rows else ["Defence", "Verdict"]
    blank = dict.fromkeys(names, "–")
    for gone in found.absent:
        verdict = "not run" if gone.kind.sees_pairs else "does not apply"
        rows.append(blank | {"Defence": TITLES[gone.kind], "Verdict": verdict})
    return rows


def _verdict(one: Contender) -> str:
    """The verdict of a defence, with what certified means where it is not that the label stays."""
    verdict = one.certificate.verdict
    return VERDICTS[verdict].replace(verdict, in_words(verdict, one.certificate.claim))


def proved_in_words(found: Lineup, one: Contender, window: Window) -> str:
    """Whether a defence proves what it claims for a malicious window, in words."""
    alert = ": label or alert" if one.certificate.claim is Claim.LABEL_OR_ALERT else ""
    return f"✔ proved{alert}" if found.proves(one, window) else "✘ not proved"


def named(found: Lineup, label: int) -> str:
    """A class by its name; an alert is no class."""
    return "an alert" if label == ALERT else found.features.classes[label]


def lines(found: Lineup) -> str:
    """CSV: a line for each defence and malicious window, with the names of the glossary."""
    rows: list[Sequence[Cell]] = []
    names = ["row", "column", "lower", "upper", "margin", "tolerance", "verdict", "label", "rival"]
    for one in found.contenders:
        certificate = one.certificate
        label = named(found, int(certificate.label))
        numbers = (certificate.lower, certificate.upper, certificate.margin, certificate.tolerance)
        places = np.indices(certificate.windows.shape).reshape(2, -1).T.tolist()
        values = np.stack([number.reshape(-1) for number in numbers], axis=-1).tolist()
        rivals = certificate.rival.reshape(-1).tolist()
        verdicts = certificate.verdicts.reshape(-1).tolist()
        for at, bounds, verdict, rival in zip(places, values, verdicts, rivals, strict=True):
            rows.append([one.kind, certificate.claim, *at, *bounds, verdict, label, named(found, rival)])
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


def reckoning(found: Lineup, one: Contender, window: Window) -> Reckoning | None:
    """What a defence has at a malicious window; None if no place of the patch lies in it."""
    at = found.worst_at(one, window)
    if at is None:
        return None
    certificate = one.certificate
    place = f"row {at[0]}, column {at[1]}" if certificate.windows.shape[0] > 1 else f"column {at[1]}"
    return Reckoning(
        f"the window at {place}" if certificate.windows == found.windows else f"the patch at pixel {place}",
        named(found, int(certificate.label)),
        named(found, int(certificate.rival[at])),
        float(certificate.lower[at]),
        float(certificate.upper[at]),
        float(certificate.margin[at]),
        float(certificate.tolerance[at]),
        _attacked(found, one, window, at),
    )


def _attacked(found: Lineup, one: Contender, window: Window, at: tuple[int, int]) -> str | None:
    """The class that double masking on features predicts if the malicious window is all the rival's."""
    if not isinstance(one.defence, FeatureMasking) or one.certificate.margin[at] > 0:
        return None
    evidence = clip(found.features.local_logits, one.defence.evidence, one.defence.clip_high)
    label, rival = int(one.certificate.label), int(one.certificate.rival[at])
    said = one.defence.attacked_prediction(evidence, label, rival, window)
    return None if said is None else named(found, int(said.label))


def places(found: Lineup, one: Contender) -> str:
    """What the positions of a certificate are."""
    return "windows" if one.certificate.windows == found.windows else "places"
