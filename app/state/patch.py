"""The simulated patch: where it is, how large, and what is in it; moved on the canvas or typed."""

import time
from collections.abc import Mapping, Sequence
from functools import partial

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.cache import analysis as cached
from app.cache import patches
from app.cache.analysis import Photo
from app.cache.patches import Contents, Motif, Simulation, digest_of_pixels, preview
from app.components.cutter import sticker_cutter
from app.state import pages, photos, stickers, windows
from pg_core.analysis.photo import Analysis
from pg_core.datasets.folders import SAMPLES, sample_title
from pg_core.geometry import Box, Patch, Size

_DEFAULTS = {
    "patched": True,
    "contents": Contents.NOISE,
    "seed": 0,
    "colour": "#ff0000",
    "sticker_of": "coffee",
}

_EXPECTED = "canvas-expected"
_PLACE, _MOVING, _ACKNOWLEDGED, _CUT = "place", "moving", "acknowledged", "cut"
_CUTTER, _CUT_ACKNOWLEDGED = "cutter", "cut acknowledged"
_TYPED = ("patch_top", "patch_left", "patch_height", "patch_width")
_OPTIMISED = "optimised"
_OWN = "your own picture"
SMALLEST_CUT = 16
"""Pixels on a side of what is cut out of a photo."""
_WHOLE = 256
"""A picture of at most so many pixels on a side, such as the file of a patch, is a sticker as it is."""


def simulation(clean: Analysis, patch_size: Size) -> Simulation | None:
    """The patch as it is chosen for a photo; None if none is wanted.

    patch_size is the adversary's, in pixels of the image that the network sees: the patch has it until it is resized.
    """
    _set_defaults()
    if not st.session_state["patched"]:
        return None
    return Simulation(placed(clean, patch_size), motif())


def controls(clean: Analysis, patch_size: Size) -> None:
    """The widgets: whether there is a patch, what is on it, and where it is."""
    _set_defaults()
    switch, kind, detail = st.columns([1, 1, 1], vertical_alignment="bottom")
    switch.toggle(
        "Put a patch on the photo",
        key="patched",
        on_change=windows.forget,
        help="Drag it over the photo, or focus it with Tab and move it with the arrow keys (Shift: 8 pixels; Home and "
        "End: corners; Escape: back). Resize it by its corner, with two fingers, with + and -, or by the wheel once "
        "it is focused.",
    )
    if not st.session_state["patched"]:
        return
    contents = _contents(kind, detail)
    _place_controls(clean, patch_size)
    if contents is Contents.STICKER:
        _cutter()


def contents_controls() -> None:
    """The widgets for what is on the patch alone."""
    _set_defaults()
    if _contents(*st.columns(2, vertical_alignment="bottom")) is Contents.STICKER:
        _cutter()


def _contents(kind: DeltaGenerator, detail: DeltaGenerator) -> Contents:
    offered = [one for one in Contents if one is not Contents.OPTIMISED or _OPTIMISED in st.session_state]
    if st.session_state["contents"] not in offered:
        st.session_state["contents"] = Contents.NOISE
    for name in ("contents", "seed", "colour", "sticker_of"):
        # Another page may have these widgets too: its values are for the widgets of this one.
        st.session_state[name] = st.session_state[name]
    contents = kind.selectbox("Contents", offered, key="contents")
    with detail:
        match contents:
            case Contents.NOISE:
                st.number_input("Noise seed", 0, 9999, key="seed")
            case Contents.SOLID:
                st.color_picker("Colour", key="colour")
            case Contents.STICKER:
                st.selectbox(
                    "Cut out of",
                    [*SAMPLES, _OWN],
                    format_func=lambda name: name if name == _OWN else sample_title(name),
                    key="sticker_of",
                )
            case Contents.OPTIMISED:
                at = optimised_for()
                if at is not None:
                    st.caption(f"Found for row {at.top}, column {at.left}")
    return contents


def put_optimised(patch: Patch, pixels: bytes, image_size: Size, patch_size: Size) -> None:
    """Put pixels that a search has found on the photo, where they were found."""
    st.session_state[_OPTIMISED] = (patch.top, patch.left, patch.height, patch.width, pixels)
    st.session_state["contents"], st.session_state["patched"] = Contents.OPTIMISED, True
    place(patch, image_size, patch_size)
    # The next click may lead to another page before this run has ended, where all pages' choices are noted.
    pages.remember({"contents", "patched"})


def untouched() -> bool:
    """Whether there is a patch, and nobody has placed it or chosen what is on it."""
    _set_defaults()
    usual = all(st.session_state[name] == value for name, value in _DEFAULTS.items())
    return usual and _PLACE not in st.session_state


def optimised_for() -> Patch | None:
    """The place for which the pixels that are on the patch were found; None if others are on it."""
    _set_defaults()
    if st.session_state["contents"] is not Contents.OPTIMISED or _OPTIMISED not in st.session_state:
        return None
    return Patch(*st.session_state[_OPTIMISED][:4])


def moved() -> bool:
    """Whether optimised pixels are elsewhere than where they were found."""
    found, (_, _, *box) = optimised_for(), st.session_state.get(_PLACE, (None, None))
    return found is not None and box != [found.top, found.left, found.height, found.width]


def put_back() -> None:
    """Put optimised pixels back to where they were found."""
    found, (image_size, patch_size, *_) = optimised_for(), st.session_state.get(_PLACE, (None, None))
    if found is not None and image_size is not None:
        place(found, image_size, patch_size)


def choose_optimised(digest: str) -> None:
    """Put the pixels of this digest on the patch again; raises KeyError where this session has not found them, and
    they are none that are shipped."""
    if digest_of_pixels(st.session_state.get(_OPTIMISED, (b"",))[-1]) != digest:
        place, pixels = patches.shipped_by_digest(digest)
        st.session_state[_OPTIMISED] = (place.top, place.left, place.height, place.width, pixels)
    st.session_state["contents"] = Contents.OPTIMISED


def placed(clean: Analysis, patch_size: Size) -> Patch:
    """Where the patch is: in the worst window, until a person moves it."""
    by_person = by_hand(clean.features.framing.image_size, patch_size)
    return _by_itself(clean, patch_size) if by_person is None else by_person


def place(patch: Patch, image_size: Size, patch_size: Size) -> None:
    """Put the patch there; the malicious window follows it."""
    st.session_state[_PLACE] = (image_size, patch_size, patch.top, patch.left, patch.height, patch.width)
    windows.forget()


def remember(box: Box) -> None:
    """Put the patch there, whatever the image and the adversary will be."""
    st.session_state[_PLACE] = (None, None, box.top, box.left, box.height, box.width)


def remember_sticker(sample: str | None, digest: str, cut: Box) -> None:
    """Make the patch a sticker out of a sample, or else out of a picture of this digest that is still to come."""
    st.session_state["contents"] = Contents.STICKER
    st.session_state["sticker_of"] = _OWN if sample is None else sample
    st.session_state[_CUT] = (digest, cut.top, cut.left, cut.height, cut.width)
    if sample is None:
        here = photos.kept(digest)
        if here is None:
            stickers.wait_for(digest)
        else:
            stickers.keep(here)


def awaited_sticker() -> tuple[str, Box] | None:
    """The SHA-256 of the picture that the patch is cut out of, and the cut, while the picture is not here."""
    digest, state = stickers.awaited(), st.session_state
    if digest is None or state.get("contents") is not Contents.STICKER or state.get("sticker_of") != _OWN:
        return None
    _, *cut = state[_CUT]
    return digest, Box(*cut)


def about_the_awaited() -> str | None:
    """What has to be said while noise stands in for the sticker of a link."""
    awaited = awaited_sticker() if wanted() else None
    if awaited is None:
        return None
    digest, _ = awaited
    if not photos.missing(digest):
        return f"Looking in this browser for the picture of this link's sticker (SHA-256 {digest[:12]}…) …"
    return (
        "The sticker of this link is cut out of a picture that exists only on the sender's computer (SHA-256 "
        f"{digest[:12]}…). Until you drop the picture here, the patch is noise."
    )


def as_usual() -> None:
    """Let there be a patch, in the worst window; what is in it stays."""
    st.session_state["patched"] = _DEFAULTS["patched"]
    st.session_state.pop(_PLACE, None)


def wanted() -> bool:
    """Whether a person wants a patch on the photo."""
    return bool(st.session_state.get("patched", _DEFAULTS["patched"]))


def by_hand(image_size: Size, patch_size: Size) -> Patch | None:
    """Where a person has put the patch; None where nobody has. When the adversary's patch gets another size so does
    this one, about the same middle; on an image of another size it starts anew."""
    kept_image, kept_size, *box = st.session_state.get(_PLACE, (None, None, 0, 0, 0, 0))
    if kept_image is None and _fits(box, image_size):
        # Out of a link, which was written for this image and this adversary.
        kept_image, kept_size = image_size, patch_size
        st.session_state[_PLACE] = (image_size, patch_size, *box)
    if kept_image != image_size:
        st.session_state.pop(_PLACE, None)
        return None
    if kept_size == patch_size:
        return Patch(*box)
    top, left = (
        min(max(0, round(first + length / 2 - p / 2)), n - p)
        for first, length, p, n in zip(box[:2], box[2:], patch_size, image_size, strict=True)
    )
    return Patch(top, left, *patch_size)


def follow_canvas(clean: Analysis, photo: str, patch_size: Size, canvas: str) -> None:
    """Take the place to which the patch was moved on the canvas with this key, over the photo of this digest.

    A message may come late, for a photo that is gone by now, or again, from a browser that still has the last one. And
    a patch that was taken back to where it is by itself has not been placed.
    """
    message, image_size = st.session_state[canvas].patch, clean.features.framing.image_size
    box = box_in(message, image_size)
    if box is None or message["sequence"] <= acknowledged():
        return
    st.session_state[_ACKNOWLEDGED] = message["sequence"]
    st.session_state[_MOVING] = not message.get("resting")
    if message.get("photo") != photo:
        return
    patch = Patch(box.top, box.left, box.height, box.width)
    place(patch, image_size, patch_size)
    if patch == _by_itself(clean, patch_size):
        st.session_state.pop(_PLACE)


def acknowledged() -> int:
    """The number of the last message of the canvas that has been dealt with; at first a larger one than any that a
    browser may still hold from before the settings were reset."""
    return st.session_state.setdefault(_ACKNOWLEDGED, time.time_ns() // 1_000_000)


def moving() -> bool:
    """Whether this run answers a message that was sent while the patch was on its way."""
    return st.session_state.pop(_MOVING, False)


def expect_canvas() -> None:
    """The canvas is about to be run with the whole page."""
    st.session_state[_EXPECTED] = True
    st.session_state.pop(_MOVING, None)


def canvas_expected() -> bool:
    """Whether the canvas is run with the whole page, and not alone because of what was done on it."""
    return st.session_state.pop(_EXPECTED, False)


def box_in(message: object, size: Size, smallest: int = 1) -> Box | None:
    """The box that a browser sent, if it lies inside a picture of this size: a browser may send anything."""
    if not isinstance(message, Mapping):
        return None
    found = [message.get(name) for name in ("sequence", "top", "left", "height", "width")]
    values = [value for value in found if isinstance(value, int) and not isinstance(value, bool)]
    if len(values) < len(found) or not _fits(values[1:], size, smallest):
        return None
    return Box(*values[1:])


def _fits(box: Sequence[int], size: Size, smallest: int = 1) -> bool:
    """Whether top, left, height and width lie inside a picture."""
    top, left, height, width = box
    inside = top + height <= size[0] and left + width <= size[1]
    return inside and min(top, left) >= 0 and min(height, width) >= smallest


def _set_defaults() -> None:
    for key, value in _DEFAULTS.items():
        st.session_state.setdefault(key, value)


def motif() -> Motif:
    """What is on the patch; noise, until there is a picture for a sticker."""
    _set_defaults()
    contents = st.session_state["contents"]
    photo = _sticker_photo() if contents is Contents.STICKER else None
    if photo is not None:
        return Motif(contents, sticker=photo, cut=_cut(photo))
    if contents is Contents.OPTIMISED and _OPTIMISED in st.session_state:
        *_, height, width, pixels = st.session_state[_OPTIMISED]
        return Motif(contents, pixels=pixels, pixels_size=(height, width))
    if contents in (Contents.STICKER, Contents.OPTIMISED):
        contents = Contents.NOISE
    return Motif(contents, st.session_state["seed"], st.session_state["colour"])


def _by_itself(clean: Analysis, patch_size: Size) -> Patch:
    """Where the patch is until a person moves it."""
    return clean.patch_in(clean.certificate.worst, patch_size)


def _place_controls(clean: Analysis, patch_size: Size) -> None:
    """The place and size as numbers, the same that the canvas sets.

    A browser that is behind still sends what the fields held before, for another photo perhaps. So a patch that goes
    to another place by itself has other fields, in which nothing but what a person did can differ from what is shown.
    """
    patch, image_size = placed(clean, patch_size), clean.features.framing.image_size
    first = _by_itself(clean, patch_size)
    keys = [f"{name}-{image_size}-{first.size}-{first.top}-{first.left}" for name in _TYPED]

    def typed() -> None:
        top, left, height, width = (st.session_state[key] for key in keys)
        if (top, left, height, width) == (patch.top, patch.left, *patch.size):
            return
        # Larger or further than fits, it is moved back inside.
        top, left = min(top, image_size[0] - height), min(left, image_size[1] - width)
        place(Patch(top, left, height, width), image_size, patch_size)

    limits = (
        ("Top (px)", 0, image_size[0] - 1),
        ("Left (px)", 0, image_size[1] - 1),
        ("Height (px)", 1, image_size[0]),
        ("Width (px)", 1, image_size[1]),
    )
    values = (patch.top, patch.left, patch.height, patch.width)
    for column, key, value, (title, low, high) in zip(st.columns(4), keys, values, limits, strict=True):
        st.session_state[key] = value
        column.number_input(title, low, high, key=key, on_change=typed)


def _sticker_photo() -> Photo | None:
    name = st.session_state["sticker_of"]
    return stickers.picture() if name == _OWN else cached.sample(name)


def _cut(photo: Photo) -> Box:
    """The part of a photo that a person has cut out; at first the middle of it."""
    digest, *kept = st.session_state.get(_CUT, (None,))
    return (
        Box(*kept)
        if digest == photo.digest and _fits(kept, photo.size, _smallest_cut(photo.size))
        else _middle(photo.size)
    )


def _cutter() -> None:
    """The photo to cut a sticker out of, and the uploader for one's own."""
    if st.session_state["sticker_of"] == _OWN:
        stickers.uploader()
    photo = _sticker_photo()
    if photo is None:
        if stickers.awaited() is None:  # else that is said above
            st.caption("Until a picture is uploaded, the patch is noise.")
        return
    st.caption("Drag a box on this photo: what is in it becomes the patch.")
    acknowledged = st.session_state.get(_CUT_ACKNOWLEDGED, 0)
    follow = partial(_follow_cutter, photo.digest, photo.size)
    smallest = _smallest_cut(photo.size)
    sticker_cutter(preview(photo), photo.size, _cut(photo), smallest, acknowledged, _CUTTER, follow)


def _follow_cutter(digest: str, size: Size) -> None:
    message = st.session_state[_CUTTER].cut
    box = box_in(message, size, _smallest_cut(size))
    if box is not None:
        st.session_state[_CUT] = (digest, box.top, box.left, box.height, box.width)
        st.session_state[_CUT_ACKNOWLEDGED] = message["sequence"]


def _smallest_cut(size: Size) -> int:
    """Of a picture that may be smaller itself."""
    return min(SMALLEST_CUT, *size)


def _middle(size: Size) -> Box:
    if max(size) <= _WHOLE:
        return Box(0, 0, *size)
    side = max(SMALLEST_CUT, min(size) // 2)
    return Box((size[0] - side) // 2, (size[1] - side) // 2, side, side)
