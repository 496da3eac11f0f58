"""A defence, evidence, a data set and a network trained here are added from here alone: values, and registry lines."""

import json
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image
from torch import nn
from torch.nn import functional as F

from pg_core import certify, extract, load_model
from pg_core.__main__ import main
from pg_core.analysis.comparison import compare
from pg_core.analysis.inputs import configure
from pg_core.datasets.base import DATASETS, Dataset
from pg_core.defences.base import Certificate, Claim, DefenceInput, Prediction, labels_of
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.defences.registry import DEFENCES
from pg_core.defences.spec import DefenceSpec, Parameter
from pg_core.evaluation.results import Configuration, Evaluation, Proportion
from pg_core.evaluation.table import data_of
from pg_core.evidence.arrays import first_largest, of_label, strongest_rival
from pg_core.evidence.types import EVIDENCE_TYPES, EvidenceType
from pg_core.geometry import ReceptiveField, Windows
from pg_core.networks.bodies.architectures import ARCHITECTURES, SmallMap
from pg_core.networks.catalogue import MODELS, Description
from pg_core.networks.network import Network
from pg_core.networks.shipped import read_card
from pg_core.training.batches import signed
from pg_core.training.checkpoints import read_checkpoint
from pg_core.training.recipe import Recipe, Study
from pg_core.training.studies.registry import STUDIES, Listed
from tests.colours import Colours

HANDICAP: Parameter[int] = Parameter(
    "toy_handicap", "Handicap", "Votes that the label must do without.", 0, 0, 9
)


@dataclass(frozen=True, slots=True)
class Majority:
    """Each cell votes for its largest logit; a window of |w| cells moves a lead by at most 2|w|."""

    claim: ClassVar[Claim] = Claim.LABEL
    window_size: tuple[int, int]
    handicap: int = 0

    def __str__(self):
        return f"toy majority, {self.window_size} windows, handicap {self.handicap}"

    def votes(self, local_logits):
        classes = np.arange(local_logits.shape[-3])[:, None, None]
        return (local_logits.argmax(axis=-3)[..., None, :, :] == classes).astype(np.float64)

    def predict(self, local_logits):
        counted = self.votes(local_logits).sum(axis=(-2, -1))
        return Prediction(first_largest(counted), counted)

    def certify(self, local_logits, label=None, delta=0.0):
        votes, said = self.votes(local_logits), self.predict(local_logits)
        windows = Windows(local_logits.shape[-2:], self.window_size)
        labels = labels_of(said.label, label, local_logits.shape[-3])
        everywhere = np.zeros((*windows.shape,)) + votes.sum(axis=(-2, -1))[..., None, None]
        best, rival = strongest_rival(everywhere, labels)
        cells = windows.window_size[0] * windows.window_size[1]
        lower = of_label(everywhere, labels) - cells - self.handicap
        tolerance = np.zeros(lower.shape)
        return Certificate(self.claim, windows, labels, said.label, lower, best + cells, rival, tolerance)


TOY = DefenceSpec(
    "toy",
    "toy majority",
    "The class of most cells.",
    DefenceInput.LOCAL_LOGITS,
    lambda config: Majority(config.window_size, config[HANDICAP]),
    lambda defence: isinstance(defence, Majority),
    parameters=(HANDICAP,),
)


@dataclass(frozen=True, slots=True)
class Means(SmallMap):
    """A convolution on squares of 4x4 pixels, side by side."""

    kind: ClassVar[str] = "toy"
    placed: ClassVar[type[Network]] = Network
    field: int = 4
    stride: int = 4

    def untrained(self, classes):
        return nn.Conv2d(3, classes, self.field, self.stride)


@dataclass(frozen=True, slots=True)
class MeansRecipe(Recipe):
    photos_per_step: int = 2
    steps: int = 3
    held_out: int = 0
    shards: int = 1
    gain: float = 2.0

    def inputs(self, images, step, generator):
        return (signed(np.stack(images)),)

    def loss(self, logits, labels, targets, part_targets=None):
        return F.cross_entropy(self.gain * logits.mean(dim=(2, 3)), targets)


STUDY = Study(Means(), MeansRecipe(), "toy-net", "cifar10")
NET = Description(
    "toy-net",
    "Toy squares",
    (32, 32),
    ReceptiveField((4, 4), (4, 4)),
    EvidenceType.LOGITS,
    "cifar10",
    trained=True,
)
ROOTS = EvidenceType("toy", "its root", lambda logits: np.sqrt(np.maximum(logits, 0.0)), 256.0)
PETS = Dataset("toy", "Toy pets", ("cat", "dog"), ("toy-0", "toy-1"))


@pytest.fixture(autouse=True)
def added(monkeypatch):
    for registry, value in ((DEFENCES, TOY), (EVIDENCE_TYPES, ROOTS), (DATASETS, PETS), (MODELS, NET)):
        monkeypatch.setitem(registry, value.name, value)
    monkeypatch.setitem(ARCHITECTURES, "toy", (__name__, "Means"))
    monkeypatch.setitem(STUDIES, "toy", Listed(__name__, "a toy of squares"))


@pytest.fixture
def folder(tmp_path):
    """A cat and a dog, under the names that only the toy data set knows."""
    random = np.random.default_rng(0)
    for name in PETS.folders:
        (tmp_path / name).mkdir()
        values = random.integers(0, 256, (32, 32, 3), np.uint8)
        Image.fromarray(values).save(tmp_path / name / "one.png")
    return tmp_path


def evaluated(capsys, folder, *options):
    command = [
        "evaluate",
        folder,
        "--model",
        "cifar10",
        "--device",
        "cpu",
        "--patch-size",
        2,
        "--json",
        *options,
    ]
    assert main([str(word) for word in command]) == 0
    return json.loads(capsys.readouterr().out)


def test_they_stand_in_the_help_of_the_command_line(capsys):
    with pytest.raises(SystemExit):
        main(["evaluate", "--help"])
    told = capsys.readouterr().out
    assert "  toy               toy majority" in told
    assert "  toy               Toy pets" in told
    assert "sharpened|toy" in told
    assert "--toy-handicap" in told


def test_a_defence_and_its_setting_are_measured_over_the_folders_of_a_data_set(capsys, folder):
    told = evaluated(capsys, folder, "--defence", "toy", "--toy-handicap", 3)
    (run,) = told["runs"]
    assert (told["n"], run["defence"], run["claim"]) == (2, "toy", "keeps the label")
    assert run["parameters"].endswith("handicap 3")
    assert sum(run["verdicts_by_class"]["cat"].values()) == sum(run["verdicts_by_class"]["dog"].values()) == 1


def test_a_setting_out_of_its_range_is_a_usage_error_in_a_sentence(capsys, folder):
    for words, cure in (
        (("--toy-handicap", "10"), "expected a whole number in [0, 9] for toy_handicap, got 10"),
        (("--toy-handicap", "1.5"), "expected a whole number in [0, 9] for toy_handicap, got '1.5'"),
        (("--masks-per-axis", "99999"), "expected a whole number in [2, 16] for masks_per_axis, got 99999"),
        (("--alert-threshold", "nan"), "expected a number in [0, 1] for alert_threshold, got nan"),
        (
            ("--evidence", "magic"),
            "expected one of logits, confidence, prediction, sharpened, toy for evidence",
        ),
    ):
        with pytest.raises(SystemExit) as stopped:
            main(["evaluate", str(folder), *words])
        assert stopped.value.code == 2
        assert cure in capsys.readouterr().err


def test_a_type_of_evidence_is_what_robust_masking_masks(capsys, folder):
    (run,) = evaluated(capsys, folder, "--evidence", "toy")["runs"]
    assert (run["defence"], "toy" in run["parameters"]) == ("masking", True)


def test_a_network_is_trained_written_loaded_by_its_name_and_certified(
    capsys, folder, tmp_path_factory, monkeypatch
):
    for name, known in zip(PETS.folders, ("cat", "dog"), strict=True):
        (folder / name).rename(folder / known)
    output = tmp_path_factory.mktemp("weights")
    command = ["train", "toy", folder, "--checkpoint", output / "run.pt", "--output", output, "--gain", 3]
    assert main([str(word) for word in command]) == 0
    assert "toy-net.safetensors: SHA-256" in capsys.readouterr().out
    assert read_checkpoint(output / "run.pt").recipe == MeansRecipe(gain=3.0)
    monkeypatch.setattr("pg_core.networks.trained.read_card", lambda name: read_card(name, output))
    card = read_card("toy-net", output)
    assert card.network == Means()
    model = load_model("toy-net", "cpu")
    assert (model.weights_sha256, model.classes[3]) == (card.sha256, "cat")
    analysis = certify(folder / "cat" / "one.png", model, 4)
    assert analysis.certificate.positions.map_size == (8, 8)


def test_they_take_part_in_the_comparison():
    model = Colours()
    values = np.random.default_rng(0).integers(0, 120, (48, 64, 3), np.uint8)
    values[..., 0] += 130
    features = extract(Image.fromarray(values), model)
    config = configure(model, (8, 8), {"toy_handicap": 5, "evidence": "toy"})
    found = {one.name: one for one in compare(features, config).results}
    toy = found["toy"]
    assert toy.defence == Majority(config.window_size, 5)
    assert toy.certificate.certified
    told = toy.spec.explanation(toy.defence, toy.values, toy.prediction, toy.certificate, (0, 0))
    assert (told.lower.bound, told.margin) == (toy.certificate.lower[0, 0], toy.certificate.margin[0, 0])
    masking = found["masking"].defence
    assert masking == RobustMasking(config.window_size, evidence=ROOTS)
    np.testing.assert_allclose(
        found["masking"].prediction.evidence, np.sqrt(np.maximum(features.local_logits, 0)), atol=1e-6
    )


def test_a_network_with_its_classes_is_shown_under_the_title_of_the_data_set():
    field = ReceptiveField((5, 5), (1, 1))
    configuration = Configuration("pets", PETS.classes, (32, 32), field, None, (), ())
    evaluation = Evaluation(configuration, "photos", "ab" * 32, 0.0, Proportion(1, 2), ())
    assert str(data_of(evaluation)) == "Toy pets"
