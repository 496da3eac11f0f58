"""The photos of a person: the one that is looked at, those beside it, and the door that all come in by.

Whatever a browser gives comes through the uploader, dropped or pasted anywhere on the page, taken by a camera, kept in
the browser or brought by a link: `pg_core.photos.read` decodes it within its limits, and its SHA-256 is its name.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from app.cache import analysis as cached
from app.cache.analysis import Photo
from app.cache.patches import preview
from app.components.album import album
from app.markup import in_markdown
from app.state import dropped, stickers
from pg_core.datasets.folders import SAMPLES, sample_title
from pg_core.io.printable import printable
from pg_core.photos.read import MAX_BYTES, READABLE, ImageError

UPLOADER = "upload"
MOST, MOST_BYTES = 8, 64 * 2**20
"""Photos and bytes that a session keeps; the browser keeps as many."""
_SAMPLE, _OWN, _TRAY, _SEEN, _REFUSED = "sample", "own-photo", "photos", "uploads-seen", "upload-refused"
_AWAITED, _ALBUM, _NEEDLESS, _HERE = "awaited", "album", "album-forget", "album-here"
_ACROSS = 2
"""Photos of the tray side by side."""


def awaited() -> str | None:
    """The SHA-256 of a photo that the link is about, or that was asked of the browser, until it is here."""
    return st.session_state.get(_AWAITED)


def wait_for(digest: str) -> None:
    """Look at the photo with this SHA-256: at once if the session has it, else as soon as it comes."""
    if digest in _tray():
        _look_at(digest)
    else:
        st.session_state[_AWAITED] = digest


def choose_sample(name: str) -> None:
    """Look at a sample."""
    st.session_state[_SAMPLE] = name
    for key in (_OWN, _AWAITED, _REFUSED):
        st.session_state.pop(key, None)


def digest() -> str:
    """The SHA-256 of the photo that is looked at, or will be."""
    state = st.session_state
    found = awaited() or state.get(_OWN)
    return found or cached.sample(state.get(_SAMPLE) or next(iter(SAMPLES))).digest


def kept(digest: str) -> Photo | None:
    """A photo of this session."""
    return Photo(*_tray()[digest]) if digest in _tray() else None


def photo() -> Photo | None:
    """The widgets that choose a photo, and the photo; None while the one of a link is not here."""
    st.subheader("Photo")
    files: list[UploadedFile] = st.file_uploader(
        "Your photos",
        accept_multiple_files=True,
        max_upload_size=MAX_BYTES // 2**20,
        key=UPLOADER,
        help=f"{READABLE}, up to {MAX_BYTES // 2**20} MB. Drop or paste photos anywhere on the page. Your last {MOST} "
        "stay in this browser.",
    )
    for file in files:
        _take(file)
    if _REFUSED in st.session_state:
        own = st.session_state.get(_OWN)
        still = f" Still showing {_tray()[own][0]}." if own else ""
        st.error(in_markdown(st.session_state[_REFUSED] + still))
    if awaited() is None and st.session_state.get(_OWN) is None and not st.session_state.get(_SAMPLE):
        st.session_state[_SAMPLE] = next(iter(SAMPLES))
    name = st.selectbox(
        "or a sample",
        list(SAMPLES),
        index=None,
        key=_SAMPLE,
        format_func=sample_title,
        on_change=_sample_chosen,
        placeholder="your own photo",
        help="Samples come from installed packages.",
    )
    own = st.session_state.get(_OWN)
    if awaited() is not None:
        return None
    if own is not None or name is None:
        chosen = kept(str(own))
        if chosen is not None:
            st.caption(in_markdown(chosen.name))
        return chosen
    st.caption(f"{SAMPLES[name].caption}.")
    return cached.sample(name)


def tray(verdict_of: Callable[[Photo], str]) -> None:
    """The photos of this session, each with a verdict in a word or a sign; and those that only the browser has."""
    ours, theirs = _tray(), [known for known in _here() if known["digest"] not in _tray()]
    if not theirs and (not ours or (len(ours) == 1 and st.session_state.get(_OWN) in ours)):
        return
    columns = st.columns(_ACROSS)
    for place, (name, digest, *rest) in enumerate(ours.values()):
        one = Photo(name, digest, *rest)
        with columns[place % _ACROSS]:
            st.image(preview(one), width="stretch")
            st.button(
                verdict_of(one),
                key=f"tray-{digest}",
                help=in_markdown(name),
                on_click=_look_at,
                args=(digest,),
                disabled=digest == st.session_state.get(_OWN),
                width="stretch",
            )
    for known in theirs:
        st.button(
            in_markdown(known["name"]),
            key=f"tray-{known['digest']}",
            help="In this browser",
            on_click=wait_for,
            args=(known["digest"],),
            width="stretch",
        )
    st.button(
        "Forget my photos", key="forget-photos", on_click=_forget, help="In this browser and in this session"
    )


def door() -> None:
    """The part of the page that is in the browser: it keeps the last photos there, and hands over what is dropped or
    pasted; on a phone it has buttons for a photo and for the camera."""
    keep: list[dict[str, object]] = [
        {"digest": digest, "name": name, "size": len(data), "sticker": False}
        for name, digest, data, _ in _tray().values()
    ]
    stickers.take()
    sticker = stickers.picture()
    if sticker is not None and sticker.digest not in _tray():
        size = len(sticker.data)
        keep.append({"digest": sticker.digest, "name": sticker.name, "size": size, "sticker": True})
    album(
        keep=keep,
        ask=awaited(),
        ask_sticker=stickers.awaited(),
        forget=st.session_state.get(_NEEDLESS, 0),
        most=MOST,
        uploader=UPLOADER,
        sticker_uploader=stickers.UPLOADER,
        key=_ALBUM,
        on_report=_follow_browser,
    )


def missing(digest: str) -> bool:
    """Whether the browser has said that it has not got the photo with this SHA-256 either."""
    digests = _reported().get("missing")
    return isinstance(digests, list) and digest in digests


def about_the_awaited() -> None:
    """Say that the photo of the link is looked for, or that it is not here."""
    digest = awaited()
    if digest is None:
        return
    if not missing(digest):
        st.info(f"Looking in this browser for the photo of this link (SHA-256 {digest[:12]}…) …")
        return
    st.info(
        "This link refers to a photo that exists only on the sender's computer "
        f"(SHA-256 {digest[:12]}…). Drop the photo here, or choose another one in the sidebar."
    )


def _take(file: UploadedFile) -> None:
    """Take a file that the uploader has not handed over before, and look at it if it is a photo."""
    state = st.session_state
    seen = state.setdefault(_SEEN, [])
    if file.file_id in seen:
        return
    seen.append(file.file_id)
    try:
        photo = cached.uploaded(file.name, file.getvalue())
    except ImageError as error:
        state[_REFUSED] = f"{file.name}: {error}"
        return
    state.pop(_REFUSED, None)
    if photo.digest == stickers.awaited():
        stickers.keep(photo)
        if awaited() != photo.digest:
            return
    if state.get(_AWAITED, photo.digest) != photo.digest:
        st.warning("This is another photo than the one that the link is about.")
    look_at(photo)


def look_at(photo: Photo) -> None:
    """Take a photo among those of the session, and look at it."""
    _tray()[photo.digest] = (photo.name, photo.digest, photo.data, photo.size)
    _look_at(photo.digest)
    while len(_tray()) > MOST or sum(len(data) for _, _, data, _ in _tray().values()) > MOST_BYTES:
        oldest = next(iter(_tray()))
        if oldest == photo.digest:
            break
        del _tray()[oldest]


def _look_at(digest: str) -> None:
    st.session_state[_OWN] = digest
    st.session_state[_SAMPLE] = None
    st.session_state.pop(_AWAITED, None)


def _sample_chosen() -> None:
    name = st.session_state[_SAMPLE]
    if name is not None:
        choose_sample(name)


def _forget() -> None:
    state = st.session_state
    state[_TRAY] = {}
    state[_HERE] = []
    stickers.forget()
    dropped.forget()
    state[_NEEDLESS] = state.get(_NEEDLESS, 0) + 1
    if state.get(_OWN) is not None or awaited() is not None:
        choose_sample(next(iter(SAMPLES)))


def _follow_browser() -> None:
    """Take the list of the photos that the browser has."""
    known = _reported().get("known")
    if isinstance(known, list):
        st.session_state[_HERE] = [one for one in map(_known, known[:MOST]) if one is not None]


def _reported() -> Mapping[str, Any]:
    """What the browser said last: it may say anything."""
    report = getattr(st.session_state.get(_ALBUM), "report", None)
    return report if isinstance(report, Mapping) else {}


def _known(entry: object) -> dict[str, str] | None:
    if not isinstance(entry, Mapping):
        return None
    digest, name = entry.get("digest"), entry.get("name")
    if not isinstance(digest, str) or not isinstance(name, str) or not is_digest(digest):
        return None
    return {"digest": digest, "name": printable(name)[:80] or digest[:12]}


def _here() -> list[dict[str, str]]:
    return st.session_state.get(_HERE, [])


def _tray() -> dict[str, tuple[Any, ...]]:
    """The photos of this session by their SHA-256, the oldest first, as plain values."""
    return st.session_state.setdefault(_TRAY, {})


def is_digest(text: str) -> bool:
    """Whether it is a SHA-256 in small hexadecimal digits."""
    return re.fullmatch(r"[0-9a-f]{64}", text) is not None
