"""The search for pixels that break what is not proved, in the background: a thread for each, few at once for everyone.

A search reports, can be stopped, and ends by itself when whoever started it has gone: what it found is in its hands
alone. Not here: the attack, see `pg_core.attacks.pixels`; what a session keeps of it, see `app.state.searches`.
"""

import atexit
import contextlib
import logging
import math
import os
import sys
import time
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace
from enum import StrEnum
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Protocol

import numpy as np

from app.cache.analysis import Choice, DefenceChoice, Photo, network
from app.cache.analysis import analysis as analysis_of
from app.cache.patches import Simulation, pixels_of
from pg_core.analysis.effect import broken_by
from pg_core.analysis.photo import Analysis, answer
from pg_core.geometry import Patch
from pg_core.io.progress import Progress
from pg_core.photos.framing import Threat
from pg_core.photos.patches import paste

if TYPE_CHECKING:
    from pg_core.attacks.pixels import AttackResult
    from pg_core.networks.network import Network

AT_ONCE = 2
"""Searches of all people that run at the same time; the others wait."""
MOST_SECONDS = 600
"""After these a search ends, whatever is left to attack."""
_BREATH = 0.002
"""Seconds after each step in which another thread can have the network."""
_CURVE = 60
"""Points that are kept of the losses of an attack."""
_NICE = 10
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """What an attack came to at one place: the best contents, red, green and blue in 8 bits, row by row, and the
    defended prediction with them (an index of a class, or `ALERT`).

    gap is the share of the way from the clean lead of the label to the margin of the certificate that the pixels made,
    NaN where the two are not the same sums; clean_lead and lead are the label's score less the best other one, without
    and with the pixels; losses fall, at best, from step to step.
    """

    patch: Patch
    pixels: bytes
    prediction: int
    success: bool
    steps: int
    restarts: int
    gap: float
    clean_lead: float
    lead: float
    losses: tuple[float, ...] = ()

    @property
    def score(self) -> float:
        """The share of the gap that was closed; where there is none, of the label's lead, of which all is a tie."""
        if math.isfinite(self.gap):
            return self.gap
        return (self.clean_lead - self.lead) / self.clean_lead if self.clean_lead > 0 else math.nan


@dataclass(frozen=True, slots=True)
class Order:
    """What to attack, in this order, and how: steps of each restart, and the index of the class to bring about, None
    for any."""

    places: tuple[Patch, ...]
    steps: int
    restarts: int
    seed: int
    target: int | None


class End(StrEnum):
    """Why a search has ended."""

    DONE = "done"
    STOPPED = "stopped"
    TIME = "out of time"
    FAILED = "failed"


class _StopAsked(Exception):
    """No further place of a search is to be attacked."""


class Search:
    """An order that waits, runs or has ended; read by the page while its thread writes.

    present says whether whoever started it is still there; owner tells the searches of one person from others'.
    """

    def __init__(
        self,
        analysis: Analysis,
        model: "Network",
        order: Order,
        owner: int,
        present: Callable[[], bool],
    ) -> None:
        self.order, self.owner = order, owner
        self.found: list[Found] = []
        self.done = 0
        """Places that are attacked or need not be."""
        self.progress: Progress | None = None
        self.end: End | None = None
        self.problem = ""
        self._task: tuple[Analysis, Network] | None = (analysis, model)
        self._present, self._stop, self._ended = present, Event(), Event()
        self._until = math.inf

    @property
    def running(self) -> bool:
        """Whether it has not ended: it waits, or attacks."""
        return not self._ended.is_set()

    @property
    def wanted(self) -> bool:
        """Whether anybody still waits for it."""
        return not self._stop.is_set() and self._present()

    @property
    def seconds_left(self) -> float | None:
        """At the pace of the current place; None before there is one."""
        progress = self.progress
        if progress is None or progress.seconds_left is None:
            return None
        others, left = len(self.order.places) - self.done - 1, progress.seconds_left
        if progress.done < progress.total:
            left += others * left * progress.total / (progress.total - progress.done)
        return min(left, max(0.0, self._until - time.monotonic()))

    @property
    def share(self) -> float:
        """How much of the order is done, in [0, 1]."""
        within = 0.0 if self.progress is None else self.progress.done / self.progress.total
        return min(1.0, (self.done + within) / max(1, len(self.order.places)))

    def stop(self) -> None:
        """Let it end at its next step."""
        self._stop.set()

    def join(self, timeout: float) -> bool:
        """Wait until it has ended; whether it has, after so many seconds."""
        return self._ended.wait(timeout)

    def work(self) -> None:
        """Attack each place of the order that no pixels found here break; in the thread of the search."""
        assert self._task is not None
        self._until = time.monotonic() + MOST_SECONDS
        try:
            self._attack(*self._task)
            self.end = End.DONE
        except _StopAsked:
            self.end = End.TIME if self.wanted else End.STOPPED
        except ValueError as error:
            self.end, self.problem = End.FAILED, str(error)
        except Exception:
            _log.exception("a search for pixels has failed")
            self.end, self.problem = End.FAILED, "The attack has failed in the program: please report it."

    def leave(self) -> None:
        """Say that it has ended; what it was about is let go."""
        self.end = self.end or End.STOPPED
        self._task = None
        self._ended.set()

    def _attack(self, analysis: Analysis, model: "Network") -> None:
        from pg_core.attacks.pixels import attack

        order = self.order
        for place in order.places:
            self._check()
            if len(order.places) == 1 or not _broken(analysis, place, self.found):
                result = attack(
                    analysis,
                    model,
                    place,
                    order.steps,
                    order.restarts,
                    order.seed,
                    order.target,
                    self._report,
                )
                self.found.append(found_of(analysis, result))
                self._check()
            self.progress = None
            self.done += 1

    def _report(self, progress: Progress) -> None:
        from pg_core.attacks.pixels import Enough

        self.progress = progress
        if not self._going_on:
            raise Enough
        self._stop.wait(_BREATH)

    def _check(self) -> None:
        if not self._going_on:
            raise _StopAsked

    @property
    def _going_on(self) -> bool:
        return self.wanted and time.monotonic() <= self._until


class Task(Protocol):
    """What a desk runs: a `Search`, or other long work, which ends as one does."""

    @property
    def owner(self) -> int: ...
    @property
    def wanted(self) -> bool: ...
    def work(self) -> None: ...
    def stop(self) -> None: ...
    def join(self, timeout: float) -> bool: ...
    def leave(self) -> None: ...


class Desk:
    """Where tasks are handed in: so many run at once, one of each person, the others wait in their order.

    There is a thread for each that runs, and none for those that wait.
    """

    def __init__(self, at_once: int = AT_ONCE, thread: str = "search for pixels") -> None:
        self._at_once, self._thread, self._lock = at_once, thread, Lock()
        self._running: list[Task] = []
        self._waiting: list[Task] = []

    def hand_in(self, task: Task) -> None:
        """Run a task as soon as there is room, in place of whatever its owner had here."""
        with self._lock:
            for other in [*self._running, *self._waiting]:
                if other.owner == task.owner:
                    other.stop()
            self._waiting.append(task)
            self._begin()

    def ahead(self, task: Task) -> int | None:
        """How many wait before it; None where it does not wait."""
        with self._lock:
            waiting = [other for other in self._waiting if other is task or other.wanted]
            return waiting.index(task) if task in waiting else None

    def withdraw(self, task: Task) -> None:
        """Stop a task: one that waits leaves at once."""
        task.stop()
        with self._lock:
            self._begin()

    def close(self) -> None:
        """Stop all tasks, and wait a moment for their threads."""
        with self._lock:
            everything = [*self._running, *self._waiting]
            for task in everything:
                task.stop()
            self._begin()
        for task in everything:
            task.join(5)

    def _begin(self) -> None:
        """Start what there is room for; those that nobody waits for leave. The lock is held."""
        for task in [task for task in self._waiting if not task.wanted]:
            self._waiting.remove(task)
            task.leave()
        for task in list(self._waiting):
            if len(self._running) >= self._at_once:
                break
            if all(other.owner != task.owner for other in self._running):
                self._waiting.remove(task)
                self._running.append(task)
                Thread(target=self._run, args=(task,), name=self._thread, daemon=True).start()

    def _run(self, task: Task) -> None:
        try:
            _step_back()
            task.work()
        finally:
            with self._lock:
                self._running.remove(task)
                self._begin()
            task.leave()


DESK = Desk()
"""Of the server."""
atexit.register(DESK.close)  # before torch is taken apart


def found_of(analysis: Analysis, result: "AttackResult") -> Found:
    """What is kept of an attack: no map and no image."""
    # Restarts that were given up have no losses any more.
    losses = np.where(np.isfinite(result.losses), result.losses, np.inf)[:, : result.steps]
    curve = np.minimum.accumulate(losses.min(axis=0, initial=np.inf))
    kept = curve[np.unique(np.linspace(0, curve.size - 1, _CURVE).astype(int))] if curve.size else curve
    contents = np.rint(255 * result.contents).astype(np.uint8).transpose(1, 2, 0)
    return Found(
        result.patch,
        contents.tobytes(),
        int(result.answer.defended.label),
        result.success,
        result.steps,
        len(result.targets),
        result.gap_closed(analysis),
        analysis.lead(result.label),
        result.answer.lead(result.label),
        tuple(kept.tolist()),
    )


def of_its_own(choice: Choice) -> "Network":
    """The network for a search: the same weights, but no page waits for the steps of an attack, as it would for those
    of one network. A person's own program is not run twice at once."""
    shared = network(choice)
    return shared if choice.own is not None else copy(shared)


def painted(
    photo: Photo,
    choice: Choice,
    asked: DefenceChoice,
    threat: Threat,
    label: str | None,
    simulation: Simulation,
) -> Found:
    """The same of a patch that a person has painted: the network runs on the whole image with it."""
    from pg_core.attacks.pixels import AttackResult

    clean, model = analysis_of(photo, choice, asked, threat, label), network(choice)
    contents = pixels_of(simulation.motif, simulation.patch.size)
    pixels = paste(clean.features.pixels, simulation.patch, contents)
    features = replace(clean.features, pixels=pixels, local_logits=model.local_logits(pixels))
    said = answer(features, clean.defence, model)
    index = clean.classes.index(clean.label)
    return found_of(clean, AttackResult(simulation.patch, contents, index, (), np.empty((0, 0)), said))


def _broken(analysis: Analysis, place: Patch, found: list[Found]) -> bool:
    """Whether pixels that were found break the position that holds a place."""
    at = analysis.position(place)
    broken = broken_by(analysis, [one.patch for one in found if one.success])
    return at is not None and bool(broken[at.top, at.left])


def _step_back() -> None:
    """Leave the processor to the pages: one thread of torch, and a lower priority where each thread has its own."""
    import torch

    others = torch.get_num_threads()  # asked first: torch then takes this thread's number for its own
    if others > 1:
        torch.set_num_threads(1)
        # The number holds for this thread, and for all that begin later: for those the old one is set again.
        again = Thread(target=torch.set_num_threads, args=(others,))
        again.start()
        again.join()
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, _NICE)
