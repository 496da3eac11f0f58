"""A simulated patch: what fills it, and what the networks say of the photo with it on."""

import base64
import hashlib
import io
import math
from dataclasses import dataclass
from enum import StrEnum

import streamlit as st
from PIL import Image

from app.cache.analysis import (
    BY_DIGEST,
    Choice,
    DefenceChoice,
    Photo,
    analysis,
    defence,
    features,
    framing,
    network,
    reduced,
)
from pg_core.analysis.photo import Answer, answer
from pg_core.defences.patchguard.placements import Placements
from pg_core.geometry import Box, Patch, Size
from pg_core.io.assets import asset
from pg_core.io.parameters import coerce_fields
from pg_core.photos import patches as attacks
from pg_core.photos.framing import Threat
from pg_core.photos.inference import LocalFeatures, update
from pg_core.photos.patches import PatchPixels
from pg_core.photos.read import MIN_SIDE, between_bars

SHIPPED = {"chelsea": (159, 127), "coffee": (127, 127)}
"""Samples for which pixels are shipped that fool the first network without a defence, which an attack found: row and
column of their place."""
_PREVIEW = 480
"""Longest side, in pixels, of a photo out of which a sticker is cut."""


class Contents(StrEnum):
    """What fills a simulated patch."""

    NOISE = "noise"
    SOLID = "solid colour"
    CHECKERBOARD = "checkerboard"
    STICKER = "sticker"
    OPTIMISED = "optimised pixels"


@dataclass(frozen=True, slots=True)
class Motif:
    """What is on a patch of any size: the seed of the noise, a colour as #rrggbb, a part of a photo, in the photo's
    pixels, or pixels that a search has found, red, green and blue in 8 bits, row by row, with their height and
    width."""

    contents: Contents = Contents.NOISE
    seed: int = 0
    colour: str = "#ff0000"
    sticker: Photo | None = None
    cut: Box | None = None
    pixels: bytes = b""
    pixels_size: Size | None = None

    def __post_init__(self) -> None:
        coerce_fields(self)


@dataclass(frozen=True, slots=True)
class Simulation:
    """A simulated patch: where it is, and what is in it."""

    patch: Patch
    motif: Motif


def _key(motif: Motif) -> tuple[object, ...]:
    sticker = motif.sticker and motif.sticker.digest
    pixels = motif.pixels_size, digest_of_pixels(motif.pixels)
    return motif.contents, motif.seed, motif.colour, sticker, motif.cut, *pixels


def _key_and_place(simulation: Simulation) -> tuple[object, ...]:
    return simulation.patch, _key(simulation.motif)


_KEYS = BY_DIGEST | {Motif: _key, Simulation: _key_and_place}


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs=_KEYS)
def patched(photo: Photo, choice: Choice, simulation: Simulation) -> LocalFeatures:
    """What the network sees of the photo with a patch; it runs on the crop that the patch touches."""
    contents = pixels_of(simulation.motif, simulation.patch.size)
    return update(features(photo, choice), network(choice), simulation.patch, contents)


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs=_KEYS)
def simulated(photo: Photo, choice: Choice, asked: DefenceChoice, simulation: Simulation) -> Answer:
    """What is said of the photo with a simulated patch."""
    return answer(patched(photo, choice, simulation), defence(choice, asked))


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs=BY_DIGEST)
def placements(
    photo: Photo,
    choice: Choice,
    asked: DefenceChoice,
    threat: Threat,
    label: str | None,
    patch_size: Size,
) -> Placements:
    """What is proved for every place of a patch of this size, in pixels of the image that the network sees."""
    return analysis(photo, choice, asked, threat, label).placements(patch_size)


@st.cache_data(show_spinner=False)
def shipped(sample: str) -> tuple[Patch, bytes]:
    """Pixels that are shipped for a sample, one of `SHIPPED`, and the place for which they were found."""
    with Image.open(asset(f"patches/{sample}.png")) as picture:
        return Patch(*SHIPPED[sample], picture.height, picture.width), picture.convert("RGB").tobytes()


def shipped_by_digest(digest: str) -> tuple[Patch, bytes]:
    """The same by what tells the pixels apart in a link; raises KeyError where none are shipped."""
    return {digest_of_pixels(pixels): (place, pixels) for place, pixels in map(shipped, SHIPPED)}[digest]


def digest_of_pixels(pixels: bytes) -> str:
    """What tells optimised pixels apart, in a cache and in a link."""
    return hashlib.sha256(pixels).hexdigest()[:16]


def picture_of(pixels: bytes, size: Size) -> Image.Image:
    """Pixels of 8 bits, red, green and blue, row by row, as a picture of this height and width."""
    return Image.frombytes("RGB", (size[1], size[0]), pixels)


def png_of(pixels: bytes, size: Size) -> bytes:
    """The same as a file that keeps each pixel, in blocks where it would be too small to be read again."""
    data = io.BytesIO()
    attacks.enlarged(size, picture_of(pixels, size), MIN_SIDE).save(data, "PNG")
    return data.getvalue()


@st.cache_data(max_entries=4, show_spinner=False, hash_funcs=BY_DIGEST)
def preview(photo: Photo) -> str:
    """The photo, small, as a data URL."""
    small = reduced(photo.digest, photo.data).copy.copy()
    small.thumbnail((_PREVIEW, _PREVIEW))
    return _as_url(small)


@st.cache_data(max_entries=4, show_spinner=False, hash_funcs=BY_DIGEST)
def framed_preview(photo: Photo, choice: Choice) -> str:
    """About what the network sees of the photo, as a data URL, before the network is there."""
    small, seen = reduced(photo.digest, photo.data).copy, framing(photo, choice)
    top, left = seen.top_left
    (height, width), factor = seen.crop, small.height / photo.size[0]
    right, bottom = min(small.width, factor * (left + width)), min(small.height, factor * (top + height))
    part = factor * left, factor * top, right, bottom
    rows, columns = seen.content.size
    return _as_url(between_bars(small.resize((columns, rows), box=part), seen))


def _as_url(small: Image.Image) -> str:
    data = io.BytesIO()
    small.save(data, "JPEG", quality=90)
    return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode()


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs=_KEYS)
def pixels_of(motif: Motif, size: Size) -> PatchPixels:
    """What is on a patch of this size."""
    match motif.contents:
        case Contents.SOLID:
            red, green, blue = bytes.fromhex(motif.colour.removeprefix("#"))
            return attacks.solid(size, (red, green, blue))
        case Contents.CHECKERBOARD:
            return attacks.checkerboard(size)
        case Contents.STICKER if motif.sticker is not None and motif.cut is not None:
            small, full, _ = reduced(motif.sticker.digest, motif.sticker.data)
            cut, factor = motif.cut, small.height / full[0]
            top, left = math.floor(factor * cut.top), math.floor(factor * cut.left)
            bottom, right = math.ceil(factor * cut.bottom), math.ceil(factor * cut.right)
            return attacks.sticker(size, small.crop((left, top, right, bottom)))
        case Contents.OPTIMISED if motif.pixels_size is not None:
            return attacks.sticker(size, picture_of(motif.pixels, motif.pixels_size))
    return attacks.noise(size, motif.seed)
