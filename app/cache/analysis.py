"""Names and values in, results of pg_core out; the only package that caches.

Keys are names, content hashes and frozen values, never arrays. What one person uploads is found again only by
someone with the same bytes: the hash of the content is the key.
"""

import gc
import hashlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st
from PIL import Image

from app.cache import networks
from pg_core.analysis.inputs import configure, supply
from pg_core.analysis.photo import Analysis, examine
from pg_core.datasets.folders import sample_path
from pg_core.defences.base import Defence, DefenceInput, InputArray
from pg_core.defences.patchcleanser.masks import MaskSet
from pg_core.defences.patchcleanser.pixels import mask_set
from pg_core.defences.patchguard.witness import WindowStatus, Witness
from pg_core.defences.registry import DEFENCES, defence_spec
from pg_core.defences.spec import DefenceConfig, DefenceSpec, Parameter, Value, ValueT
from pg_core.geometry import Size, Window
from pg_core.io.progress import Report
from pg_core.networks import MODELS, Description, load_model
from pg_core.networks.own import OwnNetwork
from pg_core.networks.shipped import read_card
from pg_core.photos import read as images
from pg_core.photos.framing import USUAL, Framing, Threat, View
from pg_core.photos.framing import frame as framing_of
from pg_core.photos.inference import LocalFeatures, extract

if TYPE_CHECKING:
    from pg_core.networks.network import Network


MOST_COPIED = 64_000
"""Bytes of the copy of a photo in a link."""


@dataclass(frozen=True, slots=True)
class Photo:
    """The bytes of a photo that has been decoded once without an error, their SHA-256, its pixels (height, width), and
    what of it a network is to see."""

    name: str
    digest: str
    data: bytes
    size: Size
    view: View = USUAL


@dataclass(frozen=True, slots=True)
class Choice:
    """A network by its name and, where it needs one, the name of a checkpoint in assets/weights, with the time
    (ns) at which the file was changed: another file of the same name is another network. Or a person's own."""

    model: str
    checkpoint: str | None = None
    changed: int = 0
    own: OwnNetwork | None = None


@dataclass(frozen=True, slots=True)
class DefenceChoice:
    """A defence by its name, against patches of `patch_size` pixels of the image that the network sees, with settings
    by the names of its parameters; one that is not set has its default."""

    name: str
    patch_size: Size
    settings: tuple[tuple[str, Value], ...] = ()

    @property
    def spec(self) -> DefenceSpec:
        return defence_spec(self.name)

    def __getitem__(self, parameter: Parameter[ValueT]) -> ValueT:
        return parameter.checked(dict(self.settings).get(parameter.name, parameter.default))

    def having(self, settings: Mapping[str, Value]) -> "DefenceChoice":
        """The same with other values of some settings."""
        return replace(self, settings=tuple(sorted({**dict(self.settings), **settings}.items())))


BY_DIGEST: dict[str | type[Any], Callable[[Any], Any]] = {
    Photo: lambda photo: (photo.digest, str(photo.view)),
    # What a type of evidence is made by are functions; its name says as much.
    Choice: repr,
    DefenceConfig: lambda config: (repr(config), repr(config.network)),
}
"""How caches tell photos, networks and defences apart."""


def uploaded(name: str, data: bytes) -> Photo:
    """A photo out of a person's file; raises ImageError, one sentence, if it is none."""
    digest = hashlib.sha256(data).hexdigest()
    return Photo(name, digest, data, reduced(digest, data).size)


@st.cache_data(max_entries=16, show_spinner=False)
def sample(name: str) -> Photo:
    """A photo out of an installed package."""
    return uploaded(name, sample_path(name).read_bytes())


@st.cache_resource(max_entries=16, show_spinner=False)
def reduced(digest: str, _data: bytes) -> images.Reduced:
    """The photo with this digest, made small to be shown, and its own size. The full photo is not kept: it may take
    200 MB, and decoding it takes a good part of a second."""
    return images.reduced(_data)


def transparent(photo: Photo) -> bool:
    """Whether any of a photo is transparent."""
    return reduced(photo.digest, photo.data).transparent


@st.cache_data(max_entries=8, show_spinner=False, hash_funcs=BY_DIGEST)
def small_copy(photo: Photo, choice: Choice) -> bytes:
    """What the network sees of a photo, as a JPEG file of at most `MOST_COPIED` bytes; no pixel of it is made up, but
    JPEG changes them a little, the more the smaller the file."""
    description = described(choice)
    seen = images.framed(photo.data, description.image_size, description.part, photo.view)
    pixels = np.rint(255 * seen.pixels).astype(np.uint8).transpose(1, 2, 0)
    for quality in range(95, 0, -10):
        data = io.BytesIO()
        Image.fromarray(pixels).save(data, "JPEG", quality=quality, subsampling=0 if quality > 80 else 2)
        if data.tell() <= MOST_COPIED:
            break
    return data.getvalue()


def described(choice: Choice) -> Description:
    """What is known of a network before it is loaded."""
    return MODELS[choice.model] if choice.own is None else choice.own.description


def framing(photo: Photo, choice: Choice) -> Framing:
    """Which part of a photo a network sees; raises ValueError where that leaves the photo."""
    description = described(choice)
    return framing_of(photo.size, description.image_size, description.part, photo.view)


@st.cache_resource(max_entries=4, show_spinner=False, hash_funcs=BY_DIGEST)
def network(choice: Choice) -> "Network":
    """The network, loaded once for all sessions; raises ValueError if its weights do not fit, or if a person's own
    network has not passed the test of locality, without which nothing is certified."""
    if choice.own is not None:
        loaded = networks.tested(choice.own)
    elif choice.checkpoint is None:
        loaded = load_model(choice.model)
    else:
        loaded = load_model(choice.model, weights=networks.checkpoint(choice.checkpoint))
    _spare_torch_from_collections()
    return loaded


@st.cache_resource(max_entries=16, show_spinner=False, hash_funcs=BY_DIGEST)
def features(photo: Photo, choice: Choice) -> LocalFeatures:
    """What the network sees of a photo; the network runs once."""
    return extract(photo.data, network(choice), photo.view)


def applicable(choice: Choice, patch_size: Size) -> dict[str, DefenceSpec]:
    """The defences that fit a network, by name; it need not be loaded for it."""
    known, usual = described(choice), usual_defence(choice)
    shipped = known.trained and choice.own is None and choice.checkpoint is None
    head = read_card(choice.model).head if shipped else None
    config = DefenceConfig(known.receptive_field, known.image_size, known.evidence, patch_size, head=head)
    fitting = {}
    for name, spec in DEFENCES.items():
        try:
            spec.build(config)
        except ValueError:
            if name != usual:  # interval bounds ask for the layers, which are not loaded yet
                continue
        fitting[name] = spec
    return fitting


def usual_defence(choice: Choice) -> str:
    """The sound defence that certified most with a network where it was measured; else robust masking."""
    return described(choice).defence


def config(choice: Choice, asked: DefenceChoice) -> DefenceConfig:
    """What a defence is made for; the network must be there."""
    return configure(network(choice), asked.patch_size, dict(asked.settings))


@st.cache_resource(max_entries=64, show_spinner=False, hash_funcs=BY_DIGEST)
def defence(choice: Choice, asked: DefenceChoice) -> Defence:
    """The defence; raises ValueError, one sentence, if it does not fit the network."""
    return asked.spec.build(config(choice, asked))


@st.cache_resource(max_entries=16, show_spinner=False, hash_funcs=BY_DIGEST)
def two_mask_predictions(photo: Photo, choice: Choice, masks: MaskSet) -> list[InputArray]:
    """Where the predictions under pairs of masks are kept: what is cached may not draw a progress bar."""
    return []


def run_pairs(photo: Photo, choice: Choice, asked: DefenceChoice, report: Report) -> None:
    """Run the network under every pair of masks, for PatchCleanser, unless it has been."""
    tried = two_mask_predictions(photo, choice, mask_set(config(choice, asked)))
    if not tried:
        values, _ = supply(defence(choice, asked), features(photo, choice), network(choice), report)
        tried.append(values)


def pairs_needed(photo: Photo, choice: Choice, asked: DefenceChoice) -> int:
    """How often the network has to run before an analysis; 0 where it has, or need not."""
    if asked.spec.input is not DefenceInput.TWO_MASK_PREDICTIONS:
        return 0
    masks = mask_set(config(choice, asked))
    return 0 if two_mask_predictions(photo, choice, masks) else masks.count * (masks.count + 1) // 2


def analysis(
    photo: Photo, choice: Choice, asked: DefenceChoice, threat: Threat, label: str | None
) -> Analysis:
    """Prediction, masks and certificate of a photo; the network does not run again. Raises ValueError where it would
    have to (`pairs_needed`)."""
    pairs = None
    if asked.spec.input is DefenceInput.TWO_MASK_PREDICTIONS:
        masks = mask_set(config(choice, asked))
        pairs = next(iter(two_mask_predictions(photo, choice, masks)), None)
    return _analysis(photo, choice, asked, threat, label, pairs)


@st.cache_resource(max_entries=16, show_spinner=False, hash_funcs=BY_DIGEST)
def _analysis(
    photo: Photo,
    choice: Choice,
    asked: DefenceChoice,
    threat: Threat,
    label: str | None,
    _pairs: InputArray | None,
) -> Analysis:
    seen = features(photo, choice)
    return examine(seen, defence(choice, asked), threat, label, values=_pairs)


def window_status(clean: Analysis, window: Window) -> tuple[WindowStatus, Witness | None]:
    """What is known of a malicious window, with the witness that is its feature-space counterexample."""
    return clean.witness(window)


def order_of_classes(seen: LocalFeatures) -> list[str]:
    """All classes, those with the largest mean logits first."""
    means = seen.local_logits.mean(axis=(1, 2))
    return [seen.classes[index] for index in np.argsort(-means, kind="stable")]


@cache
def _spare_torch_from_collections() -> None:
    """What torch brought stays for good: collections would walk it in vain each time."""
    gc.collect()
    gc.freeze()
