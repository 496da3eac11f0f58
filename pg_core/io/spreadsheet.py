"""Tables of comma-separated values that a spreadsheet opens as they are: no text in them becomes a formula.

Written by Python's own csv, with which pandas writes too: what is ours are the formulas, which neither knows, and the
library does without pandas, which takes 0.3 s to import.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence

from pg_core.io.printable import printable

Cell = str | int | float | None

_FORMULA = tuple("=+-@\t\r\n＝＋－＠")
"""What a formula begins with; some programs take the wide signs of East Asia for the others."""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def comma_separated(head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """A line for the head and for each row; None is an empty cell. Texts stand in quotes: where a semicolon separates,
    as in much of Europe, what follows one inside a text would be a cell of its own.

    >>> print(comma_separated(["class", "margin"], [["=1+1", -1.5]]))
    "class","margin"
    "'=1+1",-1.5
    <BLANKLINE>
    """
    lines = io.StringIO()
    table = csv.writer(lines, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    table.writerow(head)
    table.writerows(map(escaped, row) for row in rows)
    return lines.getvalue()


def escaped(cell: Cell) -> Cell:
    """A cell behind an apostrophe, as OWASP advises, if it is a text that a spreadsheet would run; numbers stay.

    >>> escaped("@SUM(1)"), escaped("-2+3"), escaped("-1.5"), escaped(-1.5)
    ("'@SUM(1)", "'-2+3", '-1.5', -1.5)
    """
    if not isinstance(cell, str):
        return cell
    runs = cell.startswith(_FORMULA) and not _NUMBER.fullmatch(cell)
    return f"'{printable(cell)}" if runs else printable(cell)  # a lone \r would begin another line
