"""The history of a run: one row an epoch, as written by training and read by figures."""

import io
from pathlib import Path

import numpy as np

from ..errors import ParameterError, RunError
from .activity import participation_ratio, saturation, settling_residual, stuck, treves_rolls_sparsity
from .information import cmi_backward, cmi_forward
from .weights import angle, definiteness


def read_history(folder):
    """Read the history of a run.

    Parameters
    ----------
    folder : path-like
        The run folder, which holds `history.csv`.

    Returns
    -------
    pandas.DataFrame
        One row an epoch; column `epoch` and the numbers of `summarise`, accuracies as fractions.

    Raises
    ------
    RunError
        `history.csv` is missing or damaged, or no epoch is written yet.
    """
    import pandas as pd

    path = Path(folder) / "history.csv"
    try:
        text = path.read_text(encoding="utf-8")
        # Since pandas 3.1 numbers are read as they were written, and to ask for it is deprecated.
        exact = {} if tuple(map(int, pd.__version__.split(".")[:2])) >= (3, 1) else {"float_precision": "round_trip"}
        history = pd.read_csv(io.StringIO(text), **exact)
    except FileNotFoundError:
        raise RunError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:  # pandas' own errors are ValueErrors
        reason = " ".join(str(error).split())
        raise RunError(f"{path}: not a readable table ({reason})") from error
    if not text.endswith("\n"):
        raise RunError(f"{path}: is cut short in its last row")
    if "epoch" not in history:
        raise RunError(f"{path}: has no column epoch")
    if history.empty:
        raise RunError(f"{path}: holds no epoch yet")
    damaged = [column for column in history if not pd.api.types.is_numeric_dtype(history[column])]
    if damaged or history["epoch"].isna().any():
        raise RunError(f"{path}: holds something other than numbers in column {', '.join(damaged) or 'epoch'}")
    return history


def summarise(r, u, residual, W_ff=None, W_fb=None, epsilon=(), B=None, O=None, bounds=None, active=None, excess=None):
    """Summarise one evaluation in the numbers that stand in the history, from states at the free phase's end.

    The information is that of the best linear predictors (ridge regression): with any other W, the circuit's own
    included, eqs 2 and 4 give a lower bound only (`corinfomax.analysis.information`). The forward and the backward
    form of the same two layers are then equal.

    Parameters
    ----------
    r : dict of int to array, (stimuli, N_k)
        Rates of the layers k = 0 … P, layer 0 the stimulus.
    u, residual : dict of int to array, (stimuli, N_k)
        Somatic potentials and τ_u du/ds of the layers k = 1 … P, dimensionless.
    W_ff : dict of int to array, (N_{k+1}, N_k), optional
        Feedforward weights of the projections k = 0 … P − 1.
    W_fb : dict of int to array, (N_k, N_{k+1}), optional
        Feedback weights of the projections k = 1 … P − 1.
    epsilon : sequence of float, length P, optional
        ε_k of the projections k = 0 … P − 1.
    B : dict of int to array, (N_k, N_k), optional
        Lateral weights of the layers k = 1 … P.
    O : dict of int to array, (N_k, N_k), optional
        Weights of SST cells onto the layers k = 1 … P, which inhibit where they are positive; the diagonal is none.
    bounds : dict of int to (float, float), optional
        Between which rates of the layers k = 1 … P lie; 0 and 1 by default.
    active : dict of int to array of bool, (stimuli, N_k), optional
        Which cells are neither silent nor saturated; by default those with u between the bounds.
    excess : dict of int to array, (stimuli,), optional
        By how much rates exceed the constraints of the layers' domains.

    Returns
    -------
    dict of str to float
        `angle_k` in degrees (k = 1 … P − 1, where there are weights); `norm_ff_k` and `norm_fb_k`, Frobenius norms;
        `definiteness_k`, the least eigenvalue of layer k's B over the largest; `negative_ff_k`, `negative_fb_k` and
        `exciting_SST_k`, the fractions of the synapses of W_ff and W_fb that inhibit and of SST cells that excite,
        against Dale's law; `cmi_forward_k` (k = 0 … P − 1) and
        `cmi_backward_k` (k = 1 … P − 1) in nats, where there is an ε; `sparsity_k`, `saturation_k` and
        `participation_ratio_k` and `stuck_k` (k = 1 … P); `excess_k`, which 99 % of the stimuli stay below, where
        layers have constraints; and `settling_residual`, the largest of all layers.

    Raises
    ------
    ParameterError
        A layer or projection is missing, or shapes are at odds.
    """
    layers = sorted(k for k in r if k > 0)
    bounds = dict.fromkeys(layers, (0.0, 1.0)) if bounds is None else bounds
    feedforward, feedback = range(len(epsilon)), range(1, len(epsilon))
    needed = {"r": (r, range(len(epsilon) + 1)), "u": (u, layers), "residual": (residual, layers)}
    needed |= {name: (W, feedback) for name, W in (("W_ff", W_ff), ("W_fb", W_fb)) if W is not None}
    for name, (given, numbers) in needed.items():
        if absent := [k for k in numbers if k not in given]:
            raise ParameterError(f"summarise: {name} has no entry {absent[0]}")

    weights = {} if W_ff is None or W_fb is None else {k: (W_ff[k], W_fb[k]) for k in feedback}
    return {
        **{f"angle_{k}": angle(*pair) for k, pair in weights.items()},
        **{f"norm_ff_{k}": float(np.linalg.norm(W)) for k, W in (W_ff or {}).items()},
        **{f"norm_fb_{k}": float(np.linalg.norm(W)) for k, W in (W_fb or {}).items()},
        **{f"definiteness_{k}": definiteness(matrix) for k, matrix in (B or {}).items()},
        **{f"negative_ff_{k}": float(np.mean(W < 0)) for k, W in (W_ff or {}).items()},
        **{f"negative_fb_{k}": float(np.mean(W < 0)) for k, W in (W_fb or {}).items()},
        **{f"exciting_SST_{k}": _off_diagonal(matrix < 0) for k, matrix in (O or {}).items()},
        **{f"cmi_forward_{k}": cmi_forward(r[k], r[k + 1], epsilon[k]) for k in feedforward},
        **{f"cmi_backward_{k}": cmi_backward(r[k], r[k + 1], epsilon[k]) for k in feedback},
        **{f"sparsity_{k}": treves_rolls_sparsity(r[k]) for k in layers},
        **{f"saturation_{k}": saturation(r[k], *bounds[k]) for k in layers},
        **{f"participation_ratio_{k}": participation_ratio(r[k]) for k in layers},
        **{f"stuck_{k}": stuck(r[k]) for k in layers},
        **{f"excess_{k}": float(np.quantile(values, 0.99)) for k, values in (excess or {}).items()},
        "settling_residual": max(
            (settling_residual(residual[k], u[k], *bounds[k], active=(active or {}).get(k)) for k in layers),
            default=0.0,
        ),
    }


def _off_diagonal(which):
    """Fraction of True among the elements off the diagonal, where there is none on it."""
    return float(np.count_nonzero(which) / max(which.size - len(which), 1))
