"""A run that goes on from the table of an earlier one trusts the contents of photos, not their names."""

import shutil
from contextlib import ExitStack
from dataclasses import replace
from importlib.metadata import version

import numpy as np
import pytest
from PIL import Image

import pg_core
from pg_core.datasets.folders import labelled_photos
from pg_core.defences.registry import DEFENCES
from pg_core.defences.spec import DefenceConfig
from pg_core.evaluation.cases import evaluation_cases
from pg_core.evaluation.outcome_columns import COLUMNS
from pg_core.evaluation.outcome_table import open_table
from pg_core.evaluation.run import evaluate
from pg_core.evidence.head import MaskingHead
from pg_core.io.files import FileError
from pg_core.networks import load_model
from tests.colours import Colours
from tests.limits import full_after

CONFIG = DefenceConfig(Colours.receptive_field, Colours.image_size, Colours.evidence, (4, 4))
CASES = evaluation_cases(CONFIG, ((4, 4), (8, 8)), ("masking",))


NOISE = np.random.default_rng(0).random((3, *Colours.image_size), np.float32)


class Counting(Colours):
    """Counts the photos it sees whole, but for the noise; computes where it is told that it does."""

    def __init__(self, device="cpu"):
        super().__init__()
        self.device = device
        self.photos = 0

    def local_logits(self, pixels, window=None):
        whole = window is None and pixels.shape[1:] == self.image_size
        self.photos += whole and not np.array_equal(pixels, NOISE)
        return super().local_logits(pixels, window)


def paint(path, seed):
    values = np.random.default_rng(seed).integers(0, 256, (48, 64, 3), np.uint8)
    Image.fromarray(values).save(path)


def photos_in(folder):
    return labelled_photos(folder, Colours.classes)


@pytest.fixture
def folder(tmp_path):
    """Two photos of noise for each class."""
    for label, name in enumerate(Colours.classes):
        (tmp_path / "val" / name).mkdir(parents=True)
        for number in range(2):
            paint(tmp_path / "val" / name / f"{number}.png", 2 * label + number)
    return tmp_path / "val"


@pytest.fixture
def table(folder, tmp_path):
    """The table of a run over all of the folder."""
    path = tmp_path / "table"
    evaluate(Counting(), photos_in(folder), CASES, path)
    return path


def rows(table):
    """All of a table but the seconds, in the order of the photos."""
    columns = ", ".join(name for name in COLUMNS.names if name != "seconds")
    return open_table(table).query(f"select {columns} from outcomes order by photo, setting")


def resumed(folder, table):
    model = Counting()
    return evaluate(model, photos_in(folder), CASES, table), model.photos


def test_a_photo_that_was_replaced_is_measured_again_and_named(folder, table):
    paint(folder / "green" / "1.png", 100)
    evaluation, measured = resumed(folder, table)
    assert (measured, evaluation.changed, evaluation.missing) == (1, ("green/1.png",), ())
    assert "1 changed photo measured again: green/1.png" in str(evaluation)
    fresh = evaluate(Counting(), photos_in(folder), CASES, folder.parent / "fresh")
    assert (evaluation.runs, evaluation.photos_sha256) == (fresh.runs, fresh.photos_sha256)
    assert rows(table) == rows(folder.parent / "fresh")
    again, measured = resumed(folder, table)
    assert (again, measured) == (fresh, 0)


def test_a_photo_of_another_class_than_before_is_measured_again(folder, table):
    photos = photos_in(folder)
    relabelled = [replace(photos[0], label=(photos[0].label + 1) % 3), *photos[1:]]
    model = Counting()
    evaluation = evaluate(model, relabelled, CASES, table)
    assert (model.photos, evaluation.changed) == (1, (photos[0].name,))
    labels = dict(open_table(table).query("select distinct photo, label from outcomes"))
    assert labels == {photo.name: photo.label for photo in relabelled}


def test_a_photo_that_is_missing_is_named_and_not_counted(folder, table):
    (folder / "red" / "0.png").unlink()
    evaluation, measured = resumed(folder, table)
    assert (measured, evaluation.n, evaluation.missing) == (0, 5, ("red/0.png",))
    assert evaluation.summary()["missing"] == {"count": 1, "names": ["red/0.png"]}


def test_a_photo_that_moved_is_named_under_both_names_and_counted_once(folder, table):
    (folder / "red" / "0.png").rename(folder / "red" / "new.png")
    evaluation, measured = resumed(folder, table)
    assert (measured, evaluation.n, evaluation.missing) == (1, 6, ("red/0.png",))
    assert evaluation.moved == ("red/0.png -> red/new.png",)


def test_photos_that_were_not_asked_for_are_not_called_missing(folder, table):
    model = Counting()
    evaluation = evaluate(model, photos_in(folder)[:2], CASES, table)
    assert (model.photos, evaluation.n, evaluation.missing) == (0, 2, ())


def test_the_table_of_another_folder_is_refused_and_kept_though_the_names_are_the_same(folder, table):
    other = folder.parent / "unseen"
    shutil.copytree(folder, other)
    for number, path in enumerate(sorted(other.rglob("*.png"))):
        paint(path, 50 + number)
    before = rows(table)
    with pytest.raises(ValueError, match=r"table: outcomes of other photos, those of .*/val"):
        resumed(other, table)
    assert rows(table) == before


def test_a_folder_that_was_renamed_goes_on_from_its_table(folder, table):
    moved = folder.rename(folder.parent / "moved")
    evaluation, measured = resumed(moved, table)
    assert (measured, evaluation.changed) == (0, ())
    assert evaluation.folder.endswith("/moved")


def test_further_cases_are_added_and_the_others_kept(folder, table):
    model, before = Counting(), rows(table)
    more = evaluation_cases(CONFIG, ((4, 4), (8, 8), (12, 12)), ("masking", "clipping"))
    evaluation = evaluate(model, photos_in(folder), more, table)
    assert (model.photos, len(evaluation.runs), len(rows(table))) == (6, 6, 36)
    assert [row for row in rows(table) if row in before] == before
    assert evaluation.runs == evaluate(Counting(), photos_in(folder), more).runs
    assert resumed(folder, table)[1] == 0


def test_the_hash_of_photos_is_of_names_contents_and_labels(folder):
    def told():
        return evaluate(Counting(), photos_in(folder), CASES).photos_sha256

    first = told()
    assert told() == first
    (folder / "red" / "0.png").rename(folder / "red" / "2.png")
    renamed = told()
    (folder / "red" / "2.png").rename(folder / "green" / "2.png")
    relabelled = told()
    paint(folder / "green" / "2.png", 100)
    assert len({first, renamed, relabelled, told()}) == 4


def test_the_configuration_says_versions_and_the_device(folder):
    told = evaluate(Counting("cuda: some card"), photos_in(folder), CASES).summary()["configuration"]
    assert told["device"] == "cuda: some card"
    assert told["versions"]["pg_core"] == pg_core.__version__
    for library in ("torch", "torchvision", "numpy", "scipy", "pillow"):
        assert told["versions"][library] == version(library)
    assert load_model("cifar10", "cpu").device == "cpu"
    assert evaluate(Colours(), photos_in(folder), CASES).configuration.device is None


def test_rows_and_local_logits_of_another_device_are_not_used(folder, table, tmp_path):
    photos, kept = photos_in(folder), tmp_path / "kept"
    with pytest.raises(ValueError, match="device"):
        evaluate(Counting("cuda: some card"), photos, CASES, table)
    evaluate(Counting(), photos, CASES, logits=kept)
    same, other = Counting(), Counting("cuda: some card")
    for model in (same, other):
        evaluate(model, photos, CASES, logits=kept)
    assert (same.photos, other.photos) == (0, len(photos))


def test_the_table_of_another_version_is_refused_and_kept(folder, table, monkeypatch):
    before = rows(table)
    monkeypatch.setattr("pg_core.evaluation.cases.__version__", "0.0.1")
    with pytest.raises(ValueError, match=r"another configuration \(versions\); name another folder"):
        resumed(folder, table)
    assert rows(table) == before


def test_every_row_that_a_run_writes_is_taken_again(folder, tmp_path):
    names = [name for name in DEFENCES if name not in ("mask-ds", "smoothing", "interval")]
    head = MaskingHead(tuple(map(tuple, np.eye(3, 9).tolist())), (0.0, 0.0, 0.0))
    cases = evaluation_cases(replace(CONFIG, head=head), ((4, 4), (32, 32)), names, (0.0, 0.3))
    path, model = tmp_path / "all", Counting()
    first = evaluate(model, photos_in(folder), cases, path)
    before, model.photos = rows(path), 0
    again = evaluate(model, photos_in(folder), cases, path)
    assert (again, model.photos, rows(path)) == (first, 0, before)
    assert len(before) == 6 * len(cases)


def test_a_run_that_meets_a_full_disk_goes_on_from_what_is_kept(folder, table, monkeypatch):
    whole = rows(table)
    shutil.rmtree(table)
    monkeypatch.setattr("pg_core.evaluation.outcome_writer._SECONDS", 0.0)
    disk = ExitStack()

    def fill(progress):
        if progress.done == 3:
            disk.enter_context(full_after(1000))

    with disk, pytest.raises(FileError, match=r"cannot be written") as stopped:
        evaluate(Counting(), photos_in(folder), CASES, table, report=fill)
    kept = {row[0] for row in rows(table)}
    assert len(kept) == 3
    assert stopped.value.__notes__ == [f"3 of 6 photos are kept in {table}"]
    assert not list(table.glob(".*.new"))
    evaluation, measured = resumed(folder, table)
    assert (evaluation.n, measured) == (6, 6 - len(kept))
    assert rows(table) == whole


def test_an_interrupt_says_how_many_photos_are_kept_and_where(folder, tmp_path):
    table = tmp_path / "table"

    def stop(progress):
        if progress.done == 2:
            raise KeyboardInterrupt

    for options, words in (
        ({}, ""),
        ({"table": table}, f"2 of 6 photos are kept in {table}"),
        ({"logits": tmp_path / "kept"}, f"2 of 6 photos are kept in {tmp_path / 'kept'}"),
    ):
        with pytest.raises(KeyboardInterrupt) as stopped:
            evaluate(Counting(), photos_in(folder), CASES, report=stop, **options)
        assert str(stopped.value) == words
