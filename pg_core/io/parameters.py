"""Parameters as a caller gives them, converted to their declared types, or refused: "expected ..., got ...".

A word becomes the member of its enumeration, so that comparisons by `is` hold; a number of numpy, one of Python. Not
here: the range of a number, which its own class checks; arrays, see `pg_core.evidence.arrays`.
"""

import operator
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from enum import StrEnum
from functools import cache, partial
from numbers import Real
from types import UnionType
from typing import Any, TypeVar, cast, get_args

import numpy as np

_Member = TypeVar("_Member", bound=StrEnum)
_Coercion = Callable[[object, str], object]
_MOST_DIGITS = 18
_SHOWN = 60
"""Letters of what came, in an error."""


def coerce_fields(parameters: object) -> None:
    """Convert the fields of a frozen dataclass to their declared types; for the first line of its `__post_init__`.

    Members of enumerations, whole numbers, numbers, truth values and sizes, or None where that is declared too; other
    fields stay as they are. Raises ValueError for a value that cannot be converted.
    """
    for name, (kind, coerced) in _coercions(cast(Any, type(parameters))).items():
        given = getattr(parameters, name)
        # A box is made for every window: what is right already costs next to nothing.
        if type(given) is not kind:
            object.__setattr__(parameters, name, coerced(given, name))


def member(kind: type[_Member], value: object) -> _Member:
    """The member of an enumeration that a value is, or is the word of; raises ValueError for anything else."""
    try:
        return kind(cast(Any, value))
    except ValueError:
        raise ValueError(f"expected one of {', '.join(kind)}, got {shown(value)}") from None


def whole(value: object, name: str) -> int:
    """A whole number of Python; raises ValueError for a fraction, 2.0 included, and for a truth value."""
    if not isinstance(value, bool):
        with suppress(TypeError):
            return operator.index(cast(Any, value))
    raise ValueError(f"expected a whole number for {name}, got {shown(value)}")


def number(value: object, name: str) -> float:
    """A number of Python, which may be infinite or NaN; raises ValueError for a word or a truth value."""
    if isinstance(value, Real) and not isinstance(value, bool):
        with suppress(OverflowError):
            return float(value)
    raise ValueError(f"expected a number for {name}, got {shown(value)}")


def position_of(digits: str) -> int | None:
    """The whole number of at least 0 that these digits are; None for other letters, and for more digits than any
    position has, which Python would not read."""
    return int(digits) if digits.isdecimal() and len(digits) <= _MOST_DIGITS else None


def non_negative(value: object, name: str) -> float:
    """A number of at least 0; raises ValueError for any other, and for NaN."""
    given = number(value, name)
    if not given >= 0:
        raise ValueError(f"expected {name} >= 0, got {given}")
    return given


def shown(value: object) -> str:
    """The refused value as an error shows it: its repr, of which no more than the first 60 characters."""
    try:
        text = repr(value)
    except Exception:  # of a number with too many digits, or of what is not ours
        return f"a value of type {type(value).__name__}"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


@cache
def _coercions(parameters: type) -> dict[str, tuple[object, _Coercion]]:
    """The declared type of each field of a dataclass, and what makes a value one, for those that need it."""
    declared = {entry.name: entry.type for entry in fields(cast(Any, parameters))}
    coercions = {name: (kind, _coercion(kind)) for name, kind in declared.items()}
    return {name: (kind, coerced) for name, (kind, coerced) in coercions.items() if coerced is not None}


def _coercion(declared: object) -> _Coercion | None:
    if isinstance(declared, type) and issubclass(declared, StrEnum):
        return partial(_member_of, declared)
    if hasattr(declared, "named"):
        return partial(_named, declared)
    if isinstance(declared, UnionType) and get_args(declared)[1:] == (type(None),):
        coerced = _coercion(get_args(declared)[0])
        return None if coerced is None else partial(_unless_none, coerced)
    return _PLAIN.get(declared)


def _member_of(kind: type[StrEnum], value: object, name: str) -> StrEnum:
    return member(kind, value)


def _named(kind: object, value: object, name: str) -> object:
    """A value of a kind that knows its values by their names, as types of evidence do."""
    return cast(Any, kind).named(value)


def _unless_none(coerced: _Coercion, value: object, name: str) -> object:
    return None if value is None else coerced(value, name)


def _truth(value: object, name: str) -> bool:
    if isinstance(value, bool | np.bool_):
        return bool(value)
    raise ValueError(f"expected true or false for {name}, got {shown(value)}")


def _size(value: object, name: str) -> tuple[int, int]:
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise ValueError(f"expected two whole numbers for {name}, rows before columns, got {shown(value)}")
    return whole(value[0], name), whole(value[1], name)


_PLAIN: dict[object, _Coercion] = {int: whole, float: number, bool: _truth, tuple[int, int]: _size}
