"""All defences on one image, beside each other: each with its prediction, its certificate and the time that it took.

They are given the same local logits, of one run of the network. Margins of two defences have different units, so that
only their signs can be compared. Some defences certify windows of features, others placements of the patch in pixels:
the latter prove a window if they prove every placement whose footprint lies in it. PatchCleanser, which runs the
network on masked images, takes part if it is given its two-mask predictions.
"""

import html
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from PIL import Image

from pg_core.analysis.certify import threat_of
from pg_core.analysis.inputs import configure, supply
from pg_core.analysis.words import number
from pg_core.defences.base import (
    ALERT,
    Certificate,
    Claim,
    Defence,
    DefenceInput,
    InputArray,
    Prediction,
    in_words,
)
from pg_core.defences.patchcleanser.pixels import TwoMaskPredictions, mask_set
from pg_core.defences.registry import DEFENCES, defence_spec
from pg_core.defences.spec import DefenceConfig, DefenceSpec, Value
from pg_core.evidence.arrays import first_largest
from pg_core.geometry import Box, Patch, Size, Window, Windows
from pg_core.io.parameters import coerce_fields, shown
from pg_core.io.printable import printable
from pg_core.networks import load_model
from pg_core.networks.base import LocalModel
from pg_core.photos.framing import Space
from pg_core.photos.inference import LocalFeatures, extract


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class DefenceResult:
    """A defence, its input `values`, and its prediction and certificate of one image; `seconds` is the time that these
    two took."""

    name: str
    defence: Defence
    values: InputArray
    prediction: Prediction
    certificate: Certificate
    seconds: float

    def __post_init__(self) -> None:
        coerce_fields(self)

    @property
    def spec(self) -> DefenceSpec:
        return defence_spec(self.name)

    @property
    def relative(self) -> Float64[np.ndarray, "window_rows window_columns"]:
        """The margins over the largest finite absolute margin of this defence, in [-1, 1]; -1 or 1 where there is no
        bound."""
        margin = self.certificate.margin
        finite = np.abs(margin[np.isfinite(margin)])
        return np.clip(margin / max(float(finite.max(initial=0.0)), 2.0**-1000), -1.0, 1.0)

    def __repr__(self) -> str:
        return f"DefenceResult({self.name}, {self.certificate!r}, {self.seconds * 1000:.0f} ms)"


@dataclass(frozen=True, slots=True)
class NotApplicable:
    """A defence that does not apply to the network, and why, in a sentence."""

    name: str
    reason: str

    def __post_init__(self) -> None:
        coerce_fields(self)


class Positions(Box):
    """A box of positions of a certificate: of windows, or of the top left pixel of the patch."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """The results of all defences on one image, in the order of the registry, and the defences that do not apply to
    the network."""

    features: LocalFeatures
    config: DefenceConfig
    results: tuple[DefenceResult, ...]
    not_applicable: tuple[NotApplicable, ...] = ()

    @property
    def windows(self) -> Windows:
        """The malicious windows of the map of local logits."""
        field = self.config.receptive_field
        return Windows(self.features.map_size, self.config.window_size, field.wrapping)

    def __str__(self) -> str:
        """A line for each defence."""
        lines = [f"{one.spec.title}: {_verdict(self, one)}" for one in self.results]
        return "\n".join([*lines, *(f"{gone.name}: {gone.reason}" for gone in self.not_applicable)])

    def _repr_html_(self) -> str:
        """A row for each defence, for a notebook."""
        rows = [(one.spec.title, *_row(self, one)) for one in self.results]
        head = ("defence", "prediction", "verdict", "proved", "smallest margin")
        cells = "".join(
            f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows
        )
        return f"<table><tr>{''.join(f'<th>{name}</th>' for name in head)}</tr>{cells}</table>"

    def positions(self, one: DefenceResult, window: Window) -> Positions | None:
        """Where in the certificate of a defence a malicious window lies: its own position, or all placements of the
        patch whose footprint lies in it; None if there is no such placement."""
        if one.certificate.positions == self.windows:
            return Positions(window.top, window.left, 1, 1)
        rows, columns = (
            self._placed(axis, first, size, self.windows.shape[axis] == 1)
            for axis, (first, size) in enumerate(((window.top, window.height), (window.left, window.width)))
        )
        if not len(rows) or not len(columns):
            return None
        tall, wide = one.certificate.positions.shape
        top, left = (0 if tall == 1 else int(rows[0])), (0 if wide == 1 else int(columns[0]))
        height = 1 if tall == 1 else int(rows[-1]) - top + 1
        return Positions(top, left, height, 1 if wide == 1 else int(columns[-1]) - left + 1)

    def window_at(self, one: DefenceResult, row: int, column: int) -> Window | None:
        """The malicious window that a position in the certificate of a defence stands for: itself, or the first that
        contains the footprint of a patch there; None if no feature sees that patch."""
        if one.certificate.positions == self.windows:
            return self.windows.window(row, column)
        patch = Patch(row, column, *self.config.patch_size)
        footprint = self.config.receptive_field.footprint(patch, self.features.map_size)
        return None if footprint is None else self.windows.containing(footprint)

    def worst_at(self, one: DefenceResult, window: Window) -> tuple[int, int] | None:
        """The position with the smallest margin among those of a malicious window, the first on ties; None if it has
        none."""
        box = self.positions(one, window)
        if box is None:
            return None
        margin = one.certificate.margin[box.top : box.bottom, box.left : box.right]
        row, column = divmod(int(first_largest(-margin.reshape(-1))), margin.shape[1])
        return box.top + row, box.left + column

    def proves(self, one: DefenceResult, window: Window) -> bool:
        """Whether what the certificate of a defence claims is proved for a malicious window."""
        certificate, box = one.certificate, self.positions(one, window)
        if box is None:
            return False
        return bool(certificate.proved[box.top : box.bottom, box.left : box.right].all())

    def differing(self, window: Window) -> tuple[DefenceResult, DefenceResult] | None:
        """The first defence that proves a malicious window, and the first (after the undefended network) that does
        not; None if they agree."""
        proving = [one for one in self.results if self.proves(one, window)]
        failing = [one for one in self.results if not self.proves(one, window)]
        failing.sort(key=lambda one: one.certificate.claim is Claim.NOTHING)
        return (proving[0], failing[0]) if proving and failing else None

    def _placed(self, axis: int, first: int, size: int, whole: bool) -> np.ndarray:
        """Places of the patch along an axis whose footprint lies in [first, first + size) of the map, in a row; of a
        window around the right edge, the longer part."""
        patch, image = self.config.patch_size[axis], self.features.framing.image_size[axis]
        starts = np.arange(image - patch + 1)
        if whole:
            return starts
        count = self.features.map_size[axis]
        begin, end = self.config.receptive_field.spans(
            np.stack([starts, starts + patch], axis=-1), self.features.map_size, axis
        ).T
        ahead = (begin - first) % count if self.config.receptive_field.wrapping else begin - first
        inside = starts[(ahead >= 0) & (ahead + end - begin <= size) & (begin < end)]
        runs = np.split(inside, np.flatnonzero(np.diff(inside) > 1) + 1)
        return max(runs, key=len)


def compare(
    photo: Image.Image | Path | str | LocalFeatures,
    network: LocalModel | str | DefenceConfig = "tiles",
    label: str | None = None,
    names: Iterable[str] | None = None,
    two_mask: TwoMaskPredictions | None = None,
    *,
    patch: str | int | Size = "2%",
    settings: Mapping[str, Value] | None = None,
    space: Space = Space.NETWORK,
) -> Comparison:
    """Every defence, or those of these names, made for a network and a patch, on one photo.

    photo, network, patch, settings and space are those of `certify`; the settings may be of any defence. Local
    features (`extract`) may take the place of the photo, and with them a configuration with a patch and settings of
    its own (`configure`) that of the network. label is the class to certify, by default what each defence predicts;
    names are those of the defences, by default all; two_mask are the two-mask predictions for the masks of the
    configuration (`two_mask_predictions`), without which PatchCleanser does not apply. Raises ValueError for a label
    that is no class, a name of no defence and a setting of none, ImageError for a file that is no photo.

    >>> compare("photo.jpg", "imagenette", patch="2%", settings={"threshold": 0.2})  # doctest: +SKIP
    """
    features, config = _configured(photo, network, patch, settings or {}, space)
    if label is not None and label not in features.classes:
        raise ValueError(f"expected one of the {len(features.classes)} classes, got {label!r}")
    index = None if label is None else features.classes.index(label)
    results, not_applicable = [], []
    for spec in map(defence_spec, DEFENCES if names is None else names):
        try:
            defence = spec.build(config)
        except ValueError as error:
            not_applicable.append(NotApplicable(spec.name, str(error)))
            continue
        if spec.input is DefenceInput.TWO_MASK_PREDICTIONS:
            if two_mask is None:
                count = mask_set(config).count
                runs = count * (count + 1) // 2
                reason = f"it needs {runs} more runs of the network"
                not_applicable.append(NotApplicable(spec.name, reason))
                continue
            values, delta = two_mask, features.delta
        else:
            values, delta = supply(defence, features)
        start = time.perf_counter()
        prediction = defence.predict(values)
        certificate = defence.certify(values, label=index, delta=delta)
        seconds = time.perf_counter() - start
        results.append(DefenceResult(spec.name, defence, values, prediction, certificate, seconds))
    return Comparison(features, config, tuple(results), tuple(not_applicable))


def _configured(
    photo: Image.Image | Path | str | LocalFeatures,
    network: LocalModel | str | DefenceConfig,
    patch: str | int | Size,
    settings: Mapping[str, Value],
    space: Space,
) -> tuple[LocalFeatures, DefenceConfig]:
    """What the network saw of the photo, and what defences are made for."""
    if isinstance(network, DefenceConfig):
        if not isinstance(photo, LocalFeatures):
            raise ValueError(f"expected a network for a photo, got a configuration: {shown(network)}")
        return photo, network
    model = load_model(network) if isinstance(network, str) else network
    features = photo if isinstance(photo, LocalFeatures) else extract(photo, model)
    if features.model != model.name:
        raise ValueError(f"expected local features of {model.name}, got those of {features.model}")
    known = {parameter.name: parameter for spec in DEFENCES.values() for parameter in spec.parameters}
    for name in settings:
        if name not in known:
            raise ValueError(f"expected one of {', '.join(known)}, got {shown(name)}")
    checked = {name: known[name].checked(value) for name, value in settings.items()}
    return features, configure(
        model, threat_of(patch, features.framing, space).on_network(features.framing), checked
    )


def _row(found: Comparison, one: DefenceResult) -> tuple[str, str, str, str]:
    certificate, label = one.certificate, int(one.prediction.label)
    prediction = "an alert" if label == ALERT else found.features.classes[label]
    what = "windows" if isinstance(certificate.positions, Windows) else "placements"
    proved = f"{certificate.proved.sum()} of {certificate.positions.count} {what}"
    verdict = in_words(certificate.verdict, certificate.claim)
    return prediction, verdict, proved, number(float(certificate.margin.min()), "+.4g")


def _verdict(found: Comparison, one: DefenceResult) -> str:
    prediction, verdict, proved, margin = _row(found, one)
    return printable(f"{prediction}, {verdict}, {proved} proved, smallest margin {margin}")
