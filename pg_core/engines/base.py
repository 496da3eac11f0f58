"""What an engine is, and what it is given: work on items that depends on nothing else.

Not here: the work itself, see `pg_core.evaluation.measuring` and `pg_core.evaluation.attacked`.
"""

from collections.abc import Callable, Generator, Sequence
from typing import Protocol, TypeVar, runtime_checkable

from pg_core.io.progress import Report

ItemT = TypeVar("ItemT")
BegunT = TypeVar("BegunT")
ResultT = TypeVar("ResultT")

Within = Callable[[int, ItemT], Report | None]
"""From the number of an item, counted from 0, and the item to a function that is told the progress within it."""
Results = Generator[tuple[int, Callable[[], ResultT]], None, None]
"""The number of each item, in any order, and a function that gives its result, or raises what the work raised. An
engine that is closed before its end drops what is left."""


@runtime_checkable
class Work(Protocol[ItemT, BegunT, ResultT]):
    """A pure function of an item, in two steps of which the first may run ahead: the same item has the same result on
    every machine with the same versions and kind of device. What it raises says why this item has none."""

    @property
    def long(self) -> bool:
        """Whether an item takes so long that none is begun early: an interrupt would wait for it."""

    def begin(self, item: ItemT, within: Report | None = None) -> BegunT:
        """The first step, which is the network's."""

    def finish(self, item: ItemT, begun: BegunT) -> ResultT:
        """The result, from the item and its first step."""

    def carried(self, item: ItemT) -> ItemT:
        """The item with the content of its files, for a machine that has none of them."""

    def moved(self, device: str | None) -> "Work[ItemT, BegunT, ResultT]":
        """The same with its network on a device (None: the one that a machine chooses)."""


@runtime_checkable
class Engine(Protocol):
    """Does work on items. `device` says in words where networks compute; None where that is as they say."""

    @property
    def device(self) -> str | None: ...

    def results(
        self,
        work: Work[ItemT, BegunT, ResultT],
        items: Sequence[ItemT],
        within: Within[ItemT] | None = None,
    ) -> Results[ResultT]:
        """The result of each item, once."""
