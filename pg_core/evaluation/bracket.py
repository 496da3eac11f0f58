"""Robust accuracy, between provable robust accuracy and accuracy under attack (theory §12).

Every photo that the defence classifies correctly is proved, broken by pixels, or open (neither). Not here: the attack
on one placement, see `pg_core.attacks.pixels`, and the run over a folder, see `pg_core.evaluation.attacked`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from pg_core.defences.base import Claim
from pg_core.evaluation.lines import JSON
from pg_core.evaluation.outcomes import class_index
from pg_core.evaluation.proportion import Proportion
from pg_core.evaluation.results import Configuration, Setting, configuration_of, in_brief
from pg_core.io.assets import asset
from pg_core.io.json import SCHEMA, as_json, from_json
from pg_core.io.parameters import coerce_fields, member, whole
from pg_core.io.printable import printable

BRACKETS = asset("results/attacked")


class State(StrEnum):
    """What is known of a photo. An alert without a patch counts as misclassified; an alert under attack is no
    success."""

    MISCLASSIFIED = "misclassified"
    PROVED = "proved"
    BROKEN = "broken by pixels"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Budget:
    """The budget of an attack: the number of `places` with the smallest margins that are attacked on each photo (None:
    all that are not certified), and the most `steps` in each of the `restarts` there. seed is that of the initial
    contents. Raises ValueError for a number below 1."""

    places: int | None = 1
    steps: int = 100
    restarts: int = 4
    seed: int = 1

    def __post_init__(self) -> None:
        coerce_fields(self)
        given = (
            (self.steps, self.restarts) if self.places is None else (self.places, self.steps, self.restarts)
        )
        if min(given) < 1:
            raise ValueError(f"expected at least one place, step and restart, got {self}")

    def summary(self) -> JSON:
        """As JSON takes it."""
        return {"places": self.places, "steps": self.steps, "restarts": self.restarts, "seed": self.seed}

    def __str__(self) -> str:
        places = (
            "all places" if self.places is None else f"{self.places} place{'s' if self.places > 1 else ''}"
        )
        return f"{places}, {self.steps} steps, {self.restarts} restarts, seed {self.seed}"


@dataclass(frozen=True, slots=True)
class AttackedPhoto:
    """The outcome of an attack on one photo, and the number of places that were attacked. `patch` is the one that
    succeeded, as top, left, height, width in pixels, and `prediction` the class that it brought about; both None if
    none did."""

    photo: str
    sha256: str | None
    label: int
    state: State
    places: int
    patch: tuple[int, int, int, int] | None = None
    prediction: int | None = None

    def __post_init__(self) -> None:
        coerce_fields(self)


def attacked_photo(line: Mapping[str, Any], configuration: Mapping[str, Any]) -> AttackedPhoto:
    """The outcome of a line; raises ValueError, KeyError or TypeError for a line that no run of this configuration
    writes."""
    classes, name = len(configuration["classes"]), line["photo"]
    state = member(State, line["state"])
    label, patch, prediction = class_index(line["label"], classes), line["patch"], line["prediction"]
    broken = state is State.BROKEN
    if not isinstance(name, str) or {patch is not None, prediction is not None} != {broken}:
        raise ValueError("expected a name, and a patch and its prediction where it broke the photo")
    if prediction is not None and class_index(prediction, classes) == label:
        raise ValueError("expected another class than the label")
    if patch is not None:
        top, left, height, width = (whole(value, "patch") for value in patch)
        patch = top, left, height, width
    return AttackedPhoto(
        name, line["sha256"], label, state, whole(line["places"], "places"), patch, prediction
    )


@dataclass(frozen=True, slots=True)
class Bracket:
    """The number of photos in each state, under one defence. `folder` and `photos_sha256` are as in `Evaluation`;
    `unreadable` names photos that were passed over and do not count."""

    configuration: Configuration
    budget: Budget
    folder: str
    photos_sha256: str
    states: Mapping[State, int]
    unreadable: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.configuration.settings) != 1 or min(self.states.values(), default=0) < 0:
            raise ValueError("expected one defence, and counts of photos")

    @property
    def setting(self) -> Setting:
        """The defence and the patch."""
        return self.configuration.settings[0]

    @property
    def n(self) -> int:
        return sum(self.states.values())

    @property
    def clean(self) -> Proportion:
        """Clean accuracy: right without a patch."""
        return Proportion(self.n - self.states.get(State.MISCLASSIFIED, 0), self.n)

    @property
    def certified(self) -> Proportion | None:
        """Provable robust accuracy: right under every patch of the size, wherever it is; None if the defence claims
        nothing."""
        proved = self.states.get(State.PROVED, 0)
        return None if self.setting.claim is Claim.NOTHING else Proportion(proved, self.n)

    @property
    def attacked(self) -> Proportion:
        """Accuracy under this attack, which robust accuracy does not exceed."""
        return Proportion(self.clean.count - self.states.get(State.BROKEN, 0), self.n)

    def summary(self) -> JSON:
        """Numbers and words only, as JSON takes them; intervals are Wilson's, 95 %."""
        accuracies: JSON = {}
        for name, share in (
            ("clean", self.clean),
            ("certified", self.certified),
            ("attacked", self.attacked),
        ):
            accuracies[f"{name}_accuracy"] = None if share is None else share.share
            accuracies[f"{name}_interval"] = None if share is None else list(share.interval)
        return {
            "schema": SCHEMA,
            "n": self.n,
            **accuracies,
            "states": {str(state): self.states.get(state, 0) for state in State},
            "attack": self.budget.summary(),
            "photos": {"folder": self.folder, "sha256": self.photos_sha256},
            **({"unreadable": list(self.unreadable)} if self.unreadable else {}),
            "configuration": self.configuration.summary(),
        }

    def __str__(self) -> str:
        counted = ", ".join(f"{self.states.get(state, 0)} {state}" for state in State)
        lines = [
            f"{self.configuration.model}, {self.folder}, n = {self.n}, {self.setting}",
            f"  clean {self.clean}",
            f"  certified {self.certified or 'nothing'} <= robust <= attacked {self.attacked}",
            f"  {counted}; attacked at {self.budget}",
        ]
        if self.unreadable:
            lines.append(f"  {in_brief(self.unreadable, 'unreadable photo')}")
        return "\n".join(map(printable, lines))


def counted(outcomes: Iterable[AttackedPhoto]) -> dict[State, int]:
    """The number of photos in each state."""
    return dict(Counter(outcome.state for outcome in outcomes))


def read_bracket(path: Path) -> Bracket:
    """The bracket whose summary is in a file; raises ValueError if it is anything else, of another schema, or
    contradicts itself."""
    try:
        content = from_json(path.read_bytes())
        budget = content["attack"]
        bracket = Bracket(
            configuration_of(content["configuration"]),
            Budget(budget["places"], budget["steps"], budget["restarts"], budget["seed"]),
            str(content["photos"]["folder"]),
            str(content["photos"]["sha256"]),
            {member(State, name): whole(count, name) for name, count in content["states"].items()},
            tuple(map(str, content.get("unreadable", ()))),
        )
        again = from_json(as_json(bracket.summary()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path.name}: not the summary of an attack on a data set") from error
    if again != content:
        raise ValueError(f"{path.name}: its shares, intervals and counts do not agree")
    return bracket


def read_brackets(folder: Path = BRACKETS) -> dict[str, Bracket]:
    """All brackets in a folder by the names of their files, without the suffix."""
    return {path.stem: read_bracket(path) for path in sorted(folder.glob("*.json"))}
