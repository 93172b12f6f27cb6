"""Recording a run: traces of chosen layers and cells for chosen stimuli, as arrays for `recording.npz`."""

import json
from collections.abc import Mapping, Sequence

import numpy as np

from ...errors import ParameterError, StimulusError
from ...models import PHYSICAL_SCALE, MultiplierCell
from ...networks import Circuit
from ...stimuli import Stimuli
from .recordables import by_default


def record(
    preparation,
    stimuli: Stimuli,
    chosen: Sequence[int],
    cells: Mapping[int, Sequence[int]],
    beta: float = 1.0,
    seed: int | None = None,
) -> dict[str, np.ndarray]:
    """Present test stimuli, with their targets if there are some, without learning, and record.

    Of each layer that is recorded is all that its cells declare to be so by default.

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
        ``t`` (s), ``s``, ``phase``, ``beta``: (steps,); ``stimuli``, and ``labels`` or ``targets``, if there are some:
        (n, …); ``output_layer``; ``V_rest`` (V); ``taught``, False of circuits without a teacher; ``seed``, if given;
        ``multiplier_k/r``, (steps, n, constraints), λ of layers with constraints; ``layer_k/cells``, and
        ``layer_k/V_soma`` and so on: (steps, n, cells); ``units``, a JSON table.

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
    layers = {k: preparation.layer(k) for k in cells}
    multipliers = [f"{name}.r" for name, it in preparation.populations.items() if isinstance(it.cell, MultiplierCell)]
    traced = {k: {item.name: f"{layer.name}.{item.name}" for item in by_default(layer)} for k, layer in layers.items()}
    units = {item.name: item.unit for layer in layers.values() for item in by_default(layer)}
    variables = [name for names in traced.values() for name in names.values()]
    x, y = stimuli.x_test[chosen], shown_targets(preparation.circuit, stimuli, chosen)
    presentation = preparation.present(x, y, beta, learn=False, variables=(*variables, *multipliers), seed=seed)
    phases = presentation.phases
    arrays = {
        "t": np.concatenate([trace.t for trace in phases.values()]),
        "s": np.concatenate([trace.s for trace in phases.values()]),
        "beta": np.concatenate([trace.beta for trace in phases.values()]),
        "phase": np.concatenate([np.full(len(trace.t), name) for name, trace in phases.items()]),
        "stimuli": chosen,
        "output_layer": np.array(preparation.circuit.output),
        "V_rest": np.array(float(PHYSICAL_SCALE["V_rest"])),
        "units": np.array(json.dumps(units)),
    }
    if preparation.circuit.teacher is None:
        arrays["taught"] = np.array(False)
    if seed is not None:
        arrays["seed"] = np.array(seed)
    if stimuli.labels_test is not None:
        arrays["labels"] = stimuli.labels_test[chosen]
    elif stimuli.y_test is not None:
        arrays["targets"] = stimuli.y_test[chosen]
    for k, indices in cells.items():
        arrays[f"layer_{k}/cells"] = np.asarray(indices, dtype=int)
        for variable, name in traced[k].items():
            trace = np.concatenate([phase[name] for phase in phases.values()])
            arrays[f"layer_{k}/{variable}"] = trace[:, :, np.asarray(indices, dtype=int)]
    for name in multipliers:
        arrays[name.replace(".", "/")] = np.concatenate([trace[name] for trace in phases.values()])
    return arrays


def shown_targets(circuit: Circuit, stimuli: Stimuli, rows) -> np.ndarray | None:
    """Targets of test stimuli, where there are some and the circuit has a teacher.

    Parameters
    ----------
    circuit : Circuit
    stimuli : Stimuli
    rows : slice or array of int
        Which test stimuli.
    """
    return None if circuit.teacher is None or stimuli.y_test is None else stimuli.y_test[rows]


def representative_cells(
    preparation, stimuli: Stimuli, stimulus: int, number: int = 3, seed: int | None = None
) -> dict[int, list[int]]:
    """Choose cells worth looking at: the most active of each layer, and of the output the target's beside them.

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
        if k == output and stimuli.task == "classification" and preparation.circuit.teacher is not None:
            target = int(stimuli.labels_test[stimulus])
            ranked = [target, *(cell for cell in ranked if cell != target)]
        chosen[k] = sorted(ranked[:number])
    return chosen
