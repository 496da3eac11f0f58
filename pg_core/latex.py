"""Tables for LaTeX that need no package: text escaped, numbers with a proper minus."""

from collections.abc import Iterable, Sequence

Cell = str | int | float

_ESCAPED = str.maketrans(
    {sign: f"\\{sign}" for sign in "%&_#${}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
)


def tabular(alignment: str, head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    r"""A table with a line above, below the head and at the end; floats have four digits after the point.

    >>> print(tabular("lr", ["class", "margin"], [["cats & dogs", -0.5]]))
    \begin{tabular}{lr}
    \hline
    class & margin \\
    \hline
    cats \& dogs & $-$0.5000 \\
    \hline
    \end{tabular}
    <BLANKLINE>
    """
    lines = (" & ".join(map(_written, row)) + r" \\" for row in rows)
    begin, end = rf"\begin{{tabular}}{{{alignment}}}", r"\end{tabular}"
    head_line = " & ".join(map(escaped, head)) + r" \\"
    return "\n".join([begin, r"\hline", head_line, r"\hline", *lines, r"\hline", end, ""])


def escaped(text: str) -> str:
    r"""Text as LaTeX prints it.

    >>> escaped("50 % of a_b")
    '50 \\% of a\\_b'
    """
    return text.translate(_ESCAPED)


def _written(cell: Cell) -> str:
    if isinstance(cell, str):
        return escaped(cell)
    number = f"{abs(cell):.4f}" if isinstance(cell, float) else f"{abs(cell)}"
    return f"$-${number}" if cell < 0 else number
