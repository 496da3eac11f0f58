"""Attacks on what is certified: not one may succeed. For an hour or two, on photos that are not in the repository.

    python -m tests.endurance.attacks CIFAR10/test IMAGENETTE/val [photos]

Under each network and defence, on so many photos (by default 30), the certified place of the smallest margin is
attacked as if it were open. Every step of every restart is an optimised attempt. Prints them with the photos, and each
success, which is a bug of the first rank; exits with 1 if there is any.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pg_core import Threat, configure, examine, extract, load_model
from pg_core.analysis.photo import Analysis
from pg_core.attacks.pixels import attack
from pg_core.datasets.folders import labelled_photos
from pg_core.defences.registry import defence_spec
from pg_core.defences.spec import Value
from pg_core.geometry import Patch, box_at
from pg_core.networks.network import Network
from pg_core.photos.framing import square

STEPS, RESTARTS = 150, 4
CASES: tuple[tuple[str, str, int | float, dict[str, Value]], ...] = (
    ("cifar10", "masking", 5, {}),
    ("cifar10", "masking", 2, {"threshold": 0.1}),
    ("cifar10", "masking", 2, {"evidence": "confidence"}),
    ("cifar10", "feature-masking", 5, {}),
    ("cifar10", "clipping", 2, {"evidence": "confidence"}),
    ("cifar10", "detection", 5, {"alert_threshold": 0.01}),
    ("cifar10", "double-masking", 2, {"masks_per_axis": 3}),
    ("cifar10-bands", "mask-ds", 5, {}),
    ("cifar10-bands", "feature-masking", 5, {}),
    ("cifar10-bands", "smoothing", 2, {}),
    ("cifar10-interval", "interval", 2, {}),
    ("imagenette", "masking", 0.02, {}),
    ("imagenette", "masking", 0.02, {"threshold": 0.1}),
    ("imagenette", "feature-masking", 0.02, {}),
)


def main() -> int:
    """Attack, and say what came of it."""
    if len(sys.argv) < 3:
        print(__doc__)
        return 2
    folders = {"cifar10": Path(sys.argv[1]), "imagenette": Path(sys.argv[2])}
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 30
    began, attempts, seen, broken = time.monotonic(), 0, 0, 0
    models: dict[str, Network] = {}
    for number, (network, name, size, settings) in enumerate(CASES):
        model = models.setdefault(network, load_model(network))
        photos = labelled_photos(folders[network.partition("-")[0]], model.classes)
        own, successes = 0, 0
        for analysis, place in certified_places(
            # Other photos for each case.
            model,
            [photo.path for photo in photos[number * 2 * count :]],
            name,
            size,
            settings,
            count,
        ):
            result = attack(analysis, model, place, STEPS, RESTARTS, seed=number)
            seen, own = seen + 1, own + result.attempts
            if result.success:
                successes += 1
                print(
                    f"BROKEN: {network}, {analysis.defence}, {place}, {analysis.label!r}: {result}",
                    flush=True,
                )
        attempts, broken = attempts + own, broken + successes
        print(f"{network}, {name} {settings}, {size}: {own:,} attempts, {successes} successes", flush=True)
    minutes = (time.monotonic() - began) / 60
    print(
        f"{attempts:,} attempts on certified places of {seen} photos, {broken} successes, {minutes:.0f} minutes"
    )
    return int(broken > 0)


def certified_places(
    model: Network, paths: list[Path], name: str, size: int | float, settings: dict[str, Value], count: int
) -> Iterator[tuple[Analysis, Patch]]:
    """Photos with a certified position, and a place for the patch in the one of smallest margin."""
    patch_size = square(size, model.image_size) if isinstance(size, float) else (size, size)
    defence = defence_spec(name).build(configure(model, patch_size, settings))
    for path in paths:
        if count == 0:
            return
        analysis = examine(extract(path, model), defence, Threat(patch_size), model=model)
        certificate = analysis.certificate
        for index in np.argsort(certificate.margin, axis=None, kind="stable").tolist():
            row, column = divmod(index, certificate.positions.shape[1])
            if not certificate.proved[row, column]:
                continue
            box = box_at(certificate.positions, row, column)
            place = analysis.patch_in(box, patch_size)
            # A window of a ring that only a patch around the edge of the image would reach has none of its own.
            if analysis.position(place) == box:
                count -= 1
                yield analysis, place
                break


if __name__ == "__main__":
    sys.exit(main())
