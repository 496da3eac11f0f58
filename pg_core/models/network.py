"""A torch network as a `LocalModel`, and the door through which hostile checkpoints come (never a pickle)."""

from collections.abc import Mapping
from pathlib import Path
from threading import Lock

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from pg_core.arrays import Evidence
from pg_core.geometry import ReceptiveField, Size
from pg_core.models.local import Pixels

State = Mapping[str, Tensor]


class CheckpointError(ValueError):
    """A file that does not hold the weights of this network; the text says what does not fit."""


class Network(nn.Module):
    """A torch network with local logits: pixels in [0, 1] in, normalised inside.

    Several threads may ask at once; they are served one after the other.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        name: str,
        body: nn.Module,
        classes: tuple[str, ...],
        image_size: Size,
        receptive_field: ReceptiveField,
        evidence: Evidence,
        weights_sha256: str,
        mean: tuple[float, float, float],
        deviation: tuple[float, float, float],
    ) -> None:
        super().__init__()
        self.name = name
        self.body = body
        self.classes = classes
        self.image_size = image_size
        self.receptive_field = receptive_field
        self.evidence = evidence
        self.weights_sha256 = weights_sha256
        self.register_buffer("mean", torch.tensor(mean)[:, None, None])
        self.register_buffer("deviation", torch.tensor(deviation)[:, None, None])
        self._lock = Lock()

    def forward(
        self, pixels: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch classes rows columns"]:
        """Local logits of pixels in [0, 1]."""
        return self.body((pixels - self.mean) / self.deviation)

    def local_logits(self, pixels: Pixels) -> Float32[np.ndarray, "classes rows columns"]:
        """Local logits of one image or crop, in float32 on the network's device."""
        device = next(self.parameters()).device
        with self._lock, torch.inference_mode():
            logits = self(torch.tensor(pixels, device=device)[None])[0]
            return logits.to(torch.float32).cpu().numpy()


def choose_device(name: str | None = None) -> torch.device:
    """cuda, else mps, else cpu; or the one named. Arithmetic that certifies is deterministic and float32.

    Raises ValueError for a device that is not there.
    """
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.ones(1, device=name).cpu()
    except (RuntimeError, AssertionError, ImportError) as error:
        raise ValueError(f"expected a device of this machine, such as cpu, got {name!r}") from error
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    return torch.device(name)


def read_state(path: Path) -> State:
    """The tensors of a checkpoint, under plain keys. The file may be hostile: no code in it is run.

    Accepts a bare state dict or one under `model_state_dict`, `state_dict` or `net`, with or without the
    prefix `module.` of data-parallel training.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"{path.name}: no such file") from None
    except Exception as error:  # on hostile bytes torch fails in any way: IndexError, struct.error
        raise CheckpointError(
            f"{path.name}: not a checkpoint of plain tensors, so it was not loaded"
        ) from error
    for key in ("model_state_dict", "state_dict", "net"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
            break
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise CheckpointError(f"{path.name}: expected a state dict, names with tensors")
    unusable = [str(key) for key, value in content.items() if not _computable(value)]
    if unusable:
        raise CheckpointError(
            f"{path.name}: expected dense tensors of real numbers, but not so {unusable[0]}"
        )
    return {str(key).removeprefix("module."): value for key, value in content.items()}


def _computable(value: Tensor) -> bool:
    return (
        value.layout is torch.strided
        and value.device.type == "cpu"
        and not (value.is_complex() or value.is_quantized)
    )


def load_state(module: nn.Module, state: State, source: str) -> None:
    """Fill a module with the tensors of a checkpoint; the error names what does not fit."""
    expected = module.state_dict()
    counters = {key for key in expected if key.endswith("num_batches_tracked")}
    missing = sorted(expected.keys() - state.keys() - counters)
    unknown = sorted(state.keys() - expected.keys())
    misshapen = [
        f"{key} {tuple(state[key].shape)} instead of {tuple(value.shape)}"
        for key, value in expected.items()
        if key in state and state[key].shape != value.shape
    ]
    problems = [
        f"{len(found)} {what} ({', '.join(found[:3])}{', ...' if len(found) > 3 else ''})"
        for what, found in (
            ("tensors missing", missing),
            ("tensors unknown", unknown),
            ("tensors of another shape", misshapen),
        )
        if found
    ]
    if problems:
        raise CheckpointError(f"{source}: the weights of another network: {'; '.join(problems)}")
    # Only now that the shapes are known: a tensor of a few bytes may claim to have terabytes.
    infinite = [key for key in expected if key in state and not torch.isfinite(state[key]).all()]
    if infinite:
        raise CheckpointError(
            f"{source}: expected finite weights, got NaN or infinite values in {infinite[0]}"
        )
    module.load_state_dict(dict(state), strict=False)
