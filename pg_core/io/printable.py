"""Text from outside, such as the name of a file or of a class, as a terminal and XML may take it.

Not here: what is no sign of its own but has a meaning in some language; see `pg_core.io.latex` and
`pg_core.io.spreadsheet`.
"""

import unicodedata

_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Signs that nobody sees and that turn the direction of writing."""


def printable(text: str) -> str:
    r"""The text with escapes for what a terminal would obey or XML forbids: control characters and ends of lines,
    halves of letters, code points that are no character, and signs that turn the direction of writing.

    >>> print(printable("red\x1b[31m\u202egpj.exe"))
    red\x1b[31m\u202egpj.exe
    """
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(sign: str) -> str:
    obeyed = unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") or sign in _TURNING
    code = ord(sign)
    never = code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF
    return sign.encode("unicode_escape").decode() if obeyed or never else sign
