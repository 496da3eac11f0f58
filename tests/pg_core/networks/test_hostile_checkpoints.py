"""Checkpoints that are none, that carry code, or that were damaged: refused in one line, and never run."""

import io
import pickle
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pg_core.networks.network import CheckpointError, read_state
from tests.pg_core.networks.test_checkpoints import assert_one_line, parallel, refusal, saved, weights


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.pth"


def no_checkpoints():
    """Bytes that are no checkpoint, by what they are."""
    whole = saved(weights(9))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("photo.png", b"\x89PNG\r\n\x1a\n")
    return {
        "nothing": b"",
        "text": b"not a checkpoint\n",
        "zeros": bytes(500),
        "zip": archive.getvalue(),
        "half": whole[: len(whole) // 2],
        "all but the end": whole[:-100],
        "half of the old format": saved({"a": torch.ones(9)}, _use_new_zipfile_serialization=False)[:200],
        "random": np.random.default_rng(0).bytes(5000),
    }


@pytest.mark.parametrize("kind", no_checkpoints())
def test_what_is_no_checkpoint_is_refused(path, kind):
    path.write_bytes(no_checkpoints()[kind])
    assert "not a checkpoint" in refusal(path)


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"net": 1},
        {"net": {"fc.weight": [1.0, 2.0]}},
        {"fc.weight": "text"},
        {"state_dict": {"state_dict": {"fc.weight": torch.zeros(10, 2048)}}},
        torch.zeros(10, 2048),
        [torch.zeros(10, 2048)],
        None,
        "text",
    ],
    ids=lambda content: type(content).__name__,
)
def test_what_is_no_state_dict_is_refused(path, content):
    torch.save(content, path)
    refusal(path)


class Harmful:
    """A pickle that would make a file."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return open, (str(self.target), "w")


@pytest.mark.parametrize(
    "kept", ["pickle", "new format", "old format", "as a tensor"], ids=lambda kept: kept.replace(" ", "-")
)
def test_code_in_a_checkpoint_is_not_run(tmp_path, path, kept):
    target = tmp_path / "harm"
    harmful = Harmful(target)
    if kept == "pickle":
        path.write_bytes(pickle.dumps(harmful, protocol=2))
    elif kept == "as a tensor":
        torch.save({**weights(17), "fc.bias": harmful}, path)
    else:
        torch.save({"state_dict": harmful}, path, _use_new_zipfile_serialization=kept == "new format")
    assert "not loaded" in refusal(path)
    assert not target.exists()


def test_the_harmful_pickle_of_these_tests_would_do_harm(tmp_path):
    pickle.loads(pickle.dumps(Harmful(tmp_path / "harm"), protocol=2)).close()
    assert (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    "misfit",
    [
        pytest.param({"fc.weight": torch.zeros(0, 2048), "fc.bias": torch.zeros(0)}, id="no class"),
        pytest.param({"fc.weight": torch.zeros(1).expand(10**9, 2048)}, id="billion classes of 4 bytes"),
        pytest.param({"fc.weight": torch.zeros(10, 2048, dtype=torch.complex64)}, id="complex"),
        pytest.param({"fc.weight": torch.zeros(10, 2048, device="meta")}, id="no values"),
        pytest.param({"fc.bias": torch.zeros(10).to_sparse()}, id="sparse"),
        pytest.param({"fc.bias": torch.full((10,), torch.nan)}, id="NaN"),
        pytest.param({"bn1.running_mean": torch.full((64,), torch.inf)}, id="infinite"),
        pytest.param({"fc.weight": torch.zeros(10)}, id="vector"),
        pytest.param({7: torch.zeros(10)}, id="number for a name"),
    ],
)
def test_tensors_that_cannot_be_computed_with_are_refused(path, misfit):
    torch.save({**weights(17), **misfit}, path)
    refusal(path)


SEEDS = [
    saved({"net": parallel({"fc.weight": torch.ones(3, 4)}), "acc": 0.5}, _use_new_zipfile_serialization=new)
    for new in (True, False)
]


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=40)
    | st.builds(
        lambda data, place, change: (
            data[: int(place * len(data))] + change + data[int(place * len(data)) + len(change) :]
        ),
        st.sampled_from(SEEDS),
        st.floats(0, 1),
        st.binary(min_size=1, max_size=4),
    )
)
def test_damaged_bytes_are_read_or_refused_and_nothing_else(path, data):
    path.write_bytes(data)
    try:
        state = read_state(path)
    except CheckpointError as error:
        assert_one_line(error, path)
    else:
        assert all(isinstance(value, torch.Tensor) for value in state.values())
