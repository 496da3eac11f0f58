"""How much faster robust masking is than the literal loops, and how long each window defence takes for a batch.

    python -m tests.benchmarks.bench_masking

It prints a ratio for each configuration, measured in one run, and the processor time of the certificates of 1,000
maps under each window defence, and ends with 1 if one misses its target; double masking of evidence, which compares
all pairs of windows for each rival, has none. The loops (`tests/reference`) multiply a
whole 0/1 map for each window, as the paper writes it; `slices` is a leaner loop, which sums a slice for each window
and is no target, only a check that the ratio is not owed to a slow oracle.
"""

import statistics
import sys
import time
from dataclasses import dataclass

import numpy as np

from pg_core.defences.bounded import BoundedEvidence
from pg_core.defences.detection import MaskedDetection
from pg_core.defences.patchcleanser.features import FeatureMasking
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.defences.smoothing import Smoothing
from pg_core.defences.undefended import Undefended
from pg_core.evidence.types import EvidenceType
from tests import reference


@dataclass(frozen=True)
class Configuration:
    """A batch of so many maps, or one map without batch; runs of the loops and of ours; the least ratio."""

    classes: int
    maps: int | None
    loop_runs: int
    runs: int
    target: float
    side: int = 26
    window: int = 6

    def __str__(self):
        batch = "one map" if self.maps is None else f"{self.maps} maps"
        return f"{batch} of {self.side}x{self.side}x{self.classes}, k = {self.window}"


CONFIGURATIONS = (
    Configuration(classes=10, maps=None, loop_runs=5, runs=51, target=50),
    Configuration(classes=1000, maps=None, loop_runs=3, runs=11, target=20),
    Configuration(classes=10, maps=256, loop_runs=5, runs=7, target=200),
)
THRESHOLD = 0.0

BATCH_SECONDS = 2.0
"""Of processor time, which other programs on the machine do not lengthen much."""
WINDOW_DEFENCES = (
    RobustMasking((6, 6)),
    RobustMasking((6, 6), 0.2),
    BoundedEvidence((6, 6)),
    MaskedDetection((6, 6)),
    Undefended((6, 6)),
)
BAND_DEFENCES = (
    RobustMasking((1, 56), evidence=EvidenceType.CONFIDENCE, wrapping=True),
    Smoothing.columns((224, 224), 25, (32, 32)),
)


def seconds(call, runs):
    """The median time of a call, after one that does not count."""
    call()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def literal(evidence, label, windows):
    """Prediction and certificate in the paper's letters."""
    return reference.algorithm_1(evidence, windows, THRESHOLD), reference.algorithm_2(
        evidence, label, windows, THRESHOLD
    )


def slices(evidence, label, k):
    """The same scores and margins at T = 0, with a sum over a slice for each window."""
    classes, rows, columns = evidence.shape
    corners = [(i, j) for i in range(rows - k + 1) for j in range(columns - k + 1)]
    totals = [float(values.sum()) for values in evidence]
    sums = [[float(values[i : i + k, j : j + k].sum()) for i, j in corners] for values in evidence]
    scores = [total - max(held) for total, held in zip(totals, sums, strict=True)]
    margins = []
    for n, (i, j) in enumerate(corners):
        outside = evidence[label].copy()
        outside[i : i + k, j : j + k] = 0
        lower = outside.sum() - max(outside[a : a + k, b : b + k].sum() for a, b in corners)
        margins.append(lower - max(totals[c] - sums[c][n] for c in range(classes) if c != label))
    return scores, margins


def measured(configuration):
    """The ratios to the literal loops and to the leaner ones, and our time per map; the answers must agree."""
    maps = configuration.maps or 1
    side, k = configuration.side, configuration.window
    random = np.random.default_rng(0)
    local_logits = random.normal(size=(maps, configuration.classes, side, side))
    local_logits[:, 0] += 2
    defence = RobustMasking((k, k), THRESHOLD)
    batch = local_logits if configuration.maps else local_logits[0]
    evidence = defence.predict(local_logits[0]).evidence
    windows = reference.windows(side, side, k, k)

    certificate = defence.certify(local_logits[0], 0)
    (label, scores, _), (lower, upper, _) = literal(evidence, 0, windows)
    lean_scores, lean_margins = slices(evidence, 0, k)
    assert label == certificate.prediction
    assert (certificate.margin.ravel() == np.array(lower) - np.array(upper)).all()
    assert (certificate.margin.ravel() == lean_margins).all()
    assert (np.array(scores) == lean_scores).all()

    ours = seconds(lambda: defence.certify(batch, 0), configuration.runs) / maps
    loops = seconds(lambda: literal(evidence, 0, windows), configuration.loop_runs)
    lean = seconds(lambda: slices(evidence, 0, k), configuration.loop_runs)
    return loops / ours, lean / ours, ours


def batches():
    """Each window defence with 1,000 maps of 26x26x10, and each defence of bands with 1,000 of 1x224x10."""
    random = np.random.default_rng(0)
    for defences, map_size in ((WINDOW_DEFENCES, (26, 26)), (BAND_DEFENCES, (1, 224))):
        local_logits = random.normal(size=(1000, 10, *map_size)).astype(np.float32)
        local_logits[:, 0] += 2
        yield from ((defence, local_logits) for defence in defences)


def processor_seconds(defence, local_logits):
    """For the certificates of a batch, after a few that do not count."""
    defence.certify(local_logits[:20], 0)
    start = time.process_time()
    defence.certify(local_logits, 0)
    return time.process_time() - start


def main():
    """Print every ratio and every time; 1 if a target is missed."""
    missed = False
    for configuration in CONFIGURATIONS:
        ratio, lean, ours = measured(configuration)
        reached = ratio >= configuration.target
        missed |= not reached
        print(
            f"{configuration}: {ratio:.0f} times the literal loops (target {configuration.target:.0f}, "
            f"{'reached' if reached else 'MISSED'}); {lean:.0f} times slices; {ours * 1e3:.2f} ms a map"
        )
    for defence, local_logits in batches():
        taken = processor_seconds(defence, local_logits)
        reached = taken <= BATCH_SECONDS
        missed |= not reached
        rows, columns = local_logits.shape[2:]
        print(
            f"1000 maps of {rows}x{columns}x10, {defence}: {taken:.2f} s (target {BATCH_SECONDS:.0f} s, "
            f"{'reached' if reached else 'MISSED'})"
        )
    plain, double = (
        processor_seconds(defence, local_logits[:100])
        for _, local_logits in [next(batches())]
        for defence in (RobustMasking((6, 6)), FeatureMasking((6, 6)))
    )
    print(
        f"double masking of evidence: {double / plain:.0f} times robust masking, {double * 10:.1f} ms a map"
    )
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
