"""Recording a run: traces of chosen layers and cells for chosen stimuli, as arrays for `recording.npz`."""

import json
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ...analysis.recordings import LAYER_PREFIX, SPIKES_PREFIX
from ...models import PHYSICAL_SCALE, MultiplierCell
from ...networks import Circuit, Population
from ...stimuli import Stimuli
from .presentation import Presentation
from .recordables import by_default, spiking
from .selections import by_place, indices_of, layer_of, stimuli_of


def record(
    preparation,
    stimuli: Stimuli,
    chosen: int | Sequence[int] | str,
    cells: Mapping[int, Sequence[int]],
    beta: float = 1.0,
    seed: int | None = None,
) -> dict[str, np.ndarray]:
    """Present test stimuli, with their targets if there are some, without learning, and record.

    Of each layer that is recorded is all that its cells declare to be so by default; and of cells that are linked to
    these one to one, such as error cells, the same.

    Parameters
    ----------
    preparation : Preparation
        With at least as many replicas as stimuli are chosen.
    stimuli : Stimuli
    chosen : int or sequence of int or str
        Indices of test stimuli; also as text, "0,3,8-12".
    cells : mapping of int to sequence of int
        Layer k ≥ 1 → indices of its cells.
    beta : float, default 1
        Nudging strength.
    seed : int, optional
        Of the background input, if the circuit has some.

    Returns
    -------
    dict of str to ndarray
        ``t`` (s), ``s``, ``phase``, ``beta``, ``teacher``, whether targets reach the circuit: (steps,); ``stimuli``,
        and ``labels`` or ``targets``, if there are some: (n, …); ``class_names`` of a set that has some, (classes,);
        ``output_layer``; ``V_rest`` (V); ``taught``, False of circuits without a teacher; ``seed``, if given;
        ``multiplier_k/r``, (steps, n, constraints), λ of layers with constraints; ``layer_k/cells``,
        ``layer_k/V_rest``, where cells have their own, and ``layer_k/V_soma`` and so on: (steps, n, cells);
        ``units``, a JSON table.
        Of linked cells ``error_1/V_soma`` and so on, and ``companions``, a JSON table of layer and kind by such names.
        Of populations that spike ``spikes/layer_1/time`` (s), ``stimulus``, counted within the recording, and ``cell``,
        (spikes,), of all cells, and ``spikes/layer_1/size``, how many there are, ``spikes/layer_1/layer`` and ``kind``.

    Raises
    ------
    StimulusError, ParameterError
        For stimuli, layers or cells that do not exist.
    """
    chosen = stimuli_of(stimuli, chosen)
    cells = {layer_of(preparation, k): indices for k, indices in by_place(cells).items()}
    cells = {k: indices_of(f"layer {k}, cell", chosen, preparation.layer(k).size) for k, chosen in cells.items()}
    layers = {k: preparation.layer(k) for k in cells}
    multipliers = [f"{name}.r" for name, it in preparation.populations.items() if isinstance(it.cell, MultiplierCell)]
    traced = {k: _traced(layer) for k, layer in layers.items()}
    beside = {name: (k, it) for k, layer in layers.items() for name, it in companions(preparation, layer)}
    of_companions = {name: _traced(it) for name, (_, it) in beside.items()}
    recorded = [*layers.values(), *(it for _, it in beside.values())]
    units = {item.name: item.unit for population in recorded for item in by_default(population)}
    variables = [name for names in (*traced.values(), *of_companions.values()) for name in names.values()]
    x, y = stimuli.x_test[chosen], shown_targets(preparation.circuit, stimuli, chosen)
    presentation = preparation.present(x, y, beta, learn=False, variables=(*variables, *multipliers), seed=seed)
    phases = presentation.phases
    arrays = {
        "t": np.concatenate([trace.t for trace in phases.values()]),
        "s": np.concatenate([trace.s for trace in phases.values()]),
        "beta": np.concatenate([trace.beta for trace in phases.values()]),
        "phase": np.concatenate([np.full(len(trace.t), name) for name, trace in phases.items()]),
        "teacher": np.concatenate([np.full(len(trace.t), trace.taught) for trace in phases.values()]),
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
        if stimuli.class_names is not None:
            arrays["class_names"] = np.array(stimuli.class_names)
    elif stimuli.y_test is not None:
        arrays["targets"] = stimuli.y_test[chosen]
    groups = [(f"{LAYER_PREFIX}{k}", layers[k], indices, traced[k]) for k, indices in cells.items()]
    groups += [(name, it, cells[k], of_companions[name]) for name, (k, it) in beside.items()]
    for group, population, indices, names in groups:
        arrays[f"{group}/cells"] = np.asarray(indices, dtype=int)
        own = population.cell.in_volts("V_rest")
        if own != arrays["V_rest"]:
            arrays[f"{group}/V_rest"] = np.array(own)
        for variable, name in names.items():
            trace = np.concatenate([phase[name] for phase in phases.values()])
            arrays[f"{group}/{variable}"] = trace[:, :, np.asarray(indices, dtype=int)]
    if beside:
        table = {name: {"layer": k, "kind": type(it.cell).__name__} for name, (k, it) in beside.items()}
        arrays["companions"] = np.array(json.dumps(table))
    for name in multipliers:
        arrays[name.replace(".", "/")] = np.concatenate([trace[name] for trace in phases.values()])
    return arrays | (_spikes(presentation, preparation.circuit) if spiking(preparation.populations) else {})


def _spikes(presentation: Presentation, circuit: Circuit) -> dict[str, np.ndarray]:
    """Spikes of a presentation as arrays, by population, those of the layers first."""
    arrays, spikes = {}, presentation.spikes
    for name in sorted(spikes, key=lambda name: name not in circuit.layers):
        trains = spikes[name]
        columns = {"time": trains.time, "stimulus": trains.row, "cell": trains.cell}
        told = {
            "size": np.array(len(trains.cells)),
            "layer": np.array(trains.layer),
            "kind": np.array(trains.cell_type),
        }
        arrays |= {f"{SPIKES_PREFIX}{name}/{column}": values for column, values in (columns | told).items()}
    return arrays


def _traced(population: Population) -> dict[str, str]:
    """Names under which a presentation holds what is recorded of a population."""
    return {item.name: f"{population.name}.{item.name}" for item in by_default(population)}


def restrict(arrays: Mapping[str, np.ndarray], cells: Mapping[int, Sequence[int]]) -> dict[str, np.ndarray]:
    """Leave of a recording's arrays the first cells of each layer, and what belongs to them.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        As `record` returns them, with these cells before others. Spikes stay those of all cells.
    cells : mapping of int to sequence of int
        Layer k ≥ 1 → indices of its cells; other layers are left out.

    Returns
    -------
    dict of str to ndarray
    """
    beside = json.loads(str(arrays.get("companions", "{}")))
    layers = {key.partition("/")[0] for key in arrays if key.startswith(LAYER_PREFIX)}
    number = {name: int(name.removeprefix(LAYER_PREFIX)) for name in layers}
    number |= {name: row["layer"] for name, row in beside.items()}
    kept = {}
    for key, values in arrays.items():
        k = number.get(key.partition("/")[0])
        if k is None:
            kept[key] = values
        elif k in cells:
            kept[key] = values[..., : len(cells[k])] if values.ndim else values  # V_rest is one for the layer
    if beside:
        kept["companions"] = np.array(json.dumps({name: row for name, row in beside.items() if row["layer"] in cells}))
    there, units = {key.rpartition("/")[2] for key in kept}, json.loads(str(arrays["units"]))
    kept["units"] = np.array(json.dumps({name: unit for name, unit in units.items() if name in there}))
    return kept


def companions(preparation, layer: Population) -> Iterator[tuple[str, Population]]:
    """Name the populations that read a layer's cells one to one where they stand, such as error cells.

    Interneurons that are reached by weights do not: they gather what many cells send.

    Parameters
    ----------
    preparation : Preparation
    layer : Population
        The principal one of a layer.
    """
    for spec in preparation.circuit.populations:
        sources = {source for _, (source, _) in spec.links}
        if spec.name not in preparation.circuit.layers and layer.name in sources:
            yield spec.name, preparation.populations[spec.name]


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
    preparation, stimuli: Stimuli, stimulus: int, number: int = 3, seed: int | None = None, others: Sequence[int] = ()
) -> dict[int, list[int]]:
    """Choose cells worth looking at: in hidden layers those that the teacher moves, in the output the target's.

    Of a hidden layer these are the cells whose rates differ most between the prediction and the end of the last phase
    that is taught; without a teacher, and beside the target's in the output, the most active.

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
    others : sequence of int, optional
        Further test stimuli, of which the output's target cells are to be there, too.

    Returns
    -------
    dict of int to list of int
        Layer k ≥ 1 → cells, in ascending order.
    """
    stimulus, *others = stimuli_of(stimuli, [stimulus, *others]).tolist()
    rates = preparation.settle(stimuli.x_test[stimulus], ("r",), seed=seed).r
    output = preparation.circuit.output
    taught = _taught_rates(preparation, stimuli, stimulus, seed)
    chosen = {}
    for k, r in rates.items():
        change = np.abs(taught[k][0] - r[0]) if taught and k != output else np.zeros_like(r[0])
        ranked = [int(cell) for cell in np.lexsort((-r[0], -change))]  # the more active of those that change alike
        targets = []
        if k == output and stimuli.task == "classification" and preparation.circuit.teacher is not None:
            targets = [int(label) for label in stimuli.labels_test[[stimulus, *others]]]
            ranked = [targets[0], *(cell for cell in ranked if cell != targets[0])]
        chosen[k] = sorted({*ranked[:number], *targets})
    return chosen


def _taught_rates(preparation, stimuli: Stimuli, stimulus: int, seed: int | None) -> dict[int, np.ndarray]:
    """Rates at the end of the last phase with the teacher; empty where there is none."""
    y = shown_targets(preparation.circuit, stimuli, [stimulus])
    if y is None:
        return {}
    x, beta = stimuli.x_test[[stimulus]], preparation.protocol.beta
    shown = preparation.present(x, y, beta, learn=False, variables=("r",), seed=seed)
    taught = [phase for phase in shown.phases.values() if phase.taught]
    return {k: r[-1] for k, r in taught[-1].r.items()} if taught else {}
