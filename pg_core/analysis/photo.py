"""From a photo to its certificate, by any defence: predictions, masks, and what is proved at each position.

Other thresholds, patches and labels need no second run of the network (PatchCleanser excepted). Not here: the words,
see `pg_core.analysis.words`, and several defences at once, see `pg_core.analysis.comparison`.
"""

import base64
import html
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int
from PIL import Image

from pg_core.analysis import words
from pg_core.analysis.inputs import supply
from pg_core.analysis.positions import by_positions, largest_by_positions
from pg_core.defences.base import ALERT, Certificate, Defence, InputArray, Prediction, Verdict
from pg_core.defences.patchguard.certificate import MaskingCertificate
from pg_core.defences.patchguard.masking import Masking, RobustMasking
from pg_core.defences.patchguard.placements import Placements, certify_placements, largest_patches
from pg_core.defences.patchguard.witness import WindowStatus, Witness, window_status
from pg_core.defences.registry import spec_of
from pg_core.defences.spec import Counterexample, DefenceSpec, Explanation
from pg_core.defences.undefended import Undefended
from pg_core.evidence.arrays import EvidenceMap
from pg_core.evidence.tolerance import Tolerance
from pg_core.geometry import Box, Patch, PatchPositions, Size, Window, Windows, times
from pg_core.geometry.footprints import Footprints
from pg_core.io.printable import printable
from pg_core.io.progress import Report
from pg_core.networks.base import LocalModel
from pg_core.photos.framing import Threat
from pg_core.photos.inference import LocalFeatures, extract

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

AN_ALERT = "an alert"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Answer:
    """The predictions for one image, with a patch on it or without: the class of the undefended network, and the
    prediction of the defence with its input `values`."""

    features: LocalFeatures
    defence: Defence
    values: InputArray
    undefended: int
    defended: Prediction

    @property
    def spec(self) -> DefenceSpec:
        return spec_of(self.defence)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.features.classes

    @property
    def undefended_prediction(self) -> str:
        """The class with the largest mean of unclipped local logits."""
        return self.classes[self.undefended]

    @property
    def prediction(self) -> str:
        """The defended prediction, or that there is an alert."""
        return self.named(int(self.defended.label))

    @property
    def masking(self) -> Masking:
        """The result of Algorithm 1; raises ValueError if the defence is not robust masking."""
        if not isinstance(self.defended, Masking):
            raise ValueError(f"expected robust masking, got {self.defence}")
        return self.defended

    @property
    def robust_masking(self) -> RobustMasking:
        """The defence; raises ValueError if it is not robust masking."""
        if not isinstance(self.defence, RobustMasking):
            raise ValueError(f"expected robust masking, got {self.defence}")
        return self.defence

    @property
    def evidence(self) -> EvidenceMap | None:
        """The evidence that the defence sums, for each class in each cell; None for a defence that sums no
        evidence."""
        if isinstance(self.defended, Masking):
            return self.defended.evidence
        evidence = self.spec.evidence
        return None if evidence is None else evidence(self.defence, self.values)

    def masked(self, label: int) -> tuple[Box, ...]:
        """What the defence masked for a class: windows of features, or patches of pixels."""
        masked = self.spec.masked
        return () if masked is None else masked(self.defence, self.defended, label)

    def lead(self, label: int) -> float:
        """The score of a class less the best other one."""
        scores = np.asarray(self.defended.scores, np.float64)
        return float(scores[label] - np.delete(scores, label).max())

    def named(self, label: int) -> str:
        """A class by its name; an alert is no class."""
        return AN_ALERT if label == ALERT else self.classes[label]

    def footprint(self, patch: Patch) -> Window | None:
        """The features that see a patch; None if none does."""
        return self.features.receptive_field.footprint(patch, self.features.map_size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.undefended_prediction}, defended {self.prediction})"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Analysis(Answer):
    """One image under one defence: the predictions, and the certificate against a threat.

    A position of the certificate is given by its box: a malicious window, or the patch at a placement.
    """

    threat: Threat
    certificate: Certificate

    @property
    def label(self) -> str:
        """The class that the certificate is about."""
        return self.classes[int(self.certificate.label)]

    @property
    def verdict(self) -> Verdict:
        return self.certificate.verdict

    @property
    def masking_certificate(self) -> MaskingCertificate:
        """The certificate of Algorithm 2; raises ValueError if the defence is not robust masking."""
        if not isinstance(self.certificate, MaskingCertificate):
            raise ValueError(f"expected robust masking, got {self.defence}")
        return self.certificate

    def rival(self, at: Box) -> str:
        """The class that comes closest to the label at a position."""
        return self.classes[int(self.certificate.rival[at.top, at.left])]

    def position(self, patch: Patch) -> Window | Patch | None:
        """The first position that contains all that a patch can corrupt; None if no feature sees the patch, or no
        position contains its footprint."""
        positions = self.certificate.positions
        if isinstance(positions, PatchPositions):
            return positions.containing(patch)
        footprint = self.footprint(patch)
        if footprint is None or any(
            n > k for n, k in zip(footprint.size, positions.window_size, strict=True)
        ):
            return None
        return positions.containing(footprint)

    def extent(self, at: Box) -> Window | Patch:
        """What a position stands for: a window of features, or the pixels of the patch, over all rows or columns that
        are alike."""
        positions = self.certificate.positions
        if isinstance(positions, PatchPositions):
            return positions.extent(at.top, at.left)
        return positions.window(at.top, at.left)

    def patch_in(self, at: Box, patch_size: Size) -> Patch:
        """A placement of a patch of this size (height, width, pixels) for which `position` gives this position."""
        image_size = self.features.framing.image_size
        if isinstance(at, Window):
            return self.features.receptive_field.patch_in(at, patch_size, image_size)
        top, left = (
            min(start, n - p) for start, n, p in zip((at.top, at.left), image_size, patch_size, strict=True)
        )
        return Patch(top, left, *patch_size)

    def explanation(self, at: Box) -> Explanation:
        """How both bounds at a position come about, in the terms of the defence."""
        position = at.top, at.left
        return self.spec.explanation(self.defence, self.values, self.defended, self.certificate, position)

    def counterexample(self, at: Box) -> Counterexample | None:
        """A prediction of another class, for an input that differs inside this position only; None where the position
        is proved, or none was found."""
        return self.known(at)[1]

    def witness(self, window: Window) -> tuple[WindowStatus, Witness | None]:
        """What is known of a malicious window under robust masking, with its counterexample in evidence if there is
        one."""
        return window_status(self.robust_masking, self.masking, self.certificate, window)

    def status(self, at: Box) -> WindowStatus:
        """What is known of a position in feature space; open where the defence has no search for witnesses that
        decides it."""
        return self.known(at)[0]

    def known(self, at: Box) -> tuple[WindowStatus, Counterexample | None]:
        """The status of a position, and its counterexample if one was found; the witness is looked for once."""
        position, label = (at.top, at.left), int(self.certificate.label)
        if isinstance(at, Window) and isinstance(self.defended, Masking):
            status, witness = self.witness(at)
            return status, None if witness is None else Counterexample(label, witness.masking)
        if self.certificate.proved[position]:
            return WindowStatus.CERTIFIED, None
        found = self.spec.counterexample(self.defence, self.values, self.defended, self.certificate, position)
        if found is not None:
            return WindowStatus.COUNTEREXAMPLE, found
        undecided = self.certificate.undecided[position]
        return (WindowStatus.UNDECIDED if undecided else WindowStatus.OPEN), None

    def placements(self, patch_size: Size | None = None) -> Placements:
        """What the same defence proves for each placement of a patch of `patch_size` pixels (height, width) of the
        image that the network sees, by default of the threat's size there. Raises ValueError for a patch larger than
        the image."""
        framing, field = self.features.framing, self.features.receptive_field
        size = self.threat.on_network(framing) if patch_size is None else patch_size
        if not isinstance(self.defence, RobustMasking):
            clean = self.lead(int(self.certificate.label))
            return by_positions(self.certificate, clean, field, size, framing.image_size)
        footprints = Footprints.of(field, size, framing.image_size)
        return certify_placements(
            self.defence, self.masking, self.certificate, footprints, self._tolerance(self.defence)
        )

    def largest_patches(self, report: Report | None = None) -> Int[np.ndarray, "height width"]:
        """For each pixel of the image that the network sees, the side in pixels of the largest square around it for
        which the same defence is certified to predict the label, 0 if there is none (`Footprints.centred`)."""
        field, image_size = self.features.receptive_field, self.features.framing.image_size
        if not isinstance(self.defence, RobustMasking):
            return largest_by_positions(self.certificate, field, image_size, report)
        tolerance = self._tolerance(self.defence)
        return largest_patches(
            self.defence, self.masking, self.certificate, field, image_size, tolerance, report
        )

    def sentence(self) -> str:
        """What is proved, in which space, or what is missing."""
        return words.sentence(self)

    def summary(self) -> words.Summary:
        """The numbers of the analysis, for JSON; classes by name."""
        return words.summary(self)

    def _tolerance(self, defence: RobustMasking) -> Tolerance:
        return defence.tolerance(self.features.local_logits, self.features.delta)

    def plot(self, at: Box | None = None) -> "Figure":
        """Photo, evidence and margins as a matplotlib figure, with a window or a placement, by default the worst."""
        from pg_core.plots.figure import plot

        return plot(self, at)

    def plot_margins(self, ax: "Axes | None" = None) -> "Axes":
        """The margin of each window or placement, on these matplotlib axes or new ones."""
        from pg_core.plots.figure import plot_margins

        return plot_margins(self, ax)

    def _repr_html_(self) -> str:
        """The picture and the numbers, for a notebook; the numbers alone without matplotlib."""
        from pg_core.plots.figure import Format, drawn

        text = html.escape(str(self))
        try:
            picture = base64.b64encode(drawn(self, Format.PNG)).decode()
        except ImportError:
            return f"<pre>{text}</pre>"
        alt = html.escape(self.sentence(), quote=True)
        return f'<img style="max-width: 100%" src="data:image/png;base64,{picture}" alt="{alt}"><pre>{text}</pre>'

    def __str__(self) -> str:
        return words.table(self)

    def __repr__(self) -> str:
        certificate = self.certificate
        proved = (
            f"{certificate.proved.sum()} of {certificate.positions.count} {words.places(certificate)} proved"
        )
        return printable(f"Analysis({self.label!r} {self.verdict}, {proved}, {self.defence})")


def answer(
    features: LocalFeatures, defence: Defence, model: LocalModel | None = None, report: Report | None = None
) -> Answer:
    """The prediction of a defence and that of the undefended network, without a certificate.

    model is the network, for a defence that runs it again (PatchCleanser); report is told the progress of these runs.
    Raises ValueError as `pg_core.analysis.inputs.supply`.
    """
    values, _ = supply(defence, features, model, report)
    return _answer(features, defence, values)


def examine(
    features: LocalFeatures,
    defence: Defence,
    threat: Threat | None = None,
    label: str | None = None,
    model: LocalModel | None = None,
    values: InputArray | None = None,
    report: Report | None = None,
) -> Analysis:
    """Prediction and certificate of any defence for the local features of a photo.

    threat is the patch that the claim names, by default the largest that the defence covers; label the class to
    certify, by default the defended prediction. model is the network, for a defence that runs it again
    (PatchCleanser), values its two-mask predictions if they are known, and report is told the progress of these runs.
    Raises ValueError for a defence that does not cover the threat, does not wrap around as the map does, or is not in
    the registry, and for a label that is no class.
    """
    if label is not None and label not in features.classes:
        raise ValueError(f"expected one of the {len(features.classes)} classes, got {label!r}")
    wrapping = getattr(defence, "wrapping", features.receptive_field.wrapping)
    if wrapping != features.receptive_field.wrapping:
        raise ValueError(
            f"expected wrapping = {features.receptive_field.wrapping} for {features.model}, got {wrapping}"
        )
    size = getattr(defence, "window_size", None)
    if size is not None:
        threat = _covered_threat(features, size, threat)
    delta = features.delta
    if values is None:
        values, delta = supply(defence, features, model, report)
    elif spec_of(defence).input.exact:
        delta = 0.0
    said = _answer(features, defence, values)
    index = None if label is None else features.classes.index(label)
    if isinstance(said.defended, Masking) and isinstance(defence, RobustMasking):
        tolerance = defence.tolerance(features.local_logits, delta)
        certificate: Certificate = defence.certify_masking(said.defended, index, tolerance)
    else:
        certificate = defence.certify(values, label=index, delta=delta)
    threat = _placed_threat(features, certificate, threat)
    return Analysis(features, defence, values, said.undefended, said.defended, threat, certificate)


def analyse(
    image: Image.Image | Path | str,
    model: LocalModel,
    defence: Defence,
    threat: Threat | None = None,
    label: str | None = None,
) -> Analysis:
    """`extract`, then `examine`: from a photo to predictions, masks and the certificate. Raises ImageError for a file
    that is no photo, and ValueError as they do."""
    return examine(extract(image, model), defence, threat, label, model)


def undefended_prediction(local_logits: Float[np.ndarray, "classes rows columns"]) -> int:
    """The prediction without a defence: the index of the class with the largest mean of unclipped local logits."""
    return int(Undefended().predict(local_logits).label)


def _answer(features: LocalFeatures, defence: Defence, values: InputArray) -> Answer:
    undefended = undefended_prediction(features.local_logits)
    return Answer(features, defence, values, undefended, defence.predict(values))


def _covered_threat(features: LocalFeatures, window_size: Size, threat: Threat | None) -> Threat:
    """The threat, if windows of this size cover it, or the largest that they cover."""
    field, image = features.receptive_field, features.framing.image_size
    if threat is None:
        height, width = field.patch_size(window_size)
        if min(height, width) < 1:
            raise ValueError(
                f"expected a window that covers a patch of 1x1 pixels, got {times(window_size)} "
                "features; receptive_field.window_size(patch_size) gives the window for a patch"
            )
        return Threat((min(height, image[0]), min(width, image[1])))
    needed = field.window_size(threat.on_network(features.framing))
    if needed[0] > window_size[0] or needed[1] > window_size[1]:
        raise ValueError(
            f"expected a window of at least {times(needed)} features for this patch, got {times(window_size)}"
        )
    return threat


def _placed_threat(features: LocalFeatures, certificate: Certificate, threat: Threat | None) -> Threat:
    """The threat, if the placements of a certificate cover it, or what they are placements of."""
    positions = certificate.positions
    if isinstance(positions, Windows):
        if threat is None:
            return _covered_threat(features, positions.window_size, None)
        return threat
    if threat is None:
        return Threat(positions.patch_size)
    needed = threat.on_network(features.framing)
    if any(n > p for n, p in zip(needed, positions.patch_size, strict=True)):
        raise ValueError(
            f"expected a defence against patches of at least {times(needed)} pixels, got "
            f"{times(positions.patch_size)}"
        )
    return threat
