"""Whether an evaluation of many photos needs more memory than one of few.

    python -m tests.endurance.evaluations cifar10/test 2000

The folder holds photos of CIFAR-10 in class folders. Prints the memory of the process ten times, and exits with 1 if
it is more than 64 MB larger at the end than after the first tenth, when all is loaded.
"""

import sys
import tempfile
from pathlib import Path

from pg_core.analysis.inputs import configure
from pg_core.datasets.sources import photos_of
from pg_core.evaluation.cases import evaluation_cases
from pg_core.evaluation.run import evaluate
from pg_core.io.progress import Progress
from pg_core.networks import load_model

_MOST_MB = 64


def resident() -> int:
    """MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) // 2**10


def main() -> int:
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    model = load_model("cifar10", "cpu")
    photos = photos_of(folder, model.classes)[:count]
    cases = evaluation_cases(configure(model, (5, 5)), [(5, 5)])
    seen: list[int] = []

    def look(progress: Progress) -> None:
        if progress.done % (count // 10) == 0:
            seen.append(resident())
            print(f"{progress.done} photos: {seen[-1]} MB", flush=True)

    with tempfile.TemporaryDirectory() as name:
        evaluate(model, photos, cases, Path(name) / "table", model.weights_sha256, look)
    return int(seen[-1] - seen[0] > _MOST_MB)


if __name__ == "__main__":
    sys.exit(main())
