"""Text from outside as text: escaped for the two languages of markup that the page speaks.

Names of files, classes and networks, what a link says, and sentences that quote them come through here where they
enter Markdown or a figure. Not here: HTML, see `html.escape` and `escaped` in app/components/stage_words.js; files and
the terminal, see `pg_core.io.printable`, `pg_core.io.latex` and `pg_core.io.spreadsheet`.
"""

import html
import re

from pg_core.io.printable import printable

_JOINER = "\u2060"
"""A word joiner: it has no width, and nobody sees it."""
_BETWEEN = re.compile(r"(?<!\S)[<>~-](?=[->=]{1,2}(?!\S))|www(?=\.)|@(?=\S)", re.IGNORECASE)
_SIGNS = re.compile(r"[\\`*_\[\]<$~|&]")
_COLON = re.compile(r":(?=\S)")
_BEGINNING = re.compile(r"^(\d+(?=[.)](\s|$))|(?=[#>+=-]))")
"""Of a heading, a quotation, a line or a list."""
_LETTERS = {"≤": r"\le", "·": r"\cdot", "⊙": r"\odot", "∞": r"\infty", "û": r"\hat u", "*": "^*"}
_WORDS = re.compile(r"lower|upper|margin|SUM")
_POWER = re.compile(r"(?<=\d)e([+-]?)0*(\d+)")
_INDEXED = re.compile(r"\b(q)(\d)\b")


def in_markdown(text: str) -> str:
    r"""Text as Streamlit's Markdown shows it, sign by sign, in one line.

    A backslash hides a sign from the parser. But emoji, icons, addresses and arrows are looked for once more in what
    the parser has read: there, a joiner keeps apart what would become one.

    >>> print(in_markdown("![a](b) $x$ 50 % of_all"))
    !\[a\](b) \$x\$ 50 % of\_all
    """
    joined = _BETWEEN.sub(rf"\g<0>{_JOINER}", printable(" ".join(text.split())))
    escaped = _SIGNS.sub(r"\\\g<0>", joined)
    return _BEGINNING.sub(r"\1\\", _COLON.sub(rf"\:{_JOINER}", escaped))


def in_formula(text: str) -> str:
    r"""A formula of this program's letters, words and numbers as Streamlit's Markdown sets it; no name of anything.

    >>> print(in_formula("lower = t - m_o = 2e-05 ≤ SUM(w* ⊙ û)"))
    $\text{lower} = t - m_o = 2 \cdot 10^{-5} \le \text{SUM}(w^* \odot \hat u)$
    """
    written = _POWER.sub(lambda power: rf" \cdot 10^{{{power[1].replace('+', '')}{power[2]}}}", text)
    written = _INDEXED.sub(r"\1_\2", _WORDS.sub(r"\\text{\g<0>}", written))
    for letter, sign in _LETTERS.items():
        written = written.replace(letter, sign)
    return f"${written}$"


def in_figure(text: str) -> str:
    """Text as Plotly shows it: it reads some HTML everywhere, and %{...} in what says how a point is described.

    >>> in_figure("<b>a</b> & %{y}")
    '&lt;b&gt;a&lt;/b&gt; &amp; %&#123;y}'
    """
    return html.escape(printable(text), quote=False).replace("%{", "%&#123;")
