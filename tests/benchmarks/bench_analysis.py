"""How an analysis divides its time between the network and everything else, measured in one run.

    python -m tests.benchmarks.bench_analysis

The network must take at least 90 % of the analysis of a new photo, and a patched photo must cost less than a new
one in the ratio that the crop promises.
"""

import statistics
import sys
import time
from collections.abc import Callable

import torch

from pg_core import (
    MODELS,
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
from pg_core.images import read, square, to_pixels

RUNS = 5
MODEL = "tiles"


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def main() -> int:
    model = load_model(MODEL)
    description = MODELS[MODEL]
    size = square(0.02, description.image_size)
    defence = RobustMasking(description.receptive_field.window_size(size), evidence=model.evidence)
    photo = read(sample_path("coffee"))
    pixels = to_pixels(photo, model.image_size)
    features = extract(photo, model)
    height, width = model.image_size
    patch = Patch((height - size[0]) // 2, (width - size[1]) // 2, *size)
    contents = attacks.checkerboard(size)

    network, whole, again, patched = [], [], [], []
    for _ in range(RUNS):
        network.append(seconds(lambda: model.local_logits(pixels)))
        whole.append(seconds(lambda: examine(extract(photo, model), defence, Threat(size))))
        again.append(seconds(lambda: examine(features, defence, Threat(size))))
        patched.append(seconds(lambda: examine(update(features, model, patch, contents), defence)))
    one, full, rest, crop = map(statistics.median, (network, whole, again, patched))
    share = (full - rest) / full
    print(
        f"{MODEL}, {len(model.classes)} classes, map {features.map_size}, patch {size}, "
        f"{torch.get_num_threads()} threads"
    )
    print(f"one pass of the network: {one:.3f} s; analysis of a new photo: {full:.3f} s (medians of {RUNS})")
    print(
        f"photo, network and its float tolerance take {share:.1%} of the analysis; the defence {rest * 1000:.1f} ms"
    )
    print(f"one pass of the network takes {one / full:.1%} of the analysis")
    print(
        f"a patched photo is analysed {full / crop:.1f} times faster than a new one, its network pass included"
    )
    return 0 if one / full >= 0.9 else 1


if __name__ == "__main__":
    sys.exit(main())
