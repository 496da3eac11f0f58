"""How long it takes to judge 1,000 photos once their local logits are at hand.

    python -m tests.benchmarks.bench_evaluation

Exits with 1 if one defence takes 2 seconds or more.
"""

import sys
import time
from pathlib import Path

import numpy as np

from pg_core.datasets.folders import LabelledPhoto
from pg_core.defences.base import DefenceInput
from pg_core.defences.registry import DEFENCES
from pg_core.defences.spec import DefenceConfig
from pg_core.evaluation.cases import EvaluationCase
from pg_core.evaluation.judging import judge
from pg_core.evidence.types import EvidenceType
from pg_core.geometry import ReceptiveField

PHOTOS, CLASSES, SIDE, TOGETHER = 1000, 10, 26, 64
TARGET = 2.0


def main() -> int:
    random = np.random.default_rng(0)
    labels = random.integers(CLASSES, size=PHOTOS)
    local_logits = random.normal(size=(PHOTOS, CLASSES, SIDE, SIDE)).astype(np.float32)
    local_logits[np.arange(PHOTOS), labels] += 2
    photos = [LabelledPhoto(Path(), str(index), int(label)) for index, label in enumerate(labels)]
    missed = False
    for name, spec in DEFENCES.items():
        if spec.input is DefenceInput.TWO_MASK_PREDICTIONS:
            continue
        config = DefenceConfig(ReceptiveField((17, 17), (8, 8)), (224, 224), EvidenceType.LOGITS, (32, 32))
        try:
            case = EvaluationCase(config.patch_size, name, spec.build(config))
        except ValueError as error:
            print(f"{name}: {error}")
            continue
        start = time.perf_counter()
        outcomes = [
            outcome
            for first in range(0, PHOTOS, TOGETHER)
            for outcome in judge(
                local_logits[first : first + TOGETHER], photos[first : first + TOGETHER], {"": case}, 1e-6
            )
        ]
        seconds = time.perf_counter() - start
        missed |= seconds >= TARGET
        certified = sum(outcome[0].verdict == "certified" for outcome in outcomes)
        print(
            f"{PHOTOS} maps of {SIDE}x{SIDE}x{CLASSES}, {case.defence}: {seconds:.2f} s "
            f"(target {TARGET:g} s, {'MISSED' if seconds >= TARGET else 'reached'}), {certified} certified"
        )
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
