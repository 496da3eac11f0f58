"""PatchGuard (Xiang et al., USENIX Security 2021): provable robustness against adversarial patches.

model = pg_core.load_model("tiles")
defence = pg_core.RobustMasking(model.receptive_field.window_size((64, 64)), evidence=model.evidence)
print(pg_core.analyse("photo.jpg", model, defence))
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pg_core.analysis import Analysis, analyse, examine
    from pg_core.arrays import EvidenceType
    from pg_core.covering import CoveringMasks
    from pg_core.datasets import SAMPLES, sample_path
    from pg_core.defences.base import ALERT, Certificate, Claim, Defence, Prediction, Verdict
    from pg_core.defences.clipping import BoundedEvidence
    from pg_core.defences.detection import MaskedDetection
    from pg_core.defences.double_masking import PatchCleanser
    from pg_core.defences.feature_masking import FeatureMasking
    from pg_core.defences.interval import IntervalBounds
    from pg_core.defences.masking import Bound, Masking, MaskingCertificate, RobustMasking
    from pg_core.defences.smoothing import Smoothing
    from pg_core.defences.undefended import Undefended
    from pg_core.features import LocalFeatures, extract, update
    from pg_core.footprints import Footprints
    from pg_core.geometry import Patch, ReceptiveField, Window, Windows
    from pg_core.images import ImageError, Space, Threat
    from pg_core.local_logits import save_local_logits
    from pg_core.masked_views import mean_logits, pair_logits
    from pg_core.models import MODELS, load_model
    from pg_core.models.local import LocalModel
    from pg_core.placements import Finding, Placements, certify_placements, largest_patches
    from pg_core.version import __version__
    from pg_core.witness import WindowStatus, Witness, find_witness, window_status, window_statuses

__all__ = [
    "ALERT",
    "MODELS",
    "SAMPLES",
    "Analysis",
    "Bound",
    "BoundedEvidence",
    "Certificate",
    "Claim",
    "CoveringMasks",
    "Defence",
    "EvidenceType",
    "FeatureMasking",
    "Finding",
    "Footprints",
    "ImageError",
    "IntervalBounds",
    "LocalFeatures",
    "LocalModel",
    "MaskedDetection",
    "Masking",
    "MaskingCertificate",
    "Patch",
    "PatchCleanser",
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
    "certify_placements",
    "examine",
    "extract",
    "find_witness",
    "largest_patches",
    "load_model",
    "mean_logits",
    "pair_logits",
    "sample_path",
    "save_local_logits",
    "update",
    "window_status",
    "window_statuses",
]

_HOMES = {
    "Analysis": "pg_core.analysis",
    "analyse": "pg_core.analysis",
    "examine": "pg_core.analysis",
    "EvidenceType": "pg_core.arrays",
    "CoveringMasks": "pg_core.covering",
    "SAMPLES": "pg_core.datasets",
    "sample_path": "pg_core.datasets",
    "ALERT": "pg_core.defences.base",
    "Certificate": "pg_core.defences.base",
    "Claim": "pg_core.defences.base",
    "Defence": "pg_core.defences.base",
    "Prediction": "pg_core.defences.base",
    "Verdict": "pg_core.defences.base",
    "BoundedEvidence": "pg_core.defences.clipping",
    "MaskedDetection": "pg_core.defences.detection",
    "PatchCleanser": "pg_core.defences.double_masking",
    "FeatureMasking": "pg_core.defences.feature_masking",
    "IntervalBounds": "pg_core.defences.interval",
    "Bound": "pg_core.defences.masking",
    "Masking": "pg_core.defences.masking",
    "MaskingCertificate": "pg_core.defences.masking",
    "RobustMasking": "pg_core.defences.masking",
    "Smoothing": "pg_core.defences.smoothing",
    "Undefended": "pg_core.defences.undefended",
    "LocalFeatures": "pg_core.features",
    "extract": "pg_core.features",
    "update": "pg_core.features",
    "Footprints": "pg_core.footprints",
    "Patch": "pg_core.geometry",
    "ReceptiveField": "pg_core.geometry",
    "Window": "pg_core.geometry",
    "Windows": "pg_core.geometry",
    "ImageError": "pg_core.images",
    "Space": "pg_core.images",
    "Threat": "pg_core.images",
    "save_local_logits": "pg_core.local_logits",
    "mean_logits": "pg_core.masked_views",
    "pair_logits": "pg_core.masked_views",
    "MODELS": "pg_core.models",
    "load_model": "pg_core.models",
    "LocalModel": "pg_core.models.local",
    "Finding": "pg_core.placements",
    "Placements": "pg_core.placements",
    "certify_placements": "pg_core.placements",
    "largest_patches": "pg_core.placements",
    "__version__": "pg_core.version",
    "WindowStatus": "pg_core.witness",
    "Witness": "pg_core.witness",
    "find_witness": "pg_core.witness",
    "window_status": "pg_core.witness",
    "window_statuses": "pg_core.witness",
}


def __getattr__(name: str) -> object:
    """What is exported is imported when it is asked for: a command then starts, and can be interrupted, at once."""
    if name not in _HOMES:
        raise AttributeError(f"module 'pg_core' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
