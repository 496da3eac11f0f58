"""What Algorithms 1 and 2 are run on, step by step: the photo, with or without an attack, or two boards."""

import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from app.cache import analysis as cached
from pg_core.analysis.photo import Analysis, Answer
from pg_core.defences.patchguard.boards import COUNTEREXAMPLE, COUNTEREXAMPLE_RIVAL, Board, mirrored
from pg_core.defences.patchguard.masking import Bound, Masking, MaskingCertificate, RobustMasking
from pg_core.defences.patchguard.trace import (
    ALGORITHM_1,
    Line,
    Step,
    algorithm_2,
    trace_certificate,
    trace_prediction,
)
from pg_core.defences.patchguard.witness import WindowStatus
from pg_core.evidence.arrays import LocalLogits
from pg_core.geometry import Window


class Algorithm(StrEnum):
    """Which algorithm runs."""

    PREDICTION = "1: robust masking"
    CERTIFICATE = "2: provable analysis"


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


def photo_scenes(algorithm: Algorithm, clean: Analysis, shown: Answer, window: Window) -> list[Scene]:
    """What there is of the photo: a certificate is about benign evidence, a prediction about any."""
    if algorithm is Algorithm.CERTIFICATE:
        return [Scene.PHOTO]
    patched = [Scene.PATCHED] if shown is not clean else []
    attacked = cached.window_status(clean, window)[0] is WindowStatus.COUNTEREXAMPLE
    return [Scene.PHOTO, *patched, *([Scene.WITNESS] if attacked else [])]


def board_scenes(algorithm: Algorithm) -> list[Scene]:
    """What there is of the boards."""
    if algorithm is Algorithm.CERTIFICATE:
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


def board_subject(board: Board, scene: Scene, bound: Bound) -> Subject:
    """A board of page Figure 5 as the label, against the rival of the counterexample or itself mirrored."""
    if scene in (Scene.COUNTEREXAMPLE, Scene.ATTACKED):
        board = COUNTEREXAMPLE
    rival = COUNTEREXAMPLE_RIVAL if board == COUNTEREXAMPLE else mirrored(board)
    defence = replace(board.defence, bound=bound)
    benign = np.concatenate([board.benign, rival.benign])
    attacked = np.concatenate([board.attacked, rival.attacked])
    evidence = attacked if scene in (Scene.ATTACKED, Scene.PAINTED) else benign
    certificate = defence.certify_masking(defence.mask(benign), 0)
    return Subject(
        ("the class", "the rival"),
        evidence,
        defence,
        defence.mask(evidence),
        certificate,
        board.window,
        (0, 1),
    )


def lines(algorithm: Algorithm, subject: Subject) -> tuple[Line, ...]:
    """The algorithm as it is written."""
    return ALGORITHM_1 if algorithm is Algorithm.PREDICTION else algorithm_2(subject.defence.bound)


def trace(algorithm: Algorithm, subject: Subject) -> tuple[Step, ...]:
    """The algorithm as it runs."""
    if algorithm is Algorithm.PREDICTION:
        return trace_prediction(subject.defence, subject.masking, subject.labels)
    return trace_certificate(subject.defence, subject.masking, subject.certificate, subject.window)


def name_of(algorithm: Algorithm, scene: Scene, subject: Subject) -> str:
    """A name that changes with what is run, so that a new run begins at its first step."""
    digest = hashlib.sha256(np.ascontiguousarray(subject.masking.evidence).tobytes()).hexdigest()
    return "|".join(
        map(str, (algorithm, scene, subject.defence, subject.window, subject.certificate.label, digest))
    )
