"""Photos a second of an evaluation on a Ray cluster of this machine's cores, over those of this process.

    python -m tests.benchmarks.bench_engines CIFAR10/test [photos]

Three defences against patches of two sizes on so many photos (by default 300), by each engine in turn, three times; a
cluster has begun before. Exits with 1 if the ratio of the medians is below 0.9.
"""

import os
import sys
import time
from pathlib import Path
from statistics import median

import torch

from pg_core import configure, load_model
from pg_core.datasets.folders import labelled_photos
from pg_core.engines.base import Engine
from pg_core.engines.local import LocalEngine
from pg_core.engines.ray import ray_cluster
from pg_core.evaluation.cases import evaluation_cases
from pg_core.evaluation.run import evaluate

TARGET, ROUNDS = 0.9, 3


def main() -> int:
    """Measure."""
    if len(sys.argv) < 2:
        print(__doc__)
        return 2
    model = load_model("cifar10", "cpu")
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 300
    photos = labelled_photos(Path(sys.argv[1]), model.classes)[:count]
    cases = evaluation_cases(
        configure(model, (5, 5)), [(3, 3), (5, 5)], ["masking", "feature-masking", "clipping"]
    )

    def pace(engine: Engine) -> float:
        began = time.perf_counter()
        evaluate(model, photos, cases, engine=engine)
        return len(photos) / (time.perf_counter() - began)

    with ray_cluster(device="cpu") as cluster:
        evaluate(model, photos[: 16 * cluster.slots], cases, engine=cluster)
        paces = [(pace(LocalEngine()), pace(cluster)) for _ in range(ROUNDS)]
    local, ray = (median(own) for own in zip(*paces, strict=True))
    print(
        f"cifar10, {len(photos)} photos, {len(cases)} cases, {os.cpu_count()} cores, {torch.get_num_threads()} "
        f"threads of torch: local {local:.1f}, ray {ray:.1f} photos a second (medians of {ROUNDS}), "
        f"ratio {ray / local:.2f} (target {TARGET:g}, {'MISSED' if ray / local < TARGET else 'reached'})"
    )
    print("  ".join(f"{one:.1f}/{other:.1f}" for one, other in paces))
    return int(ray / local < TARGET)


if __name__ == "__main__":
    sys.exit(main())
