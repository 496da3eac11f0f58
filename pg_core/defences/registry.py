"""The defences by name, in the order in which they are offered. To add one, write its `DefenceSpec` and one line."""

from pg_core.defences import bounded, detection, smoothing, undefended
from pg_core.defences.base import Defence
from pg_core.defences.interval import bounds
from pg_core.defences.patchcleanser import features, head, pixels
from pg_core.defences.patchguard import spec as patchguard
from pg_core.defences.spec import DefenceConfig, DefenceSpec
from pg_core.io.parameters import shown

DEFENCES: dict[str, DefenceSpec] = {
    spec.name: spec
    for spec in (
        undefended.SPEC,
        patchguard.MASK_BN,
        patchguard.MASK_DS,
        bounded.SPEC,
        smoothing.SPEC,
        detection.SPEC,
        bounds.SPEC,
        features.SPEC,
        head.SPEC,
        pixels.SPEC,
    )
}


def defence_spec(name: object) -> DefenceSpec:
    """The description of the defence of this name; raises ValueError for any other name."""
    if isinstance(name, str) and name in DEFENCES:
        return DEFENCES[name]
    raise ValueError(f"expected one of {', '.join(DEFENCES)}, got {shown(name)}")


def spec_of(defence: Defence) -> DefenceSpec:
    """The description of a defence; raises ValueError for one that is not in the registry."""
    for spec in DEFENCES.values():
        if spec.describes(defence):
            return spec
    raise ValueError(f"expected a defence out of {', '.join(DEFENCES)}, got {shown(defence)}")


def build(name: str, config: DefenceConfig) -> Defence:
    """The defence of a name for a network, a patch and settings; raises ValueError, one sentence, if it does not fit
    the network, or if a setting is out of range."""
    return defence_spec(name).build(config)
