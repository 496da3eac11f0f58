"""The words and numbers that say what an analysis found, for people, terminals and JSON."""

import math
from typing import TYPE_CHECKING

from pg_core import __version__
from pg_core.defences.base import Certificate, Claim, Defence, Verdict
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.defences.registry import spec_of
from pg_core.defences.undefended import Undefended
from pg_core.geometry import Box, Windows, times
from pg_core.io.json import SCHEMA
from pg_core.io.printable import printable
from pg_core.photos.framing import Framing, Space, Threat

if TYPE_CHECKING:
    from pg_core.analysis.photo import Analysis

Summary = dict[str, object]
"""Numbers and words only, as JSON takes them."""


def places(certificate: Certificate, one: bool = False) -> str:
    """The positions of a certificate in a word: windows or placements, or one of them."""
    what = "window" if isinstance(certificate.positions, Windows) else "placement"
    return what if one else f"{what}s"


def sentence(analysis: "Analysis") -> str:
    """What is proved, in which space, or what is missing, in one sentence or two."""
    certificate, positions = analysis.certificate, analysis.certificate.positions
    patch = _threat(analysis.threat, analysis.features.framing)
    what, label = places(certificate), analysis.label
    if analysis.verdict is Verdict.ALERT:
        return f"Nothing to certify for '{label}': without any patch the defence raises an alert."
    if analysis.verdict is Verdict.MISCLASSIFIED:
        return (
            f"Nothing to certify for '{label}': without any patch the defended prediction is "
            f"'{analysis.prediction}'."
        )
    if isinstance(positions, Windows) and positions.covering_map:
        return (
            f"Nothing can be certified against a {patch}: a local logit sees {analysis.features.receptive_field}, so "
            f"the patch can touch all {times(positions.map_size)} of them; the only window is the whole map, and "
            "no evidence is left outside it."
        )
    if analysis.verdict is Verdict.UNPROVED and isinstance(analysis.defence, Undefended):
        return f"Nothing is proved against a {patch}: without a defence nothing is claimed."
    if analysis.verdict is Verdict.UNPROVED and not isinstance(analysis.defence, RobustMasking):
        return f"Nothing is proved against a {patch}: certificates of {analysis.spec.title} claim nothing."
    if analysis.verdict is Verdict.UNPROVED:
        return (
            f"Nothing is proved against a {patch}: the published bound is wrong for T > 0, so its certificate "
            f"claims nothing (its margin is positive in {(certificate.margin > 0).sum()} of "
            f"{positions.count} {what})."
        )
    if analysis.verdict is Verdict.CERTIFIED:
        alert = " without an alert" if certificate.claim is Claim.LABEL_OR_ALERT else ""
        return f"No {patch} can change '{label}'{alert}."
    if analysis.verdict is Verdict.UNDECIDED:
        return (
            f"Undecided against a {patch}: every margin is positive, but {certificate.undecided.sum()} "
            f"of {positions.count} are within the tolerance, which is estimated."
        )
    row, column = certificate.worst_position
    return (
        f"Not certified against a {patch}: {certificate.not_certified.sum()} of {positions.count} {what} are not "
        f"certified. {_overtaken(analysis)} The {places(certificate, one=True)} is at row {row}, column {column}."
    )


def among_the_best(analysis: "Analysis", at: Box | None = None) -> str | None:
    """Among how many of the best classes the label is proved to stay, whatever the patch, or one position, holds; in a
    sentence. None under a defence that ranks no classes (`pg_core.defences.ranks`)."""
    certificate, classes = analysis.certificate, len(analysis.classes)
    if certificate.least_rank is None:
        return None
    k = int(certificate.worst_rank if at is None else certificate.least_rank[at.top, at.left])
    where = "a patch shows" if at is None else f"this {places(certificate, one=True)} holds"
    if k == classes:
        return f"No place among the {classes:,} classes is proved for '{analysis.label}', but the last."
    best = "the best class" if k == 1 else f"among the best {k:,} of {classes:,} classes"
    return f"Whatever {where}, '{analysis.label}' stays {best} by score."


def summary(analysis: "Analysis") -> Summary:
    """The numbers of the analysis, for JSON; classes by name."""
    features, threat = analysis.features, analysis.threat
    return {
        "schema": SCHEMA,
        "model": features.model,
        "statement": sentence(analysis),
        "patch_size": threat.patch_size,
        "patch_space": threat.space,
        "image_size": features.framing.image_size,
        "share_seen": features.framing.share_seen,
        "framing": _framing(features.framing),
        "undefended_prediction": analysis.undefended_prediction,
        "prediction": analysis.prediction,
        "label": analysis.label,
        "delta": features.delta,
        "delta_is": "estimated",
        **summarise(analysis.defence, analysis.certificate, analysis.classes),
    }


def identified(analysis: "Analysis", name: str, sha256: str, weights_sha256: str | None) -> Summary:
    """The same, and what it is about: the version of this program, the name of the photo's file with the SHA-256 of
    its bytes, and that of the network's weights, None where they are not known."""
    return {
        **summary(analysis),
        "version": __version__,
        "photo": {"name": name, "sha256": sha256},
        "weights_sha256": weights_sha256,
    }


def summarise(defence: Defence, certificate: Certificate, classes: tuple[str, ...] | None = None) -> Summary:
    """The certificate of one image or map in numbers; classes by name, or by index without names. A bound that is
    infinite is null."""
    at, positions, what = certificate.worst_position, certificate.positions, places(certificate)
    rival = int(certificate.rival[at])
    where: Summary = (
        {"window_size": positions.window_size, "map_size": positions.map_size}
        if isinstance(positions, Windows)
        else {"placements_of": positions.patch_size}
    )
    return {
        "verdict": certificate.verdict,
        "claim": certificate.claim,
        "defence": spec_of(defence).name,
        "settings": str(defence),
        **where,
        **(_of_robust_masking(defence) if isinstance(defence, RobustMasking) else {}),
        what: positions.count,
        f"{what}_proved": int(certificate.proved.sum()),
        f"{what}_not_certified": int(certificate.not_certified.sum()),
        f"{what}_undecided": int(certificate.undecided.sum()),
        "tolerance": float(certificate.tolerance[at]),
        "smallest_margin": finite(certificate.margin[at]),
        **_of_ranks(certificate),
        "worst": {
            "row": at[0],
            "column": at[1],
            "rival": rival if classes is None else classes[rival],
            "lower": finite(certificate.lower[at]),
            "upper": finite(certificate.upper[at]),
        },
    }


def table(analysis: "Analysis") -> str:
    """The sentence, and under it the settings and numbers."""
    certificate, features = analysis.certificate, analysis.features
    at, what = certificate.worst_position, places(certificate)
    rows = (
        ("network", f"{features.model}, map {times(features.map_size)}"),
        ("defence", str(analysis.defence)),
        ("undefended", analysis.undefended_prediction),
        ("defended", analysis.prediction),
        ("label", analysis.label),
        (
            "verdict",
            f"{analysis.verdict}, {certificate.proved.sum()} of {certificate.positions.count} {what} proved",
        ),
        ("claim", str(certificate.claim)),
        (
            f"worst {places(certificate, one=True)}",
            f"row {at[0]}, column {at[1]}: lower {number(certificate.lower[at], '.4f')}, upper "
            f"{number(certificate.upper[at], '.4f')} ({analysis.rival(certificate.worst)}), margin "
            f"{number(certificate.margin[at], '+.4f')}",
        ),
    )
    said = filter(None, [sentence(analysis), features.framing.sentence()])
    # A name may hold the end of a line.
    return "\n".join(map(printable, [*said, *(f"  {name:<15} {value}" for name, value in rows)]))


def finite(value: float) -> float | None:
    """A number as JSON takes it: None where it is infinite or NaN."""
    return float(value) if math.isfinite(value) else None


def number(value: float, form: str) -> str:
    """A bound or a margin as a person reads it; one that is infinite is none.

    >>> number(1.23456, "+.2f"), number(-math.inf, "+.2f")
    ('+1.23', 'no bound')
    """
    return f"{value:{form}}" if math.isfinite(value) else "no bound"


def _overtaken(analysis: "Analysis") -> str:
    """What the smallest margin leaves possible, as far as the bounds know."""
    worst = analysis.certificate.worst
    margin, rival = float(analysis.certificate.margin[worst.top, worst.left]), analysis.rival(worst)
    if not math.isfinite(margin):
        return f"There is no bound for what '{rival}' reaches against '{analysis.label}'."
    could = "overtake" if margin < 0 else "draw level with"
    return f"Smallest margin {margin:+.4g}: '{rival}' could {could} '{analysis.label}'."


def _of_ranks(certificate: Certificate) -> Summary:
    if certificate.rank is None:
        return {}
    return {"rank": int(certificate.rank), "least_rank": int(certificate.worst_rank)}


def _of_robust_masking(defence: RobustMasking) -> Summary:
    return {
        "threshold": defence.threshold,
        "evidence": defence.evidence.name,
        "clip_high": finite(defence.clip_high),
        "bound": defence.bound,
    }


def _framing(framing: Framing) -> Summary:
    """The view, and as top, left, height and width the part of the photo that is seen and its place in the image."""
    content = framing.content
    return {
        "view": str(framing.view),
        "photo_size": framing.photo_size,
        "crop": (*map(float, framing.top_left), *framing.crop),
        "content": (content.top, content.left, *content.size),
    }


def _threat(threat: Threat, framing: Framing) -> str:
    size = f"{times(threat.patch_size)}-pixel patch anywhere on the "
    seen = f"{times(framing.image_size)} image the network sees"
    if threat.space is Space.NETWORK:
        return size + seen
    touched = times(threat.on_network(framing))
    return f"{size}original {times(framing.photo_size)} photo (at most {touched} pixels of the {seen})"
