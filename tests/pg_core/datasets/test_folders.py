"""Folders of photos as people have them: what systems leave is passed over, all else is read, named or counted."""

import json

import pytest
from PIL import Image

from pg_core import sample_path
from pg_core.__main__ import main
from pg_core.datasets.folders import labelled_photos, other_files, readable
from pg_core.evaluation.results import read as results_read
from pg_core.evaluation.run import evaluate
from pg_core.photos.read import SUFFIXES, ImageError
from tests.pg_core.evaluation.test_evaluation import CASES, Means

CLASSES = ("cat", "dog")
OF_SYSTEMS = ("._a.jpg", ".DS_Store", "Thumbs.db", "thumbs.db", "desktop.ini", ".hidden.png")


@pytest.fixture
def folder(tmp_path):
    """Two photos of each class, what systems leave beside them, and nothing else."""
    root = tmp_path / "photos"
    for name in CLASSES:
        (root / name).mkdir(parents=True)
        for number in range(2):
            Image.new("RGB", (32, 32), "red").save(root / name / f"{number}.png")
        for other in OF_SYSTEMS:
            (root / name / other).write_bytes(b"\0\5\x16\7")
    for hidden in ("__MACOSX", ".git", ".ipynb_checkpoints"):
        (root / hidden / "cat").mkdir(parents=True)
        (root / hidden / "._0.png").write_bytes(b"\0\5\x16\7")
    (root / "cat" / ".ipynb_checkpoints").mkdir()
    (root / "cat" / "__MACOSX").mkdir()
    (root / ".DS_Store").write_bytes(b"\0\0\0\1")
    return root


def names(folder):
    return sorted(photo.name for photo in labelled_photos(folder, CLASSES))


def test_what_systems_leave_beside_photos_is_passed_over_without_a_word(folder):
    assert names(folder) == ["cat/0.png", "cat/1.png", "dog/0.png", "dog/1.png"]
    assert other_files(folder) == ()


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".JPG", ".JFIF", ".HEIC"])
def test_every_suffix_that_is_read_is_found_in_a_folder(folder, suffix):
    (folder / "dog" / f"more{suffix}").touch()
    assert f"dog/more{suffix}" in names(folder)


def test_all_else_in_a_folder_is_named(folder):
    (folder / "notes.txt").touch()
    (folder / "stray.png").touch()
    (folder / "cat" / "film.mov").touch()
    (folder / "cat" / "more").mkdir()
    (folder / "dog" / "folder.png").mkdir()
    assert other_files(folder) == ("cat/film.mov", "cat/more/", "dog/folder.png/", "notes.txt", "stray.png")
    assert len(names(folder)) == 4


def test_a_folder_that_is_no_class_is_still_refused(folder):
    (folder / "stray").mkdir()
    with pytest.raises(ImageError, match="photos/stray: expected folders named like the classes"):
        labelled_photos(folder, CLASSES)


def test_readable_photos_are_told_from_the_others(folder):
    (folder / "cat" / "0.png").write_bytes(b"no photo")
    photos, bad = readable(labelled_photos(folder, CLASSES))
    assert bad == ("cat/0.png",)
    assert sorted(photo.name for photo in photos) == ["cat/1.png", "dog/0.png", "dog/1.png"]
    for photo in photos:
        photo.path.write_bytes(b"")
    with pytest.raises(ImageError, match="None of 3 photos can be read"):
        readable(photos)


def test_an_unreadable_photo_is_named_with_its_folder_and_ends_the_evaluation(folder):
    (folder / "cat" / "1.png").write_bytes(b"no photo")
    with pytest.raises(ImageError, match=r"^cat/1\.png: This is text"):
        evaluate(Means(), labelled_photos(folder, CLASSES), CASES)


@pytest.mark.parametrize("logits", [False, True])
def test_skipped_photos_are_counted_and_the_others_measured_as_without_them(folder, tmp_path, logits):
    photos = labelled_photos(folder, CLASSES)
    (folder / "cat" / "1.png").write_bytes(b"no photo")
    (folder / "dog" / "0.png").unlink()
    kept = tmp_path / "kept" if logits else None
    evaluation = evaluate(Means(), photos, CASES, logits=kept, skip_unreadable=True)
    assert evaluation.n == 2
    assert evaluation.unreadable == ("cat/1.png", "dog/0.png")
    alone = evaluate(Means(), [photo for photo in photos if photo.name not in evaluation.unreadable], CASES)
    assert evaluation.runs == alone.runs
    assert evaluation.photos_sha256 == alone.photos_sha256


def test_a_run_goes_on_with_a_photo_that_has_been_repaired(folder, tmp_path):
    photos, table = labelled_photos(folder, CLASSES), tmp_path / "table"
    path = folder / "cat" / "1.png"
    whole = path.read_bytes()
    path.write_bytes(b"no photo")
    assert evaluate(Means(), photos, CASES, table, skip_unreadable=True).n == 3
    path.write_bytes(whole)
    assert evaluate(Means(), photos, CASES, table, skip_unreadable=True) == evaluate(Means(), photos, CASES)


def test_if_no_photo_can_be_read_there_is_no_result(folder):
    photos = labelled_photos(folder, CLASSES)
    for photo in photos:
        photo.path.write_bytes(b"no photo")
    with pytest.raises(ImageError, match="None of 4 photos can be read"):
        evaluate(Means(), photos, CASES, skip_unreadable=True)


def test_a_summary_with_what_was_passed_over_is_read_back(folder, tmp_path):
    photos = labelled_photos(folder, CLASSES)
    (folder / "cat" / "1.png").write_bytes(b"no photo")
    evaluation = evaluate(Means(), photos, CASES, skip_unreadable=True)
    path = tmp_path / "run.json"
    path.write_text(json.dumps(evaluation.summary()))
    assert results_read(path).unreadable == ("cat/1.png",)


def run(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture
def churches(tmp_path):
    """Three photos of two classes of ImageNette, one of them broken, and a file of notes."""
    root = tmp_path / "churches"
    for name, sample in (("church", "china"), ("church", "coins"), ("golf_ball", "coffee")):
        (root / name).mkdir(parents=True, exist_ok=True)
        with Image.open(sample_path(sample)) as picture:
            picture.convert("RGB").resize((224, 224)).save(root / name / f"{sample}.jpg")
    (root / "church" / "coins.jpg").write_bytes(b"no photo")
    (root / "church" / "notes.txt").touch()
    return root


def test_the_command_names_an_unreadable_photo_and_the_option_that_passes_it_over(capsys, churches):
    options = ("evaluate", churches, "--patch-size", 32)
    code, out, err = run(capsys, *options)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "church/coins.jpg: This is text, not an image" in err
    assert "--skip-unreadable" in err
    code, out, err = run(capsys, *options, "--skip-unreadable")
    assert (code, err) == (0, "")
    assert "n = 2" in out
    assert "1 unreadable photo passed over: church/coins.jpg" in out
    assert "1 other file passed over: church/notes.txt" in out
    told = json.loads(run(capsys, *options, "--skip-unreadable", "--json")[1])
    assert told["n"] == 2
    assert told["unreadable"] == {"count": 1, "names": ["church/coins.jpg"]}
    assert told["other_files"] == {"count": 1, "names": ["church/notes.txt"]}


def test_training_names_an_unreadable_photo_or_passes_it_over_and_says_so(capsys, folder, tmp_path):
    (folder / "cat" / "1.png").write_bytes(b"no photo")
    few = ["--photos-per-step", 2, "--steps", 2, "--held-out", 0, "--width", 8, "--blocks", 1]
    options = ["train", "pointwise", folder, "--checkpoint", tmp_path / "run.pt", "--output", tmp_path, *few]
    code, out, err = run(capsys, *options)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "cat/1.png: This is text, not an image" in err
    assert "--skip-unreadable" in err
    (tmp_path / "run.pt").unlink(missing_ok=True)
    code, out, err = run(capsys, *options, "--skip-unreadable")
    assert (code, err) == (0, "")
    assert out.endswith("; 1 unreadable photo passed over: cat/1.png\n")
    card = json.loads((tmp_path / "cifar10.json").read_text())
    assert card["data"] == "3 photos, 0 of them held out; 1 unreadable photo passed over: cat/1.png"


def test_certify_sends_a_person_with_a_folder_to_evaluate(capsys, folder):
    code, out, err = run(capsys, "certify", folder)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert f"python -m pg_core evaluate {folder}" in err


def test_imagenette_folders_are_known_by_their_wordnet_names(tmp_path):
    for name in ("n01440764", "n03888257"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (32, 32)).save(tmp_path / name / "a.JPEG", "JPEG")
    names = ("tench", "b", "c", "d", "e", "f", "g", "h", "i", "parachute")
    assert [photo.label for photo in labelled_photos(tmp_path, names)] == [0, 9]
    with pytest.raises(ImageError, match="expected folders named like the classes"):
        labelled_photos(tmp_path, names[:9])


def test_a_missing_or_empty_folder_is_refused(tmp_path):
    with pytest.raises(ImageError, match="no such folder"):
        labelled_photos(tmp_path / "none", ("a",))
    with pytest.raises(ImageError, match="expected folders of"):
        labelled_photos(tmp_path, ("a",))
