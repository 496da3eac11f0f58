"""All defences on one photo; the network runs once for all of them."""

import csv
import io

import numpy as np
import streamlit as st

from app.compute import Choice, Photo, features
from pg_core.defences.base import ALERT, Verdict
from pg_core.defences.catalogue import TITLES, Fitting
from pg_core.geometry import Window
from pg_core.lineup import Contender, Lineup, line_up

VERDICTS = {
    Verdict.CERTIFIED: "✔ certified",
    Verdict.VULNERABLE: "✘ not certified",
    Verdict.UNDECIDED: "? undecided",
    Verdict.MISCLASSIFIED: "✘ another label",
    Verdict.ALERT: "! alert",
}


@st.cache_resource(max_entries=16, show_spinner=False, hash_funcs={Photo: lambda photo: photo.digest})
def lineup(photo: Photo, choice: Choice, fitting: Fitting, label: str | None) -> Lineup:
    """What every defence says of a photo."""
    return line_up(features(photo, choice), fitting, label)


def table(found: Lineup, window: Window) -> list[dict[str, str]]:
    """A row for each defence: prediction, verdict, failing windows, smallest margin, what of this window, time."""
    rows = []
    for one in found.contenders:
        certificate = one.certificate
        worst = certificate.worst
        margin = float(certificate.margin[worst.top, worst.left])
        rows.append(
            {
                "Defence": TITLES[one.kind],
                "Prediction": named(found, int(one.prediction.label)),
                "Verdict": VERDICTS[certificate.verdict] if one.defence.sound else "? proves nothing",
                "Failing windows": f"{certificate.failing.sum()} of {certificate.windows.count}",
                "Smallest margin": f"{margin:+.4g}",
                "This window": "✔ proved" if one.proves(window) else "✘ not proved",
                "Time": f"{one.seconds * 1000:.0f} ms",
            }
        )
    names = list(rows[0]) if rows else ["Defence", "Verdict"]
    blank = dict.fromkeys(names, "–")
    return rows + [
        blank | {"Defence": TITLES[gone.kind], "Verdict": "does not apply"} for gone in found.absent
    ]


def named(found: Lineup, label: int) -> str:
    """A class by its name; an alert is no class."""
    return "an alert" if label == ALERT else found.features.classes[label]


def lines(found: Lineup) -> str:
    """CSV: a line for each defence and malicious window, with the names of the glossary."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["defence", "row", "column", "lower", "upper", "margin", "tolerance", "label", "rival"])
    for one in found.contenders:
        certificate = one.certificate
        label = named(found, int(certificate.label))
        for at in np.ndindex(certificate.windows.shape):
            numbers = (certificate.lower, certificate.upper, certificate.margin, certificate.tolerance)
            values = [float(number[at]) for number in numbers]
            writer.writerow([one.kind, *at, *values, label, named(found, int(certificate.rival[at]))])
    return text.getvalue()


def numbers(one: Contender, window: Window) -> tuple[float, float, float, float]:
    """lower, upper, margin and tolerance of a defence at a malicious window."""
    certificate, at = one.certificate, (window.top, window.left)
    arrays = (certificate.lower, certificate.upper, certificate.margin, certificate.tolerance)
    lower, upper, margin, tolerance = (float(array[at]) for array in arrays)
    return lower, upper, margin, tolerance
