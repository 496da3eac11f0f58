"""Clean and provable robust accuracy over a folder of photos: the metrics of [PG] section 5.

The network runs once on each photo; all patch sizes and thresholds are answered from its local logits. Each
photo's outcome is a JSON line, written when it is known, so a run that was killed goes on where it stopped.
It leaves out other defences than robust masking.
"""

import json
import math
import os
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from pg_core.arrays import Evidence, LocalLogits
from pg_core.datasets import LabelledPhoto
from pg_core.defences.base import Verdict
from pg_core.defences.masking import Bound, RobustMasking
from pg_core.defences.undefended import Undefended
from pg_core.features import extract
from pg_core.geometry import ReceptiveField, Size
from pg_core.models.local import LocalModel
from pg_core.progress import Pace, Report

JSON = dict[str, object]
_VERSIONS = ("torch", "numpy", "pillow")
_QUANTILE = 1.959963984540054
"""Of the normal distribution, for two-sided 95 %."""


@dataclass(frozen=True, slots=True)
class Proportion:
    """`count` out of `n` photos."""

    count: int
    n: int

    @property
    def share(self) -> float:
        """NaN of no photos."""
        return self.count / self.n if self.n else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval (1927), which stays within [0, 1] and is right for shares near 1.

        >>> [round(bound, 4) for bound in Proportion(81, 263).interval]
        [0.2553, 0.3662]
        """
        if not self.n:
            return 0.0, 1.0
        square = _QUANTILE**2
        middle = (self.count + square / 2) / (self.n + square)
        spread = self.count * (self.n - self.count) / self.n + square / 4
        half = _QUANTILE * math.sqrt(spread) / (self.n + square)
        return max(0.0, middle - half), min(1.0, middle + half)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{100 * self.share:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


@dataclass(frozen=True, slots=True)
class Protocol:
    """What is measured: robust masking with T of `thresholds` against each of `patch_sizes`, in pixels of the
    image that the network sees."""

    patch_sizes: tuple[Size, ...]
    thresholds: tuple[float, ...] = (0.0,)
    evidence: Evidence = Evidence.CONFIDENCE
    clip_high: float = math.inf
    bound: Bound = Bound.SOUND

    def __post_init__(self) -> None:
        if not self.patch_sizes or not self.thresholds:
            raise ValueError("expected at least one patch size and one threshold")

    def defences(self, field: ReceptiveField) -> tuple[tuple[Size, RobustMasking], ...]:
        """Each patch size with its defence for a receptive field, thresholds running fastest."""
        return tuple(
            (patch, RobustMasking(window, threshold, self.evidence, self.clip_high, self.bound))
            for patch in self.patch_sizes
            for window in (field.window_size(patch),)
            for threshold in self.thresholds
        )


@dataclass(frozen=True, slots=True)
class Ruling:
    """What one defence says of one photo: its prediction, the verdict on the true class, the least margin."""

    prediction: int
    verdict: Verdict
    smallest_margin: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """One photo under all defences of a protocol, in their order; delta as in `LocalFeatures`."""

    photo: str
    label: int
    undefended: int
    delta: float
    rulings: tuple[Ruling, ...]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """One defence over all photos. `clean` counts right defended predictions, `certified` the photos whose
    true class no patch can take away."""

    patch_size: Size
    defence: RobustMasking
    clean: Proportion
    certified: Proportion
    verdicts: tuple[tuple[Verdict, int], ...]


@dataclass(frozen=True, slots=True)
class Configuration:
    """All that an outcome depends on beside the photo: two runs with equal ones may share a file."""

    model: str
    classes: tuple[str, ...]
    image_size: Size
    receptive_field: ReceptiveField
    weights_sha256: str | None
    protocol: Protocol
    versions: tuple[tuple[str, str], ...]

    def summary(self) -> JSON:
        """As JSON takes it."""
        protocol, field = self.protocol, self.receptive_field
        return {
            "model": self.model,
            "classes": list(self.classes),
            "image_size": list(self.image_size),
            "receptive_field": list(field.size),
            "stride": list(field.stride),
            "offset": list(field.offset),
            "weights_sha256": self.weights_sha256,
            "patch_sizes": [list(size) for size in protocol.patch_sizes],
            "thresholds": list(protocol.thresholds),
            "evidence": str(protocol.evidence),
            "clip_high": None if math.isinf(protocol.clip_high) else protocol.clip_high,
            "bound": str(protocol.bound),
            "versions": dict(self.versions),
        }


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The accuracies of a network over a set of photos, undefended and under each defence. `delta` is the
    largest of the photos' errors of a local logit, which the margins have to survive (section 5)."""

    configuration: Configuration
    delta: float
    undefended: Proportion
    runs: tuple[Accuracy, ...]

    @property
    def n(self) -> int:
        return self.undefended.n

    def summary(self) -> JSON:
        """Numbers and words only, as JSON takes them; intervals are Wilson's, 95 %."""
        return {
            "n": self.n,
            "undefended_accuracy": self.undefended.share,
            "undefended_interval": list(self.undefended.interval),
            "runs": [
                {
                    "patch_size": list(run.patch_size),
                    "threshold": run.defence.threshold,
                    "defence": str(run.defence),
                    "clean_accuracy": run.clean.share,
                    "clean_interval": list(run.clean.interval),
                    "certified_accuracy": run.certified.share,
                    "certified_interval": list(run.certified.interval),
                    "verdicts": {str(verdict): count for verdict, count in run.verdicts},
                }
                for run in self.runs
            ],
            "delta": self.delta,
            "configuration": self.configuration.summary(),
        }

    def __str__(self) -> str:
        lines = [f"{self.configuration.model}, n = {self.n}, undefended {self.undefended}"]
        for run in self.runs:
            height, width = run.patch_size
            lines.append(
                f"  {height}x{width} pixels, T = {run.defence.threshold:g}: clean {run.clean}, "
                f"certified {run.certified}"
            )
        return "\n".join(lines)


def evaluate(
    model: LocalModel,
    photos: Sequence[LabelledPhoto],
    protocol: Protocol,
    lines: str | Path | None = None,
    weights_sha256: str | None = None,
    report: Report | None = None,
) -> Evaluation:
    """Run the network on each photo that `lines` does not know yet, and count.

    lines is a file of JSON lines, the configuration first; what a killed run left in it is kept, up to a line
    cut short. Raises ValueError if it was written under another configuration, ImageError for a bad photo.
    """
    if not photos:
        raise ValueError("expected at least one photo, got none")
    path = None if lines is None else Path(lines)
    configuration = _configuration(model, protocol, weights_sha256)
    known = {} if path is None else _resume(path, configuration)
    defences = tuple(defence for _, defence in protocol.defences(model.receptive_field))
    missing = [photo for photo in photos if photo.name not in known]
    finished = len(photos) - len(missing)
    pace = Pace(len(photos), finished)
    for done, photo in enumerate(missing, finished + 1):
        features = extract(photo.path, model)
        (outcome,) = judge(features.local_logits[None], (photo,), defences, features.delta)
        if path is not None:
            if not known:
                _append(path, {"configuration": configuration.summary()})
            _append(path, _line(outcome))
        known[photo.name] = outcome
        if report is not None:
            report(pace.progress(done))
    return count(configuration, [known[photo.name] for photo in photos])


def judge(
    local_logits: LocalLogits,
    photos: Sequence[LabelledPhoto],
    defences: Sequence[RobustMasking],
    delta: float = 0.0,
) -> tuple[Outcome, ...]:
    """What each defence says of each photo, all photos at once."""
    labels = np.array([photo.label for photo in photos])
    undefended = Undefended().predict(local_logits).label
    rulings: list[list[Ruling]] = [[] for _ in photos]
    for defence in defences:
        certificates = defence.certify(local_logits, labels, delta)
        least = certificates.margin.min(axis=(-2, -1))
        for index, own in enumerate(rulings):
            certificate = certificates[index]
            own.append(Ruling(int(certificate.prediction), certificate.verdict, float(least[index])))
    return tuple(
        Outcome(photo.name, photo.label, int(undefended[index]), delta, tuple(rulings[index]))
        for index, photo in enumerate(photos)
    )


def count(configuration: Configuration, outcomes: Sequence[Outcome]) -> Evaluation:
    """The accuracies that outcomes add up to. Every verdict is counted, one that is absent as 0."""
    n = len(outcomes)
    runs = []
    defences = configuration.protocol.defences(configuration.receptive_field)
    for index, (patch, defence) in enumerate(defences):
        verdicts = Counter(outcome.rulings[index].verdict for outcome in outcomes)
        clean = sum(outcome.rulings[index].prediction == outcome.label for outcome in outcomes)
        certified = Proportion(verdicts[Verdict.CERTIFIED], n)
        counted = tuple((verdict, verdicts[verdict]) for verdict in Verdict)
        runs.append(Accuracy(patch, defence, Proportion(clean, n), certified, counted))
    undefended = sum(outcome.undefended == outcome.label for outcome in outcomes)
    delta = max((outcome.delta for outcome in outcomes), default=0.0)
    return Evaluation(configuration, delta, Proportion(undefended, n), tuple(runs))


def _configuration(model: LocalModel, protocol: Protocol, weights_sha256: str | None) -> Configuration:
    return Configuration(
        model.name,
        model.classes,
        model.image_size,
        model.receptive_field,
        weights_sha256,
        protocol,
        (("python", platform.python_version()), *((name, version(name)) for name in _VERSIONS)),
    )


def _resume(path: Path, configuration: Configuration) -> dict[str, Outcome]:
    """The outcomes in a file of an earlier run, up to a line cut short, which is removed; of an empty or
    missing file, which gets its first line with the first outcome, none."""
    if not path.exists():
        return {}
    content = path.read_bytes()
    complete = content[: content.rfind(b"\n") + 1]
    if len(complete) < len(content):
        with path.open("rb+") as file:
            file.truncate(len(complete))
    try:
        first, *rest = [json.loads(line) for line in complete.splitlines()] or [None]
        if first is None:
            return {}
        found = first["configuration"]
        outcomes = [_outcome(line) for line in rest]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path.name}: not the lines of an evaluation; name another file") from error
    expected = json.loads(json.dumps(configuration.summary()))
    different = [key for key, value in expected.items() if found.get(key) != value]
    if different:
        raise ValueError(f"{path.name}: another configuration ({', '.join(different)}); name another file")
    return {outcome.photo: outcome for outcome in outcomes}


def _append(path: Path, line: JSON) -> None:
    """One line, on the disk before the next photo begins."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _line(outcome: Outcome) -> JSON:
    rulings = [
        {"prediction": r.prediction, "verdict": str(r.verdict), "smallest_margin": r.smallest_margin}
        for r in outcome.rulings
    ]
    return {
        "photo": outcome.photo,
        "label": outcome.label,
        "undefended": outcome.undefended,
        "delta": outcome.delta,
        "rulings": rulings,
    }


def _outcome(line: Mapping[str, Any]) -> Outcome:
    rulings = tuple(
        Ruling(int(r["prediction"]), Verdict(r["verdict"]), float(r["smallest_margin"]))
        for r in line["rulings"]
    )
    return Outcome(
        str(line["photo"]), int(line["label"]), int(line["undefended"]), float(line["delta"]), rulings
    )
