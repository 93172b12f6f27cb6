"""A CorInfoMax circuit linearised by hand, the oracle of the linearisation of mounted circuits.

With S_k = diag(σ'(u_k)), 1 for cells between their bounds and 0 for others, δr_k = S_k δu_k, and τ_u du/ds = F has the
Jacobian (eqs 14, 15)

    δF_k = -(g_lk + g_A + g_B) δu_k + g_A (D_k δr_k - δs_k + W_fb^(k) δr_{k+1}) + g_B W_ff^(k-1) δr_{k-1}     hidden
    δF_P = -(g_lk + g_A + g_B) δu_P - c δr_P + D_P δr_P - δs_P + g_B W_ff^(P-1) δr_{P-1}                     output

with g_A = 1/ε_k in hidden layers, g_B = 1/ε_{k-1}, the output's g_A and c as the convention says, and s_k the potential
of the SST cells: δs = O δr, or, where they are leaky, τ_SST dδs/dt = O δr - δs. Leaky dendrites follow what stands for
δv_A and δv_B here, the factors of g_A and g_B, in the same way, with τ_A and τ_B. A layer whose domain has constraints
A m(r) ≤ b has multiplier cells a_k beside,

    τ_λ dδa/dt = -δa + δλ + A Q δr/(1 + g_shunt),   δλ = δa where λ > 0 or the constraint is an equality, else 0

with Q = diag(sign r) where m(r) = |r| and I otherwise. They act as δr_k = S_k (δu_k - Q Aᵀ δλ_k), or as published
as a current, -Aᵀ δλ_k in δF_k.
"""

from collections.abc import Iterator, Mapping

import numpy as np
from scipy.sparse.linalg import ArpackError, ArpackNoConvergence, LinearOperator, eigs

from corinfomax.errors import ParameterError
from corinfomax.models import (
    SST,
    BackgroundInput,
    HiddenPyramidal,
    LeakySST,
    MultiplierCell,
    OutputPyramidal,
    StimulusCell,
)
from corinfomax.networks.corinfomax import CorInfoMax

#: Up to so many dimensions all eigenvalues are computed at once.
_DENSE = 600

_KNOWN = (StimulusCell, HiddenPyramidal, OutputPyramidal, SST, LeakySST, MultiplierCell, BackgroundInput)

Rates = Mapping[int, np.ndarray]


class HandwrittenLinearisation:
    """A `CorInfoMax` circuit linearised about a state.

    The state vector holds the potentials u of the layers 1 … P, one after the other, then those of leaky SST cells and
    of leaky dendrites, then those of multiplier cells.

    Parameters
    ----------
    circuit : CorInfoMax
    rates : mapping of int to ndarray (cells,)
        r of each layer k ≥ 1.
    multipliers : mapping of int to ndarray (constraints,), optional
        λ of each layer whose domain has constraints. Without it, all inequalities count as slack.
    beta : float, default 0
        β.

    Raises
    ------
    ParameterError
        If a population has custom cells, whose equations are not those above.
    """

    def __init__(self, circuit: CorInfoMax, rates: Rates, multipliers: Rates | None = None, beta: float = 0.0):
        self._circuit, self._convention, self._beta = circuit, circuit.convention, beta
        for spec in circuit.populations:
            if type(spec.cell) not in _KNOWN:
                raise ParameterError(
                    f"{spec.name}: the linearisation does not know cells of {type(spec.cell).__name__}"
                )
        cells = {spec.name: spec.cell.values for spec in circuit.populations}
        layers = range(1, circuit.output + 1)
        limits = {k: circuit.domains[k].constraints for k in layers if circuit.domains[k].constraints is not None}
        self._slow = {k: circuit.tau / cells[f"SST_{k}"]["tau_SST"] for k in layers if "tau_SST" in cells[f"SST_{k}"]}
        self._fast = {k: circuit.tau / cells[f"multiplier_{k}"]["tau_lambda"] for k in limits}
        sizes = {("u", k): circuit.sizes[k] for k in layers}
        sizes |= {("s", k): circuit.sizes[k] for k in self._slow}
        leaky = [("A", "tau_A"), ("B", "tau_B")]
        self._dendrites = {
            (name, k): circuit.tau / cells[f"layer_{k}"][tau]
            for name, tau in leaky
            for k in layers
            if tau in cells[f"layer_{k}"]
        }
        sizes |= {key: circuit.sizes[key[1]] for key in self._dendrites} | {("a", k): len(limits[k].b) for k in limits}
        edges = np.cumsum([0, *sizes.values()])
        self._rows = {key: slice(*ends) for key, *ends in zip(sizes, edges[:-1], edges[1:], strict=True)}
        self._size = int(edges[-1])

        r = {k: np.asarray(rates[k], dtype=float) for k in layers}
        self._S = {k: active.astype(float) for k, active in circuit.active(r).items()}
        self._Q, self._tight, self._gain = {}, {}, {}
        for k, limit in limits.items():
            self._Q[k] = np.sign(r[k]) if limit.magnitude else np.ones_like(r[k])
            given = np.zeros(len(limit.b)) if multipliers is None else np.asarray(multipliers[k])
            self._tight[k] = np.ones(len(limit.b)) if limit.equality else (given > 0).astype(float)
            shunt = limit.shunts @ (r[k] != 0) if circuit.constraints == "enforced" else 0.0
            self._gain[k] = self._fast[k] / (1 + shunt)

    def jacobian(self) -> LinearOperator:
        """τ_u d(δstate)/ds as an operator on the state vector, (n, n), real."""
        return LinearOperator((self._size, self._size), matvec=self._derivative, dtype=float)

    def spectral_abscissa(self) -> float:
        """Largest real part of the Jacobian's eigenvalues, in 1/τ_u: below 0 for a stable state.

        Activity settles as exp(-|abscissa| s/τ_u).
        """
        return float(_extreme(self.jacobian(), "LR").real.max())

    def euler_radius(self, step: float) -> float:
        """Largest modulus of the eigenvalues of one Euler step: the scheme is stable below 1, loops included.

        In the sequential schedule, thresholds follow enforced constraints a step later; that delay is left out.

        Parameters
        ----------
        step : float
            η = dt/τ_u.
        """
        blocks = list(self._blocks())

        def one_step(v):
            v = np.array(v, dtype=float).ravel()
            for block in blocks:
                change = self._derivative(v)
                for key in block:
                    v[self._rows[key]] += step * change[self._rows[key]]
            return v

        operator = LinearOperator((self._size, self._size), matvec=one_step, dtype=float)
        return float(np.abs(_extreme(operator, "LM")).max())

    def _blocks(self) -> Iterator[list]:
        """What is integrated at once, in the clock's order: leaky SST cells before the cells that read them."""
        sequential = self._circuit.schedule == "sequential"
        for k in range(1, self._circuit.output + 1) if sequential else (None,):
            for kinds in ("s", "uAB", "a") if sequential else ("s", "uABa"):
                if block := [key for key in self._rows if key[0] in kinds and k in (None, key[1])]:
                    yield block

    def _derivative(self, v: np.ndarray) -> np.ndarray:
        circuit, P = self._circuit, self._circuit.output
        W_ff, W_fb, D, O, A = (circuit.weights[key] for key in ("W_ff", "W_fb", "D", "O", "A"))
        state = {key: np.ravel(v)[rows] for key, rows in self._rows.items()}
        r, current = {}, {}
        for k, S in self._S.items():
            r[k], current[k] = state["u", k], 0.0
            if k in self._tight:
                inhibition = A[k].T @ (self._tight[k] * state["a", k])
                if circuit.constraints == "enforced":
                    r[k] = r[k] - self._Q[k] * inhibition
                else:
                    current[k] = inhibition
            r[k] = S * r[k]
        out = np.empty(self._size)
        for k in self._S:
            g_B = 1 / circuit.epsilon[k - 1]
            lateral = D[k] * r[k] - (state["s", k] if k in self._slow else O[k] @ r[k])
            if k < P:
                g_A, v_A, somatic = 1 / circuit.epsilon[k], lateral + W_fb[k] @ r[k + 1], 0.0
            else:
                g_A, somatic = (1.0 if self._convention == "authors" else self._beta), lateral
                against_rates = 0.0 if self._convention == "normative" else self._beta
                v_A = -against_rates / g_A * r[k] if g_A else np.zeros_like(r[k])
            v_B = W_ff[k - 1] @ r[k - 1] if k > 1 else np.zeros_like(r[k])
            coupled = {}
            for name, v in (("A", v_A), ("B", v_B)):
                coupled[name] = state.get((name, k), v)
                if (name, k) in self._dendrites:
                    out[self._rows[name, k]] = self._dendrites[name, k] * (v - coupled[name])
            leak = (circuit.g_leak + g_A + g_B) * state["u", k]
            F = g_A * coupled["A"] + g_B * coupled["B"] + somatic - leak - current[k]
            out[self._rows["u", k]] = F
            if k in self._slow:
                out[self._rows["s", k]] = self._slow[k] * (O[k] @ r[k] - state["s", k])
            if k in self._tight:
                decay = self._fast[k] * (self._tight[k] - 1) * state["a", k]
                out[self._rows["a", k]] = decay + self._gain[k] * (A[k] @ (self._Q[k] * r[k]))
        return out


def _extreme(operator: LinearOperator, which: str) -> np.ndarray:
    if operator.shape[0] > _DENSE:
        start = np.random.default_rng(0).standard_normal(operator.shape[0])
        try:
            return eigs(operator, k=4, which=which, v0=start, ncv=60, tol=1e-6, return_eigenvectors=False)
        except (ArpackNoConvergence, ArpackError):
            pass
    return np.linalg.eigvals(operator @ np.eye(operator.shape[0]))
