"""python -m pg_core evaluate with what people have: their own network, maps of its local logits, a run that fails."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pg_core import extract, save_local_logits
from pg_core.__main__ import main
from pg_core.evaluation.outcome_table import open_table
from pg_core.io.lock import locked
from pg_core.networks.own import Format, write_card
from tests.colours import Colours
from tests.pg_core.networks.test_own_network import Convolutions, described, saved

CIFAR = ("--model", "cifar10", "--device", "cpu", "--patch-size", "2")


def paint(path, seed, size=(32, 32)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)).save(path)


@pytest.fixture
def folder(tmp_path):
    """Three photos of noise of each of two classes of CIFAR-10."""
    for number, name in enumerate(("cat", "dog")):
        for photo in range(3):
            paint(tmp_path / "photos" / name / f"{photo}.png", 3 * number + photo)
    return tmp_path / "photos"


def test_a_network_of_ones_own_is_measured_by_its_card(run, tmp_path):
    path = saved(tmp_path, Convolutions(), Format.EXPORTED)
    card = tmp_path / "mine.network.json"
    card.write_text(write_card(described(path)))
    for number, name in enumerate(("red", "green", "blue")):
        paint(tmp_path / "photos" / name / "0.png", number, (40, 48))
    options = ("evaluate", tmp_path / "photos", "--network", card, "--patch-size", 4, "--json")
    code, out, _ = run(*options, "--table", tmp_path / "table")
    told = json.loads(out)
    assert (code, told["n"]) == (0, 3)
    for photo, label, verdict in open_table(tmp_path / "table").query(
        "select photo, label, verdict from outcomes"
    ):
        one = ("certify", tmp_path / "photos" / photo, "--network", card, "--patch-size", 4, "--label", label)
        assert json.loads(run(*one, "--json")[1])["verdict"] == verdict
    with pytest.raises(SystemExit):
        run(*options, "--model", "tiles")


@pytest.fixture
def maps(tmp_path):
    """A file of the local logits of four photos, and one with the classes of three of them right."""
    model, features = Colours(), {}
    for number in range(4):
        paint(tmp_path / f"{number}.png", number, (48, 64))
        features[f"map {number}"] = extract(tmp_path / f"{number}.png", model)
    save_local_logits(tmp_path / "maps.npz", features)
    right = {name: int(own.local_logits.mean(axis=(1, 2)).argmax()) for name, own in features.items()}
    (tmp_path / "labels.json").write_text(json.dumps(right | {"map 0": (right["map 0"] + 1) % 3}))
    return tmp_path / "maps.npz"


def test_maps_of_local_logits_get_the_verdicts_of_certify(run, maps, tmp_path):
    labels = ("--labels", tmp_path / "labels.json")
    table = tmp_path / "table"
    options = ("evaluate", maps, "--window-size", "2x2", "3x3", "--table", table, *labels, "--json")
    code, out, err = run(*options)
    told = json.loads(out)
    assert (code, err, told["n"], told["undefended_accuracy"]) == (0, "", 4, 0.75)
    for index, size in enumerate(("2x2", "3x3")):
        _, lines, _ = run("certify", "--local-logits", maps, "--window-size", size, *labels)
        verdicts = [json.loads(line)["verdict"] for line in lines.splitlines()]
        counted = told["runs"][index]["verdicts"]
        assert {name: count for name, count in counted.items() if count} == {
            verdict: verdicts.count(verdict) for verdict in verdicts
        }
    assert run(*options)[1] == out
    rows = open_table(table).query("select photo, network, label from outcomes where patch_height = 2")
    assert {(photo, network) for photo, network, _ in rows} == {
        (f"map {number}", "colours") for number in range(4)
    }


def test_maps_without_labels_get_verdicts_alone(run, maps):
    code, out, _ = run("evaluate", maps, "--window-size", "2x2")
    assert code == 0
    assert "maps.npz, n = 4, without labels: no accuracy" in out


def test_maps_of_different_shapes_are_refused(run, tmp_path):
    np.savez(tmp_path / "maps.npz", a=np.ones((3, 4, 5)), b=np.ones((3, 5, 4)))
    code, out, err = run(
        "evaluate", tmp_path / "maps.npz", "--window-size", "2x2", "--layout", "classes,rows,columns"
    )
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "expected shape (3, 4, 5) of every map, as 'a' has, got (3, 5, 4) in 'b'" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("maps.npz",), "an .npz file needs --window-size HxW"),
        (("maps.npz", "--window-size", "2x2", "--model", "tiles"), "--model goes with photos"),
        (("maps.npz", "--window-size", "2x2", "--patch-size", "2"), "--patch-size goes with photos"),
        (("photos", "--window-size", "2x2"), "--window-size goes with an .npz file"),
        (("photos", "--labels", "labels.json"), "--labels goes with an .npz file"),
        (("photos", "--lines", "run.jsonl"), "--lines writes the rows of a table: it goes with --table"),
    ],
)
def test_options_of_another_kind_of_input_are_wrong_usage(capsys, arguments, words):
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", *arguments])
    assert stop.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("name", ["double-masking", "interval", "smoothing"])
def test_a_defence_that_needs_photos_is_refused_for_maps(run, maps, name):
    code, _, err = run("evaluate", maps, "--window-size", "2x2", "--defence", name)
    assert (code, err) == (1, f"error: {name} needs photos and their network, not local logits\n")


def test_a_table_that_another_run_writes_is_refused_in_a_line(run, folder, tmp_path):
    (tmp_path / "table").mkdir()
    with locked(tmp_path / "table"):
        code, out, err = run("evaluate", folder, *CIFAR, "--table", tmp_path / "table")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "another run writes into this folder: wait for its end" in err


def test_what_ends_a_run_says_what_is_kept_and_the_command_that_goes_on(run, folder, tmp_path, monkeypatch):
    command = ("evaluate", folder, *CIFAR, "--table", tmp_path / "it's")
    again = f"""python -m pg_core evaluate {folder} {" ".join(CIFAR)} --table '{tmp_path}/it'"'"'s'"""
    (folder / "dog" / "1.png").write_bytes(b"no photo")
    code, out, err = run(*command)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("error: dog/1.png: This is text")
    assert err.endswith(f"3 of 6 photos are kept in {tmp_path}/it's: go on by {again}\n")

    def broken(*arguments):
        raise RuntimeError("CUDA out of memory\nTraceback of the driver")

    with monkeypatch.context() as patched:
        patched.setattr("pg_core.evaluation.measuring.extract", broken)
        code, out, err = run(*command)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "error: dog/1.png: " in err
    paint(folder / "dog" / "1.png", 9)
    with monkeypatch.context() as patched:
        patched.setattr("pg_core.evaluation.measuring.extract", broken)
        code, out, err = run(*command)
    words = "dog/1.png: the network failed (RuntimeError: CUDA out of memory). 3 of 6 photos are kept"
    assert (code, out, err.count("\n"), words in err) == (1, "", 1, True)
    code, out, err = run(*command)
    assert (code, err, "n = 6" in out) == (0, "", True)
    assert len(list(Path(tmp_path / "it's").glob("part-*"))) == 2


def test_the_best_k_are_counted_beside_the_best_one(run, maps, tmp_path):
    options = ("evaluate", maps, "--window-size", "2x2", "--labels", tmp_path / "labels.json", "--top", 1, 3)
    code, out, _ = run(*options, "--json")
    (measured,) = json.loads(out)["runs"]
    assert code == 0
    assert [(own["k"], own["clean_accuracy"]) for own in measured["top"]] == [
        (1, measured["clean_accuracy"]),
        (3, 1.0),
    ]
    assert measured["top"][0]["certified_accuracy"] == measured["certified_accuracy"]
    assert measured["top"][1]["certified_accuracy"] == 1.0
    assert "among the best 3: clean 100.0 %" in run(*options)[1]
    code, _, error = run(*options, "--threshold", 0.2)
    assert code != 0
    assert "expected a defence that ranks the classes for the best k" in error
    assert "Traceback" not in error
