"""Similarity matching without integration, its limits by linearisation, and rectified and Földiák's circuits."""

import numpy as np
import pytest
from golden_rules import golden_archive
from test_similarity_matching import GoldenRate, archive, learn, principal

from corinfomax.analysis.subspaces import objective, similarity_error, subspace_error
from corinfomax.errors import DivergenceError, ParameterError
from corinfomax.networks import FoldiakCircuit, NonnegativeSimilarityMatching, SimilarityMatchingCircuit
from corinfomax.networks.similarity_matching import (
    OnlineMatching,
    growth_rates,
    largest_ratio,
    largest_step,
    nonnegative_fixed_point,
)
from corinfomax.protocols.clockwork import Preparation, settling
from corinfomax.protocols.perturbations import Lesion
from corinfomax.protocols.runs import Configuration, RunFolder
from corinfomax.protocols.runs.training import Training
from corinfomax.protocols.systems import StaticLearner
from corinfomax.stimuli import Stimulus, load_stimuli

SUBSPACE = load_stimuli("subspace").x_train


def learn_at_once(circuit, minibatches, after=lambda y: None, dtype=np.float64):
    """As `learn`, but y is taken where it would settle."""
    learner = StaticLearner(circuit, max(map(len, minibatches)), dtype=dtype, phase="settle")
    learner.on_presentation.append(lambda moment, ends: after(ends["settle"].r[1]))
    learner.run(Stimulus(x, learn=True) for x in minibatches)


def follow(circuit, golden):
    """Let rates be the archive's, sample by sample."""
    for plasticity, factor in zip(circuit.plasticity, (2, 1 / float(golden["tau"])), strict=True):
        optimiser = getattr(plasticity.optimiser, "step_of_M", plasticity.optimiser)
        object.__setattr__(optimiser, "learning_rate", GoldenRate(golden["eta"], factor))


@pytest.mark.parametrize("name", ["psp_online", "psw_online", "psp_offline", "psw_offline"])
def test_fixed_points_of_the_cells_are_golden(name):
    """Learning at y = M⁻¹Wx, without dynamics, gives the archive's y, W and M to 1e-12."""
    golden, circuit = archive(name, solver="fixed_point")
    online, x = golden["eta"].ndim > 0, golden["x"]
    if online:
        follow(circuit, golden)
    found = []
    minibatches = [row[None] for row in x] if online else [x] * int(golden["iterations"])
    learn_at_once(circuit, minibatches, lambda y: found.append((y, *map(np.copy, weights_of(circuit)))))
    y, W, M = map(np.array, zip(*found, strict=True))
    np.testing.assert_allclose(y[:, 0] if online else y, golden["y"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(W, golden["after/W"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(M, golden["after/M"], rtol=0, atol=1e-12)


def weights_of(circuit):
    """W and M."""
    return circuit.weights["W_ff"][0], circuit.weights["M"][1]


@pytest.mark.parametrize("objective", ["psp", "psw"])
def test_fixed_points_and_dynamics_learn_the_same(objective):
    """Oracle: the integrated circuit. W and M after 20 minibatches of 5 agree to 1e-9."""
    minibatches = np.split(SUBSPACE[:100], 20)
    settings = {"objective": objective, "learning_rate": 2.0, "learning_rate_offset": 100.0, "seed": 1}
    integrated, at_once = (SimilarityMatchingCircuit((10, 3), **settings) for _ in range(2))
    learn(integrated, minibatches, 400, 0.4)
    learn_at_once(at_once, minibatches)
    for one, other in zip(weights_of(integrated), weights_of(at_once), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-9)


@pytest.mark.parametrize("core", [False, True], ids=["circuit", "arrays"])
def test_fast_similarity_matching_is_similarity_matching(core):
    """FSM's y, W and M⁻¹ equal the archive's, and so SM's M, to rounding: 1e-12 of the largest entry."""
    golden = golden_archive("fsm")
    W, inverse = golden["init/W"], golden["init/M_inverse"]
    gamma = float(golden["gamma"])
    if core:
        matching = OnlineMatching(
            W,
            np.linalg.inv(inverse),
            ratio=float(golden["tau"]),
            learning_rate=1 / gamma,
            learning_rate_offset=5 / gamma,
        )
        for number, x in enumerate(golden["x"]):
            np.testing.assert_allclose(matching.filters @ x, golden["y"][number], rtol=0, atol=1e-12)
            matching.learn(x[None])
        W, M = matching.W, matching.M
    else:
        circuit = SimilarityMatchingCircuit(
            W.shape[::-1],
            ratio=float(golden["tau"]),
            solver="inverse",
            weights={"W_ff": {0: W}, "M": {1: np.linalg.inv(inverse)}},
        )
        follow(circuit, golden)
        found = []
        learn_at_once(circuit, [x[None] for x in golden["x"]], lambda y: found.append(y[0]))
        np.testing.assert_allclose(found, golden["y"], rtol=0, atol=1e-12 * np.abs(golden["y"]).max())
        W, M = weights_of(circuit)
        kept = circuit.plasticity[1].optimiser.inverse
        np.testing.assert_allclose(kept, golden["after/M_inverse"][-1], rtol=0, atol=1e-12 * np.abs(kept).max())
    np.testing.assert_allclose(W, golden["after/W"][-1], rtol=0, atol=1e-12)
    np.testing.assert_allclose(M, golden["after/M"][-1], rtol=0, atol=1e-12 * np.abs(M).max())


def test_the_inverse_follows_minibatches_checkpoints_and_exchanges():
    """Woodbury: after minibatches Q M = I to 1e-10 (theory); Q is restored exactly, and anew for another M."""
    circuit = SimilarityMatchingCircuit((10, 3), solver="inverse", learning_rate=5.0, learning_rate_offset=50.0)
    learn_at_once(circuit, np.split(SUBSPACE[:100], 20))
    optimiser = circuit.plasticity[1].optimiser
    np.testing.assert_allclose(optimiser.inverse @ circuit.weights["M"][1], np.eye(3), rtol=0, atol=1e-10)
    other = SimilarityMatchingCircuit((10, 3), solver="inverse")
    other.load_state_dict(circuit.state_dict())
    np.testing.assert_array_equal(other.plasticity[1].optimiser.inverse, optimiser.inverse)
    other.weights["M"][1][...] = 2 * np.eye(3)
    other.renew()
    np.testing.assert_allclose(other.plasticity[1].optimiser.inverse, np.eye(3) / 2, rtol=1e-14)
    with pytest.raises(ParameterError, match="M⁻¹ of an M without lesions; take 'fixed_point'"):
        Lesion(("M", 1), post=[0], pre=[1]).check(circuit)


@pytest.mark.parametrize("objective", ["psp", "psw"])
def test_plain_arrays_learn_as_the_circuit(objective):
    """Oracle: the circuit at its fixed point, sample by sample. W and M after 200 samples agree to 1e-10."""
    settings = {"objective": objective, "learning_rate": 1.0, "learning_rate_offset": 50.0, "ratio": 0.4}
    circuit = SimilarityMatchingCircuit((10, 3), solver="fixed_point", **settings)
    arrays = OnlineMatching(*weights_of(circuit), **settings)
    learn_at_once(circuit, list(SUBSPACE[:200, None]))
    arrays.learn(SUBSPACE[:120])
    arrays.learn(SUBSPACE[120:200])
    for one, other in zip(weights_of(circuit), (arrays.W, arrays.M), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-10)


@pytest.mark.parametrize("p", [0.5, 1.0, 2.0, 3.0])
def test_powers_of_lateral_weights(p):
    """Theory: learning rests at output variances λ^(p-1) and the objective -(2/p) Σλᵖ, to 1e-5."""
    x = SUBSPACE[::10]
    C = x.T @ x / len(x)
    values, U = principal(C, 3)
    ratio = min(0.5, 0.5 * largest_ratio(values, 3, p))
    rate = 0.3 * largest_step(values, 3, p, ratio)
    W = (U * values ** (p / 2)).T + 0.1 * np.random.default_rng(0).standard_normal((3, 10))
    circuit = SimilarityMatchingCircuit(
        (10, 3), objective="power", exponent=p, ratio=ratio, learning_rate=rate, learning_rate_offset=None,
        weights={"W_ff": {0: W}, "M": {1: np.diag(values)}},
    )  # fmt: skip
    learn_at_once(circuit, [x] * 1500)
    F, (W, M) = circuit.filters, weights_of(circuit)
    np.testing.assert_allclose(np.linalg.eigvalsh(F @ C @ F.T), np.sort(values ** (p - 1)), rtol=1e-5)
    assert subspace_error(W, M, C, exponent=p) < 1e-5
    assert objective(W, M, C, exponent=p) == pytest.approx(-2 / p * np.sum(values**p), rel=1e-5)


def test_two_powers_are_projection_and_whitening():
    """p = 2 is psp and p = 1 is psw, step by step, to 1e-12; the generalised objective is theirs, and twice that."""
    for p, name in ((2.0, "psp"), (1.0, "psw")):
        settings = {"learning_rate": 0.05, "learning_rate_offset": None}
        named = SimilarityMatchingCircuit((10, 3), objective=name, **settings)
        power = SimilarityMatchingCircuit((10, 3), objective="power", exponent=p, **settings)
        for circuit in (named, power):
            learn_at_once(circuit, [SUBSPACE[:40]] * 10)
        for one, other in zip(weights_of(named), weights_of(power), strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)
        C = SUBSPACE.T @ SUBSPACE
        value = objective(*weights_of(named), C, whitened=name == "psw")
        assert objective(*weights_of(named), C, exponent=p) == pytest.approx((1 if p == 2 else 2) * value, rel=1e-12)


def jacobian(values, k, p, tau):
    """Of learning at its fixed point, by differences, in a basis in which M stays symmetric: (W, M on and above it)."""
    n, C = len(values), np.diag(values)
    upper = np.triu_indices(k)

    def rates(z):
        W, M = z[: k * n].reshape(k, n), np.zeros((k, k))
        M[upper] = z[k * n :]
        M = M + np.triu(M, 1).T
        F = np.linalg.solve(M, W)
        m, vectors = np.linalg.eigh(M)
        lateral = (F @ C @ F.T - (vectors * m ** (p - 1)) @ vectors.T) / tau
        return np.concatenate([2 * (F @ C - W).ravel(), lateral[upper]])

    F = np.eye(k, n) * (values[:k] ** ((p - 2) / 2))[:, None]
    z = np.concatenate([(F @ C).ravel(), np.diag(values[:k])[upper]])
    np.testing.assert_allclose(rates(z), 0, atol=1e-12)
    return np.array([(rates(z + h) - rates(z - h)) / 2e-6 for h in 1e-6 * np.eye(len(z))]).T


@pytest.mark.parametrize("p", [0.5, 1.0, 1.5, 2.0, 3.0])
def test_linearisation(p):
    """Oracle: eigenvalues of a Jacobian by differences, to 1e-4, but the k(k-1)/2 zeros of rotations."""
    values = np.array([3.0, 2.0, 1.0, 0.05])
    for tau in (0.1, 0.3, 2.0):
        found = np.sort_complex(growth_rates(values, 3, p, tau))
        expected = np.linalg.eigvals(jacobian(values, 3, p, tau))
        expected = np.sort_complex(expected[np.argsort(np.abs(expected))[3:]])
        np.testing.assert_allclose(np.sort(found.real), np.sort(expected.real), atol=1e-4)
        np.testing.assert_allclose(np.sort(found.imag), np.sort(expected.imag), atol=1e-4)
        assert (found.real.max() < 0) == (tau < largest_ratio(values, 3, p))


def test_limits_of_the_ratio_are_the_papers():
    """Closed forms for all pairs: psp 1 - 1/(2τ) = 2/(λ_i/λ_j + λ_j/λ_i), psw τ = (λ_i + λ_j)/(2(λ_i - λ_j)²)."""
    values = np.array([10.5, 0.7, 0.63, 0.56, 0.1])
    a, b = (values[:4][index] for index in np.triu_indices(4, 1))
    assert largest_ratio(values, 4, 2) == pytest.approx(np.min(1 / (2 - 4 / (a / b + b / a))), rel=1e-12)
    assert largest_ratio(values, 4, 1) == pytest.approx(np.min((a + b) / (2 * (a - b) ** 2)), rel=1e-12)
    assert largest_ratio([3, 2, 1], 3, 2) == pytest.approx(1.25, rel=1e-12)
    assert largest_ratio([3, 2, 1], 3, 1) == pytest.approx(0.5, rel=1e-12)
    assert largest_ratio([3.0], 1, 2) == np.inf


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ratio": 1.3}, r"ratio = 1\.3: must be below 1\.25 .* eigenvalues of ⟨x xᵀ⟩, 3 to 1"),
        ({"objective": "psw", "ratio": 0.51}, r"ratio = 0\.51: must be below 0\.5 "),
        ({"architecture": [10, 7], "rank": 4}, r"outputs = 7: must be at most 4, the rank of the stimuli"),
        ({"learning_rate": 600.0}, r"η/τ = 1\.2: must be below 1"),
        ({"objective": "psw", "learning_rate": 0.4, "learning_rate_offset": None, "ratio": 0.2},
         r"learning_rate = 0\.4: a constant one must be below 0\.276"),
    ],
)  # fmt: skip
def test_what_cannot_converge_is_refused_before_a_run(settings, message, tmp_path):
    """τ, η/τ, η and k beyond their limits by the training stimuli's eigenvalues: one line with the limit, no epoch."""
    settings = dict(settings)
    rank = settings.pop("rank", 10)
    x = (SUBSPACE[:, :rank] @ np.random.default_rng(0).standard_normal((rank, 10))) if rank < 10 else SUBSPACE
    np.savez(tmp_path / "x.npz", x_train=x, x_test=x[:5], task="none")
    sections = {"architecture": [10, 3], "stimuli": str(tmp_path / "x.npz"), "scale": "none", "solver": "fixed_point"}
    words = [f"{key}={value}" for key, value in (sections | settings).items() if value is not None]
    configuration = Configuration.read("digits_psp", words)
    if "learning_rate_offset" in settings:
        circuit = SimilarityMatchingCircuit(**{"architecture": [10, 3], **settings})
        with pytest.raises(ParameterError, match=message) as refused:
            circuit.check_stimuli(x)
    else:
        with pytest.raises(ParameterError, match=message) as refused:
            Training(configuration, RunFolder(tmp_path / "run"))
    assert "\n" not in str(refused.value)


def test_a_run_at_fixed_points_ends_where_the_integrated_one_does(tmp_path):
    """Oracle: digits_psp integrated. An epoch with each solver gives the same history to 1e-3 (float32)."""
    rows = []
    for solver in ("dynamics", "fixed_point", "inverse"):
        words = [f"solver={solver}", "epochs=1", "architecture=[64,3]", "target=numpy", "steps=300"]
        configuration, folder = Configuration.read("digits_psp", words), RunFolder(tmp_path / solver)
        folder.create(configuration)
        training = Training(configuration, folder)
        training.run()
        rows.append(training.rows[-1])
    for row in rows[1:]:
        for column in ("subspace_error", "objective", "definiteness_M"):
            assert row[column] == pytest.approx(rows[0][column], rel=1e-3)


def test_indefinite_weights_name_the_limit():
    """PSW at η/τ = .5: the message has the η/τ that would have kept M, its least eigenvalue of the step before."""
    circuit = SimilarityMatchingCircuit(
        (10, 3), objective="psw", ratio=0.1, learning_rate=0.05, learning_rate_offset=None
    )
    least = []
    with pytest.raises(DivergenceError, match=r"η/τ = 0\.5; below (\S+) would have kept M so") as refused:
        learn_at_once(
            circuit, [SUBSPACE[:200]] * 100, lambda y: least.append(np.linalg.eigvalsh(circuit.weights["M"][1])[0])
        )
    assert f"below {least[-1]:.3g} would" in str(refused.value)


def test_rectified_cells_settle_at_the_least_of_their_energy():
    """Theory (Karush-Kuhn-Tucker): y ≥ 0, My - Wx ≥ 0 and 0 where y > 0, to 1e-10; the integrated cells agree, 1e-6."""
    rng = np.random.default_rng(0)
    circuit = NonnegativeSimilarityMatching((12, 6), seed=2)
    A = rng.standard_normal((6, 6))
    circuit.weights["M"][1][...] = A @ A.T + np.eye(6)
    x = rng.standard_normal((8, 12))
    W, M = weights_of(circuit)
    theory = nonnegative_fixed_point(x @ W.T, M)
    slope = theory @ M - x @ W.T
    assert 0 < np.mean(theory == 0) < 1
    assert theory.min() == 0
    assert slope.min() > -1e-10
    np.testing.assert_allclose(slope * theory, 0, atol=1e-10)
    protocol = settling(steps=600, step=0.9 * circuit.step_bound(0.0))
    settled = Preparation(circuit, replicas=8, protocol=protocol, target="numpy").settle(x, ("r",)).r[1]
    np.testing.assert_allclose(settled, theory, atol=1e-6)


def test_nonnegative_similarity_matching_finds_clusters():
    """Three orthogonal clusters: each cell answers to one alone, and similarities are matched to 5 % (theory: all)."""
    rng = np.random.default_rng(1)
    x = np.kron(np.eye(3), np.ones(4))[rng.integers(3, size=300)] * rng.uniform(0.5, 1, (300, 1))
    circuit = NonnegativeSimilarityMatching(
        (12, 3), learning_rate=20.0, learning_rate_offset=200.0, solver="fixed_point", seed=1
    )
    learn_at_once(circuit, list(np.split(x, 60)) * 10)
    y = circuit.states(x).r[1]
    assert (y >= 0).all()
    assert similarity_error(x, y) < 0.05
    with pytest.raises(ParameterError, match="300 stimuli and 2 outputs"):
        similarity_error(x, y[:2])
    assert similarity_error(x, y) == pytest.approx(
        np.linalg.norm(x @ x.T - y @ y.T) ** 2 / np.linalg.norm(x @ x.T) ** 2, rel=1e-10
    )


def test_foldiaks_network_finds_the_subspace_and_no_projection():
    """The subspace to 1e-6, outputs uncorrelated to 1 %; but FᵀF is no projector: off by more than .3 (theory: > 0)."""
    x = SUBSPACE[::10]
    C = x.T @ x / len(x)
    _, U = principal(C, 3)
    circuit = FoldiakCircuit((10, 3), learning_rate=0.05, learning_rate_offset=None)
    learn_at_once(circuit, [x] * 800)
    F, (W, M) = circuit.filters, weights_of(circuit)
    rows = np.linalg.qr(F.T)[0]
    assert np.linalg.norm(rows @ rows.T - U @ U.T) < 1e-6
    correlations = np.corrcoef(x @ F.T, rowvar=False)
    assert np.abs(correlations - np.eye(3)).max() < 0.01
    np.testing.assert_array_equal(np.diag(M), 1)
    assert subspace_error(W, M, C) > 0.3
