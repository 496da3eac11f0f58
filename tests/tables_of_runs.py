"""A small table of a run, as made up: margins that no network has to compute, under names that may be hostile."""

import hashlib

import numpy as np

from pg_core.defences.base import ALERT, Claim, Verdict
from pg_core.defences.spec import DefenceConfig
from pg_core.evaluation.cases import configure_run, evaluation_cases
from pg_core.evaluation.outcome_columns import Run
from pg_core.evaluation.outcome_writer import writing
from pg_core.evaluation.outcomes import CaseResult, rounded_down, setting_keys
from tests.colours import Colours

PHOTOS = 60
CONFIG = DefenceConfig(Colours.receptive_field, Colours.image_size, Colours.evidence, (4, 4))
CASES = (
    *evaluation_cases(
        CONFIG, ((4, 4),), ("masking", "undefended", "detection", "feature-masking"), (0.0, 0.3)
    ),
    *evaluation_cases(CONFIG, ((8, 8),), ("masking",)),
)
MASKING, MASKING_AT_03, UNDEFENDED, DETECTION, FEATURES, LARGER = range(6)


def write_table(folder, classes=Colours.classes, name_of=lambda label, number: f"{label}/{number:03}.png"):
    """Write a table of `PHOTOS` photos under every case, and return its rows."""
    model = Colours()
    model.classes = classes
    configuration = configure_run(model, CASES, None)
    run = Run(configuration, tuple(dict(case.parameters) for case in CASES), "made/up")
    results = list(_results(setting_keys(configuration), len(classes), name_of))
    with writing(folder, run) as writer:
        for result in results:
            writer.add([result])
        writer.flush()
    return results


def _results(keys, classes, name_of):
    random = np.random.default_rng(5)
    for number in range(PHOTOS):
        label = number % classes if number % 10 else None
        name = name_of(label, number)
        sha256 = hashlib.sha256(name.encode()).hexdigest()
        for case, key in zip(CASES, keys, strict=True):
            shape = (3, 4) if case.patch_size == (8, 8) else (4, 5)
            nothing = case.defence.claim is Claim.NOTHING
            margins = np.full(shape, -np.inf) if nothing else random.normal(1.2, 1.0, shape)
            if number % 7 == 0 and not nothing:
                margins = np.abs(margins)
                margins[1, 2] = 1e-4  # within the tolerance
            prediction = int(random.integers(classes)) if number % 6 == 5 else (label or 0)
            if case.name == "detection" and number % 11 == 10:
                prediction = ALERT
            rivals = random.integers(classes, size=shape).astype(np.int16)
            worst = tuple(map(int, np.unravel_index(margins.argmin(), shape)))
            yield CaseResult(
                *(name, sha256, key, label, 0, prediction),
                _verdict(prediction, label, nothing, float(margins.min())),
                *(float(margins.min()), worst, None, 1e-6, 1e-3, 0.01),
                rounded_down(margins),
                rivals,
            )


def _verdict(prediction, label, nothing, margin):
    if prediction == ALERT:
        return Verdict.ALERT
    if label is not None and prediction != label:
        return Verdict.MISCLASSIFIED
    if nothing:
        return Verdict.UNPROVED
    if margin <= 0:
        return Verdict.NOT_CERTIFIED
    return Verdict.CERTIFIED if margin > 1e-3 else Verdict.UNDECIDED
