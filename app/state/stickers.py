"""A person's own picture, out of which stickers are cut: uploaded, or brought back by the browser that keeps it."""

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from app.cache import analysis as cached
from app.cache.analysis import Photo
from app.markup import in_markdown
from pg_core.photos.read import MAX_BYTES, READABLE, SUFFIXES, ImageError

UPLOADER = "sticker"
_KEPT, _FILE, _AWAITED = "sticker-kept", "sticker-file", "sticker-awaited"
_REFUSED = "sticker-refused"


def picture() -> Photo | None:
    """The last good picture; None while another one is awaited."""
    last = st.session_state.get(_KEPT)
    return None if last is None or awaited() is not None else Photo(*last)


def awaited() -> str | None:
    """The SHA-256 of the picture that the link is about, until it is here."""
    return st.session_state.get(_AWAITED)


def wait_for(digest: str) -> None:
    """Cut stickers out of the picture with this SHA-256: at once if it is the last one, else as soon as it comes."""
    st.session_state[_AWAITED] = digest
    if digest == st.session_state.get(_KEPT, (None, None))[1]:
        del st.session_state[_AWAITED]


def keep(photo: Photo) -> None:
    """Cut stickers out of this picture, whatever was awaited."""
    st.session_state[_KEPT] = (photo.name, photo.digest, photo.data, photo.size)
    st.session_state.pop(_AWAITED, None)


def forget() -> None:
    """Have no picture."""
    for key in (_KEPT, _AWAITED, _REFUSED):
        st.session_state.pop(key, None)


def uploader() -> None:
    """The widget that takes a picture. A bad file is refused with a sentence, and the last good one stays."""
    st.file_uploader(
        "Picture",
        type=list(SUFFIXES),
        max_upload_size=MAX_BYTES // 2**20,
        key=UPLOADER,
        help=f"{READABLE}, up to {MAX_BYTES // 2**20} MB. The last ones stay in this browser.",
    )
    take()
    if _REFUSED in st.session_state:
        last = picture()
        still = f" Still showing {last.name}." if last else ""
        st.error(in_markdown(st.session_state[_REFUSED] + still))


def take() -> None:
    """Take the file that the uploader has, unless it was taken before; the widget itself comes late in the page.

    It is empty for a moment while one file replaces another, so an empty one forgets nothing.
    """
    state = st.session_state
    file: UploadedFile | None = state.get(UPLOADER)
    if file is None or state.get(_FILE) == file.file_id:
        return
    state[_FILE] = file.file_id
    state.pop(_REFUSED, None)
    try:
        keep(cached.uploaded(file.name, file.getvalue()))
    except ImageError as error:
        state[_REFUSED] = f"{file.name}: {error}"
