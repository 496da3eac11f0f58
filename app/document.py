"""The HTML document that Streamlit serves, with the page's styles and its title in it.

Streamlit's own is empty until its code has run and the first message has come. What the page looks like would be known
only then: the title would be painted a second later, and what is there already would move.
"""

from pathlib import Path
from threading import Event

from starlette.types import ASGIApp, Message, Receive, Scope, Send

TITLE = (
    '<div class="pg-name"><h1>PatchGuard Explorer</h1><p>Can an adversarial patch change this prediction? For every '
    "possible location: a proof, or the evidence that is missing.</p></div>"
)
"""What stands at the top of every page."""
handed_out = Event()
"""Set as soon as a browser has the document, which is what it paints first."""
_HERE = Path(__file__).parent
_STYLES = "".join(
    (_HERE / name).read_text(encoding="utf-8")
    for name in ("page.css", "components/first_paint.css", "components/bar.css")
)
"""The page's own, and of what would move the rest if they came with it."""
_ROOT = b'<div id="root">'
_EARLY = f'<style>{_STYLES}</style><div class="pg-early" aria-hidden="true">{TITLE}</div>'.encode()
_OF_OTHER_BYTES = {b"content-length", b"etag", b"last-modified", b"accept-ranges"}
_FOR_OTHER_BYTES = {b"accept-encoding", b"if-none-match", b"if-modified-since", b"range", b"if-range"}


def with_first_paint(document: bytes) -> bytes:
    """Streamlit's document with the styles and the title before the place where its code builds the page. After the
    head, so that of two rules of one weight the page's own counts, not Streamlit's."""
    return document.replace(_ROOT, _EARLY + _ROOT, 1)


class FirstPaint:
    """Hands out Streamlit's document `with_first_paint`; whatever else is asked for passes as it is."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _navigates(scope):
            await self.app(scope, receive, send)
            return
        begun: Message | None = None
        document = b""

        async def hand_out(message: Message) -> None:
            nonlocal begun, document
            if message["type"] == "http.response.start" and _is_html(message):
                begun = message
            elif begun is None:
                await send(message)
            else:
                document += message.get("body", b"")
                if not message.get("more_body"):
                    await _send(send, begun, with_first_paint(document))

        await self.app(_asking_for_all(scope), receive, hand_out)


def _navigates(scope: Scope) -> bool:
    accepted = [value for name, value in scope["headers"] if name == b"accept"]
    return scope["method"] == "GET" and any(b"text/html" in value for value in accepted)


def _asking_for_all(scope: Scope) -> Scope:
    """For all of the plain bytes, in messages."""
    headers = [(name, value) for name, value in scope["headers"] if name not in _FOR_OTHER_BYTES]
    return {**scope, "headers": headers, "extensions": {}}


def _is_html(message: Message) -> bool:
    return any(
        name == b"content-type" and value.startswith(b"text/html") for name, value in message["headers"]
    )


async def _send(send: Send, begun: Message, document: bytes) -> None:
    headers = [(name, value) for name, value in begun["headers"] if name not in _OF_OTHER_BYTES]
    length = (b"content-length", str(len(document)).encode())
    await send({**begun, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": document})
    handed_out.set()
