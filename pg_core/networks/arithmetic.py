"""The arithmetic that certifies: float32 without TF32, whatever a notebook has chosen for itself.

The flags of torch that say so belong to the whole process. They are set while a network runs, and put back after.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any, cast

import torch
from torch import backends

# Modules of torch whose attributes its type hints leave out.
_cuda, _cudnn, _mkldnn = cast("tuple[Any, Any, Any]", (backends.cuda, backends.cudnn, backends.mkldnn))
_PRECISIONS = (
    (_cuda.matmul, _cudnn),
    (_cudnn.conv, _cudnn),
    (_cudnn.rnn, _cudnn),
    (_mkldnn.matmul, _mkldnn),
    (_mkldnn.conv, _mkldnn),
    (_mkldnn.rnn, _mkldnn),
)
"""What decides in which precision float32 is multiplied, and what it follows while it has no value of its own."""

_EXACT = "ieee"


@contextmanager
def certifying(gradients: bool = False) -> Iterator[None]:
    """Run what is inside as certificates need it: on float32 as it is, without autocast, deterministic, and without
    gradients unless asked for. Every setting is what it was when the last of the threads inside has left."""
    with ExitStack() as settings:
        settings.enter_context(_flags.exact())
        # These belong to the thread.
        accelerator = torch.accelerator.current_accelerator()
        for kind in {"cpu", *([] if accelerator is None else [accelerator.type])}:
            settings.enter_context(torch.autocast(kind, enabled=False))
        if torch.get_default_device().type != "cpu":
            settings.enter_context(torch.device("cpu"))
        settings.enter_context(torch.inference_mode(not gradients))
        settings.enter_context(torch.set_grad_enabled(gradients))
        yield


@dataclass(frozen=True, slots=True)
class _Found:
    """The flags of the process as they were; None where torch does not tell, since both of its interfaces are used."""

    default_dtype: torch.dtype
    benchmark: bool
    deterministic: bool
    matmul: str | None
    cudnn_tf32: bool | None
    precisions: tuple[str, ...]


class _Flags:
    """The flags of the process: the first thread sets them, the last one puts them back.

    A lock around the whole run would let one network wait for another. So threads are counted: each finds the flags
    set, and none puts back what another still needs. A thread that works outside meanwhile has exact arithmetic too,
    which costs it time and no digit; what it sets meanwhile is lost, and until the next thread enters it holds for the
    network that is running too.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._found: _Found | None = None

    @contextmanager
    def exact(self) -> Iterator[None]:
        with self._lock:
            if self._inside == 0:
                self._found = _read()
            self._inside += 1
        try:
            with self._lock:
                _set_exact()
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if self._inside == 0 and self._found is not None:
                    _put_back(self._found)


_flags = _Flags()


def _read() -> _Found:
    return _Found(
        torch.get_default_dtype(),
        backends.cudnn.benchmark,
        backends.cudnn.deterministic,
        _matmul(),
        _cudnn_tf32(),
        # One that only follows must follow again, and not keep what it followed.
        tuple(
            "none" if backend.fp32_precision == product.fp32_precision else product.fp32_precision
            for product, backend in _PRECISIONS
        ),
    )


def _set_exact() -> None:
    # The older interface too: torch refuses to read the older flags where the two contradict each other.
    if _matmul() is not None:
        torch.set_float32_matmul_precision("highest")
    if _cudnn_tf32() is not None:
        backends.cudnn.allow_tf32 = False
    for product, _ in _PRECISIONS:
        product.fp32_precision = _EXACT
    backends.cudnn.benchmark = False
    backends.cudnn.deterministic = True
    torch.set_default_dtype(torch.float32)


def _put_back(found: _Found) -> None:
    if found.matmul is not None:
        torch.set_float32_matmul_precision(found.matmul)
    if found.cudnn_tf32 is not None:
        backends.cudnn.allow_tf32 = found.cudnn_tf32
    for (product, _), precision in zip(_PRECISIONS, found.precisions, strict=True):
        product.fp32_precision = precision
    backends.cudnn.benchmark = found.benchmark
    backends.cudnn.deterministic = found.deterministic
    torch.set_default_dtype(found.default_dtype)


def _matmul() -> str | None:
    try:
        return torch.get_float32_matmul_precision()
    except RuntimeError:
        return None


def _cudnn_tf32() -> bool | None:
    try:
        return backends.cudnn.allow_tf32
    except RuntimeError:
        return None
