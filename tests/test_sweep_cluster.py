"""Sweeps on a scheduler and workers on the loopback: what is killed, stopped, lost or refused, and what comes of it."""

import contextlib
import json
import os
import signal
import threading
import time
from types import SimpleNamespace

import dask
import numpy as np
import pandas as pd
import pytest
from distributed import Client, LocalCluster

from corinfomax.analysis import read_history
from corinfomax.analysis.files import locked_folder
from corinfomax.errors import RunError
from corinfomax.protocols.runs.execution import train
from corinfomax.protocols.sweeps import cluster, engine, opened, worker

#: Of all clusters here.
LOOPBACK = {"threads_per_worker": 1, "dashboard_address": None, "protocol": "tcp", "host": "127.0.0.1"}
#: A circuit whose epochs take hundredths of a second.
CIRCUIT = """
source = "digits"
seeds = [0]
[settings]
epochs = 15
stimuli = "toy.npz"
scale = "none"
bias = false
initial_gain_ff = 1.0
architecture = [6, 5, 3]
batch_size = 20
target = "numpy"
free_steps = 4
nudge_steps = 2
[parameters]
beta = [1.0, 2.0]
"""
#: Backpropagation, which needs no Brian2.
NETWORK = """
source = "digits_bp_mse"
[settings]
epochs = 3
stimuli = "toy.npz"
architecture = [6, 5, 3]
[parameters]
learning_rate = [0.001, 0.01]
"""


@pytest.fixture
def written(beside_toys):
    """Write a sweep file beside toy stimuli, in an empty folder."""
    return lambda text=NETWORK, name="toy.toml": beside_toys(text, name)


@pytest.fixture
def client():
    """A client of a scheduler with two workers, all in this process."""
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None, protocol="tcp", host="127.0.0.1"
        ) as here,
        Client(here) as found,
    ):
        yield found


def test_a_killed_workers_run_goes_on_elsewhere(command, written, tmp_path):
    """One of two workers is killed in the middle of its run; all weights are those of serial runs, bit for bit."""
    killed = []
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1", silence_logs=50
        ) as here,
        Client(here) as of_test,
    ):
        pids = of_test.run(os.getpid)

        def kill():
            until = time.monotonic() + 300
            while time.monotonic() < until and not killed:
                for path in tmp_path.glob("sweeps/toy/runs/*/history.csv"):
                    if not 2 <= len(read_history(path.parent)) < 12:
                        continue
                    for address, keys in of_test.processing().items():
                        if any(str(key).startswith(path.parent.name) for key in keys):
                            os.kill(pids[address], signal.SIGKILL)
                            killed.append(address)
                            return
                time.sleep(0.01)

        killer = threading.Thread(target=kill)
        killer.start()
        code, out, err = command("sweep", written(CIRCUIT), "--scheduler", here.scheduler_address)
        killer.join()
    assert (code, err, len(killed)) == (0, "", 1)
    assert out.count("test ") == 2
    sweep = opened(None, "sweeps/toy")
    resumed = 0
    for n, task in enumerate(sweep.tasks):
        serial = tmp_path / f"serial_{n}"
        assert train(serial, task.configuration).status == "finished"
        resumed += "resumed" in json.loads((sweep.path / task.folder / "environment.json").read_text())
        with np.load(sweep.path / task.folder / "checkpoint.npz") as ours, np.load(serial / "checkpoint.npz") as theory:
            weights = [name for name in theory.files if name.startswith("weights/")]
            assert len(weights) > 3
            for name in weights:
                np.testing.assert_array_equal(ours[name], theory[name])
    assert resumed == 1


def test_a_run_that_fails_is_recorded_and_does_not_stop_the_rest(command, written, client, tmp_path):
    """Its reason is in the table and in its folder; the same command trains nothing twice (by the files' times)."""
    words = ("sweep", written(NETWORK.replace("0.001", "1e300")), "--scheduler", client.scheduler.address)
    code, out, err = command(*words)
    assert (code, err) == (0, "")
    assert "learning_rate = 1e+300, seed 0: failed: epoch 1, " in out
    table = pd.read_csv("sweeps/toy/runs.csv")
    assert table["status"].tolist() == ["failed", "finished"]
    assert table["reason"][0].startswith("epoch 1, ")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("sweeps/toy/runs/*/*")}
    code, out, _ = command(*words)
    assert "2 runs, 2 of them done" in out
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("sweeps/toy/runs/*/*")} == before


def test_what_is_stopped_keeps_its_checkpoint_and_goes_on(written, client, tmp_path):
    """Ctrl-C in the middle: runs under way stop after their minibatch; taken up again they end as serial ones do."""
    sweep = opened(written(NETWORK.replace("epochs = 3", "epochs = 12")), None)
    sweep.create()

    def interrupt(under_way):
        if any(sweep.outcome(task).epochs for task in sweep.tasks):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep.run(client, look=interrupt)
    assert {sweep.outcome(task).status for task in sweep.tasks} != {"finished"}
    sweep = opened(None, "sweeps/toy")
    sweep.run(client)
    for task in sweep.tasks:
        train(tmp_path / task.name, task.configuration)
        ours, theory = (read_history(folder) for folder in (sweep.path / task.folder, tmp_path / task.name))
        timed = ["seconds", "evaluation_seconds"]
        pd.testing.assert_frame_equal(ours.drop(columns=timed), theory.drop(columns=timed))


def test_a_run_that_another_process_trains_is_waited_for(written, client):
    """As by a worker that was taken for dead: the folder's lock is free after a while, and then the run goes on."""
    sweep = opened(written(), None)
    sweep.create()
    folder = sweep.path / sweep.tasks[0].folder
    train(folder, sweep.tasks[0].configuration, complete=lambda folder: None)
    (folder / "history.csv").unlink()
    (folder / "checkpoint.npz").unlink()
    ends = []
    with locked_folder(folder, "is the test's"):
        threading.Timer(0.5, lambda: ends.append("released")).start()
        waiting = threading.Thread(target=lambda: sweep.run(client, lambda task, found: ends.append(found.status)))
        waiting.start()
        while "released" not in ends:
            time.sleep(0.05)
        assert ends.count("finished") <= 1
    waiting.join(60)
    assert sorted(ends) == ["finished", "finished", "released"]


def test_a_sweep_runs_once_at_a_time(written, client):
    """Two processes with the same folder: the second one is refused in one line."""
    sweep = opened(written(), None)
    sweep.create()
    with locked_folder(sweep.path, ""), pytest.raises(RunError, match="another process runs this sweep"):
        sweep.run(client)


def test_a_search_goes_by_validation_stimuli(command, written, client):
    """The trial that the study finds best is that of the highest mean validation accuracy in the table."""
    import optuna

    text = NETWORK.replace("[settings]", 'method = "search"\ntrials = 3\nseeds = [0, 1]\n[settings]')
    text = text.replace("[0.001, 0.01]", '{low = 1e-4, high = 1e-1, scale = "log"}')
    code, out, err = command("sweep", written(text), "--scheduler", client.scheduler.address)
    assert (code, err) == (0, "")
    table = pd.read_csv("sweeps/toy/runs.csv")
    assert len(table) == 6
    assert (table["status"] == "finished").all()
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend("sweeps/toy/search.log"))
    study = optuna.load_study(study_name="sweep", storage=storage)
    theory = table.groupby("learning_rate")["validation_accuracy"].mean()
    assert study.best_value == theory.max()
    assert len(study.trials) == 3
    code, out, _ = command("sweep", "--out", "sweeps/toy", "--trials", 4, "--scheduler", client.scheduler.address)
    assert "8 runs, 6 of them done" in out
    assert len(pd.read_csv("sweeps/toy/runs.csv")) == 8


def test_refusals_before_anything_runs(refused, written, client, monkeypatch):
    """Workers of another version, with a folder of their own, without the package; a scheduler that does not answer."""
    own, mark = worker.versions(), (str(written()), NETWORK)
    cluster.check_workers(client, own, mark)
    with pytest.raises(RunError, match=rf"worker tcp://\S+: has brian2 {own['brian2']}, and the sweep 0.1$"):
        cluster.check_workers(client, {**own, "brian2": "0.1"}, mark)
    with pytest.raises(RunError, match=r"does not see .*; sweep in a folder that all machines share"):
        cluster.check_workers(client, own, ("/nowhere/sweep.toml", NETWORK))
    missing = ModuleNotFoundError("No module named 'corinfomax'")
    for error in (missing, Exception(repr(missing))):  # as a worker of Dask's own sends it
        lacking = SimpleNamespace(run=lambda *words, found=error, **options: {"tcp://a:1": found})
        with pytest.raises(RunError, match=f"worker tcp://a:1: has no corinfomax {own['corinfomax']}"):
            cluster.check_workers(lacking, own, mark)
    monkeypatch.setattr(cluster, "PATIENCE", 0.3)
    for address in ("tcp://127.0.0.1:9", "nonsense://x"):
        assert f"scheduler {address}: does not answer" in refused("sweep", written(), "--scheduler", address)


def test_a_worker_of_another_version_that_comes_late_is_refused(written, client, monkeypatch):
    """It says so when it is given a run, and the sweep ends in one line; nothing is trained."""
    sweep = opened(written(), None)
    sweep.create()
    own = worker.versions()
    monkeypatch.setattr(engine, "versions", lambda: {**own, "corinfomax": "9.9"})
    with pytest.raises(RunError, match=f"a worker has corinfomax {own['corinfomax']}, and the sweep 9.9"):
        sweep.run(client)
    assert not list(sweep.path.glob("runs/*"))


def test_a_scheduler_that_is_lost_is_told(written):
    """It ends in the middle: one line, and what was done is kept."""
    with dask.config.set({"distributed.comm.timeouts.connect": "2s"}):  # nobody waits longer for what is lost
        lose_a_scheduler(opened(written(NETWORK.replace("epochs = 3", "epochs = 30")), None))


def lose_a_scheduler(sweep):
    sweep.create()
    here = LocalCluster(n_workers=1, processes=False, **LOOPBACK)
    client = Client(here)
    closed = []

    def close(under_way):
        if not closed and any(sweep.outcome(task).epochs for task in sweep.tasks):
            closed.append(True)
            here.scheduler.loop.add_callback(here.scheduler.close)

    try:
        with pytest.raises(RunError, match="the scheduler is lost"):
            sweep.run(client, look=close)
    finally:
        with contextlib.suppress(*cluster.TIMEOUTS):
            client.close(timeout=1)
        with contextlib.suppress(*cluster.TIMEOUTS):
            here.close(timeout=1)
    assert any(sweep.outcome(task).epochs for task in sweep.tasks)
