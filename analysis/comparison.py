"""Comparing perturbed circuits with their controls: tidy tables of differences, seed by seed, and their means."""

import numpy as np
import pandas as pd

from ..errors import ParameterError

#: What tells a measured number's place: of which layer and phase it is, "" or 0 where it is of all.
PLACE = ["quantity", "unit", "layer", "phase"]
CONTROL = ("control", "control")
COLUMNS = ["seed", "trained", "tested", *PLACE, "value", "rms_change"]


def against_control(rows):
    """Set each measured number against that of the control of the same seed.

    Parameters
    ----------
    rows : sequence of dict, or pandas.DataFrame
        With `seed`; `trained` and `tested`, each "control" or "perturbed"; `quantity`, `unit`, `layer`, `phase`;
        `value`; and `rms_change`, root mean square over stimuli and cells of what differs from the control.

    Returns
    -------
    pandas.DataFrame
        The same with the columns `control`, the control's value, and `difference`, value less control.

    Raises
    ------
    ParameterError
        A column is missing, or a seed has no control.
    """
    table = pd.DataFrame(rows)
    if missing := [name for name in COLUMNS if name not in table]:
        raise ParameterError(f"against_control: has no column {missing[0]}")
    of_control = table[(table["trained"] == CONTROL[0]) & (table["tested"] == CONTROL[1])]
    controls = of_control[["seed", *PLACE, "value"]].rename(columns={"value": "control"})
    joined = table.merge(controls, on=["seed", *PLACE], how="left", validate="many_to_one")
    if without := sorted(set(table["seed"]) - set(of_control["seed"])):
        raise ParameterError(f"against_control: seed {without[0]} has no control")
    return joined.assign(difference=joined["value"] - joined["control"])


def over_seeds(table):
    """Average over seeds.

    Parameters
    ----------
    table : pandas.DataFrame
        As `against_control` returns it.

    Returns
    -------
    pandas.DataFrame
        A row for each condition and quantity, in their order: `seeds`, their number, and mean and sample standard
        deviation (NaN of a single seed) of `value`, `control`, `difference` and `rms_change`, as `value_mean`,
        `value_sd` and so on.
    """
    columns = ["value", "control", "difference", "rms_change"]
    groups = table.groupby(["trained", "tested", *PLACE], sort=False, dropna=False)
    statistics = groups[columns].agg(["mean", "std"])
    statistics.columns = [f"{name}_{'sd' if kind == 'std' else kind}" for name, kind in statistics.columns]
    return groups.size().rename("seeds").to_frame().join(statistics).reset_index()


def rms(values):
    """Root mean square of an array, in double precision."""
    values = np.asarray(values, dtype=float)
    return float(np.sqrt(np.mean(values * values)))
