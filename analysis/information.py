"""Correlative mutual information (CMI) between two layers, in nats.

For activities x and y with uncentred correlations R = E[x xᵀ] over stimuli (Bozkurt et al. 2023, eqs 2 and 4),

    I(x, y) = ½ [log det(R_x + εI) + log det(R_y + εI) − log det(R_xy + εI)]
            = ½ log det(R_y + εI) − ½ log det(R_e + εI),    R_e = E[e eᵀ] + ε W Wᵀ,    e = y − W x,

where R_xy is the correlation of x and y stacked, and W = R_yx (R_x + εI)⁻¹ the ridge predictor. With any other W,
the weights of a circuit among them, the second form is a lower bound of I.
"""

import numpy as np

from ..errors import ParameterError


def cmi_joint(x, y, epsilon):
    """Measure correlative mutual information by its symmetric, joint form (eq 2).

    Parameters
    ----------
    x : array, (stimuli, N_x)
        Activity of one layer.
    y : array, (stimuli, N_y)
        Activity of the other layer to the same stimuli.
    epsilon : float
        Regularisation ε > 0, that of the projection between the layers.

    Returns
    -------
    float
        Nats, not negative.

    Raises
    ------
    ParameterError
        Shapes at odds, activity not finite, or ε too small to keep the correlations positive definite.
    """
    x, y = _paired(x, y)
    log_det_x, log_det_y, log_det_xy = (_log_det(_correlation(z), epsilon) for z in (x, y, np.hstack([x, y])))
    return 0.5 * (log_det_x + log_det_y - log_det_xy)


def cmi_forward(x, y, epsilon, W=None):
    """Measure correlative mutual information by the error of predicting y from x (eq 4).

    Parameters
    ----------
    x : array, (stimuli, N_x)
        Activity of the predicting layer.
    y : array, (stimuli, N_y)
        Activity of the predicted layer to the same stimuli.
    epsilon : float
        Regularisation ε > 0.
    W : array, (N_y, N_x), optional
        The predictor; the ridge predictor by default. Any other W gives a lower bound, which may be negative.

    Returns
    -------
    float
        Nats.

    Raises
    ------
    ParameterError
        Shapes at odds, activity not finite, or ε too small to keep the correlations positive definite.
    """
    x, y = _paired(x, y)
    W = ridge_predictor(x, y, epsilon) if W is None else np.asarray(W, dtype=float)
    if W.shape != (y.shape[1], x.shape[1]):
        raise ParameterError(f"cmi: W {W.shape} does not predict {y.shape[1]} units from {x.shape[1]}")
    R_e = _correlation(y - x @ W.T) + epsilon * W @ W.T
    return 0.5 * (_log_det(_correlation(y), epsilon) - _log_det(R_e, epsilon))


def cmi_backward(x, y, epsilon, W=None):
    """Measure correlative mutual information by the error of predicting x from y.

    This is `cmi_forward` with the roles exchanged.

    Parameters
    ----------
    x : array, (stimuli, N_x)
        Activity of the lower layer, predicted.
    y : array, (stimuli, N_y)
        Activity of the upper layer, predicting.
    epsilon : float
        Regularisation ε > 0.
    W : array, (N_x, N_y), optional
        The predictor; the ridge predictor by default.

    Returns
    -------
    float
        Nats.
    """
    return cmi_forward(y, x, epsilon, W)


def ridge_predictor(x, y, epsilon):
    """Compute the weights R_yx (R_x + εI)⁻¹ that predict y from x with the least E‖y − Wx‖² + ε‖W‖².

    Parameters
    ----------
    x : array, (stimuli, N_x)
        Activity of the predicting layer.
    y : array, (stimuli, N_y)
        Activity of the predicted layer to the same stimuli.
    epsilon : float
        Regularisation ε > 0.

    Returns
    -------
    array, (N_y, N_x)
        The predictor W.

    Raises
    ------
    ParameterError
        Shapes at odds, activity not finite, or ε too small to keep R_x + εI positive definite.
    """
    from scipy.linalg import cho_solve

    x, y = _paired(x, y)
    R_xy = x.T @ y / len(x)
    return cho_solve(_cholesky(_correlation(x), epsilon), R_xy).T


def _correlation(x):
    return x.T @ x / len(x)


def _cholesky(R, epsilon):
    from scipy.linalg import cho_factor

    if not epsilon > 0:
        raise ParameterError(f"cmi: epsilon = {epsilon} must be positive")
    try:
        return cho_factor(R + epsilon * np.eye(len(R)), lower=True)
    except np.linalg.LinAlgError:
        raise ParameterError(f"cmi: epsilon = {epsilon} is below the rounding error of these correlations") from None


def _log_det(R, epsilon):
    factor, _ = _cholesky(R, epsilon)
    return float(2 * np.log(np.diag(factor)).sum())


def _paired(x, y):
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y) or len(x) == 0:
        raise ParameterError(f"cmi: activities {x.shape} and {y.shape} are not (stimuli, units) of the same stimuli")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ParameterError("cmi: activity is not finite")
    return x, y
