"""Certificate files that are proofs, of every defence, kind of evidence and map, for the corpus.

Seeds are fixed, and versions of this machine are left out. Not here: files that are none, see `corpus_false_numbers`
and `corpus_false_claims`.
"""

import hashlib
import json
from dataclasses import replace

import numpy as np

from pg_core import Threat, examine
from pg_core.defences.bounded import BoundedEvidence, Squashing
from pg_core.defences.detection import MaskedDetection
from pg_core.defences.patchcleanser.features import FeatureMasking
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.defences.smoothing import Smoothing
from pg_core.evidence.types import EVIDENCE_TYPES, EvidenceType
from pg_core.geometry import ReceptiveField
from pg_core.photos.framing import Space, frame
from pg_core.proofs.statement import Subject, prove, serialised
from tests.pg_core.proofs.drawn import features_of

SUBJECT = Subject("photo.jpg", hashlib.sha256(b"photo").hexdigest(), hashlib.sha256(b"weights").hexdigest())
ODD_NAMES = ('é "quoted" \\', "\u2028\U0001f600", "")
KINDS = tuple(EVIDENCE_TYPES.values())


def image(seed=0, lead=3.0, shape=(3, 5, 6), label=0, wrapping=False, delta=0.0):
    """Local features in which a class leads everywhere by so much over values of [0, 1), which are short."""
    local_logits = np.random.default_rng(seed).integers(0, 256, shape) / 256
    local_logits[label] += lead
    return features_of(local_logits, wrapping, delta)


def ring(seed=0, lead=3.0, columns=9, label=0, delta=0.0):
    return image(seed, lead, (3, 1, columns), label, True, delta)


def strided(seed=0, lead=3.0, delta=0.0):
    """A map of 6x6 cells of an image of 12x12 pixels, each cell of 3x3 pixels, one of them outside at the edges."""
    features = image(seed, lead, (3, 6, 6), delta=delta)
    return replace(
        features,
        receptive_field=ReceptiveField((3, 3), (2, 2), (1, 1)),
        framing=frame((12, 12), (12, 12)),
        pixels=np.zeros((3, 12, 12), np.float32),
    )


def reduced(seed=0, lead=3.0):
    """A map of 9x9 cells of an image of 9x9 pixels, made of a larger photo."""
    return replace(image(seed, lead, (2, 9, 9)), framing=frame((36, 40), (9, 9)))


def stated(features, defence, patch=(2, 2), label=None, space=Space.NETWORK, subject=SUBJECT):
    """The statement of a certificate, without the versions of this machine."""
    analysis = examine(features, defence, Threat(patch, space), label)
    statement = json.loads(serialised(prove(analysis, subject)))
    statement["predicate"]["made_with"] = {"patchguard-explorer": "0"}
    return statement


def good_votes():
    """De-randomized smoothing, whose places are those of the patch."""
    votes = Smoothing.columns((1, 9), 2, (1, 1))
    yield "smoothing", "de-randomized smoothing", stated(ring(5, 4.0), votes, (1, 1))
    yield (
        "smoothing-tolerance",
        "smoothing with a delta that flips no vote",
        stated(ring(5, 4.0, delta=1e-3), votes, (1, 1)),
    )
    yield (
        "smoothing-last-label",
        "smoothing, where the last class leads",
        stated(ring(5, 4.0, label=2), votes, (1, 1)),
    )
    yield (
        "smoothing-by-a-tie",
        "label 0 wins a tie of votes",
        stated(level(0), Smoothing.columns((1, 10), 2, (1, 1)), (1, 1)),
    )
    yield (
        "smoothing-of-wide-patches",
        "a patch of three columns",
        stated(ring(5, 4.0, 12), Smoothing.columns((1, 12), 2, (1, 3)), (1, 3)),
    )


def level(label):
    """Votes of two classes on a ring of ten bands, of which the label has seven: outside two of them it has as many
    more as they are, somewhere."""
    leads = np.zeros((2, 1, 10))
    leads[label] = 9.0
    leads[:, 0, [1, 4, 7]] = leads[::-1, 0, [1, 4, 7]]
    return features_of(leads, wrapping=True)


def good():
    """By name: what it is, and a statement that is a proof."""
    for kind in KINDS:
        for threshold in (0.0, 0.2):
            name = f"masking-{kind.name}-{threshold:g}"
            yield (
                name,
                f"robust masking, {kind.name}, T = {threshold:g}",
                stated(image(delta=1e-6), RobustMasking((2, 2), threshold, kind)),
            )
        yield (
            f"ring-masking-{kind.name}",
            f"Mask-DS, {kind.name}, T = 0.125",
            stated(ring(delta=1e-6), RobustMasking((1, 2), 0.125, kind, wrapping=True), (1, 1)),
        )
        yield (
            f"doubled-{kind.name}",
            f"double masking on features, {kind.name}",
            stated(image(1, delta=1e-6), FeatureMasking((2, 2), kind)),
        )
        yield (
            f"ring-doubled-{kind.name}",
            f"double masking on a ring, {kind.name}",
            stated(ring(1), FeatureMasking((1, 2), kind, wrapping=True), (1, 1)),
        )
        clip_high = 3.0 if kind == EvidenceType.LOGITS else np.inf
        yield (
            f"bounded-{kind.name}",
            f"bounded evidence, {kind.name}",
            stated(
                image(2, 4.0, (3, 6, 7), delta=1e-6), BoundedEvidence((2, 2), Squashing.CLIP, kind, clip_high)
            ),
        )
        yield (
            f"ring-bounded-{kind.name}",
            f"bounded evidence on a ring, {kind.name}",
            stated(
                ring(2, 4.0), BoundedEvidence((1, 2), Squashing.CLIP, kind, clip_high, wrapping=True), (1, 1)
            ),
        )
    tanh = BoundedEvidence((2, 2))
    yield "tanh", "clipped BagNet", stated(image(3, 30.0, (3, 6, 7)), tanh)
    yield (
        "tanh-tolerance",
        "clipped BagNet with a large delta",
        stated(image(3, 30.0, (3, 6, 7), delta=0.5), tanh),
    )
    around = BoundedEvidence((1, 2), wrapping=True)
    yield "ring-tanh", "clipped BagNet on a ring", stated(ring(3, 40.0, 12), around, (1, 1))
    yield from good_votes()
    for threshold in (0.0, 0.5, 0.9):
        yield (
            f"detection-{threshold:g}",
            f"PatchGuard++, τ = {threshold:g}",
            stated(image(4, 4.0, delta=1e-6), MaskedDetection((2, 2), threshold)),
        )
    yield (
        "ring-detection",
        "PatchGuard++ on a ring",
        stated(ring(4, 4.0), MaskedDetection((1, 2), 0.5, wrapping=True), (1, 1)),
    )
    below = image(4, 3.0)
    below.local_logits[:] -= 9.0
    yield (
        "detection-below-zero",
        "PatchGuard++, where all local logits are below 0",
        stated(below, MaskedDetection((2, 2), 0.75)),
    )
    yield (
        "detection-at-the-ceiling",
        "PatchGuard++, where local logits are cut at ±2^16",
        stated(image(4, 1e6), MaskedDetection((2, 2))),
    )
    yield (
        "strided-detection",
        "PatchGuard++, with cells of 3x3 pixels",
        stated(strided(4, delta=1e-6), MaskedDetection((2, 2))),
    )
    plain = RobustMasking((2, 2))
    yield (
        "clip-0.7",
        "robust masking of logits cut at 0.7",
        stated(image(lead=3.0), RobustMasking((2, 2), clip_high=0.7)),
    )
    yield (
        "clip-3",
        "robust masking of logits cut at 3, T = 0.5",
        stated(image(lead=9.0, shape=(3, 8, 8)), RobustMasking((2, 2), 0.5, clip_high=3.0)),
    )
    yield "ceiling", "logits above 2^16, which is their largest value", stated(image(lead=1e6), plain)
    yield (
        "large-ratios",
        "T = 0.7, whose bounds are ratios of large numbers",
        stated(image(lead=60.0), RobustMasking((2, 2), 0.7)),
    )
    yield (
        "threshold-of-a-half",
        "T = 0.5, whose bounds are whole numbers",
        stated(image(lead=60.0), RobustMasking((2, 2), 0.5)),
    )
    yield (
        "tolerance",
        "robust masking, T = 0.2, with a large delta",
        stated(image(lead=9.0, delta=0.05), RobustMasking((2, 2), 0.2)),
    )
    votes = image(lead=4.0, shape=(3, 7, 7), delta=0.01)
    votes.local_logits[1, 0, 0] = votes.local_logits[0, 0, 0] - np.log(3.95)
    yield (
        "votes-near-their-threshold",
        "votes of which an error of delta can flip one",
        stated(votes, RobustMasking((2, 2), evidence=EvidenceType.PREDICTION)),
    )
    yield "last-label", "the last class is the label", stated(image(label=2), plain)
    yield "two-classes", "two classes alone", stated(image(shape=(2, 5, 5)), plain)
    yield "one-row", "a map of one row", stated(image(shape=(3, 1, 9)), RobustMasking((1, 2)), (1, 2))
    yield (
        "window-as-high-as-the-map",
        "a window of all rows",
        stated(image(shape=(3, 2, 9)), RobustMasking((2, 2), 0.1)),
    )
    yield (
        "larger-window",
        "a window that is larger than the patch needs",
        stated(image(shape=(3, 7, 7)), RobustMasking((3, 2)), (2, 1)),
    )
    yield "strided", "cells of 3x3 pixels at every second pixel", stated(strided(), plain)
    yield "strided-doubled", "the same by double masking", stated(strided(1), FeatureMasking((2, 2)))
    for name, defence in (
        ("masking", RobustMasking((4, 4))),
        ("doubled", FeatureMasking((4, 4))),
        ("bounded", BoundedEvidence((4, 4), Squashing.CLIP, clip_high=3.0)),
    ):
        features = reduced(lead=9.0)
        if name == "bounded":
            features = replace(image(0, 9.0, (2, 12, 12)), framing=frame((48, 52), (12, 12)))
        yield (
            f"photo-{name}",
            f"a patch on the original photo, {name}",
            stated(features, defence, (1, 1), space=Space.PHOTO),
        )
    alike = features_of(np.stack([np.full((5, 5), v) for v in (4.0, 1.0, 1.0, 1.0)]))
    yield (
        "tied-rivals",
        "all rivals are equal and the lowest is named, all windows are equal and the first",
        stated(alike, RobustMasking((2, 2), 0.125)),
    )
    odd = replace(image(), classes=ODD_NAMES, model="\u202egpj")
    yield (
        "odd-names",
        "names with quotes, no signs, and signs outside 16 bits",
        stated(odd, plain, subject=replace(SUBJECT, photo='a"b\\\u00e9.jpg', device="cpu")),
    )
