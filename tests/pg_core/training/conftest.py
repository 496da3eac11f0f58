"""A dozen photos of three colours, by which what is learnt can be told."""

import numpy as np
import pytest
from PIL import Image

from pg_core.datasets.folders import labelled_photos


@pytest.fixture
def photos(tmp_path):
    generator = np.random.default_rng(0)
    for label, name in enumerate(("red", "green", "blue")):
        (tmp_path / name).mkdir()
        for number in range(4):
            pixels = generator.integers(0, 60, (32, 32, 3))
            pixels[..., label] += 150
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / name / f"{number}.png")
    return labelled_photos(tmp_path, ("red", "green", "blue"))
