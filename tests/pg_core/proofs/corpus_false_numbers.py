"""Certificate files of which a number is wrong, each with the field that a checker names, for the corpus.

Not here: what is said about the numbers, see `corpus_false_claims`.
"""

import base64
import copy
import zlib
from fractions import Fraction

import numpy as np

from pg_core.defences.bounded import BoundedEvidence
from pg_core.defences.patchcleanser.features import FeatureMasking
from pg_core.defences.patchguard.boards import COUNTEREXAMPLE, COUNTEREXAMPLE_RIVAL
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.evidence.types import EvidenceType
from pg_core.proofs.statement import written
from tests import reference
from tests.pg_core.proofs import literal
from tests.pg_core.proofs.corpus_changes import changed_evidence, claimed, edited, further
from tests.pg_core.proofs.corpus_good import image, stated
from tests.pg_core.proofs.drawn import features_of

LISTS = ("lower", "upper", "rival", "other")


def false_evidence(base):
    def more(values):
        values[0, 2, 2] += 1

    yield (
        "evidence-old-hash",
        "a value of the evidence is another, and the hash is not",
        "evidence.sha256",
        changed_evidence(base, more, hashed=False),
    )
    yield (
        "evidence-new-hash",
        "a value of the evidence and its hash are others",
        "windows.lower",
        changed_evidence(base, more),
    )

    def rival(values):
        values[1:, 4, 5] += 1

    yield (
        "evidence-of-a-rival",
        "a value of each rival and the hash are others",
        "windows.upper",
        changed_evidence(base, rival),
    )

    def below(values):
        values[2, 0, 0] = -1

    yield "evidence-below-zero", "a value below the range", "evidence.values", changed_evidence(base, below)

    def above(values):
        values[0, 0, 0] = 2**53

    yield (
        "evidence-above-the-range",
        "a value above the range",
        "evidence.values",
        changed_evidence(base, above),
    )
    votes = stated(image(lead=4.0), RobustMasking((2, 2), evidence=EvidenceType.PREDICTION))

    def half(values):
        values[0, 0, 0] //= 2

    yield "half-a-vote", "a vote that is neither 0 nor 1", "evidence.values", changed_evidence(votes, half)
    yield "evidence-sha256", "another hash", "evidence.sha256", edited(base, evidence__sha256="ab" * 32)
    yield (
        "evidence-shape",
        "another shape of as many numbers",
        "evidence.shape",
        edited(base, evidence__shape=[3, 6, 5]),
    )
    yield (
        "evidence-step",
        "a step that is too fine",
        "evidence.step",
        edited(base, evidence__step=lambda step: written(Fraction(step) / 4)),
    )
    yield (
        "evidence-step-of-zero",
        "a step of 0 of a map so large that all fits it",
        "evidence.step",
        edited(base, network__image_size=[2**19, 2**18], evidence__shape=[3, 2**19, 2**18], evidence__step=0),
    )
    yield (
        "evidence-step-no-power",
        "a step that is no power of two",
        "evidence.step",
        edited(base, evidence__step="1/1099511627777"),
    )
    yield (
        "evidence-type",
        "logits that are called confidences",
        "evidence.step",
        edited(base, evidence__type="confidence"),
    )
    yield (
        "evidence-clip",
        "logits with another c_h than their grid has",
        "evidence.step",
        edited(base, evidence__clip_high=1),
    )
    data = bytes(2**23)
    yield (
        "zlib-bomb",
        "evidence that unpacks to 8 MB",
        "evidence.values",
        edited(base, evidence__values=base64.b64encode(zlib.compress(data, 9)).decode()),
    )

    def padded(text):
        return base64.b64encode(base64.b64decode(text) + b"more").decode()

    yield (
        "after-zlib",
        "bytes after the compressed evidence",
        "evidence.values",
        edited(base, evidence__values=padded),
    )
    yield (
        "no-zlib",
        "evidence that is not compressed",
        "evidence.values",
        edited(base, evidence__values="AAAA"),
    )
    yield (
        "loose-base64",
        "base64 with bits that mean nothing",
        "evidence.values",
        edited(base, evidence__values=loosened),
    )


def loosened(text):
    """The same bytes by another text: the last letter has bits that are cut off."""
    data = base64.b64decode(text)
    while len(data) % 3 != 1:  # zlib takes no bytes after its end; the text is refused before that
        data += b"\0"
    own = base64.b64encode(data).decode()
    return own[:-3] + chr(ord(own[-3]) + 1) + "=="


def doubled_terms(ratio):
    return "{}/{}".format(*(2 * term for term in Fraction(ratio).as_integer_ratio()))


def false_bounds(base):
    yield (
        "threshold",
        "another T than the bounds have",
        "windows.upper",
        edited(base, defence__threshold="1/2"),
    )
    yield "threshold-of-one", "T = 1", "defence.threshold", edited(base, defence__threshold=1)
    yield (
        "lower-one-more",
        "a lower bound is a step larger",
        "windows.lower[7]",
        edited(base, windows__lower__7=further),
    )
    yield (
        "upper-one-more",
        "an upper bound is a step larger",
        "windows.upper[0]",
        edited(base, windows__upper__0=further),
    )
    yield (
        "window-missing",
        "the last window is missing",
        "windows.lower",
        edited(base, **{f"windows__{name}": lambda values: values[:-1] for name in LISTS}),
    )
    yield (
        "window-more",
        "a window is there twice",
        "windows.lower",
        edited(base, **{f"windows__{name}": lambda values: [*values, values[-1]] for name in LISTS}),
    )
    weaker = copy.deepcopy(base)
    windows, û = weaker["predicate"]["windows"], literal.evidence_of(weaker["predicate"])
    w = literal.windows_of(weaker["predicate"])[3]
    other = 3 - windows["rival"][3]
    part = 1 - Fraction(weaker["predicate"]["defence"]["threshold"])
    windows["rival"][3], windows["upper"][3] = other, written((û[other] * (1 - w)).sum() / part)
    yield "weaker-rival", "a rival that is not the strongest, with its own bound", "windows.upper[3]", weaker
    yield (
        "rival-alone",
        "another rival, with the bound of the strongest",
        "windows.rival[3]",
        edited(base, windows__rival__3=other),
    )
    alike = stated(
        features_of(np.stack([np.full((5, 5), v) for v in (4.0, 1.0, 1.0)])), RobustMasking((2, 2), 0.125)
    )
    yield (
        "tied-rival",
        "of rivals that are equal, the higher",
        "windows.rival[0]",
        edited(alike, windows__rival__0=2),
    )
    yield (
        "tied-window",
        "of windows that are equal, the last",
        "windows.other[0]",
        edited(alike, windows__other__0=15),
    )
    doubled = stated(image(1), FeatureMasking((2, 2)))
    yield (
        "doubled-lower",
        "of double masking, a lead that is a step larger",
        "windows.lower[5]",
        edited(doubled, windows__lower__5=further),
    )
    yield (
        "doubled-other",
        "of double masking, another second window",
        "windows.other[5]",
        edited(doubled, windows__other__5=lambda other: (other + 1) % 20),
    )
    bounded = stated(image(3, 30.0, (3, 6, 7)), BoundedEvidence((2, 2)))
    yield (
        "bounded-other",
        "of bounded evidence, a second window",
        "windows.other[0]",
        edited(bounded, windows__other__0=0),
    )
    yield (
        "bounded-threshold",
        "T > 0 of bounded evidence",
        "defence.threshold",
        edited(bounded, defence__threshold="1/8"),
    )
    yield (
        "tanh-masked",
        "robust masking of evidence below 0",
        "evidence.type",
        edited(bounded, defence__name="robust masking"),
    )
    yield (
        "ratio-not-in-lowest-terms",
        "a ratio of even numbers",
        "windows.upper[0]",
        edited(base, windows__upper__0=doubled_terms),
    )


def published(base):
    """Certificates of published code that are wrong."""
    benign = np.concatenate([COUNTEREXAMPLE.benign, COUNTEREXAMPLE_RIVAL.benign])
    own = stated(features_of(benign), COUNTEREXAMPLE.defence, COUNTEREXAMPLE.defence.window_size, "class 0")
    predicate = own["predicate"]
    û, W = literal.evidence_of(predicate), literal.windows_of(predicate)
    T = Fraction(predicate["defence"]["threshold"])
    lower, _, _ = reference.algorithm_2(û, 0, W, T, "published")
    predicate["windows"]["lower"] = [written(value) for value in lower]
    yield "published-bound", "the lower bound as published, at T > 0", "claim.verdict", claimed(own)
    v = np.full((3, 6, 6), 0.5)
    v[1], v[2] = 0.10, 0.32
    v[1, :2, :2], v[2, :2, :2] = 0.99, -0.99
    own = stated(features_of((np.arctanh(v) + 1) / 0.05), BoundedEvidence((2, 2)))
    predicate = own["predicate"]
    û, W = literal.evidence_of(predicate), literal.windows_of(predicate)
    most, windows = round(1 / Fraction(predicate["evidence"]["step"])), predicate["windows"]
    for n, w in enumerate(W):
        windows["rival"][n], windows["upper"][n] = 1, written((û[1] * (1 - w)).sum() + 4 * most)
    yield "runner-up", "clipped BagNet compared with the runner-up alone", "claim.verdict", claimed(own)
    local_logits = np.array([[9.0, 4, 2, 4, 5, 9, 6, 2, 5], [0, 0, 0, 1, 0, 0, 0, 0, 0]])[:, None]
    own = stated(features_of(local_logits, wrapping=True), RobustMasking((1, 2), 0.5, wrapping=True), (1, 1))
    predicate = own["predicate"]
    û, W = literal.evidence_of(predicate), literal.windows_of(predicate)
    lower = [reference.mask_ds_published_lower_bound(û[0], n, W, Fraction(1, 2)) for n in range(len(W))]
    predicate["windows"]["lower"] = [written(value) for value in lower]
    yield "ring-cut-open", "Mask-DS, whose windows at the edges do not overlap", "windows.lower", own
