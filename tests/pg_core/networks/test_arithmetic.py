"""The arithmetic that certifies: what a notebook sets for itself changes no bit, and is as it was afterwards."""

import contextlib
import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest
import torch

from pg_core.evidence.types import EvidenceType
from pg_core.geometry import ReceptiveField, Window
from pg_core.networks import load_model
from pg_core.networks.arithmetic import certifying
from pg_core.networks.network import Network


def flags():
    """All that is set for the whole process."""
    backends = torch.backends
    return (
        torch.get_default_dtype(),
        torch.get_float32_matmul_precision(),
        backends.cuda.matmul.allow_tf32,
        backends.cudnn.allow_tf32,
        backends.cudnn.benchmark,
        backends.cudnn.deterministic,
        *(
            product.fp32_precision
            for backend in (backends.cudnn, backends.mkldnn)
            for product in (backend, backend.conv, backend.rnn)
        ),
        backends.mkldnn.matmul.fp32_precision,
    )


@contextlib.contextmanager
def autocast():
    with torch.autocast("cpu", torch.bfloat16):
        yield


@contextlib.contextmanager
def tf32():
    cudnn, before = torch.backends.cudnn, torch.get_float32_matmul_precision()
    kept = cudnn.allow_tf32, cudnn.benchmark, cudnn.deterministic
    torch.set_float32_matmul_precision("medium")
    cudnn.allow_tf32, cudnn.benchmark, cudnn.deterministic = True, True, False
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
        cudnn.allow_tf32, cudnn.benchmark, cudnn.deterministic = kept


@contextlib.contextmanager
def bfloat16_products():
    """The newer interface, which says it for each kind of product."""
    product, before = torch.backends.mkldnn.conv, torch.backends.mkldnn.conv.fp32_precision
    product.fp32_precision = "bf16"
    try:
        yield
    finally:
        product.fp32_precision = before


@contextlib.contextmanager
def float64_by_default():
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@contextlib.contextmanager
def another_device_by_default():
    with torch.device("meta"):
        yield


NOTEBOOKS = (autocast, tf32, bfloat16_products, float64_by_default, another_device_by_default, torch.no_grad)


@pytest.fixture(scope="module", params=["cifar10-bands", "tiles-coarse"])
def name(request):
    return request.param


def seen(network):
    """All that a certificate may ask of a network, about an image of two columns of cells or of all bands."""
    field = network.receptive_field
    size = network.image_size if field.wrapping else (field.size[0], field.size[1] + field.stride[1])
    pixels = np.random.default_rng(0).random((3, *size), np.float32)
    rows, columns = field.map_size(size)
    return (
        network.local_logits(pixels),
        network.local_logits(pixels, Window(rows - 1, columns - 2, 1, 2)),
        network.gradient(pixels, 0, 1),
    )


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_what_a_notebook_chose_for_itself_changes_no_bit_and_stays_chosen(name, notebook):
    expected = seen(load_model(name, "cpu"))
    with notebook():
        chosen = flags()
        found = seen(load_model(name, "cpu"))
        assert flags() == chosen
    assert all(map(np.array_equal, found, expected))


def test_a_network_loaded_without_gradients_gives_them(name):
    with torch.inference_mode():
        network = load_model(name, "cpu")
    assert seen(network)[2].any()


def network_of(body):
    field = ReceptiveField((4, 4), (4, 4))
    return Network("n", body, ("a", "b"), (8, 8), field, EvidenceType.LOGITS, "", (0.0,) * 3, (1.0,) * 3)


class Recording(torch.nn.Module):
    """Notes the flags while it runs, together with another thread."""

    def __init__(self, together):
        super().__init__()
        self.together = together
        self.found = []

    def forward(self, images):
        self.together.wait(30)
        self.found.append((torch.get_default_dtype(), torch.backends.cudnn.allow_tf32))
        self.together.wait(30)
        return images[:, :2, ::4, ::4]


def test_threads_inside_at_once_all_have_exact_arithmetic_and_the_last_puts_it_back():
    together = Barrier(2)
    bodies = Recording(together), Recording(together)
    pixels = np.zeros((3, 8, 8), np.float32)
    with tf32(), float64_by_default():
        chosen = flags()
        with ThreadPoolExecutor(2) as threads:
            for _ in range(3):
                list(threads.map(lambda body: network_of(body).local_logits(pixels), bodies))
        assert flags() == chosen
    assert bodies[0].found == bodies[1].found == [(torch.float32, False)] * 3


def test_flags_are_put_back_where_a_network_fails():
    with tf32():
        chosen = flags()
        with pytest.raises(RuntimeError), certifying():
            raise RuntimeError
        assert flags() == chosen


def test_loading_a_network_changes_no_flag_for_good():
    with tf32():
        chosen = flags()
        load_model("cifar10", "cpu")
        assert flags() == chosen


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda network: pickle.loads(pickle.dumps(network))])
def test_a_copy_of_a_network_is_the_same_network_and_asks_for_itself(name, copied):
    network = load_model(name, "cpu")
    other = copied(network)
    assert (other.name, other.classes, other.receptive_field) == (
        network.name,
        network.classes,
        network.receptive_field,
    )
    with network._lock:  # were it shared, the copy would wait for ever
        found = seen(other)
    assert all(map(np.array_equal, found, seen(network)))
