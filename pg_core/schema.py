"""JSON as commands print it and results keep it."""

import json
import math
from collections.abc import Mapping

SCHEMA = 1
"""The version of that JSON: it rises when a field changes its name or meaning."""


def as_json(content: object, indent: int | None = None) -> str:
    """The text of numbers and words. An infinite number, of which JSON has none, is null: there is no such bound.

    Raises ValueError for NaN, which is no result.

    >>> as_json({"margin": -math.inf, "windows": (1, 4)})
    '{"margin": null, "windows": [1, 4]}'
    """
    return json.dumps(_finite(content), indent=indent, allow_nan=False)


def _finite(content: object) -> object:
    if isinstance(content, float) and math.isinf(content):
        return None
    if isinstance(content, Mapping):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return content
