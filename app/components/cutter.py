"""A photo in the browser with a box on it that a person moves: what is cut out as a sticker, which may be resized, or
what a network sees, which may not. A photo and a box in, another box out."""

from collections.abc import Callable

from app.components.component import component
from pg_core.geometry import Box, Size


def sticker_cutter(
    picture: str, size: Size, cut: Box, smallest: int, acknowledged: int, key: str, on_cut: Callable[[], None]
) -> None:
    """Show a picture (a data URL) of a photo of this size in pixels, and call back when another box of at least
    `smallest` pixels a side is cut: `cut` of the state under the key then holds it, with the number of the message."""
    _cutter(None, picture, size, cut, smallest, acknowledged, key, on_cut)


def crop_frame(
    photo: str, picture: str, size: Size, seen: Box, acknowledged: int, key: str, on_move: Callable[[], None]
) -> None:
    """The same for the part that a network sees of the photo with this SHA-256, which `cut` then names as its `photo`:
    the box keeps its size."""
    _cutter(photo, picture, size, seen, None, acknowledged, key, on_move)


def _cutter(
    photo: str | None,
    picture: str,
    size: Size,
    cut: Box,
    smallest: int | None,
    acknowledged: int,
    key: str,
    on_cut: Callable[[], None],
) -> None:
    component("cutter")(
        key=key,
        data={
            "photo": photo,
            "picture": picture,
            "size": list(size),
            "cut": [cut.top, cut.left, cut.height, cut.width],
            "smallest": smallest,
            "acknowledged": acknowledged,
        },
        on_cut_change=on_cut,
    )
