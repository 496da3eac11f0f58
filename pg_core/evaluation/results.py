"""The results of an evaluation, as values that JSON keeps: the accuracies of a network under each defence.

`pg_core.evaluation.run` counts them; assets/results holds those of the networks trained here, one file for each run.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pg_core.defences.base import Claim, Verdict
from pg_core.evaluation.lines import JSON
from pg_core.evaluation.proportion import Proportion
from pg_core.geometry import ReceptiveField, Size
from pg_core.io.assets import asset
from pg_core.io.json import SCHEMA, as_json, from_json
from pg_core.io.parameters import coerce_fields
from pg_core.io.printable import printable

RESULTS = asset("results")
_NOTED = ("unreadable", "other_files", "changed", "missing", "spoilt", "moved")
"""What an evaluation names beside its accuracies, where there is any of it."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A defence against patches of one size, in pixels of the image that the network sees. `defence` is its name in
    the registry, `threshold` its T if it has one, `claim` what its certificates claim, `parameters` the defence with
    all its parameters in words."""

    patch_size: Size
    defence: str
    threshold: float | None
    claim: Claim
    parameters: str

    def __post_init__(self) -> None:
        coerce_fields(self)

    def summary(self) -> JSON:
        """As JSON takes it."""
        return {
            "patch_size": list(self.patch_size),
            "threshold": self.threshold,
            "defence": self.defence,
            "claim": self.claim,
            "parameters": self.parameters,
        }

    def __str__(self) -> str:
        height, width = self.patch_size
        threshold = "" if self.threshold is None else f", T = {self.threshold:g}"
        claim = "" if self.claim is Claim.LABEL else f" (claims: {self.claim})"
        return f"{height}x{width} pixels, {self.defence}{threshold}{claim}"


@dataclass(frozen=True, slots=True)
class TopAccuracy:
    """Over all photos, with the k best classes by score in the place of the best one: `clean` counts those whose true
    class is among them without a patch (None for photos without labels), `certified` those whose true class, or
    without labels whose defended prediction, is proved to stay among them (`pg_core.defences.ranks`)."""

    k: int
    clean: Proportion | None
    certified: Proportion

    def summary(self) -> JSON:
        """As JSON takes it; intervals are Wilson's, 95 %."""
        return {"k": self.k, **_shares(self.clean, self.certified)}

    def __str__(self) -> str:
        clean = "" if self.clean is None else f"clean {self.clean}, "
        return f"among the best {self.k}: {clean}certified {self.certified}"


@dataclass(frozen=True, slots=True)
class Accuracy:
    """One defence over all photos. `clean` counts right defended predictions (None for photos without labels),
    `certified` the photos for whose true class, or without labels for whose defended prediction, the claim is proved
    (None where nothing is claimed), `verdicts` each verdict for the photos of each class, in the network's order; of
    each undefended prediction without labels, `top` the same for those k that were asked for."""

    setting: Setting
    clean: Proportion | None
    certified: Proportion | None
    verdicts: tuple[Mapping[Verdict, int], ...]
    top: tuple[TopAccuracy, ...] = ()

    @property
    def counted(self) -> dict[str, int]:
        """How many photos of all classes got each verdict, one that is absent as 0."""
        return {str(verdict): sum(own.get(verdict, 0) for own in self.verdicts) for verdict in Verdict}

    def summary(self, classes: tuple[str, ...]) -> JSON:
        """As JSON takes it; intervals are Wilson's, 95 %."""
        return {
            **self.setting.summary(),
            **_shares(self.clean, self.certified),
            **({"top": [own.summary() for own in self.top]} if self.top else {}),
            "verdicts": self.counted,
            "verdicts_by_class": {
                name: {str(verdict): own[verdict] for verdict in Verdict if own.get(verdict)}
                for name, own in zip(classes, self.verdicts, strict=True)
                if own
            },
        }


Versions = tuple[tuple[str, str | None], ...]
"""Those of pg_core, Python and the libraries, by name."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """All that an outcome depends on besides the photo: two runs with equal configurations may share a file of
    outcomes.

    `versions` are those of pg_core, Python and the libraries, `device` is where the network computed, in words (cpu,
    or cuda with the card's name); None is what was not recorded.
    """

    model: str
    classes: tuple[str, ...]
    image_size: Size
    receptive_field: ReceptiveField
    weights_sha256: str | None
    settings: tuple[Setting, ...]
    versions: Versions
    device: str | None = None

    def network(self) -> JSON:
        """All that local logits depend on besides the photo, as JSON takes it."""
        field = self.receptive_field
        return {
            "model": self.model,
            "classes": list(self.classes),
            "image_size": list(self.image_size),
            "receptive_field": list(field.size),
            "stride": list(field.stride),
            "offset": list(field.offset),
            "wrapping": field.wrapping,
            "weights_sha256": self.weights_sha256,
            "versions": dict(self.versions),
            "device": self.device,
        }

    def summary(self) -> JSON:
        """As JSON takes it."""
        return {**self.network(), "settings": [setting.summary() for setting in self.settings]}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The accuracies of a network over a set of photos, undefended and under each defence.

    `folder` holds the photos (its name, with its parent's), `photos_sha256` is the hash of their names below it, their
    contents and their labels (`pg_core.datasets.folders.hash_of_photos`); `delta` is the largest delta of the photos
    (theory §5, Numerics). `unreadable` names photos, `other_files` all else of the folder, that were passed over and
    do not count. Of the photos of an earlier run `changed` names those that were measured again, since their content
    or label is another one, `missing` those that are no longer there and do not count, and `moved` those of them that
    are there under another name ("old -> new"); `spoilt` names the damaged parts of its table, whose photos were
    measured again. Photos without labels have no accuracies: `undefended` is None.
    """

    configuration: Configuration
    folder: str
    photos_sha256: str
    delta: float
    undefended: Proportion | None
    runs: tuple[Accuracy, ...]
    unreadable: tuple[str, ...] = ()
    other_files: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    spoilt: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        """The number of photos."""
        return sum(self.runs[0].counted.values()) if self.undefended is None else self.undefended.n

    def summary(self) -> JSON:
        """Numbers and words only, as JSON takes them; intervals are Wilson's, 95 %."""
        return {
            "schema": SCHEMA,
            "n": self.n,
            "undefended_accuracy": None if self.undefended is None else self.undefended.share,
            "undefended_interval": None if self.undefended is None else list(self.undefended.interval),
            "runs": [run.summary(self.configuration.classes) for run in self.runs],
            "delta": self.delta,
            "photos": {"folder": self.folder, "sha256": self.photos_sha256},
            **{name: {"count": len(names), "names": list(names)} for name, names in self._noted().items()},
            "configuration": self.configuration.summary(),
        }

    def __str__(self) -> str:
        first = f"{self.configuration.model}, {self.folder}, n = {self.n}, undefended {self.undefended}"
        if self.undefended is None:
            first = f"{self.configuration.model}, {self.folder}, n = {self.n}, without labels: no accuracy"
        runs = [
            f"  {run.setting}: {'' if run.clean is None else f'clean {run.clean}, '}certified "
            f"{run.certified or 'nothing'}{''.join(f'; {own}' for own in run.top)}"
            for run in self.runs
        ]
        words = {
            "unreadable": ("unreadable photo", "passed over"),
            "other_files": ("other file", "passed over"),
            "changed": ("changed photo", "measured again"),
            "missing": ("missing photo", "not counted"),
            "spoilt": ("spoilt part", "left out, and measured again"),
            "moved": ("moved photo", "measured again"),
        }
        notes = [f"  {in_brief(names, *words[name])}" for name, names in self._noted().items()]
        # A name may hold the end of a line.
        return "\n".join(map(printable, [first, *runs, *notes]))

    def _noted(self) -> dict[str, tuple[str, ...]]:
        """By its name in JSON, what there is of it."""
        named = {name: getattr(self, name) for name in _NOTED}
        return {name: names for name, names in named.items() if names}


def read(path: Path) -> Evaluation:
    """The evaluation whose summary is in a file; raises ValueError if it is anything else, of another schema, or
    contradicts itself."""
    try:
        content = from_json(path.read_bytes())
        schema = content["schema"]
        evaluation = _evaluation(content) if schema == SCHEMA else None
        again = None if evaluation is None else from_json(as_json(evaluation.summary()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path.name}: not the summary of an evaluation") from error
    if evaluation is None:
        raise ValueError(f"{path.name}: expected schema {SCHEMA}, got {schema!r}: measure it anew")
    if again != content or not _consistent(evaluation):
        raise ValueError(f"{path.name}: its shares, intervals and counts do not agree")
    return evaluation


def read_all(folder: Path = RESULTS) -> dict[str, Evaluation]:
    """All evaluations in a folder by the names of their files, without the suffix."""
    return {path.stem: read(path) for path in sorted(folder.glob("*.json"))}


def configuration_of(summary: Mapping[str, Any]) -> Configuration:
    """The configuration that a summary is of; raises ValueError, KeyError, TypeError or AttributeError for anything
    else."""
    return Configuration(
        str(summary["model"]),
        tuple(summary["classes"]),
        _size(summary["image_size"]),
        ReceptiveField(
            _size(summary["receptive_field"]),
            _size(summary["stride"]),
            _size(summary["offset"]),
            bool(summary["wrapping"]),
        ),
        summary["weights_sha256"],
        tuple(map(_setting, summary["settings"])),
        tuple(summary["versions"].items()),
        summary["device"],
    )


def in_brief(names: tuple[str, ...], what: str, fate: str = "passed over") -> str:
    """The number of these things, what became of them, and the names of the first three.

    >>> in_brief(("cat/a.jpg", "cat/b.jpg", "dog/c.jpg", "dog/d.jpg"), "unreadable photo")
    '4 unreadable photos passed over: cat/a.jpg, cat/b.jpg, dog/c.jpg, ...'
    """
    more = ", ..." if len(names) > 3 else ""
    return f"{len(names)} {what}{'' if len(names) == 1 else 's'} {fate}: {', '.join(names[:3])}{more}"


def _shares(clean: Proportion | None, certified: Proportion | None) -> JSON:
    """Both with their intervals; without labels what is certified is no accuracy."""
    name = "certified_share" if clean is None else "certified_accuracy"
    return {
        "clean_accuracy": None if clean is None else clean.share,
        "clean_interval": None if clean is None else list(clean.interval),
        name: None if certified is None else certified.share,
        "certified_interval": None if certified is None else list(certified.interval),
    }


def _evaluation(content: Mapping[str, Any]) -> Evaluation:
    configuration, n = configuration_of(content["configuration"]), int(content["n"])
    return Evaluation(
        configuration,
        str(content["photos"]["folder"]),
        str(content["photos"]["sha256"]),
        float(content["delta"]),
        _proportion(content["undefended_accuracy"], n),
        tuple(_accuracy(run, n, configuration.classes) for run in content["runs"]),
        *(tuple(map(str, content.get(name, {}).get("names", ()))) for name in _NOTED),
    )


def _consistent(evaluation: Evaluation) -> bool:
    """Whether the accuracies are those that the verdicts add up to."""
    return evaluation.configuration.settings == tuple(run.setting for run in evaluation.runs) and all(
        run.clean is not None
        and sum(counted.values()) == run.clean.n == evaluation.n
        and counted[Verdict.CERTIFIED] == (run.certified.count if run.certified else 0)
        and (run.certified is None) == (run.setting.claim is Claim.NOTHING)
        and counted[Verdict.MISCLASSIFIED] + counted[Verdict.ALERT] == evaluation.n - run.clean.count
        and all(_adds_up(run, own) for own in run.top)
        for run in evaluation.runs
        for counted in (run.counted,)
    )


def _adds_up(run: Accuracy, top: TopAccuracy) -> bool:
    """Whether as many photos as under the best class alone, or more, count among the k best."""
    if run.clean is None or run.certified is None or top.clean is None or top.k < 1:
        return False
    pairs = ((run.clean.count, top.clean.count), (run.certified.count, top.certified.count))
    return all(one == own if top.k == 1 else one <= own for one, own in pairs)


def _accuracy(run: Mapping[str, Any], n: int, classes: tuple[str, ...]) -> Accuracy:
    by_class = run["verdicts_by_class"]
    return Accuracy(
        _setting(run),
        _proportion(run["clean_accuracy"], n),
        None if run["certified_accuracy"] is None else _proportion(run["certified_accuracy"], n),
        tuple(
            Counter({Verdict(verdict): int(count) for verdict, count in by_class.get(name, {}).items()})
            for name in classes
        ),
        tuple(
            TopAccuracy(
                int(own["k"]),
                _proportion(own["clean_accuracy"], n),
                _proportion(own["certified_accuracy"], n),
            )
            for own in run.get("top", ())
        ),
    )


def _setting(content: Mapping[str, Any]) -> Setting:
    threshold = content["threshold"]
    return Setting(
        _size(content["patch_size"]),
        str(content["defence"]),
        None if threshold is None else float(threshold),
        Claim(content["claim"]),
        str(content["parameters"]),
    )


def _proportion(share: float, n: int) -> Proportion:
    return Proportion(round(share * n), n)


def _size(values: list[int]) -> Size:
    height, width = values
    return int(height), int(width)
