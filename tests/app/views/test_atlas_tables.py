"""A table comes from the server's folder or from a person, and no photo from outside of the folder of photos."""

import hashlib

import pytest

from app.cache import tables
from app.cache.tables import Atlas
from app.views.atlas import results
from app.views.atlas.filters import Filters
from app.views.atlas.results import Selection
from pg_core.evaluation.outcome_table import open_table
from tests.app.test_page import png
from tests.tables_of_runs import MASKING, write_table


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables") / "made-up"
    write_table(folder)
    return folder


@pytest.fixture(scope="module")
def atlas(folder):
    return Atlas(open_table(folder))


def test_no_more_trials_are_kept_than_fit_and_each_is_found_again(folder):
    atlas = Atlas(open_table(folder))
    before = [results.failing(Selection(atlas, trial)).counts for trial in range(len(atlas.keys))]
    ((trials,),) = atlas.ask("select count(distinct trial) from failures")
    assert trials <= 4
    assert [results.failing(Selection(atlas, trial)).counts for trial in range(len(atlas.keys))] == before


def test_a_persons_table_leaves_no_file_and_says_the_same(folder, atlas, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    parts = tables.own_parts({"mine.parquet": next(folder.glob("part-*")).read_bytes()})
    own = tables.own_table(tables.digest_of(parts), parts)
    assert list(tmp_path.iterdir()) == []
    selection = Selection(own, MASKING, Filters(window=(1, 2)))
    assert results.failing(selection) == results.failing(Selection(atlas, MASKING, selection.filters))


@pytest.mark.parametrize("data", [b"", b"PAR1 and nothing", b"PAR1" * 100])
def test_what_is_no_table_is_refused_in_a_sentence_that_names_no_folder(data, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    parts = tables.own_parts({"mine.parquet": data})
    with pytest.raises(ValueError, match=r"part-00000001\.parquet: ") as refused:
        tables.own_table(tables.digest_of(parts), parts)
    assert str(tmp_path) not in str(refused.value)


def test_more_than_the_server_takes_is_refused_with_the_cure():
    with pytest.raises(ValueError, match=r"at most 64 files and 64 MB, .*PATCHGUARD_TABLES"):
        tables.own_parts({f"{number}.parquet": b"" for number in range(65)})


@pytest.mark.parametrize(
    "name", ["../secret.png", "/secret.png", "link.png", "photo.png\0", "up/../../secret.png"]
)
def test_a_table_shows_no_file_outside_of_the_folder_of_photos(atlas, tmp_path, monkeypatch, name):
    inside = tmp_path / "photos"
    inside.mkdir()
    (tmp_path / "secret.png").write_bytes(png())
    (inside / "link.png").symlink_to(tmp_path / "secret.png")
    (inside / "there.png").write_bytes(png())
    monkeypatch.setenv(tables.PHOTOS, str(inside))
    name = str(tmp_path / "secret.png") if name.startswith("/") else name
    digest = hashlib.sha256(png()).hexdigest()
    assert tables.photo_of(atlas.run, name, digest) is None
    assert tables.photo_of(atlas.run, "there.png", digest).digest == digest
    assert tables.photo_of(atlas.run, "there.png", "0" * 64) is None


def test_a_folder_that_may_not_be_read_is_no_table_and_no_error(folder, tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "made-up").symlink_to(folder)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    monkeypatch.setenv(tables.TABLES, str(tmp_path))
    monkeypatch.setattr(tables, "SHIPPED", tmp_path / "none")
    assert list(tables.served()) == ["made-up"]
    monkeypatch.setenv(tables.TABLES, str(tmp_path / "missing"))
    assert tables.served() == {}
