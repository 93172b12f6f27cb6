"""When learning by similarity matching converges: its equations, linearised about the fixed point.

The learning of W and M by all stimuli at once, in time counted by 2η per unit of W's rate,

    dW/ds = 2(FC - W),   dM/ds = (FCFᵀ - M^(p-1))/τ,   F = M⁻¹W,   C = ⟨x xᵀ⟩,

rests where F = Λ^((p-2)/2) Uᵀ, M = Λ, W = FC, up to a rotation of the outputs. About it, deviations decouple: into one
for each output i and direction a outside the subspace, with the rate 2(λ_a/λ_i - 1), and into those of W_ij, W_ji and
M_ij for each pair i ≤ j of outputs. One of a pair's three rates is 0, the rotation; the other two solve a quadratic
equation. p = 2 is projection (PSP), p = 1 whitening (PSW; Pehlevan, Sengupta & Chklovskii 2018, whose conditions these
are for p = 1 and 2).
"""

import numpy as np

from ...errors import ParameterError

#: p of the objectives, of which (2/p) Tr Mᵖ is a part.
EXPONENTS = {"psp": 2.0, "psw": 1.0}
#: Eigenvalues below this fraction of the largest are rounding.
ROUNDING = 1e-10


def growth_rates(values, k: int, exponent: float, ratio: float) -> np.ndarray:
    """Rates at which deviations from the fixed point grow, the rotations' zeros left out.

    Parameters
    ----------
    values : array_like (n,)
        Eigenvalues of ⟨x xᵀ⟩, descending.
    k : int
        Outputs; λ_k is above 0.
    exponent : float
        p.
    ratio : float
        τ.

    Returns
    -------
    ndarray of complex
        In units of η, per presentation. All real parts are below 0 if learning converges, from nearby.
    """
    values = np.asarray(values, dtype=float)
    inside, outside = values[:k], values[k:]
    escape = 2 * (outside[:, None] / inside - 1).ravel()
    i, j = np.triu_indices(k, 1)
    trace, minors, _ = _pairs(inside[i], inside[j], exponent)
    trace, minors = trace[0] + trace[1] / ratio, minors[0] + minors[1] / ratio
    root = np.sqrt((trace**2 - 4 * minors).astype(complex))
    own = _own(inside, exponent, ratio)
    return np.concatenate([escape, (trace + root) / 2, (trace - root) / 2, own])


def _pairs(a: np.ndarray, b: np.ndarray, p: float):
    """Trace and sum of the principal minors of each pair's matrix, as coefficients of 1 and 1/τ; and the matrix's Λ."""
    f, g = a ** ((p - 2) / 2), b ** ((p - 2) / 2)
    near = np.isclose(a, b, rtol=1e-9, atol=0)
    slope = np.where(near, (p - 1) * a ** (p - 2), (a ** (p - 1) - b ** (p - 1)) / np.where(near, 1, a - b))
    inner = g**2 * b / a + f**2 * a / b + slope
    A, B = 2 * (b / a - 1), 2 * (a / b - 1)
    # Rows: δW_ij, δW_ji, δM_ij. The last couples to them by -2gb/a, -2fa/b, and back by gb/a, fa/b over τ.
    first, second = 2 * (g * b / a) ** 2, 2 * (f * a / b) ** 2
    return (A + B, -inner), (A * B, -(A + B) * inner + first + second), slope


def _own(values: np.ndarray, p: float, ratio: float) -> np.ndarray:
    """Both rates of W_ii and M_ii of each output, by [[0, -2f], [2f/τ, -(2f² + (p-1)λ^(p-2))/τ]]."""
    power = values ** (p - 2)
    trace, determinant = -(2 + p - 1) * power / ratio, 4 * power / ratio
    root = np.sqrt((trace**2 - 4 * determinant).astype(complex))
    return np.concatenate([(trace + root) / 2, (trace - root) / 2])


def largest_ratio(values, k: int, exponent: float) -> float:
    """Largest τ below which learning converges.

    Parameters
    ----------
    values, k, exponent
        As in `growth_rates`.

    Returns
    -------
    float
        ∞ if any τ will do. For p = 2 the least of 1/(2(1 - 2/(λ_i/λ_j + λ_j/λ_i))) and for p = 1 of
        (λ_i + λ_j)/(2(λ_i - λ_j)²), over all pairs.
    """
    inside = np.asarray(values, dtype=float)[:k]
    i, j = np.triu_indices(k, 1)
    trace, minors, _ = _pairs(inside[i], inside[j], exponent)
    with np.errstate(divide="ignore", invalid="ignore"):
        bounds = np.concatenate([
            np.where(trace[0] > 0, -trace[1] / trace[0], np.inf),
            np.where(minors[0] < 0, -minors[1] / minors[0], np.inf),
        ])  # fmt: skip
    return float(min(bounds, default=np.inf))


def largest_step(values, k: int, exponent: float, ratio: float) -> float:
    """Largest constant η below which learning from all stimuli at once converges.

    Parameters
    ----------
    values, k, exponent, ratio
        As in `growth_rates`.

    Returns
    -------
    float
        Least of ``-2 Re μ/|μ|²`` over all rates μ; 0 if τ is too large.
    """
    rates = growth_rates(values, k, exponent, ratio)
    return max(0.0, float(np.min(-2 * rates.real / np.abs(rates) ** 2)))


def check_spectrum(values, k: int, exponent: float, ratio: float, what: str, cure: str = ""):
    """Refuse stimuli that have no k principal components, or of which learning would not converge.

    Parameters
    ----------
    values : array_like (n,)
        Eigenvalues of ⟨x xᵀ⟩, descending.
    k, exponent, ratio
        As in `growth_rates`.
    what : str
        How k is called in the message.
    cure : str, optional
        What else to do about τ.

    Raises
    ------
    ParameterError
        If fewer than k eigenvalues are above rounding, or τ is at or beyond `largest_ratio`.
    """
    values = np.asarray(values, dtype=float)
    rank = int(np.sum(values > ROUNDING * max(values[0], 0)))
    if k > rank:
        raise ParameterError(f"{what} = {k}: must be at most {rank}, the rank of the stimuli")
    if ratio >= (bound := largest_ratio(values, k, exponent)):
        raise ParameterError(
            f"ratio = {ratio:g}: must be below {_down(bound)} for learning to converge, by the eigenvalues of ⟨x xᵀ⟩, "
            f"{values[0]:.3g} to {values[k - 1]:.3g}{cure}"
        )


def _down(bound: float) -> str:
    """Three digits of a bound, rounded down."""
    unit = 10.0 ** (np.floor(np.log10(bound)) - 2)
    return f"{np.floor(bound / unit * (1 + 1e-12)) * unit:.3g}"
