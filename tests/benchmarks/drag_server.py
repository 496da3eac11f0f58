"""Streamlit with the page, in which the network's part of an update is replaced by an exact time of work.

    DRAG_BUSY_MS=50 python -m tests.benchmarks.drag_server run app/main.py

The rest is the page's own: predictions, bounds and figures are computed, and torch is there to be collected.
"""

import os
import sys
import time
from dataclasses import replace

from streamlit.web import cli

from app.cache import patches
from app.cache.analysis import Choice, Photo, features
from app.cache.patches import Simulation
from pg_core.photos.inference import LocalFeatures

BUSY = float(os.environ.get("DRAG_BUSY_MS", "0")) / 1000


def patched(photo: Photo, choice: Choice, simulation: Simulation) -> LocalFeatures:
    """The features of the photo, with the same local logits wherever the patch is."""
    end = time.perf_counter() + BUSY
    while time.perf_counter() < end:
        pass
    return replace(features(photo, choice))


if __name__ == "__main__":
    patches.patched = patched
    sys.exit(cli.main())
