"""Names and values in, results of pg_core out; the only package that caches.

Keys are names, content hashes and frozen values, never arrays. What one person uploads is found again only by
someone with the same bytes: the hash of the content is the key.
"""

import gc
import hashlib
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from PIL import Image

from app.compute import networks
from pg_core import attacks, images
from pg_core.analysis import Analysis, examine
from pg_core.attacks import PatchPixels
from pg_core.datasets import sample_path
from pg_core.defences.masking import RobustMasking
from pg_core.features import LocalFeatures, extract, update
from pg_core.geometry import Patch, Size, Window
from pg_core.images import Framing, Threat
from pg_core.models import MODELS, Description, load_model
from pg_core.models.own import OwnNetwork
from pg_core.witness import Standing, Witness, judge

if TYPE_CHECKING:
    from pg_core.models.network import Network


@dataclass(frozen=True, slots=True)
class Photo:
    """The bytes of a photo that has been decoded once without an error, their SHA-256, and its pixels
    (height, width)."""

    name: str
    digest: str
    data: bytes
    size: Size


@dataclass(frozen=True, slots=True)
class Choice:
    """A network by its name and, where it needs one, the name of a checkpoint in assets/weights, with the time
    (ns) at which the file was changed: another file of the same name is another network. Or a person's own."""

    model: str
    checkpoint: str | None = None
    changed: int = 0
    own: OwnNetwork | None = None


class Contents(StrEnum):
    """What fills a simulated patch."""

    NOISE = "noise"
    SOLID = "solid colour"
    CHECKERBOARD = "checkerboard"
    STICKER = "sticker"


@dataclass(frozen=True, slots=True)
class Simulation:
    """A simulated patch: where it is, and what is in it (seed of the noise, colour as #rrggbb, a picture)."""

    patch: Patch
    contents: Contents
    seed: int = 0
    colour: str = "#ff0000"
    sticker: Photo | None = None


def uploaded(name: str, data: bytes) -> Photo:
    """A photo out of a person's file; raises ImageError, one sentence, if it is none."""
    digest = hashlib.sha256(data).hexdigest()
    photo = _decoded(digest, data)
    return Photo(name, digest, data, (photo.height, photo.width))


@st.cache_data(max_entries=16, show_spinner=False)
def sample(name: str) -> Photo:
    """A photo out of an installed package."""
    return uploaded(name, sample_path(name).read_bytes())


def described(choice: Choice) -> Description:
    """What is known of a network before it is loaded."""
    return MODELS[choice.model] if choice.own is None else choice.own.description


def framing(photo: Photo, choice: Choice) -> Framing:
    """Which part of a photo a network sees."""
    description = described(choice)
    return images.frame(photo.size, description.image_size, description.part)


@st.cache_resource(max_entries=4, show_spinner=False)
def network(choice: Choice) -> "Network":
    """The network, loaded once for all sessions; raises ValueError if its weights do not fit, or if a person's own
    network has not passed the test of locality, without which nothing is certified."""
    if choice.own is not None:
        loaded = networks.tested(choice.own)
    elif choice.checkpoint is None:
        loaded = load_model(choice.model)
    else:
        loaded = load_model(choice.model, weights=networks.checkpoint(choice.checkpoint))
    _spare_torch_from_collections()
    return loaded


@st.cache_resource(max_entries=16, show_spinner=False, hash_funcs={Photo: lambda photo: photo.digest})
def features(photo: Photo, choice: Choice) -> LocalFeatures:
    """What the network sees of a photo; the network runs once."""
    return extract(_decoded(photo.digest, photo.data), network(choice))


@st.cache_resource(max_entries=16, show_spinner=False, hash_funcs={Photo: lambda photo: photo.digest})
def analysis(
    photo: Photo, choice: Choice, defence: RobustMasking, threat: Threat, label: str | None
) -> Analysis:
    """Prediction, masks and certificate of a photo; the network does not run again."""
    return examine(features(photo, choice), defence, threat, label)


def standing(clean: Analysis, window: Window) -> tuple[Standing, Witness | None]:
    """Whether a malicious window is certified, or broken in feature space, with the witness that breaks it."""
    return judge(clean.defence, clean.masking, clean.certificate, window)


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs={Photo: lambda photo: photo.digest})
def patched(photo: Photo, choice: Choice, simulation: Simulation) -> LocalFeatures:
    """What the network sees of the photo with a simulated patch; it runs on the crop that the patch touches."""
    seen = features(photo, choice)
    return update(seen, network(choice), simulation.patch, _contents(simulation))


def simulated(photo: Photo, choice: Choice, defence: RobustMasking, simulation: Simulation) -> Analysis:
    """Predictions for the photo with a simulated patch."""
    return examine(patched(photo, choice, simulation), defence)


def order_of_classes(seen: LocalFeatures) -> list[str]:
    """All classes, those with the largest mean logits first."""
    means = seen.local_logits.mean(axis=(1, 2))
    return [seen.classes[index] for index in np.argsort(-means, kind="stable")]


@st.cache_resource(max_entries=2, show_spinner=False)
def _decoded(digest: str, _data: bytes) -> Image.Image:
    """The photo with this digest; decoding a large one takes a good part of a second."""
    return images.decode(_data)


@cache
def _spare_torch_from_collections() -> None:
    """What torch brought stays for good: collections would walk it in vain each time."""
    gc.collect()
    gc.freeze()


def _contents(simulation: Simulation) -> PatchPixels:
    size = simulation.patch.size
    if simulation.contents is Contents.SOLID:
        red, green, blue = bytes.fromhex(simulation.colour.removeprefix("#"))
        return attacks.solid(size, (red, green, blue))
    if simulation.contents is Contents.CHECKERBOARD:
        return attacks.checkerboard(size)
    if simulation.contents is Contents.STICKER and simulation.sticker is not None:
        return attacks.sticker(size, _decoded(simulation.sticker.digest, simulation.sticker.data))
    return attacks.noise(size, simulation.seed)
