"""A photo in the browser out of which a person cuts a sticker: a photo and a box in, another box out."""

from collections.abc import Callable

from app.components.component import component
from pg_core.geometry import Box, Size


def sticker_cutter(
    picture: str, size: Size, cut: Box, smallest: int, acknowledged: int, key: str, on_cut: Callable[[], None]
) -> None:
    """Show a picture (a data URL) of a photo of this size in pixels, and call back when another box of at least
    `smallest` pixels a side is cut: `cut` of the state under the key then holds it, with the number of the message."""
    component("cutter")(
        key=key,
        data={
            "picture": picture,
            "size": list(size),
            "cut": [cut.top, cut.left, cut.height, cut.width],
            "smallest": smallest,
            "acknowledged": acknowledged,
        },
        on_cut_change=on_cut,
    )
