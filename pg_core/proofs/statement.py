"""A certificate as a statement that others can check: an in-toto Statement in the form of RFC 8785 (see format.md).

Not here: the numbers, see `pg_core.proofs.arithmetic`.
"""

import base64
import hashlib
import zlib
from dataclasses import dataclass
from fractions import Fraction
from importlib.metadata import version
from typing import Any, cast

import numpy as np
import rfc8785

from pg_core import __version__
from pg_core.analysis.photo import Analysis
from pg_core.defences.base import Claim, Verdict
from pg_core.geometry import times
from pg_core.photos.framing import Space
from pg_core.proofs.arithmetic import Arithmetic, Grid, Number, arithmetic

_STATEMENT = "https://in-toto.io/Statement/v1"
_CERTIFICATE = "urn:patchguard-explorer:certificate:v1"
_EXACT_IN_JSON = 2**53
_TRUSTED = (
    "subject",
    "network",
    "framing",
    "pixels_sha256",
    "made_with",
    "evidence.type",
    "evidence.clip_high",
    "tolerance.delta",
)

Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Subject:
    """What a statement is about: the photo's name and the SHA-256 of its file, the SHA-256 of the network's weights,
    and the device that ran it, None where it is not known."""

    photo: str
    photo_sha256: str
    weights_sha256: str
    device: str | None = None


def prove(analysis: Analysis, subject: Subject) -> Json:
    """The statement of what an analysis found, certified or not.

    Raises ValueError, one sentence, for a defence or a bound whose certificates cannot be written so.
    """
    found, certificate = arithmetic(analysis), analysis.certificate
    features, threat = analysis.features, analysis.threat
    field, framing = features.receptive_field, features.framing
    trusted = [*_TRUSTED]
    if threat.space is Space.PHOTO:
        trusted.append("threat.on_network")
    if found.grid.kind == "prediction" and found.grid.moved:
        trusted.append("tolerance.moved")
    predicate = {
        "claim": {
            "label": int(certificate.label),
            "kind": str(certificate.claim),
            "verdict": str(found.verdict),
            "words": _words(analysis, found),
        },
        "defence": {
            "name": found.defence,
            "window_size": list(found.window_size),
            "wrapping": field.wrapping,
            "threshold": written(found.threshold),
        },
        "threat": {
            "patch_size": list(threat.patch_size),
            "on_network": list(threat.on_network(framing)),
            "space": str(threat.space),
        },
        "network": {
            "name": features.model,
            "classes": list(features.classes),
            "image_size": list(framing.image_size),
            "receptive_field": {
                "size": list(field.size),
                "stride": list(field.stride),
                "offset": list(field.offset),
                "wrapping": field.wrapping,
            },
            "device": subject.device,
        },
        "framing": {
            "photo_size": list(framing.photo_size),
            "view": str(framing.view),
            "crop": [written(Fraction(value)) for value in (*framing.top_left, *framing.crop)],
            "content": [framing.content.top, framing.content.left, *framing.content.size],
        },
        "pixels_sha256": hashlib.sha256(np.ascontiguousarray(features.pixels).tobytes()).hexdigest(),
        "evidence": _evidence(found.grid),
        "tolerance": {"delta": written(Fraction(features.delta)), "moved": written(found.grid.moved)},
        "windows": {
            "lower": [written(value) for value in found.lower],
            "upper": [written(value) for value in found.upper],
            "rival": found.rival,
            "other": found.other,
        },
        "witnesses": [
            {
                "window": witness.window,
                "rival": witness.rival,
                "for_label": witness.for_label,
                "for_rival": witness.for_rival,
            }
            for witness in found.witnesses
        ],
        "made_with": {
            "patchguard-explorer": __version__,
            **{package: version(package) for package in ("numpy", "torch")},
        },
        "trusted": trusted,
    }
    return {
        "_type": _STATEMENT,
        "subject": [
            {"name": subject.photo, "digest": {"sha256": subject.photo_sha256}},
            {"name": f"weights of {features.model}", "digest": {"sha256": subject.weights_sha256}},
        ],
        "predicateType": _CERTIFICATE,
        "predicate": predicate,
    }


def serialised(statement: Json) -> bytes:
    """The one form that RFC 8785 gives a statement."""
    return rfc8785.dumps(cast(Any, statement))


def written(value: Number) -> int | str:
    """A number as statements have it: whole ones from 2^53 on, and ratios in lowest terms, as text.

    >>> written(Fraction(6, 2)), written(Fraction(6, 4)), written(2**53)
    (3, '3/2', '9007199254740992')
    """
    exact = value.denominator == 1 and -_EXACT_IN_JSON < value < _EXACT_IN_JSON
    return int(value) if exact else str(value)


def packed(values: np.ndarray) -> tuple[str, str]:
    """Whole numbers as statements have them, signed, 64 bits, the low byte first: in base64 of zlib, and the SHA-256
    of what is compressed."""
    data = np.ascontiguousarray(values, "<i8").tobytes()
    return base64.b64encode(zlib.compress(data, 9)).decode(), hashlib.sha256(data).hexdigest()


def _evidence(grid: Grid) -> Json:
    values, sha256 = packed(grid.values)
    return {
        "type": grid.kind,
        "clip_high": None if grid.clip_high is None else written(grid.clip_high),
        "step": written(grid.step),
        "shape": list(grid.values.shape),
        "values": values,
        "sha256": sha256,
    }


def _words(analysis: Analysis, found: Arithmetic) -> str:
    """The claim in one sentence."""
    if found.verdict != Verdict.CERTIFIED:
        return f"Nothing is claimed: {found.verdict}."
    image = "original photo" if analysis.threat.space is Space.PHOTO else "image that the network sees"
    patch = times(analysis.threat.patch_size)
    ending = " without an alert" if analysis.certificate.claim is Claim.LABEL_OR_ALERT else ""
    change = f"can change '{analysis.label}' under {found.defence}{ending}"
    return f"No {patch}-pixel patch anywhere on the {image} {change}."
