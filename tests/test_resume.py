import contextlib
import errno
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from corinfomax.errors import ParameterError, RunError
from corinfomax.networks import spikes
from corinfomax.protocols.runs import Configuration, RunFolder, Training

DEEPER = ("initial_gain_ff=1.0", "architecture=[6,4,5,3]", "learning_rate_ff=1", "learning_rate_fb=0.2")

STOP_AT_BATCH_SEVEN = """
import os, signal, sys
from corinfomax import commands
from corinfomax.protocols.runs import Training

run = Training.run

def interrupted(self, *arguments):
    def kill(learner, ends):
        if (self.epoch, self.batch) == (1, 7):
            os.kill(os.getpid(), signal.{signal})
    self.learner.on_presentation.insert(0, kill)
    run(self, *arguments)

Training.run = interrupted
commands.main()
"""

UNREAD = """
import os
from corinfomax import commands
from corinfomax.protocols.runs import Training

run = Training.run

def unread(self, *arguments):
    reader, writer = os.pipe()
    os.close(reader)
    os.dup2(writer, 1)
    run(self, *arguments)

Training.run = unread
commands.main()
"""

UNDRAWN = """
from corinfomax.commands import main, train

train.draw_run = lambda folder: []
main()
"""


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """Write 48 and 12 stimuli of 6 inputs in 3 classes, split already, and return their path."""
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(60, 6))
    path = tmp_path_factory.mktemp("stimuli") / "toy.npz"
    np.savez(path, x=x, y=np.argmax(x[:, :3] + x[:, 3:], axis=1), split=np.repeat([0, 1], [48, 12]))
    return path


@pytest.fixture
def configuration(toy):
    """Build a small configuration with 48 training stimuli in 10 minibatches an epoch, and some keys otherwise."""

    def build(*settings):
        toys = (f"stimuli={toy}", "architecture=[6,5,3]", "batch_size=5", "test_replicas=12")
        return Configuration.read("digits", [*toys, "epochs=3", "forgetting=0.99", "target=numpy", *settings])

    return build


@pytest.fixture
def started(tmp_path):
    """Make a training run in a folder of its own."""

    def start(configuration, name="run"):
        folder = RunFolder(tmp_path / name)
        folder.create(configuration)
        return Training(configuration, folder)

    return start


def interrupted_at(training, epoch, batch, number=signal.SIGINT):
    """Run until a real signal comes after a batch of an epoch, both counted from 0."""

    def kill(learner, ends):
        if (training.epoch, training.batch) == (epoch, batch):
            os.kill(os.getpid(), number)

    training.learner.on_presentation.insert(0, kill)
    with pytest.raises(KeyboardInterrupt):
        training.run()


def resumed(training, configuration=None):
    """Take the run up again from its folder and train to the end."""
    again = Training(configuration or training.configuration, training.folder, resume=True)
    again.run()
    return again


def assert_same_run(first, second):
    """Two run folders hold the same checkpoint and, but for the seconds, the same history, bit for bit."""
    one, other = first.arrays("checkpoint.npz"), second.arrays("checkpoint.npz")
    assert one.keys() == other.keys()
    for key in one:
        np.testing.assert_array_equal(one[key], other[key], err_msg=key)
        assert one[key].dtype == other[key].dtype, key
    histories = [folder.history() for folder in (first, second)]
    for row in (row for rows in histories for row in rows):
        assert row.pop("seconds") >= 0
        assert row.pop("evaluation_seconds") >= 0
    assert histories[0] == histories[1]
    assert len(histories[0]) == int(one["epoch"])


@pytest.mark.parametrize(
    ("batch", "settings"),
    [
        (3, []),
        (9, []),
        (4, ["lateral_rule=regularised", "lateral_refresh=4"]),
        (3, ["lateral_form=autapse"]),
        (0, ["reset=carry", "beta=-0.5"]),
        (8, ["dtype=float64", "three_phase=true", *DEEPER]),
        (5, ["tau_SST=1.0", "reset=carry", "sst_every=3", "convention=authors", "random_sign=false"]),
        (4, ["noise_soma=0.3", "noise_SST=0.1", "jitter=0.4", "tau_B=2.0"]),
        (4, ["noise_apical=0.1", "reset=carry", "target=auto"]),
        (4, ["entropy_gain=30.0", "sst_tolerance=3e-3", "noise_soma=0.1", "reset=carry", "schedule=sequential"]),
        (3, [*DEEPER, "optimiser=adam", "learning_rate_ff=1e-3", "learning_rate_fb=1e-3"]),
        (3, ["delay=1.0", "reset=carry"]),
        (3, ["signal=spikes", "r_max=200", "tau_s=40", "tau_ref=3", "delay=1.0", "reset=carry", "spikes_read=5"]),
        (
            6,
            [
                "signal=spikes",
                "r_max=200",
                "tau_s=40",
                "sst_signal=spikes",
                "tau_SST=1.0",
                "reset=carry",
                "spikes_read=5",
            ],
        ),
    ],
    ids=[
        "default",
        "epoch's end",
        "regularised",
        "autapse",
        "carry",
        "float64",
        "leaky",
        "noisy",
        "noise carries over",
        "interval by error",
        "adam",
        "signals on their way",
        "refractory cells",
        "SST cells that spike",
    ],
)
def test_an_interrupted_run_ends_as_an_uninterrupted_one(configuration, started, settings, batch):
    """SIGINT mid-epoch or after an epoch's last minibatch, then resume: same checkpoint and history, bit for bit."""
    configuration = configuration(*settings)
    whole = started(configuration, "whole")
    whole.run()
    stopped = started(configuration, "stopped")
    interrupted_at(stopped, 1, batch)
    state = stopped.folder.arrays("checkpoint.npz")
    assert (int(state["epoch"]), int(state["batch"])) == ((1, batch + 1) if batch < 9 else (2, 0))
    assert_same_run(whole.folder, resumed(stopped).folder)


def test_spikes_by_events_carry_over(configuration, started, monkeypatch):
    """Where spikes come as events and cells go on from where they were, a resumed run is the same, bit for bit."""
    monkeypatch.setattr(spikes, "_MANY", 0)  # as in large layers
    configuration = configuration("signal=spikes", "r_max=200", "tau_s=40", "reset=carry", "spikes_read=5")
    assert "events" in {item.pattern for item in configuration.build_circuit().projections}
    whole = started(configuration, "whole")
    whole.run()
    stopped = started(configuration, "stopped")
    interrupted_at(stopped, 1, 3)
    assert_same_run(whole.folder, resumed(stopped).folder)


@pytest.fixture
def process(toy, tmp_path):
    """Run `corinfomax train` on the toy stimuli in a process of its own, by a script that calls `main`."""

    def call(script, *arguments):
        settings = (f"stimuli={toy}", "architecture=[6,5,3]", "batch_size=5", "epochs=3", "target=numpy")
        words = ["train", *(word for setting in settings for word in ("--set", setting)), *arguments]
        return subprocess.run(
            [sys.executable, "-c", script, *words], cwd=tmp_path, capture_output=True, text=True, timeout=300
        )

    return call


@pytest.mark.parametrize(("name", "resume"), [("SIGINT", "in a process"), ("SIGTERM", "here"), ("SIGHUP", "here")])
def test_the_command_line_is_interrupted_and_resumed(process, tmp_path, name, resume):
    """A real signal mid-epoch ends `train` with code 130; resumed elsewhere it gives the same run, bit for bit."""
    heard = "import signal\nsignal.signal(signal.SIGHUP, signal.SIG_DFL)\n"  # ignored where the tests run under nohup
    stopped = process(heard + STOP_AT_BATCH_SEVEN.format(signal=name), "--out", "stopped")
    assert stopped.returncode == 130
    assert stopped.stderr == ("interrupted\n" if name == "SIGINT" else f"interrupted ({name})\n")
    assert "--resume --out stopped" in stopped.stdout
    folder = RunFolder(tmp_path / "stopped")
    state = folder.arrays("checkpoint.npz")
    assert (int(state["epoch"]), int(state["batch"])) == (1, 8)
    if resume == "here":
        Training(folder.configuration(), folder, resume=True).run()
    else:
        again = process(UNDRAWN, "--out", "stopped", "--resume")
        assert (again.returncode, again.stderr) == (0, "")
        assert "epoch 2 to 3" in again.stdout
    whole = RunFolder(tmp_path / "whole")
    whole.create(folder.configuration())
    Training(folder.configuration(), whole).run()
    assert_same_run(whole, folder)


def test_a_signal_during_evaluation_loses_nothing(configuration, started):
    """SIGINT while test stimuli are presented: the checkpoint holds the whole epoch; resumed, the run is the same."""
    configuration = configuration("reset=carry", "test_replicas=4")
    whole = started(configuration, "whole")
    whole.run()
    stopped = started(configuration, "stopped")
    shots = iter([signal.SIGTERM])

    def kill(evaluator, ends):
        with contextlib.suppress(StopIteration):
            os.kill(os.getpid(), next(shots))

    stopped.evaluator.on_presentation.append(kill)
    with pytest.raises(KeyboardInterrupt):
        stopped.run()
    state = stopped.folder.arrays("checkpoint.npz")
    assert (int(state["epoch"]), int(state["batch"])) == (0, 10)
    assert_same_run(whole.folder, resumed(stopped).folder)


@pytest.mark.parametrize("epoch", [0, 1])
def test_a_signal_while_a_checkpoint_is_written_loses_nothing(configuration, started, monkeypatch, epoch):
    """SIGINT and SIGTERM during the write: it ends, the run stops behind it, and resumes to the same, bit for bit."""
    whole = started(configuration(), "whole")
    whole.run()
    stopped = started(configuration(), f"stopped {epoch}")
    write = np.savez

    def interrupted(file, **arrays):
        if int(arrays["epoch"]) < epoch:
            return write(file, **arrays)
        monkeypatch.undo()
        os.kill(os.getpid(), signal.SIGINT)
        write(file, **arrays)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(np, "savez", interrupted)
    with pytest.raises(KeyboardInterrupt):
        stopped.run()
    assert int(stopped.folder.arrays("checkpoint.npz")["epoch"]) == epoch
    assert_same_run(whole.folder, resumed(stopped).folder)


def test_signals_have_their_old_handlers_after_a_run(configuration, started):
    """Training leaves the handlers of SIGINT and SIGTERM as it found them."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    training = started(configuration())
    interrupted_at(training, 0, 0)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_every_minibatch_can_be_the_last_before_an_interruption(configuration, started):
    """Interrupted and resumed again and again, after 1, 2 and 4 minibatches and so on: the same run, bit for bit."""
    whole = started(configuration("epochs=2"), "whole")
    whole.run()
    stopped = started(configuration("epochs=2"), "stopped")
    for epoch, batch in ((0, 0), (0, 1), (0, 3), (0, 9), (1, 8)):
        interrupted_at(stopped, epoch, batch)
        stopped = Training(stopped.configuration, stopped.folder, resume=True)
    stopped.run()
    assert_same_run(whole.folder, stopped.folder)


def test_a_finished_run_resumes_to_nothing_and_with_more_epochs_goes_on(configuration, started):
    """Resumed as it is, the checkpoint stays byte for byte; with epochs raised, the run is that of as many at once."""
    short, long = started(configuration("epochs=1"), "short"), started(configuration(), "long")
    short.run()
    long.run()
    path = short.folder.path / "checkpoint.npz"
    before = path.read_bytes()
    assert resumed(short).epoch == 1
    assert path.read_bytes() == before
    assert_same_run(long.folder, resumed(short, configuration()).folder)


@pytest.mark.parametrize(
    "setting", ["seed=1", "architecture=[6,4,3]", "beta=0.5", "reset=carry", "batch_size=6", "dtype=float64"]
)
def test_another_configuration_is_refused_with_the_key_that_differs(configuration, started, setting):
    """Resuming with a changed key is one line that names checkpoint and key; epochs, data and target may change."""
    training = started(configuration("epochs=1"))
    training.run()
    with pytest.raises(RunError) as caught:
        Training(configuration("epochs=1", setting), training.folder, resume=True)
    assert "checkpoint.npz" in str(caught.value)
    assert setting.partition("=")[0] in str(caught.value)
    again = Training(configuration("epochs=1", "target=auto", "data=elsewhere"), training.folder, resume=True)
    assert again.epoch == 1


def test_fewer_epochs_than_are_done_are_refused(configuration, started):
    """With 2 epochs done, epochs = 1 is refused and named; what there is can still be evaluated."""
    training = started(configuration("epochs=2"))
    training.run()
    again = Training(configuration("epochs=1"), training.folder, resume=True)
    assert again.evaluate().items() <= training.rows[-1].items()
    with pytest.raises(ParameterError, match="epochs = 1"):
        again.run()


def test_batch_systems_and_users_decide_about_their_signals(configuration, started):
    """SIGUSR1 stops a run and is named; one that is ignored, as by nohup, or handled by the user's code, does not."""
    for number, handler in ((signal.SIGHUP, signal.SIG_IGN), (signal.SIGUSR1, lambda *_: None)):
        before = signal.signal(number, handler)
        try:
            training = started(configuration("epochs=1"), f"on {number}")
            training.learner.on_presentation.append(lambda *_, number=number: os.kill(os.getpid(), number))
            training.run()
            assert training.epoch == 1
        finally:
            signal.signal(number, before)
    stopped = started(configuration("epochs=1"), "stopped")
    stopped.learner.on_presentation.append(lambda *_: os.kill(os.getpid(), signal.SIGUSR1))
    with pytest.raises(KeyboardInterrupt, match="SIGUSR1"):
        stopped.run()
    assert int(stopped.folder.arrays("checkpoint.npz")["batch"]) == 1
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL


@pytest.mark.parametrize("epoch", [0, 1])
def test_a_log_that_cannot_be_written_loses_nothing(configuration, started, monkeypatch, epoch):
    """When reports fail, within an epoch or after it, the checkpoint has all that was done; resumed, the same run."""
    whole = started(configuration("epochs=2"), "whole")
    whole.run()
    stopped = started(configuration("epochs=2"), "stopped")
    monkeypatch.setattr("corinfomax.protocols.runs.training._REPORT_EVERY", 0.0)

    def full(report):
        if report.row is not None or epoch == 0:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        stopped.run(full)
    state = stopped.folder.arrays("checkpoint.npz")
    assert (int(state["epoch"]), int(state["batch"])) == ((0, 1) if epoch == 0 else (1, 0))
    assert_same_run(whole.folder, resumed(stopped).folder)


def test_the_command_line_says_that_nobody_reads_it(process, tmp_path):
    """With nobody to read what is printed, as after `head`: code 1, one line with the reason and how to go on."""
    stopped = process(UNREAD, "--out", "stopped")
    assert stopped.returncode == 1
    assert stopped.stderr == (
        "error: standard output: Broken pipe; stopped, go on with: corinfomax train --resume --out stopped\n"
    )
    assert int(RunFolder(tmp_path / "stopped").arrays("checkpoint.npz")["epoch"]) == 1
