"""Photos as people have them: what is in a zip or a list is found with its class, and what is wrong there is named by
its line."""

import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pg_core.datasets.folders import labelled_photos, other_files
from pg_core.datasets.sources import photos_of
from pg_core.evaluation.run import evaluate
from pg_core.photos.read import ImageError
from tests.pg_core.evaluation.test_evaluation import CASES, Means

CLASSES = Means.classes


def paint(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (32, 32, 3), np.uint8)).save(path)


@pytest.fixture
def folder(tmp_path):
    """Two photos of noise for each class."""
    for label, name in enumerate(CLASSES):
        for number in range(2):
            paint(tmp_path / "val" / name / f"{number}.png", 2 * label + number)
    return tmp_path / "val"


@pytest.fixture
def flat(tmp_path):
    """A photo in a folder, and what is none."""
    paint(tmp_path / "flat" / "b.png", 1)
    paint(tmp_path / "flat" / "a.png", 2)
    (tmp_path / "flat" / "notes.txt").touch()
    (tmp_path / "flat" / ".hidden.png").touch()
    return tmp_path / "flat"


def packed(folder, path, under="", more=()):
    """A zip of a folder, as systems make it."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.writestr(f"{under}{file.relative_to(folder).as_posix()}", file.read_bytes())
        archive.writestr("__MACOSX/val/red/._0.png", b"\0\5\x16\7")
        for name, content in more:
            archive.writestr(name, content)
    return path


def test_class_folders_are_taken_as_before(folder):
    assert photos_of(folder, CLASSES) == labelled_photos(folder, CLASSES)


def test_a_flat_folder_has_photos_without_labels_and_names_the_rest(flat):
    photos = photos_of(flat, CLASSES)
    assert [(photo.name, photo.label) for photo in photos] == [("a.png", None), ("b.png", None)]
    assert other_files(flat) == ("notes.txt",)
    assert evaluate(Means(), photos, CASES).n == 2


@pytest.mark.parametrize("under", ["", "val/", "data/val/"])
def test_a_zip_of_class_folders_is_measured_as_the_folder_is(folder, tmp_path, under):
    path = packed(folder, tmp_path / "photos.ZIP", under)
    photos, plain = photos_of(path, CLASSES), labelled_photos(folder, CLASSES)
    assert [(photo.name, photo.label) for photo in photos] == [(photo.name, photo.label) for photo in plain]
    assert [photo.hashed().sha256 for photo in photos] == [photo.hashed().sha256 for photo in plain]
    evaluation, expected = evaluate(Means(), photos, CASES), evaluate(Means(), plain, CASES)
    assert (evaluation.runs, evaluation.photos_sha256) == (expected.runs, expected.photos_sha256)
    assert evaluation.folder.endswith("/photos.ZIP")


def test_a_zip_of_photos_alone_has_no_labels(flat, tmp_path):
    for under in ("", "holiday/"):
        photos = photos_of(packed(flat, tmp_path / "flat.zip", under), CLASSES)
        assert [(photo.name, photo.label) for photo in photos] == [("a.png", None), ("b.png", None)]


def test_two_halves_of_a_data_set_in_one_zip_keep_their_names_apart(folder, tmp_path):
    path = packed(folder, tmp_path / "both.zip", "val/")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("train/red/0.png", (folder / "red" / "1.png").read_bytes())
    names = {photo.name for photo in photos_of(path, CLASSES)}
    assert {"train/red/0.png", "val/red/0.png"} <= names
    assert len(names) == 7


def test_a_photo_of_a_zip_that_cannot_be_read_is_named_or_passed_over(folder, tmp_path):
    path = packed(folder, tmp_path / "photos.zip", more=[("red/bad.png", b"no photo")])
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        entry = archive.getinfo("green/0.png")
    at = entry.header_offset + 30 + len("green/0.png") + 200
    path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    photos = photos_of(path, CLASSES)
    with pytest.raises(ImageError, match=r"^(green/0|red/bad)\.png: "):
        evaluate(Means(), photos, CASES)
    evaluation = evaluate(Means(), photos, CASES, skip_unreadable=True)
    assert (evaluation.n, evaluation.unreadable) == (5, ("green/0.png", "red/bad.png"))


def test_a_photo_that_is_gone_from_a_zip_is_missing(folder, tmp_path):
    path = packed(folder, tmp_path / "photos.zip")
    evaluate(Means(), photos_of(path, CLASSES), CASES, tmp_path / "table")
    (folder / "red" / "0.png").unlink()
    packed(folder, path)
    evaluation = evaluate(Means(), photos_of(path, CLASSES), CASES, tmp_path / "table")
    assert (evaluation.n, evaluation.missing) == (5, ("red/0.png",))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a zip"),
        (b"PK\3\4" + bytes(100), "not a zip"),
        (None, "no such file"),
    ],
)
def test_what_is_no_zip_is_refused(tmp_path, content, words):
    if content is not None:
        (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(ImageError, match=rf"^a\.zip: .*{words}"):
        photos_of(tmp_path / "a.zip", CLASSES)


def test_a_zip_with_a_folder_that_is_no_class_or_without_photos_is_refused(folder, tmp_path):
    path = packed(folder, tmp_path / "a.zip", more=[("holiday/1.png", b"")])
    with pytest.raises(ImageError, match=r"a\.zip: 'holiday': expected folders named like the classes"):
        photos_of(path, CLASSES)
    with zipfile.ZipFile(tmp_path / "none.zip", "w") as archive:
        archive.writestr("red/notes.txt", b"")
    with pytest.raises(ImageError, match=r"none\.zip: expected photos in it"):
        photos_of(tmp_path / "none.zip", CLASSES)


def listed(path, rows, header=("path", "label")):
    """A list in the form that its suffix says."""
    if path.suffix == ".parquet":
        columns = dict(zip(header, zip(*rows, strict=True), strict=True))
        pq.write_table(pa.table({name: pa.array(values) for name, values in columns.items()}), path)
    else:
        mark = "\t" if path.suffix == ".tsv" else ","
        lines = [mark.join("" if cell is None else str(cell) for cell in row) for row in [header, *rows]]
        path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
@pytest.mark.parametrize("names", [True, False])
def test_a_list_is_measured_as_its_folder_is_whatever_its_labels_are(folder, suffix, names):
    plain = labelled_photos(folder, CLASSES)
    rows = [(photo.name, CLASSES[photo.label] if names else photo.label) for photo in plain]
    photos = photos_of(listed(folder / f"list{suffix}", rows), CLASSES)
    evaluation, expected = evaluate(Means(), photos, CASES), evaluate(Means(), plain, CASES)
    assert (evaluation.runs, evaluation.photos_sha256) == (expected.runs, expected.photos_sha256)
    assert evaluation.folder.endswith(f"/list{suffix}")


def test_a_list_may_begin_with_a_mark_have_other_columns_and_absolute_paths(folder, tmp_path):
    path = tmp_path / "list.csv"
    path.write_bytes(
        f'\ufeffId;Image;Class\r\n1;"{folder}/red/0.png";RED\r\n\r\n2;val/blue/1.png;blue\r\n'.encode()
    )
    photos = photos_of(path, CLASSES)
    assert [(photo.label, photo.path.name) for photo in photos] == [(0, "0.png"), (2, "1.png")]
    assert evaluate(Means(), photos, CASES).n == 2


def test_a_list_without_labels_has_none(folder):
    photos = photos_of(listed(folder / "list.csv", [("red/0.png",), ("red/1.png",)], ("file",)), CLASSES)
    assert [photo.label for photo in photos] == [None, None]


WRONG = {
    "no class": ([("red/0.png", "red"), ("red/1.png", "purple")], "2: expected a class"),
    "no such index": ([("red/0.png", 0), ("red/1.png", 3)], "2: expected a class"),
    "twice": ([("red/0.png", 0), ("red/0.png", 0)], "2: 'red/0.png' is in .* 1 already"),
    "some labels": ([("red/0.png", "red"), ("red/1.png", "")], "2: expected a label for every photo"),
    "no path": ([("red/0.png", "red"), ("", "red")], "2: expected the path of a photo"),
    "no end": ([("red/0.png", "red"), ("re\0d.png", "red")], "2: expected the path of a photo"),
}


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_in_a_list_is_named_by_its_line(folder, suffix, kind):
    rows, words = WRONG[kind]
    if suffix == ".csv":  # its header is line 1
        words = words.replace("2:", "3:").replace("1 already", "2 already")
    with pytest.raises(ImageError, match=rf"^list\{suffix}, (line|row) {words}"):
        photos_of(listed(folder / f"list{suffix}", rows), CLASSES)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"", "expected a header with a column path"),
        ("a.csv", b"x,y\n1,2\n", "expected a header with a column path"),
        ("a.csv", b"path,label\n", "expected photos in it, got none"),
        ("a.csv", b"path\nred/0.png\ncaf\xe9.png\n", r"line 3: expected text in UTF-8"),
        ("a.csv", b'path\n"red/0.png\n', r"line 2: "),
        ("a.csv", b"path\n" + b"a" * 200_000 + b"\n", r"line 2: "),
        ("a.parquet", b"PAR1 and no more", "not a Parquet file"),
        ("a.tar", b"", r"expected a folder of photos, a \.zip of one, or a list of paths"),
    ],
)
def test_what_is_no_list_is_refused_in_a_sentence(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageError, match=words):
        photos_of(tmp_path / name, CLASSES)


def test_a_photo_of_a_list_that_cannot_be_read_is_named_by_its_line(folder):
    (folder / "red" / "1.png").write_bytes(b"no photo")
    rows = [("red/0.png", "red"), ("red/1.png", "red"), ("red/2.png", "red")]
    photos = photos_of(listed(folder / "list.csv", rows), CLASSES)
    with pytest.raises(ImageError, match=r"^list\.csv, line 3: .*1\.png: This is text"):
        evaluate(Means(), photos, CASES)
    with pytest.raises(ImageError, match=r"^list\.csv, line 4: red/2\.png: no such file"):
        photos[2].hashed()
    evaluation = evaluate(Means(), photos, CASES, skip_unreadable=True)
    assert evaluation.unreadable == ("red/1.png", "red/2.png")
