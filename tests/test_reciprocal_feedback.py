"""Reciprocal feedback: golden weights, the pseudoinverse and when it is reached, its identities, what it refuses."""

import contextlib
from dataclasses import replace

import numpy as np
import pytest
from golden_rules import golden_archive, golden_rule

from corinfomax.analysis import inverse_error, penrose_residuals
from corinfomax.errors import DivergenceError, ParameterError
from corinfomax.networks import Backpropagation, ReciprocalFeedback
from corinfomax.protocols.clockwork import Noise, Phase, Preparation, Protocol, recirculating
from corinfomax.protocols.clockwork.recirculation import noise_phases
from corinfomax.protocols.comparison.cost import cost_of
from corinfomax.protocols.examinations.examined import Examined
from corinfomax.protocols.systems import StaticLearner
from corinfomax.protocols.systems.reciprocal_feedback import MODEL, align, recirculation
from corinfomax.protocols.systems.reciprocal_feedback import learn_from_noise as learn_from_noise_beforehand
from corinfomax.stimuli import Stimulus


class Archived(Noise):
    """Noise that is read from an archive: for layers of so many cells, one array for all phases of a presentation."""

    def __init__(self, arrays, phases):
        super().__init__()
        repeated = {cells: iter(np.repeat(found, phases, axis=0)) for cells, found in arrays.items()}
        self.__dict__["_arrays"] = repeated

    def draw(self, replicas, cells):
        return next(self._arrays[cells]) if cells in self._arrays else np.zeros((replicas, cells))


def alone(noise_at="bottom", noise=None, unstable=False, pairs="all"):
    """A protocol of noise alone, in all pairs of layers or only in those of odd ones with the next."""
    phases = [phase for phase in noise_phases(noise_at, noise) if pairs == "all" or phase.name.endswith(pairs)]
    return Protocol(phases, plus="", minus="", step=1.0, random_sign=False, allow_unstable=unstable)


def pair(A, B, **options):
    """A circuit of one pair of layers above a stimulus of one fibre, A from layer 1 to 2 and B back."""
    n, m = A.shape
    return ReciprocalFeedback([1, m, n], weights={"W": {1: A}, "W_fb": {1: B}}, **options)


def learn_from_noise(circuit, vectors, presentations, noise_at="bottom", noise=None, seed=0, unstable=False):
    """Present noise alone, and give weights A, B after each presentation."""
    preparation = Preparation(circuit, vectors, protocol=alone(noise_at, noise, unstable, "odd"))
    found = []
    preparation.on_presentation.append(
        lambda moment, ends: found.append((circuit.weights["W"][1].copy(), circuit.weights["W_fb"][1].copy()))
    )
    x = np.zeros((vectors, circuit.sizes[0]))
    with contextlib.suppress(DivergenceError) if unstable else contextlib.nullcontext():
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
    A, B = learn_from_noise(circuit, vectors, steps, at, Archived(arrays, 1 if at == "bottom" else 2), unstable=True)
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


def random_pair(n, m, seed):
    """A (n, m) with entries of variance 1/m and a small B (m, n)."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, m)) / np.sqrt(m), 0.1 * rng.standard_normal((m, n))


@pytest.mark.parametrize(
    ("shape", "noise_at", "exact", "missed"),
    [
        ((3, 5), "bottom", (1, 2, 3), (4,)),
        ((4, 4), "bottom", (1, 2, 3, 4), ()),
        ((5, 3), "bottom", (1, 2, 4), (3,)),
        ((5, 3), "both", (1, 2, 4), ()),
        ((3, 5), "both", (1, 2, 3), ()),
    ],
)
def test_which_of_penroses_conditions_hold(shape, noise_at, exact, missed):
    """A and B learn from noise: conditions that theory says hold do to 1e-6; the others to what samples leave.

    With noise at the bottom a layer that contracts misses only condition 4, by fluctuations, and a layer that expands
    condition 3 altogether, for any left inverse will do; noise in both layers picks A⁺.
    """
    circuit = pair(*random_pair(*shape, 1), noise_rate=0.15)
    A, B = (found[-1] for found in learn_from_noise(circuit, 60, 300, noise_at))
    residuals = dict(enumerate(penrose_residuals(A, B), start=1))
    for condition in exact:
        assert residuals[condition] < 1e-6, condition
    for condition in {1, 2, 3, 4} - {*exact, *missed}:
        assert residuals[condition] < 0.15
    for condition in missed:
        assert residuals[condition] > (0.15 if condition == 3 else 0.01)
    theory = np.linalg.pinv(A)
    np.testing.assert_allclose(inverse_error(A, B), np.linalg.norm(B - theory) / np.linalg.norm(theory), rtol=1e-12)


def test_distance_from_the_pseudoinverse_goes_with_the_root_of_rate_over_vectors():
    """A held fixed: the root mean square of ‖B - A⁺‖ is ∝ √(η/n) of rate and vectors (theory), to 15 %."""
    A, _ = random_pair(2, 6, 2)
    distance = {}
    for rate, vectors in ((0.1, 8), (0.1, 32), (0.025, 8)):
        circuit = pair(A, np.linalg.pinv(A), noise_rate=rate, noise_rate_forward=0.0)
        _, B = learn_from_noise(circuit, vectors, 450)
        distance[rate, vectors] = np.sqrt(np.mean((B[50:] - np.linalg.pinv(A)) ** 2))
    assert distance[0.1, 8] / distance[0.1, 32] == pytest.approx(2, rel=0.15)
    assert distance[0.1, 8] / distance[0.025, 8] == pytest.approx(2, rel=0.15)


def test_coloured_noise_gives_another_inverse():
    """A held fixed: with noise of covariance C feedback becomes CAᵀ(ACAᵀ)⁻¹ (theory), to 3 %, and not A⁺."""
    A, B = random_pair(2, 4, 3)
    mixing = np.random.default_rng(4).standard_normal((4, 4))
    noise = Noise(mixing=mixing)
    C = noise.covariance(4)
    np.testing.assert_allclose(C, mixing @ mixing.T)
    theory = C @ A.T @ np.linalg.inv(A @ C @ A.T)
    circuit = pair(A, B, noise_rate=0.1, noise_rate_forward=0.0)
    _, found = learn_from_noise(circuit, 150, 300, noise={"layer_1.drive_noise": noise})
    B = found[-150:].mean(axis=0)
    assert np.linalg.norm(B - theory) / np.linalg.norm(theory) < 0.03
    assert inverse_error(A, theory) > 0.3


@pytest.mark.parametrize(("factor", "stays"), [(0.9, True), (1.15, False)])
def test_bound_of_the_rate_of_learning_from_noise(factor, stays):
    """A held fixed, many vectors: below `noise_bound` B comes to A⁺, above it leaves; the bound is 2/λmax of theory."""
    A, B = random_pair(3, 3, 5)
    vectors = 400
    circuit = pair(A, B, noise_rate_forward=0.0)
    bound = circuit.noise_bound(1, vectors, np.eye(3))
    eigenvalues = np.linalg.eigvalsh(A @ A.T)
    spread = eigenvalues[-1] + (eigenvalues[-1] + eigenvalues.sum()) / vectors
    assert bound == pytest.approx(2 / spread, rel=1e-12)
    circuit = pair(A, B, noise_rate=factor * bound, noise_rate_forward=0.0)
    _, found = learn_from_noise(circuit, vectors, 150, unstable=not stays)
    errors = [np.linalg.norm(A @ B @ A - A) for B in found]
    assert errors[-1] < 0.7 * errors[0] if stays else errors[-1] > 1e3 * errors[0]


@pytest.mark.parametrize(("b", "runs_away"), [(-0.8, False), (-1.2, True)])
def test_feedback_to_a_fixed_way_up_may_run_away(b, runs_away):
    """Noise in both layers, a = 1 fixed: ḃ = (1 - ab)(a + b) goes to 1/a from b > -a, and diverges below (theory)."""
    circuit = pair(np.ones((1, 1)), np.full((1, 1), b), noise_rate=0.05, noise_rate_forward=0.0)
    _, found = learn_from_noise(circuit, 400, 120, "both", unstable=True)
    assert found[-1, 0, 0] < -10 if runs_away else abs(found[-1, 0, 0] - 1) < 1e-3


def taught(circuit, x, y):
    """Changes ΔW that the circuit finds for a minibatch, without noise, and the rates of all layers."""
    preparation = Preparation(circuit, len(x), protocol=recirculating(noise=False))
    kept, ends = circuit.state_dict(), {}
    preparation.on_presentation.append(lambda moment, found: ends.update(found))
    preparation.run([Stimulus(x, y, learn=True)])
    circuit.load_state_dict(kept)
    return {place: change.dense() for place, change in circuit.changes.items()}, ends["error"].r


@pytest.mark.parametrize("presynaptic", ["transpose", "pseudoinverse"])
def test_a_linear_chain_corrects_its_output_by_any_layer(presynaptic):
    """Linear contracting chain, B_k = W_k⁺: ΔW of any layer changes the output by -‖h‖² e, with h⁺ by -e, to 1e-12.

    That is J B = I for the Jacobian J of the layers above.
    """
    rng = np.random.default_rng(6)
    circuit = ReciprocalFeedback(
        [7, 6, 5, 3], nonlinearity="linear", presynaptic=presynaptic, initial_feedback="pseudoinverse", seed=1
    )
    x, y = rng.random((1, 7)), rng.standard_normal((1, 3))
    changes, h = taught(circuit, x, y)
    W, b = circuit.weights["W"], circuit.weights["b"]
    for k in W:
        changed = {**W, k: W[k] + changes["W", k]}
        output = x
        for layer, matrix in changed.items():
            output = output @ matrix.T + b[layer + 1]
        length = np.sum(h[k] ** 2) if presynaptic == "transpose" else 1.0
        np.testing.assert_allclose(output - h[3], -length * (h[3] - y), rtol=0, atol=1e-12)


def test_transposed_feedback_is_backpropagation():
    """With B_k = W_kᵀ all ΔW and Δb are those of `Backpropagation` of the squared error times N_P/2, to 1e-12."""
    rng = np.random.default_rng(7)
    x, y = rng.random((5, 6)), rng.random((5, 4))
    circuit = ReciprocalFeedback([6, 8, 7, 4], initial_feedback="transposed", seed=3)
    network = Backpropagation([6, 8, 7, 4], loss="mse", seed=3)
    StaticLearner(network, 5).run([Stimulus(x, y, learn=True)])
    changes, _ = taught(circuit, x, y)
    for place, change in network.changes.items():
        np.testing.assert_allclose(changes[place], 4 / 2 * change.dense(), rtol=0, atol=1e-12, err_msg=str(place))


def test_what_is_recorded_of_recirculation():
    """In phases of noise somata and dendrites hold x, h, x̂ and ĥ of each pair, by the equations in NumPy, to 1e-12."""
    circuit = ReciprocalFeedback([4, 5, 3, 6], noise_rate=0.0)
    protocol = recirculating(noise_at="both", allow_unstable=True)
    shown = Preparation(circuit, 2, protocol=protocol).present(np.ones((2, 4)), np.ones((2, 6)), seed=8, learn=False)
    for k, parity in ((1, "odd"), (2, "even")):
        A, B = circuit.weights["W"][k], circuit.weights["W_fb"][k]
        below, echo, above, again = (
            shown.phases[f"{name}_{parity}"] for name in ("below", "below_echo", "above", "above_echo")
        )
        x, h2 = below.r[k][-1], above.r[k + 1][-1]
        assert min(np.abs(x).min(), np.abs(h2).min()) > 0
        h, x2 = x @ A.T, h2 @ B.T
        x_hat, h3 = h @ B.T, x2 @ A.T
        for found, theory in (
            (below.r[k + 1], h), (below.v_A[k], x_hat), (echo.r[k], x_hat), (echo.r[k + 1], h),
            (echo.v_B[k + 1], x_hat @ A.T),
            (above.r[k], x2), (above.v_B[k + 1], h3), (again.r[k + 1], h3), (again.v_A[k], h3 @ B.T),
        ):  # fmt: skip
            np.testing.assert_allclose(found[-1], theory, rtol=0, atol=1e-12)


@pytest.mark.parametrize("method", ["euler", "exponential_euler"])
def test_recirculation_in_small_steps(method):
    """Steps of τ/4, enough of them, find the ΔA and ΔB that one step a layer finds from the same noise, to 1e-4."""
    changes = []
    for stepping in ({}, {"step": 0.25, "noise_steps": 60, "echo_steps": 45, "method": method}):
        circuit = ReciprocalFeedback([3, 5, 4, 3], noise_rate=1e-9, seed=2)
        protocol = recirculating(**stepping)
        stimulus = Stimulus(np.ones((6, 3)), np.ones((6, 3)), learn=True, seed=9)
        preparation = Preparation(circuit, 6, protocol=protocol)
        found = {}
        preparation.on_phase_end.append(
            lambda moment, end, found=found, circuit=circuit: found.update(
                {(moment.phase.name, *place): change.dense() for place, change in circuit.changes.items()}
            )
        )
        preparation.run([stimulus])
        changes.append({key: value for key, value in found.items() if key[0].startswith("echo")})
    assert changes[0].keys() == changes[1].keys()
    for place, change in changes[0].items():
        np.testing.assert_allclose(changes[1][place], change, rtol=0, atol=1e-4 if method == "euler" else 1e-3)


def test_what_a_presentation_costs():
    """Multiply-adds of plasticity: each synapse once by errors; of pairs with feedback, each way, once by noise."""
    circuit = ReciprocalFeedback([3, 5, 4, 2])
    cost = cost_of(Preparation(circuit, 6, protocol=recirculating()), circuit, np.ones((6, 3)), np.ones((6, 2)))
    assert cost.plasticity == (15 + 20 + 8) + (5 + 4 + 2) + 2 * (20 + 8)


def test_learning_from_noise_beforehand():
    """A new circuit's feedback learns by so many presentations, the same ones for the same seed; all else stays."""
    found = []
    for _ in range(2):
        circuit = ReciprocalFeedback([3, 6, 4], noise_rate=0.1, initial_noise=40, seed=4)
        preparation = Preparation(circuit, 10, protocol=recirculating())
        preparation.on_presentation.append(lambda moment, ends: pytest.fail("hooks see what is trained"))
        W_0, error = circuit.weights["W"][0].copy(), inverse_error(circuit.weights["W"][1], circuit.weights["W_fb"][1])
        states = preparation.state_dict()
        assert "40 presentations of noise" in align(circuit, preparation, Stimulus(np.ones((10, 3)), seed=5))
        assert inverse_error(circuit.weights["W"][1], circuit.weights["W_fb"][1]) < 0.2 * error
        np.testing.assert_array_equal(circuit.weights["W"][0], W_0)
        for name, value in preparation.state_dict().items():
            np.testing.assert_array_equal(value, states[name])
        assert circuit.progress.presentation == 0
        found.append(circuit.weights["W_fb"][1])
    np.testing.assert_array_equal(*found)


def test_first_learning_that_is_ended_leaves_weights_alone():
    """Interrupted in its midst, it raises, and weights and protocol are what they were (property)."""
    circuit = ReciprocalFeedback([3, 6, 4], noise_rate=0.1)
    protocol = recirculating()
    preparation = Preparation(circuit, 4, protocol=protocol)
    before = circuit.state_dict()

    class Ending(Noise):
        def draw(self, replicas, cells):
            preparation.interrupted = True
            return super().draw(replicas, cells)

    interrupted = replace(protocol, phases=[*noise_phases(noise=Ending()), *protocol.phases[-2:]])
    preparation.exchange_protocol(interrupted)
    with pytest.raises(KeyboardInterrupt):
        learn_from_noise_beforehand(preparation, 5)
    assert preparation.protocol is interrupted
    for name, value in circuit.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_the_doctor_knows_the_bounds():
    """A rate beyond the bound, noise that does not get through, feedback that can run away: findings with advice."""
    advice = {}
    for name, circuit, protocol in (
        ("fine", {}, {}),
        ("rate", {"noise_rate": 5.0}, {}),
        ("steps", {}, {"step": 0.2}),
        ("runaway", {"noise_rate_forward": 0.0}, {"noise_at": "both"}),
        ("silent", {}, {"noise": False}),
    ):
        built = ReciprocalFeedback([64, 12, 10], **circuit)
        examined = Examined(built, recirculating(**protocol), None, np.dtype(float), MODEL.levers)
        advice[name] = " ".join(finding.advice for finding in recirculation(examined))
    assert advice["fine"].strip() == advice["silent"].strip() == ""
    assert "take noise_rate = " in advice["rate"]
    assert "raise noise_steps" in advice["steps"]
    assert 'noise_at = "bottom"' in advice["runaway"]


def learns(protocol, **options):
    """Learn from one minibatch of two stimuli under a protocol."""
    circuit = ReciprocalFeedback([4, 3, 2], **options)
    Preparation(circuit, 2, protocol=protocol).run([Stimulus(np.ones((2, 4)), np.ones((2, 2)), learn=True)])


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: ReciprocalFeedback([4, 2]), r"architecture.*at least 3"),
        (lambda: recirculating(noise_deviation=0), r"noise_deviation = 0"),
        (lambda: Noise(0.0), r"deviation = 0"),
        (lambda: Noise(mixing=np.ones((2, 3))), r"mixing must be a square array"),
        (lambda: Noise(mixing=np.zeros((2, 2))), r"mixing .* not all 0"),
        (lambda: learns(recirculating(), noise_rate=3.0),
         r"noise_rate = 3 is beyond the bound 0\.\d+ of W_fb\[1\] with 2 "),
        (lambda: learns(recirculating(noise_at="both"), noise_rate_forward=0),
         r'noise_at = "both" with .* allowed are'),
        (lambda: learns(recirculating(step=2.0)), r"step = 2 is beyond the stability bound 2 "),
        (lambda: learns(alone(noise={"layer_1.drive_noise": Noise(mixing=np.eye(2))})),
         r"mixing is of 2 rates; layer_1 has 3"),
        (lambda: learns(alone(noise={"drive_nois": Noise()})), r"no population has a drive slot 'drive_nois'"),
        (lambda: learns(alone(noise={"layer_1.drive_basal": Noise()})), r"layer_1\.drive_basal is filled already"),
        (lambda: Phase("a", 1, input={"drive_noise": "x"}), r"must map drive slots to noise or arrays"),
    ],
)  # fmt: skip
def test_refusals(call, line):
    """What cannot be run, or would run away, is refused in one line that names it and what is allowed."""
    with pytest.raises(ParameterError, match=line) as refused:
        call()
    assert "\n" not in str(refused.value)
