"""Perturbation experiments from Python: controls, periods, resumption, and what is measured."""

import os
import signal

import numpy as np
import pandas as pd
import pytest
from toys import on_toys, stimuli

from corinfomax.analysis import read_history
from corinfomax.analysis.archives import read_archive
from corinfomax.errors import RunError
from corinfomax.networks import CorInfoMax
from corinfomax.protocols.clockwork import Phase, Preparation, Protocol
from corinfomax.protocols.perturbations import (
    Clamp,
    CutFeedback,
    Drive,
    Freeze,
    Lesion,
    Silence,
    measure,
    perturb_runs,
    perturb_training,
)
from corinfomax.protocols.perturbations.experiment import prepare_training
from corinfomax.protocols.perturbations.report import why_nothing_changes
from corinfomax.protocols.runs import Configuration, Run, RunFolder, Training
from corinfomax.stimuli import load_stimuli


@pytest.fixture
def toy(tmp_path):
    """Write toy stimuli; return their path."""
    np.savez(tmp_path / "toy.npz", **stimuli())
    return tmp_path / "toy.npz"


@pytest.fixture
def configuration(toy):
    """Build the small configuration that `on_toys` trains, and some keys otherwise."""
    return lambda *settings: Configuration.read("digits", on_toys(toy, *settings)[2::2])


def weights(folder):
    """Weights of a run folder's checkpoint."""
    arrays = read_archive(folder / "checkpoint.npz")
    return {name: array for name, array in arrays.items() if name.startswith(("weights/", "optimiser/"))}


def assert_equal(one, other):
    """Compare dictionaries of arrays bit by bit."""
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name], err_msg=name)


EVERYTHING = (
    Clamp("layer_1", "soma", 0.5, cells=[1], period="batches 4-13"),
    CutFeedback(1, cells=[0], phases="nudge", period="batches 6-12"),
    Silence("layer_1", cells=[3], period="2"),
    Freeze(("W_fb", 1), period="batches 5-15"),
    Freeze(("B", 2), period="1"),
    Lesion(("W_ff", 0), 0.4, period="batches 3-12"),
    Lesion(("O", 1), 0.5, period="batches 8-10"),
)


@pytest.mark.parametrize("stop", [1, 5, 8, 9, 12])
def test_resumed_training_is_bit_by_bit_the_uninterrupted(configuration, tmp_path, stop):
    """After a signal in any part of the periods, weights and history are those of a run that had none."""
    chosen = configuration("entropy_gain=3000", "epochs=2")

    def begin(name):
        return prepare_training(chosen, RunFolder(tmp_path / name), EVERYTHING)[0]

    whole = begin("whole")
    whole.run()
    broken = begin("broken")
    batches = 10

    def kill(learner, ends):
        if broken.epoch * batches + broken.batch == stop:
            os.kill(os.getpid(), signal.SIGINT)

    broken.learner.on_presentation.insert(0, kill)
    with pytest.raises(KeyboardInterrupt):
        broken.run()
    begin("broken").run()
    assert_equal(weights(tmp_path / "whole"), weights(tmp_path / "broken"))
    histories = [
        read_history(tmp_path / name).drop(columns=["seconds", "evaluation_seconds"]) for name in ("whole", "broken")
    ]
    pd.testing.assert_frame_equal(*histories)


@pytest.mark.parametrize("settings", [(), ("noise_basal=0.1", "noise_SST=0.1", "jitter=0.3")], ids=["quiet", "noisy"])
def test_nothing_perturbed_is_the_control(configuration, run, tmp_path, settings):
    """An empty list, in testing and in training: every difference is exactly 0, and runs that are there are taken."""
    given = configuration("epochs=1", *settings)
    trained, again = (perturb_training(given, [], tmp_path / "found").table for _ in range(2))
    tested = perturb_runs(Run(tmp_path / "found" / "control" / "seed_0" if settings else run), []).table
    pd.testing.assert_frame_equal(trained, again)
    for table, conditions in ((tested, 2), (trained, 4)):
        assert len(table.groupby(["trained", "tested"])) == conditions
        assert (table["difference"] == 0).all()
        assert (table["rms_change"].dropna() == 0).all()
    assert_equal(*(weights(tmp_path / "found" / name / "seed_0") for name in ("control", "perturbed")))


def test_what_follows_one_after_the_other_is_not_tested_at_once(configuration, tmp_path):
    """Currents of either sign, each in its epoch: circuits are trained with both, and tested without only."""
    given = [Drive("SST_1", 0.5, period="1"), Drive("SST_1", -0.5, period="2")]
    table = perturb_training(configuration(), given, tmp_path / "found").table
    assert set(zip(table["trained"], table["tested"], strict=True)) == {
        ("control", "control"),
        ("perturbed", "control"),
    }
    frozen = perturb_training(configuration("epochs=1"), [Freeze(("W_fb", 1))], tmp_path / "frozen").table
    assert set(frozen["tested"]) == {"control"}
    angles = frozen[frozen["quantity"] == "angle_1"].set_index("trained")["difference"]
    assert angles["perturbed"] != 0


def test_a_parameter_file_holds_single_cells(configuration, tmp_path):
    """A course with NaN, in [[protocol.phases]], holds cell 1 of layer 1 through training, resumed training too."""
    free = {"name": "free", "steps": 9, "course": {"layer_1.u": [[np.nan, 0.5, np.nan, np.nan, np.nan]]}}
    values = configuration("epochs=1").to_dict()
    values["protocol"] = {"form": "phases", "phases": [free, {"name": "nudge", "steps": 4, "beta": 1.0}]}
    for epochs in (1, 2):
        values["training"]["epochs"] = epochs
        (tmp_path / "mine.toml").write_text(Configuration(values).to_toml(), encoding="utf-8")
        chosen = Configuration.read(tmp_path / "mine.toml")
        training, _ = prepare_training(chosen, RunFolder(tmp_path / "found"), [])
        seen = []
        training.learner.on_phase_end.append(lambda moment, end, seen=seen: seen.append(end.r[1]))
        training.run()
        assert (np.concatenate(seen[::2])[:, 1] == 0.5).all()
        assert not (np.concatenate(seen[1::2])[:, 1] == 0.5).any()
    assert training.epoch == 2


def test_a_perturbed_run_is_not_trained_on_without(configuration, tmp_path):
    """`train --resume` of a perturbed run is refused and names the command; the control's is not."""
    perturb_training(configuration("epochs=1"), [Silence("SST_1")], tmp_path / "found")
    for name in ("control", "perturbed"):
        folder = RunFolder(tmp_path / "found" / name / "seed_0")
        training = Training(configuration("epochs=2"), folder, resume=True)
        if name == "control":
            training.run()
            assert training.epoch == 2
        else:
            with pytest.raises(RunError, match=r"perturbed.seed_0: a perturbed run; go on with corinfomax perturb"):
                training.run()


def test_the_report_says_why_little_can_change(configuration, run, tmp_path):
    """After training without SST cells it says what they weigh; perturbed after the prediction, that it was earlier."""
    given = [Silence("SST_1"), Lesion(("O", 2))]
    experiment = perturb_training(configuration("epochs=1"), given, tmp_path / "found")
    told = "\n".join(why_nothing_changes(experiment, configuration(), tmp_path / "found"))
    assert "κγ = 1e-05" in told
    assert "--training --seeds 0" in told
    late = perturb_runs(Run(run), [Silence("layer_1", phases="nudge")])
    told = why_nothing_changes(late, Run(run).configuration, tmp_path)
    assert any("read at the end of phase free, before anything is perturbed" in line for line in told)
    table = late.table[(late.table["quantity"] == "rate") & (late.table["tested"] == "perturbed")]
    assert set(table[table["rms_change"] > 0]["phase"]) == {"nudge"}
    early = perturb_runs(Run(run), [Silence("layer_1")])
    assert early.changed_predictions(0, "control", "perturbed") > 0
    assert why_nothing_changes(early, Run(run).configuration, tmp_path) == []


def test_regression_is_measured_by_r_squared(tmp_path):
    """Real targets: R² against the control; predictions count as changed where they move by more than 1e-4."""
    rng = np.random.default_rng(1)
    x = rng.uniform(size=(40, 6))
    np.savez(tmp_path / "real.npz", x=x, y=x[:, :1])
    settings = on_toys(tmp_path / "real.npz", "architecture=[6,5,1]", "epochs=1")[2::2]
    given = [Silence("layer_1", cells=[0])]
    experiment = perturb_training(Configuration.read("digits", settings), given, tmp_path / "found")
    tested = experiment.table[(experiment.table["trained"] == "control") & (experiment.table["tested"] == "perturbed")]
    table = tested.set_index("quantity")
    assert table["difference"]["test_r_squared"] != 0
    control, perturbed = (experiment.measured[0, "control", tested].outputs for tested in ("control", "perturbed"))
    moved = np.mean(np.abs(control - perturbed)[:, 0] > 1e-4 * np.ptp(experiment.stimuli.y_test))
    assert table["value"]["predictions_changed"] == moved > 0


def test_a_protocol_without_teacher_is_measured(toy):
    """In a single phase without β the ends are those of that phase, also of fewer stimuli than replicas."""
    protocol = Protocol([Phase("only", 5)], plus="only", minus="")
    preparation = Preparation(CorInfoMax([6, 5, 3]), 100, protocol=protocol)
    found = measure(preparation, load_stimuli(str(toy)))
    assert {phase for phase, _, _ in found.ends} == {"only"}
    np.testing.assert_array_equal(found.ends["only", 2, "rate"], 100 * found.outputs)
