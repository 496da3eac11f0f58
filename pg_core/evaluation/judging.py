"""Each defence on the local logits of photos: predictions, verdicts, and the margin and rival of every window.

Not here: where the local logits come from, see `pg_core.evaluation.run`.
"""

import time
from collections.abc import Mapping, Sequence

import numpy as np

from pg_core.datasets.folders import Photo
from pg_core.defences.base import Certificate, Verdict
from pg_core.defences.patchguard.cases import Case
from pg_core.defences.patchguard.certificate import MaskingCertificate
from pg_core.defences.patchguard.explain import failure
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.defences.registry import defence_spec
from pg_core.defences.undefended import Undefended
from pg_core.evaluation.cases import EvaluationCase
from pg_core.evaluation.outcomes import CaseResult, rounded_down
from pg_core.evidence.arrays import LocalLogits
from pg_core.geometry import PatchPositions


def judge(
    local_logits: LocalLogits,
    photos: Sequence[Photo],
    cases: Mapping[str, EvaluationCase],
    delta: float = 0.0,
    views: Mapping[EvaluationCase, np.ndarray] | None = None,
) -> tuple[tuple[CaseResult, ...], ...]:
    """For each photo the result of each defence, all photos at once; cases are named by the keys of their settings.

    delta is the error of a local logit, views the inputs of those cases whose defence does not take local logits. What
    is certified is the label, or, where photos have none, the defended prediction.
    """
    labels = None if photos[0].label is None else np.array([photo.label for photo in photos])
    undefended = Undefended().predict(local_logits).label
    results: list[list[CaseResult]] = [[] for _ in photos]
    for key, case in cases.items():
        began = time.perf_counter()
        seen = local_logits if views is None else views.get(case, local_logits)
        error = 0.0 if defence_spec(case.name).input.exact else delta
        certificates = case.defence.certify(seen, labels, error)
        for index, (photo, own) in enumerate(zip(photos, results, strict=True)):
            certificate = certificates[index]
            figure5_case = _figure5_case(case, seen[index], certificate)
            own.append(
                CaseResult(
                    photo.name,
                    photo.sha256 or "",
                    key,
                    photo.label,
                    int(undefended[index]),
                    int(certificate.prediction),
                    certificate.verdict,
                    float(certificate.margin.min()),
                    certificate.worst_position,
                    figure5_case,
                    delta,
                    float(certificate.tolerance.max()),
                    (time.perf_counter() - began) / len(photos),
                    rounded_down(certificate.margin),
                    certificate.rival.astype(np.int16),
                    isinstance(certificate.positions, PatchPositions),
                    None if certificate.rank is None else int(certificate.rank),
                    None if certificate.least_rank is None else int(certificate.worst_rank),
                )
            )
    return tuple(map(tuple, results))


def _figure5_case(case: EvaluationCase, local_logits: LocalLogits, certificate: Certificate) -> Case | None:
    """The case of the label under a counterexample in the worst window, if the defence has such cases and the window
    a counterexample."""
    if (
        not isinstance(case.defence, RobustMasking)
        or not isinstance(certificate, MaskingCertificate)
        or certificate.verdict is not Verdict.NOT_CERTIFIED
    ):
        return None
    masking = case.defence.predict(local_logits)
    return failure(case.defence, masking, certificate, certificate.worst_position).label_case
