"""The systems that share no code with CorInfoMax, from the presets to the end of each command."""

import io
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import pytest
from filelock import FileLock

import corinfomax
from corinfomax.analysis import open_traces, read_history, read_recording
from corinfomax.commands import main
from corinfomax.protocols.runs import Configuration, RunFolder, Training

#: Presets, settings that make them quick, columns that are theirs, and figures beside those of the weights.
SYSTEMS = {
    "digits_spiking": (
        [
            "architecture=[64,20,10]",
            "free_steps=20",
            "nudge_steps=20",
            "spikes_read=10",
            "sst_every=20",
            "learning_rate_ff=0.05",
            "learning_rate_fb=0.05",
        ],
        {"test_accuracy", "norm_ff_0", "saturation_1"},
        {"learning_curve", "circuit", "compartment_voltages", "activity_histograms"},
    ),
    "digits_ep": (
        ["architecture=[64,20,10]", "free_steps=8"],
        {"test_accuracy", "norm_W_0", "saturation_1"},
        {"learning_curve", "circuit", "compartment_voltages", "activity_histograms"},
    ),
    "digits_csm": (
        ["architecture=[64,20,10]", "free_steps=8"],
        {"test_accuracy", "norm_W_0", "norm_M_1", "saturation_1"},
        {"learning_curve", "circuit", "compartment_voltages", "activity_histograms"},
    ),
    "digits_pc": (
        ["architecture=[64,20,10]", "steps=12"],
        {"test_accuracy", "norm_W_0", "sparsity_1"},
        {"learning_curve", "circuit", "compartment_voltages", "activity_histograms"},
    ),
    "digits_pc_nudge": (
        ["architecture=[64,20,10]", "steps=12"],
        {"test_accuracy", "norm_W_0", "sparsity_1"},
        {"learning_curve", "circuit", "compartment_voltages", "activity_histograms"},
    ),
    "digits_psp": (
        ["architecture=[64,3]", "steps=40"],
        {"subspace_error", "objective", "definiteness_M"},
        {"scores", "circuit", "compartment_voltages"},
    ),
    "digits_rf": (
        ["architecture=[64,20,10]", "initial_noise=5"],
        {"test_accuracy", "norm_W_0", "angle_1", "inverse_error_1", "condition_1", "penrose_1_1", "penrose_4_1"},
        {"learning_curve", "circuit", "compartment_voltages", "activity_histograms"},
    ),
    "digits_nsm": (
        ["architecture=[64,4]", "steps=40"],
        {"similarity_error", "sparsity_1", "definiteness_M"},
        {"scores", "circuit", "compartment_voltages"},
    ),
    "subspace_foldiak": (
        ["steps=10"],
        {"subspace_error", "definiteness_M"},
        {"scores", "circuit", "compartment_voltages"},
    ),
    "digits_fa_ce": (
        ["architecture=[64,20,10]"],
        {"test_accuracy", "loss", "norm_W_0", "angle_1"},
        {"learning_curve", "scores"},
    ),
    "digits_bp_mse": (["architecture=[64,20,10]"], {"test_accuracy", "loss", "norm_W_0"}, {"learning_curve", "scores"}),
}
CIRCUITS = [name for name in SYSTEMS if not name.startswith(("digits_bp", "digits_fa"))]


def settings(name):
    return ["epochs=2", "batch_size=80", "target=numpy", *SYSTEMS[name][0]]


def in_this_process(words):
    """Output of a command, which must end with 0 and an empty standard error."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["corinfomax", *words])
        with pytest.raises(SystemExit) as end:
            main()
    assert (end.value.code or 0, err.getvalue()) == (0, "")
    return out.getvalue()


@pytest.fixture(scope="module")
def trained(tmp_path_factory, worker_id):
    """Train each system once for all processes of the tests; return a copy of its run folder, and its output."""
    own = tmp_path_factory.getbasetemp()
    shared, runs = own if worker_id == "master" else own.parent, {}

    def train(name):
        if name not in runs:
            folder = shared / f"trained-{name}"
            with FileLock(f"{folder}.lock"):
                if not folder.exists():  # it comes there when it is whole
                    made = tmp_path_factory.mktemp(f"made-{name}")
                    output = output_of_training(name, made / "run")
                    (made / "output.txt").write_text(output, encoding="utf-8")
                    made.rename(folder)
            run = tmp_path_factory.mktemp(name) / "run"
            shutil.copytree(folder / "run", run)
            runs[name] = run, (folder / "output.txt").read_text(encoding="utf-8")
        return runs[name]

    return train


def output_of_training(name, run):
    """Train a system by the command line, in a process of its own if it needs no Brian2."""
    words = ["train", name, "--out", str(run), *(word for setting in settings(name) for word in ("--set", setting))]
    if name in CIRCUITS:
        return in_this_process(words)
    code = "import sys; from corinfomax.commands import main\ntry:\n    main()\nfinally:\n"
    code += "    print('Brian2 is imported:', 'brian2' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, env={**os.environ, "MPLBACKEND": "Agg"}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", SYSTEMS)
def test_training_ends_with_its_own_columns_and_figures(trained, name):
    """What a run leaves is what the registry's entry declares; no Brian2 is imported where nothing is integrated."""
    run, out = trained(name)
    _, columns, figures = SYSTEMS[name]
    assert columns <= set(read_history(run))
    assert figures <= {path.stem for path in (run / "figures").iterdir()}
    error = next((name for name in sorted(columns) if name.endswith("_error")), "")
    last = "Test accuracy" if "test_accuracy" in columns else f"Score: {error}"
    assert any(line.startswith(last) for line in out.splitlines())
    assert name in CIRCUITS or "Brian2 is imported: False" in out


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_run_goes_on_bit_by_bit(tmp_path, name):
    """Interrupted in mid-epoch, or killed, and resumed: checkpoint and history equal those of one go, bit for bit."""
    configuration = Configuration.read(name, settings(name))
    whole, stopped = (Training(configuration, RunFolder(tmp_path / part)) for part in ("a", "b"))
    for training in (whole, stopped):
        training.folder.create(configuration)
    whole.run()

    def stop(moment, ends):
        stopped.learner.interrupted |= (stopped.epoch, stopped.batch) == (1, 7)

    stopped.learner.on_presentation.append(stop)
    with pytest.raises(KeyboardInterrupt):
        stopped.run()
    again = Training(configuration, stopped.folder, resume=True)
    assert (again.epoch, again.batch) == (1, 8)
    again.run()
    for training in (again, killed_and_resumed(configuration, tmp_path / "c")):
        one, other = (each.folder.arrays("checkpoint.npz") for each in (whole, training))
        assert one.keys() == other.keys()
        for key in one:
            np.testing.assert_array_equal(one[key], other[key], err_msg=key)
        assert [{**row, "seconds": 0, "evaluation_seconds": 0} for row in whole.rows] == [
            {**row, "seconds": 0, "evaluation_seconds": 0} for row in training.rows
        ]


def killed_and_resumed(configuration, path):
    """A run whose process gets SIGKILL after its first epoch, gone on with in this one."""
    training = Training(configuration, RunFolder(path))
    training.folder.create(configuration)
    child = os.fork()  # Brian2 is imported already
    if child == 0:
        try:
            training.run()
        finally:
            os._exit(0)
    while not training.folder.has("history.csv") and os.waitpid(child, os.WNOHANG) == (0, 0):
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    again = Training(configuration, RunFolder(path), resume=True)
    again.run()
    return again


@pytest.mark.parametrize("name", SYSTEMS)
def test_evaluate_and_doctor(trained, command, name):
    """`evaluate` prints the last row's columns to six digits; the doctor examines preset and run to the end."""
    run, _ = trained(name)
    code, out, err = command("evaluate", run)
    assert (code, err) == (0, "")
    last = read_history(run).iloc[-1]
    for column in SYSTEMS[name][1]:
        assert f"{last[column]:.6g}" in out
    for words in ((run,), (name, *(word for setting in settings(name) for word in ("--set", setting)))):
        code, out, err = command("doctor", *words)
        assert (code, err) == (0, "")
        assert ("Spectral abscissa" in out) == (name in CIRCUITS)
        assert ("Loss of the first minibatch" in out) == (name not in CIRCUITS)


@pytest.mark.parametrize("name", CIRCUITS)
def test_circuits_are_recorded(trained, command, undrawn, tmp_path, name):
    """The same stimuli give the same traces as .npz, HDF5 and NWB: V = V_rest + V_scale u to 1e-9 of a volt.

    Where the rate is the state, it stands for u.
    """
    run, _ = trained(name)
    state = "u" if name.startswith(("digits_pc", "digits_rf", "digits_spiking")) else "r"
    command("record", run, "--stimuli", "0,1", "--cells", "1:0-2", "--out", tmp_path / "a.npz")
    archive = read_recording(tmp_path / "a.npz").layers[1].traces
    for ending in ("h5", "nwb"):
        words = ("--stimuli", "0,1", "--cells", "1:0-2", "--replicas", "2", "--variables", f"{state},V_soma")
        code, _, err = command("record", run, *words, "--out", tmp_path / f"a.{ending}")
        assert (code, err) == (0, "")
    with open_traces(tmp_path / "a.h5") as traces:
        V, u = traces["layer_1", "V_soma"][:], traces["layer_1", state][:]
    np.testing.assert_allclose(V, -0.07 + 0.02 * u.astype(float), rtol=0, atol=1e-9)
    np.testing.assert_array_equal(archive[state], u)


@pytest.mark.parametrize("name", CIRCUITS)
def test_circuits_are_perturbed(trained, command, tmp_path, name):
    """Silenced cells of layer 1 are reported; what the cells do not have is refused in one line that names it."""
    run, _ = trained(name)
    code, _, err = command("perturb", run, "--silence", "layer_1", "--cells", "1:0", "--out", tmp_path / "e")
    assert (code, err) == (0, "")
    assert (tmp_path / "e" / "report.md").exists()
    code, _, err = command("perturb", run, "--cut", "layer_1:apical", "--out", tmp_path / "f")
    if name in ("digits_rf", "digits_spiking"):  # their cells have an apical dendrite
        assert (code, err) == (0, "")
        return
    assert (code, err.count("\n")) == (1, 1)
    assert "layer_1" in err
    assert "soma" in err


@pytest.mark.parametrize("words", [("record",), ("perturb", "--silence", "layer_1")])
def test_backpropagation_has_no_cells_in_time(trained, refused, words):
    """What has no dynamics is neither recorded nor perturbed: one line says so."""
    run, _ = trained("digits_bp_mse")
    assert "backpropagation has no cells in time" in refused(words[0], run, *words[1:])


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_run_is_loaded(trained, name):
    """`corinfomax.load` gives the checkpoint's weights back, bit for bit, of every system."""
    run, _ = trained(name)
    circuit, arrays = corinfomax.load(run), np.load(run / "checkpoint.npz")
    for key, k in circuit.learnt:
        np.testing.assert_array_equal(circuit.weights[key][k], arrays[f"weights/{key}/{k}"])


@pytest.mark.parametrize(
    ("name", "stimuli", "told"),
    [
        ("digits_ep", "subspace", "equilibrium"),
        ("digits_bp_ce", "subspace", "backpropagation"),
        ("digits", "subspace", "corinfomax"),
    ],
)
def test_stimuli_that_a_model_cannot_learn_from(refused, name, stimuli, told):
    """A set without targets is refused by models that need some: one line names model, set and what is allowed."""
    line = refused("train", name, "--set", f"stimuli={stimuli}", "--set", "architecture=[10,5,3]")
    assert told in line
    assert stimuli in line
    assert "classification" in line
