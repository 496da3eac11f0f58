"""What every first page needs, made ready in a thread while the server starts and the first browser loads.

The first analysis takes the import of torch, the weights of the first network and its run on the first sample: three
quarters of the work before the verdict (4.0 of 5.4 s on one core). The results come to the page through the caches,
which it asks as ever.
"""

import gc
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from threading import Thread

import streamlit as st

from app.document import handed_out

FIRST = 1.0
"""Seconds that a browser has to ask for the document: while torch is imported, the server answers late."""
# OpenMP reads it when torch is loaded. By default its threads spin while they wait for each other, for milliseconds:
# beside a browser or a second session on the same cores, an analysis took four times as long and as much power.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@asynccontextmanager
async def lifespan(server: st.App) -> AsyncIterator[None]:
    """Begin when the server does; a server that ends does not wait for it, and tidies up."""
    Thread(target=warm, name="warming", daemon=True).start()
    yield
    # Uvicorn ends by the very signal that stopped it, after which nothing runs that waits for the exit.
    from app.components.component import remove_modules

    remove_modules()


def warm() -> None:
    """Import torch, load the first network, and run it on the first sample; into the caches."""
    handed_out.wait(FIRST)
    # While torch is imported, collections find nothing, in a fifth of its time.
    gc.disable()
    try:
        import torch  # noqa: F401
    finally:
        gc.enable()
    from app.cache import analysis as cached
    from pg_core.datasets.folders import SAMPLES
    from pg_core.networks import MODELS

    cached.features(cached.sample(next(iter(SAMPLES))), cached.Choice(next(iter(MODELS))))
