"""Code in run folders: nothing of a stranger's is imported unless the user says so, and then after the checkpoint."""

import shutil

import numpy as np
import pytest
from toys import on_toys, stimuli

from corinfomax import load
from corinfomax.errors import RunError
from corinfomax.protocols.comparison.execution import train
from corinfomax.protocols.runs import Configuration, Run, RunFolder

CELL = """
from pathlib import Path
from corinfomax.models import HiddenPyramidal

(Path(__file__).parent / "imported").touch()

class C(HiddenPyramidal):
    pass
"""
MODEL = """
from pathlib import Path
from corinfomax.networks import Backpropagation
from corinfomax.protocols.systems import Model

(Path(__file__).parent / "imported").touch()
MODEL = Model(trainable=Backpropagation)
"""
OWN_CORINFOMAX = """
from pathlib import Path
from corinfomax.networks import CorInfoMax
from corinfomax.protocols.clockwork import contrastive
from corinfomax.protocols.systems import Model

(Path(__file__).parent / "imported").touch()
MODEL = Model(trainable=CorInfoMax, protocols={"contrastive": contrastive})
"""


@pytest.fixture
def stranger(run):
    """Let the configuration of a trained run name code: return the run, and a function that does so."""

    def name(line, code=None, file="mycell.py"):
        path = run / "config.toml"
        text = path.read_text().replace("[circuit]\n", f"[circuit]\n{line}\n").replace('model = "corinfomax"\n', "", 1)
        path.write_text(text if line.startswith("model") else f"{text}".replace(line, f'model = "corinfomax"\n{line}'))
        if code is not None:
            (run / file).parent.mkdir(exist_ok=True)
            (run / file).write_text(code)

    return run, name


@pytest.mark.parametrize(
    "words",
    [
        ["evaluate"],
        ["record"],
        ["doctor"],
        ["perturb", "--silence", "SST_1"],
        ["perturb", "--training", "--silence", "SST_1"],
        ["compare"],
        ["cite"],
        ["train", "--resume", "--out"],
        ["train", "--resume", "--set", "epochs=3", "--out"],
    ],
)
@pytest.mark.parametrize(
    ("line", "code"),
    [('cell = "mycell.py:C"', CELL), ('cell = "mycell:C"', CELL), ('model = "mycell.py:MODEL"', MODEL)],
)
def test_no_command_imports_code_of_a_run_folder(refused, stranger, words, line, code):
    """One line that names code and --trust; the module has not been imported."""
    run, name = stranger
    name(line, code)
    message = refused(*words, run)
    assert all(word in message for word in ("mycell.py", "--trust"))
    assert not (run / "imported").exists()


@pytest.mark.parametrize("word", ["train", "doctor"])
def test_nor_as_a_parameter_file(refused, stranger, word):
    """A run's config.toml named as a parameter file, and a --set that names code there, are refused as well."""
    run, name = stranger
    name('cell = "mycell.py:C"', CELL)
    assert "--trust" in refused(word, run / "config.toml")
    assert "--trust" in refused(word, "digits", "--set", f'cell="{run / "mycell.py"}:C"')
    assert not (run / "imported").exists()


@pytest.mark.parametrize("folder", ["..", "sub", "/tmp"])
def test_nor_code_elsewhere_that_a_run_names(stranger, folder, tmp_path):
    """A run that names a file outside of it, or below it, is not trusted either."""
    run, name = stranger
    place = tmp_path / "anywhere" if folder.startswith("/") else run / folder
    place.mkdir(exist_ok=True)
    (place / "other.py").write_text(CELL)
    name(f'cell = "{place / "other.py" if folder.startswith("/") else f"{folder}/other.py"}:C"')
    with pytest.raises(RunError, match="trust=True"):
        load(run)
    assert not (place / "imported").exists()


def test_nor_a_package_in_the_run_folder(stranger, monkeypatch):
    """With the run folder on the path of modules, as where Python is started in it, its packages are not imported."""
    run, name = stranger
    name('cell = "mypackage.cells:C"', "raise SystemExit", "mypackage/__init__.py")
    monkeypatch.syspath_prepend(run)
    with pytest.raises(RunError, match="trust=True"):
        load(run)


def test_the_checkpoint_is_compared_before_trusted_code_is_imported(stranger):
    """A configuration that names code which the checkpoint does not is refused, in spite of trust."""
    run, name = stranger
    name('cell = "mycell.py:C"', CELL)
    with pytest.raises(RunError, match=r"of another configuration, with cell = None, where 'mycell\.py:C'"):
        load(run, trust=True)
    assert not (run / "imported").exists()


def test_a_checkpoint_imports_nothing(stranger):
    """Code that only the checkpoint's configuration names is not imported to find out that it differs."""
    run, _ = stranger
    (run / "mycell.py").write_text(MODEL)
    arrays = RunFolder(run).arrays("checkpoint.npz")
    text = str(arrays["configuration"]).replace('model = "corinfomax"', f'model = "{run / "mycell.py"}:MODEL"')
    RunFolder(run).write_arrays("checkpoint.npz", {**arrays, "configuration": np.array(text)})
    with pytest.raises(RunError, match="of another configuration, with model = "):
        load(run)
    assert not (run / "imported").exists()


@pytest.mark.parametrize(
    ("setting", "code"), [('cell="mine.py:C"', CELL), ('model="mine.py:MODEL"', OWN_CORINFOMAX)], ids=["cell", "model"]
)
def test_trusted_code_runs_from_the_run_s_copy(command, refused, undrawn, tmp_path, setting, code):
    """A run with code of one's own keeps a copy, and needs no more, wherever it lies.

    It is evaluated, recorded and resumed with --trust, and loaded with trust=True; without, it is refused before the
    code is imported, and so is one that names other code than the checkpoint does.
    """
    np.savez(tmp_path / "toy.npz", **stimuli())
    (tmp_path / "mine.py").write_text(code)
    words = [*on_toys(tmp_path / "toy.npz", "epochs=1", setting), "--out", "first"]
    assert command(*words)[0] == 0
    assert (tmp_path / "first" / "mine.py").read_text() == code
    assert setting.replace("=", " = ") in (tmp_path / "first" / "config.toml").read_text()
    (tmp_path / "mine.py").unlink()
    run = (tmp_path / "first").rename(tmp_path / "run")
    assert "--trust" in refused("evaluate", "run")
    assert not (run / "imported").exists()
    for call in (["evaluate"], ["record"], ["train", "--resume", "--set", "epochs=2", "--out"]):
        ended, _, err = command(*call, "run", "--trust")
        assert (ended, err) == (0, "")
    assert (run / "imported").exists()
    cell = load("run", trust=True).populations[2].cell
    assert type(cell).__name__ == ("C" if "cell" in setting else "HiddenPyramidal")
    assert Run("run", trust=True).configuration.training.epochs == 2
    (run / "imported").unlink()
    (run / "other.py").write_text(code)
    (run / "config.toml").write_text((run / "config.toml").read_text().replace('"mine.py:', '"other.py:'))
    assert "of another configuration" in refused("evaluate", "run", "--trust")
    assert not (run / "imported").exists()


def test_a_comparison_trusts_the_code_of_its_own_plan_only(tmp_path):
    """A run of a comparison goes on with the code that it was begun with; in a folder with other code it does not."""
    np.savez(tmp_path / "toy.npz", **stimuli())
    (tmp_path / "mine.py").write_text(CELL)
    settings = on_toys(tmp_path / "toy.npz", "epochs=1", f'cell="{tmp_path / "mine.py"}:C"')[2::2]
    configuration = Configuration.read("digits", settings)
    assert train(tmp_path / "run", configuration).status == "finished"
    shutil.rmtree(tmp_path / "imported", ignore_errors=True)
    longer = Configuration.read("digits", [*settings, "epochs=2"])
    assert train(tmp_path / "run", longer).epochs == 2
    (tmp_path / "run" / "mine.py").write_text(f"{CELL}\n# changed")
    (tmp_path / "run" / "imported").unlink(missing_ok=True)
    with pytest.raises(RunError, match="--trust"):
        train(tmp_path / "run", Configuration.read("digits", [*settings, "epochs=3"]))
    assert not (tmp_path / "run" / "imported").exists()
