"""How long all defences take on one photo, the network included, with the network for ImageNette.

    python -m tests.benchmarks.bench_comparison

Prints medians and exits with 1 beyond the target: 3 s on 2 quiet cores. PatchCleanser, which runs the network for each
pair of masks, is not among them.
"""

import statistics
import sys
import time

import torch

from pg_core import extract, load_model, sample_path
from pg_core.analysis.comparison import compare
from pg_core.defences.registry import DEFENCES
from pg_core.defences.spec import DefenceConfig
from pg_core.evidence.types import EvidenceType
from pg_core.photos.framing import square
from pg_core.photos.read import decode

TARGET = 3.0
RUNS = 5


def main() -> int:
    model = load_model("imagenette")
    data = sample_path("coffee").read_bytes()
    patch = square(0.02, model.image_size)
    slowest = 0.0
    for evidence in (EvidenceType.CONFIDENCE, EvidenceType.LOGITS):
        config = DefenceConfig(model.receptive_field, model.image_size, evidence, patch)
        whole, seeing, each = [], [], []
        for _ in range(RUNS):
            start = time.perf_counter()
            features = extract(decode(data), model)
            seen = time.perf_counter()
            found = compare(features, config)
            whole.append(time.perf_counter() - start)
            seeing.append(seen - start)
            each.append({one.name: one.seconds for one in found.results})
        total, network = statistics.median(whole), statistics.median(seeing)
        slowest = max(slowest, total)
        print(
            f"imagenette, {evidence}, map {features.map_size}, patch {patch}, {torch.get_num_threads()} threads: "
            f"{total:.2f} s for {len(each[0])} defences, {network:.2f} s of it for photo and network"
        )
        for name in each[0]:
            print(f"  {DEFENCES[name].title}: {1000 * statistics.median(run[name] for run in each):.1f} ms")
    return 0 if slowest <= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
