"""What starts without waiting: which libraries are imported when, and the options that all commands have."""

import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from toys import on_toys, stimuli

import corinfomax
from corinfomax.analysis.hdf5 import check_self_contained
from corinfomax.commands import COMMANDS
from corinfomax.commands.console import plain
from corinfomax.protocols.interruption import raising
from corinfomax.protocols.runs import Configuration, presets
from corinfomax.toml import loads

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {"brian2", "matplotlib", "numpy", "pandas", "scipy", "sklearn", "h5py"}
#: Prints, after what a program prints, which of these libraries it has imported.
_TOLD = f"import atexit, sys; atexit.register(lambda: print('imported:', *sorted({HEAVY} & set(sys.modules))))\n"


def imported_by(code):
    """Libraries that a program in a process of its own has imported in the end."""
    shown = subprocess.run([sys.executable, "-c", _TOLD + code], capture_output=True, text=True, check=True)
    return set(shown.stdout.rpartition("imported:")[2].split())


@pytest.fixture
def on_toy(tmp_path):
    """Words of a command that trains one epoch on toy stimuli."""
    np.savez(tmp_path / "toy.npz", **stimuli())
    return on_toys(tmp_path / "toy.npz", "epochs=1")


def test_what_needs_no_simulator_imports_none():
    """Help of all commands, version and the list of presets import neither Brian2 nor any other library of numbers."""
    code = f"""
from corinfomax.commands import COMMANDS, main
for words in (["--help"], ["--version"], ["presets"], *([command, "--help"] for command in COMMANDS)):
    sys.argv = ["corinfomax", *words]
    try:
        main()
    except SystemExit as ended:
        assert ended.code == 0
    print("after", *words, *sorted({HEAVY} & set(sys.modules)))
"""
    assert imported_by(code) == set()


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ("import corinfomax; corinfomax.__version__; dir(corinfomax)", set()),
        ("from corinfomax import Stimulus", {"numpy"}),
        ("from corinfomax.analysis import accuracy, angle, summarise", {"numpy"}),
        ("from corinfomax import Run, load, train", {"numpy"}),
        ("from corinfomax.networks import Backpropagation", {"numpy"}),
    ],
)
def test_each_name_imports_what_it_needs(code, allowed):
    """Names are imported when they are first used, and libraries where they are first needed."""
    assert imported_by(code) <= allowed


def test_a_circuit_needs_brian2_and_no_statistics():
    """CorInfoMax and Preparation import what Brian2 does, and of their own neither pandas nor scikit-learn."""
    assert "brian2" in imported_by("from corinfomax import CorInfoMax, Preparation")
    assert not imported_by("from corinfomax import CorInfoMax, Preparation") & {"pandas", "sklearn", "h5py"}


def test_the_version_is_that_of_the_project():
    """`corinfomax.__version__` and `python -m corinfomax --version` are pyproject.toml's."""
    theory = loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert corinfomax.__version__ == theory
    shown = subprocess.run(
        [sys.executable, "-m", "corinfomax", "--version"], capture_output=True, text=True, check=True
    )
    assert shown.stdout == f"corinfomax {theory}\n"


def test_json_is_all_that_is_printed(command):
    """`presets --json` is the list of presets, `presets NAME --json` the file's sections, wherever --json stands."""
    code, out, err = command("presets", "--json")
    assert (code, err) == (0, "")
    assert set(json.loads(out)) == set(presets())
    assert (
        Configuration(json.loads(command("--json", "presets", "digits")[1])).to_dict()
        == Configuration.read("digits").to_dict()
    )


def test_a_command_without_a_result_refuses_json(refused, monkeypatch):
    """Whoever asks for JSON and would get none is told so before anything runs, with exit code 2."""
    from corinfomax.commands import figures

    monkeypatch.setattr(figures, "figures", lambda: None)
    assert "--json: figures has no result" in refused("figures", "--json", code=2)


def test_training_tells_its_result_as_json_and_the_rest_on_standard_error(command, on_toy, undrawn):
    """The result has the run folder and the last row of the history; the lines of progress are on standard error."""
    code, out, err = command(*on_toy, "--out", "run", "--json")
    assert code == 0
    found = json.loads(out)
    assert found["run"] == "run"
    assert found["test_accuracy"] == corinfomax.Run("run").history["test_accuracy"].iloc[-1]
    assert "epoch    1" in err


def test_quiet_prints_what_was_asked_for_only(command, on_toy, undrawn):
    """`train --quiet` prints nothing; `presets --quiet` its list; the next call, without it, speaks again."""
    assert command(*on_toy, "--out", "run", "--quiet") == (0, "", "")
    assert len(command("presets", "--quiet")[1].splitlines()) == len(presets())
    assert "epoch    1" in command(*on_toy, "--out", "another")[1]


def test_options_of_all_commands_are_in_the_help(command):
    """`--help` names every command, and the options that stand anywhere."""
    shown = command("--help")[1]
    for word in (*COMMANDS, "--version", "--quiet", "--json", "--debug"):
        assert word in shown


def test_plain_values_are_json():
    """Arrays, tables, paths and NumPy's numbers become plain; NaN and infinity, which JSON lacks, become null."""
    given = {1: np.arange(2), "a": Path("b"), "c": (np.float32(0.5), np.nan), "d": pd.DataFrame({"x": [1, np.inf]})}
    theory = {"1": [0, 1], "a": "b", "c": [0.5, None], "d": [{"x": 1.0}, {"x": None}]}
    assert plain(given) == theory
    assert json.loads(json.dumps(plain(given), allow_nan=False)) == theory


@pytest.mark.parametrize(("number", "says"), [("SIGINT", "interrupted\n"), ("SIGHUP", "interrupted (SIGHUP)\n")])
def test_a_signal_while_the_command_line_is_imported_ends_it_in_one_line(number, says):
    """It comes as typer is being imported, within one of its modules: one line, exit code 130, no traceback."""
    code = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"
        "class Finder:\n"
        "    def find_spec(name, *rest):\n"
        f"        if name == 'typer.core': os.kill(os.getpid(), signal.{number})\n"
        "sys.meta_path.insert(0, Finder)\n"
        "sys.argv = ['corinfomax', 'presets']\n"
        "from corinfomax.commands import main\n"
        "main()"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/")
    assert (ended.returncode, ended.stderr) == (130, says)


def test_a_signal_waits_until_an_import_is_done(tmp_path, monkeypatch):
    """In a module that swallows whatever is raised: the module is complete, then `KeyboardInterrupt` is raised."""
    (tmp_path / "swallowing.py").write_text(
        "import os, signal\ntry:\n    os.kill(os.getpid(), signal.SIGTERM)\n"
        "except BaseException:\n    lost = True\ndone = True"
    )
    monkeypatch.syspath_prepend(tmp_path)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt, match="SIGTERM"), raising():
        time.sleep(10 if importlib.import_module("swallowing").done else 0)
    swallowing = sys.modules.pop("swallowing")
    assert "lost" not in vars(swallowing)
    for library in ("pydantic.schema", "weakref"):  # where exceptions are lost, too
        module = {"__name__": library}
        with pytest.raises(KeyboardInterrupt, match="SIGTERM"), raising():
            exec((tmp_path / "swallowing.py").read_text(), module)
        assert "lost" not in module
    with pytest.raises(KeyboardInterrupt, match="SIGTERM"), raising():  # and where nothing follows upon the import
        importlib.import_module("swallowing")
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_signal_is_not_lost_while_hdf5_is_at_work(tmp_path):
    """Sent at random moments of reading a file again and again: each ends the reading, and says nothing of damage."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name in "abcdefgh":
            file.create_group(name).create_dataset("x", data=np.arange(20))
    delays = np.random.default_rng(0).uniform(0.001, 0.01, 25)
    with h5py.File(tmp_path / "a.h5") as file:

        def read(delay):
            threading.Timer(delay, os.kill, (os.getpid(), signal.SIGTERM)).start()
            end = time.monotonic() + 0.1
            while time.monotonic() < end:
                check_self_contained(file)
                _ = [file[name]["x"][3] for name in "abcdefgh"]

        for delay in delays:
            with pytest.raises(KeyboardInterrupt), raising():
                read(delay)
