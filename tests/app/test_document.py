"""The document that the server hands out, and what it makes ready before anyone has asked."""

import asyncio

import pytest

from app import warming
from app.cache import analysis as cached
from app.document import FirstPaint, handed_out, with_first_paint
from pg_core.datasets.folders import SAMPLES
from pg_core.networks import MODELS

DOCUMENT = b'<head></head><body><div id="root"></div></body>'


def answered(headers, parts, accept="text/html,*/*", method="GET"):
    """The scope that the server behind sees, and the headers and body that a browser gets."""
    seen, sent = [], []

    async def server(scope, receive, send):
        seen.append(scope)
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for left, part in reversed(list(enumerate(reversed(parts)))):
            await send({"type": "http.response.body", "body": part, "more_body": left > 0})

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "headers": [(b"accept", accept.encode()), (b"range", b"bytes=0-1")],
    }
    asyncio.run(FirstPaint(server)(scope, None, send))
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return seen[0], dict(sent[0]["headers"]), body


def test_the_document_has_the_title_and_its_styles_before_the_place_of_the_page_and_is_whole():
    changed = with_first_paint(DOCUMENT)
    early, root, rest = changed.partition(b'<div id="root">')
    assert b"<h1>PatchGuard Explorer</h1>" in early
    assert b".stMainBlockContainer" in early
    start = len(DOCUMENT.partition(root)[0])
    assert early[:start] + root + rest == DOCUMENT


def test_a_document_that_comes_in_parts_is_handed_out_with_its_new_length_and_no_old_tag():
    handed_out.clear()
    headers = [(b"content-type", b"text/html; charset=utf-8"), (b"content-length", b"1"), (b"etag", b"x")]
    scope, told, body = answered([*headers, (b"cache-control", b"no-cache")], [DOCUMENT[:9], DOCUMENT[9:]])
    assert body == with_first_paint(DOCUMENT)
    assert told == {
        b"content-type": b"text/html; charset=utf-8",
        b"cache-control": b"no-cache",
        b"content-length": str(len(body)).encode(),
    }
    assert b"range" not in dict(scope["headers"])
    assert handed_out.is_set()


@pytest.mark.parametrize(
    ("kind", "accept", "method"),
    [
        (b"text/javascript", "text/html,*/*", "GET"),
        (b"text/html", "*/*", "GET"),
        (b"text/html", "text/html", "POST"),
    ],
)
def test_whatever_else_is_asked_for_passes_as_it_is(kind, accept, method):
    headers = [(b"content-type", kind), (b"etag", b"x")]
    _, told, body = answered(headers, [DOCUMENT[:9], DOCUMENT[9:]], accept, method)
    assert (told, body) == (dict(headers), DOCUMENT)


def test_the_first_analysis_is_there_before_anyone_has_asked(monkeypatch):
    cached.features.clear()
    handed_out.set()
    warming.warm()
    monkeypatch.setattr(cached, "extract", None)
    photo, choice = cached.sample(next(iter(SAMPLES))), cached.Choice(next(iter(MODELS)))
    assert cached.features(photo, choice).model == choice.model
