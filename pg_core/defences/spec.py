"""The description of a defence: its names, its input, its parameters, and how its bounds are explained.

A page, the command line and the comparison know a defence by its `DefenceSpec` alone. Not here: which defences there
are, see `pg_core.defences.registry`.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

import numpy as np

from pg_core.defences.base import (
    ALERT,
    Certificate,
    Claim,
    Defence,
    DefenceInput,
    InputArray,
    Prediction,
)
from pg_core.evidence.arrays import EvidenceMap
from pg_core.evidence.types import EVIDENCE_TYPES, EvidenceType
from pg_core.geometry import Box, ReceptiveField, Size
from pg_core.io.parameters import coerce_fields, shown

Value = float | int | str | None
"""The value of a parameter, as JSON takes it; None for none, or for the network's own."""
ValueT = TypeVar("ValueT", bound=Value)


@dataclass(frozen=True, slots=True)
class Parameter(Generic[ValueT]):
    """A parameter of defences, and how a person is asked for it: a number in [low, high], or one of `choices`."""

    name: str
    title: str
    help: str = field(compare=False)
    default: ValueT
    low: float | int = -float("inf")
    high: float | int = float("inf")
    step: float | int | None = None
    choices: Collection[str] | None = field(default=None, compare=False)
    """May be added to while the program runs."""

    def checked(self, value: object) -> ValueT:
        """The value as a number of Python, or as the word that it is; raises ValueError for a value that this
        parameter cannot have."""
        whole = isinstance(self.default, int)
        if isinstance(value, np.integer | np.floating):
            value = value.item()
        if not whole and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if self.choices is not None and value is not None:
            good = isinstance(value, str) and value in self.choices
            expected = f"one of {', '.join(self.choices)}"
        elif value is None:
            good, expected = self.default is None, "a value"
        else:
            number = isinstance(value, int if whole else float)
            good = number and not isinstance(value, bool) and self.low <= cast(float, value) <= self.high
            expected = f"a {'whole ' if whole else ''}number in [{self.low:g}, {self.high:g}]"
        if not good:
            raise ValueError(f"expected {expected} for {self.name}, got {shown(value)}")
        return cast(ValueT, value)


EVIDENCE: Parameter[str | None] = Parameter(
    "evidence", "Evidence", "The evidence of a cell for a class.", None, choices=EVIDENCE_TYPES
)
CLIP_HIGH: Parameter[float | None] = Parameter(
    "clip_high", "c_h", "Evidence is clipped to [0, c_h]; none: to no upper end.", None, 1e-6, 2.0**16
)


@dataclass(frozen=True, slots=True)
class DefenceConfig:
    """What a defence is built for: a network, as far as a defence may know it, patches of `patch_size` pixels of the
    image that it sees, and settings by the names of parameters; a parameter that is not set has its default.

    `evidence` is the type that certifies best with the network; `network` the layers for interval bounds, where the
    network has them (`pg_core.defences.interval.bounds.Layers`); `head` the classifier of what masks leave, where one
    was trained for it (`pg_core.evidence.head.MaskingHead`).
    """

    receptive_field: ReceptiveField
    image_size: Size
    evidence: EvidenceType
    patch_size: Size
    settings: Mapping[str, Value] | tuple[tuple[str, Value], ...] = ()
    network: object = field(default=None, repr=False)
    head: object = field(default=None, repr=False)

    def __post_init__(self) -> None:
        coerce_fields(self)
        # As a mapping it could be no key of a cache.
        object.__setattr__(self, "settings", tuple(sorted(dict(self.settings).items())))

    @property
    def window_size(self) -> Size:
        """k, the features that a patch can corrupt."""
        return self.receptive_field.window_size(self.patch_size)

    @property
    def evidence_type(self) -> EvidenceType:
        """The evidence that is set, or else the network's own."""
        chosen = self[EVIDENCE]
        return self.evidence if chosen is None else EvidenceType.named(chosen)

    @property
    def clip_high(self) -> float:
        """c_h, infinite where it is not set."""
        chosen = self[CLIP_HIGH]
        return float("inf") if chosen is None else chosen

    def __getitem__(self, parameter: Parameter[ValueT]) -> ValueT:
        """The value of a parameter, by default its default; raises ValueError for a value that it cannot have."""
        return parameter.checked(dict(self.settings).get(parameter.name, parameter.default))


@dataclass(frozen=True, slots=True)
class Term:
    """One bar of a waterfall: what is added (negative: taken away), or, of a total, the sum so far."""

    name: str
    value: float
    total: bool = False


@dataclass(frozen=True, slots=True)
class Waterfall:
    """How a bound comes about: the terms, the last of which is the bound itself. `label` is the class it is about."""

    label: int
    terms: tuple[Term, ...]

    @property
    def bound(self) -> float:
        return self.terms[-1].value


@dataclass(frozen=True, slots=True)
class Explanation:
    """Both bounds at a position; `missing` is how much more the lower one would have to be, the tolerance included,
    for a certificate (not positive where there is one)."""

    lower: Waterfall
    upper: Waterfall
    margin: float
    missing: float


@dataclass(frozen=True, slots=True, eq=False)
class Counterexample:
    """The prediction of the defence for an input that differs from the photo's inside one position only: another class
    than `label`. The input is legal in feature space; whether pixels attain it is another question."""

    label: int
    prediction: Prediction


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class DefenceSpec:
    """A defence, whatever its parameters.

    `title` is the literature's name, `sentence` says in a sentence what it does, `lower` and `upper` what its bounds
    mean, with {label} and {rival} for the names of classes. `build` makes the defence for a configuration, or raises
    ValueError, one sentence, if it does not fit the network; `describes` says whether a defence is of this kind. The
    functions are given the defence, its input, its prediction and a position (row, column) of its certificate:

    - evidence(defence, input): the evidence that it sums, for each class in each cell, if it sums any;
    - masked(defence, prediction, label): the windows or patches that it masked for this class;
    - explained(defence, input, prediction, certificate, position): the terms of both bounds;
    - witness(defence, input, prediction, certificate, position): a counterexample, if one was found. Without this
      function it is not known whether there is one.

    `ranks`(defence) is whether its certificates say among how many of the best classes the label stays
    (`pg_core.defences.ranks`).
    """

    name: str
    title: str
    sentence: str
    input: DefenceInput
    build: Callable[[DefenceConfig], Defence]
    describes: Callable[[Any], bool]
    lower: str = "the least score of '{label}'"
    upper: str = "the largest score of '{rival}'"
    parameters: tuple[Parameter[Any], ...] = ()
    evidence: Callable[[Any, InputArray], EvidenceMap] | None = None
    masked: Callable[[Any, Any, int], tuple[Box, ...]] | None = None
    explained: Callable[[Any, InputArray, Any, Any, tuple[int, int]], tuple[Waterfall, Waterfall]] | None = (
        None
    )
    witness: Callable[[Any, InputArray, Any, Any, tuple[int, int]], Prediction | None] | None = None
    ranks: Callable[[Any], bool] = lambda defence: False

    def __post_init__(self) -> None:
        coerce_fields(self)

    def checked(self, settings: Mapping[str, Value]) -> dict[str, Value]:
        """The settings, if this defence has such parameters with such values; raises ValueError otherwise."""
        known = {parameter.name: parameter for parameter in self.parameters}
        checked: dict[str, Value] = {}
        for name, value in settings.items():
            if name not in known:
                has = f"one of {', '.join(known)}" if known else "no settings"
                raise ValueError(f"expected {has} for {self.name}, got {shown(name)}")
            checked[name] = known[name].checked(value)
        return checked

    def explanation(
        self,
        defence: Defence,
        values: InputArray,
        prediction: Prediction,
        certificate: Certificate,
        position: tuple[int, int],
    ) -> Explanation:
        """Both bounds of one image at a position, term by term if the defence gives its terms."""
        label, rival = int(certificate.label), int(certificate.rival[position])
        lower, upper = (float(bound[position]) for bound in (certificate.lower, certificate.upper))
        falls = (
            Waterfall(label, (Term("lower", lower, total=True),)),
            Waterfall(rival, (Term("upper", upper, total=True),)),
        )
        if self.explained is not None:
            falls = self.explained(defence, values, prediction, certificate, position)
        tolerance = float(certificate.tolerance[position])
        return Explanation(*falls, lower - upper, tolerance - (lower - upper))

    def counterexample(
        self,
        defence: Defence,
        values: InputArray,
        prediction: Prediction,
        certificate: Certificate,
        position: tuple[int, int],
    ) -> Counterexample | None:
        """A counterexample at a position of one image that is not proved; None if none was found."""
        if self.witness is None or certificate.proved[position]:
            return None
        found = self.witness(defence, values, prediction, certificate, position)
        # An alert is no counterexample to a claim that allows for it.
        allowed = {int(certificate.label), *([ALERT] if certificate.claim is Claim.LABEL_OR_ALERT else [])}
        if found is None or int(found.label) in allowed:
            return None
        return Counterexample(int(certificate.label), found)

    def __repr__(self) -> str:
        return f"DefenceSpec({self.name})"
