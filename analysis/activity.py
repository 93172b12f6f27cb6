"""What a layer's code is like: sparse, saturated, low-dimensional, at rest."""

import numpy as np

from ..errors import ParameterError


def treves_rolls_sparsity(r):
    """Measure the population sparsity of Treves & Rolls, the mean over stimuli.

    For each stimulus a = ⟨r⟩² / ⟨r²⟩, the averages over the N units (the fraction of active units, if the code is
    binary), and S = (1 − a) / (1 − 1/N): 0 if all units respond alike, 1 if only one responds (Treves & Rolls 1991,
    Network 2:371; normalised as by Vinje & Gallant 2000, Science 287:1273, who average over stimuli instead).

    Parameters
    ----------
    r : array, (stimuli, units)
        Nonnegative rates. A stimulus to which no unit responds counts as 1.

    Returns
    -------
    float
        Between 0 and 1, higher is sparser; 0 for a layer of one unit, which has no population to be sparse in.

    Raises
    ------
    ParameterError
        `r` is not (stimuli, units), or empty.
    """
    r = _responses(r)
    units = r.shape[1]
    if units == 1:
        return 0.0
    # Scaled to a peak of 1, so that the squares of very small rates do not vanish.
    peak = np.abs(r).max(axis=1, keepdims=True)
    r = r[peak[:, 0] > 0] / peak[peak > 0, np.newaxis]
    a = r.mean(axis=1) ** 2 / (r**2).mean(axis=1)
    silent = len(peak) - len(r)
    sparsity = (1 - a) / (1 - 1 / units)
    return float(np.clip((sparsity.sum() + silent) / len(peak), 0, 1))


def saturation(r, lower=0.0, upper=1.0):
    """Measure the fraction of responses at either bound of the nonlinearity.

    Parameters
    ----------
    r : array, (stimuli, units)
        Rates.
    lower, upper : float
        The bounds: 0 and 1 for the set B_∞,+; an infinite bound is never reached.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    ParameterError
        `r` is not (stimuli, units), or empty.
    """
    r = _responses(r)
    return float(np.mean((r <= lower) | (r >= upper)))


def stuck(r):
    """Measure the fraction of cells that respond to all stimuli alike, be they silent, saturated or constant.

    Parameters
    ----------
    r : array, (stimuli, units)
        Rates to at least two stimuli; one stimulus sticks no cell.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    ParameterError
        `r` is not (stimuli, units), or empty.
    """
    r = _responses(r)
    return float(np.mean(np.all(r == r[0], axis=0))) if len(r) > 1 else 0.0


def participation_ratio(r):
    """Measure the effective dimension (Σλ)² / Σλ² of a code, λ the eigenvalues of its covariance over stimuli.

    Parameters
    ----------
    r : array, (stimuli, units)
        Activity.

    Returns
    -------
    float
        From 1 (all variance along one direction) to min(units, stimuli − 1); 0 for activity that does not vary.

    Raises
    ------
    ParameterError
        `r` is not (stimuli, units), or empty.

    References
    ----------
    Gao et al. 2017, bioRxiv 214262.
    """
    r = _responses(r)
    if np.all(r == r[0]):
        return 0.0
    deviation = r - r.mean(axis=0)
    deviation /= np.abs(deviation).max()
    # Both Gram matrices have the same eigenvalues; Σλ and Σλ² are the smaller one's trace and squared norm.
    gram = deviation @ deviation.T if len(r) < r.shape[1] else deviation.T @ deviation
    return float(np.trace(gram) ** 2 / np.vdot(gram, gram))


def settling_residual(residual, u, lower=0.0, upper=1.0, active=None):
    """Find the largest ``|τ_u du/ds|`` over the unsaturated cells: how far from equilibrium a phase ended.

    Saturated cells are left out: their u may still move where their rate no longer does.

    Parameters
    ----------
    residual : array, any shape
        τ_u du/ds, dimensionless.
    u : array, same shape
        Somatic potential, dimensionless.
    lower, upper : float
        A cell is unsaturated where lower < u < upper.
    active : array of bool, same shape, optional
        Which cells are unsaturated, where u alone does not tell, as in domains that raise the threshold.

    Returns
    -------
    float
        0 if all cells are saturated.

    Raises
    ------
    ParameterError
        The shapes differ.
    """
    residual, u = np.asarray(residual, dtype=float), np.asarray(u, dtype=float)
    if residual.shape != u.shape:
        raise ParameterError(f"settling_residual: residual {residual.shape} and u {u.shape} differ in shape")
    unsaturated = (lower < u) & (u < upper) if active is None else active
    return float(np.abs(residual[unsaturated]).max(initial=0.0))


def _responses(r):
    r = np.asarray(r, dtype=float)
    if r.ndim != 2 or r.size == 0:
        raise ParameterError(f"activity {r.shape} is not (stimuli, units)")
    return r
