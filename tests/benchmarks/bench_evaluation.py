"""How long it takes to judge 1,000 photos once their local logits are at hand.

    python -m tests.benchmarks.bench_evaluation

Exits with 1 if one defence takes 2 seconds or more.
"""

import sys
import time
from pathlib import Path

import numpy as np

from pg_core.datasets.folders import LabelledPhoto
from pg_core.defences.registry import Fitting, Kind
from pg_core.evaluation.run import Trial, judge
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
    for kind in (kind for kind in Kind if not kind.sees_pairs):
        fitting = Fitting(ReceptiveField((17, 17), (8, 8)), (224, 224), EvidenceType.LOGITS, (32, 32))
        try:
            trial = Trial(fitting.patch_size, kind, fitting.defence(kind))
        except ValueError as error:
            print(f"{kind}: {error}")
            continue
        start = time.perf_counter()
        outcomes = [
            outcome
            for first in range(0, PHOTOS, TOGETHER)
            for outcome in judge(
                local_logits[first : first + TOGETHER], photos[first : first + TOGETHER], [trial], 1e-6
            )
        ]
        seconds = time.perf_counter() - start
        missed |= seconds >= TARGET
        certified = sum(outcome.results[0].verdict == "certified" for outcome in outcomes)
        print(
            f"{PHOTOS} maps of {SIDE}x{SIDE}x{CLASSES}, {trial.defence}: {seconds:.2f} s "
            f"(target {TARGET:g} s, {'MISSED' if seconds >= TARGET else 'reached'}), {certified} certified"
        )
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
