"""Small certificates under every defence of which proofs are written, and the files that say them."""

import math

import numpy as np

from pg_core import Threat, examine
from pg_core.defences.base import Verdict
from pg_core.defences.bounded import BoundedEvidence, Squashing
from pg_core.defences.detection import MaskedDetection
from pg_core.defences.patchcleanser.features import FeatureMasking
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.defences.smoothing import Smoothing
from pg_core.evidence.types import EVIDENCE_TYPES, EvidenceType
from pg_core.geometry import ReceptiveField
from pg_core.photos.framing import frame
from pg_core.photos.inference import LocalFeatures
from pg_core.proofs.checker import Proof
from pg_core.proofs.statement import Subject, prove, serialised

SUBJECT = Subject("photo.jpg", "ab" * 32, "cd" * 32, "cpu")
THRESHOLDS = (0.0, 0.0, 0.125, 0.2, 0.5, 0.7)
ALERT_THRESHOLDS = (0.0, 0.3, 0.5, 0.5, 0.9, 0.99)
CLIP_HIGH = (math.inf, math.inf, 0.7, 3.0)


def features_of(local_logits, wrapping=False, delta=0.0):
    """Local logits as if a network had said them of an image with a cell for each pixel."""
    classes, rows, columns = local_logits.shape
    field = (
        ReceptiveField((rows, 2), (rows, 1), wrapping=True) if wrapping else ReceptiveField((1, 1), (1, 1))
    )
    return LocalFeatures(
        "drawn",
        tuple(f"class {c}" for c in range(classes)),
        field,
        frame((rows, columns), (rows, columns)),
        np.zeros((3, rows, columns), np.float32),
        local_logits.astype(np.float32),
        delta,
    )


def drawn_defence(random, field, image_size, patch):
    """A defence of any kind of which proofs are written."""
    window_size, wrapping = field.window_size(patch), field.wrapping
    kind = list(EVIDENCE_TYPES.values())[random.integers(len(EVIDENCE_TYPES))]
    clip_high = float(random.choice(CLIP_HIGH))
    match random.integers(7):
        case 0:
            if random.random() < 0.5:
                return BoundedEvidence(window_size, Squashing.TANH, wrapping=wrapping)
            if kind == EvidenceType.LOGITS and math.isinf(clip_high):
                clip_high = 3.0
            return BoundedEvidence(window_size, Squashing.CLIP, kind, clip_high, wrapping)
        case 1:
            return FeatureMasking(window_size, kind, clip_high, wrapping)
        case 2:
            return MaskedDetection(window_size, float(random.choice(ALERT_THRESHOLDS)), wrapping)
        case 3 if wrapping:
            return Smoothing.columns(image_size, field.size[1], patch)
        case _:
            threshold = float(random.choice(THRESHOLDS))
            return RobustMasking(window_size, threshold, kind, clip_high, wrapping=wrapping)


def drawn_analysis(random):
    """Local logits in which a class leads, whole numbers (many ties) or not, on a map or a ring, under a defence."""
    wrapping = bool(random.random() < 0.4)
    classes, rows, columns = random.integers(2, 5), *random.integers(2, 7, 2)
    if wrapping:
        rows, columns = 1, random.integers(4, 9)
    shape = (classes, rows, columns)
    whole = random.random() < 0.4
    local_logits = random.integers(-1, 3, shape) * 1.0 if whole else random.uniform(-1, 2, shape)
    local_logits[random.integers(classes)] += random.choice([0.0, 1.0, 2.0, 4.0])
    delta = float(random.choice([0.0, 1e-6, 0.01, 0.1]))
    features = features_of(local_logits, wrapping, delta)
    patch = (1, int(random.integers(1, 3))) if wrapping else tuple(map(int, random.integers(1, 3, 2)))
    defence = drawn_defence(random, features.receptive_field, (int(rows), int(columns)), patch)
    label = None if random.random() < 0.8 else f"class {random.integers(classes)}"
    return examine(features, defence, Threat(patch), label)


def agreed(verdict, certified, analysis):
    """Whether the checker's verdict, and which windows it counts, are those of the library. Where the library raises
    an alert, a window is not certified, or another class has the largest mean."""
    if analysis.verdict is Verdict.ALERT:
        undefended = analysis.defended.undefended == analysis.certificate.label
        return verdict == ("not certified" if undefended else "misclassified")
    if verdict != analysis.verdict:
        return False
    return verdict == "misclassified" or certified == analysis.certificate.proved.ravel().tolist()


def proof_of(analysis):
    """The file, as the checker reads it."""
    return Proof(serialised(prove(analysis, SUBJECT)))
