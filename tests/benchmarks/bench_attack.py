"""What an attack on pixels costs, and what being adaptive is worth.

    python -m tests.benchmarks.bench_attack CIFAR10/test IMAGENETTE/val [photos]

Prints the seconds of 100 steps in 4 restarts on one place, under each defence; then, on so many photos (by default 40)
that double masking on features does not certify, how many break at their weakest place by its own objective, by that
of robust masking, and by as many contents of noise as the others made steps.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from pg_core import Analysis, Patch, RobustMasking, Threat, configure, examine, extract, load_model
from pg_core.attacks.descent import Descent
from pg_core.attacks.objectives import objective
from pg_core.attacks.pixels import attack
from pg_core.attacks.places import weakest
from pg_core.datasets.folders import labelled_photos
from pg_core.defences.patchcleanser.features import FeatureMasking
from pg_core.defences.registry import defence_spec
from pg_core.networks.network import Network
from pg_core.photos.framing import square
from pg_core.photos.patches import noise

STEPS, RESTARTS = 100, 4


def main() -> int:
    """Time, then compare."""
    if len(sys.argv) < 3:
        print(__doc__)
        return 2
    cifar10, imagenette = map(Path, sys.argv[1:3])
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 40
    for name, folder, defences in (
        ("cifar10", cifar10, ("undefended", "masking", "feature-masking", "clipping", "detection")),
        ("imagenette", imagenette, ("undefended", "masking", "feature-masking")),
    ):
        model = load_model(name, "cpu")
        photo = labelled_photos(folder, model.classes)[0]
        size = square(0.02, model.image_size)
        features = extract(photo.path, model)
        for defence in defences:
            analysis = examine(features, defence_spec(defence).build(configure(model, size)), Threat(size))
            middle = Patch(*((n - p) // 2 for n, p in zip(model.image_size, size, strict=True)), *size)
            began = time.perf_counter()
            result = attack(analysis, model, middle, STEPS, RESTARTS)
            seconds = time.perf_counter() - began
            print(
                f"{name}, {defence}, {size[0]}x{size[1]} pixels in the middle: {seconds / result.steps * STEPS:.1f} s "
                f"for {STEPS} steps in {RESTARTS} restarts",
                flush=True,
            )
    model = load_model("cifar10", "cpu")
    compared = [compare(model, analysis, place) for analysis, place in uncertified(model, cifar10, count)]
    own, other, random = np.array(compared).sum(axis=0).tolist()
    print(
        f"double masking on features, cifar10, 5x5, {len(compared)} photos: broken by its own objective {own}, by "
        f"that of robust masking {other}, by noise {random}"
    )
    return 0


def uncertified(model: Network, folder: Path, count: int) -> Iterator[tuple[Analysis, Patch]]:
    """Photos that are right and not certified, each with its weakest place."""
    defence = defence_spec("feature-masking").build(configure(model, (5, 5)))
    for photo in labelled_photos(folder, model.classes):
        features = extract(photo.framed(model.image_size, model.part), model)
        analysis = examine(features, defence, Threat((5, 5)), model.classes[photo.label])
        places = weakest(analysis, 1)
        if int(analysis.defended.label) == photo.label and places:
            yield analysis, places[0]
            count -= 1
            if count == 0:
                return


def compare(model: Network, analysis: Analysis, place: Patch) -> tuple[bool, bool, bool]:
    """Whether the defence's own objective, robust masking's, and noise break a place."""
    label = analysis.classes.index(analysis.label)
    own = attack(analysis, model, place, STEPS, RESTARTS, seed=1)
    assert isinstance(analysis.defence, FeatureMasking)
    robust_masking = RobustMasking(analysis.defence.window_size, evidence=analysis.defence.evidence)
    start = np.stack([noise(place.size, 1 + restart) for restart in range(RESTARTS)])
    descent = Descent(analysis, model, place, start, np.ones(RESTARTS, np.float32))
    goal = objective(robust_masking, label, torch.tensor(own.targets))
    other = False
    for step in range(STEPS):
        descent.step(goal, 0.2 * (1 - step / STEPS) + 0.01)
        other = other or (
            step % 10 == 9 and any(descent.seems_broken(contents, label) for contents in descent.of_8_bits())
        )
    random = any(
        descent.seems_broken(noise(place.size, 1000 + trial), label) for trial in range(STEPS * RESTARTS)
    )
    return own.success, other, random


if __name__ == "__main__":
    sys.exit(main())
