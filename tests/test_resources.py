"""Threads and memory: what is chosen by measurement, and what is refused before a run begins."""

import tracemalloc
import types

import numpy as np
import pytest

from corinfomax.errors import ParameterError
from corinfomax.networks import CorInfoMax, EquilibriumPropagation
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


def test_weights_are_made_without_a_second_copy():
    """Oracle: tracemalloc. While 100-800-10 is built, no more than 1.5 times its weights are in memory, in float64."""
    CorInfoMax([4, 3, 2])  # what is imported and kept is no part of it
    tracemalloc.start()
    try:
        circuit = CorInfoMax([100, 800, 10])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1.5 * sum(W.nbytes for arrays in circuit.weights.values() for W in arrays.values())


def test_replicas_beyond_memory_are_refused():
    """Before Brian2 makes any group: one line with the number of replicas, and what there is."""
    with pytest.raises(ParameterError, match=r"1000000000000 replicas of \(3, 2, 1\); take fewer: needs .* are free"):
        Preparation(CorInfoMax([3, 2, 1]), 10**12)
