"""The input of a defence, from the local features of a photo: the one place where networks and defences meet."""

from collections.abc import Mapping

from pg_core.defences.base import Defence, DefenceInput, InputArray
from pg_core.defences.patchcleanser.inference import mean_logits, two_mask_predictions
from pg_core.defences.patchcleanser.pixels import PatchCleanser
from pg_core.defences.registry import spec_of
from pg_core.defences.spec import DefenceConfig, Value
from pg_core.geometry import Size
from pg_core.io.progress import Report
from pg_core.networks.base import LocalModel
from pg_core.photos.inference import LocalFeatures


def configure(
    model: LocalModel, patch_size: Size, settings: Mapping[str, Value] | None = None
) -> DefenceConfig:
    """The configuration that a defence is built for: a network, patches of `patch_size` pixels (height, width) of the
    image that it sees, and settings by the names of parameters. Raises ValueError for a patch without a pixel."""
    # Torch is imported with it.
    from pg_core.defences.interval.from_torch import layers_of

    try:
        layers = layers_of(model)
    except ValueError:
        layers = None  # interval bounds say so themselves
    config = DefenceConfig(
        model.receptive_field,
        model.image_size,
        model.evidence,
        patch_size,
        settings or {},
        layers,
        getattr(model, "head", None),
    )
    config.receptive_field.window_size(patch_size)
    return config


def supply(
    defence: Defence, features: LocalFeatures, model: LocalModel | None = None, report: Report | None = None
) -> tuple[InputArray, float]:
    """The input array of a defence, and the error of its values that certificates must survive: delta of the features,
    or 0 for pixels.

    Local logits and pixels are there already; for two-mask predictions the network runs again for every pair of the
    defence's masks. Raises ValueError if the model is not given then, and for a defence that is not in the registry.
    """
    kind = spec_of(defence).input
    if kind is DefenceInput.LOCAL_LOGITS:
        return features.local_logits, features.delta
    if kind is DefenceInput.PIXELS:
        return features.pixels, 0.0
    if model is None or not isinstance(defence, PatchCleanser):
        raise ValueError(f"expected the network, which runs again for every pair of masks, for {defence}")
    table = two_mask_predictions(mean_logits(model), features.pixels, defence.masks, report=report)
    return table, features.delta
