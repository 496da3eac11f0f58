"""Programs of torch.export and TorchScript: loaded, run, and their outputs checked.

Whoever loads a program runs it, so it is for the operator's own disk. It may take other images than described, raise
any error and return anything: each becomes a CheckpointError of one line, with the cure.
"""

import logging
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from pg_core.geometry import Size, Window, cells
from pg_core.networks.arithmetic import certifying
from pg_core.networks.base import Pixels
from pg_core.networks.network import CheckpointError, Network, read_convention
from pg_core.networks.own import Format, OwnNetwork

_LONGEST = 160
"""Letters of what a program says when it fails."""


class Program(nn.Module):
    """A loaded program: `eval`, `to` and the like do not reach it, since programs refuse them.

    Images are given to it in `dtype`, the type of its weights; its output is checked.
    """

    def __init__(
        self, run: Callable[[Tensor], object], file: str, classes: int, dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__()
        self._run = [run]
        self._file = file
        self._classes = classes
        self._dtype = dtype

    def __getstate__(self) -> object:
        raise TypeError(f"{self._file}: a program is neither copied nor pickled; load it again from its file")

    def forward(self, images: Float[Tensor, "1 3 height width"]) -> Float[Tensor, "1 classes rows columns"]:
        """The local logits of normalised images; raises CheckpointError if the program fails or returns no map of
        finite logits."""
        try:
            logits = self._run[0](images.to(self._dtype))
        except Exception as error:  # whatever a person's program raises
            raise CheckpointError(
                f"{self._file}: the program cannot run on images {list(images.shape)} ({reason(error)}); export it "
                "with an example of this shape"
            ) from error
        return self._checked(logits)

    def _checked(self, logits: object) -> Tensor:
        expected = "expected one tensor [1, classes, rows, columns]"
        if not isinstance(logits, Tensor) or logits.layout is not torch.strided:
            what = type(logits).__name__ if not isinstance(logits, Tensor) else str(logits.layout)
            raise CheckpointError(
                f"{self._file}: the program gave a {what}, {expected}; return the local logits alone"
            )
        if logits.ndim != 4 or logits.shape[:2] != (1, self._classes) or logits.numel() == 0:
            raise CheckpointError(
                f"{self._file}: the program gave a tensor {list(logits.shape)}, {expected} with {self._classes} "
                "classes; return the logits of each place, before their average, and name the classes in their order"
            )
        if not logits.is_floating_point():
            raise CheckpointError(
                f"{self._file}: the program gave numbers of {logits.dtype}, expected floating-point ones; return "
                "logits, not labels"
            )
        if logits.device.type != "cpu":
            raise CheckpointError(
                f"{self._file}: the program gave a tensor on {logits.device.type}, expected one on the CPU; export "
                "it there"
            )
        if not torch.isfinite(logits).all():
            raise CheckpointError(
                f"{self._file}: the program gave local logits that are NaN or infinite, expected finite ones; are "
                "its weights damaged, or is its type of numbers too small?"
            )
        return logits


class ProgramNetwork(Network):
    """A network whose program takes one image, of one size: a window is computed with everything else blank."""

    def forward(
        self, pixels: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch classes rows columns"]:
        """Local logits of pixels in [0, 1], image by image."""
        return torch.cat([self.body(self.normalised(image[None])) for image in pixels])

    def window(
        self, images: Float[Tensor, "batch 3 height width"], window: Window
    ) -> Float[Tensor, "batch classes rows columns"]:
        """Local logits of a window of images that are grey where the window does not see them."""
        size = images.shape[-2], images.shape[-1]
        seen = torch.from_numpy(self.receptive_field.seen(window, size))
        rows, columns = cells(window, self.receptive_field.map_size(size))
        return self(torch.where(seen, images, 0.5))[..., rows, columns]

    def gradient(self, pixels: Pixels, row: int, column: int) -> Float32[np.ndarray, "height width"] | None:
        """As of any network; None too where torch cannot differentiate the program."""
        try:
            return super().gradient(pixels, row, column)
        except RuntimeError:
            return None


def load_program(own: OwnNetwork, path: Path) -> Program:
    """The program in a file, after a run on a blank image. Raises CheckpointError if it is none, takes other images
    than described, or returns anything but local logits of the classes."""
    shape = (1, 3, *own.image_size)
    if own.format is Format.EXPORTED:
        run, dtypes = _exported(own.file, path, own.image_size)
    else:
        run, dtypes = _scripted(own.file, path)
    problems: list[CheckpointError] = []
    with certifying():
        for dtype in dtypes:
            program = Program(run, own.file, len(own.classes), dtype)
            try:
                program(torch.zeros(shape))
                return program
            except CheckpointError as error:
                problems.append(error)
    raise problems[0]


def reason(error: Exception) -> str:
    """Why foreign code failed, in a few words: the last line of its error, since TorchScript puts a trace before
    it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[-1] if lines else type(error).__name__
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


_Loaded = tuple[Callable[[Tensor], object], tuple[torch.dtype, ...]]
"""A program, and the types of numbers that it may take, the likeliest first."""


def _exported(file: str, path: Path, image_size: Size) -> _Loaded:
    """Its example says what it takes."""
    _spare_the_terminal()
    try:
        exported = torch.export.load(path)
        run = exported.module()
    except Exception as error:  # torch fails in any way on files of another kind or version
        raise _no_program(file, path, error) from error
    names = exported.graph_signature.user_inputs
    inputs = [node.meta.get("val") for node in exported.graph.nodes if node.name in names]
    if len(inputs) != 1 or not isinstance(inputs[0], Tensor):
        raise CheckpointError(
            f"{file}: the program takes {len(inputs)} inputs, expected one tensor of images"
        )
    (images,) = inputs
    taken = _taken(tuple(images.shape), (1, 3, *image_size))
    if taken is not None:
        raise CheckpointError(
            f"{file}: the program takes {taken} only; export it with an example of shape {[1, 3, *image_size]}"
        )
    if not images.dtype.is_floating_point or images.device.type != "cpu":
        raise CheckpointError(
            f"{file}: the program takes {images.dtype} on {images.device.type}, expected floating-point numbers on "
            "the CPU; export it there, for normalised pixels"
        )
    return run, (images.dtype,)


def _taken(shape: tuple[object, ...], expected: tuple[int, ...]) -> str | None:
    """What a program takes instead of images of the expected shape; a size that is left open is no int."""
    if len(shape) != len(expected):
        return f"tensors of {len(shape)} axes"
    fixed = [size if isinstance(size, int) else wanted for size, wanted in zip(shape, expected, strict=True)]
    if fixed[0] != expected[0]:
        return f"batches of {fixed[0]}"
    if fixed[1] != expected[1]:
        return f"images of {fixed[1]} channels"
    return None if tuple(fixed) == expected else f"images of {fixed[2]}x{fixed[3]} pixels"


def _scripted(file: str, path: Path) -> _Loaded:
    """It does not say what it takes: numbers as its weights, or any."""
    _spare_the_terminal()
    try:
        module = torch.jit.load(path, map_location="cpu").eval()  # type: ignore[no-untyped-call]
        weights = [value.dtype for value in (*module.parameters(), *module.buffers())]
    except Exception as error:  # likewise
        raise _no_program(file, path, error) from error
    likely = [dtype for dtype in weights if dtype.is_floating_point]
    return module, tuple(dict.fromkeys([*likely, torch.float32, torch.float16, torch.bfloat16]))


def _no_program(file: str, path: Path, error: Exception) -> CheckpointError:
    """Another kind of file, or one of another torch: no reason that torch gives helps its owner."""
    try:
        read_convention(path)
    except CheckpointError as other:
        cure = str(other).partition("give it a name")
        hint = f"; give it a name{cure[2]}" if cure[1] else ""
    else:
        hint = ": it holds plain weights; give it a name that ends in .pth"
    return CheckpointError(f"{file}: not a program that this torch can load ({type(error).__name__}){hint}")


def _spare_the_terminal() -> None:
    """That TorchScript is deprecated, and how torch.export tried to read a file that is none, is no news to a person:
    the error says all. Filters stay for good; these name one message each, since one that comes and goes would be
    taken from another thread."""
    warnings.filterwarnings("ignore", r"`torch\.jit\.load` is deprecated", Warning, r"torch\.jit\.")
    logger = logging.getLogger("torch.export")
    if _untold not in logger.filters:
        logger.addFilter(_untold)


def _untold(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith("Ran into the following error when deserializing")
