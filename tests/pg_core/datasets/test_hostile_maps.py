"""Archives of local logits that are large, spoilt, or no files: refused by their headers, and one map at a time."""

import json
import os
import weakref
import zipfile

import numpy as np
import pytest

from pg_core.datasets.local_logits import Layout, Stated, read_local_logits, with_values
from tests.pg_core.datasets.test_local_logits import LAST, refused, run

__all__ = ["run"]


def test_maps_before_a_bad_one_are_certified_and_what_is_known_beforehand_is_said_beforehand(run, tmp_path):
    path, good = tmp_path / "maps.npz", np.ones((4, 4, 2))
    np.savez(path, first=good, second=np.full((4, 4, 2), np.nan), third=good)
    code, out, err = run(path, "2x2", *LAST)
    assert (code, [json.loads(line)["name"] for line in out.splitlines()]) == (1, ["first"])
    assert "'second'" in err
    np.savez(path, first=good, second=np.ones((4, 4)))
    assert "'second'" in refused(run(path, "2x2", *LAST))


def test_what_would_take_too_much_memory_is_refused_by_the_headers_alone(run, tmp_path):
    def claimed(name, *arrays):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for index, (shape, kind) in enumerate(arrays):
                header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode()
                content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
                archive.writestr(f"{index}.npy", content)
        return refused(run(tmp_path / name, "2x2", *LAST))

    assert "at most 5592405 cells" in claimed("one.npz", ((2365, 2365, 2), "|u1"))
    assert "2 GB" in claimed("many.npz", *[((1000, 1000, 28), "|u1")] * 10)
    assert "at least two classes" in claimed("negative.npz", ((-4, -4, 2), "<f8"))
    assert "64 bits" in claimed("long.npz", ((4, 4, 2), "<f16"))
    assert "no array that can be read" in claimed("text.npz", (("a", 4, 2), "<f8"))


def test_of_many_maps_that_unpack_to_much_one_is_in_memory_at_a_time(tmp_path):
    path, maps = tmp_path / "maps.npz", 6
    np.savez_compressed(path, **{f"map{index}": np.ones((2, 300, 300), np.uint8) for index in range(maps)})
    seen, earlier = 0, []
    for _, values in with_values(read_local_logits(path, Stated(Layout.CLASSES_FIRST)).values()):
        assert [array for array in earlier if array() is not None] == []
        earlier.append(weakref.ref(values))
        seen += 1
    assert seen == maps
    assert 8 * values.size > path.stat().st_size


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "loop"])
def test_what_is_no_file_is_refused_at_once(run, tmp_path, kind):
    path = tmp_path / "maps.npz"
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "folder":
            path.mkdir()
        case "loop":
            path.symlink_to(path)
    assert "maps.npz: " in refused(run(path, "2x2", *LAST))
