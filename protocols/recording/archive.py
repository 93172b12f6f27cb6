"""Recording a run: traces of chosen layers and cells for chosen stimuli, as arrays for `recording.npz`."""

import json
from collections.abc import Mapping, Sequence

import numpy as np

from ...errors import ParameterError, StimulusError
from ...models import PHYSICAL_SCALE
from ...stimuli import Stimuli

#: Recorded variables of each layer, and their units.
UNITS = {
    "V_soma": "V",
    "V_basal": "V",
    "V_apical": "V",
    "V_SST": "V",
    "rate": "Hz",
    "i_SST": "1",
    "u": "1",
    "r": "1",
    "v_B": "1",
    "v_A": "1",
}


def record(
    preparation,
    stimuli: Stimuli,
    chosen: Sequence[int],
    cells: Mapping[int, Sequence[int]],
    beta: float = 1.0,
    seed: int | None = None,
) -> dict[str, np.ndarray]:
    """Present test stimuli with their targets, without learning, and record.

    Parameters
    ----------
    preparation : Preparation
        With at least as many replicas as stimuli are chosen.
    stimuli : Stimuli
    chosen : sequence of int
        Indices of test stimuli.
    cells : mapping of int to sequence of int
        Layer k ≥ 1 → indices of its cells.
    beta : float, default 1
        Nudging strength.
    seed : int, optional
        Of the background input, if the circuit has some.

    Returns
    -------
    dict of str to ndarray
        ``t`` (s), ``s``, ``phase``, ``beta``: (steps,); ``stimuli``, and ``labels`` or ``targets``: (n, …);
        ``output_layer``; ``V_rest`` (V); ``seed``, if given; ``multiplier_k/r``, (steps, n, constraints), λ of layers
        with constraints; ``layer_k/cells``, and ``layer_k/V_soma`` and so on: (steps, n, cells);
        ``units``, a JSON table.

    Raises
    ------
    StimulusError, ParameterError
        For stimuli, layers or cells that do not exist.
    """
    chosen = np.asarray(chosen, dtype=int)
    available = len(stimuli.x_test)
    for index in chosen:
        if not 0 <= index < available:
            raise StimulusError(f"stimulus {index}: {stimuli.name} has test stimuli 0 to {available - 1}")
    for k, indices in cells.items():
        if not 1 <= k <= preparation.circuit.output:
            raise ParameterError(f"layer {k}: this circuit has layers 1 to {preparation.circuit.output}")
        size = preparation.layer(k).size
        for index in indices:
            if not 0 <= index < size:
                raise ParameterError(f"layer {k}, cell {index}: this layer has cells 0 to {size - 1}")
    multipliers = [f"{name}.r" for name in preparation.populations if name.startswith("multiplier_")]
    x, y = stimuli.x_test[chosen], stimuli.y_test[chosen]
    presentation = preparation.present(x, y, beta, learn=False, variables=(*UNITS, *multipliers), seed=seed)
    phases = presentation.phases
    arrays = {
        "t": np.concatenate([trace.t for trace in phases.values()]),
        "s": np.concatenate([trace.s for trace in phases.values()]),
        "beta": np.concatenate([trace.beta for trace in phases.values()]),
        "phase": np.concatenate([np.full(len(trace.t), name) for name, trace in phases.items()]),
        "stimuli": chosen,
        "output_layer": np.array(preparation.circuit.output),
        "V_rest": np.array(float(PHYSICAL_SCALE["V_rest"])),
        "units": np.array(json.dumps(UNITS)),
    }
    if seed is not None:
        arrays["seed"] = np.array(seed)
    if stimuli.labels_test is not None:
        arrays["labels"] = stimuli.labels_test[chosen]
    else:
        arrays["targets"] = stimuli.y_test[chosen]
    for k, indices in cells.items():
        arrays[f"layer_{k}/cells"] = np.asarray(indices, dtype=int)
        for variable in UNITS:
            arrays[f"layer_{k}/{variable}"] = presentation.trace(variable, k)[:, :, np.asarray(indices, dtype=int)]
    for name in multipliers:
        arrays[name.replace(".", "/")] = np.concatenate([trace[name] for trace in phases.values()])
    return arrays


def representative_cells(
    preparation, stimuli: Stimuli, stimulus: int, number: int = 3, seed: int | None = None
) -> dict[int, list[int]]:
    """Choose cells worth looking at: the most active of each hidden layer, and the most active and the target output.

    Parameters
    ----------
    preparation : Preparation
    stimuli : Stimuli
    stimulus : int
        Index of a test stimulus.
    number : int, default 3
        Cells for each layer.
    seed : int, optional
        Of the background input, if the circuit has some.

    Returns
    -------
    dict of int to list of int
        Layer k ≥ 1 → cells, in ascending order.
    """
    if not 0 <= stimulus < len(stimuli.x_test):
        raise StimulusError(f"stimulus {stimulus}: {stimuli.name} has test stimuli 0 to {len(stimuli.x_test) - 1}")
    rates = preparation.settle(stimuli.x_test[stimulus], ("r",), seed=seed).r
    output = preparation.circuit.output
    chosen = {}
    for k, r in rates.items():
        ranked = [int(cell) for cell in np.argsort(-r[0], kind="stable")]
        if k == output and stimuli.labels_test is not None:
            target = int(stimuli.labels_test[stimulus])
            ranked = [target, *(cell for cell in ranked if cell != target)]
        chosen[k] = sorted(ranked[:number])
    return chosen
