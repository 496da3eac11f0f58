"""What is in the patch, as a link says it: noise:seed, solid:rrggbb, checkerboard, or
sticker:photo:top,left,height,width, or optimised: with the beginning of the hash of pixels that this session found."""

import re

import streamlit as st

from app.cache import analysis as cached
from app.cache.analysis import Photo
from app.cache.patches import Contents, Motif, digest_of_pixels
from app.state import patch, photos
from pg_core.datasets.folders import SAMPLES
from pg_core.geometry import Box


def in_link() -> str | None:
    """What is in the patch, None where that is as always. While the picture of a sticker is not here, the link goes on
    asking for it."""
    awaited = patch.awaited_sticker()
    if awaited is None:
        return _contents(patch.motif())
    digest, cut = awaited
    return f"sticker:{digest}:{numbers(cut)}"


def follow(text: str) -> None:
    """Put this into the patch; raises ValueError where it means nothing, KeyError for pixels that were not found
    here."""
    kind, *details = text.split(":")
    match kind, details:
        case "noise", [seed]:
            st.session_state["contents"] = Contents.NOISE
            st.session_state["seed"] = int(within(str(whole(seed)), 0, 9999))
        case "solid", [colour] if re.fullmatch(r"[0-9a-fA-F]{6}", colour):
            st.session_state["contents"] = Contents.SOLID
            st.session_state["colour"] = f"#{colour}"
        case "checkerboard", []:
            st.session_state["contents"] = Contents.CHECKERBOARD
        case "sticker", [photo, cut]:
            patch.remember_sticker(photo if photo in SAMPLES else None, _digest_of(photo), box_of(cut))
        case "optimised", [digest]:
            patch.choose_optimised(digest)
        case _:
            raise ValueError(f"expected contents of a patch, got {text!r}")


def photo_name(photo: Photo) -> str:
    """The name of a sample, or the SHA-256 of a person's photo."""
    return (
        photo.name
        if photo.name in SAMPLES and cached.sample(photo.name).digest == photo.digest
        else photo.digest
    )


def numbers(box: Box) -> str:
    """A box in four numbers."""
    return f"{box.top},{box.left},{box.height},{box.width}"


def box_of(text: str) -> Box:
    """The box of four whole numbers."""
    top, left, height, width = map(whole, text.split(","))
    return Box(top, left, height, width)


def whole(text: str) -> int:
    """A whole number of at most 6 digits; raises ValueError for anything else."""
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise ValueError(f"expected a whole number of at most 6 digits, got {text!r}")
    return int(text)


def within(text: str, low: float, high: float) -> float:
    """A number in a range; raises ValueError for anything else."""
    value = float(text)
    if not low <= value <= high:
        raise ValueError(f"expected {low:g} to {high:g}, got {text!r}")
    return value


def _contents(motif: Motif) -> str | None:
    if motif == Motif():
        return None
    match motif.contents:
        case Contents.SOLID:
            return f"solid:{motif.colour.removeprefix('#')}"
        case Contents.CHECKERBOARD:
            return "checkerboard"
        case Contents.STICKER if motif.sticker is not None and motif.cut is not None:
            return f"sticker:{photo_name(motif.sticker)}:{numbers(motif.cut)}"
        case Contents.OPTIMISED:
            return f"optimised:{digest_of_pixels(motif.pixels)}"
    return f"noise:{motif.seed}"


def _digest_of(photo: str) -> str:
    if photo in SAMPLES:
        return cached.sample(photo).digest
    if not photos.is_digest(photo):
        raise ValueError(f"expected a sample or a SHA-256, got {photo!r}")
    return photo
