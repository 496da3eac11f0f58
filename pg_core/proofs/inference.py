"""Whether the evidence of a certificate file is what its network says of its photo: the network runs again.

Across machines local logits differ, so that values are compared within the file's delta (theory §5, Numerics). Not
here: the arithmetic from the evidence on, see `pg_core.proofs.checker`.
"""

import base64
import hashlib
import zlib
from fractions import Fraction
from typing import Any

import numpy as np

from pg_core.defences.bounded import SLOPE, BoundedEvidence
from pg_core.defences.detection import MaskedDetection
from pg_core.defences.smoothing import VOTE_THRESHOLD
from pg_core.evidence.grid import clip
from pg_core.evidence.types import EvidenceType, confidence
from pg_core.io.parameters import shown
from pg_core.networks.network import Network
from pg_core.photos.inference import LocalFeatures, extract


def compared(statement: Any, photo: bytes, network: Network) -> str:  # noqa: ANN401 - JSON, which the checker has seen
    """What was compared, in one sentence, of a statement that the checker found consistent; photo is the photo's file.

    Raises ValueError, which names the field, where the network, the pixels that it sees or the evidence are others.
    """
    predicate, field = statement["predicate"], network.receptive_field
    own = predicate["network"]
    _require("subject[1].digest.sha256", statement["subject"][1]["digest"]["sha256"], network.weights_sha256)
    _require("network.name", own["name"], network.name)
    _require("network.classes", own["classes"], list(network.classes))
    _require("network.image_size", own["image_size"], list(network.image_size))
    for name, expected in (
        ("size", [*field.size]),
        ("stride", [*field.stride]),
        ("offset", [*field.offset]),
        ("wrapping", field.wrapping),
    ):
        _require(f"network.receptive_field.{name}", own["receptive_field"][name], expected)
    framing = predicate["framing"]
    view = framing.get("view") if isinstance(framing, dict) else None
    features = extract(photo, network, str(view))
    pixels = hashlib.sha256(np.ascontiguousarray(features.pixels).tobytes()).hexdigest()
    _require("pixels_sha256", predicate["pixels_sha256"], pixels)
    return _evidence_compared(predicate, features)


def _evidence_compared(predicate: Any, features: LocalFeatures) -> str:  # noqa: ANN401 - as above
    evidence, delta = predicate["evidence"], Fraction(predicate["tolerance"]["delta"])
    kind, step = evidence["type"], Fraction(evidence["step"])
    data = zlib.decompress(base64.b64decode(evidence["values"]))
    said = np.frombuffer(data, "<i8").reshape(evidence["shape"]) * float(step)
    allowed = float(delta)
    if kind == "tanh":
        again, allowed = BoundedEvidence((1, 1)).squash(features.local_logits), SLOPE * allowed
    elif kind == "local logits":
        again = MaskedDetection((1, 1)).on_grid(features.local_logits)
    elif predicate["defence"]["name"] == "de-randomized smoothing":
        again = (confidence(features.local_logits) >= VOTE_THRESHOLD).astype(np.float64)
    else:
        clip_high = float("inf") if evidence["clip_high"] is None else float(Fraction(evidence["clip_high"]))
        again = clip(features.local_logits, EvidenceType.named(kind), clip_high)
    differences = np.abs(said - again)
    if kind == "prediction":
        flipped, most = (
            int((differences > 0).sum(axis=(1, 2)).max()),
            Fraction(predicate["tolerance"]["moved"]),
        )
        if flipped > most:
            raise ValueError(
                f"evidence.values: expected at most {most} other votes of a class, got {flipped}"
            )
        return (
            f"the network was run again; at most {flipped} votes of a class are others, where {most} may be"
        )
    largest = float(differences.max())
    if largest > allowed + float(step):
        raise ValueError(
            f"evidence.values: expected what the network says within {allowed:.3g}, got a difference of {largest:.3g}"
        )
    return (
        f"the network was run again; its evidence differs by at most {largest:.3g}, where {allowed:.3g} may be; "
        f"delta is {float(delta):.3g} in the file, and estimated at {features.delta:.3g} here"
    )


def _require(field: str, said: object, got: object) -> None:
    """Refuse a file about another network or other pixels."""
    if said != got:
        raise ValueError(f"{field}: expected {shown(got)}, which is so here, got {shown(said)}")
