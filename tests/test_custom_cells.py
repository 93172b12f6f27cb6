"""Custom cells, named in a parameter file."""

import re
from pathlib import Path

import brian2 as b2
import numpy as np
import pandas as pd
import pytest
from toys import on_toys, stimuli

from corinfomax import CorInfoMax, Preparation, load
from corinfomax.errors import ParameterError
from corinfomax.models import HiddenPyramidal, Parameter
from corinfomax.protocols.runs import Configuration

ROOT = Path(__file__).parents[1]
ADAPTING = f"{ROOT / 'examples' / 'custom_cell.py'}:AdaptingPyramidal"

MODULE = """
from __future__ import annotations
from dataclasses import dataclass
from corinfomax.models import SST, HiddenPyramidal, Parameter

class Leaky(HiddenPyramidal):
    equations = HiddenPyramidal.equations.replace("-g_lk*u", "-(g_lk + g_more)*u - V_th/V_scale")
    parameters = (*HiddenPyramidal.parameters, Parameter("g_more", "1", "more leak", "this test"),
                  Parameter("V_th", "volt", "an offset", "this test"))

class Odd(HiddenPyramidal):
    equations = HiddenPyramidal.equations.replace("-g_lk*u", "-g_lk*u*(charge/charge)")
    parameters = (*HiddenPyramidal.parameters, Parameter("charge", "coulomb", "of an odd unit", "this test"))

class Broken(HiddenPyramidal):
    equations = HiddenPyramidal.equations.replace("-g_lk*u", "-g_lk*u**/2")

class Unknown(HiddenPyramidal):
    equations = HiddenPyramidal.equations.replace("-g_lk*u", "-g_lk*u*nowhere")

class MixedUnits(HiddenPyramidal):
    equations = HiddenPyramidal.equations.replace("-g_lk*u", "-g_lk*u - tau_u")

class MixedThreshold(HiddenPyramidal):
    threshold = "u > tau_u"

class UnknownReset(HiddenPyramidal):
    threshold, reset = "u > 1", "u = nowhere"

class NoAssignment(HiddenPyramidal):
    threshold, reset = "u > 1", "u == 0"

class UnknownEachStep(HiddenPyramidal):
    each_step = "u = nowhere"

class Flagged(HiddenPyramidal):
    equations = HiddenPyramidal.equations + "foo : 1 (summed)"

class Undriven(SST):
    drives = ()

@dataclass
class Plain:
    x: int
"""


@pytest.fixture
def module(tmp_path):
    """A file with cells, and a parameter file beside it that names one of them."""
    (tmp_path / "mycells.py").write_text(MODULE)
    path = tmp_path / "custom.toml"
    path.write_text(
        "[circuit]\narchitecture = [64, 8, 10]\n"
        'cell = "mycells:Leaky"\ncell_parameters = { g_more = 1.5, V_th = 4.0 }\n'
    )
    return path


def test_parameter_file_names_a_cell_beside_it(module, tmp_path):
    """The named cell is in the hidden layer, times in ms and potentials in mV, and the resolved file finds it too."""
    configuration = Configuration.read(module)
    circuit = configuration.build_circuit()
    cell = next(spec.cell for spec in circuit.populations if spec.name == "layer_1")
    assert type(cell).__name__ == "Leaky"
    assert cell.values["g_more"] == 1.5
    assert float(cell.values["V_th"]) == pytest.approx(4e-3, rel=1e-12)
    (tmp_path / "elsewhere").mkdir()
    resolved = tmp_path / "elsewhere" / "config.toml"
    resolved.write_text(configuration.to_toml())
    assert type(Configuration.read(resolved).build_circuit().populations[2].cell).__name__ == "Leaky"


def test_named_cell_equals_an_exchanged_one(module):
    """A circuit whose cell is named in a file settles exactly as one whose cell was exchanged in Python."""
    named = CorInfoMax([5, 4, 3], cell=ADAPTING, cell_parameters={"b": 2.0, "tau_a": 5.0})
    exchanged = CorInfoMax([5, 4, 3])
    kind = type(named.populations[2].cell)
    exchanged.exchange_cell("layer_1", kind, b=2.0, tau_a=5 * b2.ms)
    x = np.linspace(0, 1, 5)
    found, theory = (Preparation(circuit).settle(x, ("u", "r")) for circuit in (named, exchanged))
    np.testing.assert_array_equal(found.u[1], theory.u[1])
    assert np.abs(theory.u[1] - Preparation(CorInfoMax([5, 4, 3])).settle(x).u[1]).max() > 1e-3


def test_adapting_cells_learn_digits(command, undrawn, tmp_path):
    """`corinfomax train` with the cell of examples/custom_cell.py learns digits, over 80 % in 3 epochs, and resumes."""
    words = ["train", "digits", "--out", str(tmp_path / "run")]
    settings = [f'cell="{ADAPTING}"', "cell_parameters={b=0.4, tau_a=10.0}", "epochs=2", "seed=1"]
    code, _, error = command(*words, *(word for setting in settings for word in ("--set", setting)))
    assert code == 0, error
    code, _, error = command("train", "--out", str(tmp_path / "run"), "--resume", "--trust", "--set", "epochs=3")
    assert code == 0, error
    history = pd.read_csv(tmp_path / "run" / "history.csv")
    assert len(history) == 3
    assert history["test_accuracy"].iloc[-1] > 0.8


def test_a_run_keeps_its_cells(module, command, undrawn, tmp_path):
    """A moved run folder loads with its copy of the module; to resume with a changed module is one line."""
    np.savez(tmp_path / "toy.npz", **stimuli())
    words = [*on_toys(tmp_path / "toy.npz", "epochs=1"), "--out", "run"]
    words.insert(1, str(module))
    code, _, error = command(*words)
    assert code == 0, error
    cells = module.with_name("mycells.py")
    assert (tmp_path / "run" / "mycells.py").read_bytes() == cells.read_bytes()
    weights = load(tmp_path / "run", trust=True).weights["W_ff"][0]
    cells.write_text(MODULE.replace("g_more)*u", "2*g_more)*u"))
    code, _, error = command(*words, "--set", "epochs=2", "--resume")
    assert code == 1
    assert "mycells.py: differs from " in error
    cells.unlink()
    (tmp_path / "run").rename(tmp_path / "moved")
    circuit = load(tmp_path / "moved", trust=True)
    np.testing.assert_array_equal(circuit.weights["W_ff"][0], weights)
    assert type(circuit.populations[2].cell).__name__ == "Leaky"
    code, _, error = command("train", "--trust", "--out", "moved", "--resume", "--set", "epochs=2")
    assert code == 0, error


@pytest.mark.parametrize(
    ("cell", "parameters", "message"),
    [
        ("mycells", {}, "must be 'module:NAME' or"),
        ("nosuch:Cell", {}, "nosuch cannot be imported"),
        ("mycells.py:Cell", {}, r"has no Cell"),
        ("mycells.py:Plain", {}, "Plain is no subclass of corinfomax.models.Cell"),
        ("mycells.py:Leaky", {}, "Leaky: needs the parameters .*g_more"),
        ("mycells.py:Odd", {"charge": 1.0}, "has the unit 'coulomb'; a parameter file can give those in 1, second"),
        ({"SST_1": "mycells.py:Undriven"}, {}, "Undriven has no drive slot 'drive_soma', which SST_1 needs"),
        ({"layer_9": "mycells.py:Leaky"}, {"g_more": 1.0, "V_th": 1.0}, "no population 'layer_9'"),
        ("mycells.py:Leaky", {"g_more": 1.0, "V_th": 1.0, "tau": 2.0}, "has a parameter 'tau'"),
        (None, {"tau": 2.0}, "no custom cell has a parameter 'tau'"),
        ("mycells.py:Leaky", {"g_lk": 2.0}, "'g_lk' follows from the circuit's own parameters"),
    ],
)
def test_cells_that_do_not_fit_are_refused(module, cell, parameters, message):
    """Whatever is wrong with a named cell is one line that names it."""

    def absolute(reference):
        return reference.replace("mycells.py", str(module.with_name("mycells.py")))

    if cell is not None:
        cell = absolute(cell) if isinstance(cell, str) else {key: absolute(value) for key, value in cell.items()}
    with pytest.raises(ParameterError, match=message) as caught:
        CorInfoMax([5, 4, 3], cell=cell, cell_parameters=parameters)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("Broken", "Brian2 refuses Broken: invalid syntax in .-g_lk"),
        ("Unknown", 'layer_1: Brian2 refuses Unknown: The identifier "nowhere" could not be resolved'),
        ("MixedUnits", "layer_1: Brian2 refuses MixedUnits: .*uses inconsistent units"),
        ("MixedThreshold", "layer_1: Brian2 refuses MixedThreshold: .*different units"),
        ("UnknownReset", 'layer_1: Brian2 refuses UnknownReset: The identifier "nowhere" could not be resolved'),
        ("NoAssignment", r"layer_1: Brian2 refuses NoAssignment: Parsing the statement failed: \S+"),
        ("UnknownEachStep", 'layer_1: Brian2 refuses UnknownEachStep: The identifier "nowhere" could not be resolved'),
        ("Flagged", "layer_1: Brian2 refuses Flagged: .*cannot have a flag"),
    ],
)
def test_cells_that_brian2_refuses_leave_no_folder(module, cell, reason, refused, tmp_path):
    """Equations, units, thresholds and resets are read before a run folder is made: one line that names the cell."""
    module.write_text(f'[circuit]\narchitecture = [64, 8, 10]\ncell = "mycells.py:{cell}"\n')
    message = refused("train", str(module), "--out", str(tmp_path / "run"))
    assert re.search(reason, message)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("bases", [(HiddenPyramidal,), (type("Mixin", (), {}), HiddenPyramidal)])
def test_a_replacement_that_finds_nothing_is_told(bases):
    """No equation has the new parameter, for one of two replacements missed: one line, as the class is made."""
    attributes = {
        "equations": HiddenPyramidal.equations.replace("g_lk*u", "1.0*g_lk*u").replace("-g_lk * u", "-g_shunt*u"),
        "parameters": (*HiddenPyramidal.parameters, Parameter("g_shunt", "1", "shunting conductance", "this test")),
    }
    with pytest.raises(ParameterError, match="Mistyped: its equations do not have the parameter g_shunt;"):
        type("Mistyped", bases, attributes)
    without = {"equations": HiddenPyramidal.equations.replace("g_leak*u", "2*g_leak*u")}  # a name that is not there
    with pytest.raises(ParameterError, match="Mistyped: states the equations that it inherits; leave equations out"):
        type("Mistyped", bases, without)
    spiking = type("Spiking", bases, {"threshold": "u > 1", "reset": "u = 0", "refractory": "5*ms"})
    for name in ("threshold", "reset", "refractory"):
        with pytest.raises(ParameterError, match=f"Mistyped: states the {name} that it inherits"):
            type("Mistyped", (spiking,), {name: getattr(spiking, name).replace("v", "w")})
    type("Stated", (spiking,), {"threshold": " ".join(["u", ">", "1"])})  # not replaced but written again
    right = attributes | {"equations": HiddenPyramidal.equations.replace("-g_lk*u", "-(g_lk + g_shunt)*u")}
    CorInfoMax([6, 5, 4]).exchange_cell("layer_1", type("Right", bases, right), g_shunt=1.0)


def test_what_is_stated_anew_but_not_inherited_is_taken():
    """A class may go back to what a parent changed, or choose among its parents."""
    leaky = type("Leaky", (HiddenPyramidal,), {"equations": HiddenPyramidal.equations.replace("-g_lk*u", "-2*g_lk*u")})
    left = type("Left", (HiddenPyramidal,), {"equations": HiddenPyramidal.equations.replace("-g_lk*u", "-3*g_lk*u")})
    assert type("Back", (leaky,), {"equations": HiddenPyramidal.equations}).equations == HiddenPyramidal.equations
    assert type("Both", (leaky, left), {"equations": left.equations}).equations == left.equations


def test_lines_are_added_with_line_breaks_or_without():
    """Text before and after what is inherited are lines of their own: the same equations as with line breaks."""
    one = type("One", (HiddenPyramidal,), {"equations": "I_x : 1" + HiddenPyramidal.equations + "I_y : 1"})
    other = type("Other", (HiddenPyramidal,), {"equations": f"I_x : 1\n{HiddenPyramidal.equations}\nI_y : 1\n"})
    assert one.equations.count("\n") > HiddenPyramidal.equations.count("\n")
    assert b2.Equations(one.equations) == b2.Equations(other.equations)


def test_what_is_no_text_is_told():
    """A refractory time as Brian2's groups take it, a quantity, is refused with the way it is written."""
    with pytest.raises(ParameterError, match=r"Timed: refractory = 5\. \* msecond: should be text, in quotes"):
        type("Timed", (HiddenPyramidal,), {"threshold": "u > 1", "refractory": 5 * b2.ms})
