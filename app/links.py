"""One address for everything: each choice of each page is a part of it, and what is as it always is takes no room.

photo (the name of a sample, or the SHA-256 of a person's own), frame (what is seen of it: pad, centre, or the top,left
pixel of a crop), copy (of the photo of a link: the verdict of the original), network, checkpoint, space, size (as 2%
or 64x64), defence and its settings (threshold, evidence, clip, bound, alert_threshold, masks_per_axis), label, class,
patch (off, or top,left,height,width), contents (`app.link_contents`), window (row,column), board, and what is chosen
on one page alone (`app.state.pages`). The address is the same on every page, so that a change of page is one step back
in the browser, as every choice is.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from app import link_contents
from app.cache import analysis as cached
from app.cache import networks as cached_networks
from app.cache.analysis import Choice
from app.cache.patches import Contents
from app.link_contents import box_of, numbers, photo_name, whole, within
from app.sidebar import PER_CENT, PIXELS, Choices
from app.state import board, copies, networks, pages, patch, photos, views, windows
from pg_core.datasets.folders import SAMPLES
from pg_core.defences.base import Verdict
from pg_core.defences.detection import ALERT_THRESHOLD
from pg_core.defences.patchcleanser.pixels import MASKS_PER_AXIS
from pg_core.defences.patchguard.certificate import Bound
from pg_core.defences.patchguard.spec import THRESHOLD
from pg_core.defences.registry import defence_spec
from pg_core.defences.spec import CLIP_HIGH, EVIDENCE, Parameter
from pg_core.evidence.types import EvidenceType
from pg_core.networks import MODELS, Description
from pg_core.photos.framing import Space, View

_LETTERS = {CLIP_HIGH.name: "clip"}
"""Settings that are called otherwise in a link."""
_SHOWN = 80
"""Signs of a refused part of a link that are shown."""
_ADDRESS, _REFUSED, _CLASSES = "address", "link-refused", "link-classes"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the address: `read` chooses what it says, and raises ValueError or KeyError where that means nothing;
    `forget` chooses what is as always, where a link that is gone back to has no such part; `write` is what it says of
    the choices, None where that is as always."""

    name: str
    read: Callable[[str], None]
    forget: Callable[[], None]
    write: Callable[[Choices], str | None]


def follow() -> None:
    """Choose what the link says, at the beginning of a session and when a person goes back or forward in the browser.
    What it says wrongly is left out, and named by `refused`."""
    first, said = _ADDRESS not in st.session_state, st.query_params.to_dict()
    if not first and not (_gone_back() and said):
        return
    st.session_state[_ADDRESS] = said
    for part in PARTS:
        if part.name in said:
            try:
                part.read(said[part.name])
            except (ValueError, KeyError):
                st.session_state.setdefault(_REFUSED, []).append(_shown(part.name, said[part.name]))
        elif not first:
            part.forget()


def _gone_back() -> bool:
    """Whether this run answers Back or Forward; a Streamlit that does not tell them (1.61) changes the address alone.
    An address that is merely late, from a browser that was busy, is none: it would undo what a person has done since.
    """
    return bool(getattr(get_script_run_ctx(suppress_warning=True), "is_history_navigation", False))


def write(chosen: Choices | None) -> None:
    """Let the address say what is chosen. While the photo of a link is not here, the link goes on asking for it."""
    if chosen is not None:
        _let_it_say(of(chosen))


def of(chosen: Choices) -> dict[str, str]:
    """What the address will say of the choices, by the names of its parts."""
    return {part.name: text for part in PARTS if (text := part.write(chosen))}


def write_page() -> None:
    """The same for what is chosen on one page alone, in a part of the page that runs by itself."""
    others = {name: text for name, text in st.session_state.get(_ADDRESS, {}).items() if name not in _ALONE}
    _let_it_say(others | {name: text for name, of in _ALONE.items() if (text := of())})


def address() -> dict[str, str]:
    """What the address says, by the names of its parts."""
    return st.session_state.get(_ADDRESS, {})


def _let_it_say(values: dict[str, str]) -> None:
    pages.remember()
    st.session_state[_ADDRESS] = values
    if st.query_params.to_dict() != values:
        st.query_params.from_dict(values)


def _shown(name: str, text: str) -> str:
    part = f"{name}={text}"
    return part if len(part) <= _SHOWN else f"{part[: _SHOWN - 1]}…"


def refused() -> list[str]:
    """The beginnings of what the link says that means nothing here, once."""
    return [*st.session_state.pop(_REFUSED, []), *views.refused()]


def refused_classes(names: Iterable[str]) -> list[str]:
    """The beginnings of what the link says of classes that are not among these names of the network's, once; what it
    says so is left out."""
    known = {"", *names}
    linked: dict[str, str] = st.session_state.pop(_CLASSES, {})
    wrong = {part: name for part, name in linked.items() if name not in known}
    return [_shown(part, name) for part, name in wrong.items()]


def _place(chosen: Choices) -> str | None:
    """Where a person put the patch; that there is none only where a person has said so."""
    if not patch.wanted():
        return "off"
    by_hand = patch.by_hand(cached.described(chosen.choice).image_size, chosen.patch_size)
    return None if by_hand is None else numbers(by_hand)


def _setting(name: str, chosen: Choices) -> str | None:
    """A setting of the defence, if it is not as always."""
    for parameter in chosen.asked.spec.parameters:
        if parameter.name == name:
            value = dict(chosen.asked.settings).get(name)
            usual = cached.described(chosen.choice).evidence.name if parameter is EVIDENCE else None
            if value in (parameter.default, usual, None):
                return None
            return f"{value:g}" if isinstance(value, float | int) else str(value)
    return None


def _size(chosen: Choices) -> str:
    if st.session_state["unit"] == PER_CENT:
        return f"{st.session_state['share']:g}%"
    return "{}x{}".format(*chosen.threat.patch_size)


def _read_photo(text: str) -> None:
    if text in SAMPLES:
        photos.choose_sample(text)
    elif photos.is_digest(text):
        photos.wait_for(text)
    else:
        raise ValueError(f"expected a sample or a SHA-256, got {text!r}")


def _read_network(text: str) -> None:
    st.session_state["network"] = {name: name for name in (*MODELS, *networks.own_networks())}[text]


def _read_checkpoint(text: str) -> None:
    if text not in cached_networks.checkpoints():
        raise ValueError(f"expected a file in assets/weights, got {text!r}")
    st.session_state["checkpoint"] = text


def _read_size(text: str) -> None:
    if text.endswith("%"):
        st.session_state["share"] = within(text.removesuffix("%"), 0.1, 100.0)
        st.session_state["unit"] = PER_CENT
        return
    height, width = map(whole, text.split("x"))
    if min(height, width) < 1:
        raise ValueError(f"expected a patch of at least 1x1 pixels, got {text!r}")
    st.session_state["unit"] = PIXELS
    st.session_state["linked-size"] = (height, width)
    st.session_state["size-followed"] = True


def _description() -> Description:
    """What is known of the network that the link names, or of the first one."""
    model = st.session_state.get("network", next(iter(MODELS)))
    return MODELS[model] if model in MODELS else networks.own_networks()[model].description


def _read_evidence(text: str) -> None:
    st.session_state[f"evidence-{_description().name}"] = EvidenceType.named(text).name


def _read_defence(text: str) -> None:
    st.session_state[f"defence-{_description().name}"] = defence_spec(text).name


def _read_setting(parameter: Parameter[Any]) -> Callable[[str], None]:
    """A number in the range of a parameter; a slider's, on its steps."""

    def choose(text: str) -> None:
        value = within(text, parameter.low, parameter.high)
        counted = isinstance(parameter.default, int)
        if counted and value != int(value):
            raise ValueError(f"expected a whole number, got {text!r}")
        st.session_state[parameter.name] = int(value) if counted else round(value, 2)

    return choose


def _read_clip(text: str) -> None:
    st.session_state["clip_high"] = within(text, 0.01, 65536.0)
    st.session_state["clipped"] = True


def _read_patch(text: str) -> None:
    if text == "off":
        st.session_state["patched"] = False
    else:
        box, (height, width) = box_of(text), _description().image_size
        if box.bottom > height or box.right > width:
            raise ValueError(f"expected a patch within {height}x{width} pixels, got {text!r}")
        st.session_state["patched"] = True
        patch.remember(box)


def _read_window(text: str) -> None:
    row, column = map(whole, text.split(","))
    windows.remember(photos.digest(), None, row, column)


def _class(part: str, key: str) -> Callable[[str], None]:
    def choose(text: str) -> None:
        # Whether it is a class is known as soon as the network is.
        st.session_state.setdefault(_CLASSES, {})[part] = text
        st.session_state[key] = text

    return choose


def _read_copy(text: str) -> None:
    copies.receive(photos.digest(), None if text == copies.UNKNOWN else Verdict(text))


def _keep(key: str, read: Callable[[str], object] = str) -> Callable[[str], None]:
    def choose(text: str) -> None:
        st.session_state[key] = read(text)

    return choose


def _as_always(**values: object) -> Callable[[], None]:
    def forget() -> None:
        for key, value in values.items():
            st.session_state[key] = value

    return forget


def _usual_defence() -> None:
    known = _description()
    st.session_state[f"defence-{known.name}"] = known.defence


def _usual_evidence() -> None:
    known = _description()
    st.session_state[f"evidence-{known.name}"] = known.evidence.name


def _stay() -> None:
    """Nothing: every address has this part, or it follows from another."""


def _of_page(name: str) -> Part:
    return Part(name, partial(pages.follow, name), partial(pages.forget, name), lambda _: pages.text_of(name))


def _of_setting(parameter: Parameter[Any]) -> Part:
    forget = _as_always(**{parameter.name: parameter.default})
    return Part(parameter.name, _read_setting(parameter), forget, partial(_setting, parameter.name))


def _network(choice: Choice) -> str:
    return choice.model if choice.own is None else choice.own.title


def _defence(chosen: Choices) -> str | None:
    return None if chosen.asked.name == cached.usual_defence(chosen.choice) else chosen.asked.name


PARTS: tuple[Part, ...] = (
    # In this order: what a checkpoint or an evidence is for, is said before it.
    Part("photo", _read_photo, _stay, lambda chosen: photo_name(chosen.photo)),
    Part(
        "frame",
        lambda text: views.remember(photos.digest(), View.named(text)),
        lambda: views.forget(photos.digest()),
        lambda chosen: views.in_link(chosen.photo),
    ),
    Part("copy", _read_copy, _stay, copies.in_link),
    Part("network", _read_network, _stay, lambda chosen: _network(chosen.choice)),
    Part("checkpoint", _read_checkpoint, _stay, lambda chosen: chosen.choice.checkpoint),
    Part(
        "space",
        _keep("space", Space),
        _as_always(space=Space.NETWORK),
        lambda chosen: None if chosen.threat.space is Space.NETWORK else chosen.threat.space.value,
    ),
    Part("size", _read_size, _as_always(unit=PER_CENT, share=2.0), _size),
    Part("defence", _read_defence, _usual_defence, _defence),
    _of_setting(THRESHOLD),
    Part("evidence", _read_evidence, _usual_evidence, partial(_setting, EVIDENCE.name)),
    Part("clip", _read_clip, _as_always(clipped=False), partial(_setting, CLIP_HIGH.name)),
    Part(
        "bound",
        _keep("bound", lambda text: Bound(text).value),
        _as_always(bound=Bound.SOUND.value),
        partial(_setting, "bound"),
    ),
    _of_setting(ALERT_THRESHOLD),
    _of_setting(MASKS_PER_AXIS),
    Part("label", _class("label", "label"), _as_always(label=""), lambda _: st.session_state.get("label")),
    Part("class", _class("class", "shown"), _as_always(shown=""), lambda _: st.session_state.get("shown")),
    Part("patch", _read_patch, patch.as_usual, _place),
    Part(
        "contents",
        link_contents.follow,
        _as_always(contents=Contents.NOISE, seed=0),
        lambda _: link_contents.in_link(),
    ),
    Part("window", _read_window, windows.forget, lambda chosen: windows.in_link(chosen.photo.digest)),
    Part("board", board.follow_link, board.start, lambda _: board.in_link()),
    *map(_of_page, pages.NAMES),
)
_ALONE: dict[str, Callable[[], str | None]] = {
    "board": board.in_link,
    **{name: partial(pages.text_of, name) for name in pages.NAMES},
}
"""Parts that one page alone has."""
