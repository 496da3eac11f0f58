"""Work on a Ray cluster: one that runs already (`ray start`), or the cores of this machine for the time of a run.

The work, with its network, is put once into the cluster's store; items go to its nodes in chunks, with the content of
their files, so that nodes need no disk in common. A chunk of a node that is lost runs again elsewhere, with the same
results. Nodes need pg_core in the versions of this machine. Ray unpickles and runs what its nodes are sent: a cluster
must be trusted as this machine is. What a photo's file holds is decoded, and never unpickled.
"""

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from types import ModuleType

from pg_core.engines.base import BegunT, ItemT, Results, ResultT, Within, Work
from pg_core.engines.node import Outcome, device_in_words, result, run
from pg_core.io.parameters import shown

_CHUNK = 4
"""Items of a task, one where the work is long: at the end of a run cores wait for the last tasks."""
_TASKS = 3
"""Chunks under way for each core (or GPU): more would fill the store with photos, fewer let cores wait."""
_RETRIES = 8
"""How often a chunk is run again whose node was lost."""
_STORE_BYTES = 2**30


@dataclass(frozen=True, slots=True)
class RayEngine:
    """A cluster that is connected, of which `slots` cores, or GPUs, work at once; results come as they are ready."""

    slots: int
    gpus: bool
    device: str | None

    def results(
        self,
        work: Work[ItemT, BegunT, ResultT],
        items: Sequence[ItemT],
        within: Within[ItemT] | None = None,
    ) -> Results[ResultT]:
        """The result of each item; nothing is told of the progress within one. Raises ValueError for a network that
        cannot be sent, and for a chunk that is lost again and again."""
        ray = _package()
        try:
            # In a list: Ray would unpack a bare reference for each task, the network with it.
            sent = [ray.put(work.moved("cpu"))]
        except Exception as error:  # on what cannot be pickled it fails in any way
            raise ValueError(
                f"expected a network that can be sent to other machines ({type(error).__name__}): take --engine local"
            ) from error
        device = None if self.gpus else "cpu"
        task = ray.remote(num_cpus=1, num_gpus=int(self.gpus), max_retries=_RETRIES)(run)
        left = iter(range(0, len(items), size := 1 if work.long else _CHUNK))
        pending: dict[object, list[int]] = {}
        try:
            while True:
                while len(pending) < _TASKS * self.slots and (first := next(left, None)) is not None:
                    numbers, chunk = [], []
                    for number, item in enumerate(items[first : first + size], first):
                        try:
                            chunk.append(work.carried(item))
                        except ValueError as error:
                            yield number, partial(result, (None, error))
                        else:
                            numbers.append(number)
                    if numbers:
                        pending[task.remote(sent, device, chunk)] = numbers
                if not pending:
                    return
                (ready, *_), _ = ray.wait(list(pending), num_returns=1)
                outcomes = _outcomes(ray, ready)
                for number, outcome in zip(pending.pop(ready), outcomes, strict=True):
                    yield number, partial(result, outcome)
        finally:
            for reference in pending:
                with suppress(Exception):  # of a cluster that is gone nothing can be cancelled
                    ray.cancel(reference, force=True)


@contextmanager
def ray_cluster(address: str | None = None, device: str | None = None) -> Iterator[RayEngine]:
    """The cluster at an address (auto: the one that `ray start` began on this machine), or one that this process has
    joined; without either all cores of this machine for the time of the block, on loopback alone. GPUs are used where
    nodes have some, unless device is cpu. Raises ValueError where Ray is not installed, or nothing answers."""
    ray = _package()
    joined = ray.is_initialized()
    if not joined:
        _connect(ray, address)
    try:
        there = ray.cluster_resources()
        gpus = 0 if device == "cpu" else int(there.get("GPU", 0))
        named = ray.get(ray.remote(num_gpus=1)(device_in_words).remote()) if gpus else "cpu"
        yield RayEngine(gpus or max(1, int(there.get("CPU", 1))), gpus > 0, named)
    finally:
        if not joined:
            ray.shutdown()


def _package() -> ModuleType:
    # Ray tells its makers how it is used unless it is told not to.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise ValueError("expected the package ray for --engine ray: python -m pip install ray") from error
    return ray


def _connect(ray: ModuleType, address: str | None) -> None:
    before = signal.getsignal(signal.SIGTERM)
    try:
        if address is not None:
            ray.init(address, log_to_driver=False, logging_level="ERROR")
            return
        ray.init(
            "local",
            num_cpus=os.cpu_count(),
            object_store_memory=_STORE_BYTES,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
            _node_ip_address="127.0.0.1",
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        where = "on this machine" if address is None else f"at {shown(address)}"
        raise ValueError(
            f"expected a Ray cluster {where}, got {type(error).__name__}: begin one with `ray start --head`, or leave "
            "out --address"
        ) from error
    finally:
        # Ray takes SIGTERM for itself, and ends the process without a word of what is kept.
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _outcomes(ray: ModuleType, reference: object) -> list[Outcome]:
    try:
        return ray.get(reference)
    except ray.exceptions.RayError as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(f"the cluster lost a part of the work for good: {said}") from error
