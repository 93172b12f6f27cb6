"""The circuit linearised about a state: how fast it settles, and whether its loops are stable.

With S_k = diag(σ'(u_k)), 1 for cells between their bounds and 0 for others, τ_u du/ds = F(u) has the Jacobian, block by
block (eqs 14, 15),

    ∂F_k/∂u_k     = -(g_lk + g_A + g_B) I + (2κγB_k + g_lk I) S_k        hidden, g_A = 1/ε_k, g_B = 1/ε_{k-1}
    ∂F_P/∂u_P     = -(g_lk + g_A + g_B) I + (κγB_P + g_lk I - c S_P)     output, g_A and c as the convention says
    ∂F_k/∂u_{k-1} = W_ff^(k-1) S_{k-1}/ε_{k-1}
    ∂F_k/∂u_{k+1} = W_fb^(k) S_{k+1}/ε_k

Multiplier cells and the delay of leaky interneurons are left out.
"""

from collections.abc import Mapping

import numpy as np
from scipy.sparse.linalg import ArpackError, ArpackNoConvergence, LinearOperator, eigs

from .conventions import CONVENTIONS
from .corinfomax import CorInfoMax

#: Up to so many cells all eigenvalues are computed at once.
_DENSE = 600


def jacobian(circuit: CorInfoMax, active: Mapping[int, np.ndarray], beta: float = 0.0) -> LinearOperator:
    """Jacobian of τ_u du/ds at a state.

    Parameters
    ----------
    circuit : CorInfoMax
    active : mapping of int to ndarray (cells,)
        Layer k ≥ 1 → which cells are between their bounds.
    beta : float, default 0
        β.

    Returns
    -------
    LinearOperator, (n, n)
        Over the potentials of the layers 1 … P, one after the other; real.
    """
    P, sizes = circuit.output, circuit.sizes
    edges = np.cumsum((0, *sizes[1:]))
    rows = {k: slice(edges[k - 1], edges[k]) for k in range(1, P + 1)}
    S = {k: np.asarray(active[k], dtype=float) for k in rows}
    W_ff, W_fb, B = (circuit.weights[key] for key in ("W_ff", "W_fb", "B"))
    g_lk, eps, entropy = circuit.g_leak, circuit.epsilon, circuit.entropy_gain * circuit.gamma
    reading = CONVENTIONS[circuit.convention]

    def product(v):
        v = np.asarray(v, dtype=float).ravel()
        u = {k: v[rows[k]] for k in rows}
        r = {k: S[k] * u[k] for k in rows}
        out = np.empty(edges[-1])
        for k in rows:
            if k < P:
                total = g_lk + 1 / eps[k - 1] + 1 / eps[k]
                own = 2 * entropy * (B[k - 1] @ r[k]) + g_lk * r[k] + W_fb[k] @ r[k + 1] / eps[k]
            else:
                total = g_lk + 1 / eps[k - 1] + reading.conductance(beta)
                own = entropy * (B[k - 1] @ r[k]) + (g_lk - reading.rate_gain(beta)) * r[k]
            out[rows[k]] = own - total * u[k]
            if k > 1:
                out[rows[k]] += W_ff[k - 1] @ r[k - 1] / eps[k - 1]
        return out

    return LinearOperator((edges[-1], edges[-1]), matvec=product, dtype=float)


def spectral_abscissa(circuit: CorInfoMax, active: Mapping[int, np.ndarray], beta: float = 0.0) -> float:
    """Largest real part of the Jacobian's eigenvalues, in 1/τ_u: below 0 for a stable state.

    Activity settles as exp(-|abscissa| s/τ_u). Parameters as in `jacobian`.
    """
    return float(_extreme(jacobian(circuit, active, beta), "LR").real.max())


def euler_radius(circuit: CorInfoMax, active: Mapping[int, np.ndarray], step: float, beta: float = 0.0) -> float:
    """Largest modulus of the eigenvalues of I + ηJ: Euler's scheme is stable below 1, loops included.

    Parameters
    ----------
    circuit, active, beta
        As in `jacobian`.
    step : float
        η = dt/τ_u.
    """
    J = jacobian(circuit, active, beta)
    euler = LinearOperator(J.shape, matvec=lambda v: np.ravel(v) + step * J.matvec(np.ravel(v)), dtype=float)
    return float(np.abs(_extreme(euler, "LM")).max())


def _extreme(operator: LinearOperator, which: str) -> np.ndarray:
    if operator.shape[0] > _DENSE:
        start = np.random.default_rng(0).standard_normal(operator.shape[0])
        try:
            return eigs(operator, k=4, which=which, v0=start, ncv=60, tol=1e-6, return_eigenvectors=False)
        except (ArpackNoConvergence, ArpackError):
            pass
    return np.linalg.eigvals(operator @ np.eye(operator.shape[0]))
