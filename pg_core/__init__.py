"""PatchGuard (Xiang et al., USENIX Security 2021): provable robustness against adversarial patches.

analysis = pg_core.certify("photo.jpg", "imagenette", patch="2%")
print(analysis)
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from pg_core.analysis.certify import certify, usual_defence
    from pg_core.analysis.comparison import Comparison, DefenceResult, compare
    from pg_core.analysis.inputs import configure
    from pg_core.analysis.photo import Analysis, Answer, analyse, examine
    from pg_core.attacks.pixels import AttackResult, attack
    from pg_core.datasets.folders import SAMPLES, sample_path
    from pg_core.datasets.local_logits import save_local_logits
    from pg_core.defences.base import ALERT, Certificate, Claim, Defence, DefenceInput, Prediction, Verdict
    from pg_core.defences.bounded import BoundedEvidence
    from pg_core.defences.detection import MaskedDetection
    from pg_core.defences.interval.bounds import IntervalBounds
    from pg_core.defences.patchcleanser.features import FeatureMasking
    from pg_core.defences.patchcleanser.inference import mean_logits, two_mask_predictions
    from pg_core.defences.patchcleanser.masks import MaskSet
    from pg_core.defences.patchcleanser.pixels import PatchCleanser
    from pg_core.defences.patchguard.certificate import Bound, MaskingCertificate
    from pg_core.defences.patchguard.masking import Masking, RobustMasking
    from pg_core.defences.patchguard.placements import (
        Finding,
        Placements,
        certify_placements,
        largest_patches,
    )
    from pg_core.defences.patchguard.witness import (
        WindowStatus,
        Witness,
        find_witness,
        window_status,
        window_statuses,
    )
    from pg_core.defences.registry import DEFENCES, build
    from pg_core.defences.smoothing import Smoothing
    from pg_core.defences.spec import DefenceConfig, DefenceSpec, Explanation
    from pg_core.defences.undefended import Undefended
    from pg_core.evaluation.outcome_table import open_table
    from pg_core.evidence.types import EVIDENCE_TYPES, EvidenceType
    from pg_core.geometry import Patch, PatchPositions, ReceptiveField, Window, Windows
    from pg_core.geometry.footprints import Footprints
    from pg_core.networks import MODELS, load_model
    from pg_core.networks.base import LocalModel
    from pg_core.photos.framing import Space, Threat
    from pg_core.photos.inference import LocalFeatures, extract, update
    from pg_core.photos.read import ImageError

__all__ = [
    "ALERT",
    "DEFENCES",
    "EVIDENCE_TYPES",
    "MODELS",
    "SAMPLES",
    "Analysis",
    "Answer",
    "AttackResult",
    "Bound",
    "BoundedEvidence",
    "Certificate",
    "Claim",
    "Comparison",
    "Defence",
    "DefenceConfig",
    "DefenceInput",
    "DefenceResult",
    "DefenceSpec",
    "EvidenceType",
    "Explanation",
    "FeatureMasking",
    "Finding",
    "Footprints",
    "ImageError",
    "IntervalBounds",
    "LocalFeatures",
    "LocalModel",
    "MaskSet",
    "MaskedDetection",
    "Masking",
    "MaskingCertificate",
    "Patch",
    "PatchCleanser",
    "PatchPositions",
    "Placements",
    "Prediction",
    "ReceptiveField",
    "RobustMasking",
    "Smoothing",
    "Space",
    "Threat",
    "Undefended",
    "Verdict",
    "Window",
    "WindowStatus",
    "Windows",
    "Witness",
    "__version__",
    "analyse",
    "attack",
    "build",
    "certify",
    "certify_placements",
    "compare",
    "configure",
    "examine",
    "extract",
    "find_witness",
    "largest_patches",
    "load_model",
    "mean_logits",
    "open_table",
    "sample_path",
    "save_local_logits",
    "two_mask_predictions",
    "update",
    "usual_defence",
    "window_status",
    "window_statuses",
]

_HOMES = {
    "certify": "pg_core.analysis.certify",
    "usual_defence": "pg_core.analysis.certify",
    "Comparison": "pg_core.analysis.comparison",
    "DefenceResult": "pg_core.analysis.comparison",
    "compare": "pg_core.analysis.comparison",
    "configure": "pg_core.analysis.inputs",
    "Analysis": "pg_core.analysis.photo",
    "Answer": "pg_core.analysis.photo",
    "analyse": "pg_core.analysis.photo",
    "examine": "pg_core.analysis.photo",
    "AttackResult": "pg_core.attacks.pixels",
    "attack": "pg_core.attacks.pixels",
    "SAMPLES": "pg_core.datasets.folders",
    "sample_path": "pg_core.datasets.folders",
    "save_local_logits": "pg_core.datasets.local_logits",
    "ALERT": "pg_core.defences.base",
    "Certificate": "pg_core.defences.base",
    "Claim": "pg_core.defences.base",
    "Defence": "pg_core.defences.base",
    "DefenceInput": "pg_core.defences.base",
    "Prediction": "pg_core.defences.base",
    "Verdict": "pg_core.defences.base",
    "BoundedEvidence": "pg_core.defences.bounded",
    "MaskedDetection": "pg_core.defences.detection",
    "IntervalBounds": "pg_core.defences.interval.bounds",
    "FeatureMasking": "pg_core.defences.patchcleanser.features",
    "mean_logits": "pg_core.defences.patchcleanser.inference",
    "two_mask_predictions": "pg_core.defences.patchcleanser.inference",
    "MaskSet": "pg_core.defences.patchcleanser.masks",
    "PatchCleanser": "pg_core.defences.patchcleanser.pixels",
    "Bound": "pg_core.defences.patchguard.certificate",
    "Masking": "pg_core.defences.patchguard.masking",
    "MaskingCertificate": "pg_core.defences.patchguard.certificate",
    "RobustMasking": "pg_core.defences.patchguard.masking",
    "Finding": "pg_core.defences.patchguard.placements",
    "Placements": "pg_core.defences.patchguard.placements",
    "certify_placements": "pg_core.defences.patchguard.placements",
    "largest_patches": "pg_core.defences.patchguard.placements",
    "WindowStatus": "pg_core.defences.patchguard.witness",
    "Witness": "pg_core.defences.patchguard.witness",
    "find_witness": "pg_core.defences.patchguard.witness",
    "window_status": "pg_core.defences.patchguard.witness",
    "window_statuses": "pg_core.defences.patchguard.witness",
    "DEFENCES": "pg_core.defences.registry",
    "build": "pg_core.defences.registry",
    "Smoothing": "pg_core.defences.smoothing",
    "DefenceConfig": "pg_core.defences.spec",
    "DefenceSpec": "pg_core.defences.spec",
    "Explanation": "pg_core.defences.spec",
    "Undefended": "pg_core.defences.undefended",
    "open_table": "pg_core.evaluation.outcome_table",
    "EVIDENCE_TYPES": "pg_core.evidence.types",
    "EvidenceType": "pg_core.evidence.types",
    "Patch": "pg_core.geometry",
    "PatchPositions": "pg_core.geometry",
    "ReceptiveField": "pg_core.geometry",
    "Window": "pg_core.geometry",
    "Windows": "pg_core.geometry",
    "Footprints": "pg_core.geometry.footprints",
    "MODELS": "pg_core.networks",
    "load_model": "pg_core.networks",
    "LocalModel": "pg_core.networks.base",
    "LocalFeatures": "pg_core.photos.inference",
    "extract": "pg_core.photos.inference",
    "update": "pg_core.photos.inference",
    "ImageError": "pg_core.photos.read",
    "Space": "pg_core.photos.framing",
    "Threat": "pg_core.photos.framing",
}


def __getattr__(name: str) -> object:
    """Import an exported name when it is first used, so that a command starts, and can be interrupted, at once."""
    if name not in _HOMES:
        raise AttributeError(f"module 'pg_core' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
