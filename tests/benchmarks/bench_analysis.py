"""How an analysis divides its time between the network and everything else, measured in one run.

    python -m tests.benchmarks.bench_analysis

The network (its float tolerance included) must take at least 90 % of the analysis of a new photo, decoding
included; an update by the crop that a patch of 2 % touches must be at least 8 times faster than one full pass of
BagNet-17, and 4 times than one of the tiles. Exits with 1 if one of these is not so.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from pg_core import (
    LocalModel,
    Patch,
    RobustMasking,
    Threat,
    examine,
    extract,
    load_model,
    sample_path,
    update,
)
from pg_core.geometry import Window
from pg_core.photos import patches as attacks
from pg_core.photos.framing import square
from pg_core.photos.read import decode
from tests.untrained import untrained

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


def crop_ratio(model: LocalModel) -> float:
    """How many times faster an update for a patch of 2 % in the middle is than one full pass of the network."""
    size = square(0.02, model.image_size)
    features = extract(sample_path("coffee"), model)
    top, left = ((n - p) // 2 for n, p in zip(model.image_size, size, strict=True))
    patch, contents = Patch(top, left, *size), attacks.checkerboard(size)
    full, crop = [], []
    for _ in range(RUNS):
        full.append(seconds(lambda: model.local_logits(features.pixels)))
        crop.append(seconds(lambda: update(features, model, patch, contents)))
    ratio = statistics.median(full) / statistics.median(crop)
    print(
        f"{model.name}, patch {size}: a full pass {statistics.median(full) * 1000:.0f} ms, an update by its crop "
        f"{statistics.median(crop) * 1000:.1f} ms, {ratio:.1f} times faster"
    )
    return ratio


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
    with tempfile.TemporaryDirectory() as folder:
        bagnet = crop_ratio(untrained("bagnet17", Path(folder)))
    tiles = crop_ratio(model.network)
    return 0 if share >= 0.9 and bagnet >= 8 and tiles >= 4 else 1


if __name__ == "__main__":
    sys.exit(main())
