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

from pg_core.datasets.folders import Photo, labelled_photos
from pg_core.defences.base import ALERT, Claim, Verdict
from pg_core.defences.interval.bounds import Convolution, Dense, IntervalBounds, Layers
from pg_core.defences.patchcleanser.inference import mean_logits, two_mask_predictions
from pg_core.defences.patchcleanser.pixels import PatchCleanser
from pg_core.defences.patchguard.explain import failures
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.defences.spec import DefenceConfig
from pg_core.evaluation.cases import configure_run, evaluation_cases, network_runs
from pg_core.evaluation.judging import judge
from pg_core.evaluation.outcome_table import open_table
from pg_core.evaluation.outcomes import setting_keys
from pg_core.evaluation.proportion import Proportion
from pg_core.evaluation.run import evaluate
from pg_core.evidence.types import EvidenceType
from pg_core.geometry import ReceptiveField, cells
from pg_core.networks import CIFAR10
from pg_core.networks.base import Part

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
KEYED = dict(zip(setting_keys(configure_run(Means(), CASES, None)), CASES, strict=True))


@pytest.fixture
def photos(tmp_path):
    return painted(tmp_path)


def painted(folder):
    """Three photos of each colour."""
    generator = np.random.default_rng(0)
    for label, name in enumerate(Means.classes):
        (folder / name).mkdir()
        for number in range(3):
            pixels = generator.integers(0, 120, (32, 32, 3))
            pixels[..., label] += 20 + 50 * number
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number}.png")
    return labelled_photos(folder, Means.classes)


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
    together = judge(logits, photos, KEYED)
    alone = [judge(logits[i : i + 1], photos[i : i + 1], KEYED)[0] for i in range(len(photos))]
    assert list(together) == alone
    verdicts = {result.verdict for results in together for result in results}
    assert verdicts >= {Verdict.CERTIFIED, Verdict.NOT_CERTIFIED, Verdict.MISCLASSIFIED}


def test_a_result_has_the_margin_the_rival_and_the_case_of_the_debugger(photos):
    logits = np.random.default_rng(3).normal(size=(len(photos), 3, 8, 8))
    logits[np.arange(len(photos)), [photo.label for photo in photos]] += 0.5
    found = set()
    for index, photo in enumerate(photos):
        (results,) = judge(logits[index][None], (photo,), KEYED, 1e-3)
        for result, case in zip(results, CASES, strict=True):
            certificate = case.defence.certify(logits[index], photo.label, 1e-3)
            assert np.array_equal(result.rivals, certificate.rival)
            assert (result.margins <= certificate.margin).all()
            near = np.nextafter(result.margins, np.float32(np.inf))
            assert ((near > certificate.margin) | np.isinf(result.margins)).all()
            assert result.worst == certificate.worst_position
            assert result.margin == certificate.margin.min()
            assert result.tolerance == certificate.tolerance.max()
            expected = None
            if isinstance(case.defence, RobustMasking) and result.verdict is Verdict.NOT_CERTIFIED:
                known = failures(case.defence, case.defence.predict(logits[index]), certificate)
                worst = certificate.windows.window(*certificate.worst_position)
                expected = next(one.label_case for one in known if one.window == worst)
                found.add(expected)
            assert result.figure5_case == expected
    assert len(found - {None}) >= 1


def test_photos_without_labels_get_verdicts_on_the_defended_prediction_and_no_accuracy(photos, tmp_path):
    plain = [Photo(photo.path, photo.name, None) for photo in photos]
    evaluation = evaluate(Means(), plain, CASES, tmp_path / "table")
    assert evaluation.undefended is None
    assert evaluation.n == len(photos)
    assert "without labels: no accuracy" in str(evaluation)
    for run, case in zip(evaluation.runs, CASES, strict=True):
        verdicts = []
        for photo in photos:
            pixels = np.asarray(Image.open(photo.path), np.float32).transpose(2, 0, 1) / np.float32(255)
            verdicts.append(
                case.defence.certify(Means().local_logits(pixels), None, evaluation.delta).verdict
            )
        assert run.clean is None
        assert run.counted == {verdict: verdicts.count(verdict) for verdict in Verdict}
        assert run.summary(Means.classes)["clean_accuracy"] is None
    assert evaluate(Means(), plain, CASES, tmp_path / "table") == evaluation
    with pytest.raises(ValueError, match="a label for every photo, or for none"):
        evaluate(Means(), [plain[0], *photos[1:]], CASES)


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
    table = tmp_path / "table"
    whole = evaluate(Means(), photos, CASES, tmp_path / "whole")
    first = Means()

    def kill(progress):
        if progress.done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(first, photos, CASES, table, report=kill)
    (table / ".part-00000002.parquet.0123abcd.new").write_bytes(b"PAR1")  # cut short
    second = Means()
    seen = []
    resumed = evaluate(second, photos, CASES, table, report=seen.append)
    # The network has seen one photo more than was judged.
    assert (first.images, second.images) == (5, len(photos) - 4)
    assert seen[0].done == 5
    assert resumed == whole
    assert [path.name for path in sorted(table.iterdir())] == [
        ".lock",
        "part-00000001.parquet",
        "part-00000002.parquet",
    ]
    asked = "select * exclude (seconds) from outcomes order by photo, setting"
    assert open_table(table).query(asked) == open_table(tmp_path / "whole").query(asked)


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


def test_the_table_of_another_network_is_refused_and_kept(photos, tmp_path):
    table = tmp_path / "table"
    evaluate(Means(), photos[:1], CASES, table)
    (part,) = table.glob("part*")
    before = part.read_bytes()
    with pytest.raises(ValueError, match=r"another configuration \(weights_sha256\); name another folder"):
        evaluate(Means(), photos, CASES, table, weights_sha256="0" * 64)
    assert part.read_bytes() == before


@pytest.mark.parametrize("name", ["photo.csv", "part-1.parquet", "part-00000001.parquet.old"])
def test_a_folder_with_anything_but_a_table_is_refused_and_kept(photos, tmp_path, name):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / name).write_text("photo,label\n")
    with pytest.raises(ValueError, match="other: expected an empty folder, or the table of a run, got"):
        evaluate(Means(), photos, CASES, tmp_path / "other")
    assert (tmp_path / "other" / name).read_text() == "photo,label\n"


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
