"""Robust masking as the registry knows it: Mask-BN of square receptive fields, and Mask-DS of column bands ([PG])."""

from pg_core.defences.base import DefenceInput, Prediction
from pg_core.defences.patchguard.certificate import Bound, MaskingCertificate
from pg_core.defences.patchguard.explain import diagnose
from pg_core.defences.patchguard.masking import Masking, RobustMasking
from pg_core.defences.patchguard.witness import find_witness
from pg_core.defences.spec import (
    CLIP_HIGH,
    EVIDENCE,
    DefenceConfig,
    DefenceSpec,
    Parameter,
    Term,
    Waterfall,
)
from pg_core.evidence.arrays import EvidenceMap, LocalLogits
from pg_core.evidence.grid import clip
from pg_core.geometry import Box

THRESHOLD = Parameter(
    "threshold",
    "Threshold T",
    "A window is masked if it holds more than this part of a class's evidence. 0 masks always.",
    0.0,
    0.0,
    0.99,
    0.01,
)
BOUND: Parameter[str] = Parameter(
    "bound",
    "Bounds",
    "Tight solves a linear program for each window that the sound bound refuses; an adversary in feature space "
    "attains it for logits, and at T = 0 the two agree. The bound published in 2021 is wrong for T > 0: a patch can "
    "make the mask take more of the true class than it allows for; it is here for comparison.",
    Bound.SOUND.value,
    choices=(Bound.SOUND.value, Bound.TIGHT.value, Bound.PUBLISHED.value),
)


def _explained(
    defence: RobustMasking,
    local_logits: LocalLogits,
    prediction: Masking,
    certificate: MaskingCertificate,
    position: tuple[int, int],
) -> tuple[Waterfall, Waterfall]:
    told = diagnose(defence, prediction, certificate, certificate.windows.window(*position))
    falls = []
    for account, change, name, end in (
        (told.label, -told.label.taken, "to w'", "lower"),
        (told.rival, told.rival.hidden, "hidden below T", "upper"),
    ):
        terms = (
            Term("all: SUM(û)", account.total, True),
            Term("inside w", -account.inside),
            Term("outside: t", account.outside, True),
            Term(name, change),
            Term(end, account.bound, True),
        )
        falls.append(Waterfall(account.label, terms))
    return falls[0], falls[1]


def _witness(
    defence: RobustMasking,
    local_logits: LocalLogits,
    prediction: Masking,
    certificate: MaskingCertificate,
    position: tuple[int, int],
) -> Prediction | None:
    window = certificate.windows.window(*position)
    found = find_witness(defence, prediction, int(certificate.label), window)
    return None if found is None else found.masking


def _masked(defence: RobustMasking, prediction: Masking, label: int) -> tuple[Box, ...]:
    """The detected window of the class."""
    detected = prediction.window(label)
    return () if detected is None else (detected,)


def _ranks(defence: RobustMasking) -> bool:
    return defence.threshold == 0


def _evidence(defence: RobustMasking, local_logits: LocalLogits) -> EvidenceMap:
    return clip(local_logits, defence.evidence, defence.clip_high)


def _build(config: DefenceConfig) -> RobustMasking:
    return RobustMasking(
        config.window_size,
        config[THRESHOLD],
        config.evidence_type,
        config.clip_high,
        Bound(config[BOUND]),
        config.receptive_field.wrapping,
    )


def _build_mask_bn(config: DefenceConfig) -> RobustMasking:
    if config.receptive_field.wrapping:
        raise ValueError("robust masking of column bands is Mask-DS: choose mask-ds")
    return _build(config)


def _build_mask_ds(config: DefenceConfig) -> RobustMasking:
    if not config.receptive_field.wrapping:
        raise ValueError("Mask-DS needs a network of column bands, and this one has none")
    return _build(config)


_LOWER = "the score of '{label}' is at least its evidence outside the window, less what the best other window takes"
_UPPER = "the score of '{rival}' is at most its evidence outside the window, over 1 - T"
_PARAMETERS = (THRESHOLD, EVIDENCE, CLIP_HIGH, BOUND)

MASK_BN = DefenceSpec(
    "masking",
    "robust masking",
    "Each class loses the window with suspiciously much of its evidence; the class with most left is predicted.",
    DefenceInput.LOCAL_LOGITS,
    _build_mask_bn,
    lambda defence: isinstance(defence, RobustMasking) and not defence.wrapping,
    _LOWER,
    _UPPER,
    _PARAMETERS,
    _evidence,
    _masked,
    _explained,
    _witness,
    _ranks,
)
MASK_DS = DefenceSpec(
    "mask-ds",
    "robust masking (Mask-DS)",
    "Robust masking of column bands: each class loses the bands with suspiciously much of its evidence.",
    DefenceInput.LOCAL_LOGITS,
    _build_mask_ds,
    lambda defence: isinstance(defence, RobustMasking) and defence.wrapping,
    _LOWER,
    _UPPER,
    _PARAMETERS,
    _evidence,
    _masked,
    _explained,
    _witness,
    _ranks,
)
