"""The photos that a person's own browser keeps, in its IndexedDB; nothing of them is on the server's disk.

A photo comes back through the uploader, as if it were dropped there: by the same door, under the same limits.
"""

from collections.abc import Callable, Sequence

from app.components.component import component


def album(
    keep: Sequence[dict[str, object]],
    ask: str | None,
    forget: int,
    most: int,
    uploader: str,
    key: str,
    on_report: Callable[[], None],
) -> None:
    """Keep these photos (digest, name, size) of those that went through the uploader with this key, at most so many,
    the oldest going first; ask the browser, or else the link, for the one with a SHA-256; forget all of them where
    `forget` is larger than before. `report` of the state under the key then holds the photos that are `known`,
    and `missing`, the SHA-256 of one that is not there. Call back when it does."""
    component("album")(
        key=key,
        data={"keep": list(keep), "ask": ask, "forget": forget, "most": most, "uploader": uploader},
        on_report_change=on_report,
    )
