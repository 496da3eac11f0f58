"""The cage: hostile cases are tried in processes that are forked after the imports, with limits of memory and of time.

    python -m tests.hostile.cage photos

prints one JSON object for each case. The process that runs the tests holds threads and is not forked itself. What a
process holds is compared with what it held before the case: `VmHWM`, the largest resident size, and `RLIMIT_DATA`
above what it began with, which nothing passes (`RLIMIT_AS` would count what torch maps and never touches).
"""

import contextlib
import gc
import io
import json
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.hostile.case import Case, ImageCase, LinkCase

AnyCase = Case | ImageCase | LinkCase
HARD_LIMIT = 2 * 2**30
"""Bytes of data above the base: no case gets more, whatever its kind may take."""
SECONDS = 15
_MEGABYTE = 2**20
_KEPT = 20
"""Megabytes above the base after which a process does not take the next case."""


@dataclass(frozen=True)
class Kind:
    """How cases of one kind are tried. `read` is the door of the library: it raises one of `expected`, or gives back
    whether it accepted. `arguments` are those of the command line, None where no command takes such a case."""

    cases: Callable[[], Sequence[AnyCase]]
    warm: Callable[[], None]
    read: Callable[[Any], bool]
    expected: tuple[type[Exception], ...]
    arguments: Callable[[Path, Case], list[str]] | None
    megabytes: int


@dataclass(frozen=True)
class Outcome:
    """What became of a case: whether the door accepted it, the type of what it raised and its words; the exit code
    and the words of the command line; megabytes above the base, seconds; and, where it did not end as it should, how
    it ended."""

    name: str
    accepted: bool | None = None
    raised: str = ""
    words: str = ""
    code: int | None = None
    stderr: str = ""
    megabytes: float = 0.0
    seconds: float = 0.0
    ended: str = ""


def outcomes(kind: Kind) -> Iterator[Outcome]:
    """Try all cases of a kind, one after the other."""
    kind.warm()
    cases = kind.cases()
    with tempfile.TemporaryDirectory() as folder:
        # To make a file may take more memory than to read it.
        made = list(caged(cases, lambda case: {"path": _made(case, Path(folder))}))
        tried = [(case, found) for case, found in zip(cases, made, strict=True) if "ended" not in found]
        for case, found in zip(cases, made, strict=True):
            if "ended" in found:
                yield Outcome(case.name, ended=f"the case could not be made: {found['ended']}")
        results = caged(tried, lambda each: _tried(kind, each[0], each[1]["path"]), HARD_LIMIT)
        for (case, _), found in zip(tried, results, strict=True):
            yield Outcome(case.name, **found)


def _made(case: AnyCase, folder: Path) -> str:
    if not isinstance(case, Case):
        return ""
    own = Path(tempfile.mkdtemp(dir=folder))
    return str(case.make(own))


def _tried(kind: Kind, case: AnyCase, path: str) -> dict[str, object]:
    """In the cage: through the library's door, then by the command line."""
    started, before = time.monotonic(), status("VmRSS")
    content = Path(path) if isinstance(case, Case) else case.make() if isinstance(case, ImageCase) else case
    seen: dict[str, object] = {}
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            seen["accepted"] = kind.read(content)
        except Exception as error:
            seen |= {"accepted": False, "raised": type(error).__name__, "words": str(error)}
            if not isinstance(error, kind.expected):
                seen["ended"] = "".join(traceback.format_exception(error))[-2000:]
    if warned:
        seen.setdefault("ended", f"a warning on the terminal: {warned[0].message}")
    seen["megabytes"] = (status("VmHWM") - before) / _MEGABYTE
    if kind.arguments is not None and isinstance(case, Case):
        seen |= command(kind.arguments(Path(path), case))
    return seen | {"seconds": time.monotonic() - started}


def command(arguments: list[str]) -> dict[str, object]:
    """The exit code of the command line, and what it writes to the terminal beside its results."""
    from pg_core.__main__ import main

    out, told = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(told):
        try:
            code: object = main(arguments)
        except SystemExit as end:
            code = end.code
        except BaseException:
            return {"code": None, "stderr": traceback.format_exc()[-2000:]}
    return {"code": code, "stderr": told.getvalue()}


def caged(
    items: Sequence[Any],
    work: Callable[[Any], dict[str, object]],
    memory: int | None = None,
    seconds: float = SECONDS,
) -> Iterator[dict[str, Any]]:
    """Do the work for each item in forked processes; what it gives back has to be JSON. Where a process ends before
    its answer, the answer says under `ended` how, and the next process goes on with the next item.

    An item ends after some seconds even where it waits in a decoder or for a pipe, and no process gets more memory
    above what it has than the limit.
    """
    gc.freeze()
    at = 0
    while at < len(items):
        kept, given = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(kept)
            _work_through(items[at:], work, given, memory, seconds)
        os.close(given)
        first = at
        with os.fdopen(kept) as answers:
            for line in answers:
                yield json.loads(line)
                at += 1
        _, end = os.waitpid(child, 0)
        if os.WIFSIGNALED(end):
            number = os.WTERMSIG(end)
            slow = f"took more than {seconds:g} seconds"
            yield {"ended": slow if number == signal.SIGALRM else f"killed by {signal.Signals(number).name}"}
            at += 1
        elif at == first:
            yield {"ended": f"ended with code {os.WEXITSTATUS(end)} and without an answer"}
            at += 1


def _work_through(
    items: Sequence[Any],
    work: Callable[[Any], dict[str, object]],
    given: int,
    memory: int | None,
    seconds: float,
) -> None:
    """In a forked process: item after item, until one has left much behind. It does not return."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    base = status("VmHWM")
    if memory is not None:
        limit = status("VmData") + memory
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    for item in items:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            answer = json.dumps(work(item))
        except BaseException:
            answer = json.dumps({"ended": traceback.format_exc()[-2000:]})
        os.write(given, answer.encode() + b"\n")
        if status("VmHWM") - base > _KEPT * _MEGABYTE:
            break
    os._exit(0)


def status(entry: str) -> int:
    """Bytes of this process, by an entry of its status: VmRSS, VmHWM (the largest of that) or VmData."""
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, size = line.partition(":")
        if name == entry:
            return int(size.split()[0]) * 1024
    raise ValueError(f"expected an entry of /proc/self/status, got {entry}")


if __name__ == "__main__":
    from tests.hostile.kinds import KINDS

    for outcome in outcomes(KINDS[sys.argv[1]]):
        print(json.dumps(asdict(outcome)), flush=True)
