"""Presets against the published settings and accuracies: of CorInfoMax, and of the methods it was compared with."""

from pathlib import Path

import numpy as np
import pytest

from corinfomax.analysis.published import published
from corinfomax.networks.schedules import Progress
from corinfomax.protocols.runs import Configuration, presets
from corinfomax.toml import loads

RESULTS = Path(__file__).resolve().parents[1] / "results" / "published.toml"

DROP_15 = [(0, 0.95), (15, 0.9)]
#: preset: architecture, rates ff, rates fb, decay, g_lk, λ, η₀, step rule, free and nudge steps, η_λ or None
PUBLISHED = {
    "mnist": ([784, 500, 10], [1, 0.7], [0.15], DROP_15, 0.5, 0.99999, 0.05, "constant", 30, 10, None),
    "mnist_3layer": (
        [784, 500, 500, 10], [1.1, 0.75, 0.6], [0.17, 0.07], DROP_15, 0.5, 0.99999, 0.05, "constant", 30, 10, None,
    ),
    "fashion_mnist": (
        [784, 500, 10], [0.3, 0.22], [0.07], [(0, 0.95), (20, 0.9), (25, 0.8)], 0.3, 0.99999, 0.07,
        "divide_by_slow_loop_index", 30, 10, None,
    ),
    "cifar10": ([3072, 1000, 10], [0.08, 0.04], [0.04], DROP_15, 0.1, 0.99995, 0.05, "constant", 30, 10, None),
    "cifar10_3layer": (
        [3072, 1000, 500, 10], [0.11, 0.06, 0.035], [0.045, 0.015], DROP_15, 0.1, 0.99999, 0.05, "constant", 30, 10,
        None,
    ),
    "cifar100": (
        [3072, 2000, 1000, 100], [0.18, 0.15, 0.09], [0.08, 0.06], [(0, 0.99), (20, 0.9)], 0.1, 0.99999, 0.06,
        "constant", 50, 20, None,
    ),
    "sparse_mnist": (
        [784, 500, 10], [1, 0.7], [0.12], DROP_15, 0.5, 0.99999, 0.05, "constant", 20, 4, [1e-6, 0.01],
    ),
    "sparse_fashion_mnist": (
        [784, 500, 10], [0.35, 0.23], [0.06], [(0, 0.95), (11, 0.9)], 0.2, 0.99999, 0.045,
        "divide_by_slow_loop_index", 20, 10, [1e-6, 0.01],
    ),
    "sparse_cifar10": (
        [3072, 1000, 10], [0.095, 0.075], [0.05], DROP_15, 0.1, 0.99999, 0.025, "divide_by_slow_loop_index", 30, 10,
        [1e-5, 0.01],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_preset_has_the_published_values(name):
    """Architecture, rates, decay, g_lk, ε, λ, β, steps, step rule, batch and multiplier steps are those of A1-A3."""
    configuration = Configuration.read(name)
    circuit, protocol, training = configuration.circuit, configuration.protocol, configuration.training
    architecture, ff, fb, decay, g_leak, forgetting, step, rule, free, nudge, eta = PUBLISHED[name]
    assert (list(circuit.architecture), circuit.learning_rate_ff, circuit.learning_rate_fb) == (architecture, ff, fb)
    assert [tuple(piece) for piece in circuit.learning_rate_decay] == decay
    assert (circuit.g_leak, circuit.forgetting, circuit.epsilon) == (g_leak, forgetting, 0.15)
    assert (protocol.step, protocol.step_rule) == (step, rule)
    assert (protocol.free_steps, protocol.nudge_steps) == (free, nudge)
    assert (protocol.beta, protocol.random_sign, training.batch_size, training.epochs) == (1, True, 20, 50)
    if eta is None:
        assert circuit.domain == "B_inf_plus"
        return
    assert (circuit.domain, circuit.constraints) == ("B_1_plus", "as_published")
    small = {"circuit": {**circuit.model_dump(exclude_none=True), "architecture": [6, 4, 3]}}
    cells = {spec.name: spec.cell for spec in Configuration(small).build_circuit().populations}
    found = [step * 10e-3 / float(cells[f"multiplier_{k}"].values["tau_lambda"]) for k in (1, 2)]
    np.testing.assert_allclose(found, eta, rtol=1e-12)


#: Settings that all tasks of a method have in common.
COMMON = {
    "ep": {
        "model": "equilibrium", "form": "contrastive", "beta": 1, "random_sign": True, "step": 0.5,
        "free_steps": 20, "nudge_steps": 4, "allow_unstable": False,
    },
    "csm": {
        "model": "contrastive_matching", "form": "contrastive", "beta": 1, "random_sign": True, "step": 0.5,
        "allow_unstable": True,
    },
    "pc": {
        "model": "predictive_coding", "form": "clamped", "steps": 50, "step": 0.1, "learning_rate": 1e-3,
        "target_scale": 0.94, "target_offset": 0.03,
    },
    "pc_nudge": {
        "model": "nudged_predictive_coding", "form": "nudged", "beta": 1e-3, "random_sign": True, "steps": 50,
        "step": 0.1, "learning_rate": 1e-3,
    },
    "fa_mse": {"model": "feedback_alignment", "loss": "mse"},
    "fa_ce": {"model": "feedback_alignment", "loss": "ce"},
    "bp_mse": {"model": "backpropagation", "loss": "mse"},
    "bp_ce": {"model": "backpropagation", "loss": "ce"},
}  # fmt: skip
#: What the first line of a preset says of its method.
WORDS = {
    "ep": "equilibrium", "csm": "contrastive", "pc": "predictive", "pc_nudge": "nudged", "fa_mse": "feedback",
    "fa_ce": "feedback", "bp_mse": "backpropagation", "bp_ce": "backpropagation",
}  # fmt: skip
MNIST, CIFAR10 = [784, 500, 10], [3072, 1000, 10]
EVALUATED = {"evaluation_step": 0.3}
#: method: task: architecture, rates, factor, epochs (of "pc_nudge": minibatches) between, further settings, test ± std
METHODS = {
    "ep": {
        "mnist": (MNIST, [0.1, 0.05], 1, 15, {}, 97.62, 0.08),
        "fashion_mnist": (MNIST, [0.05, 0.025], 1, 15, EVALUATED, 88.06, 0.70),
        "cifar10": ([3072, 500, 10], [0.07, 0.03], 0.75, 15, EVALUATED, 49.28, 0.50),
    },
    "csm": {
        "mnist": (MNIST, [0.4, 0.275, 0.01], 0.75, 15, {"free_steps": 20, "nudge_steps": 4}, 98.08, 0.06),
        "fashion_mnist": (MNIST, [0.1, 0.06, 0.002], 0.75, 15, {"free_steps": 20, "nudge_steps": 4}, 88.73, 0.19),
        "cifar10": (
            CIFAR10, [0.059, 0.017, 0.067], 0.75, 15, {"free_steps": 30, "nudge_steps": 5},
            40.79, None,
        ),
    },
    "pc": {
        "mnist": ([784, 600, 600, 10], [1e-3] * 3, 0.95, 1, {}, 98.17, 0.22),
        "fashion_mnist": ([784, 600, 600, 10], [1e-3] * 3, 0.9, 1, {}, 89.31, 0.42),
    },
    "pc_nudge": {
        "mnist": ([784, 128, 64, 10], [1e-3] * 3, 0.9, 30000, {}, 97.71, 0.15),
        "fashion_mnist": ([784, 128, 64, 10], [1e-3] * 3, 0.9, 15000, {}, 88.49, 0.28),
        "cifar10": ([3072, 256, 64, 10], [1e-3] * 3, 0.75, 30000, {}, 48.58, 0.67),
    },
    "fa_mse": {
        "mnist": (MNIST, [1e-3] * 2, 0.9, 10, {}, 97.99, 0.10),
        "fashion_mnist": (MNIST, [1e-3] * 2, 0.9, 10, {}, 88.72, 0.46),
        "cifar10": (CIFAR10, [1e-4] * 2, 0.9, 10, {}, 50.75, 0.61),
    },
    "fa_ce": {
        "mnist": (MNIST, [5e-4] * 2, 0.95, 25, {}, 97.96, 0.13),
        "fashion_mnist": (MNIST, [5e-4] * 2, 0.95, 25, {}, 88.38, 0.63),
        "cifar10": (CIFAR10, [1e-4] * 2, 0.95, 25, {}, 52.37, 0.32),
    },
    "bp_mse": {
        "mnist": (MNIST, [1e-3] * 2, 0.9, 15, {}, 97.58, 0.06),
        "fashion_mnist": (MNIST, [1e-3] * 2, 0.9, 10, {}, 88.39, 0.23),
        "cifar10": (CIFAR10, [1e-4] * 2, 0.9, 15, {}, 52.75, 0.40),
    },
    "bp_ce": {
        "mnist": (MNIST, [1e-3] * 2, 0.95, 10, {}, 98.27, 0.13),
        "fashion_mnist": (MNIST, [1e-3] * 2, 0.9, 10, {}, 89.41, 0.19),
        "cifar10": (CIFAR10, [1e-4] * 2, 0.9, 10, {}, 53.96, 0.48),
    },
}  # fmt: skip
ROWS = [pytest.param(method, task, id=f"{task}_{method}") for method, tasks in METHODS.items() for task in tasks]
#: preset: test accuracy and standard deviation of CorInfoMax
CORINFOMAX = {
    "mnist": (97.62, 0.12), "mnist_3layer": (97.58, 0.07), "fashion_mnist": (88.14, 0.28), "cifar10": (51.86, 0.33),
    "cifar10_3layer": (50.97, 0.38), "cifar100": (20.84, 0.43), "sparse_mnist": (97.71, 0.10),
    "sparse_fashion_mnist": (88.09, 0.08), "sparse_cifar10": (51.19, 0.36),
}  # fmt: skip


@pytest.mark.parametrize(("method", "task"), ROWS)
def test_preset_of_another_method_is_as_run(method, task):
    """Network, β and its sign, steps, loss, epochs, batch and inputs are those of the runs behind Table 1; exactly."""
    architecture, _, _, _, further, _, _ = METHODS[method][task]
    resolved = Configuration.read(f"{task}_{method}").to_dict()
    found = resolved["circuit"] | resolved.get("protocol", {}) | resolved["training"] | resolved["stimuli"]
    expected = (
        COMMON[method] | further | {"architecture": architecture, "stimuli": task, "epochs": 50, "batch_size": 20}
    )
    assert {key: found.get(key) for key in expected} == expected
    assert further.keys() >= {"evaluation_step", "evaluation_steps"} & found.keys()
    assert ("mean" in found, "std" in found) == (task == "cifar10",) * 2


@pytest.mark.parametrize(("method", "task"), ROWS)
def test_rates_of_another_method_fall_as_run(method, task):
    """Weights and biases of a pair of layers learn at its rate, M at its own, and all fall at the end of a piece."""
    architecture, rates, factor, every, _, _, _ = METHODS[method][task]
    values = Configuration.read(f"{task}_{method}").to_dict()
    values["circuit"]["architecture"] = range(len(architecture) + 1, 1, -1)  # rates do not depend on sizes
    circuit = Configuration(values).build_circuit()
    before, after = Progress(every - 1, 10**6), Progress(every, 10**6)
    if method == "pc_nudge":
        before, after = Progress(49, every - 1), Progress(0, every)
    found = {item.optimiser.target: item.optimiser.learning_rate for item in circuit.plasticity}
    P = len(architecture) - 1
    expected = {("W", k): rates[k] for k in range(P)} | {("b", k + 1): rates[k] for k in range(P)}
    expected |= {("M", 1): rates[-1]} if method == "csm" else {}
    assert {place: rate(before) for place, rate in found.items()} == pytest.approx(expected)
    falling = {place: factor * rate for place, rate in expected.items()}
    assert {place: rate(after) for place, rate in found.items()} == pytest.approx(falling)


@pytest.mark.parametrize(("method", "task"), ROWS)
def test_preset_of_another_method_says_what_it_is(method, task):
    """A first line that fits a list names the method and the task; the second has the accuracy and the network."""
    first, second, *_ = presets()[f"{task}_{method}"].read_text(encoding="utf-8").splitlines()
    architecture, *_, mean, std = METHODS[method][task]
    assert len(first) <= 110
    assert WORDS[method] in first.lower()
    assert {"mnist": " MNIST", "fashion_mnist": "Fashion-MNIST", "cifar10": "CIFAR-10"}[task] in first
    expected = (
        [f"{mean:.2f} % is"] if std is None else [f"{mean:.2f} ± {std:.2f}".replace("± 0", "± "), "train accuracy"]
    )
    expected += [] if std is None else ["-".join(map(str, architecture))]
    assert [text for text in expected if text not in second] == []


def test_published_accuracies():
    """Means, deviations and networks are those printed, and each stands beside a preset of its name."""
    expected = {name: (*numbers, Configuration.read(name).circuit.architecture) for name, numbers in CORINFOMAX.items()}
    for method, tasks in METHODS.items():
        expected |= {f"{task}_{method}": (mean, std, sizes) for task, (sizes, *_, mean, std) in tasks.items()}
    found = {name: published(name) for name in presets()}
    assert {name for name, row in found.items() if row is not None} == expected.keys()
    for name, (mean, std, architecture) in expected.items():
        row = found[name]
        assert (row.mean, row.std) == (mean, std), name
        known = (10, "-".join(map(str, architecture))) if name != "cifar10_csm" else (None, None)
        assert (row.seeds, row.network) == known, name
        assert "Bozkurt, Pehlevan & Erdogan (2023)" in row.source
        assert ("no validation split" in row.selection) == (name != "cifar10_csm")


def test_accuracies_agree_with_those_of_the_results():
    """Of each task that the results are compared with, the reported setting's numbers are those of the preset."""
    tasks = loads(RESULTS.read_text(encoding="utf-8"))["tasks"]
    for name, task in tasks.items():
        setting = task.get("reported", 3) - 1  # of mnist_3layer the preset has the third
        assert (published(name).mean, published(name).std) == (task["test"][setting], task["std"][setting]), name
