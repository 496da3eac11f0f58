"""The network of the sidebar, and the form in which a person describes their own."""

import streamlit as st

from app.cache import networks
from app.cache.analysis import Choice
from app.cache.results import in_brief
from app.markup import in_markdown
from pg_core.evidence.types import EVIDENCE_TYPES, EvidenceType
from pg_core.geometry import ReceptiveField, Size
from pg_core.networks import CIFAR10, IMAGENETTE, MODELS, imagenet_classes
from pg_core.networks.base import Part
from pg_core.networks.own import SUFFIXES, Format, OwnNetwork, format_of, read_card, write_card

_OWN = "own-networks"
_UPLOAD = "upload plain weights"
_PARTS = {
    Part.MIDDLE: "the middle, 224/256 of the short side",
    Part.WHOLE: "all of it, stretched",
}
_NORMALISATIONS = {
    "ImageNet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "CIFAR-10": ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    "[-1, 1]": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "none: [0, 1]": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}
_OTHER = "other"
_CLASSES = ("names", "numbers", "ImageNet", "ImageNette", "CIFAR-10")


def own_networks() -> dict[str, OwnNetwork]:
    """The own networks there are, by title: of the cards in assets/weights, and of this session."""
    found = {own.title: own for own in networks.cards().values() if isinstance(own, OwnNetwork)}
    return found | {title: read_card(card) for title, card in st.session_state.get(_OWN, {}).items()}


def network() -> Choice:
    """The network of the sidebar, out of those that have weights; the others are listed, and cannot be chosen."""
    st.subheader("Network")
    own = own_networks()
    files = networks.checkpoints()
    there = [name for name in MODELS if files or not MODELS[name].needs_checkpoint]
    if st.session_state.get("network") not in (None, *there, *own):
        name = st.session_state["network"]
        title = in_markdown(MODELS[name].title if name in MODELS else str(name))
        st.warning(f"{title} needs a file in assets/weights: another network is in its place.")
        st.session_state["network"] = there[0]
    name = st.selectbox(
        "Network",
        [*there, *own],
        format_func=lambda name: MODELS[name].title if name in MODELS else f"{name} (own)",
        label_visibility="collapsed",
        key="network",
    )
    needing = [MODELS[one].title for one in MODELS if one not in there]
    if needing:
        st.selectbox(
            "Networks that need a file",
            needing,
            index=None,
            placeholder=f"{len(needing)} more need a file",
            disabled=True,
            label_visibility="collapsed",
            help="Published networks whose checkpoints are not shipped. The page Networks says which file each needs.",
        )
    description = MODELS[name] if name in MODELS else own[name].description
    height, width = description.image_size
    rows, columns = description.receptive_field.map_size(description.image_size)
    st.caption(
        f"Sees {height}x{width} pixels; receptive field {description.receptive_field}: "
        f"{rows}x{columns} local logits for each class."
    )
    if name not in MODELS:
        st.caption("Described by its owner; its locality is tested before it is used.")
        return Choice(description.name, own=own[name])
    st.caption("\n\n".join(map(in_markdown, in_brief(name).split("\n\n"))))
    if not description.needs_checkpoint:
        return Choice(name)
    file = st.selectbox("Checkpoint", list(files), key="checkpoint")
    return Choice(name, file, files[file])


def keep(own: OwnNetwork) -> None:
    """Offer a network in the sidebar from now on, in this session."""
    st.session_state[_OWN] = st.session_state.get(_OWN, {}) | {own.title: card(own)}


def card(own: OwnNetwork) -> str:
    """The description as JSON."""
    return write_card(own)


def own_form() -> tuple[OwnNetwork | None, bytes | None]:
    """What a person says of their network, and the uploaded weights if there are any; None until it makes sense."""
    title = st.text_input("Name", "My network", max_chars=60, key="own-title")
    file, sha256, content = _file()
    if file is None:
        return None, None
    tiles = format_of(file) is Format.TILES
    left, right = st.columns(2, gap="large")
    with left:
        image_size = _pair("Image height", "Image width", 224, 224, "own-image")
        field, base, side = _tiles() if tiles else _field()
        evidence = (
            st.selectbox("Evidence", list(EVIDENCE_TYPES), 1, key="own-evidence")
            or EvidenceType.CONFIDENCE.name
        )
        part = (
            st.selectbox(
                "Part of the photo that becomes the image",
                list(Part),
                format_func=_PARTS.__getitem__,
                key="own-part",
            )
            or Part.MIDDLE
        )
    with right:
        mean, deviation = _normalisation()
        classes = _classes()
    try:
        return (
            OwnNetwork(
                title,
                file,
                sha256,
                image_size,
                ReceptiveField(*field),
                classes,
                _three(mean),
                _three(deviation),
                EvidenceType.named(evidence),
                part,
                base,
                side,
            ),
            content,
        )
    except ValueError as error:
        st.error(in_markdown(f"This cannot be: {error}."))
        return None, None


def _file() -> tuple[str | None, str, bytes | None]:
    """The name of the chosen file, its SHA-256, and its content if it was uploaded."""
    files = networks.files()
    chosen = st.selectbox(
        "File",
        [*files, _UPLOAD],
        key="own-file",
        help="Files in assets/weights. Programs are loaded from there only.",
    )
    if chosen != _UPLOAD:
        try:
            return chosen, networks.digest(chosen, files[chosen]), None
        except ValueError as error:
            st.error(in_markdown(f"{error}."))
            return None, "", None
    plain = [suffix[1:] for suffix, kind in SUFFIXES.items() if kind is Format.TILES]
    upload = st.file_uploader(
        "Plain weights of a classifier", type=plain, key="own-upload", max_upload_size=networks.MAX_UPLOAD
    )
    if upload is None:
        return None, "", None
    content = upload.getvalue()
    return upload.name, networks.digest_of(content), content


def _tiles() -> tuple[tuple[Size, Size, Size], str, int]:
    bases = networks.bases()
    base = st.selectbox(
        "Classifier of each tile",
        bases,
        bases.index("torchvision/resnet18"),
        key="own-base",
        help="An architecture of torchvision, or of timm where it is installed, whose weights the file holds.",
    )
    tile, stride, side = st.columns(3)
    size = tile.number_input("Tile, pixels", 1, 1024, 64, key="own-tile")
    step = stride.number_input("Stride, pixels", 1, 1024, 16, key="own-tile-stride")
    resized = side.number_input(
        "Resized to", 1, 1024, 128, key="own-side", help="What the classifier sees of a tile."
    )
    return ((size, size), (step, step), (0, 0)), base, resized


def _field() -> tuple[tuple[Size, Size, Size], str, int]:
    size, stride, offset = st.columns(3)
    r = size.number_input("Receptive field", 1, 4096, 17, key="own-size")
    s = stride.number_input("Stride", 1, 1024, 8, key="own-stride")
    o = offset.number_input(
        "Padding",
        0,
        4096,
        0,
        key="own-offset",
        help="Cell (i, j) sees the pixel rows from i * stride - padding on, as many as the receptive field has.",
    )
    return ((r, r), (s, s), (o, o)), "", 0


def _normalisation() -> tuple[tuple[float, ...], tuple[float, ...]]:
    name = st.selectbox("Normalisation", [*_NORMALISATIONS, _OTHER], key="own-normalisation")
    if name != _OTHER:
        return _NORMALISATIONS[name]
    mean = st.text_input("Means of red, green, blue", "0.5, 0.5, 0.5", key="own-mean")
    deviation = st.text_input("Deviations of red, green, blue", "0.5, 0.5, 0.5", key="own-deviation")
    return _numbers(mean), _numbers(deviation)


def _classes() -> tuple[str, ...]:
    kind = st.selectbox("Classes", _CLASSES, key="own-classes", help="In the order of the network's outputs.")
    if kind == "names":
        text = st.text_area("One name a line", "class A\nclass B", key="own-names")
        return tuple(name.strip() for name in text.splitlines() if name.strip())
    if kind == "numbers":
        count = st.number_input("How many", 2, 25_000, 10, key="own-count")
        return tuple(f"class {index}" for index in range(count))
    if kind == "CIFAR-10":
        return CIFAR10
    names = imagenet_classes()
    return names if kind == "ImageNet" else tuple(names[index] for index in IMAGENETTE)


def _pair(first: str, second: str, height: int, width: int, key: str) -> Size:
    left, right = st.columns(2)
    return (
        left.number_input(first, 1, 1024, height, key=f"{key}-height"),
        right.number_input(second, 1, 1024, width, key=f"{key}-width"),
    )


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(number) for number in text.replace(";", ",").split(","))
    except ValueError:
        return ()


def _three(numbers: tuple[float, ...]) -> tuple[float, float, float]:
    if len(numbers) != 3:
        raise ValueError("expected three numbers, such as 0.5, 0.5, 0.5, for means and for deviations")
    red, green, blue = numbers
    return red, green, blue
