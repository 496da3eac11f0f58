"""Predictions, verdicts and margins as they were recorded: a change of the house must not change one of them.

`python -m tests.recorded` compares 400 random maps, the files in assets/results and, where `--imagenette` and
`--cifar10` name folders of class folders, 200 of their photos with `recorded.json`; it prints what differs, and ends
with exit code 1 if anything does. With --record it writes the file. Margins are compared to 1e-9 of the largest one:
programs are solved, and networks computed, otherwise on another machine.
"""

import argparse
import hashlib
import json
import math
import sys
from itertools import islice
from pathlib import Path

import numpy as np

import pg_core
from pg_core.datasets.folders import labelled_photos
from pg_core.defences.registry import build
from pg_core.defences.spec import DefenceConfig
from pg_core.evidence.types import EvidenceType

RECORDED = Path(__file__).with_name("recorded.json")
MAPS, PHOTOS = 400, 100
"""Random maps; photos of each of the two data sets."""
_THRESHOLDS = (0.0, 0.0, 0.1, 0.2, 0.45)
_CLIP_HIGH = (None, None, 0.75)
_BOUNDS = ("sound", "tight", "published")
_EVIDENCE = ("logits", "confidence", "prediction", "sharpened")
_OF_MAPS = ("undefended", "masking", "mask-ds", "clipping", "smoothing", "detection", "feature-masking")


def said(defence, seen, label=None, delta=0.0):
    """What a defence says of one array, as JSON keeps it."""
    prediction = int(defence.predict(seen).label)
    certificate = defence.certify(seen, label=label, delta=delta)
    margin, tolerance = certificate.margin, np.broadcast_to(certificate.tolerance, certificate.margin.shape)
    finite = margin[np.isfinite(margin)]
    return {
        "prediction": prediction,
        "verdict": str(certificate.verdict),
        "proved": int(certificate.proved.sum()),
        "undecided": int(certificate.undecided.sum()),
        "rivals": hashlib.sha256(certificate.rival.astype("<i8").tobytes()).hexdigest()[:12],
        "margins": [float(margin.min()), float(finite.sum()), float(np.abs(finite).max(initial=0.0))],
        "tolerances": [float(tolerance.min()), float(tolerance.max())],
    }


def of_maps(count=MAPS):
    """What all defences of maps say of random ones, in which mostly a class leads."""
    for number in range(count):
        random = np.random.default_rng(number)
        bands = number % 4 == 3
        rows, columns = (1, int(random.integers(6, 20))) if bands else random.integers(3, 12, 2).tolist()
        classes = int(random.integers(2, 8))
        maps = random.normal(0, 2, (classes, rows, columns))
        maps[random.integers(classes)] += random.choice([0.5, 2.0, 6.0])
        if number % 5 == 0:
            maps = np.rint(maps)  # for ties
        patch = int(random.integers(1, 4))
        field = (
            pg_core.ReceptiveField((columns, 3), (columns, 1), wrapping=True)
            if bands
            else pg_core.ReceptiveField((5, 5), (2, 2))
        )
        image_size = (columns, columns) if bands else (2 * rows + 3, 2 * columns + 3)
        config = DefenceConfig(
            field,
            image_size,
            EvidenceType.named(_EVIDENCE[number % 4 if not bands else number // 4 % 4]),
            (patch, patch),
            {
                "threshold": _THRESHOLDS[int(random.integers(len(_THRESHOLDS)))],
                "clip_high": _CLIP_HIGH[int(random.integers(len(_CLIP_HIGH)))],
                "bound": _BOUNDS[int(random.integers(3))],
                "alert_threshold": float(random.choice([0.3, 0.5, 0.9])),
            },
        )
        label = None if number % 3 else int(random.integers(classes))
        delta = 0.0 if number % 2 else 1e-3
        for name in _OF_MAPS:
            try:
                defence = build(name, config)
            except ValueError:
                continue
            yield f"map {number}, {name}", said(defence, maps, label, delta)


def of_photos(folder, network, patch):
    """What the defences say of photos of a folder that no network was trained on."""
    model = pg_core.load_model(network)
    photos = labelled_photos(folder, model.classes)
    for photo in islice(photos, PHOTOS):
        seen = pg_core.extract(photo.path, model)
        config = DefenceConfig(model.receptive_field, model.image_size, model.evidence, (patch, patch))
        for name in ("undefended", "masking", "detection", "feature-masking"):
            found = said(build(name, config), seen.local_logits, photo.label, seen.delta)
            yield f"{network}, {photo.name}, {name}", found


def of_results():
    """The numbers in every file of results, as they are read and written again."""
    from pg_core.evaluation.results import read_all

    for name, evaluation in read_all().items():
        text = json.dumps(evaluation.summary(), sort_keys=True)
        yield f"results, {name}", {"sha256": hashlib.sha256(text.encode()).hexdigest()}


def differences(found, recorded):
    """The names of what is not as it was recorded."""
    return [
        name for name, values in found.items() if name not in recorded or not _equal(values, recorded[name])
    ]


def _equal(values, recorded):
    if values.keys() != recorded.keys():
        return False
    return all(
        _near(value, recorded[key]) if isinstance(value, list) else value == recorded[key]
        for key, value in values.items()
    )


def _near(values, recorded):
    largest = max([abs(value) for value in (*values, *recorded) if math.isfinite(value)], default=0.0)
    return len(values) == len(recorded) and all(
        math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9 * largest)
        for one, other in zip(values, recorded, strict=True)
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--imagenette", type=Path, metavar="FOLDER", help="its validation photos")
    parser.add_argument("--cifar10", type=Path, metavar="FOLDER", help="its test photos")
    parser.add_argument("--record", action="store_true", help="write what is found instead of comparing")
    options = parser.parse_args()
    found = dict(of_maps()) | dict(of_results())
    if options.imagenette:
        found |= dict(of_photos(options.imagenette, "imagenette", 32))
    if options.cifar10:
        found |= dict(of_photos(options.cifar10, "cifar10", 5))
    if options.record:
        lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(values)}" for name, values in found.items())
        RECORDED.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")
        print(f"{len(found)} recorded")
        return 0
    differing = differences(found, json.loads(RECORDED.read_text(encoding="utf-8")))
    for name in differing[:20]:
        print(f"differs: {name}")
    print(f"{len(found)} compared, {len(differing)} differ")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
