"""What runs step by step, robust masking or double masking on features, prediction or certificate; and on what: the
photo, with or without an attack, or two boards."""

import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from app.cache import analysis as cached
from app.cache.analysis import DefenceChoice
from app.sidebar import Choices
from pg_core.analysis.photo import Analysis, Answer
from pg_core.defences.base import Certificate
from pg_core.defences.patchcleanser.features import SPEC as FEATURE_MASKING
from pg_core.defences.patchcleanser.features import FeatureMasking
from pg_core.defences.patchcleanser.pixels import DoubleMasking
from pg_core.defences.patchcleanser.trace import (
    FEATURE_CERTIFICATE,
    FEATURE_PREDICTION,
    FeatureLine,
    FeatureStep,
    trace_feature_certificate,
    trace_feature_prediction,
)
from pg_core.defences.patchguard.boards import COUNTEREXAMPLE, COUNTEREXAMPLE_RIVAL, Board, mirrored
from pg_core.defences.patchguard.certificate import Bound, MaskingCertificate
from pg_core.defences.patchguard.masking import Masking, RobustMasking
from pg_core.defences.patchguard.trace import (
    ALGORITHM_1,
    Line,
    Step,
    algorithm_2,
    trace_certificate,
    trace_prediction,
)
from pg_core.defences.patchguard.witness import WindowStatus
from pg_core.defences.spec import CLIP_HIGH, EVIDENCE
from pg_core.evidence.arrays import EvidenceMap, LocalLogits
from pg_core.geometry import Window

_CLASSES = ("the class", "the rival")
"""Of a board."""


class Algorithm(StrEnum):
    """Which algorithm runs."""

    PREDICTION = "1: robust masking"
    CERTIFICATE = "2: provable analysis"
    FEATURES = "double masking on features"
    FEATURE_CERTIFICATE = "certificate of double masking"

    @property
    def certifying(self) -> bool:
        return self in (Algorithm.CERTIFICATE, Algorithm.FEATURE_CERTIFICATE)

    @property
    def on_features(self) -> bool:
        """Whether it belongs to double masking on features, and not to robust masking."""
        return self in (Algorithm.FEATURES, Algorithm.FEATURE_CERTIFICATE)


class Scene(StrEnum):
    """What it runs on."""

    PHOTO = "the photo"
    PATCHED = "the photo with the patch"
    WITNESS = "the photo with the witness in w"
    COUNTEREXAMPLE = "the counterexample"
    ATTACKED = "the counterexample, attacked"
    BOARD = "your board"
    PAINTED = "your board, attacked"


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """One map under one defence: what the network said (for a board, the evidence itself), what Algorithm 1 did, and
    the certificate of the benign map; `window` is the malicious one, `labels` the classes that are followed."""

    classes: tuple[str, ...]
    local_logits: LocalLogits
    defence: RobustMasking
    masking: Masking
    certificate: MaskingCertificate
    window: Window
    labels: tuple[int, ...]

    @property
    def evidence(self) -> EvidenceMap:
        """The clipped evidence û."""
        return self.masking.evidence


@dataclass(frozen=True, slots=True, eq=False)
class FeatureSubject:
    """One map of evidence û under double masking on features: what the two rounds said, and the certificate of the
    benign map; `window` is the malicious one."""

    classes: tuple[str, ...]
    evidence: EvidenceMap
    defence: FeatureMasking
    prediction: DoubleMasking
    certificate: Certificate
    window: Window


def choices(algorithm: Algorithm, chosen: Choices) -> Choices:
    """The choices with the defence that the algorithm belongs to; evidence and c_h are the same for both."""
    chosen = chosen.robust_masking
    if not algorithm.on_features:
        return chosen
    shared = {EVIDENCE.name: chosen.asked[EVIDENCE], CLIP_HIGH.name: chosen.asked[CLIP_HIGH]}
    return replace(chosen, asked=DefenceChoice(FEATURE_MASKING.name, chosen.patch_size).having(shared))


def photo_scenes(algorithm: Algorithm, clean: Analysis, shown: Answer, window: Window) -> list[Scene]:
    """What there is of the photo: a certificate is about benign evidence, a prediction about any."""
    if algorithm.certifying:
        return [Scene.PHOTO]
    patched = [Scene.PATCHED] if shown is not clean else []
    if algorithm.on_features:
        attacked = clean.status(window) is WindowStatus.COUNTEREXAMPLE
    else:
        attacked = cached.window_status(clean, window)[0] is WindowStatus.COUNTEREXAMPLE
    return [Scene.PHOTO, *patched, *([Scene.WITNESS] if attacked else [])]


def board_scenes(algorithm: Algorithm) -> list[Scene]:
    """What there is of the boards."""
    if algorithm.certifying:
        return [Scene.COUNTEREXAMPLE, Scene.BOARD]
    return [Scene.ATTACKED, Scene.PAINTED]


def photo_subject(clean: Analysis, shown: Answer, window: Window, scene: Scene) -> Subject:
    """The photo as it is, with the simulated patch, or with the witness in the malicious window."""
    masking, logits, labels = clean.masking, clean.features.local_logits, [int(clean.certificate.label)]
    if scene is Scene.PATCHED:
        masking, logits = shown.masking, shown.features.local_logits
    elif scene is Scene.WITNESS:
        _, witness = cached.window_status(clean, window)
        if witness is not None:
            masking = witness.masking
            logits = masking.evidence
            labels.append(witness.rival)
    order = np.argsort(-masking.scores, kind="stable")[:3].tolist()
    labels = list(dict.fromkeys([*labels, int(masking.label), *order]))[:3]
    return Subject(
        clean.classes, logits, clean.robust_masking, masking, clean.masking_certificate, window, tuple(labels)
    )


def photo_features(clean: Analysis, shown: Answer, window: Window, scene: Scene) -> FeatureSubject:
    """The same under double masking on features, which the analysis must be of."""
    seen = shown if scene is Scene.PATCHED else clean
    defence, prediction, evidence = clean.defence, seen.defended, seen.evidence
    assert isinstance(defence, FeatureMasking)
    assert isinstance(prediction, DoubleMasking)
    assert evidence is not None
    if scene is Scene.WITNESS:
        evidence = defence.attacked(evidence, int(clean.certificate.rival[window.top, window.left]), window)
        prediction = defence.mask(evidence)
    return FeatureSubject(clean.classes, evidence, defence, prediction, clean.certificate, window)


def board_subject(board: Board, scene: Scene, bound: Bound) -> Subject:
    """A board of page Figure 5 as the label, against the rival of the counterexample or itself mirrored."""
    board, benign, evidence = _boards(board, scene)
    defence = replace(board.defence, bound=bound)
    certificate = defence.certify_masking(defence.mask(benign), 0)
    return Subject(_CLASSES, evidence, defence, defence.mask(evidence), certificate, board.window, (0, 1))


def board_features(board: Board, scene: Scene) -> FeatureSubject:
    """The same under double masking on features, which knows no T."""
    board, benign, evidence = _boards(board, scene)
    defence = FeatureMasking(board.windows.window_size)
    prediction, certificate = defence.mask(evidence), defence.certify(benign, 0)
    return FeatureSubject(_CLASSES, evidence, defence, prediction, certificate, board.window)


def _boards(board: Board, scene: Scene) -> tuple[Board, EvidenceMap, EvidenceMap]:
    """The board of a scene, its benign evidence beside that of its rival, and what the scene shows of both."""
    if scene in (Scene.COUNTEREXAMPLE, Scene.ATTACKED):
        board = COUNTEREXAMPLE
    rival = COUNTEREXAMPLE_RIVAL if board == COUNTEREXAMPLE else mirrored(board)
    benign = np.concatenate([board.benign, rival.benign])
    attacked = np.concatenate([board.attacked, rival.attacked])
    return board, benign, attacked if scene in (Scene.ATTACKED, Scene.PAINTED) else benign


def lines(
    algorithm: Algorithm, subject: Subject | FeatureSubject
) -> tuple[Line, ...] | tuple[FeatureLine, ...]:
    """The algorithm as it is written."""
    if isinstance(subject, FeatureSubject):
        return FEATURE_CERTIFICATE if algorithm.certifying else FEATURE_PREDICTION
    return algorithm_2(subject.defence.bound) if algorithm.certifying else ALGORITHM_1


def trace(
    algorithm: Algorithm, subject: Subject | FeatureSubject
) -> tuple[Step, ...] | tuple[FeatureStep, ...]:
    """The algorithm as it runs."""
    if isinstance(subject, FeatureSubject):
        evidence, prediction = subject.evidence, subject.prediction
        if algorithm.certifying:
            return trace_feature_certificate(evidence, prediction, subject.certificate, subject.window)
        return trace_feature_prediction(evidence, prediction)
    if algorithm.certifying:
        return trace_certificate(subject.defence, subject.masking, subject.certificate, subject.window)
    return trace_prediction(subject.defence, subject.masking, subject.labels)


def name_of(algorithm: Algorithm, scene: Scene, subject: Subject | FeatureSubject) -> str:
    """A name that changes with what is run, so that a new run begins at its first step."""
    digest = hashlib.sha256(np.ascontiguousarray(subject.evidence).tobytes()).hexdigest()
    return "|".join(
        map(str, (algorithm, scene, subject.defence, subject.window, subject.certificate.label, digest))
    )
