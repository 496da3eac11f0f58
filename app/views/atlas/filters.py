"""Which photos of a table are looked at: one value, which is a condition of SQL, words, and a part of the address.

A condition never holds a text from outside: what is chosen are numbers, and names of this program.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from app.cache.tables import PROVABLE
from pg_core.defences.base import Verdict
from pg_core.geometry import Size

Condition = tuple[str, list[object]]
"""SQL with a question mark for each parameter, and these."""


@dataclass(frozen=True, slots=True)
class Filters:
    """The photos with all of this; None is any. `label` is the index of the class (of the prediction where no class is
    known), `rival` that of the strongest rival in the worst window, `window` the row and column of one that fails,
    `right` whether the defended prediction is right; margins are those of the worst window, low <= margin < high."""

    verdict: Verdict | None = None
    label: int | None = None
    rival: int | None = None
    window: tuple[int, int] | None = None
    right: bool | None = None
    low: float | None = None
    high: float | None = None

    def without(self, *names: str) -> "Filters":
        """The same with any value of these."""
        return replace(self, **dict.fromkeys(names))

    def chosen(self) -> dict[str, Any]:
        """What is not any, by its name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    def in_words(self, classes: Sequence[str]) -> dict[str, str]:
        """Each filter in words, by its name."""
        words: dict[str, Callable[[Any], str]] = {
            "verdict": lambda value: f"verdict: {value}",
            "label": lambda value: f"class: {classes[value]}",
            "rival": lambda value: f"strongest rival: {classes[value]}",
            "window": lambda value: "not certified at row {}, column {}".format(*value),
            "right": lambda value: "prediction right" if value else "prediction wrong, or an alert",
            "low": lambda value: f"margin at least {value:g}",
            "high": lambda value: f"margin below {value:g}",
        }
        return {name: words[name](value) for name, value in self.chosen().items()}

    def in_link(self) -> str:
        """As the address says it.

        >>> Filters(Verdict.NOT_CERTIFIED, rival=3, window=(2, 5), low=-0.5).in_link()
        'verdict.not-certified:rival.3:window.2,5:low.-0.5'
        """
        return ":".join(f"{name}.{_said(value)}" for name, value in self.chosen().items())

    def condition(self, trial: int, shape: Size | None) -> Condition:
        """For `photos` of an `Atlas`: the rows of a trial, whose windows have this shape, with all of this."""
        return self._condition(("trial = ?", [trial]), self._fails_in_atlas(trial, shape))

    def copied(self, setting: str, shape: Size | None) -> str:
        """A query of the table itself, with its values in it, for DuckDB anywhere."""
        return literal(self._copied(setting, shape))

    def _copied(self, setting: str, shape: Size | None) -> Condition:
        fails: Condition = "false", []
        if self.window is not None and shape is not None:
            # DuckDB counts from 1.
            fails = "margins[?] <= tolerance", [self.window[0] * shape[1] + self.window[1] + 1]
        where, values = self._condition(("setting = ?", [setting]), fails)
        head = "select photo, verdict, label, prediction, rival, margin\nfrom 'part-*.parquet'\nwhere "
        return f"{head}{where}\norder by margin, photo", values

    def _fails_in_atlas(self, trial: int, shape: Size | None) -> Condition:
        if self.window is None or shape is None:
            return "false", []
        position = self.window[0] * shape[1] + self.window[1]
        return "number in (select number from failures where trial = ? and position = ?)", [trial, position]

    def _condition(self, first: Condition, fails: Condition) -> Condition:
        wrong = [Verdict.MISCLASSIFIED, Verdict.ALERT]
        conditions: Mapping[str, Condition] = {
            "verdict": ("verdict = ?", [self.verdict]),
            "label": ("coalesce(label, prediction) = ?", [self.label]),
            "rival": ("rival = ?", [self.rival]),
            "window": (f"({fails[0]} or verdict not in (?, ?, ?))", [*fails[1], *PROVABLE]),
            "right": ("verdict not in (?, ?)" if self.right else "verdict in (?, ?)", [*wrong]),
            "low": ("margin >= ?", [self.low]),
            "high": ("margin < ?", [self.high]),
        }
        parts = [first, *(conditions[name] for name in self.chosen())]
        values = [value for _, values in parts for value in values]
        return "\n  and ".join(sql for sql, _ in parts), values


def literal(condition: Condition) -> str:
    """SQL with its values in it; they are numbers and names of this program."""
    sql, values = condition
    first, *rest = sql.split("?")
    return first + "".join(f"{_literal(value)}{part}" for value, part in zip(values, rest, strict=True))


def read(text: str) -> Filters:
    """What a link says; raises ValueError for anything else.

    >>> read("verdict.alert:right.no").in_link()
    'verdict.alert:right.no'
    """
    values: dict[str, Any] = {}
    for part in filter(None, text.split(":")):
        name, _, value = part.partition(".")
        if name not in _READ or name in values:
            raise ValueError(f"expected filters out of {', '.join(_READ)}, each once, got {text!r}")
        values[name] = _READ[name](value)
    return Filters(**values)


def _literal(value: object) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(value)


def _said(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case Verdict():
            return value.replace(" ", "-")
        case (int(row), int(column)):
            return f"{row},{column}"
    return str(value).replace("+", "")  # of 1e+20


def _whole(text: str) -> int:
    if not text.isdecimal() or len(text) > 7:
        raise ValueError(f"expected a whole number of at most 7 digits, got {text!r}")
    return int(text)


def _window(text: str) -> tuple[int, int]:
    row, column = map(_whole, text.split(","))
    return row, column


def _yes(text: str) -> bool:
    if text not in ("yes", "no"):
        raise ValueError(f"expected yes or no, got {text!r}")
    return text == "yes"


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"expected a finite number, got {text!r}")
    return value


_READ = {
    "verdict": lambda text: Verdict(text.replace("-", " ")),
    "label": _whole,
    "rival": _whole,
    "window": _window,
    "right": _yes,
    "low": _number,
    "high": _number,
}
