"""A run that goes on from the lines of an earlier one trusts the contents of photos, not their names."""

import json
import shutil
from importlib.metadata import version

import numpy as np
import pytest
from PIL import Image

import pg_core
from pg_core.datasets.folders import labelled_photos
from pg_core.defences.registry import DEFENCES
from pg_core.defences.spec import DefenceConfig
from pg_core.evaluation.run import evaluate, evaluation_cases
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
def lines(folder, tmp_path):
    """The lines of a run over all of the folder."""
    path = tmp_path / "lines.jsonl"
    evaluate(Counting(), photos_in(folder), CASES, path)
    return path


def resumed(folder, lines):
    model = Counting()
    return evaluate(model, photos_in(folder), CASES, lines), model.photos


def test_a_photo_that_was_replaced_is_measured_again_and_named(folder, lines):
    paint(folder / "green" / "1.png", 100)
    evaluation, measured = resumed(folder, lines)
    assert (measured, evaluation.changed, evaluation.missing) == (1, ("green/1.png",), ())
    assert "1 changed photo measured again: green/1.png" in str(evaluation)
    fresh = evaluate(Counting(), photos_in(folder), CASES)
    assert (evaluation.runs, evaluation.photos_sha256) == (fresh.runs, fresh.photos_sha256)
    again, measured = resumed(folder, lines)
    assert (again, measured) == (fresh, 0)


def test_a_photo_of_another_class_than_before_is_measured_again(folder, lines):
    told = [json.loads(line) for line in lines.read_text().splitlines()]
    told[1]["label"] = (told[1]["label"] + 1) % 3
    for result in told[1]["results"]:
        result.update(prediction=(told[1]["label"] + 1) % 3, verdict="misclassified")
    lines.write_text("".join(json.dumps(line) + "\n" for line in told))
    evaluation, measured = resumed(folder, lines)
    assert (measured, evaluation.changed) == (1, (told[1]["photo"],))


def test_a_photo_that_is_missing_is_named_and_not_counted(folder, lines):
    (folder / "red" / "0.png").unlink()
    evaluation, measured = resumed(folder, lines)
    assert (measured, evaluation.n, evaluation.missing) == (0, 5, ("red/0.png",))
    assert evaluation.summary()["missing"] == {"count": 1, "names": ["red/0.png"]}


def test_photos_that_were_not_asked_for_are_not_called_missing(folder, lines):
    model = Counting()
    evaluation = evaluate(model, photos_in(folder)[:2], CASES, lines)
    assert (model.photos, evaluation.n, evaluation.missing) == (0, 2, ())


def test_the_lines_of_another_folder_are_refused_and_kept_though_the_names_are_the_same(folder, lines):
    other = folder.parent / "unseen"
    shutil.copytree(folder, other)
    for number, path in enumerate(sorted(other.rglob("*.png"))):
        paint(path, 50 + number)
    before = lines.read_text()
    with pytest.raises(ValueError, match=r"lines\.jsonl: outcomes of other photos, those of .*/val"):
        resumed(other, lines)
    assert lines.read_text() == before


def test_a_folder_that_was_renamed_goes_on_from_its_lines(folder, lines):
    moved = folder.rename(folder.parent / "moved")
    evaluation, measured = resumed(moved, lines)
    assert (measured, evaluation.changed) == (0, ())
    assert evaluation.folder.endswith("/moved")


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


def test_lines_and_local_logits_of_another_device_are_not_used(folder, lines, tmp_path):
    photos, kept = photos_in(folder), tmp_path / "kept"
    with pytest.raises(ValueError, match="device"):
        evaluate(Counting("cuda: some card"), photos, CASES, lines)
    evaluate(Counting(), photos, CASES, logits=kept)
    same, other = Counting(), Counting("cuda: some card")
    for model in (same, other):
        evaluate(model, photos, CASES, logits=kept)
    assert (same.photos, other.photos) == (0, len(photos))


def test_lines_of_another_version_are_refused_and_kept(folder, lines, monkeypatch):
    before = lines.read_text()
    monkeypatch.setattr("pg_core.evaluation.run.__version__", "0.0.1")
    with pytest.raises(ValueError, match=r"another configuration \(versions\)"):
        resumed(folder, lines)
    assert lines.read_text() == before


def test_each_line_carries_the_hash_of_its_photo_and_the_first_the_folder(folder, lines):
    first, *rest = map(json.loads, lines.read_text().splitlines())
    assert first["folder"] == f"{folder.parent.name}/val"
    hashes = {photo.name: photo.hashed().sha256 for photo in photos_in(folder)}
    assert {line["photo"]: line["sha256"] for line in rest} == hashes


def changed(**values):
    return lambda line: json.dumps(json.loads(line) | values).encode()


def in_result(**values):
    def change(line):
        told = json.loads(line)
        told["results"][0] |= values
        return json.dumps(told).encode()

    return change


SPOILT = {
    "NULs": lambda line: bytes(len(line)),
    "cut": lambda line: line[: len(line) // 2],
    "empty": lambda line: b"",
    "no text": lambda line: b"\xff" + line,
    "no object": lambda line: b"[1]",
    "nested": lambda line: b"[" * 100_000,
    "no delta": lambda line: line.replace(b'"delta"', b'"delt"'),
    "delta NaN": changed(delta=float("nan")),
    "delta infinite": lambda line: line.replace(b'"delta": ', b'"delta": 1e999'),
    "delta negative": changed(delta=-1.0),
    "label too large": changed(label=99),
    "label negative": changed(label=-1),
    "label true": changed(label=True),
    "undefended too large": changed(undefended=3),
    "hash too short": changed(sha256="ab"),
    "no hash": changed(sha256=None),
    "photo a number": changed(photo=3),
    "no results": changed(results=[]),
    "too many results": changed(results=[{"prediction": 0, "verdict": "alert", "smallest_margin": None}] * 3),
    "prediction too large": in_result(prediction=99),
    "verdict unknown": in_result(verdict="perhaps"),
    "verdict of another prediction": in_result(verdict="alert"),
    "verdict of another claim": in_result(verdict="unproved"),
    "margin NaN": in_result(smallest_margin=float("nan")),
    "margin a word": in_result(smallest_margin="1"),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_a_spoilt_line_costs_that_line_alone_and_is_left_out_of_the_file(folder, lines, kind):
    fresh = evaluate(Counting(), photos_in(folder), CASES)
    content = lines.read_bytes().split(b"\n")
    content[2] = SPOILT[kind](content[2])
    lines.write_bytes(b"\n".join(content))
    evaluation, measured = resumed(folder, lines)
    assert (measured, evaluation.spoilt) == (1, ("line 3",))
    assert (evaluation.runs, evaluation.photos_sha256) == (fresh.runs, fresh.photos_sha256)
    assert "1 spoilt line left out, and measured again: line 3" in str(evaluation)
    assert evaluation.summary()["spoilt"] == {"count": 1, "names": ["line 3"]}
    assert lines.read_bytes().split(b"\n")[:-2] == content[:2] + content[3:-1]
    again, measured = resumed(folder, lines)
    assert (again, measured) == (fresh, 0)


@pytest.mark.parametrize("margin", [-1.0, 0.0, 1.0])
def test_a_verdict_that_the_margin_contradicts_is_spoilt(folder, lines, margin):
    content = [json.loads(line) for line in lines.read_text().splitlines()]
    right = next(line for line in content[1:] if line["results"][0]["prediction"] == line["label"])
    right["results"][0] |= {
        "smallest_margin": margin,
        "verdict": "not certified" if margin > 0 else "certified",
    }
    lines.write_text("".join(json.dumps(line) + "\n" for line in content))
    assert resumed(folder, lines)[0].spoilt == (f"line {content.index(right) + 1}",)


def test_every_line_that_a_run_writes_is_taken_again(folder, tmp_path):
    names = [name for name in DEFENCES if name not in ("mask-ds", "smoothing", "interval")]
    cases = evaluation_cases(CONFIG, ((4, 4), (32, 32)), names, (0.0, 0.3))
    path, model = tmp_path / "all.jsonl", Counting()
    first = evaluate(model, photos_in(folder), cases, path)
    before, model.photos = path.read_bytes(), 0
    again = evaluate(model, photos_in(folder), cases, path)
    assert (again, model.photos, path.read_bytes()) == (first, 0, before)


def test_zeros_at_the_end_as_after_a_loss_of_power_cost_nothing_that_was_whole(folder, lines):
    whole = lines.read_bytes()
    for end, spoilt in ((bytes(500), ()), (bytes(500) + b"\n", ("line 8",))):
        lines.write_bytes(whole + end)
        evaluation, measured = resumed(folder, lines)
        assert (evaluation.spoilt, measured, lines.read_bytes()) == (spoilt, 0, whole)


def test_a_spoilt_configuration_is_refused_and_the_file_kept(folder, lines):
    for first in (b"", bytes(40), b"[" * 100_000, b'{"configuration": {"delta": NaN}}', b"\xff"):
        content = first + lines.read_bytes()[lines.read_bytes().index(b"\n") :]
        lines.write_bytes(content)
        with pytest.raises(
            ValueError, match=r"lines\.jsonl: not the lines of an evaluation, for its first line"
        ):
            resumed(folder, lines)
        assert lines.read_bytes() == content


def test_a_run_that_meets_a_full_disk_goes_on_from_what_is_kept(folder, lines):
    whole, size = lines.read_bytes(), len(lines.read_bytes())
    lines.unlink()
    with full_after(size * 2 // 3), pytest.raises(FileError, match=r"lines\.jsonl: cannot be written"):
        resumed(folder, lines)
    assert 1 < lines.read_bytes().count(b"\n") < 7
    assert resumed(folder, lines)[1] < 6
    assert lines.read_bytes() == whole


def test_an_interrupt_says_how_many_photos_are_kept_and_where(folder, lines, tmp_path):
    lines.unlink()

    def stop(progress):
        if progress.done == 2:
            raise KeyboardInterrupt

    for options, words in (
        ({}, ""),
        ({"lines": lines}, f"2 of 6 photos are kept in {lines}"),
        ({"logits": tmp_path / "kept"}, f"2 of 6 photos are kept in {tmp_path / 'kept'}"),
    ):
        with pytest.raises(KeyboardInterrupt) as stopped:
            evaluate(Counting(), photos_in(folder), CASES, report=stop, **options)
        assert str(stopped.value) == words
