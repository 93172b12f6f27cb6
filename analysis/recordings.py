"""Recordings: what chosen cells did at every step of a presentation."""

import json
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pandas as pd

from ..errors import ParameterError, RunError
from .archives import read_archive
from .spikes import SpikeTrains

LAYER_PREFIX = "layer_"
SPIKES_PREFIX = "spikes/"


@dataclass(frozen=True, eq=False)
class LayerRecording:
    """Traces of one layer's recorded cells; `layer["V_soma"]` is one of them.

    Parameters
    ----------
    cells : array of int, (cells,)
        The cells' numbers in their layer.
    traces : dict of str to array, (steps, stimuli, cells)
        By variable, what the layer's cells declare: of a CorInfoMax circuit `V_soma`, `V_basal`, `V_apical` and
        `V_SST`, the soma of the cell's interneuron, in volts, `rate` in hertz, `i_SST`, `u`, `r`, `v_B`, `v_A`
        dimensionless.
    V_rest : float, optional
        Resting potential of the cells in volts, which those with a leaky soma have of their own; by default that of the
        recording.
    """

    cells: np.ndarray
    traces: dict[str, np.ndarray]
    V_rest: float | None = field(default=None, kw_only=True)

    def __getitem__(self, variable):
        try:
            return self.traces[variable]
        except KeyError:
            raise ParameterError(f"{variable} was not recorded, only {', '.join(sorted(self.traces))}") from None


@dataclass(frozen=True, eq=False)
class Companions(LayerRecording):
    """Traces of cells that are linked one to one with those recorded of a layer, and have their numbers.

    Parameters
    ----------
    cells, traces, V_rest
        As in `LayerRecording`.
    layer : int
    kind : str
        Class of the cells, such as "ErrorCell".
    """

    layer: int
    kind: str


@dataclass(frozen=True, eq=False)
class Recording:
    """A presentation, step by step.

    Parameters
    ----------
    t : array, (steps,)
        Time in seconds.
    s : array, (steps,)
        Integration variable Σ η_i, the time in which the circuit moves at unit pace.
    phase : array of str, (steps,)
        "free", "nudge", "third", or what else the protocol's phases are called.
    beta : array, (steps,)
        Signed nudging strength β.
    stimuli : array of int, (stimuli,)
        The stimuli's indices in their set.
    layers : dict of int to LayerRecording
        The recorded layers, some of 1 … P.
    output_layer : int
        P, recorded or not.
    V_rest : float
        Resting potential in volts; see `rest_of`.
    labels : array of int, (stimuli,), optional
        The stimuli's classes, from 0.
    class_names : array of str, (classes,), optional
        What the classes are called; by default their numbers.
    targets : array, (stimuli, outputs), optional
        The stimuli's targets.
    units : dict of str to str
        Unit of each variable.
    seed : int, optional
        Of the background input; None where it is not known.
    taught : bool, default True
        Whether the circuit has a teacher, so that its output cells stand for classes or targets.
    teacher : array of bool, (steps,), optional
        Whether targets reach the circuit, be it nudged or clamped; by default where β is not 0.
    companions : dict of str to Companions
        Cells beside the recorded ones, such as error cells, by the name of their population.
    spikes : dict of str to SpikeTrains
        Spikes of all cells, by population, those of the layers first; empty where no cell spikes.
    """

    t: np.ndarray
    s: np.ndarray
    phase: np.ndarray
    beta: np.ndarray
    stimuli: np.ndarray
    layers: dict[int, LayerRecording]
    output_layer: int
    V_rest: float
    labels: np.ndarray | None = None
    class_names: np.ndarray | None = None
    targets: np.ndarray | None = None
    units: dict[str, str] = field(default_factory=dict)
    seed: int | None = None
    taught: bool = True
    teacher: np.ndarray | None = None
    companions: dict[str, Companions] = field(default_factory=dict)
    spikes: dict[str, SpikeTrains] = field(default_factory=dict)

    def potentials(self, k):
        """Name the potentials that were recorded of layer k's cells, in volts, in the order of the file."""
        return [name for name in self.layers[k].traces if name.startswith("V_") and self.units.get(name, "V") == "V"]

    def rest_of(self, k):
        """Resting potential of layer k's cells in volts: their own, where they have one."""
        own = self.layers[k].V_rest
        return self.V_rest if own is None else own

    def phases(self):
        """List the phases in order, each as (name, slice of its steps)."""
        changes = np.flatnonzero(self.phase[1:] != self.phase[:-1]) + 1
        edges = [0, *changes.tolist(), len(self.phase)]
        return [(str(self.phase[a]), slice(a, b)) for a, b in pairwise(edges)]

    def spikes_of(self, k):
        """Spikes of the cells of layer k, 0 for the inputs; None where they do not spike."""
        return next((trains for trains in self.spikes.values() if trains.layer == k), None)

    def is_taught(self, steps):
        """Whether targets reach the circuit in some steps, a slice of them."""
        return bool((self.beta if self.teacher is None else self.teacher)[steps].any())

    def class_of(self, stimulus):
        """What a stimulus's class is called, or None where classes are not known."""
        if self.labels is None:
            return None
        return str(self.labels[stimulus] if self.class_names is None else self.class_names[self.labels[stimulus]])

    def target_cell(self, stimulus):
        """Name the output cell that stands for a stimulus's class, or None where there is none."""
        if not self.taught:
            return None
        if self.labels is not None:
            return int(self.labels[stimulus])
        if self.targets is None or self.targets.shape[1] == 1:
            return None
        target = self.targets[stimulus]
        one_hot = np.count_nonzero(target) == 1 and target.max() == 1
        return int(target.argmax()) if one_hot else None


def check_stimulus(recording, stimulus, where):
    """Raise a `ParameterError`, which names the caller, for no recording, or one that has no such stimulus."""
    if not isinstance(recording, Recording):
        given = type(recording).__name__
        raise ParameterError(
            f"{where}: takes a Recording, which Run.record() gives without a path; this is of type {given}"
        )
    if not 0 <= stimulus < len(recording.stimuli):
        raise ParameterError(f"{where}: stimulus {stimulus} is not among 0 to {len(recording.stimuli) - 1}")


def read_recording(path):
    """Read a recording from its archive.

    Parameters
    ----------
    path : path-like
        `recording.npz`: the fields of `Recording` under their names, those of layer k under `layer_{k}/…`, and
        `units` as JSON text. Without `output_layer` the highest layer recorded is taken for the output.

    Returns
    -------
    Recording
        With the layers in ascending order.

    Raises
    ------
    RunError
        The file is missing or damaged, or its arrays do not fit each other.
    """
    return as_recording(read_archive(path), path)


def as_recording(archive, path):
    """Take the arrays of a recording for one, before or after they are written.

    Parameters
    ----------
    archive : mapping of str to array
        What `read_recording` finds in a file.
    path : path-like
        For errors.

    Returns
    -------
    Recording

    Raises
    ------
    RunError
        The arrays do not fit each other, or some are missing.
    """
    try:
        layers = _layers(archive)
        recording = Recording(
            **{name: archive[name] for name in ("t", "s", "phase", "beta", "stimuli")},
            teacher=archive.get("teacher"),
            labels=archive.get("labels"),
            class_names=archive.get("class_names"),
            targets=archive.get("targets"),
            layers=layers,
            output_layer=int(archive.get("output_layer", max(layers, default=0))),
            V_rest=float(archive["V_rest"]),
            units=json.loads(str(archive["units"])),
            seed=int(archive["seed"]) if "seed" in archive else None,
            taught=bool(archive.get("taught", True)),
            companions=_companions(archive),
        )
    except KeyError as error:
        raise RunError(f"{path}: has no {error.args[0]}") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise RunError(f"{path}: damaged ({error})") from None
    _check_shapes(recording, path)
    try:
        recording.spikes.update(_spikes(archive, recording))
    except KeyError as error:
        raise RunError(f"{path}: has no {error.args[0]}") from None
    except (ValueError, TypeError, IndexError) as error:
        raise RunError(f"{path}: damaged ({error})") from None
    return recording


def _layers(archive):
    keys = [key.removeprefix(LAYER_PREFIX).split("/", 1) for key in archive if key.startswith(LAYER_PREFIX)]
    numbers = sorted({int(number) for number, _ in keys})
    return {k: LayerRecording(**_cells_and_traces(archive, f"{LAYER_PREFIX}{k}")) for k in numbers}


def _companions(archive):
    table = json.loads(str(archive.get("companions", "{}")))
    return {
        name: Companions(**_cells_and_traces(archive, name), layer=int(row["layer"]), kind=str(row["kind"]))
        for name, row in table.items()
    }


def _spikes(archive, recording):
    """Spikes by population, in the presentations and phases that the recording has."""
    names = [key.removeprefix(SPIKES_PREFIX) for key in archive if key.startswith(SPIKES_PREFIX)]
    names = dict.fromkeys(name.rpartition("/")[0] for name in names)
    if not names:
        return {}
    t, count = recording.t, len(recording.stimuli)
    dt = float(t[1] - t[0]) if len(t) > 1 else float(t[0])
    bands = recording.phases()
    trials = pd.DataFrame(
        {
            "trial": 0,
            "replica": np.arange(count),
            "stimulus": recording.stimuli,
            "label": -1 if recording.labels is None else recording.labels,
            "class_name": "" if recording.labels is None else [recording.class_of(n) for n in range(count)],
            "start": 0.0,
            "stop": float(t[-1]),
        }
    )
    edges = np.array([0.0, *(t[steps.stop - 1] for _, steps in bands)])
    phases = pd.DataFrame(
        {
            "row": np.repeat(np.arange(count), len(bands)),
            "name": np.tile(np.array([name for name, _ in bands], dtype=object), count),
            "start": np.tile(edges[:-1], count),
            "stop": np.tile(edges[1:], count),
        }
    )
    found = {}
    for name in names:
        told = {
            key: archive[f"{SPIKES_PREFIX}{name}/{key}"]
            for key in ("time", "stimulus", "cell", "size", "layer", "kind")
        }
        time, row, cell, size = told["time"], told["stimulus"], told["cell"], int(told["size"])
        if len({each.shape for each in (time, row, cell)}) != 1 or time.ndim != 1:
            raise ValueError(f"spikes of {name} differ in length")
        for what, numbers, limit in (("stimuli", row, count), ("cells", cell, size)):
            if numbers.dtype.kind not in "iu" or not ((numbers >= 0) & (numbers < limit)).all():
                raise ValueError(f"{what} of the spikes of {name} are out of range")
        if not ((time > 0) & (time < edges[-1] + dt / 2)).all() or (np.diff(time) < 0).any():
            raise ValueError(f"times of the spikes of {name} are not in order, or beyond the recording")
        phase = np.searchsorted(edges[1:] + dt / 2, time)
        found[name] = SpikeTrains(
            name, int(told["layer"]), str(told["kind"]), np.arange(size), time, cell, row * len(bands) + phase,
            trials, phases, dt,
        )  # fmt: skip
    return found


def _cells_and_traces(archive, name):
    cells, prefix = archive[f"{name}/cells"], f"{name}/"
    traces = {key.removeprefix(prefix): values for key, values in archive.items() if key.startswith(prefix)}
    del traces["cells"]
    own = traces.pop("V_rest", None)
    return {"cells": cells, "traces": traces, "V_rest": None if own is None else float(own)}


def _check_shapes(recording, path):
    steps, stimuli = recording.t.shape, recording.stimuli.shape
    if len(steps) != 1 or steps[0] == 0 or len(stimuli) != 1 or not recording.layers:
        raise RunError(f"{path}: records no steps, no stimuli or no layer")
    expected = {name: (getattr(recording, name), steps) for name in ("s", "phase", "beta")}
    if recording.teacher is not None:
        expected["teacher"] = (recording.teacher, steps)
    if recording.labels is not None:
        expected["labels"] = (recording.labels, stimuli)
        names = recording.class_names
        if names is not None and (names.ndim != 1 or recording.labels.max() >= len(names)):
            raise RunError(f"{path}: class_names has shape {names.shape}, too few for its labels")
    if recording.targets is not None:
        expected["targets"] = (recording.targets, stimuli + recording.targets.shape[1:2])
    groups = {f"{LAYER_PREFIX}{k}": layer for k, layer in recording.layers.items()} | recording.companions
    for name, group in groups.items():
        cells = (group.cells.size,)
        expected[f"{name}/cells"] = (group.cells, cells)
        expected |= {f"{name}/{v}": (trace, steps + stimuli + cells) for v, trace in group.traces.items()}
    for name, (array, shape) in expected.items():
        if array.shape != shape:
            raise RunError(f"{path}: {name} has shape {array.shape}, expected {shape}")
