"""Similarity matching: golden weights, fixed points of the paper, stability, and what it refuses."""

import numpy as np
import pytest
from golden_rules import golden_archive

from corinfomax.errors import DivergenceError, ParameterError
from corinfomax.networks import Plasticity, SimilarityMatchingCircuit
from corinfomax.protocols.clockwork import Preparation, settling
from corinfomax.protocols.perturbations import Lesion
from corinfomax.protocols.runs import Configuration
from corinfomax.stimuli import Stimulus, load_stimuli


class GoldenRate:
    """The archive's rates, sample by sample, times a factor."""

    def __init__(self, eta, factor):
        self.eta, self.factor = eta, factor

    def __call__(self, progress):
        return self.factor * float(self.eta[progress.presentation])


def archive(name, **options):
    """One archive, and its circuit; M is keyed by its layer."""
    golden = golden_archive(name)
    circuit = SimilarityMatchingCircuit(
        (int(golden["inputs"]), int(golden["outputs"])),
        objective=str(golden["rule"]),
        ratio=float(golden["tau"]),
        **options,
        weights={"W_ff": {0: golden["init/W"]}, "M": {1: golden["init/M"]}},
        **({"learning_rate": float(golden["eta"]), "learning_rate_offset": None} if golden["eta"].ndim == 0 else {}),
    )
    return golden, circuit


def learn(circuit, minibatches, steps, step, after=lambda y: None):
    """Present minibatches, and call `after` with the settled y of each one when it has been learnt from."""
    replicas = max(len(x) for x in minibatches)
    preparation = Preparation(circuit, replicas=replicas, protocol=settling(steps=steps, step=step))
    preparation.on_presentation.append(lambda moment, ends: after(ends["settle"].r[1]))
    preparation.run(Stimulus(x, learn=True) for x in minibatches)


def principal(C, k):
    """Eigenvalues and eigenvectors of the k largest, in columns."""
    values, vectors = np.linalg.eigh(C)
    return values[::-1][:k], vectors[:, ::-1][:, :k]


@pytest.mark.parametrize("name", ["psp_online", "psw_online", "psp_offline", "psw_offline"])
def test_golden_weights(name):
    """y, W and M after every sample or iteration equal the golden archive to 1e-9; 400 steps settle y at M⁻¹Wx."""
    golden, circuit = archive(name)
    online = golden["eta"].ndim > 0
    x = golden["x"]
    minibatches = [row[None] for row in x] if online else [x] * int(golden["iterations"])
    if online:
        for plasticity, factor in zip(circuit.plasticity, (2, 1 / float(golden["tau"])), strict=True):
            object.__setattr__(plasticity.optimiser, "learning_rate", GoldenRate(golden["eta"], factor))
    found = []

    def after(y):
        found.append((y.copy(), circuit.weights["W_ff"][0].copy(), circuit.weights["M"][1].copy()))

    learn(circuit, minibatches, 400, 0.4, after)
    y, W, M = map(np.array, zip(*found, strict=True))
    np.testing.assert_allclose(y[:, 0] if online else y, golden["y"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(W, golden["after/W"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(M, golden["after/M"], rtol=0, atol=1e-9)


@pytest.mark.parametrize("objective", ["psp", "psw"])
def test_fixed_points(objective):
    """Offline learning ends at FᵀF = UUᵀ (psp), or FᵀF = UΛ⁻¹Uᵀ and FCFᵀ = I (psw), of eigh, to 1e-6."""
    x = load_stimuli("subspace").x_train[::10]
    C = x.T @ x / len(x)
    values, U = principal(C, 3)
    circuit = SimilarityMatchingCircuit(
        (10, 3),
        objective=objective,
        ratio=0.5 if objective == "psp" else 0.2,
        learning_rate=0.1 if objective == "psp" else 0.03,
        learning_rate_offset=None,
    )
    learn(circuit, [x] * 1500, 40, 0.3)
    F = circuit.filters
    theory = U @ U.T if objective == "psp" else (U / values) @ U.T
    np.testing.assert_allclose(F.T @ F, theory, rtol=0, atol=1e-6)
    np.testing.assert_allclose(np.linalg.eigvalsh(circuit.weights["M"][1])[::-1], values, rtol=1e-6)
    if objective == "psw":
        np.testing.assert_allclose(F @ C @ F.T, np.eye(3), rtol=0, atol=1e-6)


@pytest.mark.parametrize("objective", ["psp", "psw"])
def test_lateral_weights_stay_symmetric(objective):
    """M equals its transpose exactly after 50 online samples, in single precision too (property)."""
    x = load_stimuli("subspace").x_train[:50]
    circuit = SimilarityMatchingCircuit((10, 3), objective=objective, learning_rate=1.0, learning_rate_offset=100.0)
    circuit.astype(np.float32)
    learn(circuit, [row[None] for row in x], 20, 0.3)
    M = circuit.weights["M"][1]
    assert np.abs(M - np.eye(3)).max() > 0.01
    np.testing.assert_array_equal(M, M.T)


def test_rates_fall_with_presentations():
    """W after two samples equals W + 2η_t(y xᵀ - W), η_t = 3/(50 + t), y = M⁻¹Wx, in NumPy to 1e-9."""
    circuit = SimilarityMatchingCircuit((10, 3), learning_rate=3.0, learning_rate_offset=50.0, ratio=0.8, seed=4)
    W, M = circuit.weights["W_ff"][0].copy(), circuit.weights["M"][1].copy()
    x = load_stimuli("subspace").x_train[:2]
    learn(circuit, [row[None] for row in x], 300, 0.5)
    for t, row in enumerate(x):
        eta, y = 3.0 / (50.0 + t), np.linalg.solve(M, W @ row)
        W, M = W + 2 * eta * (np.outer(y, row) - W), M + eta / 0.8 * (np.outer(y, y) - M)
    np.testing.assert_allclose(circuit.weights["W_ff"][0], W, rtol=0, atol=1e-9)
    np.testing.assert_allclose(circuit.weights["M"][1], M, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("factor", "settles"), [(0.98, True), (1.02, False)])
def test_bound_of_the_euler_step(factor, settles):
    """Below η λmax(M) = 2 the layer settles at M⁻¹Wx (NumPy), to 1e-3; above, the error grows a hundredfold."""
    A = np.random.default_rng(0).standard_normal((3, 3))
    M = A @ A.T + 2 * np.eye(3)
    circuit = SimilarityMatchingCircuit((10, 3), weights={"M": {1: M}})
    bound = circuit.step_bound(0.0)
    assert bound == pytest.approx(2 / np.linalg.norm(M, 2), rel=1e-12)
    protocol = settling(steps=250, step=factor * bound, allow_unstable=not settles)
    x = np.random.default_rng(1).standard_normal(10)
    y = Preparation(circuit, protocol=protocol).present(x, learn=False).settle.r[1][-1, 0]
    theory = np.linalg.solve(M, circuit.weights["W_ff"][0] @ x)
    error = np.linalg.norm(y - theory) / np.linalg.norm(theory)
    assert error < 1e-3 if settles else error > 1e2


def test_step_is_held_against_the_present_weights():
    """When M has grown, a step that was stable at first is refused at the next presentation, in one line."""
    circuit = SimilarityMatchingCircuit((10, 3))
    preparation = Preparation(circuit, protocol=settling(steps=5, step=0.5))
    preparation.predict(np.ones(10))
    circuit.weights["M"][1] *= 5
    with pytest.raises(ParameterError, match=r"step = 0\.5 is beyond the stability bound 0\.4 "):
        preparation.predict(np.ones(10))


def test_indefinite_lateral_weights_end_a_run():
    """At η/τ = .5 PSW drives an eigenvalue of M below 0: the run ends there, naming it, and weights are finite."""
    x = load_stimuli("subspace").x_train[:200]
    circuit = SimilarityMatchingCircuit(
        (10, 3), objective="psw", ratio=0.1, learning_rate=0.05, learning_rate_offset=None
    )
    with pytest.raises(DivergenceError, match=r"weights M\[1\] have the least eigenvalue -.*η/τ = 0\.5") as refused:
        learn(circuit, [x] * 100, 40, 0.1)
    assert "\n" not in str(refused.value)
    assert np.linalg.eigvalsh(circuit.weights["M"][1])[0] < 0


def test_targets_are_not_needed_and_not_read():
    """A presentation with targets, which have no slot to go to, moves weights as one without, exactly (property)."""
    x = load_stimuli("subspace").x_train[:3]
    after = []
    for y in (None, np.ones((3, 2))):
        circuit = SimilarityMatchingCircuit((10, 2), learning_rate=0.1, learning_rate_offset=None)
        Preparation(circuit, replicas=3, protocol=settling(steps=5, step=0.3)).present(x, y, learn=True)
        after.append(circuit.state_dict())
    for name, weights in after[0].items():
        np.testing.assert_array_equal(weights, after[1][name])


def test_other_phases_are_refused():
    """A rule that reads a phase which `settling` lacks is refused in one line that names both."""
    circuit = SimilarityMatchingCircuit((10, 2))
    rule = circuit.plasticity[0]
    circuit.exchange_plasticity(("W_ff", 0), Plasticity(rule.rule, rule.optimiser, reads=("nudge",)))
    with pytest.raises(ParameterError, match=r"rule of W_ff\[0\]: reads a phase 'nudge' .* lacks; has settle"):
        Preparation(circuit, protocol=settling()).present(np.zeros(10), learn=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"architecture": (10, 5, 3)}, "architecture"),
        ({"objective": "pca"}, "objective = 'pca'"),
        ({"ratio": 0.0}, "ratio"),
        ({"weights": {"M": {1: np.diag([1.0, -1.0])}}}, r"M\[1\] must be positive definite; .* -1"),
        ({"weights": {"M": {1: [[1.0, 0.5], [0.0, 1.0]]}}}, r"M\[1\] is not symmetric"),
    ],
)
def test_refusals(arguments, message):
    """What the constructor cannot take is refused in one line that names it."""
    with pytest.raises(ParameterError, match=message) as refused:
        SimilarityMatchingCircuit(**{"architecture": (10, 2), **arguments})
    assert "\n" not in str(refused.value)


def test_settling_has_no_teaching_to_set():
    """β and its sign mean nothing without a teacher, and `settling` does not take them."""
    assert settling().betas == (1.0,)
    assert settling().predicting_phase == "settle"
    for key in ("beta", "random_sign"):
        with pytest.raises(ParameterError, match=f"settling: unknown key '{key}'"):
            settling(**{key: 1})


@pytest.mark.parametrize("name", ["digits_psp", "digits_psw"])
def test_presets(name):
    """A preset's sections make circuit and protocol; step and τ are within the bounds of the digits' spectrum (theory).

    M ends with the largest eigenvalues of ⟨x xᵀ⟩: Euler is stable with the largest, and the rate along the least
    comes within 2 % of where it settles.
    """
    configuration = Configuration.read(name)
    assert (configuration.model, configuration.form) == ("similarity_matching", "settling")
    circuit, protocol = configuration.build_circuit(), configuration.build_protocol()
    x = load_stimuli("digits").x_train
    values, _ = principal(x.T @ x / len(x), circuit.architecture[1])
    protocol.check_stability(circuit, protocol.beta)
    assert protocol.step < 2 / values[0]
    assert np.abs(1 - protocol.step * values[-1]) ** protocol.phases[0].steps < 0.02
    first, second = (values[index] for index in np.triu_indices(len(values), 1))
    if circuit.objective == "psp":
        assert (1 - 1 / (2 * circuit.ratio) < 2 / (first / second + second / first)).all()
    else:
        assert (circuit.ratio < 0.8 * (first + second) / (2 * (first - second) ** 2)).all()


@pytest.mark.parametrize(
    ("lesion", "settles"),
    [
        (Lesion(("M", 1)), False),
        (Lesion(("M", 1), post=[0]), False),
        (Lesion(("M", 1), post=[0], pre=[1]), True),
        (Lesion(("W_ff", 0), fraction=0.5), True),
    ],
)
def test_lesions_that_leave_nothing_to_settle_are_refused_early(lesion, settles):
    """τ dy/dt = Wx - My settles if all eigenvalues of M have positive real parts (theory); else the layer is named."""
    circuit = SimilarityMatchingCircuit([6, 3])
    if lesion.weights == ("M", 1):
        least = np.linalg.eigvals(np.where(lesion.mask(circuit), 0, circuit.weights["M"][1])).real.min()
        assert (least > 0) == settles
    if settles:
        lesion.check(circuit)
        return
    with pytest.raises(ParameterError, match=r"lesion M:1.*: M\[1\] of layer_1 .* that leave each cell"):
        lesion.check(circuit)
