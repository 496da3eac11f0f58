"""What is chosen on one page alone: kept while other pages are shown, and said by the address of every page.

A link is followed before its page is shown, so what it says waits here as text until the page knows its options.
"""

import re
from collections.abc import Callable, Iterable, Sequence, Set
from enum import Enum
from typing import TypeVar

import streamlit as st

from app.markup import in_markdown

T = TypeVar("T")

_KEYS = {
    "algorithm": "algorithm",
    "scene": "scene",
    "step": "step-slider",
    "filling": "filling",
    "map": "map-of",
    "first": "comparison-One defence",
    "second": "comparison-Another",
    "masks": "masks-per-axis",
    "alert": "alert-threshold",
    "data": "data",
    "measure": "measure",
    "against": "against",
    "measured_patch": "patch_measured",
    "evaluation": "evaluation",
    "run": "run",
    "exhibit": "exhibit",
    "present": "presenting",
    "votes": "one-round-votes",
    "target": "search-target",
    "attack_steps": "search-steps",
    "restarts": "search-restarts",
    "attack_seed": "search-seed",
    "table": "atlas-table",
    "trial": "atlas-trial",
    "beside": "atlas-beside",
    "look": "atlas-look",
    "beside_table": "atlas-beside-table",
}
"""The keys of widgets, by their names in a link."""
_COMPOSED = ("whatif", "rival", "status", "case", "moved", "placement", "attack", "drawn", "quiz", "filters")
"""What several widgets of a page choose together: the page puts it into words itself."""
NAMES = (*_KEYS, *_COMPOSED)
_PREFIXES = (
    *("whatif-", "failing-", "h-(", "w-(", "placement-row-", "placement-column-"),
    *("attack-row-", "attack-column-", "filter-"),
)
_LINKED, _USUAL, _SAID = "pages-linked", "pages-usual", "pages-said"
_VALUES, _OF = "pages-values", "pages-of"
_TEXT = re.compile(r"[a-z0-9][a-z0-9.,:-]{0,299}")


def follow(name: str, text: str) -> None:
    """Let a link say a choice of a page; raises ValueError for what no choice of any page can be."""
    if not _TEXT.fullmatch(text):
        raise ValueError(f"expected small letters, digits and .,:- of a choice, got {text!r}")
    _kept(_LINKED)[name] = text


def forget(name: str) -> None:
    """Let the choice be as it always is, from the next time that its page is shown."""
    usual = _kept(_USUAL)
    if name in usual:
        _kept(_LINKED)[name] = usual[name]


def keep(others: Set[str]) -> None:
    """Bring back the choices of pages that are not shown, and of others by their keys.

    Streamlit forgets the value of a widget that is not shown, and at a change of page does so before the page runs.
    """
    state, kept = st.session_state, st.session_state.setdefault(_VALUES, {})
    for key in [key for key in kept if key not in state]:
        state[key] = kept[key]
    remember(others)


def remember(others: Set[str] = frozenset()) -> None:
    """Note the choices as they are now, at the end of a run in which a person may have changed some."""
    state, kept = st.session_state, st.session_state.setdefault(_VALUES, {})
    for key in list(state):
        if key in kept or key in others or key in _KEYS.values() or str(key).startswith(_PREFIXES):
            kept[key] = state[key]


def text_of(name: str) -> str | None:
    """What a link says of the choice; None where it is as always, or was never asked for."""
    state, usual = st.session_state, _kept(_USUAL).get(name)
    if name in _kept(_LINKED):
        text = _kept(_LINKED)[name]
    elif name in _COMPOSED:
        text = _kept(_SAID).get(name, "")
    else:
        text = said(state[_KEYS[name]]) if name in _KEYS and _KEYS[name] in state else ""
    return None if not text or text == usual else text


def option(name: str, options: Sequence[T], usual: T, of: str = "") -> str:
    """The key of the widget that offers these options, after it was given the one that a link or a person chose, or
    else the usual one; and the usual one again when they become options of something else."""
    state, key = st.session_state, _KEYS[name]
    if _kept(_OF).get(name, of) != of:
        state[key] = usual
    _kept(_OF)[name] = of
    chosen = linked(name, lambda text: _option(text, options), said(usual))
    if chosen is not None:
        state[key] = chosen
    if state.get(key) not in options:
        state[key] = usual
    return key


def number(name: str, low: float, high: float, usual: float) -> str:
    """The same for a number from low to high; whole where the usual one is."""
    state, key = st.session_state, _KEYS[name]
    chosen = linked(name, lambda text: within(text, low, high, type(usual)), said(usual))
    if chosen is not None:
        state[key] = chosen
    value = state.get(key, usual)
    state[key] = value if low <= value <= high else usual
    return key


def linked(name: str, read: Callable[[str], T], usual: str = "") -> T | None:
    """What a link says of a choice, once; None if it says nothing. What means nothing is named, and left out."""
    _kept(_USUAL)[name] = usual
    text = _kept(_LINKED).pop(name, None)
    if text is None:
        return None
    try:
        return read(text)
    except ValueError:
        st.warning(f"Ignored unknown values in this link: {in_markdown(f'{name}={text}')}.")
        return None


def pair(name: str, keys: Sequence[str], usual: tuple[int, int], most: tuple[int, int], low: int = 0) -> None:
    """Set two fields of whole numbers from low to the most to what a link or a person chose, or else to the usual."""
    state = st.session_state

    def read(text: str) -> list[int]:
        if not text:
            return list(usual)
        return [within(part, low, end, int) for part, end in zip(text.split(","), most, strict=True)]

    chosen = linked(name, read)
    for place, (key, value, end) in enumerate(zip(keys, usual, most, strict=True)):
        if chosen is not None:
            state[key] = chosen[place]
        state[key] = min(max(low, state.get(key, value)), end)
    values = tuple(state[key] for key in keys)
    say(name, "" if values == usual else "{},{}".format(*values))


def say(name: str, text: str) -> None:
    """Let the address say this of a choice that several widgets make together; nothing where it is empty."""
    _kept(_SAID)[name] = text


def said(value: object) -> str:
    """A choice as a link says it.

    >>> said((2, 5)), said(0.25), said("Clean accuracy")
    ('2x5', '0.25', 'clean-accuracy')
    """
    match value:
        case Enum():
            text = value.name
        case (int(height), int(width)):
            text = f"{height}x{width}"
        case float():
            text = f"{value:g}"
        case _:
            text = str(value)
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-")


def within(text: str, low: float, high: float, kind: type[T]) -> T:
    """A number of a link; raises ValueError outside of low to high."""
    value = float(text)
    if not low <= value <= high or (kind is int and value != int(value)):
        raise ValueError(f"expected a number from {low:g} to {high:g}, got {text!r}")
    return kind(value)  # type: ignore[call-arg]


def several(text: str, options: Iterable[T]) -> list[T]:
    """Some of the options, as a link says them, with colons between; raises ValueError for others."""
    if not text:
        return []
    named = {said(one): one for one in options}
    parts = text.split(":")
    if not set(parts) <= named.keys():
        raise ValueError(f"expected some of {', '.join(named)}, got {text!r}")
    return [named[part] for part in parts]


def _option(text: str, options: Sequence[T]) -> T:
    (chosen,) = several(text, options)
    return chosen


def _kept(key: str) -> dict[str, str]:
    return st.session_state.setdefault(key, {})
