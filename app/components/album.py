"""The photos that a person's own browser keeps, in its IndexedDB; nothing of them is on the server's disk.

A photo comes back through the uploader, as if it were dropped there: by the same door, under the same limits.
"""

from collections.abc import Callable, Sequence

from app.components.component import component


def album(
    keep: Sequence[dict[str, object]],
    ask: str | None,
    ask_sticker: str | None,
    forget: int,
    most: int,
    uploader: str,
    sticker_uploader: str,
    key: str,
    on_report: Callable[[], None],
) -> None:
    """Keep these photos (digest, name, size, and whether it is a sticker's picture) of those that went through the
    uploaders with these keys, at most so many of either kind, the oldest going first. Ask the browser, or else the
    link, for the photo with a SHA-256, and for the picture of a sticker; both come through the uploader of photos.
    Forget all of them where `forget` is larger than before. `report` of the state under the key then holds the photos
    that are `known`, and the SHA-256 of those that are `missing`. Call back when it does."""
    component("album")(
        key=key,
        data={
            "keep": list(keep),
            "ask": ask,
            "askSticker": ask_sticker,
            "forget": forget,
            "most": most,
            "uploader": uploader,
            "stickerUploader": sticker_uploader,
        },
        on_report_change=on_report,
    )
