"""What the user has chosen, and the widgets that choose it; the only user of session_state."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.cache import analysis as cached
from app.cache.analysis import Choice, DefenceChoice, Photo
from app.cache.results import measured
from app.markup import in_markdown
from app.state import networks, pages, photos, views
from pg_core.defences.patchguard.certificate import Bound
from pg_core.defences.patchguard.spec import BOUND, THRESHOLD
from pg_core.defences.registry import DEFENCES, defence_spec
from pg_core.defences.spec import CLIP_HIGH, EVIDENCE, Parameter, Value
from pg_core.evidence.types import EVIDENCE_TYPES
from pg_core.geometry import Size
from pg_core.photos.framing import Space, Threat, square
from pg_core.photos.inference import LocalFeatures

_SPACES = {Space.NETWORK: "the image the network sees", Space.PHOTO: "the original photo"}
_CLIPPED = "clipped"
_OF_ONE_PAGE = {"patched", "contents", "seed", "colour", "sticker_of", "label", "shown"}
PER_CENT, PIXELS = "% of the area", "pixels"


@dataclass(frozen=True, slots=True)
class Choices:
    """A photo, a network, an adversary and a defence against it."""

    photo: Photo
    choice: Choice
    threat: Threat
    patch_size: Size
    asked: DefenceChoice

    @property
    def robust_masking(self) -> "Choices":
        """The same with robust masking, for pages that are about it; its settings as far as they were chosen."""
        if THRESHOLD in self.asked.spec.parameters:
            return self
        name = "mask-ds" if cached.described(self.choice).receptive_field.wrapping else "masking"
        parameters = defence_spec(name).parameters
        kept = {parameter.name: _kept(parameter, self.choice) for parameter in parameters}
        return replace(self, asked=DefenceChoice(name, self.patch_size).having(kept))


def sidebar() -> Choices | None:
    """The widgets that all pages share; None while the photo of a link is not here."""
    # A widget that is not shown, on a page or for a defence, would forget its value.
    for key in st.session_state.keys() & _settings():
        st.session_state[key] = st.session_state[key]
    pages.keep(_OF_ONE_PAGE)
    with st.sidebar:
        photo = photos.photo()
        seen = st.container()
        choice = networks.network()
        if photo is None:
            return None
        with seen:
            photo = views.controls(photo, choice)
            st.caption(cached.framing(photo, choice).sentence() or "")
            if cached.transparent(photo):
                st.caption("What is transparent in this photo is seen as white.")
        threat, patch_size = _threat(photo, choice)
        asked = _defence(choice, patch_size)
        st.button("Reset all settings", on_click=_reset, help="Back to the settings the page opened with")
    return Choices(photo, choice, threat, patch_size, asked)


def _settings() -> set[object]:
    """The keys of each network's defence, and of all settings of all defences."""
    names = {parameter.name for spec in DEFENCES.values() for parameter in spec.parameters}
    names |= {_CLIPPED, "defence"}
    return {key for key in st.session_state if str(key).split("-")[0] in names}


def classes(seen: LocalFeatures) -> tuple[str | None, str | None]:
    """The label to certify and the class whose evidence is shown; None for the defended prediction and for
    the label."""
    # Streamlit takes an option None for no choice at all, so the usual one is the empty name.
    names = ["", *cached.order_of_classes(seen)]
    for key in ("label", "shown"):
        if st.session_state.setdefault(key, "") not in names:
            st.session_state[key] = ""
    with st.sidebar:
        st.subheader("Classes")
        label = st.selectbox(
            "Label to certify",
            names,
            format_func=lambda name: name or "the defended prediction",
            key="label",
            help="The claim is that no patch can change the answer from this class.",
        )
        shown = st.selectbox(
            "Evidence shown",
            names,
            format_func=lambda name: name or "of the label",
            key="shown",
            help="Every class has its own map of evidence, and its own detected window.",
        )
    return label or None, shown or None


def certified_label() -> str | None:
    """The label to certify that `classes` asked for; None for what is predicted."""
    return st.session_state.get("label") or None


@contextmanager
def progress(slot: DeltaGenerator, text: str, *key: object) -> Iterator[None]:
    """Say what is going on where the verdict will be, unless it was the last thing done under this text; a
    static text, for an animated one takes a core from the network."""
    done = st.session_state.setdefault("done", {})
    name = "|".join(map(str, key))
    if done.get(text) != name:
        slot.info(text)
    yield
    done[text] = name


def _threat(photo: Photo, choice: Choice) -> tuple[Threat, Size]:
    st.subheader("Adversary's patch")
    space = (
        st.radio(
            "Measured on",
            list(Space),
            format_func=_SPACES.__getitem__,
            key="space",
            help="A patch stuck on the photo before it is resized spreads over its border; the window is "
            "then made larger by exactly that spread.",
        )
        or Space.NETWORK
    )
    framing = cached.framing(photo, choice)
    image = framing.image_size if space is Space.NETWORK else framing.photo_size
    for key, value in (("unit", PER_CENT), ("share", 2.0)):
        st.session_state.setdefault(key, value)
    unit = st.segmented_control("Size in", [PER_CENT, PIXELS], required=True, key="unit")
    if unit == PER_CENT:
        share = st.number_input("Per cent", 0.1, 100.0, step=0.5, key="share")
        size = square(share / 100, image)
    else:
        keys = f"height-{image}", f"width-{image}"
        linked = st.session_state.get("linked-size", square(0.02, image))
        for key, length, most in zip(keys, linked, image, strict=True):
            if st.session_state.get("size-followed") or key not in st.session_state:
                st.session_state[key] = min(length, most)
        st.session_state.pop("size-followed", None)
        left, right = st.columns(2)
        size = (
            left.number_input("Height", 1, image[0], key=keys[0]),
            right.number_input("Width", 1, image[1], key=keys[1]),
        )
    threat = Threat(size, space)
    patch_size = threat.on_network(framing)
    note = f"{size[0]}x{size[1]} pixels"
    if space is Space.PHOTO:
        note += f" of the photo, at most {patch_size[0]}x{patch_size[1]} of what the network sees"
    st.caption(note)
    return threat, patch_size


def _defence(choice: Choice, patch_size: Size) -> DefenceChoice:
    """The defence, and its parameters."""
    st.subheader("Defence")
    fitting, key = cached.applicable(choice, patch_size), f"defence-{choice.model}"
    said = st.session_state.get(key)
    if said not in fitting:
        st.session_state[key] = cached.usual_defence(choice)
        if said is not None:  # by a link, or before the patch was this large
            titles = DEFENCES[said].title, fitting[st.session_state[key]].title
            st.warning("{} does not fit this network and this patch: {} is in its place.".format(*titles))
    name = st.selectbox(
        "Defence",
        list(fitting),
        format_func=lambda name: fitting[name].title,
        label_visibility="collapsed",
        key=key,
        help="Those that fit this network. At first the one that certifies most with it, as far as that was measured "
        "here; else robust masking.",
    )
    spec = fitting[name]
    st.caption(in_markdown(" ".join(filter(None, [spec.sentence, measured(choice.model, name)]))))
    settings = {parameter.name: _asked(parameter, choice) for parameter in spec.parameters}
    if settings.get(BOUND.name) == Bound.PUBLISHED and settings.get(THRESHOLD.name):
        st.warning("The published bound is wrong for T > 0: its certificates claim nothing.")
    window = cached.described(choice).receptive_field.window_size(patch_size)
    st.caption(f"The patch can corrupt a window of at most {window[0]}x{window[1]} local logits.")
    return DefenceChoice(name, patch_size).having(settings)


def _asked(parameter: Parameter[Any], choice: Choice) -> Value:
    """The widget of a parameter, and its value."""
    key = setting_key(parameter, choice)
    st.session_state.setdefault(key, _default(parameter, choice))
    if parameter.choices is not None:
        help_text = parameter.help
        if parameter is EVIDENCE:
            kinds = "; ".join(f"*{kind}*: {kind.help}" for kind in EVIDENCE_TYPES.values())
            help_text = f"{parameter.help[:-1]}: {kinds}."
        return st.selectbox(parameter.title, list(parameter.choices), key=key, help=help_text)
    if parameter is CLIP_HIGH:
        if not st.checkbox("Clip evidence from above (c_h)", key=_CLIPPED):
            return None
        return st.number_input("c_h", parameter.low, parameter.high, key=key, help=parameter.help)
    if isinstance(parameter.default, int):
        return st.number_input(
            parameter.title, int(parameter.low), int(parameter.high), key=key, help=parameter.help
        )
    return st.slider(
        parameter.title, parameter.low, parameter.high, step=parameter.step, key=key, help=parameter.help
    )


def setting_key(parameter: Parameter[Any], choice: Choice) -> str:
    """Where the value of a parameter is kept: of evidence, for each network, since each has its own."""
    return f"{parameter.name}-{choice.model}" if parameter is EVIDENCE else parameter.name


def _default(parameter: Parameter[Any], choice: Choice) -> Value:
    if parameter is EVIDENCE:
        return cached.described(choice).evidence.name
    return 1.0 if parameter is CLIP_HIGH else parameter.default


def _kept(parameter: Parameter[Any], choice: Choice) -> Value:
    """The value of a parameter whose widget is not shown."""
    if parameter is CLIP_HIGH and not st.session_state.get(_CLIPPED):
        return None
    return st.session_state.get(setting_key(parameter, choice), _default(parameter, choice))


def _reset() -> None:
    st.query_params.clear()  # or the address would bring its choices back
    st.session_state.clear()
