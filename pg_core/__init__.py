"""PatchGuard (Xiang et al., USENIX Security 2021): provable robustness against adversarial patches.

model = pg_core.load_model("tiles")
defence = pg_core.RobustMasking(model.receptive_field.window_size((64, 64)), evidence=model.evidence)
print(pg_core.analyse("photo.jpg", model, defence))
"""

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
