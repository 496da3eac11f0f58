"""Names that are more than text to Markdown, Plotly, LaTeX, XML, a terminal or a spreadsheet."""

import re

NAME = (
    "![a](http://127.0.0.1:1/t.png) $x$ [b](https://evil.example) <b>c</b> :red[d] `e` \x1b[31m %{y} =1+1 "
    "www.evil.example \u202e"
)
FILE = NAME.replace("/", "")
"""The same as the name of a file."""

TEXTS = (
    NAME,
    "# heading",
    "- item",
    "3. third",
    "> quotation",
    "--- *** ___",
    "**bold** *italic* __bold__ _italic_ ~~struck~~ ***",
    "[x]: https://evil.example [x] [^1] [ ]",
    "<https://evil.example> <img src=http://127.0.0.1:1/t.png> <!-- c --> <a href='//evil.example'>a</a>",
    "https://evil.example http://127.0.0.1:1 www.evil.example me@evil.example mailto:me@evil.example",
    ":smile: :+1: :material/home: :material_home: :streamlit: \\:smile\\:",
    ":red[a] :red-background[b] :small[c] :help :color[d]{foreground=red} ::leaf :::box",
    "$x$ $$y$$ \\(z\\) costs $5 or $6",
    "&lt;b&gt; &amp; &#65; &nbsp; AT&T",
    "a | b || c \\| d",
    "`code` ``more`` ``` fence",
    "\\ \\\\ \\* back\\slash\\",
    "-> <- <-> -- >= <= ~= a->b",
    "line\nbreak  \n\n# and a heading\n\n    code",
    "\x1b]0;title\x07\x00\x7f\x9b31m\u202e\u2066",
    "%{y} %{customdata[0]} <extra>x</extra> <br> <sup>2</sup> <a href='https://evil.example'>a</a>",
    "=cmd|' /C calc'!A0",
    "naïve 猫 🐱 Petri dish, St. Bernard (1.5 %)",
)

_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")
_PARSED = (
    r"!?\[[^\]]*\][(\[]|^\[[^\]]*\]:",
    r"\$[^$]+\$",
    r"<[a-zA-Z/!?]",
    r"(?<!:):[a-z]",
    r"~~",
    r"`e`",
    r"&#?\w+;",
)
_READ_AGAIN = (
    r":[\w+-]+:",
    r":material[/_]\w+:",
    r"https?://",
    r"www\.",
    r"\w@\w",
    r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]",
)


def constructs(markdown: str) -> list[str]:
    """What Streamlit would make of a Markdown text beyond emphasis, tables, lists and headings, of which the page's
    own words are full: first its parser, which passes over what stands behind a backslash; then what is looked for in
    the text that it has read."""
    parsed, read = _ESCAPE.sub("", markdown), _ESCAPE.sub(r"\1", markdown)
    found = [re.search(pattern, parsed) for pattern in _PARSED]
    found += [re.search(pattern, read) for pattern in _READ_AGAIN]
    return [match.group() for match in found if match]
