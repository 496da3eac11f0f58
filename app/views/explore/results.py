"""How many windows each of the three bounds proves: published, sound, tight."""

from dataclasses import dataclass

import numpy as np
import streamlit as st

from app.cache.analysis import BY_DIGEST, Choice, DefenceChoice, Photo, analysis
from pg_core.defences.patchguard.certificate import Bound
from pg_core.defences.patchguard.spec import BOUND
from pg_core.photos.framing import Threat


@dataclass(frozen=True, slots=True)
class Compared:
    """Windows, and how many of them have a margin above the tolerance by each bound; those that only the published one
    accepts, and those that only the tight one adds to the sound."""

    windows: int
    published: int
    sound: int
    tight: int
    refused: int
    added: int


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=BY_DIGEST)
def compared(
    photo: Photo, choice: Choice, asked: DefenceChoice, threat: Threat, label: str | None
) -> Compared:
    """The three bounds on a photo; for the tight one, linear programs are solved. The defence's own is ignored."""
    certificates = [
        analysis(photo, choice, asked.having({BOUND.name: bound.value}), threat, label).certificate
        for bound in Bound
    ]
    published, sound, tight = (found.margin > found.tolerance for found in certificates)
    counts = (published, sound, tight, published & ~sound, tight & ~sound)
    return Compared(sound.size, *(int(np.count_nonzero(proved)) for proved in counts))
