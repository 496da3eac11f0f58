"""What a defence looks at, out of what a network saw of a photo: the one place where networks and defences meet."""

from collections.abc import Mapping

from pg_core.defences.base import DefenceInput, InputArray
from pg_core.defences.patchcleanser.inference import mean_logits, two_mask_predictions
from pg_core.defences.patchcleanser.pixels import mask_set
from pg_core.defences.spec import DefenceConfig, Value
from pg_core.geometry import Size
from pg_core.io.parameters import member
from pg_core.io.progress import Report
from pg_core.networks.base import LocalModel
from pg_core.photos.inference import LocalFeatures


def configure(
    model: LocalModel, patch_size: Size, settings: Mapping[str, Value] | None = None
) -> DefenceConfig:
    """What a defence is made for: this network, patches of so many pixels (height, width) of the image that it sees,
    and settings by the names of parameters. Raises ValueError for a patch without a pixel."""
    # Torch is imported with it.
    from pg_core.defences.interval.from_torch import layers_of

    try:
        layers = layers_of(model)
    except ValueError:
        layers = None  # interval bounds say so themselves
    config = DefenceConfig(
        model.receptive_field, model.image_size, model.evidence, patch_size, settings or {}, layers
    )
    config.receptive_field.window_size(patch_size)
    return config


def supply(
    kind: DefenceInput,
    features: LocalFeatures,
    model: LocalModel | None,
    config: DefenceConfig,
    report: Report | None = None,
) -> tuple[InputArray, float]:
    """The array that a defence looks at, and the largest error of a value of it.

    Local logits and pixels are there already; for two-mask predictions the network runs again for every pair of masks,
    and must be given. Raises ValueError without it, and for a kind that is none.
    """
    match member(DefenceInput, kind):
        case DefenceInput.LOCAL_LOGITS:
            return features.local_logits, features.delta
        case DefenceInput.PIXELS:
            return features.pixels, 0.0
        case DefenceInput.TWO_MASK_PREDICTIONS:
            if model is None:
                raise ValueError("expected the network, which runs again for every pair of masks")
            masks = mask_set(config)
            return two_mask_predictions(
                mean_logits(model), features.pixels, masks, report=report
            ), features.delta
