"""A person's own network out of its file, and which files may come from whom.

Two kinds of file are *programs*: torch.export's (.pt2), of which `torch.export.load` unpickles a part, and
TorchScript's (.ts, .torchscript), whose operators can read and write files. Whoever loads one runs it, so they are
for the operator's own disk. Plain weights (.pth, .pt, .tar, .safetensors) hold no code, and may come from anyone:
they are the base of a tile ensemble, an architecture of torchvision or timm.
"""

import hashlib
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pg_core.geometry import Window, cells
from pg_core.models.network import CheckpointError, Network, State, check_state, load_state, read_state
from pg_core.models.own import Format, OwnNetwork
from pg_core.models.tiles import Tiles

MAX_PARAMETERS = 100_000_000


def bases() -> tuple[str, ...]:
    """The classifiers there are: torchvision's, and timm's where it is installed."""
    from torchvision import models

    names = [f"torchvision/{name}" for name in models.list_models(module=models)]
    if find_spec("timm") is not None:
        import timm

        names += [f"timm/{name}" for name in timm.list_models()]
    return tuple(names)


def load_own(own: OwnNetwork, path: Path) -> Network:
    """The network out of its file, on the CPU. A program is run: the file must be the operator's own.

    Raises CheckpointError for another file than the one described, or one that does not fit what is said of it.
    """
    try:
        digest = sha256_of(path)
    except OSError:
        raise CheckpointError(f"{own.file}: no such file") from None
    if digest != own.sha256:
        raise CheckpointError(f"{own.file}: expected SHA-256 {own.sha256}, got {digest}: describe it again")
    if own.format is Format.TILES:
        base = _classifier(own, path).to(memory_format=torch.channels_last)
        groups = tuple((index,) for index in range(len(own.classes)))
        body: nn.Module = Tiles(base, own.receptive_field, own.side, groups)
    else:
        body = Program(_program(own, path))
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
    """Of the content of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Program(nn.Module):
    """A loaded program as it is: it takes no part in `eval`, `to` and the like, which programs refuse."""

    def __init__(self, run: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self._run = [run]

    def forward(self, images: Float[Tensor, "1 3 height width"]) -> Float[Tensor, "1 classes rows columns"]:
        """What the program says of normalised images."""
        return self._run[0](images)


class ProgramNetwork(Network):
    """A network whose program takes images of one size: a window is computed with everything else blank."""

    def window(
        self, images: Float[Tensor, "1 3 height width"], window: Window
    ) -> Float[Tensor, "1 classes rows columns"]:
        """Local logits of a window of an image that is grey where the window does not see it."""
        size = images.shape[-2], images.shape[-1]
        seen = torch.from_numpy(self.receptive_field.seen(window, size))
        rows, columns = cells(window, self.receptive_field.map_size(size))
        return self(torch.where(seen, images, 0.5))[..., rows, columns]


def _weights(path: Path, name: str) -> State:
    if Path(name).suffix != ".safetensors":
        return read_state(path)
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return {key: tensor.float() for key, tensor in load_file(path).items()}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{name}: not a file of tensors") from error


def _classifier(own: OwnNetwork, path: Path) -> nn.Module:
    """The base with its weights. It is built without memory first: what does not fit costs nothing."""
    if own.base not in bases():
        raise CheckpointError(
            f"expected a classifier of torchvision or of an installed timm, got {own.base!r}"
        )
    with torch.device("meta"):
        sketch = _build(own.base, len(own.classes))
    parameters = sum(value.numel() for value in sketch.state_dict().values())
    if parameters > MAX_PARAMETERS:
        raise CheckpointError(
            f"{own.base}: expected at most {MAX_PARAMETERS:,} parameters, got {parameters:,}"
        )
    state = _weights(path, own.file)
    check_state(sketch, state, own.file)
    if path.stat().st_size < parameters:
        raise CheckpointError(
            f"{own.file}: expected a file with all {parameters:,} values, got a smaller one"
        )
    classifier = _build(own.base, len(own.classes)).eval()
    load_state(classifier, state, own.file)
    return classifier


def _build(base: str, classes: int) -> nn.Module:
    library, name = base.split("/", 1)
    if library == "torchvision":
        from torchvision import models

        # Two of them warn that their initial weights will change one day; ours are replaced at once.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            return models.get_model(name, weights=None, num_classes=classes)
    import timm

    return timm.create_model(name, pretrained=False, num_classes=classes)


def _program(own: OwnNetwork, path: Path) -> Callable[[Tensor], Tensor]:
    try:
        if own.format is Format.EXPORTED:
            return torch.export.load(path).module()
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", FutureWarning
            )  # that TorchScript is deprecated is no news to its user
            return torch.jit.load(path, map_location="cpu").eval()  # type: ignore[no-untyped-call]
    except Exception as error:  # torch fails in any way on files of another kind or version
        raise CheckpointError(
            f"{own.file}: not a program that this torch can load ({type(error).__name__})"
        ) from error
