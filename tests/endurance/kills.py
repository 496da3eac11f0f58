"""Whether a run that is killed again and again ends in the same bytes, or table, as one that is not.

    python -m tests.endurance.kills evaluate 20
    python -m tests.endurance.kills train 20

Every other kill comes at any moment after the start, the others soon after something new is on the disk. Exits with 1
if a byte differs, or of a table anything but how long a photo took.
"""

import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pg_core.evaluation.outcome_table import open_table
from pg_core.networks import CIFAR10

ROOT = Path(__file__).parents[2]
_OF_EACH_CLASS = 6
_SOON = 0.5
"""Seconds, in which several photos are measured and several steps made."""
_PROGRAM = """
import sys
import torch
from pg_core.__main__ import main
from pg_core.evaluation import outcome_writer
from pg_core.training import loop
torch.set_num_threads(1)
loop._SECONDS_BETWEEN_CHECKPOINTS = outcome_writer._SECONDS = 0.0
outcome_writer._SMALL_PARTS = 4
sys.exit(main())
"""
"""The command line, but for a checkpoint after every step, and a part after every photo, of which four are put
together, so that kills meet some."""

OPTIONS = {
    "evaluate": "evaluate photos --model cifar10 --device cpu --patch-size 2 5 --table run "
    "--local-logits kept --json",
    "train": "train pointwise photos --steps 60 --photos-per-step 4 --held-out 2 --width 32 --blocks 1 "
    "--checkpoint run.pt --output weights",
}
_GROWING = {"evaluate": "run", "train": "run.pt"}
_RESULTS = {"evaluate": (), "train": ("weights/cifar10.safetensors", "weights/cifar10.json")}


@dataclass(frozen=True)
class Count:
    """How many kills there were, how many of them after something new was on the disk, how many runs came to their
    end, and how many of these ended in other bytes."""

    kills: int
    with_something_kept: int
    finished: int
    different: int

    def __str__(self) -> str:
        return (
            f"{self.kills} kills, {self.with_something_kept} of them with something new on the disk; "
            f"{self.finished} runs came to their end, {self.different} of them with other bytes"
        )


def paint(folder: Path) -> None:
    """Photos of noise for every class of CIFAR-10."""
    generator = np.random.default_rng(0)
    for name in CIFAR10:
        (folder / name).mkdir(parents=True)
        for number in range(_OF_EACH_CLASS):
            Image.fromarray(generator.integers(0, 256, (32, 32, 3), np.uint8)).save(
                folder / name / f"{number}.png"
            )


def start(command: str, folder: Path) -> "subprocess.Popen[bytes]":
    """The command in a process of its own."""
    arguments = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}){_PROGRAM}"]
    return subprocess.Popen(
        [*arguments, *OPTIONS[command].split()],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def finish(command: str, folder: Path) -> dict[str, bytes]:
    """What the command prints and leaves behind, once it has come to its end; its files are removed."""
    out, err = (process := start(command, folder)).communicate()
    if process.returncode != 0:
        raise RuntimeError(f"{command} ended with {process.returncode}: {err.decode(errors='replace')}")
    found = {"": out} | {name: (folder / name).read_bytes() for name in _RESULTS[command]}
    if command == "evaluate":
        asked = "select * exclude (seconds) from outcomes order by photo, setting"
        found["run"] = repr(open_table(folder / "run").query(asked)).encode()
    for path in sorted(folder.rglob("*"), reverse=True):
        if "photos" not in path.relative_to(folder).parts:
            path.rmdir() if path.is_dir() else path.unlink()
    return found


def endure(command: str, kills: int, folder: Path) -> Count:
    """Kill the command so many times, each time at another moment, and let it come to its end whenever it is done."""
    paint(folder / "photos")
    began, moments, growing = time.monotonic(), random.Random(0), folder / _GROWING[command]
    expected = finish(command, folder)
    whole = time.monotonic() - began
    kept = finished = different = done = 0
    while done < kills:
        before, process = _state(growing), start(command, folder)
        if done % 2:
            while _state(growing) in (before, (0, 0)) and process.poll() is None:
                time.sleep(0.001)
            time.sleep(moments.uniform(0, _SOON))
        else:
            time.sleep(moments.uniform(0, whole))
        process.kill()
        process.communicate()
        if process.returncode < 0:
            done += 1
            kept += _state(growing) != before
        if process.returncode >= 0 or done == kills:
            finished += 1
            different += finish(command, folder) != expected
    return Count(done, kept, finished, different)


def _state(path: Path) -> tuple[int, int]:
    """What changes whenever a file does."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


def main() -> int:
    command, kills = sys.argv[1], int(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        count = endure(command, kills, Path(folder))
    print(f"{command}: {count}")
    return int(count.different > 0)


if __name__ == "__main__":
    sys.exit(main())
