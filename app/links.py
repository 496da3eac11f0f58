"""Deep links: the query parameters of the main page say all that is chosen, and nothing that is as it always is.

photo (the name of a sample, or the SHA-256 of a photo that has to be uploaded again), network, checkpoint, space,
size (as 2% or 64x64), defence and its settings (threshold, evidence, clip, bound, alert_threshold, masks_per_axis),
label, class, patch (off, or top,left,height,width), contents (noise:seed, solid:rrggbb, checkerboard, or
sticker:photo:top,left,height,width) and window (row,column).
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

import streamlit as st

from app.cache import analysis as cached
from app.cache import networks as cached_networks
from app.cache.patches import Contents, Motif, Simulation
from app.sidebar import PER_CENT, PIXELS, Choices
from app.state import networks, patch, windows
from pg_core.datasets.folders import SAMPLES
from pg_core.defences.detection import ALERT_THRESHOLD
from pg_core.defences.patchcleanser.pixels import MASKS_PER_AXIS
from pg_core.defences.patchguard.certificate import Bound
from pg_core.defences.patchguard.spec import THRESHOLD
from pg_core.defences.registry import defence_spec
from pg_core.defences.spec import CLIP_HIGH, EVIDENCE, Parameter
from pg_core.evidence.types import EvidenceType
from pg_core.geometry import Box
from pg_core.networks import MODELS, Description
from pg_core.photos.framing import Space

_LETTERS = {CLIP_HIGH.name: "clip"}
"""Settings that are called otherwise in a link."""
_SHOWN = 80
"""Signs of a refused part of a link that are shown."""
_FOLLOWED, _REFUSED, _CLASSES = "link-followed", "link-refused", "link-classes"
AWAITED = "awaited"
"""The SHA-256 of the photo that a link is about, until it is uploaded."""


def follow() -> None:
    """Choose what the link says, once in a session. What it says wrongly is left out, and named by `refused`."""
    if _FOLLOWED in st.session_state:
        return
    st.session_state[_FOLLOWED] = True
    said = st.query_params.to_dict()
    # In this order: what a checkpoint or an evidence is for, is said before it.
    for name, choose in _READERS.items():
        if name in said:
            try:
                choose(said[name])
            except (ValueError, KeyError):
                st.session_state.setdefault(_REFUSED, []).append(_shown(name, said[name]))


def _shown(name: str, text: str) -> str:
    part = f"{name}={text}"
    return part if len(part) <= _SHOWN else f"{part[: _SHOWN - 1]}…"


def refused() -> list[str]:
    """The beginnings of what the link says that means nothing here, once."""
    return st.session_state.pop(_REFUSED, [])


def refused_classes(names: Iterable[str]) -> list[str]:
    """The beginnings of what the link says of classes that are not among these names of the network's, once; what it
    says so is left out."""
    known = {"", *names}
    linked: dict[str, str] = st.session_state.pop(_CLASSES, {})
    wrong = {part: name for part, name in linked.items() if name not in known}
    return [_shown(part, name) for part, name in wrong.items()]


def awaited() -> str | None:
    """The SHA-256 of a photo that the link is about and that is not here."""
    return st.session_state.get(AWAITED)


def write(
    chosen: Choices,
    label: str | None,
    shown: str | None,
    simulation: Simulation | None,
    window: Box | None,
) -> None:
    """Let the address say what is chosen; label, shown and window are None where nobody has chosen one."""
    if awaited() is not None:
        return  # the link goes on asking for its photo
    choice, asked = chosen.choice, chosen.asked
    values = {
        "photo": _photo_name(chosen.photo),
        "network": choice.model if choice.own is None else choice.own.title,
        "checkpoint": choice.checkpoint,
        "space": None if chosen.threat.space is Space.NETWORK else chosen.threat.space.value,
        "size": _size(chosen),
        "defence": None if asked.name == cached.usual_defence(choice) else asked.name,
        **{_LETTERS.get(name, name): value for name, value in _changed(chosen).items()},
        "label": label,
        "class": shown,
        "patch": _place(simulation),
        "contents": None
        if simulation is None or simulation.motif == Motif()
        else _contents(simulation.motif),
        "window": window and f"{window.top},{window.left}",
    }
    said = {name: value for name, value in values.items() if value}
    if st.query_params.to_dict() != said:
        st.query_params.from_dict(said)


def _place(simulation: Simulation | None) -> str | None:
    """Where a person put the patch; that there is none only where a person has said so."""
    if simulation is not None:
        return _numbers(simulation.patch) if patch.placed_by_hand() else None
    return None if patch.wanted() else "off"


def _changed(chosen: Choices) -> dict[str, str]:
    """The settings of the defence that are not as they always are."""
    settings, usual = dict(chosen.asked.settings), cached.described(chosen.choice).evidence.name
    return {
        parameter.name: f"{value:g}" if isinstance(value, float | int) else str(value)
        for parameter in chosen.asked.spec.parameters
        if (value := settings.get(parameter.name)) not in (parameter.default, None)
        and not (parameter is EVIDENCE and value == usual)
    }


def _size(chosen: Choices) -> str:
    if st.session_state["unit"] == PER_CENT:
        return f"{st.session_state['share']:g}%"
    return "{}x{}".format(*chosen.threat.patch_size)


def _photo_name(photo: cached.Photo) -> str:
    return photo.name if photo.name in SAMPLES and cached.sample(photo.name) == photo else photo.digest


def _contents(motif: Motif) -> str:
    match motif.contents:
        case Contents.SOLID:
            return f"solid:{motif.colour.removeprefix('#')}"
        case Contents.CHECKERBOARD:
            return "checkerboard"
        case Contents.STICKER if motif.sticker is not None and motif.cut is not None:
            return f"sticker:{_photo_name(motif.sticker)}:{_numbers(motif.cut)}"
    return f"noise:{motif.seed}"


def _numbers(box: Box) -> str:
    return f"{box.top},{box.left},{box.height},{box.width}"


def _box(text: str) -> Box:
    top, left, height, width = map(_whole, text.split(","))
    return Box(top, left, height, width)


def _whole(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise ValueError(f"expected a whole number of at most 6 digits, got {text!r}")
    return int(text)


def _within(text: str, low: float, high: float) -> float:
    value = float(text)
    if not low <= value <= high:
        raise ValueError(f"expected {low:g} to {high:g}, got {text!r}")
    return value


def _is_digest(text: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{64}", text) is not None


def _read_photo(text: str) -> None:
    if text in SAMPLES:
        st.session_state["sample"] = text
    elif _is_digest(text):
        st.session_state[AWAITED] = text
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
        st.session_state["share"] = _within(text.removesuffix("%"), 0.1, 100.0)
        return
    height, width = map(_whole, text.split("x"))
    if min(height, width) < 1:
        raise ValueError(f"expected a patch of at least 1x1 pixels, got {text!r}")
    st.session_state["unit"] = PIXELS
    st.session_state["linked-size"] = (height, width)


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
        value = _within(text, parameter.low, parameter.high)
        whole = isinstance(parameter.default, int)
        if whole and value != int(value):
            raise ValueError(f"expected a whole number, got {text!r}")
        st.session_state[parameter.name] = int(value) if whole else round(value, 2)

    return choose


def _read_clip(text: str) -> None:
    st.session_state["clip_high"] = _within(text, 0.01, 65536.0)
    st.session_state["clipped"] = True


def _read_patch(text: str) -> None:
    if text == "off":
        st.session_state["patched"] = False
    else:
        box, (height, width) = _box(text), _description().image_size
        if box.bottom > height or box.right > width:
            raise ValueError(f"expected a patch within {height}x{width} pixels, got {text!r}")
        patch.remember(box)


def _read_contents(text: str) -> None:
    kind, *details = text.split(":")
    match kind, details:
        case "noise", [seed]:
            st.session_state["seed"] = int(_within(str(_whole(seed)), 0, 9999))
        case "solid", [colour] if re.fullmatch(r"[0-9a-fA-F]{6}", colour):
            st.session_state["contents"] = Contents.SOLID
            st.session_state["colour"] = f"#{colour}"
        case "checkerboard", []:
            st.session_state["contents"] = Contents.CHECKERBOARD
        case "sticker", [photo, cut]:
            patch.remember_sticker(photo if photo in SAMPLES else None, _digest_of(photo), _box(cut))
        case _:
            raise ValueError(f"expected contents of a patch, got {text!r}")


def _digest_of(photo: str) -> str:
    if photo in SAMPLES:
        return cached.sample(photo).digest
    if not _is_digest(photo):
        raise ValueError(f"expected a sample or a SHA-256, got {photo!r}")
    return photo


def _read_window(text: str) -> None:
    row, column = map(_whole, text.split(","))
    photo = awaited() or _digest_of(st.session_state.get("sample", next(iter(SAMPLES))))
    windows.remember(photo, None, row, column)


def _class(part: str, key: str) -> Callable[[str], None]:
    def choose(text: str) -> None:
        # Whether it is a class is known as soon as the network is.
        st.session_state.setdefault(_CLASSES, {})[part] = text
        st.session_state[key] = text

    return choose


def _keep(key: str, read: Callable[[str], object] = str) -> Callable[[str], None]:
    def choose(text: str) -> None:
        st.session_state[key] = read(text)

    return choose


_READERS: dict[str, Callable[[str], None]] = {
    "photo": _read_photo,
    "network": _read_network,
    "checkpoint": _read_checkpoint,
    "space": _keep("space", Space),
    "size": _read_size,
    "defence": _read_defence,
    "threshold": _read_setting(THRESHOLD),
    "evidence": _read_evidence,
    "clip": _read_clip,
    "bound": _keep("bound", lambda text: Bound(text).value),
    "alert_threshold": _read_setting(ALERT_THRESHOLD),
    "masks_per_axis": _read_setting(MASKS_PER_AXIS),
    "label": _class("label", "label"),
    "class": _class("class", "shown"),
    "patch": _read_patch,
    "contents": _read_contents,
    "window": _read_window,
}
