"""A person's own network from its file, and which files may come from whom.

Two kinds of file are *programs*: torch.export's (.pt2), of which `torch.export.load` unpickles a part, and
TorchScript's (.ts, .torchscript), whose operators can read and write files. Whoever loads one runs it, so they are for
the operator's own disk. Plain weights (.pth, .pt, .tar, .safetensors) hold no code, and may come from anyone: they are
the base of a tile ensemble, an architecture of torchvision or timm.
"""

import hashlib
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from pg_core.networks.arithmetic import certifying
from pg_core.networks.bodies.tiles import Tiles
from pg_core.networks.network import (
    CheckpointError,
    Network,
    admitted,
    check_state,
    load_state,
    read_state,
)
from pg_core.networks.own import Format, OwnNetwork
from pg_core.networks.programs import ProgramNetwork, load_program, reason

MAX_PARAMETERS = 100_000_000


def bases() -> tuple[str, ...]:
    """The names of the classifiers that can be the base of tiles: torchvision's, and timm's where it is installed."""
    from torchvision import models

    names = [f"torchvision/{name}" for name in models.list_models(module=models)]
    if find_spec("timm") is not None:
        import timm

        names += [f"timm/{name}" for name in timm.list_models()]
    return tuple(names)


def load_own(own: OwnNetwork, path: Path) -> Network:
    """The network from its file, on the CPU. A program is run: the file must be the operator's own.

    Raises CheckpointError for another file than the one described, or one that does not fit its description.
    """
    digest = sha256_of(admitted(path))
    if digest != own.sha256:
        raise CheckpointError(f"{own.file}: expected SHA-256 {own.sha256}, got {digest}: describe it again")
    with certifying(gradients=True):
        if own.format is Format.TILES:
            base = _classifier(own, path).to(memory_format=torch.channels_last)
            groups = tuple((index,) for index in range(len(own.classes)))
            body: nn.Module = Tiles(base, own.receptive_field, own.side, groups)
        else:
            body = load_program(own, path)
        kind = Network if own.format is Format.TILES else ProgramNetwork
        network = kind(
            own.description.name,
            body,
            own.classes,
            own.image_size,
            own.receptive_field,
            own.evidence,
            digest,
            own.mean,
            own.deviation,
            own.part,
        )
        return network.eval().requires_grad_(False)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Weightless(TorchFunctionMode):
    """Weights that are made meanwhile have a shape and no memory. All of a network on the device meta would have no
    numbers either, by which some decide how wide they are."""

    def __torch_function__(
        self,
        func: Callable[..., object],
        types: object,
        args: tuple[object, ...] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        options = dict(kwargs or {})
        if func is torch.empty:
            options["device"] = "meta"
        return func(*args, **options)


def sketch(base: str, classes: int) -> nn.Module:
    """A classifier of `classes` classes without memory for its weights; raises CheckpointError if it cannot be
    built."""
    with _Weightless():
        return _build(base, classes)


def _classifier(own: OwnNetwork, path: Path) -> nn.Module:
    """The base with its weights. It is built without memory first: what does not fit costs nothing."""
    if own.base not in bases():
        raise CheckpointError(
            f"expected a classifier of torchvision or of an installed timm, got {own.base!r}"
        )
    drawn = sketch(own.base, len(own.classes))
    parameters = sum(value.numel() for value in drawn.state_dict().values())
    if parameters > MAX_PARAMETERS:
        raise CheckpointError(
            f"{own.base}: expected at most {MAX_PARAMETERS:,} parameters, got {parameters:,}"
        )
    state = read_state(path)
    check_state(drawn, state, own.file)
    if path.stat().st_size < parameters:
        raise CheckpointError(
            f"{own.file}: expected a file with all {parameters:,} values, got a smaller one"
        )
    classifier = _build(own.base, len(own.classes)).eval()
    load_state(classifier, state, own.file)
    _try(classifier, own)
    return classifier


def _try(classifier: nn.Module, own: OwnNetwork) -> None:
    """Classify one blank tile: some classifiers take one size only, and say so by any kind of error."""
    tile = f"{own.side}x{own.side} pixels"
    try:
        with certifying():
            logits = classifier(torch.zeros(1, 3, own.side, own.side))
    except Exception as error:
        raise CheckpointError(
            f"{own.base}: cannot classify tiles resized to {tile} ({reason(error)}); choose another size"
        ) from error
    if not isinstance(logits, Tensor) or logits.shape != (1, len(own.classes)):
        given = list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise CheckpointError(
            f"{own.base}: expected logits {[1, len(own.classes)]} of a tile of {tile}, got {given}"
        )


def _build(base: str, classes: int) -> nn.Module:
    library, name = base.split("/", 1)
    try:
        if library == "torchvision":
            from torchvision import models

            if name in _INITIALISED:
                return models.get_model(name, weights=None, num_classes=classes, init_weights=False)
            return models.get_model(name, weights=None, num_classes=classes)
        import timm

        return timm.create_model(name, pretrained=False, num_classes=classes)
    except Exception as error:  # a classifier may need a package, or refuse so few classes
        raise CheckpointError(f"{base}: cannot be built ({reason(error)}); choose another one") from error


_INITIALISED = ("googlenet", "inception_v3")
"""They warn that their initial weights will change one day, unless they are told to leave them; ours replace them."""
