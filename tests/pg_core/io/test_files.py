"""Files appear whole or not at all, and one that cannot be written is named in one sentence with the cure."""

import errno
import os
import time
from pathlib import Path

import pytest

from pg_core.io.files import (
    FileError,
    UnreadableError,
    append,
    check_regular,
    prepare,
    prepare_folder,
    regular,
    write,
)
from tests.limits import full_after


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def failing(error):
    def fail(*arguments, **options):
        raise error

    return fail


def test_what_is_written_replaces_what_was_there_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "a.bin"
    for content in (b"one", b"another one"):
        write({path: content})
        assert path.read_bytes() == content
        assert names(tmp_path) == ["a.bin"]


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt(), MemoryError()]
)
@pytest.mark.parametrize("where", ["os.fsync", "pathlib.Path.replace"])
def test_a_write_that_fails_leaves_the_file_before_and_nothing_else(tmp_path, monkeypatch, error, where):
    path = tmp_path / "a.bin"
    path.write_bytes(b"before")
    monkeypatch.setattr(where, failing(error))
    with pytest.raises(FileError if isinstance(error, OSError) else type(error)):
        write({path: b"after"})
    assert path.read_bytes() == b"before"
    assert names(tmp_path) == ["a.bin"]


def test_of_two_files_neither_is_replaced_if_the_second_does_not_fit(tmp_path):
    weights, card = tmp_path / "weights", tmp_path / "card"
    with full_after(100), pytest.raises(FileError, match=rf"^{card}: cannot be written, .* raise its limit"):
        write({weights: b"w" * 100, card: b"c" * 101})
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "the disk is full: make room, or name another place"),
        (errno.EROFS, "the disk can only be read: name another place"),
        (errno.EACCES, "it is not allowed: change the permissions, or name another place"),
        (errno.EIO, "Input/output error: name another place"),
    ],
)
def test_the_sentence_names_the_file_and_says_what_to_do(tmp_path, monkeypatch, number, words):
    path = tmp_path / "a.bin"
    path.touch()
    sentence = f"{path}: cannot be written, {words}"
    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", failing(OSError(number, os.strerror(number))))
        for work in (lambda: write({path: b"a"}), lambda: append(path, b"a")):
            with pytest.raises(FileError) as refused:
                work()
            assert str(refused.value) == sentence
    monkeypatch.setattr("pathlib.Path.touch", failing(OSError(number, os.strerror(number))))
    with pytest.raises(FileError) as refused:
        prepare(path)
    assert str(refused.value) == f"{tmp_path}: cannot be written, {words}"


def test_a_line_that_does_not_fit_is_taken_back(tmp_path):
    path = tmp_path / "lines"
    append(path, b"first\n")
    with full_after(10), pytest.raises(FileError, match="lines: cannot be written"):
        append(path, b"second\n")
    assert path.read_bytes() == b"first\n"
    append(path, b"third\n")
    assert path.read_bytes() == b"first\nthird\n"


def test_the_last_folder_is_made_and_those_above_it_are_not(tmp_path):
    prepare(tmp_path / "made" / "a.bin")
    prepare_folder(tmp_path / "other")
    assert names(tmp_path) == ["made", "other"]
    assert names(tmp_path / "made") == []
    with pytest.raises(FileError, match="there is no such folder: make it"):
        prepare(tmp_path / "missing" / "deeper" / "a.bin")
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match="in the place of its folder"):
        prepare(tmp_path / "file" / "a.bin")
    assert names(tmp_path) == ["file", "made", "other"]


def test_what_a_killed_run_left_is_removed_once_nobody_writes_it_any_more(tmp_path):
    old, young, foreign = (tmp_path / name for name in (".a.bin.01.new", ".a.bin.02.new", ".b.bin.03.new"))
    for path in (old, young, foreign):
        path.touch()
    for path in (old, foreign):
        os.utime(path, (time.time() - 3600,) * 2)
    prepare(tmp_path / "a.bin")
    assert names(tmp_path) == [young.name, foreign.name]


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "no such file"),
        (Path.mkdir, "expected a file, got a folder"),
        (os.mkfifo, "expected a file, got a pipe"),
        (lambda path: path.symlink_to("/dev/zero"), "expected a file, got a device"),
        (lambda path: path.symlink_to(path), "Too many levels of symbolic links"),
    ],
)
def test_a_file_that_cannot_be_opened_is_named_with_the_reason(tmp_path, make, reason):
    make(tmp_path / "a.bin")
    with pytest.raises(UnreadableError) as refused, regular(tmp_path / "a.bin"):
        pytest.fail("it was opened")
    assert (str(refused.value), refused.value.reason) == (f"a.bin: {reason}", reason)


def test_a_disk_that_fails_while_a_file_is_read_is_a_reason_too(tmp_path):
    (tmp_path / "a.bin").touch()
    with pytest.raises(UnreadableError, match=r"^a\.bin: Input/output error$"), regular(tmp_path / "a.bin"):
        raise OSError(errno.EIO, "Input/output error")


@pytest.mark.parametrize("kind", ["a pipe", "a folder", "a device"])
def test_a_pipe_a_folder_or_a_device_in_the_place_of_a_file_is_refused_unopened(tmp_path, kind):
    path = Path("/dev/null") if kind == "a device" else tmp_path / "other"
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a folder":
        path.mkdir()
    for work in (check_regular, prepare, lambda path: write({path: b"a"})):
        with pytest.raises(FileError, match=f"^{path}: expected a file, got {kind}: name another one$"):
            work(path)
