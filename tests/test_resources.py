"""Threads and memory: what is chosen by measurement, and what is refused before a run begins."""

import tracemalloc
import types
from contextlib import nullcontext

import numpy as np
import pytest

from corinfomax.errors import ParameterError
from corinfomax.networks import CorInfoMax, EquilibriumPropagation, initial
from corinfomax.protocols import linear_algebra, memory
from corinfomax.protocols.clockwork import Preparation
from corinfomax.protocols.runs.configuration import Configuration


@pytest.fixture
def machine(monkeypatch):
    """Set up a machine of so many cores, on which products take so many seconds by the number of threads."""

    def build(cores, seconds):
        in_use = []

        class Limit:
            def __init__(self, threads):
                self.threads = threads

            def __enter__(self):
                in_use.append(self.threads)

            def __exit__(self, *exception):
                in_use.pop()

        monkeypatch.setattr(linear_algebra, "usable_cores", lambda: cores)
        monkeypatch.setattr(linear_algebra, "limited_to", Limit)
        monkeypatch.setattr(linear_algebra, "_time_of", lambda a, b: seconds[in_use[-1]])

    return build


@pytest.mark.parametrize(
    ("cores", "seconds", "theory"),
    [
        (1, {1: 1.0}, 1),
        (2, {1: 1.0, 2: 0.6}, 2),
        (2, {1: 1.0, 2: 0.95}, 1),  # one more saves less than a tenth
        (6, {1: 1.0, 2: 0.6, 4: 0.58, 6: 0.5}, 6),
        (4, {1: 1.0, 2: 3.0, 4: 9.0}, 1),
    ],
)
def test_the_fastest_number_of_threads(machine, cores, seconds, theory):
    """Oracle: the least time, of 1, 2, 4, … and all cores, where another thread saves a tenth of it."""
    machine(cores, seconds)
    assert linear_algebra.fastest_threads([np.ones((3, 2)), np.ones(3)], rows=4) == theory


def test_auto_becomes_a_number_that_the_run_keeps(machine):
    """`blas_threads = "auto"`: the configuration holds what was measured, says so, and is the same when read again."""
    machine(2, {1: 1.0, 2: 0.5})
    configuration = Configuration.read("digits", ["blas_threads=auto"])
    assert configuration.training.blas_threads == 2
    assert "blas_threads = 2" in configuration.choices[-1]
    assert Configuration.from_toml(configuration.to_toml()).training.blas_threads == 2


def test_more_threads_than_cores_are_refused(refused, monkeypatch, tmp_path):
    """One line, which names the file, the key and the cores there are, before there is a folder."""
    monkeypatch.setattr(linear_algebra, "usable_cores", lambda: 2)
    line = refused("train", "digits", "--set", "blas_threads=3", "--out", tmp_path / "run")
    assert "digits with --set: blas_threads = 3: must be at most 2, the cores that this process may use" in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("options", "made_in"), [({}, 4), ({"lateral_form": "autapse"}, 8)], ids=["rounded", "late"])
def test_weights_that_are_rounded_as_they_are_made_need_less(monkeypatch, options, made_in):
    """W_ff, W_fb, B, O, D, twice in the type that they are made in: refused with a byte less."""
    needed = 2 * made_in * (7 * 5 + 5 * 4 * 2 + 2 * (5 * 5 + 4 * 4) + 5 + 4)
    for free, allowed in ((needed, True), (needed - 1, False)):
        monkeypatch.setattr(memory.psutil, "virtual_memory", lambda free=free: types.SimpleNamespace(available=free))
        with nullcontext() if allowed else pytest.raises(ParameterError, match=r"needs .* GB of memory"):
            memory.check_weights(lambda sizes: CorInfoMax(sizes, dtype="float32", **options), [7, 5, 4], "architecture")


@pytest.mark.parametrize(
    ("network", "numbers"),
    [(CorInfoMax, 7 * 5 + 5 * 4 * 2 + 2 * (5 * 5 + 4 * 4) + 5 + 4), (EquilibriumPropagation, 7 * 5 + 5 * 4 + 5 + 4)],
)
def test_weights_are_counted_before_they_are_made(monkeypatch, network, numbers):
    """Theory: W_ff, W_fb, B, O, D of CorInfoMax, W, b of EP, twice in double precision: refused with a byte less."""
    for free in (16 * numbers, 16 * numbers - 1):
        monkeypatch.setattr(memory.psutil, "virtual_memory", lambda free=free: types.SimpleNamespace(available=free))
        if free == 16 * numbers:
            memory.check_weights(network, [7, 5, 4], "architecture")
        else:
            with pytest.raises(ParameterError, match=r"architecture = \[7, 5, 4\]: needs .* GB of memory; .* are free"):
                memory.check_weights(network, [7, 5, 4], "architecture")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_weights_are_made_without_a_second_copy(dtype, monkeypatch):
    """Oracle: tracemalloc. While 100-1600-10 is built, no more than 1.5 times its weights are there, in their type."""
    monkeypatch.setattr(initial, "_AT_ONCE", 2**14)
    CorInfoMax([4, 3, 2], dtype=dtype)  # what is imported and kept is no part of it
    tracemalloc.start()
    try:
        circuit = CorInfoMax([100, 1600, 10], dtype=dtype)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1.5 * sum(W.nbytes for arrays in circuit.weights.values() for W in arrays.values())


@pytest.mark.parametrize(
    "options",
    [
        {"initial_gain_ff": [1.0, 0.3, 1.7], "initial_gain_fb": 0.7, "bias": True},
        {"initial_feedback": "transposed", "initial_gain_fb": 0.7},
        {"lateral_form": "autapse"},
        {"lateral_rule": "regularised", "epsilon": 0.013},
        {"dale": ["W_ff", "W_fb", "O"]},
    ],
    ids=["gains", "transposed", "autapse", "regularised", "dale"],
)
def test_weights_made_in_single_precision(options):
    """They equal, bit by bit, those that are made in double precision and rounded then, in value, type and order."""
    circuit = CorInfoMax([7, 30, 20, 4], seed=3, dtype="float32", **options)
    rounded = CorInfoMax([7, 30, 20, 4], seed=3, **options)
    rounded.astype(np.float32)
    assert circuit.dtype == np.float32
    for key, arrays in rounded.weights.items():
        for k, theory in arrays.items():
            found = circuit.weights[key][k]
            assert (found.dtype, found.flags.f_contiguous) == (theory.dtype, True)
            np.testing.assert_array_equal(found, theory, err_msg=f"{key}[{k}]")


def test_products_made_block_by_block(monkeypatch):
    """B = W Wᵀ in single precision equals the whole product's to one rounding, and is exactly symmetric."""
    theory = CorInfoMax([7, 101, 4]).weights["B"][1]
    monkeypatch.setattr(initial, "_AT_ONCE", 17 * 101)
    B = CorInfoMax([7, 101, 4], dtype="float32").weights["B"][1]
    np.testing.assert_allclose(B, theory, rtol=1.2e-7, atol=1e-12)
    np.testing.assert_array_equal(B, B.T)


@pytest.mark.parametrize("dtype", ["float16", "int32", "text"])
def test_types_that_weights_cannot_have(dtype):
    """The line names the type, and those that are allowed."""
    with pytest.raises(ParameterError, match=f"dtype = {dtype}: must be float32 or float64"):
        CorInfoMax([3, 2, 1], dtype=dtype)


def test_a_configuration_makes_weights_in_its_type():
    """`training.dtype`, of a model whose trainable takes one; `[circuit]` has no such key."""
    assert Configuration.read("digits").build_circuit().dtype == np.float32
    assert "dtype" not in Configuration.read("digits").circuit.model_dump()


def test_replicas_beyond_memory_are_refused():
    """Before Brian2 makes any group: one line with the number of replicas, and what there is."""
    with pytest.raises(ParameterError, match=r"1000000000000 replicas of \(3, 2, 1\); take fewer: needs .* are free"):
        Preparation(CorInfoMax([3, 2, 1]), 10**12)
