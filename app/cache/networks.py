"""The files in assets/weights and what they are, and a person's own network: loaded, and tested before it is used."""

import hashlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from pg_core.io.progress import Report
from pg_core.networks import MODELS, TRAINED
from pg_core.networks.catalogue import Description
from pg_core.networks.locality import Locality, check_locality
from pg_core.networks.own import Format, OwnNetwork, card_in, format_of
from pg_core.networks.shipped import WEIGHTS
from pg_core.photos.framing import square

if TYPE_CHECKING:
    from pg_core.networks.network import Network
    from pg_core.networks.published import Recognised

CARD = ".network.json"
CHECKPOINTS = (".pth", ".pt", ".tar")
MAX_UPLOAD = 64
"""MB of plain weights from a browser."""

_FORMATS = {
    Format.EXPORTED: "program of torch.export",
    Format.SCRIPTED: "program of TorchScript",
    Format.TILES: "plain weights",
}


def files() -> dict[str, int]:
    """Names of a person's files in assets/weights, and when they were changed (ns)."""
    shipped = {f"{name}.safetensors" for name in TRAINED}
    paths = sorted(path for path in WEIGHTS.glob("*") if path.is_file() and path.name not in shipped)
    return {path.name: path.stat().st_mtime_ns for path in paths if format_of(path.name) is not None}


def checkpoints() -> dict[str, int]:
    """Those that may hold a published checkpoint."""
    return {name: changed for name, changed in files().items() if name.lower().endswith(CHECKPOINTS)}


def checkpoint(name: str) -> Path:
    """The file of a checkpoint; raises ValueError if there is none of this name."""
    if name not in checkpoints():
        raise ValueError(f"{name} is not in assets/weights.")
    return WEIGHTS / name


def inventory() -> list[dict[str, str]]:
    """A row for each file in assets/weights: what it is, and which networks take it, or why none does."""
    described = {own.file: own.title for own in cards().values() if isinstance(own, OwnNetwork)}
    rows = []
    for name, changed in files().items():
        kind = format_of(name)
        what, use = "" if kind is None else _FORMATS[kind], described.get(name, "")
        if name.lower().endswith(CHECKPOINTS):
            found = recognised(name, changed)
            what = found.convention or what
            use = ", ".join([*filter(None, [use]), *(MODELS[model].title for model in found.models)]) or (
                f"none of the published networks: {found.problem}"
            )
        size = f"{(WEIGHTS / name).stat().st_size / 2**20:.1f} MB"
        rows.append({"File": name, "Size": size, "What it is": what, "For": use or "describe it below"})
    for name, own in cards().items():
        use = own.title if isinstance(own, OwnNetwork) else own
        rows.append({"File": name, "Size": "", "What it is": "card of an own network", "For": use})
    return rows


@st.cache_resource(max_entries=64, show_spinner=False)
def recognised(name: str, changed: int) -> "Recognised":
    """Which published networks a file fits; `changed` tells two files of one name apart."""
    from pg_core.networks.published import recognise

    return recognise(WEIGHTS / name)


def cards() -> dict[str, OwnNetwork | str]:
    """The own networks that have a card in assets/weights, by the card's name, or what is wrong with it."""
    found: dict[str, OwnNetwork | str] = {}
    for path in sorted(WEIGHTS.glob(f"*{CARD}")):
        try:
            own = card_in(path)
        except (OSError, ValueError) as error:
            found[path.name] = str(error)
        else:
            same = [name for name, other in found.items() if getattr(other, "title", None) == own.title]
            found[path.name] = f"{same[0]} has this title too: choose another one" if same else own
    return found


@st.cache_resource(max_entries=64, show_spinner=False)
def digest(name: str, changed: int) -> str:
    """SHA-256 of a file in assets/weights; raises ValueError if it cannot be read."""
    from pg_core.networks.loading import sha256_of

    try:
        return sha256_of(WEIGHTS / name)
    except OSError as error:
        raise ValueError(f"{name} cannot be read ({error.strerror})") from error


def digest_of(content: bytes) -> str:
    """SHA-256 of an upload."""
    return hashlib.sha256(content).hexdigest()


@st.cache_resource(max_entries=1, show_spinner=False)
def bases() -> tuple[str, ...]:
    """The classifiers that can be the base of a tile ensemble."""
    from pg_core.networks import loading

    return loading.bases()


@st.cache_resource(max_entries=4, show_spinner=False, hash_funcs={OwnNetwork: repr})
def own_network(own: OwnNetwork, _content: bytes | None = None) -> "Network":
    """A person's network, from assets/weights or from uploaded weights, for which the description's SHA-256 stands.

    Raises ValueError for what does not fit, and for an uploaded program: loading one would run it.
    """
    from pg_core.networks.loading import load_own

    if _content is None:
        if own.file not in files():
            raise ValueError(
                f"{own.file} is not in assets/weights; uploaded weights have to be uploaded again."
            )
        return load_own(own, WEIGHTS / own.file)
    if own.format is not Format.TILES:
        raise ValueError(f"{own.file}: programs are loaded from assets/weights only, never from a browser.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / own.file
        path.write_bytes(_content)
        return load_own(own, path)


def locality(own: OwnNetwork, report: Report | None = None) -> Locality:
    """What the test of a network's locality found; it runs once."""
    found = _found(own)
    if not found:
        found.append(check_locality(own_network(own), report))
    return found[0]


def tested_before(own: OwnNetwork) -> Locality | None:
    """What the test found, if it has run."""
    found = _found(own)
    return found[0] if found else None


@st.cache_resource(max_entries=32, show_spinner=False, hash_funcs={OwnNetwork: repr})
def _found(own: OwnNetwork) -> list[Locality]:
    """Where the result of the test is kept: what is cached may not draw a progress bar."""
    return []


def tested(own: OwnNetwork) -> "Network":
    """A person's network, if it has passed the test of locality; raises ValueError with what the test found."""
    found = locality(own)
    if not found.passed:
        raise ValueError(
            f"{own.title} is not local as described, so nothing can be certified. {found.problem}"
        )
    return own_network(own)


def window_for_two_per_cent(description: Description) -> str:
    """The window of a patch of 2 % of the image, as rows x columns of local logits."""
    patch_size = square(0.02, description.image_size)
    window = description.receptive_field.window_size(patch_size)
    rows, columns = description.receptive_field.map_size(description.image_size)
    height, width = min(window[0], rows), min(window[1], columns)
    return f"{height}x{width}" + (": the whole map" if (height, width) == (rows, columns) else "")
