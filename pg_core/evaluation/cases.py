"""What an evaluation measures: defences against patches of several sizes, with one network.

Not here: the four cases of [PG] Figure 5, see `pg_core.defences.patchguard.cases`.
"""

import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version

from pg_core import __version__
from pg_core.defences.base import Defence, DefenceInput
from pg_core.defences.patchcleanser.masks import MaskSet
from pg_core.defences.patchcleanser.pixels import MASKS_PER_AXIS, mask_set
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.defences.patchguard.spec import THRESHOLD
from pg_core.defences.registry import defence_spec
from pg_core.defences.spec import EVIDENCE, DefenceConfig, DefenceSpec, Value
from pg_core.evaluation.results import Configuration, Setting, Versions
from pg_core.geometry import Size
from pg_core.io.parameters import coerce_fields, whole
from pg_core.networks.base import LocalModel
from pg_core.photos.framing import Threat, frame

_VERSIONS = ("torch", "torchvision", "numpy", "scipy", "pillow")


@dataclass(frozen=True, slots=True)
class EvaluationCase:
    """What is measured: a defence against patches of one size, in pixels of the image that the network sees; for
    PatchCleanser `masks` are those under pairs of which the network runs. `parameters` are all of the defence's, by
    name."""

    patch_size: Size
    name: str
    defence: Defence
    masks: MaskSet | None = None
    parameters: tuple[tuple[str, Value], ...] = ()

    def __post_init__(self) -> None:
        coerce_fields(self)

    @property
    def setting(self) -> Setting:
        """The case in words and numbers, as JSON keeps it."""
        threshold = self.defence.threshold if isinstance(self.defence, RobustMasking) else None
        return Setting(self.patch_size, self.name, threshold, self.defence.claim, str(self.defence))


def evaluation_cases(
    config: DefenceConfig,
    patch_sizes: Sequence[Size],
    names: Sequence[str] | None = None,
    thresholds: Sequence[float] = (0.0,),
) -> tuple[EvaluationCase, ...]:
    """A case for each patch size and each defence, in this order, with the network and the settings of a
    configuration; robust masking, which is the default, with each T.

    Raises ValueError for a defence that does not fit the network, a patch that is larger than its image, and more
    masks along an axis than it has pixels.
    """
    specs = [defence_spec(name) for name in names or (_robust_masking(config),)]
    for patch in patch_sizes:
        Threat(patch).on_network(frame(config.image_size, config.image_size))
    pixels, masks = max(config.image_size), config[MASKS_PER_AXIS]
    if masks > pixels and any(spec.input is DefenceInput.TWO_MASK_PREDICTIONS for spec in specs):
        raise ValueError(
            f"expected at most {pixels} masks per axis, one for each pixel of the image, got {masks}"
        )
    return tuple(
        _case(spec, _with(config, patch, threshold))
        for patch in patch_sizes
        for spec in specs
        for threshold in (thresholds if THRESHOLD in spec.parameters else (0.0,))
    )


def _case(spec: DefenceSpec, config: DefenceConfig) -> EvaluationCase:
    masks = mask_set(config) if spec.input is DefenceInput.TWO_MASK_PREDICTIONS else None
    parameters: dict[str, Value] = {own.name: config[own] for own in spec.parameters}
    if EVIDENCE.name in parameters:
        parameters[EVIDENCE.name] = config.evidence_type.name
    return EvaluationCase(
        config.patch_size, spec.name, spec.build(config), masks, tuple(sorted(parameters.items()))
    )


def _with(config: DefenceConfig, patch_size: Size, threshold: float) -> DefenceConfig:
    settings = {**dict(config.settings), THRESHOLD.name: threshold}
    return replace(config, patch_size=patch_size, settings=settings)


def _robust_masking(config: DefenceConfig) -> str:
    return "mask-ds" if config.receptive_field.wrapping else "masking"


def checked_top(top: Sequence[int], cases: Sequence[EvaluationCase], classes: int) -> tuple[int, ...]:
    """The k of top-k accuracies, each once and the smallest first. Raises ValueError for a k out of [1, classes], and
    for a defence that ranks no classes."""
    for k in top:
        if not 1 <= whole(k, "k") <= classes:
            raise ValueError(f"expected 1 <= k <= {classes} classes, got {k}")
    for case in cases if top else ():
        if not defence_spec(case.name).ranks(case.defence):
            raise ValueError(
                f"expected a defence that ranks the classes for the best k, got {case.defence}: choose robust "
                "masking at T = 0, CBN or de-randomized smoothing"
            )
    return tuple(sorted(set(top)))


def network_runs(cases: Sequence[EvaluationCase]) -> int:
    """The number of runs of the network for each photo, without those on a few cells from which delta is estimated."""
    counts = [case.masks.count for case in cases if case.masks is not None]
    return 1 + sum(count * (count + 1) // 2 for count in counts)


def configure_run(
    model: LocalModel, cases: Sequence[EvaluationCase], weights_sha256: str | None
) -> Configuration:
    """All that an outcome depends on besides the photo."""
    return Configuration(
        model.name,
        model.classes,
        model.image_size,
        model.receptive_field,
        weights_sha256,
        tuple(case.setting for case in cases),
        versions(),
        getattr(model, "device", None),
    )


def versions() -> Versions:
    """Those of pg_core, Python and the libraries that a result depends on."""
    return (
        ("pg_core", __version__),
        ("python", platform.python_version()),
        *((name, version(name)) for name in _VERSIONS),
    )


def check_versions(expected: Versions) -> None:
    """Raise ValueError, which names the first difference, unless the versions here are those that rows are recorded
    under."""
    here = dict(versions())
    for name, version_there in expected:
        if here.get(name) != version_there:
            raise ValueError(
                f"expected {name} {version_there} on every machine, got {here.get(name)}: install the same versions"
            )
