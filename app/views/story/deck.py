"""The story on paper: slides of 16:9 and a hand-out with empty tables, each one HTML file that needs nothing else and
that a browser prints."""

import base64
import html
import io
import re
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, UInt8
from PIL import Image
from plotly.colors import sample_colorscale, unlabel_rgb

from app.asking import Question
from app.plots import style
from app.plots.stage import maps_of
from app.views.story.questions import Subject
from app.views.story.screens import MASKING, Screen
from pg_core.geometry import Box
from pg_core.photos.read import to_photo

_CELL = 16
"""Pixels of a cell in a picture of a map."""
_TOKEN = re.compile(r"\\(.)|(\*\*)|(\*)|(\n\n)", re.DOTALL)
_JOINER = "\u2060"
_STYLE = """
:root { color-scheme: light; font-family: system-ui, sans-serif; color: #111; background: #fff; }
body { margin: 0; }
h1 { font-size: 2.4em; margin: 0 0 0.4em; }
p { line-height: 1.4; margin: 0 0 0.7em; }
figure { margin: 0; }
img { width: 100%; image-rendering: pixelated; border: 1px solid #999; display: block; }
img.photo { image-rendering: auto; }
figcaption, footer { font-size: 0.72em; color: #444; }
"""
_SLIDES = """
@page { size: 16in 9in; margin: 0; }
section { box-sizing: border-box; width: 100vw; min-height: 56.25vw; padding: 3.2vw 4vw; font-size: 1.75vw;
  display: flex; flex-direction: column; break-after: page; border-bottom: 1px solid #ddd; }
.pictures { display: flex; gap: 2vw; flex: 1; align-items: flex-start; }
.pictures figure { width: 22vw; }
.question { border-left: 0.4vw solid #0072b2; padding-left: 1.2vw; }
@media screen { section { scroll-snap-align: start; } html { scroll-snap-type: y proximity; } }
"""
_PAPER = """
@page { size: A4; margin: 18mm; }
body { max-width: 190mm; margin: auto; padding: 6mm; font-size: 11pt; }
h1 { font-size: 1.5em; }
h2 { font-size: 1.1em; margin: 1.2em 0 0.4em; break-after: avoid; }
.pictures { display: flex; gap: 6mm; }
.pictures figure { width: 52mm; }
ul { list-style: none; padding-left: 0; }
li::before { content: "\\2610\\00a0"; }
table { border-collapse: collapse; width: 100%; margin: 0.6em 0; }
td, th { border: 1px solid #777; padding: 2mm; height: 7mm; text-align: left; font-weight: normal; }
td { width: 30%; }
.answers { break-before: page; }
"""
_TABLE = (
    "cells of the map",
    "cells that see the patch",
    "evidence of '{label}' in all",
    "evidence of '{label}' in its detected window",
    "its score",
    "its lower bound in the worst window",
    "the rival's upper bound there",
    "the margin there",
)


@dataclass(frozen=True, slots=True)
class About:
    """What the pictures and numbers are of, as the foot of each page says it."""

    photo: str
    network: str
    link: str


def slides(screens: tuple[Screen, ...], subject: Subject, about: About) -> str:
    """A slide for each screen: its sentence, the pictures that it speaks of with captions, and its question."""
    parts = []
    for number, screen in enumerate(screens, 1):
        question = screen.question(subject)
        options = " &nbsp;·&nbsp; ".join(map(markup, question.options))
        parts.append(
            f"<section><h1>{number}. {html.escape(screen.title)}</h1><p>{markup(screen.said(subject))}</p>"
            f'<div class="pictures">{_pictures(screen, subject)}</div>'
            f'<p class="question">{markup(question.text)}<br>{options}</p>'
            f"<footer>{_foot(about, subject)}</footer></section>"
        )
    return _document("The story", _STYLE + _SLIDES, "".join(parts))


def hand_out(screens: tuple[Screen, ...], subject: Subject, about: About) -> str:
    """Pages to print: each sentence with its question, a table to fill in, and the answers on a page of their own."""
    questions = [screen.question(subject) for screen in screens]
    parts = [f"<h1>Can a patch fool it?</h1><p>{_foot(about, subject)}</p>"]
    parts.append(f'<div class="pictures">{_pictures(MASKING, subject)}</div>')
    for number, (screen, question) in enumerate(zip(screens, questions, strict=True), 1):
        options = "".join(f"<li>{markup(option)}</li>" for option in question.options)
        parts.append(
            f"<h2>{number}. {html.escape(screen.title)}</h2><p>{markup(screen.said(subject))}</p>"
            f"<p><strong>{markup(question.text)}</strong></p><ul>{options}</ul>"
        )
    label = subject.label
    rows = "".join(f"<tr><th>{markup(row.format(label=label))}</th><td></td></tr>" for row in _TABLE)
    parts.append(f"<h2>To fill in, from the page</h2><table>{rows}</table>")
    answers = "".join(f"<p>{number}. {_answer(question)}</p>" for number, question in enumerate(questions, 1))
    parts.append(f'<div class="answers"><h2>Answers</h2>{answers}</div>')
    return _document("Hand-out", _STYLE + _PAPER, "".join(parts))


def markup(text: str) -> str:
    r"""Markdown of this program's own sentences as HTML: bold, italics and paragraphs, and signs behind a backslash.

    >>> markup(r"**A** *b* \*c\* <d>")
    '<strong>A</strong> <em>b</em> *c* &lt;d&gt;'
    """
    parts, last, bold, italic = [], 0, False, False
    for token in _TOKEN.finditer(text):
        parts.append(html.escape(text[last : token.start()]))
        last = token.end()
        sign, strong, emphasis, _ = token.groups()
        if sign is not None:
            parts.append(html.escape(sign))
        elif strong is not None:
            bold = not bold
            parts.append("<strong>" if bold else "</strong>")
        elif emphasis is not None:
            italic = not italic
            parts.append("<em>" if italic else "</em>")
        else:
            parts.append("<br>")
    parts.append(html.escape(text[last:]))
    return "".join(parts).replace(_JOINER, "")


def _answer(question: Question) -> str:
    return f"<strong>{markup(question.answer)}</strong> {markup(question.because)}"


def _foot(about: About, subject: Subject) -> str:
    height, width = subject.clean.threat.patch_size
    told = (
        f"Photo {about.photo}, network {about.network}, {subject.clean.defence}, patches of {height}x{width} pixels. "
        f"PatchGuard Explorer: {about.link}"
    )
    return html.escape(told)


def _pictures(screen: Screen, subject: Subject) -> str:
    """The panels that a screen speaks of, as pictures with captions."""
    label, other = subject.others
    shown, pictures = subject.seen.shown, []
    if 1 in screen.panels:
        data = io.BytesIO()
        to_photo(shown.features.pixels).save(data, "JPEG", quality=90)
        what = "The photo" if subject.effect is None else "The photo with the patch"
        pictures.append(_figure("jpeg", data.getvalue(), what, "photo"))
    if 2 in screen.panels and 3 not in screen.panels:
        pictures.append(_map(maps_of(shown, label)[0], f"Local logits of '{subject.label}'"))
    if 3 in screen.panels:
        for index in dict.fromkeys((label, other)):
            caption = f"Evidence of '{subject.named(index)}'; framed: the detected window"
            pictures.append(_map(maps_of(shown, index)[1], caption, shown.masking.window(index)))
    if 4 in screen.panels:
        caption = "Margin of each window: blue is proved"
        pictures.append(_map(subject.clean.certificate.margin, caption, signed=True))
    return "".join(pictures)


def _map(
    values: Float64[np.ndarray, "rows columns"], caption: str, window: Box | None = None, signed: bool = False
) -> str:
    """A map as a picture with its values' range in the caption."""
    finite = np.nan_to_num(values, neginf=0.0, posinf=0.0)
    low, high = float(finite.min()), float(finite.max())
    span = (
        (-max(abs(low), abs(high), 1e-9), max(abs(low), abs(high), 1e-9))
        if signed
        else (low, max(high, low + 1e-9))
    )
    scale = style.DIVERGING if signed else style.SEQUENTIAL
    shares = (np.clip(finite, *span) - span[0]) / (span[1] - span[0])
    colours = [unlabel_rgb(colour) for colour in sample_colorscale(scale, shares.reshape(-1).tolist())]
    pixels: UInt8[np.ndarray, "rows columns 3"] = np.rint(np.array(colours)).astype(np.uint8)
    picture = pixels.reshape(*finite.shape, 3).repeat(_CELL, axis=0).repeat(_CELL, axis=1)
    if window is not None:
        _frame(picture, window, finite.shape[1])
    data = io.BytesIO()
    Image.fromarray(picture).save(data, "PNG")
    return _figure("png", data.getvalue(), f"{caption} ({low:.3g} to {high:.3g})", "map")


def _frame(picture: UInt8[np.ndarray, "height width 3"], window: Box, columns: int) -> None:
    """The outline of a window, which may go around the right edge."""
    for row in range(window.top, window.bottom):
        for column in range(window.left, window.right):
            top, left = row * _CELL, (column % columns) * _CELL
            cell = picture[top : top + _CELL, left : left + _CELL]
            for inside, edge in (
                (row == window.top, cell[:3]),
                (row == window.bottom - 1, cell[-3:]),
                (column == window.left, cell[:, :3]),
                (column == window.right - 1, cell[:, -3:]),
            ):
                if inside:
                    edge[:] = (86, 180, 233)


def _figure(kind: str, data: bytes, caption: str, name: str) -> str:
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    words = markup(caption)
    return (
        f'<figure><img class="{name}" src="{source}" alt="{words}"><figcaption>{words}</figcaption></figure>'
    )


def _document(title: str, css: str, body: str) -> str:
    head = f'<meta charset="utf-8"><title>{html.escape(title)} · PatchGuard Explorer</title>'
    head += f'<meta name="viewport" content="width=device-width"><style>{css}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>'
