"""Reciprocal feedback: golden weights, the pseudoinverse and when it is reached, its identities, what it refuses."""

import numpy as np
import pytest
from golden_rules import golden_archive, golden_rule

from corinfomax.networks import ReciprocalFeedback
from corinfomax.protocols.clockwork import Noise, Preparation, Protocol, recirculating
from corinfomax.protocols.clockwork.recirculation import noise_phases
from corinfomax.stimuli import Stimulus


class Archived(Noise):
    """Noise that is read from an archive: for layers of so many cells, one array for all phases of a presentation."""

    def __init__(self, arrays, phases):
        super().__init__()
        repeated = {cells: iter(np.repeat(found, phases, axis=0)) for cells, found in arrays.items()}
        self.__dict__["_arrays"] = repeated

    def draw(self, replicas, cells):
        return next(self._arrays[cells]) if cells in self._arrays else np.zeros((replicas, cells))


def alone(noise_at="bottom", noise=None, unstable=False):
    """A protocol of noise alone."""
    phases = list(noise_phases(noise_at, noise))
    return Protocol(phases, plus="", minus="", step=1.0, random_sign=False, allow_unstable=unstable)


def pair(A, B, **options):
    """A circuit of one pair of layers above a stimulus of one fibre, A from layer 1 to 2 and B back."""
    n, m = A.shape
    return ReciprocalFeedback([1, m, n], weights={"W": {1: A}, "W_fb": {1: B}}, **options)


def learn_from_noise(circuit, vectors, presentations, noise_at="bottom", noise=None, seed=0, unstable=False):
    """Present noise alone, and give weights A, B after each presentation."""
    preparation = Preparation(circuit, vectors, protocol=alone(noise_at, noise, unstable))
    found = []
    preparation.on_presentation.append(
        lambda moment, ends: found.append((circuit.weights["W"][1].copy(), circuit.weights["W_fb"][1].copy()))
    )
    x = np.zeros((vectors, circuit.sizes[0]))
    preparation.run(Stimulus(x, learn=True, seed=seed if n == 0 else None) for n in range(presentations))
    return map(np.array, zip(*found, strict=True))


@pytest.mark.parametrize("name", ["rf_pinv_contracting", "rf_pinv_expanding"])
def test_golden_recirculation(name):
    """A and B after each step of noise equal the golden archive to 1e-9, noise at the bottom and at both layers."""
    golden = golden_archive(name)
    steps, vectors, m = golden["noise/x"].shape
    arrays = {m: golden["noise/x"]} | ({golden["noise/h"].shape[2]: golden["noise/h"]} if "noise/h" in golden else {})
    at = str(golden["noise_at"])
    circuit = pair(golden["init/A"], golden["init/B"], noise_rate=1.0, noise_rate_forward=float(golden["rate_A"]))
    for plasticity in circuit.plasticity:
        if plasticity.when == "phase":
            rate = plasticity.optimiser.learning_rate
            object.__setattr__(
                plasticity.optimiser, "learning_rate", lambda t, rate=rate: rate * float(golden["eta"][t.presentation])
            )
    A, B = learn_from_noise(circuit, vectors, steps, at, Archived(arrays, 2 if at == "bottom" else 4), unstable=True)
    np.testing.assert_allclose(A, golden["after/A"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(B, golden["after/B"], rtol=0, atol=1e-9)


def test_golden_supervised_learning():
    """Rates, errors and weights after noise and after each update equal the golden archive to 1e-9."""
    golden = golden_rule("rf_supervised")
    init = golden.weights("init")
    circuit = ReciprocalFeedback(
        golden["architecture"].tolist(),
        optimiser="descent",
        learning_rate=golden["lr"],
        learning_rate_factor=1.0,
        noise_rate=golden["eta_B"],
        noise_rate_forward=golden["rate_A"],
        weights={f"{key}/{k}": array for (key, k), array in init.items()},
    )
    batches = range(golden.minibatches)
    noise = {circuit.sizes[k]: [golden.layers(f"batch{b}/noise")[k] for b in batches] for k in circuit.pairs}
    vectors = golden["noise_vectors"]
    recirculation = Preparation(circuit, vectors, protocol=alone(noise=Archived(noise, 2), unstable=True))
    x = golden["batch0/x"]
    supervised = Preparation(circuit, len(x), protocol=recirculating(noise=False))
    ends = {}
    supervised.on_presentation.append(lambda moment, found: ends.update(found))

    def assert_weights(place):
        for (key, k), theory in golden.weights(place).items():
            np.testing.assert_allclose(circuit.weights[key][k], theory, rtol=0, atol=1e-9, err_msg=f"{place}/{key}/{k}")

    for b in batches:
        recirculation.run([Stimulus(np.zeros((vectors, len(x[0]))), learn=True)])
        assert_weights(f"batch{b}/after_noise")
        supervised.run([Stimulus(golden[f"batch{b}/x"], golden[f"batch{b}/y"], learn=True)])
        for k, theory in golden.layers(f"batch{b}/h").items():
            np.testing.assert_allclose(ends["error"].r[k], theory, rtol=0, atol=1e-9)
        for k, theory in golden.layers(f"batch{b}/delta").items():
            np.testing.assert_allclose(ends["error"].delta[k], theory, rtol=0, atol=1e-9)
        assert_weights(f"after{b}")
