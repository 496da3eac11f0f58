"""A photo, a network, a patch and a defence by their names: the shortest way to a certificate."""

from pathlib import Path

from PIL import Image

from pg_core.analysis.inputs import configure
from pg_core.analysis.photo import Analysis, examine
from pg_core.defences.registry import defence_spec
from pg_core.defences.spec import Value
from pg_core.geometry import Size
from pg_core.io.parameters import member
from pg_core.io.progress import Report
from pg_core.networks import MODELS, load_model
from pg_core.networks.base import LocalModel
from pg_core.photos.framing import USUAL, Framing, Space, Threat, View, square
from pg_core.photos.inference import extract


def certify(
    photo: Image.Image | Path | str,
    network: LocalModel | str = "tiles",
    patch: str | int | Size = "2%",
    defence: str | None = None,
    label: str | None = None,
    settings: dict[str, Value] | None = None,
    space: Space = Space.NETWORK,
    report: Report | None = None,
    view: View | str = USUAL,
) -> Analysis:
    """A photo, a network, a patch and a defence by name: what is predicted, and what is proved.

    network is a name of `pg_core.MODELS`, or a network; patch a share of the area ("2%"), a side, or (height, width),
    in pixels of the image that the network sees, or with space of the original photo. defence is a name of
    `pg_core.DEFENCES`, by default `usual_defence` of the network; settings are its parameters by name, such as
    {"threshold": 0.2}. view is which part of the photo is seen: "pad" for all of it between grey bars, "centre", or
    the first row and column of a crop in pixels of the photo, as in "12,30"; by default as in the network's training.
    label is the class to certify, by default the defended prediction; report is told the progress of a defence that
    runs the network many times. Raises ValueError for what does not fit, ImageError for a file that is no photo.

    >>> certify("photo.jpg", "imagenette", "2%", "detection", settings={"alert_threshold": 0.9})  # doctest: +SKIP
    """
    model = load_model(network) if isinstance(network, str) else network
    features = extract(photo, model, view)
    threat = threat_of(patch, features.framing, space)
    spec = defence_spec(usual_defence(model) if defence is None else defence)
    config = configure(model, threat.on_network(features.framing), spec.checked(settings or {}))
    return examine(features, spec.build(config), threat, label, model, report=report)


def usual_defence(model: LocalModel) -> str:
    """The name of the defence that certifies most with a network of `pg_core.MODELS`, as far as it was measured; for
    any other network robust masking, which is "mask-ds" for column bands and "masking" else."""
    if model.name in MODELS:
        return MODELS[model.name].defence
    return "mask-ds" if model.receptive_field.wrapping else "masking"


def threat_of(patch: str | int | Size, framing: Framing, space: Space = Space.NETWORK) -> Threat:
    """A patch as `patch_size` takes it, of the image that the network sees, or of the original photo; raises
    ValueError as it does."""
    space = member(Space, space)
    image_size = framing.image_size if space is Space.NETWORK else framing.photo_size
    return Threat(patch_size(patch, image_size), space)


def patch_size(patch: str | int | Size, image_size: Size) -> Size:
    """A patch in pixels (height, width): a share of the image's area as "2%", a side as "32" or 32, or both sides as
    "32x48" or (32, 48). Raises ValueError for another text.

    >>> patch_size("2%", (224, 224)), patch_size(32, (224, 224))
    ((32, 32), (32, 32))
    """
    if isinstance(patch, str):
        try:
            share = float(patch.removesuffix("%")) / 100 if patch.endswith("%") else None
            sides = None if share is not None else [int(side) for side in patch.split("x")]
        except ValueError:
            share, sides = None, []
        if share is not None and 0 < share <= 1:
            return square(share, image_size)
        if sides and len(sides) <= 2:
            return sides[0], sides[-1]
        raise ValueError(f"expected a patch such as '2%', '32' or '32x48', got {patch!r}")
    return patch if isinstance(patch, tuple) else (patch, patch)
