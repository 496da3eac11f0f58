"""Memory to see the largest photo of each kind as a network does: python -m tests.benchmarks.bench_photos

A child decodes each; the peak of its resident memory over what it began with, for the photo and for each pixel.
"""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from pg_core.photos.read import framed, reduced
from tests.large_photos import LARGEST
from tests.memory import peak_of


def main() -> None:
    with TemporaryDirectory() as folder:
        for kind, write in LARGEST.items():
            path = Path(folder) / "photo"
            peak_of(lambda path=path, write=write: path.write_bytes(write()))
            _, (height, width) = peak_of(lambda path=path: reduced(path)[1])
            began = time.perf_counter()
            taken, _ = peak_of(lambda path=path: framed(path, (448, 448)).pixels.shape)
            seconds = time.perf_counter() - began
            size = path.stat().st_size / 2**20
            each = (taken - size) * 2**20 / (height * width)
            print(
                f"{kind:<36} {height}x{width}, file of {size:4.1f} MB: {taken:4.0f} MB, {each:4.1f} bytes for each "
                f"pixel, {seconds:.1f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
