"""Every parameter of the library that is one of a few values with names, found by its annotations."""

import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import StrEnum
from typing import get_args, get_origin

import pg_core
from pg_core.datasets.base import DATASETS, Dataset
from pg_core.evidence.types import EVIDENCE_TYPES, EvidenceType


def words():
    """Every parameter of a public function or value that is one of a few values with names, which are members of an
    enumeration, types of evidence or data sets: its name, and these by theirs."""
    for module in pkgutil.walk_packages(pg_core.__path__, "pg_core."):
        if module.name.endswith("__main__"):
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            if not name.startswith("_") and getattr(value, "__module__", None) == module.name:
                yield from _words_of(name, value)


def _words_of(name, value):
    if inspect.isclass(value) and is_dataclass(value):
        for field in fields(value):
            for kind in _enumerations(field.type):
                yield f"{name}.{field.name}", kind
    members = vars(value).items() if inspect.isclass(value) else [("", value)]
    for own, function in members:
        visible = not own.startswith("_") or (own == "__init__" and not is_dataclass(value))
        if visible and inspect.isfunction(function):
            for parameter in inspect.signature(function).parameters.values():
                for kind in _enumerations(parameter.annotation):
                    yield ".".join(filter(None, (name, own, parameter.name))), kind


def _enumerations(annotation):
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        yield {str(member): member for member in annotation}
    elif annotation in (EvidenceType, Dataset):
        yield EVIDENCE_TYPES if annotation is EvidenceType else DATASETS
    elif get_origin(annotation) not in (dict, Mapping):  # a key finds its equal
        for part in get_args(annotation):
            yield from _enumerations(part)
