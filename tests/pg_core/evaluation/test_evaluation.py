"""Dataset runs: intervals, one pass for everything, and a run that is killed and goes on."""

import json
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.stats import binomtest

from pg_core.datasets.folders import labelled_photos
from pg_core.defences.base import ALERT, Claim, Verdict
from pg_core.defences.interval.bounds import Convolution, Dense, IntervalBounds, Layers
from pg_core.defences.patchcleanser.inference import mean_logits, two_mask_predictions
from pg_core.defences.patchcleanser.pixels import PatchCleanser
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.defences.spec import DefenceConfig
from pg_core.evaluation.proportion import Proportion
from pg_core.evaluation.run import evaluate, evaluation_cases, judge, network_runs
from pg_core.evidence.types import EvidenceType
from pg_core.geometry import ReceptiveField, cells
from pg_core.networks import CIFAR10
from pg_core.networks.base import Part
from pg_core.photos.read import ImageError

NOISE = np.random.default_rng(0).random((3, 32, 32), np.float32)
"""On which delta is sampled once for each network."""


class Means:
    """Local logits are the mean colour of each 4x4 tile; counts the images it sees, but for the noise."""

    name = "means"
    classes = ("red", "green", "blue")
    image_size = (32, 32)
    receptive_field = ReceptiveField((4, 4), (4, 4))
    evidence = EvidenceType.LOGITS
    part = Part.MIDDLE

    def __init__(self):
        self.images = 0

    def local_logits(self, pixels, window=None):
        if window is not None:
            crop, at = self.receptive_field.crop(window, pixels.shape[1:])
            return self.local_logits(pixels[:, *crop.slices])[:, at.top : at.bottom, at.left : at.right]
        self.images += pixels.shape[-2:] == self.image_size and not np.array_equal(pixels, NOISE)
        channels, height, width = pixels.shape
        return pixels.reshape(channels, height // 4, 4, width // 4, 4).mean(axis=(2, 4), dtype=np.float32)


def config_of(model, network=None, **settings):
    return DefenceConfig(model.receptive_field, model.image_size, model.evidence, (1, 1), settings, network)


CONFIG = config_of(Means())
NAMES = ("undefended", "masking", "clipping")
CASES = evaluation_cases(CONFIG, ((4, 4), (8, 8)), NAMES, (0.0, 0.1))


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


@given(st.integers(1, 10_000), st.data())
def test_wilson_intervals_are_those_of_scipy(n, data):
    count = data.draw(st.integers(0, n))
    expected = binomtest(count, n).proportion_ci(method="wilson")
    assert Proportion(count, n).interval == pytest.approx(expected, abs=1e-12)


def test_one_pass_answers_for_all_patch_sizes_and_thresholds(photos):
    model = Means()
    evaluation = evaluate(model, photos, CASES)
    assert model.images == len(photos) == evaluation.n
    assert [run.setting for run in evaluation.runs] == [case.setting for case in CASES]
    assert len(set(CASES)) == len(CASES) == 2 * (len(NAMES) + 1)


def test_the_counts_are_those_of_each_defence_asked_alone(photos, tmp_path):
    model = Means()
    evaluation = evaluate(model, photos, CASES)
    for run, case in zip(evaluation.runs, CASES, strict=True):
        defence = case.defence
        assert run.setting == case.setting
        assert defence.window_size == model.receptive_field.window_size(run.setting.patch_size)
        certificates = []
        for photo in photos:
            pixels = np.asarray(Image.open(photo.path), np.float32).transpose(2, 0, 1) / np.float32(255)
            certificates.append(defence.certify(model.local_logits(pixels), photo.label, evaluation.delta))
        verdicts = [certificate.verdict for certificate in certificates]
        assert run.counted == {verdict: verdicts.count(verdict) for verdict in Verdict}
        for label, own in enumerate(run.verdicts):
            expected = [v for v, photo in zip(verdicts, photos, strict=True) if photo.label == label]
            assert own == Counter(expected)
        assert run.certified is None or run.certified.count == verdicts.count(Verdict.CERTIFIED)
        assert (
            (run.certified is None) == (Verdict.UNPROVED in verdicts) == (run.setting.defence == "undefended")
        )
        assert run.clean.count == sum(bool(c.prediction == c.label) for c in certificates)
    shares = {(run.setting.defence, run.setting.patch_size): run.certified for run in evaluation.runs}
    assert shares["undefended", (4, 4)] is None
    assert shares["masking", (4, 4)].count > shares["masking", (8, 8)].count > 0


def test_a_batch_is_judged_like_its_photos(photos):
    logits = np.random.default_rng(3).normal(size=(len(photos), 3, 8, 8))
    logits[np.arange(len(photos)), [photo.label for photo in photos]] += 0.7
    logits[0, photos[0].label] -= 2
    together = judge(logits, photos, CASES)
    alone = [judge(logits[i : i + 1], photos[i : i + 1], CASES)[0] for i in range(len(photos))]
    assert list(together) == alone
    verdicts = {result.verdict for outcome in together for result in outcome.results}
    assert verdicts >= {Verdict.CERTIFIED, Verdict.NOT_CERTIFIED, Verdict.MISCLASSIFIED}


def test_a_defence_that_sees_pixels_is_measured_on_them_beside_the_others(photos):
    """The network as layers: each colour's mean over 8x8 tiles, summed; a patch of one tile moves a class by 1/16."""
    kernel = np.zeros((3, 3, 8, 8))
    kernel[range(3), range(3)] = 1 / 64
    sums = np.kron(np.eye(3), np.full((1, 16), 1 / 16))
    tiles = (Convolution(kernel, np.zeros(3), 8),)
    layers = Layers("means", (32, 32), tiles, (Dense(sums, np.zeros(3)),))
    cases = evaluation_cases(config_of(Means(), network=layers), ((8, 8),), ("masking", "interval"))
    evaluation = evaluate(Means(), photos, cases)
    certificates = []
    for photo in photos:
        pixels = np.asarray(Image.open(photo.path), np.float32).transpose(2, 0, 1) / np.float32(255)
        certificates.append(IntervalBounds(layers, (8, 8)).certify(pixels, photo.label))
    run = evaluation.runs[1]
    assert (run.setting.defence, run.setting.threshold) == ("interval", None)
    assert run.certified.count == sum(bool(certificate.certified) for certificate in certificates) > 0
    assert run.clean.count == evaluation.undefended.count
    assert evaluation.runs[0] == evaluate(Means(), photos, cases[:1]).runs[0]


def test_double_masking_is_measured_on_what_the_network_says_under_every_pair_of_masks(photos):
    model = Means()
    cases = evaluation_cases(config_of(model, masks_per_axis=2), ((8, 8),), ("double-masking",))
    (run,) = evaluate(model, photos, cases).runs
    masks = cases[0].defence.masks
    assert model.images == len(photos) * (1 + masks.count * (masks.count + 1) // 2)
    certificates = []
    for photo in photos:
        pixels = np.asarray(Image.open(photo.path), np.float32).transpose(2, 0, 1) / np.float32(255)
        table = two_mask_predictions(mean_logits(Means()), pixels, masks)
        certificates.append(PatchCleanser(masks).certify(table, photo.label, 1e-6))
    verdicts = [certificate.verdict for certificate in certificates]
    assert run.counted == {verdict: verdicts.count(verdict) for verdict in Verdict}
    assert run.certified.count > 0


@dataclass(frozen=True)
class Other:
    """Another defence of two-mask predictions, which says what PatchCleanser says."""

    inner: PatchCleanser
    claim = Claim.LABEL

    def predict(self, seen):
        return self.inner.predict(seen)

    def certify(self, seen, label=None, delta=0.0):
        return self.inner.certify(seen, label, delta)


def test_any_defence_of_two_mask_predictions_is_given_them(photos):
    cases = evaluation_cases(config_of(Means(), masks_per_axis=2), ((8, 8),), ("double-masking",))
    (own,), (other,) = (
        evaluate(Means(), photos, [case]).runs
        for case in (cases[0], replace(cases[0], defence=Other(cases[0].defence)))
    )
    assert (own.clean, own.certified, own.verdicts) == (other.clean, other.certified, other.verdicts)
    assert network_runs([replace(cases[0], defence=Other(cases[0].defence))]) == 1 + 10


@dataclass(frozen=True)
class Alarm:
    """Robust masking that raises an alert for every photo whose first class it would predict."""

    inner: RobustMasking
    claim = Claim.LABEL

    def predict(self, seen):
        said = self.inner.predict(seen)
        return replace(said, label=np.where(said.label == 0, ALERT, said.label))

    def certify(self, seen, label=None, delta=0.0):
        return replace(self.inner.certify(seen, label, delta), prediction=self.predict(seen).label)


def test_an_alert_on_a_clean_photo_is_counted_by_its_name_and_as_wrong(photos):
    (plain,) = evaluation_cases(CONFIG, ((4, 4),))
    before = evaluate(Means(), photos, [plain]).runs[0]
    after = evaluate(Means(), photos, [replace(plain, defence=Alarm(plain.defence))]).runs[0]
    assert before.verdicts[1:] == after.verdicts[1:]
    assert after.verdicts[0] == {Verdict.ALERT: 3}
    assert after.counted["alert"] == 3
    assert after.clean.count == before.clean.count - 3


def test_a_killed_run_loses_nothing_and_computes_nothing_twice(photos, tmp_path):
    lines = tmp_path / "lines.jsonl"
    whole = evaluate(Means(), photos, CASES, tmp_path / "whole.jsonl")
    first = Means()

    def kill(progress):
        if progress.done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(first, photos, CASES, lines, report=kill)
    with lines.open("a") as file:
        file.write('{"photo": "red/2.png", "lab')  # cut short
    second = Means()
    seen = []
    resumed = evaluate(second, photos, CASES, lines, report=seen.append)
    assert (first.images, second.images) == (4, len(photos) - 4)
    assert seen[0].done == 5
    assert resumed == whole
    assert lines.read_text() == (tmp_path / "whole.jsonl").read_text()
    names = [json.loads(line)["photo"] for line in lines.read_text().splitlines()[1:]]
    assert sorted(names) == sorted(photo.name for photo in photos)


@pytest.mark.parametrize("written", [0, 7, -1])
def test_a_run_killed_before_its_first_outcome_goes_on(photos, tmp_path, written):
    lines = tmp_path / "lines.jsonl"
    whole = evaluate(Means(), photos, CASES, lines)
    content = lines.read_bytes()
    first = content[: content.index(b"\n") + 1]
    lines.write_bytes(first if written < 0 else first[:written])
    for _ in range(2):
        assert evaluate(Means(), photos, CASES, lines) == whole
        assert lines.read_bytes() == content


def test_kept_local_logits_answer_for_other_cases_without_the_network(photos, tmp_path):
    evaluate(Means(), photos, CASES[:1], logits=tmp_path)
    again = Means()
    assert evaluate(again, photos, CASES, logits=tmp_path) == evaluate(Means(), photos, CASES)
    assert again.images == 0
    retrained = Means()
    evaluate(retrained, photos, CASES, weights_sha256="other", logits=tmp_path)
    assert retrained.images == len(photos)


def test_damaged_or_missing_local_logits_are_computed_again(photos, tmp_path):
    whole = evaluate(Means(), photos, CASES, logits=tmp_path)
    one, two, three, *_ = sorted(tmp_path.glob("*.npz"))
    one.write_bytes(one.read_bytes()[:-30])
    two.unlink()
    three.write_bytes(b"")
    again = Means()
    assert evaluate(again, photos, CASES, logits=tmp_path) == whole
    assert again.images == 3


def test_cifar_folders_are_measured_at_native_patch_sizes(tmp_path):
    class Small(Means):
        classes = CIFAR10
        receptive_field = ReceptiveField((5, 5), (1, 1))

        def local_logits(self, pixels, window=None):
            if window is not None:
                return self.local_logits(pixels)[:, *cells(window, (28, 28))]
            fields = np.lib.stride_tricks.sliding_window_view(pixels, (5, 5), axis=(1, 2)).mean(
                axis=(0, 3, 4)
            )
            return np.stack([fields if name == "truck" else 0 * fields for name in CIFAR10])

    for name in CIFAR10:
        (tmp_path / "test" / name).mkdir(parents=True)
        Image.new("RGB", (32, 32), "white").save(tmp_path / "test" / name / "0000.jpg")
    model = Small()
    photos = labelled_photos(tmp_path / "test", CIFAR10)
    cases = evaluation_cases(config_of(model), ((2, 2), (5, 5)))
    assert [case.defence.window_size for case in cases] == [(6, 6), (9, 9)]
    evaluation = evaluate(model, photos, cases)
    for run in evaluation.runs:
        assert (run.clean.count, run.certified.count) == (1, 1)
        assert run.verdicts[CIFAR10.index("truck")] == {Verdict.CERTIFIED: 1}
    assert evaluation.folder.endswith("/test")


def test_lines_of_another_configuration_are_refused_and_kept(photos, tmp_path):
    lines = tmp_path / "lines.jsonl"
    evaluate(Means(), photos[:1], CASES, lines)
    before = lines.read_text()
    with pytest.raises(ValueError, match="settings"):
        evaluate(Means(), photos, CASES[:1], lines)
    with pytest.raises(ValueError, match="weights_sha256"):
        evaluate(Means(), photos, CASES, lines, weights_sha256="0" * 64)
    assert lines.read_text() == before
    for content in ("photo,label\n", "photo,label", "[]\n", '{"configuration": 1}\n'):
        (tmp_path / "other.jsonl").write_text(content)
        with pytest.raises(ValueError, match="not the lines of an evaluation"):
            evaluate(Means(), photos, CASES, tmp_path / "other.jsonl")
        assert (tmp_path / "other.jsonl").read_text() == content


def test_the_summary_is_json_with_every_interval(photos):
    summary = json.loads(json.dumps(evaluate(Means(), photos, CASES, weights_sha256="ab").summary()))
    assert summary["n"] == len(photos)
    assert summary["configuration"]["weights_sha256"] == "ab"
    for run in summary["runs"]:
        if run["claim"] == "nothing":
            assert run["certified_interval"] is run["certified_accuracy"] is None
        else:
            low, high = run["certified_interval"]
            assert low <= run["certified_accuracy"] <= high
        assert sum(run["verdicts"].values()) == len(photos)
        assert set(run["verdicts"]) == {str(verdict) for verdict in Verdict}
        by_class = run["verdicts_by_class"]
        assert list(by_class) == list(Means.classes)
        for verdict, number in run["verdicts"].items():
            assert sum(own.get(verdict, 0) for own in by_class.values()) == number
    assert summary["photos"]["folder"] == "/".join(photos[0].path.parts[-4:-2])


def test_any_beginning_of_a_folder_is_balanced(photos):
    for beginning in (3, 6, 9):
        labels = [photo.label for photo in photos[:beginning]]
        assert {labels.count(label) for label in range(3)} == {beginning // 3}


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
