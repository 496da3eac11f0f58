"""How far work has come: one line of a terminal, whatever is told."""

import fcntl
import os
import struct
import sys
import termios
import unicodedata

import pytest

from pg_core.commands.options import progress_line
from pg_core.io.progress import Pace, Progress

COLUMNS = 60


def sent_to_a_terminal(work, monkeypatch):
    """What work sends to a terminal of `COLUMNS` columns as its standard error."""
    reading, writing = os.openpty()
    os.set_blocking(reading, False)
    fcntl.ioctl(writing, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    with os.fdopen(reading, "rb", buffering=0) as terminal, os.fdopen(writing, "w", encoding="utf-8") as own:
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stderr", own)
            work()
        own.flush()
        return terminal.read(2**16).decode()


def width(text):
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)


def test_a_report_takes_one_line_of_a_terminal_however_long_its_words_are(monkeypatch):
    def work():
        with progress_line() as report:
            for done, message in enumerate(
                ("cat/" + "a" * 300, "cat/" + "猫" * 300, "cat/\x1b[31m\r\nred.png", "")
            ):
                report(Progress(done, 3, None, message))

    *lines, end = sent_to_a_terminal(work, monkeypatch).removeprefix("\r").split("\r")
    assert end == "\n"
    assert max(map(width, lines)) < COLUMNS
    assert all(line.isprintable() for line in lines)
    assert any(r"1/3: cat/猫" in line for line in lines)
    assert any(r"2/3: cat/\x1b[31m\r\nred.png" in line for line in lines)
    assert lines[-1].rstrip() == "100%|██████████| 3/3"


def test_work_that_tells_nothing_leaves_nothing_on_a_terminal(monkeypatch):
    def work():
        with progress_line():
            sys.stderr.write("only this")

    assert sent_to_a_terminal(work, monkeypatch) == "only this"


def test_the_time_left_is_that_of_the_steps_that_were_not_done_before():
    pace = Pace(total=10, first=4, began=0.0)
    assert pace.progress(4).seconds_left is None
    now, later = pace.progress(6).seconds_left, pace.progress(9).seconds_left
    assert now is not None
    assert later is not None
    # After two fresh steps four are left, after five one: twice the time since, and a fifth of it.
    assert now / later == pytest.approx(10, rel=1e-3)
