"""A verdict with its limits: what is proved, what that rests on, and what it does not say.

The three lines stand under every verdict, so that nobody quotes the first without the others.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pg_core.analysis.words import places
from pg_core.defences.base import Claim, DefenceInput, Verdict
from pg_core.geometry import times
from pg_core.photos.framing import Space

if TYPE_CHECKING:
    from pg_core.analysis.photo import Analysis


@dataclass(frozen=True, slots=True)
class Limits:
    """What is proved, what is assumed and what is not said of one photo, a sentence each, and a text with all of them
    that can be quoted."""

    proved: str
    assumed: str
    not_said: str
    quotation: str


def limits(analysis: "Analysis") -> Limits:
    """What the verdict on a photo says and does not say, in words for people who did not read a paper."""
    proved, assumed, not_said = _proved(analysis), _assumed(analysis), _not_said(analysis)
    quotation = (
        f"{analysis.sentence()} Network: {analysis.features.model}; defence: {analysis.spec.title}. Assumed: "
        f"{assumed} Not said: {not_said}"
    )
    return Limits(proved, assumed, not_said, quotation)


def _proved(analysis: "Analysis") -> str:
    certificate, label = analysis.certificate, analysis.label
    if not certificate.proved.any():
        return "nothing."
    kept = (
        f"the answer stays '{label}', or there is an alert"
        if certificate.claim is Claim.LABEL_OR_ALERT
        else f"the answer stays '{label}'"
    )
    if analysis.verdict is Verdict.CERTIFIED:
        return (
            f"{kept}, whatever one {times(analysis.threat.patch_size)}-pixel patch shows, and wherever it is."
        )
    what = places(certificate)
    where = "for a patch inside" if what == "windows" else "at"
    return (
        f"{kept} {where} {certificate.proved.sum()} of {certificate.positions.count} {what}, whatever the patch "
        "shows; elsewhere a proof is missing, which is no attack."
    )


def _assumed(analysis: "Analysis") -> str:
    one = f"one rectangle of at most {times(analysis.threat.patch_size)} pixels, and nothing else changed"
    rounding = "rounding within the tolerance (estimated)"
    match analysis.spec.input:
        case DefenceInput.PIXELS:
            return f"{one}; the network as computed in float64."
        case DefenceInput.TWO_MASK_PREDICTIONS:
            return f"{one}; {rounding}."
    return f"{one}; each cell sees its receptive field alone (tested); {rounding}."


def _not_said(analysis: "Analysis") -> str:
    before = "before cropping and resizing" if analysis.threat.space is Space.NETWORK else "before the photo"
    return f"that '{analysis.label}' is right; several patches; other attacks; patches {before}."
