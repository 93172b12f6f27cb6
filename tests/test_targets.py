"""Brian2's code generation targets; the only tests that compile."""

import logging
import sys
from types import SimpleNamespace

import brian2 as b2
import numpy as np
import pytest
from brian2.codegen.runtime.cython_rt.cython_rt import CythonCodeObject
from brian2.codegen.runtime.numpy_rt.numpy_rt import NumpyCodeObject
from brian2.core.base import BrianObjectException

from corinfomax.errors import ParameterError
from corinfomax.protocols.clockwork import Preparation, compiler, contrastive
from corinfomax.protocols.clockwork.cell_code import CellCodeObject
from corinfomax.protocols.clockwork.compiler import works
from corinfomax.protocols.clockwork.target import CheckedCythonCodeObject, CodeObjects, code_objects

NUMPY = CodeObjects(NumpyCodeObject, NumpyCodeObject)
COMPILED = CodeObjects(CellCodeObject, CheckedCythonCodeObject)


@pytest.fixture
def no_preference(monkeypatch):
    """Undo the session's preference and Brian2's memory of what it found."""
    preferred = b2.prefs.codegen.target
    works.cache_clear()
    monkeypatch.setattr(sys.modules["brian2.devices.device"], "_auto_target", None)
    b2.prefs.codegen.target = "auto"
    yield
    works.cache_clear()
    b2.prefs.codegen.target = preferred


def test_cython_equals_numpy(saturating_circuit, minibatch):
    """Compiled and numpy targets give the same float64 potentials, rates and learnt weights to 1e-10."""
    kept = []
    for target in ("numpy", "cython"):
        circuit = saturating_circuit((6, 5, 4))
        preparation = Preparation(circuit, replicas=2, protocol=contrastive(free_steps=8, nudge_steps=4), target=target)
        expected = CellCodeObject if target == "cython" else NumpyCodeObject
        assert preparation.layer(1).group.codeobj_class is expected
        for seed, beta in enumerate((1.0, -1.0)):
            x, y = minibatch(circuit, n=2, seed=seed, low=0.0, high=1.0)
            shown = preparation.present(x, y, beta)
        kept.append((shown, circuit.weights))
    (theory, weights), (found, found_weights) = kept
    for name in ("u", "r", "v_A", "v_B"):
        for k in (1, 2):
            np.testing.assert_allclose(found.trace(name, k), theory.trace(name, k), rtol=0, atol=1e-10)
    for name in ("W_ff", "W_fb", "B"):
        for k, array in weights[name].items():
            np.testing.assert_allclose(found_weights[name][k], array, rtol=0, atol=1e-10)


def run_group(kind, equations, cells=5, run=30 * b2.ms, dtype=None, given=(), **keys):
    """Run a group of Brian2's own, with code objects of a kind; return it."""
    clock = b2.Clock(0.1 * b2.ms, name=f"clock_of_{kind.__name__}*".lower())
    group = b2.NeuronGroup(cells, equations, method="euler", clock=clock, codeobj_class=kind, dtype=dtype, **keys)
    for name, value in given:
        setattr(group, name, value)
    b2.seed(3)
    b2.Network(group).run(run, namespace={})
    return group


def test_spiking_cells_compiled():
    """Cells with threshold, reset and refractory time, of other types, too, compiled: as on the numpy target."""
    equations = "dv/dt = (I - v)/(5*ms) : 1 (unless refractory)\nI : 1\ncount : integer"
    firing = {"threshold": "v > 1", "reset": "v = 0; count += 1", "refractory": "2*ms"}
    given = [("I", [0.5, 1.1, 1.5, 2.0, 4.0])]
    theory, found = (run_group(kind, equations, given=given, **firing) for kind in (NumpyCodeObject, CellCodeObject))
    assert len(set(theory.count)) == 5  # no two cells fire alike
    np.testing.assert_array_equal(found.count, theory.count)
    np.testing.assert_allclose(found.v, theory.v, rtol=0, atol=1e-12)
    assert len(found.spikes) == 0  # none is left for a next run


def test_what_is_no_list_of_spikes_stays_after_a_run():
    """A parameter whose name ends as the list's does is what it was (exact)."""
    found = run_group(CellCodeObject, "dv/dt = 1/ms : 1\nheadspace : 1", threshold="v > headspace", reset="v = 0",
                      given=[("headspace", [1, 2, 3, 4, 5])])  # fmt: skip
    np.testing.assert_array_equal(found.headspace, [1, 2, 3, 4, 5])


@pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning")  # of Brian2's search for NaN
def test_times_are_compared_in_double_precision():
    """Theory: of 100 steps of .1 ms 69 begin at 3.1 ms or later, in cells of single precision, too."""
    equations, namespace = "dv/dt = int(t >= t_on)/ms : 1", {"t_on": 3.1 * b2.ms}
    found = run_group(CellCodeObject, equations, run=10 * b2.ms, dtype=np.float32, namespace=namespace)
    np.testing.assert_allclose(found.v, 6.9, rtol=1e-5)


@pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning")  # of Brian2's search for NaN
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_compiled_cells_draw_what_brian2_draws(dtype):
    """Oracle: Brian2's own Cython code: 30,000 normal numbers, more than are drawn at once, and uniform thresholds."""
    equations = (
        "dv/dt = (exp(-abs(v)) - v)/(5*ms) + 0.2*xi/sqrt(ms) + 0.1*rand()/ms : 1\nlast = timestep(t, dt) : integer"
    )
    firing = {"threshold": "v > 0.5 + rand()", "reset": "v = -0.1"}
    theory, found = (
        run_group(kind, equations, cells=100, dtype=dtype, **firing) for kind in (CythonCodeObject, CellCodeObject)
    )
    assert found.v.dtype == dtype
    np.testing.assert_allclose(found.v, theory.v, rtol=0, atol=1e-9 if dtype == np.float64 else 1e-3)
    assert np.std(found.v) > 0.1


def test_functions_that_are_given_in_cython_alone_are_called():
    """Cells that call one, or use a word of C++, are left to Brian2's Cython; oracle: 7 times the time, by hand."""
    sevenfold = b2.Function(lambda x: 7 * x, arg_units=[1], return_unit=1)
    code = "cdef double sevenfold(double x):\n    return 7*x"
    sevenfold.implementations.add_implementation("cython", code, name="sevenfold")
    namespace = {"sevenfold": sevenfold}
    found = run_group(CheckedCythonCodeObject, "dv/dt = sevenfold(1.0)/ms : 1", run=1 * b2.ms, namespace=namespace)
    np.testing.assert_allclose(found.v, 7, rtol=1e-12)
    asked = ("du/dt = sevenfold(1.0)/ms : 1", namespace), ("dswitch/dt = 1/ms : 1", {}), ("du/dt = exp(1.0)/ms : 1", {})
    given = [SimpleNamespace(parsed=b2.Equations(text), namespace=names) for text, names in asked]
    expected = [CheckedCythonCodeObject, CheckedCythonCodeObject, CellCodeObject]
    assert [COMPILED.for_cells(cell) for cell in given] == expected


def test_missing_compiler(no_preference, monkeypatch, caplog, saturating_circuit):
    """Without a compiler "auto" takes the numpy target with exactly one line of notice, and the circuit runs."""
    monkeypatch.setattr(compiler, "failure", lambda: "the compiler fails")
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            preparation = Preparation(saturating_circuit((6, 5, 4)), protocol=contrastive(free_steps=2))
    notices = [record for record in caplog.records if record.name.startswith("corinfomax")]
    assert len(notices) == 1
    assert "numpy target" in notices[0].getMessage()
    assert "\n" not in notices[0].getMessage()
    assert preparation.layer(1).group.codeobj_class is NumpyCodeObject
    assert preparation.predict(np.ones((1, 6))).shape == (1, 4)


def test_a_compiler_that_is_gone(no_preference, monkeypatch, tmp_path):
    """With nothing on the PATH "auto" takes the numpy target, whatever Brian2 once compiled; "cython" is refused."""
    monkeypatch.setattr(compiler, "failure", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert code_objects("auto") == NUMPY
    with pytest.raises(ParameterError, match="'cython': no C compiler found"):
        code_objects("cython")


@pytest.mark.parametrize("interrupted", [False, True])
def test_a_compiler_that_fails(saturating_circuit, monkeypatch, interrupted):
    """It is one line with the way out; if Ctrl-C ended the compiler, the run ends as one that was interrupted."""
    preparation = Preparation(saturating_circuit((6, 5, 4)), protocol=contrastive(free_steps=2))

    def fail(*args, **kwargs):
        preparation.interrupted = interrupted
        raise BrianObjectException("preparing", preparation.layer(1).group) from OSError("gcc: killed\nand more")

    monkeypatch.setattr(preparation.network, "run", fail)
    if interrupted:
        with pytest.raises(KeyboardInterrupt):
            preparation.predict(np.ones((1, 6)))
    else:
        with pytest.raises(ParameterError, match=r"\(gcc: killed\).*target = 'numpy'"):
            preparation.predict(np.ones((1, 6)))
    monkeypatch.undo()
    assert preparation.predict(np.ones((1, 6))).shape == (1, 4)


def test_why_the_compiler_failed_is_told(saturating_circuit, monkeypatch, tmp_path):
    """A compiler that is gone when it is needed: one line that names it, or its exit code, and the way out."""
    preparation = Preparation(saturating_circuit((6, 5, 4)), protocol=contrastive(free_steps=2), target="cython")
    monkeypatch.setitem(b2.prefs, "codegen.runtime.cython.cache_dir", str(tmp_path))
    for name in ("CC", "CXX"):
        monkeypatch.setenv(name, "false")
    with pytest.raises(ParameterError, match=r"'false' failed|false.*exit (code|status) 1.*target = 'numpy'"):
        preparation.predict(np.ones((1, 6)))


def test_auto_takes_compiled_code_where_it_can(no_preference, monkeypatch, caplog):
    """With a compiler "auto" takes the cython target and says nothing."""
    monkeypatch.setattr(CythonCodeObject, "is_available", classmethod(lambda cls: True))
    with caplog.at_level(logging.INFO):
        assert code_objects("auto") == COMPILED
    assert not [record for record in caplog.records if record.name.startswith("corinfomax")]


@pytest.mark.parametrize(("preferred", "found"), [("numpy", NUMPY), ("cython", COMPILED)])
def test_auto_keeps_to_the_preference(no_preference, preferred, found):
    """Target "auto" follows a Brian2 preference that names one, an explicit target overrides it; it stays as it was."""
    b2.prefs.codegen.target = preferred
    assert code_objects("auto") == found
    assert code_objects("numpy") == NUMPY
    assert code_objects("cython") == COMPILED
    assert b2.prefs.codegen.target == preferred
