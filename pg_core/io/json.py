"""JSON as commands print it and results keep it.

Each reader says in sentences of its own what may stand in it. Not by msgspec, whose errors name a type and a path but
not what came ("Expected `int`, got `str` - at `$.side`"), and which takes an entry that stands twice; for the lines of
an evaluation, where nobody sees a sentence, it would be a second way. Nor by cattrs, which raises groups of errors.
"""

import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

SCHEMA = 1
"""The version of that JSON: it rises when a field changes its name or meaning."""


def as_json(content: object, indent: int | None = None) -> str:
    """The text of numbers and words. An infinite number, of which JSON has none, is null: there is no such bound.

    Raises ValueError for NaN, which is no result.

    >>> as_json({"margin": -math.inf, "windows": (1, 4)})
    '{"margin": null, "windows": [1, 4]}'
    """
    return json.dumps(_finite(content), indent=indent, allow_nan=False)


def from_json(text: str | bytes) -> Any:  # noqa: ANN401 - anything may stand in a text
    """The content of a text, in UTF-8 where it is bytes. Raises ValueError for anything that is no JSON, such as NaN,
    for numbers too large for float64, and for brackets nested too deep.

    >>> from_json('{"margin": null}')
    {'margin': None}
    """
    try:
        return json.loads(
            text if isinstance(text, str) else text.decode(),
            parse_constant=_no_number,
            parse_float=_number,
        )
    except RecursionError:
        raise ValueError("expected JSON, got brackets nested too deep") from None


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"expected a number of JSON, got {word}")


def _number(digits: str) -> float:
    value = float(digits)
    return value if math.isfinite(value) else _no_number(digits[:20])


def _finite(content: object) -> object:
    if isinstance(content, float) and math.isinf(content):
        return None
    if isinstance(content, Mapping):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return content
