"""What of each photo a person wants the network to see: a crop that they place, or the whole photo between bars."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import streamlit as st

from app.cache import analysis as cached
from app.cache.analysis import Choice, Photo
from app.cache.patches import preview
from app.components.cutter import crop_frame
from pg_core.geometry import Box
from pg_core.networks.base import Part
from pg_core.photos.framing import USUAL, Fit, View, frame

_VIEWS, _LINKED, _REFUSED = "views", "view-linked", "view-refused"
_FRAME, _ACKNOWLEDGED = "frame", "frame-acknowledged"
_CENTRE, _PAD = View(Fit.CROP), View(Fit.PAD)
_TITLES: dict[Part, dict[str, View]] = {
    Part.MIDDLE: {"Crop": USUAL, "Pad": _PAD},
    Part.WHOLE: {"Stretch": USUAL, "Crop": _CENTRE, "Pad": _PAD},
}


def remember(digest: str, view: View) -> None:
    """Show this of the photo with this SHA-256, as a link says; whether it lies inside the photo is known later."""
    _views()[digest] = str(view)
    st.session_state[_LINKED] = digest


def forget(digest: str) -> None:
    """Show of this photo what a network usually sees."""
    _views().pop(digest, None)


def in_link(photo: Photo) -> str | None:
    """The view of a photo in words, if it is not the usual one."""
    return None if photo.view == USUAL else str(photo.view)


def refused() -> list[str]:
    """What a link says of a crop that leaves its photo, once."""
    return st.session_state.pop(_REFUSED, [])


def seen(photo: Photo, choice: Choice) -> Photo:
    """The photo with what is wanted of it. Another network may see a larger part: the crop is then moved inside."""
    return replace(photo, view=_inside(_asked(photo), photo, choice))


def controls(photo: Photo, choice: Choice) -> Photo:
    """The widgets, and the photo with what is wanted of it; none where the network sees all of it, as it is."""
    _check_link(photo, choice)
    photo = seen(photo, choice)
    description = cached.described(choice)
    usual = cached.framing(replace(photo, view=USUAL), choice)
    shape = frame(photo.size, description.image_size, description.part, _CENTRE)
    if photo.size == description.image_size or (description.part is Part.WHOLE and shape.crop == usual.crop):
        return photo
    titles = _TITLES[description.part]
    key = f"fit-{description.part}-{photo.digest[:12]}"
    st.session_state[key] = next((title for title, view in titles.items() if view == photo.view), "Crop")

    def choose() -> None:
        _views()[photo.digest] = str(titles[st.session_state[key]])

    chosen = st.radio(
        "What the network sees",
        list(titles),
        key=key,
        horizontal=True,
        on_change=choose,
        help="Crop: a part of the photo in the shape of the network's image; drag the frame, or focus it with Tab and "
        "use the arrow keys. Pad: all of the photo, between grey bars where its shape is another."
        + (" Stretch: all of it, in another shape." if "Stretch" in titles else ""),
    )
    if chosen == "Crop":
        _crop(photo, choice)
    return photo


def _check_link(photo: Photo, choice: Choice) -> None:
    """Refuse what a link says of a crop that leaves the photo."""
    if st.session_state.get(_LINKED) != photo.digest:
        return
    del st.session_state[_LINKED]
    asked = _asked(photo)
    try:
        cached.framing(replace(photo, view=asked), choice)
    except ValueError:
        st.session_state[_REFUSED] = [f"frame={asked}"]
        forget(photo.digest)


def _crop(photo: Photo, choice: Choice) -> None:
    framing = cached.framing(photo, choice)
    top, left = map(int, framing.top_left)
    height, width = (n - last for n, last in zip(photo.size, framing.last_top_left, strict=True))
    acknowledged, follow = st.session_state.get(_ACKNOWLEDGED, 0), partial(_follow, photo, choice)
    box = Box(top, left, height, width)
    crop_frame(photo.digest, preview(photo), photo.size, box, acknowledged, _FRAME, follow)


def _follow(photo: Photo, choice: Choice) -> None:
    """Take the place to which the frame was moved, unless it was on a photo that is gone by now."""
    message = st.session_state[_FRAME].cut
    number = message.get("sequence") if isinstance(message, Mapping) else None
    if not isinstance(number, int):
        return  # a browser may send anything
    st.session_state[_ACKNOWLEDGED] = number
    if message.get("photo") != photo.digest:
        return
    try:
        view = View(Fit.CROP, (message["top"], message["left"]))
        cached.framing(replace(photo, view=view), choice)
    except (KeyError, ValueError):
        return
    _views()[photo.digest] = str(view)


def _inside(view: View, photo: Photo, choice: Choice) -> View:
    """A view with its crop moved inside the photo; the usual one where that is the same."""
    known = cached.described(choice)
    middle = frame(photo.size, known.image_size, known.part, _CENTRE)
    if view.top_left is not None:
        top, left = (min(pair) for pair in zip(view.top_left, middle.last_top_left, strict=True))
        view = _CENTRE if middle.top_left == (top, left) else View(Fit.CROP, (top, left))
    usual = frame(photo.size, known.image_size, known.part)
    same = view == _CENTRE and (usual.crop, usual.top_left) == (middle.crop, middle.top_left)
    return USUAL if same else view


def _asked(photo: Photo) -> View:
    return View.named(_views().get(photo.digest, str(USUAL)))


def _views() -> dict[str, str]:
    """The views in words, by the SHA-256 of their photos."""
    return st.session_state.setdefault(_VIEWS, {})
