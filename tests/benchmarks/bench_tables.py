"""How large the table of a large run is, and how long it takes to look at it.

    python -m tests.benchmarks.bench_tables

50,000 photos under one defence with 169 windows, as made up: of ten classes, margins that are smooth over the windows
and differ from photo to photo (normal noise in every window, so that hardly a bit of their fractions repeats), as
rival one of three classes in patches of windows, 18 % of predictions wrong. Names and hashes are those of a folder of
class folders. Exits with 1 above 60 MB, for a first view of 2 s or more, or for a filter of 300 ms or more.
"""

import hashlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from pg_core.defences.base import Verdict
from pg_core.defences.spec import DefenceConfig
from pg_core.evaluation.cases import configure_run, evaluation_cases
from pg_core.evaluation.outcome_columns import Run
from pg_core.evaluation.outcome_table import Table, open_table
from pg_core.evaluation.outcome_writer import writing
from pg_core.evaluation.outcomes import CaseResult, rounded_down, setting_keys
from pg_core.evidence.types import EvidenceType
from pg_core.geometry import ReceptiveField
from pg_core.networks import CIFAR10
from pg_core.networks.base import Part

PHOTOS, SIDE = 50_000, 13
MOST_MB, FIRST_VIEW, FILTER = 60.0, 2.0, 0.3
"""Millions of bytes, and seconds."""
_TIMES = 7


class Network:
    """What a configuration says of a network."""

    name, classes, image_size = "made up", CIFAR10, (224, 224)
    receptive_field = ReceptiveField((17, 17), (12, 12))
    evidence, part = EvidenceType.LOGITS, Part.MIDDLE


def results(key: str) -> Iterator[CaseResult]:
    """The photos, one after the other."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE
    for number in range(PHOTOS):
        label = number % len(CIFAR10)
        wrong = random.random() < 0.18
        tilt = random.normal(size=2)
        margin = 40 * random.normal(0.6) + 25 * (tilt[0] * rows + tilt[1] * columns)
        margin = margin + 4 * random.normal(size=(SIDE, SIDE))
        others = random.choice([c for c in range(len(CIFAR10)) if c != label], 3, replace=False)
        rivals = others[(2 * (rows + columns * tilt[0]) % 3).astype(int)].astype(np.int16)
        tolerance = 0.036
        verdict = Verdict.CERTIFIED if (margin > tolerance).all() else Verdict.UNDECIDED
        if (margin <= 0).any():
            verdict = Verdict.NOT_CERTIFIED
        worst = divmod(int(margin.argmin()), SIDE)
        name = f"{CIFAR10[label]}/{number // 10:05}.jpg"
        sha256 = hashlib.sha256(name.encode()).hexdigest()
        prediction = int(others[0]) if wrong else label
        yield CaseResult(
            name,
            sha256,
            key,
            label,
            prediction,
            prediction,
            Verdict.MISCLASSIFIED if wrong else verdict,
            float(margin.min()),
            worst,
            None,
            2.2e-5,
            tolerance,
            abs(random.normal(2e-3, 4e-4)),
            rounded_down(margin),
            rivals,
        )


def write(folder: Path) -> None:
    """The table."""
    config = DefenceConfig(
        Network.receptive_field, Network.image_size, Network.evidence, (32, 32), {"threshold": 0.0}
    )
    cases = evaluation_cases(config, ((48, 48),))
    configuration = configure_run(Network(), cases, "0" * 64)
    run = Run(configuration, tuple(dict(case.parameters) for case in cases), "made/up")
    (key,) = setting_keys(configuration)
    with writing(folder, run) as writer:
        for result in results(key):
            writer.add([result])
        writer.flush()


def first_view(folder: Path) -> None:
    """What is shown at first: the counts of each verdict, and the share of failing photos in each window."""
    table = open_table(folder)
    table.verdicts()
    for key in setting_keys(table.run.configuration):
        table.failing(key)


def _filters(table: Table) -> dict[str, Callable[[], object]]:
    photos = "select photo, margin, rival from outcomes where "
    return {
        "verdict and margin": lambda: table.query(
            f"{photos} verdict = 'not certified' and margin between -5 and 0 order by margin"
        ),
        "rival at the worst window": lambda: table.query(
            "select label, rival, count(*) from outcomes where verdict = 'not certified' group by label, rival"
        ),
        "one window": lambda: table.query(f"{photos} margins[85] <= tolerance and rivals[85] = 3"),
        "worst window in a rectangle": lambda: table.query(
            f"{photos} worst_row between 3 and 6 and worst_column between 3 and 6 and label = 3"
        ),
    }


def _median(work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(_TIMES):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def _reached(value: float, target: float) -> str:
    return "reached" if value < target else "MISSED"


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "table"
        write(folder)
        parts = sorted(folder.glob("part-*"))
        size = sum(path.stat().st_size for path in parts) / 1e6
        raw = compressed = 0
        largest: dict[str, int] = {}
        for path in parts:
            group = pq.read_metadata(path).row_group(0)
            for column in map(group.column, range(group.num_columns)):
                raw += column.total_uncompressed_size
                compressed += column.total_compressed_size
                root = column.path_in_schema.split(".")[0]
                largest[root] = largest.get(root, 0) + column.total_compressed_size
        of = PHOTOS * SIDE**2
        print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
        print(
            f"{PHOTOS:,} photos of {SIDE**2} windows in {len(parts)} parts: {size:.1f} MB "
            f"(target {MOST_MB:g} MB, {_reached(size, MOST_MB)}); as float32 and int16 margins and rivals alone are "
            f"{6 * of / 1e6:.1f} MB, as encoded all is {raw / 1e6:.1f} MB"
        )
        for root, own in sorted(largest.items(), key=lambda item: -item[1])[:4]:
            print(f"  {root}: {own / 1e6:.2f} MB")
        missed = size >= MOST_MB
        seconds = _median(lambda: first_view(folder))
        missed |= seconds >= FIRST_VIEW
        reached = _reached(seconds, FIRST_VIEW)
        print(f"opened, checked and a first view: {seconds:.2f} s (target {FIRST_VIEW:g} s, {reached})")
        for what, work in _filters(open_table(folder)).items():
            seconds = _median(work)
            missed |= seconds >= FILTER
            print(
                f"filter by {what}: {1e3 * seconds:.0f} ms (target {1e3 * FILTER:g} ms, {_reached(seconds, FILTER)})"
            )
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
