import io
import os
import shutil
import sys
from contextlib import redirect_stderr, redirect_stdout

import brian2 as b2
import numpy as np
import pytest
from brian2.codegen.runtime.numpy_rt.numpy_rt import NumpyCodeObject
from matplotlib.figure import Figure
from toys import on_toys, stimuli, without_figures

from corinfomax.commands import main
from corinfomax.models import SST
from corinfomax.networks import CorInfoMax, Population, PopulationSpec
from corinfomax.protocols.clockwork.network import CircuitNetwork

b2.prefs.codegen.target = "numpy"


def pytest_configure(config):
    """Let the processes that share the cores have one thread of linear algebra each, or they wait for one another."""
    for library in ("OPENBLAS", "OMP", "MKL"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")


class MountedCell:
    """One population of three cells in two replicas and its interneurons, with drives that nothing changes."""

    def __init__(self, cell, step=0.05, method="euler", interneuron=None, tau=10 * b2.ms, dtype=np.float64):
        self.clock = b2.Clock(step * tau)
        common = (2, dtype, self.clock, method, NumpyCodeObject)
        self.interneurons = Population(PopulationSpec("SST", interneuron or SST(), 3, 1), *common)
        self.cells = Population(PopulationSpec("cells", cell, 3, 1), *common)
        if "i_SST" in cell.links:
            self.cells.link("i_SST", self.interneurons, "i_SST")
        self.network = CircuitNetwork(self.cells.group, self.interneurons.group)

    def advance(self, steps):
        """Integrate so many steps."""
        self.network.run(steps * self.clock.dt, namespace={})


@pytest.fixture(scope="session", autouse=True)
def _coarse_pictures():
    """Save pictures with few pixels and without a layout, which takes half of the time that saving takes.

    How many pixels they have is a setting, and the layout is Matplotlib's; both are tested as such.
    """
    savefig = Figure.savefig
    with pytest.MonkeyPatch.context() as patch:
        for module in ("report", "voltages", "rasters"):
            patch.setattr(f"corinfomax.analysis.figures.{module}.place", lambda figure: None)
        patch.setattr(
            Figure, "savefig", lambda figure, *words, **options: savefig(figure, *words, **{"dpi": 50, **options})
        )
        yield


@pytest.fixture
def mount():
    """Build a `MountedCell`."""
    return MountedCell


@pytest.fixture
def unsaturated_weights():
    """Build weights whose rates stay inside (0, 1) for stimuli and targets from (0.3, 0.7)."""

    def build(architecture, seed=0, tied=False):
        rng = np.random.default_rng(seed)
        shapes = list(zip(architecture[1:], architecture[:-1], strict=True))
        W_ff = {k: (1 + 0.4 * rng.standard_normal(shape)) / shape[1] for k, shape in enumerate(shapes)}
        W_fb = {k: (1 + 0.4 * rng.standard_normal(shape[::-1])) / shape[0] for k, shape in enumerate(shapes) if k}
        B = {}
        for k, (n, _) in enumerate(shapes, start=1):
            A = rng.standard_normal((n, n))
            B[k] = 0.1 * (A @ A.T / n + np.eye(n))
        if tied:
            W_fb = {k: W_ff[k].T.copy() for k in W_fb}
        return {"W_ff": W_ff, "W_fb": W_fb, "B": B}

    return build


@pytest.fixture
def unsaturated_circuit(unsaturated_weights):
    """Build a circuit with those weights, λ = .9 so that the lateral term matters, and ε different for each layer."""

    def build(architecture=(6, 5, 4, 3), seed=0, tied=False, **changes):
        P = len(architecture) - 1
        options = {
            "epsilon": [0.15, 0.2, 0.25, 0.3][:P],
            "forgetting": 0.9,
            "learning_rate_ff": 0.2,
            "learning_rate_fb": 0.1,
            "weights": unsaturated_weights(architecture, seed, tied),
        }
        return CorInfoMax(architecture, **(options | changes))

    return build


@pytest.fixture
def saturating_circuit():
    """Build a circuit with random weights of both signs, so that rates reach 0 and 1."""

    def build(architecture=(6, 5, 4, 3), seed=0, gain=3.0, **changes):
        options = {"epsilon": [0.15, 0.2, 0.25, 0.3][: len(architecture) - 1], "forgetting": 0.9, "seed": seed}
        circuit = CorInfoMax(architecture, **(options | changes))
        for k, W in circuit.weights["W_ff"].items():
            circuit.weights["W_ff"][k] = gain * W
        return circuit

    return build


@pytest.fixture
def minibatch():
    """Draw stimuli and targets (replicas, units) between 0.3 and 0.7, or between other bounds."""

    def draw(circuit, n=2, seed=0, low=0.3, high=0.7):
        rng = np.random.default_rng(1000 + seed)
        architecture = circuit.architecture
        return rng.uniform(low, high, (n, architecture[0])), rng.uniform(low, high, (n, architecture[-1]))

    return draw


@pytest.fixture
def layer_derivative():
    """τ_u du_k/ds of eqs 14 and 15 and of the output's other readings, written out without compartments."""

    def derivative(circuit, k, u, r, y, beta):
        W_ff, W_fb, B = (circuit.weights[name] for name in ("W_ff", "W_fb", "B"))
        g, eps, P = circuit.g_leak, circuit.epsilon, len(circuit.architecture) - 1
        gamma = circuit.entropy_gain * (1 - circuit.forgetting) / circuit.forgetting
        bottom_up = (r[k - 1] @ W_ff[k - 1].T - u[k]) / eps[k - 1]
        if k < P:
            top_down = (r[k + 1] @ W_fb[k].T - u[k]) / eps[k]
            return -g * u[k] + 2 * gamma * r[k] @ B[k] + g * r[k] + bottom_up + top_down
        teaching = {
            "normative": beta * (y - u[k]),
            "printed": -beta * (r[k] - y) - beta * u[k],
            "authors": -beta * (r[k] - y) - u[k],
        }[circuit.convention]
        return -g * u[k] + gamma * r[k] @ B[k] + g * r[k] + bottom_up + teaching

    return derivative


@pytest.fixture
def block_tridiagonal():
    """Unsaturated equilibrium r of layers 1 … P as a vector, by the linear system, which does not contain g_lk."""

    def solve(circuit, x, y, beta):
        eps, sizes, P = circuit.epsilon, circuit.architecture, circuit.output
        gamma = (1 - circuit.forgetting) / circuit.forgetting
        edges = np.cumsum((0, *sizes[1:]))
        rows = {k: slice(edges[k - 1], edges[k]) for k in range(1, P + 1)}
        A, b = np.zeros((edges[-1], edges[-1])), np.zeros(edges[-1])
        W_ff, W_fb, B = (circuit.weights[name] for name in ("W_ff", "W_fb", "B"))
        for k in range(1, P + 1):
            last = k == P
            diagonal = 1 / eps[k - 1] + (beta + (circuit.convention == "authors") if last else 1 / eps[k])
            A[rows[k], rows[k]] = diagonal * np.eye(sizes[k]) - (1 if last else 2) * gamma * B[k]
            if k > 1:
                A[rows[k], rows[k - 1]] = -W_ff[k - 1] / eps[k - 1]
            else:
                b[rows[k]] += W_ff[0] @ x / eps[0]
            if last:
                b[rows[k]] += beta * y
            else:
                A[rows[k], rows[k + 1]] = -W_fb[k] / eps[k]
        return np.linalg.solve(A, b)

    return solve


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """Run the command line in an empty folder; return exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CORINFOMAX_DATA", raising=False)
    monkeypatch.delenv("COLUMNS", raising=False)  # pytest-xdist sets it, to which plain text would keep

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["corinfomax", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capsys.readouterr()
        return end.value.code or 0, out, err

    return call


@pytest.fixture
def refused(command):
    """Run a command that must fail; return the one line that it prints to standard error."""

    def call(*arguments, code=1):
        found, _, err = command(*arguments)
        assert found == code
        assert err.startswith("error: ")
        assert err.count("\n") == 1
        assert "Traceback" not in err
        return err

    return call


@pytest.fixture
def beside_toys(tmp_path, monkeypatch):
    """Write a text file beside toy stimuli, in an empty folder, which becomes the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CORINFOMAX_DATA", raising=False)
    np.savez(tmp_path / "toy.npz", **stimuli())

    def write(text, name):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return write


@pytest.fixture
def undrawn(monkeypatch):
    """Let commands draw nothing, in tests that look at no figure."""
    without_figures(monkeypatch)


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Train by the command line; return exit code, both outputs and the run folder."""
    folder = tmp_path_factory.mktemp("trained")
    np.savez(folder / "toy.npz", **stimuli())
    words = ["corinfomax", *on_toys(folder / "toy.npz"), "--out", str(folder / "run [1]:x:")]
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as end:
            main()
    return end.value.code or 0, out.getvalue(), err.getvalue(), folder / "run [1]:x:"


@pytest.fixture
def run(trained, tmp_path):
    """Copy the trained run to a folder of the test's own."""
    return shutil.copytree(trained[-1], tmp_path / "run")
