"""The certificates of a folder are one zip with an index, each of them is checked, and hostile zips are refused."""

import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from pg_core import Threat, examine
from pg_core.__main__ import main
from pg_core.datasets.folders import LabelledPhoto
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.defences.undefended import Undefended
from pg_core.networks import CIFAR10
from pg_core.photos.read import ImageError
from pg_core.proofs import archive
from pg_core.proofs.archive import UNREADABLE, check_proofs, write_proofs
from tests.pg_core.proofs.drawn import features_of

CLASSES = ("class 0", "class 1", "class 2")
LEADS = {"a.png": 3.0, "b.png": 0.15, "c.png": -3.0, "d.png": 3.0}
VERDICTS = {"a.png": "certified", "b.png": "not certified", "c.png": "misclassified", "d.png": "certified"}


@pytest.fixture
def photos(tmp_path):
    """Files that stand for photos, of class 0 all."""
    (tmp_path / "photos" / "class 0").mkdir(parents=True)
    listed = []
    for name in LEADS:
        path = tmp_path / "photos" / "class 0" / name
        path.write_bytes(name.encode())
        listed.append(LabelledPhoto(path, f"class 0/{name}", 0))
    return tuple(listed)


def analyse(photo, data, defence=None):
    """The label leads by what stands for the photo's file."""
    local_logits = np.random.default_rng(0).uniform(0, 1, (3, 5, 5))
    local_logits[0] += LEADS[data.decode()]
    return examine(features_of(local_logits), defence or RobustMasking((2, 2)), Threat((2, 2)), "class 0")


def written(photos, path, analyse=analyse, **options):
    return write_proofs(path, photos, CLASSES, analyse, "cd" * 32, **options)


@pytest.fixture
def proofs(photos, tmp_path):
    path = tmp_path / "proofs.zip"
    written(photos, path)
    return path


def test_every_photo_is_in_the_index_and_those_that_are_certified_are_proved(photos, tmp_path):
    path = tmp_path / "proofs.zip"
    assert written(photos, path) == {"certified": 2, "not certified": 1, "misclassified": 1}
    with zipfile.ZipFile(path) as opened:
        index = json.loads(opened.read("index.json"))["photos"]
        assert {entry["photo"]: entry["verdict"] for entry in index} == {
            f"class 0/{name}": verdict for name, verdict in VERDICTS.items()
        }
        assert {entry["label"] for entry in index} == {"class 0"}
        files = [entry["proof"] for entry in index if entry["proof"] is not None]
        assert sorted([*files, "index.json"]) == sorted(opened.namelist())
    listed = list(check_proofs(path))
    assert [(one.proof is not None, one.reason) for one in listed] == [
        (verdict == "certified", None) for verdict in VERDICTS.values()
    ]


def test_equal_certificates_make_equal_zips(photos, tmp_path, proofs):
    written(photos[::-1], tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == proofs.read_bytes()


def stop(photo, data):
    if data == b"b.png":
        raise KeyboardInterrupt
    return analyse(photo, data)


def bad(photo, data):
    if data == b"b.png":
        raise ImageError("b.png: no photo.")
    return analyse(photo, data)


def undefended(photo, data):
    return analyse(photo, data, Undefended())


@pytest.mark.parametrize(
    ("analysed", "error"), [(stop, KeyboardInterrupt), (bad, ImageError), (undefended, ValueError)]
)
def test_a_run_that_does_not_come_to_its_end_leaves_the_earlier_zip_and_no_other_file(
    photos, tmp_path, analysed, error
):
    path = tmp_path / "out" / "proofs.zip"
    path.parent.mkdir()
    path.write_bytes(b"earlier")
    with pytest.raises(error):
        written(photos, path, analysed)
    assert path.read_bytes() == b"earlier"
    assert [own.name for own in path.parent.iterdir()] == ["proofs.zip"]


def test_a_photo_that_cannot_be_read_is_listed_as_such(photos, tmp_path):
    path = tmp_path / "proofs.zip"
    assert written(photos, path, bad, skip_unreadable=True)[UNREADABLE] == 1
    assert [(one.verdict, one.proof) for one in check_proofs(path)][1] == (UNREADABLE, None)


def changed(path, change):
    """The zip with other files, which `change` makes of those that it has, by name."""
    with zipfile.ZipFile(path) as opened:
        files = {name: opened.read(name) for name in opened.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in change(files).items():
            opened.writestr(name, content)
    return path


def with_index(change):
    def apply(files):
        index = json.loads(files["index.json"])
        change(index["photos"])
        return files | {"index.json": json.dumps(index)}

    return apply


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda files: files | {"000001.proof.json": b"{"}, "expected JSON in UTF-8"),
        (
            lambda files: files | {"000001.proof.json": files["000004.proof.json"]},
            "subject[0].name: expected",
        ),
        (
            with_index(lambda index: index[0].update(sha256="ab" * 32)),
            "subject[0].digest.sha256: expected",
        ),
        (
            lambda files: (
                files
                | {"000001.proof.json": files["000001.proof.json"].replace(b'"lower":[', b'"lower":[1,', 1)}
            ),
            "windows.lower: expected",
        ),
    ],
    ids=["no JSON", "of another photo", "another hash", "a bound more"],
)
def test_a_certificate_file_that_is_no_proof_of_its_photo_is_refused_with_the_reason(proofs, change, reason):
    listed = list(check_proofs(changed(proofs, change)))
    assert listed[0].reason is not None
    assert listed[0].reason.startswith(reason)
    assert listed[3].reason is None


HOSTILE = {
    "no index": lambda files: {name: content for name, content in files.items() if name != "index.json"},
    "a file more": lambda files: files | {"../evil": b""},
    "a file less": lambda files: {
        name: content for name, content in files.items() if name != "000001.proof.json"
    },
    "an index that is no JSON": lambda files: files | {"index.json": b"["},
    "an index of numbers": lambda files: files | {"index.json": b"5"},
    "an index of nested brackets": lambda files: files | {"index.json": b"[" * 10**6},
    "an entry that is a number": with_index(lambda index: index.append(5)),
    "an entry without a verdict": with_index(lambda index: index[0].pop("verdict")),
    "a photo twice": with_index(lambda index: index.append(index[1])),
    "a proof of what is not certified": with_index(lambda index: index[0].update(verdict="not certified")),
    "a proof of two photos": with_index(lambda index: index[3].update(proof=index[0]["proof"])),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_a_zip_whose_index_does_not_fit_is_refused_in_one_sentence(proofs, change):
    with pytest.raises(ValueError, match=r"^proofs\.zip: .*(expected|no JSON|Expecting)"):
        list(check_proofs(changed(proofs, change)))


@pytest.mark.parametrize("place", [0.1, 0.3, 0.6])
def test_a_file_that_is_damaged_in_the_zip_is_refused(proofs, place):
    data = bytearray(proofs.read_bytes())
    at = int(place * len(data))
    data[at : at + 20] = bytes(20)
    proofs.write_bytes(data)
    assert any(one.reason for one in check_proofs(proofs))


@pytest.mark.parametrize("place", [0.1, 0.5, 0.999])
def test_a_zip_that_is_cut_short_is_refused_in_one_sentence(proofs, place):
    data = proofs.read_bytes()
    proofs.write_bytes(data[: int(place * len(data))])
    with pytest.raises(ValueError, match=r"^proofs\.zip: expected a zip of certificate files"):
        list(check_proofs(proofs))


def test_files_are_not_unpacked_beyond_their_limits(proofs, monkeypatch):
    monkeypatch.setattr("pg_core.proofs.checker.MAX_BYTES", 2**20)
    change = lambda files: files | {"000001.proof.json": bytes(2**20 + 1)}  # noqa: E731
    (refused, *_) = check_proofs(changed(proofs, change))
    assert "expected at most 1 MB" in refused.reason
    monkeypatch.setattr(archive, "_MAX_TOTAL", 1000)
    with pytest.raises(ValueError, match="unpacked"):
        list(check_proofs(proofs))
    monkeypatch.setattr(archive, "_MAX_DIRECTORY", 100)
    with pytest.raises(ValueError, match="expected a directory of at most"):
        list(check_proofs(proofs))
    monkeypatch.setattr(archive, "_MAX_MEMBERS", 2)
    monkeypatch.setattr(archive, "_MAX_DIRECTORY", 2**20)
    with pytest.raises(ValueError, match="expected at most 2 files"):
        list(check_proofs(proofs))


@pytest.fixture
def folder(tmp_path):
    """Photos of noise for the commands."""
    for label, name in enumerate(CIFAR10[:2]):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(2):
            pixels = np.random.default_rng(10 * label + number).integers(0, 256, (32, 32, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
    return tmp_path


def test_the_commands_prove_a_folder_and_check_its_zip(folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    options = ["--model", "cifar10", "--device", "cpu", "--patch-size", "1", "-o", "proofs.zip"]
    assert main(["prove", "photos", *options]) == 0
    assert capsys.readouterr().out.startswith("proofs.zip: of 4 photos ")
    assert main(["check", "proofs.zip"]) == 0
    assert capsys.readouterr().out.startswith("of 4 photos ")


def test_the_command_names_each_certificate_that_is_refused_and_fails(proofs, capsys):
    changed(proofs, lambda files: files | {"000001.proof.json": b"{"})
    assert main(["check", str(proofs)]) == 1
    captured = capsys.readouterr()
    refused, counts, *_ = captured.out.splitlines()
    assert refused.startswith("refused: 000001.proof.json of class 0/a.png: expected JSON")
    assert counts == "of 4 photos 1 misclassified, 1 not certified, 1 proved, 1 refused"
    assert captured.err.splitlines()[-1] == "error: proofs.zip: 1 certificate files are refused"
    assert main(["check", str(proofs), "--photo", "a.jpg"]) == 1


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["prove", "photos", "--label", "cat", "-o", "a.zip"], "--label goes with a photo alone"),
        (["prove", "a.png", "--limit", "5", "-o", "a.json"], "--limit goes with a folder alone"),
    ],
)
def test_options_of_a_photo_and_of_a_folder_are_not_mixed(folder, monkeypatch, capsys, arguments, word):
    monkeypatch.chdir(folder)
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert word in capsys.readouterr().err
