"""The network without a defence: the mean of its unclipped local logits, of which nothing is certified."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pg_core.defences.base import Certificate, Claim, DefenceInput, Prediction, labels_of
from pg_core.defences.spec import DefenceConfig, DefenceSpec, Term, Waterfall
from pg_core.evidence.arrays import (
    EvidenceMap,
    Labels,
    LocalLogits,
    check_maps,
    first_largest,
    of_label,
    strongest_rival,
)
from pg_core.evidence.tolerance import EXACT
from pg_core.geometry import Size, Windows
from pg_core.io.parameters import coerce_fields, non_negative


@dataclass(frozen=True, slots=True)
class Undefended:
    """The class with the largest mean of local logits. window_size is k in features.

    A logit has no bound, so one cell is enough to make any class win: upper is infinite in every window.
    """

    claim: ClassVar[Claim] = Claim.NOTHING
    window_size: Size = (1, 1)
    wrapping: bool = False

    def __post_init__(self) -> None:
        coerce_fields(self)
        if min(self.window_size) < 1:
            raise ValueError(f"expected a window of at least 1x1 features, got {self.window_size}")

    def __str__(self) -> str:
        return "no defence: mean of local logits"

    def predict(self, local_logits: LocalLogits) -> Prediction:
        """The largest mean; the lowest class on ties."""
        check_maps(local_logits)
        means = local_logits.mean(axis=(-2, -1), dtype=np.float64)
        return Prediction(first_largest(means), means)

    def certify(
        self, local_logits: LocalLogits, label: Labels | int | None = None, delta: float = 0.0
    ) -> Certificate:
        """A margin of -inf in every window; the rival is the class with most outside it, the first to win."""
        non_negative(delta, "delta")
        predicted = self.predict(local_logits).label
        labels = labels_of(predicted, label, local_logits.shape[-3])
        rows, columns = local_logits.shape[-2:]
        windows = Windows((rows, columns), self.window_size, self.wrapping)
        values = np.asarray(local_logits, np.float64)
        outside = values.sum(axis=(-2, -1))[..., None, None] - windows.sums(values)
        _, rival = strongest_rival(outside, labels)
        own = of_label(outside, labels)
        return Certificate(
            claim=self.claim,
            positions=windows,
            label=labels,
            prediction=predicted,
            lower=own,
            upper=np.full(own.shape, np.inf),
            rival=rival,
            tolerance=EXACT.spread(own.shape),
        )


def _explained(
    defence: Undefended,
    local_logits: LocalLogits,
    prediction: Prediction,
    certificate: Certificate,
    position: tuple[int, int],
) -> tuple[Waterfall, Waterfall]:
    """Sums of logits; nothing bounds what the window may add to the rival's."""
    falls = []
    for label, end in ((int(certificate.label), "lower"), (int(certificate.rival[position]), "upper")):
        values = local_logits[label].astype(np.float64)
        total = float(values.sum())
        inside = float(certificate.windows.sums(values)[position])
        terms = [Term("all: SUM(u)", total, total=True), Term("inside w", -inside)]
        if end == "upper":
            terms += [Term("outside w", total - inside, total=True), Term("anything in w", np.inf)]
        bound = certificate.lower if end == "lower" else certificate.upper
        falls.append(Waterfall(label, (*terms, Term(end, float(bound[position]), total=True))))
    return falls[0], falls[1]


def _witness(
    defence: Undefended,
    local_logits: LocalLogits,
    prediction: Prediction,
    certificate: Certificate,
    position: tuple[int, int],
) -> Prediction:
    """One logit of the window is as large as the rival needs."""
    attacked = np.array(local_logits, np.float64)
    rival, window = int(certificate.rival[position]), certificate.windows.window(*position)
    enough = 1.0 + 2.0 * np.abs(attacked).sum()
    attacked[rival, window.top, window.left] += enough
    return defence.predict(attacked)


def _logits(defence: Undefended, local_logits: LocalLogits) -> EvidenceMap:
    return np.asarray(local_logits, np.float64)


def _build(config: DefenceConfig) -> Undefended:
    return Undefended(config.window_size, config.receptive_field.wrapping)


SPEC = DefenceSpec(
    "undefended",
    "no defence",
    "The class with the largest mean of local logits; one logit that the patch makes large enough decides.",
    DefenceInput.LOCAL_LOGITS,
    _build,
    lambda defence: isinstance(defence, Undefended),
    "the logits of '{label}' outside the window, summed",
    "no bound: one logit in the window may be as large as the patch makes it",
    evidence=_logits,
    explained=_explained,
    witness=_witness,
)
