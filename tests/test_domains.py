"""Domains: nonlinearities and multiplier cells against exact projections and optimality conditions."""

import itertools

import brian2 as b2
import numpy as np
import pytest
from scipy.optimize import nnls

from corinfomax.errors import ParameterError
from corinfomax.models import (
    Cell,
    Domain,
    HiddenPyramidal,
    MultiplierCell,
    OutputPyramidal,
    Parameter,
    StimulusCell,
    domain_of,
)
from corinfomax.networks import Circuit, CorInfoMax, PopulationSpec, Projection
from corinfomax.protocols.clockwork import Phase, Preparation, Protocol, contrastive

N = 4
POLYTOPE = {"name": "polytope", "A": [[1, 2, 0, -1], [-1, 0, 0, 0], [0, 1, 1, 1], [0, -1, 1, 0]], "b": [1, 0.2, 1, 0.5]}
FEATURES = {"name": "features", "signed": [0, 2], "sparse": [[0, 1, 2], [2, 3]]}
CHOICES = ["B_inf", "B_inf_plus", "B_1", "B_1_plus", "simplex", FEATURES, POLYTOPE, {"name": "features", "signed": [1]}]


def name_of(choice):
    return choice if isinstance(choice, str) else choice["name"]


def inequalities(choice):
    """Rows of {r : Gr ≤ h} of a domain of four cells, written out by hand."""
    eye, ones, signs = np.eye(N), np.ones((1, N)), np.array(list(itertools.product([-1, 1], repeat=N)))
    if choice == "B_inf":
        return np.vstack([eye, -eye]), np.ones(2 * N)
    if choice == "B_inf_plus":
        return np.vstack([eye, -eye]), np.r_[np.ones(N), np.zeros(N)]
    if choice == "B_1":
        return signs, np.ones(len(signs))
    if choice == "B_1_plus":
        return np.vstack([ones, -eye]), np.r_[1, np.zeros(N)]
    if choice == "simplex":
        return np.vstack([ones, -ones, -eye]), np.r_[1, -1, np.zeros(N)]
    if choice["name"] == "polytope":
        return np.array(choice["A"]), np.array(choice["b"])
    lower = np.array([float(cell in choice["signed"]) for cell in range(N)])
    rows, limits = [eye, -eye], [np.ones(N), lower]
    for group in choice.get("sparse", []):
        member = np.array([cell in group for cell in range(N)])
        rows.append(signs * member)
        limits.append(np.ones(len(signs)))
    return np.vstack(rows), np.concatenate(limits)


def projected(G, h, v):
    """Euclidean projection of v onto {r : Gr ≤ h}, by nonnegative least squares (Lawson & Hanson's LDP)."""
    E = np.vstack([-G.T, G @ v - h])
    target = np.r_[np.zeros(len(v)), 1.0]
    weights, _ = nnls(E, target)
    residual = E @ weights - target
    return v - residual[:-1] / residual[-1]


class RelaxingCell(Cell):
    """A cell whose potential relaxes to its drive."""

    equations = """
    du/dt = pace*(drive_basal - u)/tau : 1
    drive_basal : 1
    drive_multiplier : 1
    r : 1
    pace : 1 (shared)
    """
    parameters = (Parameter("tau", "second", "time constant", "this test"),)
    drives = ("drive_basal", "drive_multiplier")
    state = ("u", "r")

    def __init__(self, domain, tau):
        super().__init__(domain, tau=tau)
        self.equations = type(self).equations + "".join(f"{name} : 1\n" for name in domain.per_cell)


def projecting(domain):
    """Build a circuit that does nothing but confine its stimulus to a domain."""
    tau = 10 * b2.ms
    populations = [
        PopulationSpec("stimulus", StimulusCell(), N, layer=0),
        PopulationSpec("cells", RelaxingCell(domain, tau=tau), N, layer=1),
    ]
    projections = [Projection("stimulus", "cells", "drive_basal", ("W", 0), constant=True)]
    weights = {"W": {0: np.eye(N)}}
    if domain.constraints is not None:
        A = domain.constraints.synapses
        function = "abs" if domain.constraints.magnitude else ""
        cell = MultiplierCell(constraints=domain.constraints, tau_lambda=2 * b2.ms)
        populations.append(PopulationSpec("multiplier", cell, len(A), layer=1))
        projections += [
            Projection("cells", "multiplier", "drive_soma", ("A", 1), function=function),
            Projection("multiplier", "cells", "drive_multiplier", ("A", 1), transposed=True),
        ]
        weights |= {"A": {1: A}}
    return Circuit(
        populations=populations,
        projections=projections,
        plasticity=[],
        weights=weights,
        layers=["stimulus", "cells"],
        teacher=None,
        tau=tau,
    )


@pytest.mark.parametrize("choice", CHOICES, ids=name_of)
def test_dynamics_reach_the_exact_projection(choice):
    """Cells with multipliers end at the Euclidean projection of their drive, found by an active-set solver, to 1e-9."""
    domain = domain_of(choice, N)
    protocol = Protocol([Phase("settle", 4000)], step=0.05)
    v = np.random.default_rng(0).normal(0, 1.5, (30, N))
    found = Preparation(projecting(domain), replicas=30, protocol=protocol).settle(v, ("r",)).r[1]
    theory = np.array([projected(*map(np.asarray, inequalities(choice)), point) for point in v])
    np.testing.assert_allclose(found, theory, rtol=0, atol=1e-9)
    assert domain.outside(found).max() < 1e-9


@pytest.mark.parametrize("choice", CHOICES[:-1], ids=name_of)
def test_nonlinearity_string_equals_in_place_function(mount, choice):
    """σ by Brian2 from its string equals the NumPy function of the hot path, to 1e-15."""
    smaller = {
        "polytope": {"name": "polytope", "A": [[1, 2, 0]], "b": [1]},
        "features": {"name": "features", "signed": [0], "sparse": [[0, 1], [1, 2]]},
    }
    domain = domain_of(smaller.get(name_of(choice), choice), 3)
    kept = {"constraints": domain.constraints, "per_cell": domain.per_cell, "arguments": domain.arguments}
    cell = {"g_A": 4.0, "g_B": 6.0, "g_lk": 0.5, "tau_u": 10 * b2.ms}
    by_string = mount(HiddenPyramidal(domain=Domain("same", domain.nonlinearity, **kept), **cell))
    by_function = mount(HiddenPyramidal(domain=domain, **cell))
    rng = np.random.default_rng(0)
    values = {"u": rng.normal(0, 1.5, (2, 3))}
    if domain.constraints is not None:
        values["drive_multiplier"] = rng.uniform(0, 1, (2, 3))
    by_string.cells.rate_update().when = "after_groups"
    for mounted in (by_string, by_function):
        for variable, value in values.items():
            mounted.cells.write(variable, value)
    by_string.network.run(by_string.clock.dt, namespace={})  # moves u as well: so compare with σ of that u
    by_function.cells.write("u", by_string.cells.view("u"))
    by_function.cells.rate_update()()
    np.testing.assert_allclose(by_string.cells.view("r"), by_function.cells.view("r"), rtol=0, atol=1e-15)


def settled(circuit, x, steps=6000):
    preparation = Preparation(circuit, replicas=len(x), protocol=contrastive(free_steps=steps))
    return preparation, preparation.settle(x, ("r", "u", "I_net"))


@pytest.mark.parametrize("convention", ["normative", "authors"])
@pytest.mark.parametrize("pattern", ["dense", "synapses"])
def test_sparse_circuit_fulfils_the_optimality_conditions(unsaturated_weights, convention, pattern):
    """At rest the gradient of eq 12 is the layer's λ where a cell is active and at most λ elsewhere, to 1e-8."""
    circuit = CorInfoMax(
        [6, 5, 3],
        domain="B_1_plus",
        convention=convention,
        projection=pattern,
        forgetting=0.9,
        weights=unsaturated_weights((6, 5, 3)),
    )
    x = np.random.default_rng(0).uniform(0.3, 0.7, (2, 6))
    preparation, states = settled(circuit, x, 1500)
    r, W_ff, W_fb, B = states.r, *(circuit.weights[key] for key in ("W_ff", "W_fb", "B"))
    gamma, eps = circuit.gamma, circuit.epsilon
    extra = 1.0 if convention == "authors" else 0.0
    gradients = {
        1: 2 * gamma * r[1] @ B[1] + (x @ W_ff[0].T - r[1]) / eps[0] + (r[2] @ W_fb[1].T - r[1]) / eps[1],
        2: gamma * r[2] @ B[2] + (r[1] @ W_ff[1].T - r[2]) / eps[1] - extra * r[2],
    }
    constrained = 0
    for k, gradient in gradients.items():
        cell = preparation.layer(k).cell
        stiffness = cell.values["g_lk"] + cell.values["g_B"] + cell.values.get("g_A", extra)
        multiplier = stiffness * preparation.populations[f"multiplier_{k}"].read("r")
        np.testing.assert_allclose((gradient - multiplier)[r[k] > 0], 0, atol=1e-8)
        assert (gradient - multiplier)[r[k] == 0].max(initial=-1) <= 1e-8
        assert circuit.excess(r)[k].max() < 1e-8
        constrained += int((multiplier > 0).any())
    assert constrained > 0


@pytest.mark.parametrize("choice", CHOICES[:-1], ids=name_of)
def test_any_layer_may_have_any_domain(choice, minibatch):
    """A hidden and an output layer of each domain learn, stay finite, and are back at rest for the next stimulus."""
    circuit = CorInfoMax([6, N, N], domain=[choice, choice], forgetting=0.99)
    preparation = Preparation(circuit, replicas=2)
    x, y = minibatch(circuit)
    before = circuit.weights["W_ff"][1].copy()
    first = preparation.present(x, y, learn=False)
    again = preparation.present(x, y)
    np.testing.assert_array_equal(first.trace("r", 1), again.trace("r", 1))
    assert np.isfinite(again.trace("u", 2)).all()
    assert np.abs(circuit.weights["W_ff"][1] - before).max() > 0


def test_every_multiplier_can_be_recorded(minibatch):
    """λ of the multiplier cells is recorded step by step, and Aᵀλ at the layer is what they send in that step."""
    circuit = CorInfoMax([6, N, 3], domain=[FEATURES, "B_1_plus"], forgetting=0.99)
    x, _ = minibatch(circuit)
    shown = Preparation(circuit, replicas=2).present(4 * x, variables=("drive_multiplier", "multiplier_1.r"))
    rates = shown.free["multiplier_1.r"]
    assert rates.shape == (30, 2, 2)
    assert rates.max() > 0
    np.testing.assert_allclose(shown.free.drive_multiplier[1], rates @ circuit.weights["A"][1], rtol=0, atol=1e-15)


def test_published_multipliers_do_not_enforce_and_the_others_do():
    """From the same weights Σr exceeds 1 many times as published, and by less than 1 % if enforced."""
    x = np.random.default_rng(0).uniform(0, 1, (20, 30))
    excess = {}
    for constraints in ("as_published", "enforced"):
        circuit = CorInfoMax([30, 200, 10], domain=["B_1_plus", "B_inf_plus"], constraints=constraints)
        states = Preparation(circuit, replicas=20).settle(x)
        excess[constraints] = circuit.excess(states.r)[1]
    assert excess["as_published"].min() > 5
    assert excess["enforced"].max() < 0.01


@pytest.mark.parametrize(
    ("domain", "message"),
    [
        ("B_2", "'B_2' is no domain; there are B_inf, B_inf_plus"),
        ({"A": [[1.0]]}, "{'A': [[1.0]]} is no domain; there are B_inf"),
        (3, "3 is no domain; there are B_inf"),
        ({"name": "B_1", "radius": 2}, "B_1 has no parameter 'radius'; it has none"),
        ({"name": "polytope", "C": 1}, "polytope has no parameter 'C'; it has A, b"),
        ({"name": "features", "signed": ["1"]}, "signed.0 = '1'"),
        ([{"name": "polytope", "A": [[1e308] * 4], "b": [1]}, "B_inf"], "rescale it"),
        ([{"name": "polytope", "A": [[1e-320] * 4], "b": [1]}, "B_inf"], "rescale it"),
        (domain_of("B_1_plus", 5), "B_1_plus: A has shape (1, 5) and b (1,); the layer has 4 cells"),
        (["B_1"], "domain has 1 entries; this architecture needs one or 2"),
        (["B_1", {"name": "features", "signed": [3]}], "domain of layer 2 (3 cells): features: signed has cell 3"),
        ({"name": "features", "sparse": [[0, 0]]}, "sparse group 0 names a cell twice"),
        ({"name": "features", "sparse": [[]]}, "sparse group 0 is empty"),
        ({"name": "polytope", "A": [[1, 1]], "b": [1]}, "row 0 of A has 2 numbers, the layer 4 cells"),
        ({"name": "polytope", "A": [[0] * 4], "b": [1]}, "row 0 of A is zero"),
        ({"name": "polytope", "A": [[1] * 4], "b": [1, 2]}, "b has 2 numbers for the 1 rows"),
        ({"name": "polytope", "A": [[1] * 4, [-1] * 4], "b": [1, -2]}, "infeasible"),
        ({"name": "polytope", "A": [], "b": []}, "A = []"),
    ],
)
def test_domains_that_a_layer_cannot_have(domain, message):
    """Each is refused in one line that says what is wrong with it."""
    with pytest.raises(ParameterError) as error:
        CorInfoMax([6, 4, 3], domain=domain)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_published_mode_is_for_the_published_domain():
    """Constraints as published exist for B_1,+ only, and the line says so."""
    with pytest.raises(ParameterError, match=r'layer 2: constraints = "as_published" .* B_1_plus, not for simplex'):
        CorInfoMax([6, 4, 3], domain=["B_1_plus", "simplex"], constraints="as_published")


@pytest.mark.parametrize("options", [{"constraints": "as_published"}, {"tau_multiplier": 1.0}])
def test_constraints_without_a_constrained_layer(options):
    """Keys that would do nothing are refused, and so are multipliers that are too slow to enforce anything."""
    with pytest.raises(ParameterError, match=f"{next(iter(options))}: no layer's domain has constraints"):
        CorInfoMax([6, 4, 3], **options)
    with pytest.raises(ParameterError, match=r"tau_multiplier = \[450000.0, 45.0\]: too slow to enforce"):
        CorInfoMax([6, 4, 3], domain="B_1_plus", tau_multiplier=[450_000, 45])


def test_cells_are_not_exchanged_into_other_constraints():
    """A cell whose domain has constraints that no multiplier of the circuit enforces is refused in one line."""
    circuit = CorInfoMax([6, 4, 3], domain=["B_1_plus", "B_inf_plus"])
    with pytest.raises(ParameterError, match="layer_2: the new cell's domain has other constraints"):
        circuit.exchange_cell("layer_2", OutputPyramidal, domain=domain_of("simplex", 3))
    circuit.exchange_cell("layer_1", HiddenPyramidal, g_lk=0.4)


@pytest.mark.parametrize("groups", [[list(range(40))] * 5, [list(range(n)) for n in (10, 20, 30, 40)]])
def test_overlapping_groups_settle(groups):
    """Groups that share their cells, coinciding or nested, come to rest within their constraints, to 1e-6."""
    circuit = CorInfoMax([30, 40, 10], domain=[{"name": "features", "sparse": groups}, "B_inf_plus"])
    x = np.random.default_rng(0).uniform(0, 1, (5, 30))
    _, states = settled(circuit, 3 * x, 1500)
    assert np.abs(states.I_net[1]).max() < 1e-6
    assert np.abs(circuit.excess(states.r)[1]).max() < 1e-6


@pytest.mark.parametrize("choice", CHOICES[:-1], ids=name_of)
@pytest.mark.parametrize("convention", ["normative", "authors"])
def test_a_phase_without_nudge_changes_nothing(choice, convention):
    """At rest, r stays through a phase that begins, u := r included, to 1e-8: thresholds are not lost."""
    circuit = CorInfoMax([6, N, N], domain=[choice, choice], convention=convention, forgetting=0.9)
    x = np.random.default_rng(0).uniform(0.3, 1, (3, 6))
    phases = [Phase("free", 3000), Phase("idle", 3), Phase("nudge", 1, beta=1.0)]
    shown = Preparation(circuit, replicas=3, protocol=Protocol(phases)).present(x, np.full((3, N), 0.2), learn=False)
    for k in (1, 2):
        np.testing.assert_allclose(shown.idle.r[k], shown.free.r[k][-1:].repeat(3, axis=0), rtol=0, atol=1e-8)


@pytest.mark.parametrize(
    ("choice", "r", "active"),
    [
        ("B_inf", [-1, 0, 0.5, 1], [False, True, True, False]),
        ("B_1", [-0.5, 0, 0.3, 0], [True, False, True, False]),
        ("B_1_plus", [0, 0.2, 0, 0.8], [False, True, False, True]),
        (FEATURES, [-0.5, 0, 0.3, 0.2], [True, False, True, True]),
        (POLYTOPE, [0, -3, 2, 0], [True, True, True, True]),
    ],
)
def test_active_cells(choice, r, active):
    """Cells between their bounds are active, silent cells of a soft threshold are not."""
    np.testing.assert_array_equal(domain_of(choice, N).active(np.array(r)), active)


def test_excess_is_in_the_users_units():
    """Rows of a polytope are scaled for the multiplier cells only: {10 Σr ≤ 5} is broken by 35 if all rates are 1."""
    domain = domain_of({"name": "polytope", "A": [[10] * N], "b": [5]}, N)
    assert domain.constraints.excess(np.ones((1, N)))[0] == pytest.approx(35)


def test_fast_multipliers_have_a_step_bound():
    """A step beyond 2 τ_λ/τ_u is refused, since the multipliers alone would oscillate."""
    circuit = CorInfoMax([6, 4, 3], domain="B_1_plus", tau_multiplier=0.2)
    assert circuit.step_bound(1.0) == pytest.approx(0.04)
    with pytest.raises(ParameterError, match="stability bound"):
        Preparation(circuit)
