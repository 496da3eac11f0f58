"""What declaring photos to be Display P3 changes: predictions and certificates of the network `imagenette`.

    python -m tests.benchmarks.bench_colour imagenette/val --photos 200

The same pixels are certified twice, as they are and converted from Display P3 to sRGB, against 32x32 patches with
T = 0. Three seconds a photo on one core.
"""

import argparse
from collections import Counter
from pathlib import Path

import torch

from pg_core import RobustMasking, Verdict, load_model
from pg_core.datasets.folders import labelled_photos
from pg_core.photos.colour import to_srgb
from pg_core.photos.inference import extract
from pg_core.photos.read import read
from tests.pg_core.photos import profiles

_DISPLAY_P3 = profiles.rgb(profiles.P3, profiles.SRGB_CURVE)


def main():
    """Print the counts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, default=200)
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = load_model("imagenette", "cpu")
    defence = RobustMasking(model.receptive_field.window_size((32, 32)), evidence=model.evidence)
    photos = labelled_photos(options.folder, model.classes)[: options.photos]
    counts = Counter()
    for photo in photos:
        image = read(photo.path)
        seen = [extract(shown, model) for shown in (image, to_srgb(image, _DISPLAY_P3))]
        before, after = (defence.certify(own.local_logits, photo.label, own.delta) for own in seen)
        counts["predictions changed"] += int(before.prediction != after.prediction)
        for name, certificate, other in (("as it is", before, after), ("converted", after, before)):
            certified = certificate.verdict is Verdict.CERTIFIED
            counts[f"right, {name}"] += int(certificate.prediction == photo.label)
            counts[f"certified, {name}"] += certified
            counts[f"certified only {name}"] += certified and other.verdict is not Verdict.CERTIFIED
    print(f"n = {len(photos)}")
    for name, count in counts.items():
        print(f"{name:<26}{count}")


if __name__ == "__main__":
    main()
