"""From a photo to its certificate: predictions, masks, and what is proved, in words and in numbers.

Every question about thresholds, patches and labels is answered from the local logits; the network does not
run again.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from PIL import Image

from pg_core.defences.base import Verdict
from pg_core.defences.patchguard.masking import Masking, MaskingCertificate, RobustMasking
from pg_core.defences.patchguard.placements import Placements, certify_placements, largest_patches
from pg_core.defences.undefended import Undefended
from pg_core.geometry import Patch, Size, Window
from pg_core.geometry.footprints import Footprints
from pg_core.io.json import SCHEMA
from pg_core.io.printable import printable
from pg_core.io.progress import Report
from pg_core.networks.base import LocalModel
from pg_core.photos.inference import LocalFeatures, extract
from pg_core.photos.read import Framing, Space, Threat

Summary = dict[str, object]
"""Numbers and words only, as JSON takes them."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Answer:
    """What is said of one image, with a patch on it or without: the undefended prediction, and what Algorithm 1
    masked."""

    features: LocalFeatures
    defence: RobustMasking
    undefended: int
    masking: Masking

    @property
    def classes(self) -> tuple[str, ...]:
        return self.features.classes

    @property
    def undefended_prediction(self) -> str:
        """The class with the largest mean of unclipped local logits."""
        return self.classes[self.undefended]

    @property
    def prediction(self) -> str:
        """The defended prediction."""
        return self.classes[int(self.masking.label)]

    def footprint(self, patch: Patch) -> Window | None:
        """The features that see a patch."""
        return self.features.receptive_field.footprint(patch, self.features.map_size)

    def snapped(self, patch: Patch) -> Window | None:
        """The first malicious window that holds all that a patch can corrupt; None if that is nothing, or more than
        a window."""
        footprint, windows = self.footprint(patch), self.masking.windows
        if footprint is None or any(n > k for n, k in zip(footprint.size, windows.window_size, strict=True)):
            return None
        return windows.containing(footprint)

    def patch_in(self, window: Window, patch_size: Size) -> Patch:
        """A place for a patch that `snapped` finds in this malicious window."""
        field, image_size = self.features.receptive_field, self.features.framing.image_size
        return field.patch_in(window, patch_size, image_size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.undefended_prediction}, defended {self.prediction})"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Analysis(Answer):
    """One image under one defence: what is said of it, and the certificate of Algorithm 2."""

    threat: Threat
    certificate: MaskingCertificate

    @property
    def label(self) -> str:
        """The class that the certificate is about."""
        return self.classes[int(self.certificate.label)]

    @property
    def verdict(self) -> Verdict:
        return self.certificate.verdict

    def rival(self, window: Window) -> str:
        """The class that comes closest to the label at a malicious window."""
        return self.classes[int(self.certificate.rival[window.top, window.left])]

    def placements(self, patch_size: Size | None = None) -> Placements:
        """What the same defence proves for each place of a patch of pixels that the network sees, by default of the
        threat's size there; any size up to the image will do. Raises ValueError for a larger one."""
        framing, defence = self.features.framing, self.defence
        size = self.threat.on_network(framing) if patch_size is None else patch_size
        footprints = Footprints.of(self.features.receptive_field, size, framing.image_size)
        return certify_placements(defence, self.masking, self.certificate, footprints, self._tolerance())

    def largest_patches(self, report: Report | None = None) -> Int[np.ndarray, "height width"]:
        """The side of the largest square patch around each pixel that the network sees under which the same defence
        is certified to predict the label, 0 if there is none."""
        field, image_size = self.features.receptive_field, self.features.framing.image_size
        return largest_patches(
            self.defence, self.masking, self.certificate, field, image_size, self._tolerance(), report
        )

    def sentence(self) -> str:
        """What is proved, in which space, or what is missing."""
        certificate, windows = self.certificate, self.certificate.windows
        patch = _wording(self.threat, self.features.framing)
        if self.verdict is Verdict.MISCLASSIFIED:
            return (
                f"Nothing to certify for '{self.label}': without any patch the defended prediction is "
                f"'{self.prediction}'."
            )
        if windows.covering_map:
            return (
                f"Nothing can be certified against a {patch}: a local logit sees {self.features.receptive_field}, so "
                f"the patch can touch all {_times(windows.map_size)} of them; the only window is the whole map, and "
                "no evidence is left outside it."
            )
        if self.verdict is Verdict.UNPROVED:
            return (
                f"Nothing is proved against a {patch}: the published bound is wrong for T > 0, so its certificate "
                f"claims nothing (its margin is positive in {(certificate.margin > 0).sum()} of "
                f"{windows.count} windows)."
            )
        if self.verdict is Verdict.CERTIFIED:
            return f"No {patch} can change '{self.label}'."
        if self.verdict is Verdict.UNDECIDED:
            return (
                f"Undecided against a {patch}: every margin is positive, but {certificate.undecided.sum()} "
                f"of {windows.count} are within the tolerance, which is estimated."
            )
        worst = certificate.worst
        missing = -float(certificate.margin[worst.top, worst.left])
        lacks = f"lacks {missing:.4g} of evidence" if missing > 0 else "is no more than a tie"
        return (
            f"Not certified against a {patch}: {certificate.not_certified.sum()} of {windows.count} windows are not "
            "certified. "
            f"The worst, at row {worst.top}, column {worst.left}, {lacks} for "
            f"'{self.label}' against '{self.rival(worst)}'."
        )

    def summary(self) -> Summary:
        """The numbers of the analysis, for JSON; classes by name."""
        return {
            "schema": SCHEMA,
            "model": self.features.model,
            "statement": self.sentence(),
            "patch_size": self.threat.patch_size,
            "patch_space": self.threat.space,
            "image_size": self.features.framing.image_size,
            "share_seen": self.features.framing.share_seen,
            "undefended_prediction": self.undefended_prediction,
            "prediction": self.prediction,
            "label": self.label,
            "delta": self.features.delta,
            "delta_is": "estimated",
            **summarise(self.defence, self.certificate, self.classes),
        }

    def _tolerance(self) -> float:
        return float(self.defence.tolerance(self.features.local_logits, self.features.delta))

    def __str__(self) -> str:
        certificate, worst = self.certificate, self.certificate.worst
        at = worst.top, worst.left
        rows = (
            ("network", f"{self.features.model}, map {_times(self.features.map_size)}"),
            ("defence", str(self.defence)),
            ("undefended", self.undefended_prediction),
            ("defended", self.prediction),
            ("label", self.label),
            (
                "verdict",
                f"{self.verdict}, {certificate.proved.sum()} of {certificate.windows.count} windows proved",
            ),
            ("claim", str(certificate.claim)),
            (
                "worst window",
                f"row {at[0]}, column {at[1]}: lower {certificate.lower[at]:.4f}, upper "
                f"{certificate.upper[at]:.4f} ({self.rival(worst)}), margin {certificate.margin[at]:+.4f}",
            ),
        )
        said = filter(None, [self.sentence(), self.features.framing.sentence()])
        # A name may hold the end of a line.
        return "\n".join(map(printable, [*said, *(f"  {name:<13}{value}" for name, value in rows)]))

    def __repr__(self) -> str:
        return str(self)


def answer(features: LocalFeatures, defence: RobustMasking) -> Answer:
    """Algorithm 1 on local logits, and what the network says by itself; nothing is proved."""
    logits = features.local_logits
    return Answer(features, defence, undefended_prediction(logits), defence.predict(logits))


def examine(
    features: LocalFeatures,
    defence: RobustMasking,
    threat: Threat | None = None,
    label: str | None = None,
) -> Analysis:
    """Algorithms 1 and 2 on local logits; the network does not run.

    threat is what the claim is worded for, by default the largest patch that the defence's window covers;
    label the class to certify, by default the defended prediction. Raises ValueError if the window does not
    cover the threat or does not wrap around as the map does, or if the label is no class.
    """
    threat = _covered_threat(features, defence) if threat is None else threat
    field = features.receptive_field
    needed = field.window_size(threat.on_network(features.framing))
    if needed[0] > defence.window_size[0] or needed[1] > defence.window_size[1]:
        raise ValueError(
            f"expected a window of at least {_times(needed)} features for this patch, got "
            f"{_times(defence.window_size)}"
        )
    if defence.wrapping != field.wrapping:
        raise ValueError(f"expected wrapping = {field.wrapping} for {features.model}, got {defence.wrapping}")
    if label is not None and label not in features.classes:
        raise ValueError(f"expected one of the {len(features.classes)} classes, got {label!r}")
    index = None if label is None else features.classes.index(label)
    logits = features.local_logits
    said = answer(features, defence)
    certificate = defence.certify_masking(said.masking, index, defence.tolerance(logits, features.delta))
    return Analysis(features, defence, said.undefended, said.masking, threat, certificate)


def analyse(
    image: Image.Image | Path | str,
    model: LocalModel,
    defence: RobustMasking,
    threat: Threat | None = None,
    label: str | None = None,
) -> Analysis:
    """`extract`, then `examine`: a photo in, predictions, masks and the certificate out."""
    return examine(extract(image, model), defence, threat, label)


def undefended_prediction(local_logits: Float[np.ndarray, "classes rows columns"]) -> int:
    """What the network says without a defence: the class with the largest mean of unclipped local logits."""
    return int(Undefended().predict(local_logits).label)


def summarise(
    defence: RobustMasking, certificate: MaskingCertificate, classes: tuple[str, ...] | None = None
) -> Summary:
    """The certificate of one map in numbers; classes by name, or by index without names."""
    worst = certificate.worst
    at = worst.top, worst.left
    rival = int(certificate.rival[at])
    return {
        "verdict": certificate.verdict,
        "claim": certificate.claim,
        "window_size": certificate.windows.window_size,
        "map_size": certificate.windows.map_size,
        "threshold": defence.threshold,
        "evidence": defence.evidence.name,
        "clip_high": None if math.isinf(defence.clip_high) else defence.clip_high,
        "bound": defence.bound,
        "windows": certificate.windows.count,
        "windows_proved": int(certificate.proved.sum()),
        "windows_not_certified": int(certificate.not_certified.sum()),
        "windows_undecided": int(certificate.undecided.sum()),
        "tolerance": float(certificate.tolerance[at]),
        "smallest_margin": float(certificate.margin[at]),
        "worst": {
            "row": worst.top,
            "column": worst.left,
            "rival": rival if classes is None else classes[rival],
            "lower": float(certificate.lower[at]),
            "upper": float(certificate.upper[at]),
        },
    }


def _covered_threat(features: LocalFeatures, defence: RobustMasking) -> Threat:
    image = features.framing.image_size
    height, width = features.receptive_field.patch_size(defence.window_size)
    if min(height, width) < 1:
        raise ValueError(
            f"expected a window that covers a patch of 1x1 pixels, got {_times(defence.window_size)} "
            "features; receptive_field.window_size(patch_size) gives the window for a patch"
        )
    return Threat((min(height, image[0]), min(width, image[1])))


def _wording(threat: Threat, framing: Framing) -> str:
    size = f"{_times(threat.patch_size)}-pixel patch anywhere on the "
    seen = f"{_times(framing.image_size)} image the network sees"
    if threat.space is Space.NETWORK:
        return size + seen
    touched = _times(threat.on_network(framing))
    return f"{size}original {_times(framing.photo_size)} photo (at most {touched} pixels of the {seen})"


def _times(size: Size) -> str:
    return f"{size[0]}x{size[1]}"
