"""Dataset runs: intervals, one pass for everything, and a run that is killed and goes on."""

import json

import numpy as np
import pytest
from PIL import Image

from pg_core.arrays import Evidence
from pg_core.datasets import labelled_photos
from pg_core.defences.base import Verdict
from pg_core.evaluation import Proportion, Protocol, evaluate, judge
from pg_core.geometry import ReceptiveField
from pg_core.images import ImageError

PROTOCOL = Protocol(((4, 4), (8, 8)), (0.0, 0.1), Evidence.LOGITS)


class Means:
    """Local logits are the mean colour of each 4x4 tile; counts the images it sees."""

    name = "means"
    classes = ("red", "green", "blue")
    image_size = (32, 32)
    receptive_field = ReceptiveField((4, 4), (4, 4))
    evidence = Evidence.LOGITS

    def __init__(self):
        self.images = 0

    def local_logits(self, pixels):
        self.images += pixels.shape[-2:] == self.image_size
        channels, height, width = pixels.shape
        return pixels.reshape(channels, height // 4, 4, width // 4, 4).mean(axis=(2, 4), dtype=np.float32)


@pytest.fixture
def photos(tmp_path):
    generator = np.random.default_rng(0)
    for label, name in enumerate(Means.classes):
        (tmp_path / name).mkdir()
        for number in range(3):
            pixels = generator.integers(0, 120, (32, 32, 3))
            pixels[..., label] += 20 + 50 * number
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / name / f"{number}.png")
    return labelled_photos(tmp_path, Means.classes)


@pytest.mark.parametrize(
    ("count", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),  # Newcombe 1998, table I, method 3
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_intervals_are_the_published_ones(count, n, low, high):
    assert Proportion(count, n).interval == pytest.approx((low, high), abs=5e-5)
    assert Proportion(n - count, n).interval == pytest.approx((1 - high, 1 - low), abs=5e-5)


def test_one_pass_answers_for_all_patch_sizes_and_thresholds(photos):
    model = Means()
    evaluation = evaluate(model, photos, PROTOCOL)
    assert model.images == len(photos) == evaluation.n
    assert len(evaluation.runs) == 4


def test_the_counts_are_those_of_each_defence_asked_alone(photos, tmp_path):
    model = Means()
    evaluation = evaluate(model, photos, PROTOCOL)
    for run in evaluation.runs:
        assert run.defence.window_size == model.receptive_field.window_size(run.patch_size)
        certificates = []
        for photo in photos:
            pixels = np.asarray(Image.open(photo.path), np.float32).transpose(2, 0, 1) / np.float32(255)
            certificates.append(
                run.defence.certify(model.local_logits(pixels), photo.label, evaluation.delta)
            )
        verdicts = [certificate.verdict for certificate in certificates]
        assert dict(run.verdicts) == {verdict: verdicts.count(verdict) for verdict in Verdict}
        assert run.certified.count == verdicts.count(Verdict.CERTIFIED)
        assert run.clean.count == sum(bool(c.prediction == c.label) for c in certificates)
    assert evaluation.runs[0].certified.count > 0
    assert evaluation.runs[-1].certified.count < evaluation.n


def test_a_batch_is_judged_like_its_photos(photos):
    logits = np.random.default_rng(3).normal(size=(len(photos), 3, 8, 8))
    defences = [defence for _, defence in PROTOCOL.defences(Means.receptive_field)]
    together = judge(logits, photos, defences)
    alone = [judge(logits[i : i + 1], photos[i : i + 1], defences)[0] for i in range(len(photos))]
    assert list(together) == alone


def test_a_killed_run_loses_nothing_and_computes_nothing_twice(photos, tmp_path):
    lines = tmp_path / "lines.jsonl"
    whole = evaluate(Means(), photos, PROTOCOL, tmp_path / "whole.jsonl")
    first = Means()

    def kill(progress):
        if progress.done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(first, photos, PROTOCOL, lines, report=kill)
    with lines.open("a") as file:
        file.write('{"photo": "red/2.png", "lab')  # cut short
    second = Means()
    seen = []
    resumed = evaluate(second, photos, PROTOCOL, lines, report=seen.append)
    assert (first.images, second.images) == (4, len(photos) - 4)
    assert seen[0].done == 5
    assert resumed == whole
    assert lines.read_text() == (tmp_path / "whole.jsonl").read_text()
    names = [json.loads(line)["photo"] for line in lines.read_text().splitlines()[1:]]
    assert sorted(names) == sorted(photo.name for photo in photos)


def test_lines_of_another_configuration_are_refused_and_kept(photos, tmp_path):
    lines = tmp_path / "lines.jsonl"
    evaluate(Means(), photos[:1], PROTOCOL, lines)
    before = lines.read_text()
    with pytest.raises(ValueError, match="thresholds"):
        evaluate(Means(), photos, Protocol(PROTOCOL.patch_sizes, (0.5,), Evidence.LOGITS), lines)
    with pytest.raises(ValueError, match="weights_sha256"):
        evaluate(Means(), photos, PROTOCOL, lines, weights_sha256="0" * 64)
    assert lines.read_text() == before
    (tmp_path / "other.jsonl").write_text("photo,label\n")
    with pytest.raises(ValueError, match="not the lines of an evaluation"):
        evaluate(Means(), photos, PROTOCOL, tmp_path / "other.jsonl")
    assert (tmp_path / "other.jsonl").read_text() == "photo,label\n"


def test_the_summary_is_json_with_every_interval(photos):
    summary = json.loads(json.dumps(evaluate(Means(), photos, PROTOCOL, weights_sha256="ab").summary()))
    assert summary["n"] == len(photos)
    assert summary["configuration"]["weights_sha256"] == "ab"
    for run in summary["runs"]:
        low, high = run["certified_interval"]
        assert low <= run["certified_accuracy"] <= high
        assert sum(run["verdicts"].values()) == len(photos)
        assert set(run["verdicts"]) == {str(verdict) for verdict in Verdict}


def test_any_beginning_of_a_folder_is_balanced(photos):
    for beginning in (3, 6, 9):
        labels = [photo.label for photo in photos[:beginning]]
        assert {labels.count(label) for label in range(3)} == {beginning // 3}


def test_imagenette_folders_are_known_by_their_wordnet_names(tmp_path):
    for name in ("n01440764", "n03888257"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (32, 32)).save(tmp_path / name / "a.JPEG", "JPEG")
    names = ("tench", "b", "c", "d", "e", "f", "g", "h", "i", "parachute")
    assert [photo.label for photo in labelled_photos(tmp_path, names, names)] == [0, 9]
    with pytest.raises(ImageError, match="expected folders named like the classes"):
        labelled_photos(tmp_path, names)


def test_a_missing_or_empty_folder_is_refused(tmp_path):
    with pytest.raises(ImageError, match="no such folder"):
        labelled_photos(tmp_path / "none", ("a",))
    with pytest.raises(ImageError, match="expected folders of"):
        labelled_photos(tmp_path, ("a",))
