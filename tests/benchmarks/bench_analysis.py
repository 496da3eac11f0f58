"""How an analysis divides its time between the network and everything else, measured in one run.

    python -m tests.benchmarks.bench_analysis

The network (its float tolerance included) must take at least 90 % of the analysis of a new photo, decoding
included; exits with 1 if it does not.
"""

import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import torch

from pg_core import (
    LocalModel,
    Patch,
    RobustMasking,
    Threat,
    attacks,
    examine,
    extract,
    load_model,
    sample_path,
    update,
)
from pg_core.geometry import Window
from pg_core.images import decode, square

RUNS = 5
MODEL = "tiles"


class Timed:
    """A network that adds up the time it runs."""

    def __init__(self, network: LocalModel) -> None:
        self.network = network
        self.spent = 0.0

    def __getattr__(self, name: str) -> object:
        return getattr(self.network, name)

    def local_logits(self, pixels: np.ndarray, window: Window | None = None) -> np.ndarray:
        start = time.perf_counter()
        logits = self.network.local_logits(pixels, window)
        self.spent += time.perf_counter() - start
        return logits


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def main() -> int:
    model = Timed(load_model(MODEL))
    size = square(0.02, model.image_size)
    defence = RobustMasking(model.receptive_field.window_size(size), evidence=model.evidence)
    data = sample_path("coffee").read_bytes()
    features = extract(decode(data), model)
    height, width = model.image_size
    patch = Patch((height - size[0]) // 2, (width - size[1]) // 2, *size)
    contents = attacks.checkerboard(size)

    shares, whole, again, patched = [], [], [], []
    for _ in range(RUNS):
        model.spent = 0.0
        whole.append(seconds(lambda: examine(extract(decode(data), model), defence, Threat(size))))
        shares.append(model.spent / whole[-1])
        again.append(seconds(lambda: examine(features, defence, Threat(size))))
        patched.append(seconds(lambda: examine(update(features, model, patch, contents), defence)))
    share, full, rest, crop = map(statistics.median, (shares, whole, again, patched))
    print(
        f"{MODEL}, {len(model.classes)} classes, map {features.map_size}, patch {size}, "
        f"{torch.get_num_threads()} threads, medians of {RUNS}"
    )
    print(f"a new photo of 600x400 pixels is analysed in {full:.3f} s, {share:.1%} of it in the network")
    print(f"another threshold, patch size or label takes {rest * 1000:.1f} ms")
    print(f"the photo with a patch is analysed {full / crop:.1f} times faster than a new one")
    return 0 if share >= 0.9 else 1


if __name__ == "__main__":
    sys.exit(main())
