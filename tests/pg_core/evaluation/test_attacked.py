"""A bracket counts each photo once, holds what is proved below what survives, and a run goes on to the same one."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from pg_core import configure, examine, extract, load_model, sample_path
from pg_core.__main__ import main
from pg_core.datasets.folders import labelled_photos
from pg_core.defences.base import ALERT, Claim
from pg_core.evaluation.attacked import attack_photos
from pg_core.evaluation.bracket import Bracket, Budget, State, read_bracket, read_brackets
from pg_core.evaluation.cases import evaluation_cases
from pg_core.evaluation.results import Setting, read_all
from pg_core.evaluation.run import evaluate
from pg_core.io.json import as_json
from pg_core.networks.shipped import read_card
from pg_core.photos.inference import update
from pg_core.photos.patches import paste

SIZE = (6, 6)
SAMPLES = ("chelsea", "china", "coffee", "flower", "rocket")
BUDGET = Budget(places=1, steps=20, restarts=2)


@pytest.fixture(scope="module")
def model():
    return load_model("cifar10", "cpu")


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    """Samples in the folders of what the network says of them, and one in that of another class."""
    root = tmp_path_factory.mktemp("samples")
    for name in SAMPLES:
        features = extract(sample_path(name), model)
        label = int(features.local_logits.mean(axis=(1, 2)).argmax())
        below = root / model.classes[label if name != "coffee" else (label + 1) % 10]
        below.mkdir(exist_ok=True)
        shutil.copy(sample_path(name), below)
    return root


def case_of(model, defence="masking"):
    (case,) = evaluation_cases(configure(model, SIZE), [SIZE], [defence])
    return case


@pytest.fixture(scope="module")
def bracket(model, folder):
    return attack_photos(model, labelled_photos(folder, model.classes), case_of(model), BUDGET)


def test_what_is_proved_is_what_an_evaluation_proves(model, folder, bracket):
    photos = labelled_photos(folder, model.classes)
    (run,) = evaluate(model, photos, [case_of(model)]).runs
    assert bracket.clean == run.clean
    assert bracket.certified == run.certified
    assert bracket.certified.count <= bracket.attacked.count <= bracket.clean.count
    assert bracket.n == len(SAMPLES) == sum(bracket.states.values())
    assert bracket.states[State.MISCLASSIFIED] >= 1
    assert bracket.states[State.BROKEN] >= 1


def test_every_photo_that_broke_has_the_patch_that_broke_it(model, folder, tmp_path):
    """Found again: the place is that of an uncertified window, and the attack on it ends as the line says."""
    from pg_core.attacks.pixels import attack
    from pg_core.geometry import Patch

    lines = tmp_path / "lines.jsonl"
    photos = {photo.name: photo for photo in labelled_photos(folder, model.classes)}
    attack_photos(model, tuple(photos.values()), case_of(model), BUDGET, lines)
    found = 0
    for line in map(json.loads, lines.read_text().splitlines()[1:]):
        if line["state"] != State.BROKEN:
            assert line["patch"] is line["prediction"] is None
            continue
        photo, patch = photos[line["photo"]], Patch(*line["patch"])
        features = extract(photo.framed(model.image_size, model.part), model)
        analysis = examine(features, case_of(model).defence, label=model.classes[photo.label])
        at = analysis.position(patch)
        assert not analysis.certificate.proved[at.top, at.left]
        result = attack(analysis, model, patch, BUDGET.steps, BUDGET.restarts, BUDGET.seed)
        seen = paste(features.pixels, patch, result.contents)
        said = int(analysis.defence.predict(model.local_logits(seen)).label)
        assert said == line["prediction"] not in (photo.label, ALERT)
        assert np.allclose(
            update(features, model, patch, result.contents).local_logits, model.local_logits(seen), atol=1e-4
        )
        found += 1
    assert found > 0


def test_a_run_that_was_stopped_goes_on_to_the_same_bracket(model, folder, bracket, tmp_path):
    lines, photos = tmp_path / "lines.jsonl", labelled_photos(folder, model.classes)

    def stop(progress):
        if progress.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="2 of 5 photos are kept in"):
        attack_photos(model, photos, case_of(model), BUDGET, lines, stop)
    kept = lines.read_bytes()
    assert attack_photos(model, photos, case_of(model), BUDGET, lines).summary() == bracket.summary()
    assert lines.read_bytes().startswith(kept)
    # All is known now: nothing is attacked again.
    assert attack_photos(model, photos, case_of(model), BUDGET, lines, stop).summary() == bracket.summary()


def test_lines_of_another_budget_are_refused(model, folder, tmp_path):
    lines, photos = tmp_path / "lines.jsonl", labelled_photos(folder, model.classes)[:1]
    attack_photos(model, photos, case_of(model), BUDGET, lines)
    with pytest.raises(ValueError, match=r"another configuration \(attack\)"):
        attack_photos(model, photos, case_of(model), Budget(steps=21, restarts=2), lines)


def test_a_line_that_no_run_writes_costs_its_photo_alone(model, folder, bracket, tmp_path):
    lines, photos = tmp_path / "lines.jsonl", labelled_photos(folder, model.classes)
    attack_photos(model, photos, case_of(model), BUDGET, lines)
    first, *rest = lines.read_text().splitlines()
    for spoilt in (
        {"state": "won"},
        {"state": str(State.BROKEN), "patch": None, "prediction": None},
        {"state": str(State.OPEN), "patch": [0, 0, 6, 6], "prediction": 1},
        {"label": 10},
        {"places": "many"},
    ):
        wrong = json.dumps(json.loads(rest[0]) | spoilt)
        lines.write_text("\n".join([first, wrong, *rest[1:], ""]))
        assert attack_photos(model, photos, case_of(model), BUDGET, lines).summary() == bracket.summary()


def test_a_bracket_is_read_as_it_was_written_and_refused_where_it_contradicts_itself(bracket, tmp_path):
    path = tmp_path / "bracket.json"
    path.write_text(as_json(bracket.summary()))
    again = read_bracket(path)
    assert again.summary() == bracket.summary()
    assert str(again) == str(bracket)
    content = json.loads(path.read_text())
    for wrong in (
        {"attacked_accuracy": 1.0},
        {"n": 6},
        {"states": content["states"] | {"proved": 99}},
        {"attack": content["attack"] | {"steps": 0}},
        {"schema": 9},
        {"more": 1},
    ):
        path.write_text(json.dumps(content | wrong))
        with pytest.raises(ValueError, match=r"bracket\.json: "):
            read_bracket(path)


@pytest.mark.parametrize("name", sorted(read_brackets()))
def test_a_shipped_bracket_is_of_the_shipped_weights_and_agrees_with_what_was_evaluated(name):
    found = read_brackets()[name]
    network, n = found.configuration.model, found.n
    assert found.configuration.weights_sha256 == read_card(network).sha256
    assert n >= (200 if network == "imagenette" else 500)
    assert found.certified is None or found.certified.count <= found.attacked.count <= found.clean.count
    compared = 0
    for evaluation in read_all().values():
        if evaluation.configuration.model != network or evaluation.folder != found.folder:
            continue
        for run in evaluation.runs:
            if run.setting == found.setting and run.certified is not None and found.certified is not None:
                # The first photos of the same folder: within what chance allows, and never more than there are.
                low, high = found.certified.interval
                assert low - 0.02 <= run.certified.share <= high + 0.02
                assert found.certified.count <= run.certified.count
                compared += 1
    assert compared or found.certified is None


def test_nothing_is_certified_without_a_defence(bracket):
    unproved = Setting(SIZE, "undefended", None, Claim.NOTHING, "no defence")
    configuration = replace(bracket.configuration, settings=(unproved,))
    counted = {State.BROKEN: 3, State.OPEN: 1, State.MISCLASSIFIED: 1}
    found = Bracket(configuration, BUDGET, "samples", "", counted)
    assert found.certified is None
    assert found.clean.count == 4
    assert found.attacked.count == 1
    assert "certified nothing <= robust <= attacked 20.0 %" in str(found)


@pytest.mark.parametrize("wrong", [{"places": 0}, {"steps": 0}, {"restarts": -1}])
def test_a_budget_of_nothing_is_refused(wrong):
    with pytest.raises(ValueError, match="expected at least one place, step and restart"):
        Budget(**wrong)


def test_the_command_prints_the_bracket(folder, bracket, capsys, tmp_path):
    options = ["attack", str(folder), "--model", "cifar10", "--patch-size", "6x6", "--defence", "masking"]
    budget = ["--steps", "20", "--restarts", "2", "--lines", str(tmp_path / "lines.jsonl")]
    assert main([*options, *budget]) == 0
    assert capsys.readouterr().out == f"{bracket}\n"
    assert main([*options, *budget, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(as_json(bracket.summary()))


@pytest.mark.parametrize(
    "option",
    [["--label", "cat"], ["--target", "cat"], ["-o", "a.png"], ["--placements", "1,1"], ["--pad"]],
)
def test_what_is_about_one_photo_does_not_go_with_a_folder(folder, option, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["attack", str(folder), *option])
    assert "goes with a photo alone" in capsys.readouterr().err
