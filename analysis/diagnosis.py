"""What goes wrong in training, told from the history of a run: one finding for each known failure."""

from dataclasses import dataclass

#: max |τ_u du/ds| at the free phase's end. A circuit that settles stays below .3 throughout training on MNIST; one
#: that oscillates is beyond 1.
_UNSETTLED = 1.0
#: Angle between W_ff and W_fbᵀ, in degrees, below which they count as each other's transpose.
_SYMMETRIC = 20.0
#: Growth of a weight matrix's norm since the first epoch.
_GROWN = 10.0
#: Fraction of a layer's cells that respond to all stimuli alike.
_STUCK = 0.9
#: Least eigenvalue of B over the largest; the initial B = W Wᵀ is singular but for rounding, also in float32.
_INDEFINITE = -1e-4


@dataclass(frozen=True)
class Finding:
    """One thing that was measured, what it should be, and what to do if it is not.

    Parameters
    ----------
    what : str
        The quantity.
    found, wanted : str
        Measured and allowed values.
    advice : str
        What to change; empty if all is well.
    """

    what: str
    found: str
    wanted: str
    advice: str = ""

    def __str__(self):
        line = f"{self.what}: {self.found}, should be {self.wanted}"
        return f"{line}; {self.advice}" if self.advice else line


def diagnose(history):
    """Find the known failures of training in the last epoch of a history.

    Parameters
    ----------
    history : pandas.DataFrame or list of dict
        One row an epoch, with the columns of `summarise`; what is missing is not judged.

    Returns
    -------
    list of Finding
        One for each failure: no settling, weights that have become symmetric, growing norms, layers whose cells are
        dead or saturated, a lateral B that is no longer positive definite. Empty if all is well.
    """
    import pandas as pd

    history = pd.DataFrame(history)
    if history.empty:
        return []
    first, last = history.iloc[0], history.iloc[-1]
    findings = []
    if last.get("settling_residual", 0) > _UNSETTLED:
        findings.append(
            Finding(
                "Activity does not settle",
                f"|τ_u du/ds| = {last['settling_residual']:.3g} at the free phase's end",
                f"below {_UNSETTLED:g}",
                "take a longer free phase or a smaller step, or smaller learning rates if it was settled before",
            )
        )
    for column in history.columns:
        name, _, k = column.rpartition("_")
        value = last[column]
        if not k.isdecimal():
            continue
        if name == "angle" and value < _SYMMETRIC:
            findings.append(
                Finding(
                    f"W_ff and W_fbᵀ of layers {k} and {int(k) + 1} have become symmetric",
                    f"{value:.1f}°",
                    f"above {_SYMMETRIC:g}°",
                    f"harmless to learning, but no longer a test of it without symmetry; lower learning_rate_fb of {k}",
                )
            )
        elif name in ("norm_ff", "norm_fb") and value > _GROWN * first[column]:
            findings.append(
                Finding(
                    f"W_{name[-2:]} of projection {k} grows",
                    f"{value / first[column]:.3g} times its norm after the first epoch",
                    f"below {_GROWN:g}",
                    f"lower learning_rate_{name[-2:]} there, or take weight_decay",
                )
            )
        elif name == "stuck" and value > _STUCK:
            findings.append(
                Finding(
                    f"Cells of layer {k} are dead or saturated",
                    f"{100 * value:.0f} % respond to all stimuli alike",
                    f"below {100 * _STUCK:.0f} %",
                    "take a smaller learning rate of the weights into it, or other initial gains",
                )
            )
        elif name == "definiteness" and value < _INDEFINITE:
            findings.append(
                Finding(
                    f"B of layer {k} is no longer positive definite",
                    f"least eigenvalue {value:.3g} of the largest",
                    "not below 0",
                    'take lateral_rule = "regularised", or a forgetting factor nearer to 1',
                )
            )
    return findings
