"""A Ray cluster of two nodes gives the rows of this process, whatever becomes of its nodes."""

import pickle
import sys
import warnings
from functools import partial

import numpy as np
import pytest
import ray
from PIL import Image
from ray.cluster_utils import Cluster

from pg_core.analysis.inputs import configure
from pg_core.datasets.folders import labelled_photos
from pg_core.defences.registry import DEFENCES
from pg_core.engines.local import LocalEngine
from pg_core.engines.ray import ray_cluster
from pg_core.evaluation.attacked import attack_photos
from pg_core.evaluation.bracket import Budget
from pg_core.evaluation.cases import evaluation_cases
from pg_core.evaluation.outcome_columns import COLUMNS
from pg_core.evaluation.outcome_table import open_table
from pg_core.evaluation.run import evaluate
from pg_core.networks import CIFAR10, load_model
from pg_core.photos.read import ImageError

# Ray's own threads and pipes are closed by its processes, later than a test ends; what it says of coming versions is
# not about this code.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:ray"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray"),
]


@pytest.fixture(scope="module")
def model():
    return load_model("cifar10", "cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Six photos of noise for each class."""
    root = tmp_path_factory.mktemp("photos")
    for label, name in enumerate(CIFAR10):
        (root / name).mkdir()
        for number in range(6):
            pixels = np.random.default_rng(10 * label + number).integers(0, 256, (32, 32, 3), np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def cases(model):
    return evaluation_cases(configure(model, (5, 5)), [(3, 3), (5, 5)], ["masking", "clipping"])


NODE = {"num_cpus": 1, "num_gpus": 0, "object_store_memory": 2**27}


@pytest.fixture(scope="module")
def cluster():
    """Two nodes of one core each on loopback, of which this process has joined the first: for all tests, since a
    cluster takes long to begin."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        own = Cluster(
            initialize_head=True,
            head_node_args=NODE | {"include_dashboard": False},
        )
        own.second = own.add_node(**NODE)
        ray.init(own.address, log_to_driver=False, logging_level="ERROR")
        yield own
        ray.shutdown()
        own.shutdown()


@pytest.fixture(scope="module")
def expected(model, folder, cases, tmp_path_factory):
    """The rows of this process."""
    table = tmp_path_factory.mktemp("local") / "table"
    evaluate(model, labelled_photos(folder, model.classes), cases, table, model.weights_sha256)
    return rows(table)


def rows(table):
    """All of a table but the seconds."""
    columns = ", ".join(name for name in COLUMNS.names if name != "seconds")
    return open_table(table).query(f"select {columns} from outcomes order by photo, setting")


def run_on(engine, model, folder, cases, table, report=None):
    photos = labelled_photos(folder, model.classes)
    return evaluate(model, photos, cases, table, model.weights_sha256, report, engine=engine)


def test_the_rows_of_a_cluster_are_those_of_this_process(cluster, model, folder, cases, expected, tmp_path):
    with ray_cluster(device="cpu") as engine:
        assert engine.slots == 2
        run_on(engine, model, folder, cases, tmp_path / "table")
    assert rows(tmp_path / "table") == expected


def test_a_node_that_is_lost_in_the_middle_loses_no_row_and_repeats_none(
    cluster, model, folder, cases, expected, tmp_path
):
    lost = []

    def lose_one(progress):
        if not lost:
            lost.append(progress.done)
            cluster.remove_node(cluster.second, allow_graceful=False)

    with ray_cluster(device="cpu") as engine:
        run_on(engine, model, folder, cases, tmp_path / "table", lose_one)
    cluster.second = cluster.add_node(**NODE)
    assert lost[0] < 60
    assert rows(tmp_path / "table") == expected


def test_an_interrupted_run_keeps_its_rows_and_goes_on_to_the_same_table(
    cluster, model, folder, cases, expected, tmp_path
):
    def interrupt(progress):
        if progress.done == 11:
            raise KeyboardInterrupt

    with ray_cluster(device="cpu") as engine:
        with pytest.raises(KeyboardInterrupt, match="11 of 60 photos are kept"):
            run_on(engine, model, folder, cases, tmp_path / "table", interrupt)
        assert len(rows(tmp_path / "table")) == 11 * len(cases)
        fresh = []
        run_on(engine, model, folder, cases, tmp_path / "table", fresh.append)
    assert len(fresh) == 49
    assert rows(tmp_path / "table") == expected


def test_a_photo_that_cannot_be_read_has_the_error_of_this_process(cluster, model, folder, cases, tmp_path):
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "0.png").write_bytes(b"no photo")
    said = []
    with ray_cluster(device="cpu") as engine:
        for own in (LocalEngine(), engine):
            with pytest.raises(ImageError) as error:
                run_on(own, model, tmp_path, cases, None)
            said.append(str(error.value))
    assert said[0] == said[1]


def test_an_attack_on_a_cluster_ends_as_in_this_process(cluster, model, folder):
    (case,) = evaluation_cases(configure(model, (6, 6)), [(6, 6)], ["masking"])
    photos = labelled_photos(folder, model.classes)[:10]
    run = partial(attack_photos, model, photos, case, Budget(1, 5, 1))
    with ray_cluster(device="cpu") as engine:
        assert run(engine=engine) == run()


def test_without_the_package_the_error_says_how_to_get_it(monkeypatch, run, folder):
    monkeypatch.setitem(sys.modules, "ray", None)
    code, _, err = run("evaluate", folder, "--model", "cifar10", "--device", "cpu", "--engine", "ray")
    assert code == 1
    assert "expected the package ray for --engine ray: python -m pip install ray" in err


def test_every_defence_of_the_command_line_can_be_sent(model):
    for name in DEFENCES:
        try:
            cases = evaluation_cases(configure(model, (5, 5)), [(5, 5)], [name])
        except ValueError:
            continue  # not of this network
        assert pickle.loads(pickle.dumps(cases)) == cases


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--address", "auto"], "it goes with --engine ray"),
        (["--engine", "ray", "--local-logits", "kept"], "kept by --engine local alone"),
    ],
)
def test_options_that_an_engine_has_no_use_for_are_refused(run, capsys, folder, options, said):
    with pytest.raises(SystemExit):
        run("evaluate", folder, "--model", "cifar10", *options)
    assert said in capsys.readouterr().err
