"""Tables for LaTeX with the rules of booktabs, a caption and a label: text escaped, numbers with a proper minus.

Not by pandas, which wants Jinja for it, and leaves accents, ligatures, quotes and a [ or * at the beginning of a line
to the reader: a class is called what a person likes.
"""

import unicodedata
from collections.abc import Iterable, Sequence

from pg_core.io.printable import printable

Cell = str | int | float

_SIGNS = {sign: f"\\{sign}" for sign in "%&_#${}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\symbol{34}",
    "`": r"\`{}",
    # After the end of a line of a table these would be its options.
    "[": "{[}",
    "*": "{*}",
}
_LETTERS = {
    "ß": "ss",
    "æ": "ae",
    "Æ": "AE",
    "œ": "oe",
    "Œ": "OE",
    "ø": "o",
    "Ø": "O",
    "ł": "l",
    "Ł": "L",
    "ı": "i",
}
_ACCENTS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r",
    "\u030b": "H",
    "\u030c": "v",
    "\u0323": "d",
    "\u0327": "c",
    "\u0328": "k",
    "\u0331": "b",
}
_BELOW = frozenset("\u0323\u0327\u0328\u0331")
_LIGATURES = frozenset("-',")
"""Two of them in a row would become another sign."""


_ONE_PAGE = 40
"""Rows; a longer table goes on over several pages."""


def table(
    alignment: str, head: Sequence[str], rows: Iterable[Sequence[Cell]], caption: str, label: str
) -> str:
    r"""A table with a caption and a label, which the packages in its first line are needed for; a long one goes on
    over several pages. caption is escaped; label is of letters, digits and hyphens.

    >>> print(table("lr", ["class", "margin"], [["cat", -0.5]], "Margins of 1 window.", "margins"))
    % \usepackage{booktabs}
    \begin{table}
    \centering
    \caption{Margins of 1 window.}
    \label{tab:margins}
    \begin{tabular}{lr}
    \toprule
    class & margin \\
    \midrule
    cat & $-$0.5000 \\
    \bottomrule
    \end{tabular}
    \end{table}
    <BLANKLINE>
    """
    rows = list(rows)
    said, named = rf"\caption{{{escaped(caption)}}}", rf"\label{{tab:{label}}}"
    if len(rows) <= _ONE_PAGE:
        opening = ["% \\usepackage{booktabs}", r"\begin{table}", r"\centering", said, named]
        return "\n".join([*opening, tabular(alignment, head, rows) + r"\end{table}", ""])
    begin, end = rf"\begin{{longtable}}{{{alignment}}}", r"\end{longtable}"
    opening = ["% \\usepackage{booktabs,longtable}", begin, rf"{said} {named} \\"]
    ruled = [r"\toprule", _line(head), r"\midrule", r"\endhead", r"\bottomrule", r"\endlastfoot"]
    return "\n".join([*opening, *ruled, *map(_line, rows), end, ""])


def tabular(alignment: str, head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    r"""A table with the rules of booktabs and nothing around it; floats have four digits after the point.

    >>> print(tabular("lr", ["class", "margin"], [["cats & dogs", -0.5]]))
    \begin{tabular}{lr}
    \toprule
    class & margin \\
    \midrule
    cats \& dogs & $-$0.5000 \\
    \bottomrule
    \end{tabular}
    <BLANKLINE>
    """
    begin, end = rf"\begin{{tabular}}{{{alignment}}}", r"\end{tabular}"
    ruled = [begin, r"\toprule", _line(head), r"\midrule", *map(_line, rows), r"\bottomrule"]
    return "\n".join([*ruled, end, ""])


def escaped(text: str) -> str:
    r"""Text as LaTeX prints it; letters of scripts that its fonts lack stay as they are.

    >>> print(escaped("50 % of a_b, déjà vu"))
    50 \% of a\_b, d\'{e}j\`{a} vu
    """
    signs = unicodedata.normalize("NFC", printable(text))
    return "".join(
        "{}" * (sign in _LIGATURES and sign == before) + _as_printed(sign)
        for before, sign in zip(f" {signs}", signs, strict=False)
    )


def _as_printed(sign: str) -> str:
    if sign in _SIGNS:
        return _SIGNS[sign]
    if sign in _LETTERS:
        return f"\\{_LETTERS[sign]}{{}}"
    if sign in _ACCENTS:  # of a letter that has no such sign of its own
        return f"\\{_ACCENTS[sign]}{{}}"
    letter, *accents = list(unicodedata.normalize("NFD", sign))
    if not accents or not letter.isascii() or not _ACCENTS.keys() >= set(accents):
        return sign
    dotless = letter in "ij" and not set(accents) <= _BELOW
    printed = f"\\{letter}" if dotless else letter
    for accent in accents:
        printed = f"\\{_ACCENTS[accent]}{{{printed}}}"
    return printed


def _line(cells: Sequence[Cell]) -> str:
    return " & ".join(map(_written, cells)) + r" \\"


def _written(cell: Cell) -> str:
    if isinstance(cell, str):
        return escaped(cell)
    number = f"{abs(cell):.4f}" if isinstance(cell, float) else f"{abs(cell)}"
    return f"$-${number}" if cell < 0 else number
