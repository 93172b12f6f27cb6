"""Damaged and nonsensical inputs: each is read, or refused in one line, in bounded memory and time."""

import contextlib
import json
import resource
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
from reliability_inputs import (
    ODD,
    Intact,
    archive,
    cifar,
    damaged,
    examples,
    exchanged,
    idx,
    parameters,
    read_arrays,
    rebuilt,
    resealed,
    tables,
    toml,
    words,
)
from reliability_runs import Child, Laboratory, memory
from reliability_trials import Trial

import corinfomax
from corinfomax.analysis import open_traces, read_recording
from corinfomax.errors import CorInfoMaxError
from corinfomax.networks import CorInfoMax
from corinfomax.protocols.clockwork import Preparation, contrastive
from corinfomax.protocols.perturbations import files as perturbation_files
from corinfomax.protocols.recording import Selection, SpikeSelection, StreamRecorder, WeightSelection
from corinfomax.protocols.runs import Configuration, RunFolder, Training, presets
from corinfomax.stimuli import Stimulus, load_stimuli

#: Inputs of a row.
BATCH = 50
#: Bytes that reading an input may take, and seconds of processor time.
MOST_MEMORY, LONGEST = 2**30, 10.0
#: Cases whose learning remembers more than weights, which a resumed run needs.
_REMEMBER = ("corinfomax, regularised", "reciprocal_feedback", "similarity_matching", "foldiak")
_PERTURBATIONS = {
    "perturbations": [
        {"kind": "silence", "population": "SST_1", "cells": [0, 2], "phases": ["nudge"]},
        {"kind": "drive", "population": "layer_1", "current": 0.5},
        {"kind": "clamp", "population": "layer_1", "compartment": "soma", "potential": "-60mV"},
        {"kind": "lesion", "weights": ["W_ff", 0], "fraction": 0.5},
        {"kind": "quantise", "weights": ["W_fb", 1], "bits": 4},
    ]
}


@dataclass(frozen=True)
class Kind:
    """A kind of input.

    Parameters
    ----------
    strategy : SearchStrategy
        Draws inputs.
    read : callable
        Takes one, and a folder of its own to put it in; what it returns counts as valid.
    number : int
        How many are tried.
    """

    strategy: st.SearchStrategy
    read: Callable[[Any, Path], object]
    number: int


def inputs(lab: Laboratory) -> Iterator[Trial]:
    """All kinds, in rows of `BATCH` inputs."""
    found = kinds(lab)
    for name, kind in found.items():
        for batch in range(-(-kind.number // BATCH)):
            run = lambda name=name, kind=kind, batch=batch: tried(lab, name, kind, batch)  # noqa: E731
            yield Trial("fuzz", name, batch, run)


def tried(lab: Laboratory, name: str, kind: Kind, batch: int, number: int = BATCH) -> dict[str, Any]:
    """Read a batch in processes whose memory is bounded, and count what comes of it.

    Parameters
    ----------
    lab : Laboratory
    name : str
    kind : Kind
    batch : int
        Seed of the inputs.
    number : int
        How many.
    """
    drawn = examples(kind.strategy, number, batch)
    place, told, ends = lab.place(), lab.place(), []
    place.mkdir()
    while len(ends) < len(drawn):
        told.write_text("")
        rest = drawn[len(ends) :]
        child = Child(lambda rest=rest: _each(kind.read, rest, place, told), first=_bounded)
        outcome = child.outcome()
        ends += [json.loads(line) for line in told.read_text().splitlines()]
        if outcome.kind != "done":  # the next one is what the process died of
            ends.append(["fault", f"{outcome.kind} {outcome.words}", outcome.seconds, 0])
    shutil.rmtree(place)
    counts = Counter(end[0] for end in ends)
    failed = Counter(f"{end[1]}" for end in ends if end[0] == "fault")
    return {
        "result": "faults" if counts["fault"] else "as wanted",
        "inputs": len(drawn),
        "accepted": counts["accepted"],
        "refused": counts["refused"],
        "faults": counts["fault"],
        "longest": f"{max(end[2] for end in ends):.2f}",
        "megabytes": f"{max(end[3] for end in ends):.0f}",
        "words": "; ".join(f"{number} × {words}" for words, number in failed.most_common(8)),
    }


def _bounded():
    """Let this process have `MOST_MEMORY` more than it has, and interrupt what takes too long."""
    limit = memory() + MOST_MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    signal.signal(signal.SIGPROF, _too_long)


def _too_long(number, frame):
    raise TimeoutError(f"takes more than {LONGEST:g} s")


def _each(read: Callable[[Any, Path], object], drawn: Sequence[Any], place: Path, told: Path):
    """Read inputs one after the other, and write a line for each."""
    strange: list[str] = []
    sys.unraisablehook = lambda raised: strange.append(f"ignored {raised.exc_value!r}")
    before = _peak()
    with told.open("a") as lines:
        for example in drawn:
            began, words = time.process_time(), ""
            signal.setitimer(signal.ITIMER_PROF, LONGEST)
            try:
                read(example, place)
                end = "accepted"
            except CorInfoMaxError as error:
                end = "refused" if len(str(error).splitlines()) == 1 else "fault"
                words = f"lines: {error}" if end == "fault" else ""
            except BaseException as error:
                end, words = "fault", _described(error)
            signal.setitimer(signal.ITIMER_PROF, 0)
            if strange:
                end, words = "fault", strange.pop()
            row = [end, " ".join(words.split())[:300], time.process_time() - began, (_peak() - before) / 2**20]
            lines.write(json.dumps(row) + "\n")
            lines.flush()


def _peak() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _described(error: BaseException) -> str:
    """Say what was raised, and by which line of the package."""
    place, trace = "", error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename.startswith(str(Path(corinfomax.__file__).parent)) and "/results/" not in code.co_filename:
            place = f" in {Path(code.co_filename).name}:{code.co_name}"
        trace = trace.tb_next
    return f"{type(error).__name__}: {error}{place}"


def kinds(lab: Laboratory, circuits: bool = True) -> dict[str, Kind]:
    """All kinds of input, by name.

    Parameters
    ----------
    lab : Laboratory
    circuits : bool, default True
        Whether files of circuits are among them, one of which must be trained first.
    """
    of = lambda path: Intact([path.read_bytes()])  # noqa: E731
    keys = sorted({key for section in Configuration.read("digits").to_dict().values() for key in section})
    static, toy = lab.reference("backpropagation")[0], lab.root / "stimuli" / "toy.npz"
    learnt, history = static / "checkpoint.npz", static / "history.csv"
    images = {name: idx(array, packed) for packed in (True, False) for name, array in _digits(packed).items()}
    photographs = {"cifar-10-binary.tar.gz": cifar(2)}
    resumed = _resumed(static, "checkpoint.npz", 1)
    found = {
        "parameter file, bytes": Kind(
            damaged(Intact(path.read_bytes() for path in presets().values())), _configured(False), 600
        ),
        "parameter file, values": Kind(parameters(lab.settings("corinfomax")), _configured(True), 1000),
        "--set": Kind(words(keys), lambda word, place: Configuration.read("digits", [word]), 800),
        "perturbations, bytes": Kind(damaged(Intact([toml(_PERTURBATIONS)])), _perturbed, 150),
        "perturbations, values": Kind(_odd_perturbations(), _perturbed, 300),
        "IDX": Kind(_named(images), lambda named, place: _loaded("mnist", images, named, place), 500),
        "CIFAR-10": Kind(_named(photographs), lambda named, place: _loaded("cifar10", {}, named, place), 300),
        "stimuli, bytes": Kind(damaged(of(toy)), _stimuli, 500),
        "stimuli, arrays": Kind(exchanged(Intact([read_arrays(toy)])).map(archive), _stimuli, 800),
        "stimuli, resealed": Kind(resealed(of(toy)), _stimuli, 300),
        "checkpoint, bytes": Kind(damaged(of(learnt)), resumed, 400),
        "checkpoint, arrays": Kind(exchanged(Intact([read_arrays(learnt)])).map(archive), resumed, 600),
        "checkpoint, resealed": Kind(resealed(of(learnt)), resumed, 300),
        "history.csv, bytes": Kind(damaged(of(history)), _told(static), 300),
        "history.csv, cells": Kind(tables(of(history)), _told(static), 400),
        "environment.json": Kind(damaged(of(static / "environment.json")), _environment(static), 100),
    }
    return found | (_of_circuits(lab) if circuits else {})


def _of_circuits(lab: Laboratory) -> dict[str, Kind]:
    run, traces = lab.reference("corinfomax")[0], Intact([_traces(lab)])
    configuration, recording, state = (run / name for name in ("config.toml", "recording.npz", "checkpoint.npz"))
    of = lambda path: Intact([read_arrays(path)])  # noqa: E731
    return {
        "config.toml of a run": Kind(
            damaged(Intact([configuration.read_bytes()])), _resumed(run, configuration.name), 300
        ),
        "checkpoint of a circuit, arrays": Kind(exchanged(of(state)).map(archive), _resumed(run, state.name), 400),
        **{
            f"checkpoint of {case}, arrays": Kind(
                exchanged(of(folder / state.name)).map(archive), _resumed(folder, state.name, 1), 100
            )
            for case in _REMEMBER
            for folder in [lab.reference(case)[0]]
        },
        "recording.npz, bytes": Kind(damaged(Intact([recording.read_bytes()])), _recorded, 300),
        "recording.npz, arrays": Kind(exchanged(of(recording)).map(archive), _recorded, 600),
        "HDF5 recording, bytes": Kind(damaged(traces), _opened, 600),
        "HDF5 recording, objects": Kind(rebuilt(traces), _opened, 300),
    }


def _configured(mounted: bool) -> Callable[[bytes, Path], object]:
    """Read a parameter file, and build all that it says, too."""

    def read(content: bytes, place: Path):
        path = place / "mine.toml"
        path.write_bytes(content)
        configuration = Configuration.read(path)
        if mounted:
            Training(configuration, RunFolder(place / "run"))

    return read


def _perturbed(content: bytes, place: Path):
    path = place / "mine.toml"
    path.write_bytes(content)
    perturbation_files.read_perturbations(path)


@st.composite
def _odd_perturbations(draw) -> bytes:
    entries = [dict(draw(st.sampled_from(_PERTURBATIONS["perturbations"]))) for _ in range(draw(st.integers(1, 3)))]
    for entry in entries:
        names = sorted({name for each in _PERTURBATIONS["perturbations"] for name in each} | {"from", "layer", "seed"})
        entry[draw(st.sampled_from(names))] = draw(ODD)
    return toml({"perturbations": entries})


def _named(files: dict[str, bytes]) -> st.SearchStrategy:
    """One of some files, damaged."""
    return st.one_of(
        *(damaged(Intact([content])).map(lambda bad, name=name: (name, bad)) for name, content in files.items())
    )


def _digits(packed: bool) -> dict[str, np.ndarray]:
    """Images and labels under the names of MNIST's files; those to train with are packed, those to test with not."""
    rng, part, ending = np.random.default_rng(0), *(("train", ".gz") if packed else ("t10k", ""))
    return {
        f"{part}-images-idx3-ubyte{ending}": rng.integers(0, 256, (20, 5, 4)),
        f"{part}-labels-idx1-ubyte{ending}": np.arange(20) % 10,
    }


def _loaded(name: str, files: dict[str, bytes], named: tuple[str, bytes], place: Path):
    """Load a set of which one file is damaged."""
    for path in place.iterdir():
        path.unlink()
    for file, content in {**files, named[0]: named[1]}.items():
        (place / file).write_bytes(content)
    load_stimuli(name, place)


def _stimuli(content: bytes, place: Path):
    path = place / "mine.npz"
    path.write_bytes(content)
    load_stimuli(path)


def _recorded(content: bytes, place: Path):
    path = place / "recording.npz"
    path.write_bytes(content)
    read_recording(path)


def _opened(content: bytes, place: Path):
    """Read all of a recording: its tables, traces, spikes and weights."""
    path = place / "a.h5"
    path.write_bytes(content)
    with open_traces(path) as traces:
        repr(traces), traces.trials, traces.phases
        for frame in traces.frames():
            len(frame)
        for trains in traces.spikes.values():
            trains.dataframe()
        for weights in traces.weights.values():
            weights.dataframe()


def _resumed(run: Path, name: str, further: int = 0) -> Callable[[bytes, Path], object]:
    """Take up a copy of a run of which one file is damaged, and train it for so many further epochs."""

    def read(content: bytes, place: Path):
        folder = RunFolder(place / "run")
        shutil.rmtree(folder.path, ignore_errors=True)
        shutil.copytree(run, folder.path)
        (folder.path / name).write_bytes(content)
        found = folder.configuration()
        if further:
            values = found.to_dict()
            values["training"]["epochs"] += further
            found = Configuration(values, str(folder.path / "config.toml"), found.loaded_from)
        training = Training(found, folder, resume=True)
        if further:
            training.run()

    return read


def _told(run: Path) -> Callable[[bytes, Path], object]:
    """Show a run whose history is damaged, and go on with it."""
    resume = _resumed(run, "history.csv", 1)

    def read(content: bytes, place: Path):
        resume(content, place)
        repr(corinfomax.Run(place / "run"))

    return read


def _environment(run: Path) -> Callable[[bytes, Path], object]:
    def read(content: bytes, place: Path):
        _resumed(run, "environment.json", 1)(content, place)
        corinfomax.cite(place / "run")

    return read


def _traces(lab: Laboratory) -> bytes:
    """Give a recording of a spiking circuit that learns: potentials, spikes and weights."""
    circuit = CorInfoMax([6, 5, 3], signal="spikes")
    preparation = Preparation(circuit, 2, protocol=contrastive(free_steps=20, nudge_steps=10), target="numpy")
    rng, path = np.random.default_rng(0), lab.place().with_suffix(".h5")
    chosen = [
        Selection("layer_1", ("V_soma", "V_basal")),
        SpikeSelection("layer_1"),
        WeightSelection(("W_ff", 0), post=[0, 1], changes=True),
    ]
    with StreamRecorder(preparation, path, chosen, labels=np.arange(2)), contextlib.suppress(KeyboardInterrupt):
        shown = [Stimulus(rng.random((2, 6)), rng.random((2, 3)), rows=np.arange(2)) for _ in range(3)]
        preparation.run(shown)
    return path.read_bytes()
