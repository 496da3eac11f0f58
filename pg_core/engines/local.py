"""Work in this process: the network runs on an item while the one before is finished."""

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from pg_core.engines.base import BegunT, ItemT, Results, ResultT, Within, Work


@dataclass(frozen=True, slots=True)
class LocalEngine:
    """This process, with the threads of torch; results come in the order of the items."""

    device: str | None = None

    def results(
        self,
        work: Work[ItemT, BegunT, ResultT],
        items: Sequence[ItemT],
        within: Within[ItemT] | None = None,
    ) -> Results[ResultT]:
        """The result of each item, in turn."""

        def begin(number: int, item: ItemT) -> BegunT:
            return work.begin(item, None if within is None else within(number, item))

        def finish(item: ItemT, begun: Callable[[], BegunT]) -> ResultT:
            return work.finish(item, begun())

        begins = (partial(begin, number, item) for number, item in enumerate(items))
        coming = begins if work.long else _one_ahead(begins)
        try:
            for number, (item, begun) in enumerate(zip(items, coming, strict=True)):
                yield number, partial(finish, item, begun)
        finally:
            coming.close()


def _one_ahead(
    steps: Generator[Callable[[], BegunT], None, None],
) -> Generator[Callable[[], BegunT], None, None]:
    """What gives the result of each step, in turn; the next one is begun, in a thread, before a result is used."""
    with ThreadPoolExecutor(1) as pool:
        coming: Future[BegunT] | None = None
        for step in steps:
            begun, coming = coming, pool.submit(step)
            if begun is not None:
                yield begun.result
        if coming is not None:
            yield coming.result
