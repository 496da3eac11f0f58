"""What runs on a node of a Ray cluster, where this module is imported, as all of pg_core is."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pg_core.engines.base import ResultT, Work

if TYPE_CHECKING:
    from ray import ObjectRef

Outcome = tuple[Any, Exception | None]
"""A result, or the error in its place."""

_ready: dict[tuple[str, str | None], Work[Any, Any, Any]] = {}
"""The work of this process, ready to use: made once, since a network is moved, and measures itself on noise."""


def run(sent: "Sequence[ObjectRef[Any]]", device: str | None, items: Sequence[Any]) -> list[Outcome]:
    """The outcome of each item under the one work that was sent, on a device (None: the one to choose here)."""
    outcomes: list[Outcome] = []
    for item in items:
        try:
            work = _here(sent[0], device)
            outcomes.append((work.finish(item, work.begin(item)), None))
        except Exception as error:
            outcomes.append((None, error))
    return outcomes


def device_in_words() -> str:
    """Where a network computes on this node."""
    from pg_core.networks.network import choose_device, in_words

    return in_words(choose_device())


def _here(reference: "ObjectRef[Any]", device: str | None) -> Work[Any, Any, Any]:
    import ray

    key = reference.hex(), device
    if key not in _ready:
        work = ray.get(reference).moved(device)
        _ready.clear()
        _ready[key] = work
    return _ready[key]


def result(outcome: tuple[ResultT, Exception | None]) -> ResultT:
    """What the work gave for an item, on the machine that asked for it; raises the error that it ended with."""
    given, error = outcome
    if error is not None:
        raise error
    return given
