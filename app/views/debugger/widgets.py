"""What if the settings were others: the widgets of the window debugger, and the filters of its table."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.cache import analysis as cached
from app.cache.analysis import DefenceChoice
from app.sidebar import Choices
from app.state import pages
from app.views.debugger.results import Failing
from app.views.debugger.text import status_in_table
from pg_core.analysis.photo import Analysis
from pg_core.defences.base import DefenceInput
from pg_core.defences.detection import ALERT_THRESHOLD
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.defences.patchguard.spec import THRESHOLD
from pg_core.defences.spec import Parameter, Value
from pg_core.photos.framing import Space, Threat

_BASE = "whatif-base"
_HEIGHT, _WIDTH = "whatif-height", "whatif-width"
_LETTERS = {THRESHOLD.name: "T", ALERT_THRESHOLD.name: "τ"}


@dataclass(frozen=True, slots=True)
class WhatIf:
    """Another defence against another patch, and in words what is not as in the sidebar; `offered` is whether anything
    can be changed here."""

    asked: DefenceChoice
    threat: Threat
    differences: tuple[str, ...] = ()
    offered: bool = True


def what_if(chosen: Choices) -> WhatIf:
    """The parameters of the defence and the patch size, beginning with those of the sidebar."""
    asked, threat, state = chosen.asked, chosen.threat, st.session_state
    if asked.spec.input is DefenceInput.TWO_MASK_PREDICTIONS:
        st.caption(
            f"With other masks, or against another patch, {asked.spec.title} has to run the network again under every "
            "pair of masks. So there is no *what if* here: the sidebar changes both, and says how long it takes."
        )
        return WhatIf(asked, threat, offered=False)
    base = str((chosen.choice, asked, threat))
    if state.get(_BASE) != base or _HEIGHT not in state:
        _as_in_sidebar(chosen)
        state[_BASE] = base
    linked = pages.linked("whatif", partial(_in_link, chosen))
    for key, value in (linked or {}).items():
        state[key] = value
    framing = cached.framing(chosen.photo, chosen.choice)
    space = framing.image_size if threat.space is Space.NETWORK else framing.photo_size
    parameters = asked.spec.parameters
    columns = st.columns([*map(_share, parameters), 2, 2, 4], vertical_alignment="bottom")
    settings = {
        parameter.name: _asked(column, parameter)
        for parameter, column in zip(parameters, columns, strict=False)
    }
    *_, third, fourth, last = columns
    height = third.number_input(
        "Patch height", 1, space[0], key=_HEIGHT, help="In pixels, as in the sidebar."
    )
    width = fourth.number_input("Patch width", 1, space[1], key=_WIDTH)
    last.button("Reset to sidebar settings", on_click=_as_in_sidebar, args=(chosen,), width="stretch")
    other = Threat((height, width), threat.space)
    tried = replace(asked, patch_size=other.on_network(framing)).having(settings)
    pages.say("whatif", _written(chosen, tried, other))
    return WhatIf(tried, other, tuple(_differences(chosen, tried, other)))


def filtered(failing: Sequence[Failing], analysis: Analysis) -> list[Failing]:
    """The positions that a person wants to see."""
    rivals = sorted({one.rival for one in failing})
    # A status that was not looked for is nothing to look for.
    statuses = list(dict.fromkeys(filter(None, (status_in_table(analysis, one.status) for one in failing))))
    cases = sorted({str(one.label_case) for one in failing if one.label_case})
    masking = isinstance(analysis.defence, RobustMasking)
    for part, offered in (("rival", rivals), ("status", statuses), ("case", cases)):
        _several(part, offered)
    columns = st.columns(3 if masking else 2)
    by_rival = columns[0].multiselect(
        "Rival",
        rivals,
        format_func=lambda index: analysis.classes[index],
        key="failing-rival",
        placeholder="all",
    )
    by_status = columns[1].multiselect("Status", statuses, key="failing-status", placeholder="all")
    by_case: list[str] = []
    if masking:
        by_case = columns[2].multiselect(
            "Label's case", cases, key="failing-case", placeholder="all", help="In the witness, by Figure 5."
        )
    return [
        one
        for one in failing
        if (not by_rival or one.rival in by_rival)
        and (not by_status or status_in_table(analysis, one.status) in by_status)
        and (not by_case or str(one.label_case) in by_case)
    ]


def _several(part: str, options: Sequence[object]) -> None:
    """Let a filter hold what a link or a person chose of these options."""
    key = f"failing-{part}"
    chosen = pages.linked(part, partial(pages.several, options=options))
    if chosen is None:
        chosen = [one for one in st.session_state.get(key, []) if one in options]
    st.session_state[key] = chosen
    pages.say(part, ":".join(map(pages.said, chosen)))


def _asked(column: DeltaGenerator, parameter: Parameter[Any]) -> Value:
    """The widget of a parameter, and its value."""
    key, title = _key(parameter), _LETTERS.get(parameter.name, parameter.title)
    if parameter.choices is not None:
        return column.selectbox(title, list(parameter.choices), key=key, help=parameter.help)
    if parameter.default is None:
        return column.number_input(
            title, parameter.low, parameter.high, key=key, placeholder="∞", help=parameter.help
        )
    if isinstance(parameter.default, int):
        return column.number_input(
            title, int(parameter.low), int(parameter.high), key=key, help=parameter.help
        )
    return column.slider(
        f"What if {title} were",
        parameter.low,
        parameter.high,
        step=parameter.step,
        key=key,
        help=parameter.help,
    )


def _share(parameter: Parameter[Any]) -> int:
    """How wide the widget of a parameter is, beside the others."""
    return 2 if parameter.default is None and parameter.choices is None else 3


def _key(parameter: Parameter[Any]) -> str:
    return f"whatif-{parameter.name}"


def _as_in_sidebar(chosen: Choices) -> None:
    state, asked = st.session_state, chosen.asked
    for parameter in asked.spec.parameters:
        state[_key(parameter)] = asked[parameter]
    state[_HEIGHT], state[_WIDTH] = chosen.threat.patch_size


def _written(chosen: Choices, tried: DefenceChoice, threat: Threat) -> str:
    """What is not as in the sidebar, as a link says it: threshold:0.04,patch:40x56."""
    parts = [
        f"{pages.said(parameter.name)}:{pages.said(tried[parameter])}"
        for parameter in tried.spec.parameters
        if chosen.asked[parameter] != tried[parameter]
    ]
    if threat != chosen.threat:
        parts.append(f"patch:{pages.said(threat.patch_size)}")
    return ",".join(parts)


def _in_link(chosen: Choices, text: str) -> dict[str, Value]:
    """The values of the widgets that a link says; raises ValueError for what none of them can have."""
    framing = cached.framing(chosen.photo, chosen.choice)
    most = framing.image_size if chosen.threat.space is Space.NETWORK else framing.photo_size
    known = {pages.said(parameter.name): parameter for parameter in chosen.asked.spec.parameters}
    asked = chosen.asked
    found: dict[str, Value] = {_key(parameter): asked[parameter] for parameter in asked.spec.parameters}
    found |= dict(zip((_HEIGHT, _WIDTH), chosen.threat.patch_size, strict=True))
    for part in filter(None, text.split(",")):
        name, _, value = part.partition(":")
        if name == "patch":
            sizes = [
                pages.within(side, 1, end, int) for side, end in zip(value.split("x"), most, strict=True)
            ]
            found |= dict(zip((_HEIGHT, _WIDTH), sizes, strict=True))
        elif name not in known:
            raise ValueError(f"expected a setting of the defence, got {name!r}")
        else:
            found[_key(known[name])] = _value_in_link(known[name], value)
    return found


def _value_in_link(parameter: Parameter[Any], text: str) -> Value:
    if parameter.choices is not None:
        (chosen,) = pages.several(text, parameter.choices)
        return chosen
    if parameter.default is None and text == pages.said(None):
        return None
    return pages.within(
        text, parameter.low, parameter.high, int if isinstance(parameter.default, int) else float
    )


def _differences(chosen: Choices, tried: DefenceChoice, threat: Threat) -> list[str]:
    base = chosen.asked
    pairs = [
        (_named(parameter), _worded(base[parameter]), _worded(tried[parameter]))
        for parameter in base.spec.parameters
    ]
    pairs.append(("patch", "{}x{}".format(*chosen.threat.patch_size), "{}x{}".format(*threat.patch_size)))
    return [f"{name} {before} → {after}" for name, before, after in pairs if before != after]


def _named(parameter: Parameter[Any]) -> str:
    return _LETTERS.get(parameter.name, parameter.title.lower())


def _worded(value: Value) -> str:
    if value is None:
        return "∞"
    return value if isinstance(value, str) else f"{value:g}"
