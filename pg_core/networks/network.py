"""A torch network as a `LocalModel`, and the reading of checkpoints, which may be hostile (no pickled code is run)."""

import json
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from pickle import UnpicklingError
from threading import Lock
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from pg_core.evidence.head import MaskingHead
from pg_core.evidence.types import EvidenceType
from pg_core.geometry import ReceptiveField, Size, Window
from pg_core.io.files import UnreadableError, regular
from pg_core.io.parameters import member
from pg_core.networks.arithmetic import certifying
from pg_core.networks.base import Part, Pixels, check_pixels
from pg_core.networks.conventions import LEFT_OUT, listed, short, unpacked
from pg_core.networks.pickles import unexpected

State = Mapping[str, Tensor]

_NOT_PLAIN = "not a checkpoint of plain tensors, so it was not loaded"
MAX_BYTES = 2**30
"""Larger checkpoints are refused unread, packed or not: a file of a few bytes must not fill the memory."""


class CheckpointError(ValueError):
    """A file that does not hold the weights of this network; the text says what does not fit."""


class Network(nn.Module):
    """A torch network with local logits: pixels in [0, 1] in, normalised inside.

    Several threads may use it; they wait for one another, but not for those that use a copy.
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
        evidence: EvidenceType,
        weights_sha256: str,
        mean: tuple[float, float, float],
        deviation: tuple[float, float, float],
        part: Part = Part.MIDDLE,
    ) -> None:
        super().__init__()
        self.name = name
        self.body = body
        self.classes = classes
        self.image_size = image_size
        self.receptive_field = receptive_field
        self.evidence = EvidenceType.named(evidence)
        self.weights_sha256 = weights_sha256
        self.part = member(Part, part)
        self.head: MaskingHead | None = None
        self.register_buffer("mean", torch.tensor(mean)[:, None, None])
        self.register_buffer("deviation", torch.tensor(deviation)[:, None, None])
        self._lock = Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._lock = Lock()

    @property
    def device(self) -> str:
        """Where it computes, in words: cpu, mps, or cuda with the name of the card."""
        return in_words(self.mean.device)

    def forward(
        self, pixels: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch classes rows columns"]:
        """Local logits of pixels in [0, 1]."""
        return self.body(self.normalised(pixels))

    def normalised(
        self, pixels: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch 3 height width"]:
        """Pixels less the mean, over the deviation, as the body was trained on."""
        return (pixels - self.mean) / self.deviation

    def local_logits(
        self, pixels: Pixels, window: Window | None = None
    ) -> Float32[np.ndarray, "classes rows columns"]:
        """Local logits of one image, or of one window from the crop that it sees, in float32 on the network's device.

        An image of another size than `image_size` will do where the network takes it; raises ValueError where it does
        not, and for what is no image.
        """
        check_pixels(pixels)
        try:
            with self._lock, certifying():
                if window is None:
                    return self._numbers(self(self._image(pixels)))
                return self._numbers(self.window(self._image(pixels), window))
        except (RuntimeError, IndexError) as error:
            if pixels.shape[1:] == self.image_size:
                raise
            (height, width), (rows, columns) = self.image_size, pixels.shape[1:]
            raise ValueError(
                f"{self.name}: expected an image of {height}x{width} pixels, got one of {rows}x{columns} that it does "
                "not take"
            ) from error

    def window(
        self, images: Float[Tensor, "batch 3 height width"], window: Window
    ) -> Float[Tensor, "batch classes rows columns"]:
        """Local logits of a window of images, computed from the pixels that it sees and no others."""
        crop, at = self.receptive_field.crop(window, (images.shape[-2], images.shape[-1]))
        return self(images[..., *crop.slices].contiguous())[..., at.top : at.bottom, at.left : at.right]

    def gradient(self, pixels: Pixels, row: int, column: int) -> Float32[np.ndarray, "height width"] | None:
        """How strongly the weighted sum of a cell's local logits reacts to each pixel: the largest derivative over its
        colours; None if the network gives no gradients."""
        with self._lock, certifying(gradients=True):
            images = self._image(pixels).requires_grad_()
            values = self(images)[0, :, row, column]
            if not values.requires_grad:
                return None
            # Other weights than one: a softmax or a centred logit sums to a constant.
            weights = torch.linspace(1, 2, len(values), device=values.device)
            (strength,) = torch.autograd.grad((weights * values).sum(), images)
            return strength[0].abs().amax(dim=0).to(torch.float32).cpu().numpy()

    def descent(
        self,
        images: Float[Tensor, "batch 3 height width"],
        window: Window | None,
        loss: Callable[[Float[Tensor, "batch classes rows columns"]], Float[Tensor, "batch"]],
    ) -> tuple[Float[Tensor, "batch"], Float[Tensor, "batch 3 height width"]]:
        """The loss of each image's local logits, of the whole map or of one window, and its gradient by the pixels.

        Raises ValueError if the network gives no gradients.
        """
        with self._lock, certifying(gradients=True):
            images = images.detach().clone().requires_grad_()
            losses = loss(self(images) if window is None else self.window(images, window))
            if not losses.requires_grad:
                raise ValueError(f"{self.name} gives no gradients, which an attack follows")
            (gradient,) = torch.autograd.grad(losses.sum(), images)
            return losses.detach(), gradient

    def _image(self, pixels: Pixels) -> Float[Tensor, "1 3 height width"]:
        return torch.tensor(pixels, device=self.mean.device)[None]

    def _numbers(
        self, logits: Float[Tensor, "1 classes rows columns"]
    ) -> Float32[np.ndarray, "classes rows columns"]:
        return logits[0].to(torch.float32).cpu().numpy()


class PlacedNetwork(Network):
    """A network whose body is given the pixel at which a crop of an image begins, since its weights depend on the
    location."""

    def window(
        self, images: Float[Tensor, "batch 3 height width"], window: Window
    ) -> Float[Tensor, "batch classes rows columns"]:
        """Local logits of a window of images, computed from the pixels that it sees and no others."""
        crop, at = self.receptive_field.crop(window, (images.shape[-2], images.shape[-1]))
        inside = self.normalised(images[..., *crop.slices].contiguous())
        return self.body(inside, crop.top, crop.left)[..., at.top : at.bottom, at.left : at.right]


def choose_device(name: str | None = None) -> torch.device:
    """cuda, else mps, else cpu; or the one named.

    Raises ValueError for a device that is not there.
    """
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.ones(1, device=name).cpu()
    except (RuntimeError, AssertionError, ImportError) as error:
        raise ValueError(f"expected a device of this machine, such as cpu, got {name!r}") from error
    return torch.device(name)


def in_words(device: torch.device) -> str:
    """A device as evaluations record it."""
    return f"cuda: {torch.cuda.get_device_name(device)}" if device.type == "cuda" else device.type


def admitted(path: Path) -> Path:
    """The path of a file that may be read; raises CheckpointError for none, for a folder, a pipe or a device, and for
    more than `MAX_BYTES`."""
    try:
        with regular(path) as file:
            size = file.seek(0, 2)
    except UnreadableError as error:
        raise CheckpointError(str(error)) from error
    _check_size(size, path.name)
    return path


def _check_size(size: int, name: str) -> None:
    if size > MAX_BYTES:
        raise CheckpointError(f"{name}: expected at most {MAX_BYTES // 2**20} MB, got {size // 2**20} MB")


def read_state(path: Path) -> State:
    """The tensors of a checkpoint, under plain keys. The file may be hostile: no code in it is run.

    The conventions that are read are those of `pg_core.networks.conventions`; at most `MAX_BYTES`, unpacked. Raises
    CheckpointError for anything else.
    """
    return read_convention(path)[0]


def read_convention(path: Path) -> tuple[State, str]:
    """The same, and in words where in the file the tensors were and how they are named."""
    try:
        packed = _entries(admitted(path))
        _check_size(sum(packed.values()), path.name)
        program = _program(packed)
        if program is not None:
            raise CheckpointError(f"{path.name}: {program}")
        content = _safetensors(path) if path.suffix.lower() == ".safetensors" else _content(path)
    except CheckpointError:
        raise
    except OSError as error:
        raise CheckpointError(f"{path.name}: {error.strerror or 'cannot be read'}") from error
    except Exception as error:  # on hostile bytes torch fails in any way: IndexError, struct.error
        raise CheckpointError(f"{path.name}: {_NOT_PLAIN}{_found_in(error)}") from error
    return plain_state(content, path.name)


def plain_state(content: object, source: str) -> tuple[State, str]:
    """The tensors of a checkpoint that has been read, and in words where in it they were; `source` is its file.

    Raises CheckpointError where there are none, or none to compute with.
    """
    try:
        state, convention = unpacked(content)
    except ValueError as error:
        raise CheckpointError(f"{source}: {error}") from None
    unusable = [key for key, value in state.items() if not _computable(value)]
    if unusable:
        raise CheckpointError(
            f"{source}: expected dense tensors of real numbers, got another kind in {listed(unusable[:1])}"
        )
    return state, convention


def _safetensors(path: Path) -> State:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        state = load_file(path)
    except SafetensorError as error:
        raise CheckpointError(f"{path.name}: not a file of tensors") from error
    # Of two tensors of one name it takes the last.
    with path.open("rb") as file:
        entries = json.loads(file.read(int.from_bytes(file.read(8), "little")), object_pairs_hook=list)
    name, count = Counter(name for name, _ in entries).most_common(1)[0] if entries else ("", 0)
    if count > 1:
        raise CheckpointError(f"{path.name}: expected each tensor once, got {short(name)} {count} times")
    return state


_reading = Lock()


def _content(path: Path) -> object:
    """What torch reads without running code; what it refuses is read again with `LEFT_OUT` in place of some types."""
    found = unexpected(path, frozenset(name for _, name in LEFT_OUT))
    if found is not None:
        raise CheckpointError(f"{path.name}: {_NOT_PLAIN}{_holds(found)}")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError:
        # Torch keeps such types for the whole process: one thread must not take them from another.
        with _reading, torch.serialization.safe_globals(list(LEFT_OUT)):
            return torch.load(path, map_location="cpu", weights_only=True)


def _found_in(error: Exception) -> str:
    """The type that torch refused, and the cure."""
    found = re.search(r"GLOBAL ([\w.]+)", str(error))
    return "" if found is None else _holds(found.group(1))


def _holds(what: str) -> str:
    return f": it holds {listed([what])}; save the weights alone, torch.save(network.state_dict(), ...)"


def _entries(path: Path) -> dict[str, int]:
    """The files in an archive, as torch's own format is one, and their bytes; none of any other file."""
    if not zipfile.is_zipfile(path):
        return {}
    with zipfile.ZipFile(path) as archive:
        return {entry.filename: entry.file_size for entry in archive.infolist()}


def _program(entries: Iterable[str]) -> str | None:
    """What to do with an archive that is a program, for which weights are awaited."""
    names = {name.rpartition("/")[2] for name in entries}
    if "constants.pkl" in names:
        return "a TorchScript program, not plain weights: give it a name that ends in .ts"
    if "archive_format" in names:
        return "a program of torch.export, not plain weights: give it a name that ends in .pt2"
    return None


def _computable(value: Tensor) -> bool:
    return (
        value.layout is torch.strided
        and value.device.type == "cpu"
        and not (value.is_complex() or value.is_quantized)
    )


def load_state(module: nn.Module, state: State, source: str) -> None:
    """Fill a module with the tensors of a checkpoint; raises CheckpointError, which names what does not fit."""
    check_state(module, state, source)
    module.load_state_dict(dict(state), strict=False)


def check_state(module: nn.Module, state: State, source: str) -> None:
    """Raise CheckpointError, which names what does not fit, unless the tensors are those of a module."""
    expected = module.state_dict()
    counters = {key for key in expected if key.endswith("num_batches_tracked")}
    missing = sorted(expected.keys() - state.keys() - counters)
    unknown = list(map(short, sorted(state.keys() - expected.keys())))
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
