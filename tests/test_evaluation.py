"""What `corinfomax evaluate` says of a run: numbers with their meanings, confusions, recall, deviations."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from toys import stimuli

from corinfomax.analysis import accuracy, confusion, recall
from corinfomax.analysis.quantities import Quantity, quantity
from corinfomax.errors import ParameterError
from corinfomax.protocols.runs import Run
from corinfomax.protocols.systems.evaluation import Evaluation, evaluate
from corinfomax.stimuli import Stimuli

ROOT = Path(__file__).resolve().parents[1]


def counted(outputs, labels, classes):
    """Count confusions one by one."""
    theory = np.zeros((classes, classes), dtype=int)
    for output, label in zip(outputs, labels, strict=True):
        theory[label, list(output).index(max(output))] += 1
    return theory


def test_confusions_are_those_counted_one_by_one():
    """A loop over stimuli is the oracle; the diagonal's share is the accuracy, that of a row the recall, exactly.

    A class without stimuli has no recall.
    """
    rng = np.random.default_rng(0)
    outputs, labels = rng.random((50, 4)), rng.integers(0, 3, 50)
    counts = confusion(outputs, labels)
    np.testing.assert_array_equal(counts, counted(outputs, labels, 4))
    assert np.trace(counts) / counts.sum() == accuracy(outputs, labels)
    found = recall(outputs, np.eye(4)[labels])
    np.testing.assert_allclose(found[:3], np.diagonal(counts)[:3] / counts.sum(axis=1)[:3], rtol=1e-15)
    assert np.isnan(found[3])
    for measure in (confusion, recall):
        with pytest.raises(ParameterError, match="do not fit"):
            measure(outputs, labels[1:])


def test_json_and_csv_hold_every_number(command, run):
    """Both are read back: the last row of the history, to 1e-12, and confusions counted one by one, with recalls."""
    code, out, err = command("evaluate", run, "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    last = pd.read_csv(run / "history.csv").iloc[-1]
    for name, entry in found["quantities"].items():
        assert entry["value"] == pytest.approx(last[name], rel=1e-12)
        assert entry["unit"]
        assert entry["meaning"]
    opened = Run(run)
    r = opened.preparation(12).settle(opened.stimuli.x_test, ("r",)).r[2]
    theory = counted(r, opened.stimuli.labels_test, 3)
    np.testing.assert_array_equal(found["confusion"], theory)
    np.testing.assert_allclose(found["recall"], np.diagonal(theory) / theory.sum(axis=1), rtol=1e-15)

    code, out, err = command("evaluate", run, "--csv")
    assert (code, err) == (0, "")
    table = pd.read_csv(io.StringIO(out))
    numbers = table[table["class"].isna()].set_index("quantity")["value"]
    # Older versions of pandas read numbers to some roundings only.
    values = {name: entry["value"] for name, entry in found["quantities"].items()}
    assert values == pytest.approx(dict(numbers), rel=1e-14)
    cells = table[table["quantity"] == "confusion"]
    np.testing.assert_array_equal(cells["value"].to_numpy().reshape(3, 3), theory)
    np.testing.assert_array_equal(table[table["quantity"] == "recall"]["value"], found["recall"])


def test_both_formats_at_once_are_refused(refused, run):
    """One line that names both."""
    assert "--csv: goes not with --json" in refused("evaluate", run, "--json", "--csv")


def test_the_matrix_and_recalls_are_printed(command, run):
    """A row for each class, its counts and its share of the diagonal, as counted from the circuit's outputs."""
    out = command("evaluate", run)[1]
    opened = Run(run)
    r = opened.preparation(12).settle(opened.stimuli.x_test, ("r",)).r[2]
    theory = counted(r, opened.stimuli.labels_test, 3)
    lines = out.partition("\n\n")[2].splitlines()[2:]
    for n, line in enumerate(lines):
        _, *cells = line.replace("·", "0").split()
        assert [int(cell) for cell in cells[:3]] == theory[n].tolist()
        assert float(cells[3]) == pytest.approx(100 * theory[n, n] / theory[n].sum(), abs=0.05)
    assert len(lines) == 3


def test_a_regression_is_judged_output_by_output():
    """R² = 1 − Σe²/Σ(y − ȳ)² and the root mean square of e, of each output, to 1e-12; there are no confusions."""
    rng = np.random.default_rng(0)
    x, y = rng.random((30, 4)), rng.random((30, 2))
    outputs = y + rng.normal(0, 0.1, y.shape)
    of = Stimuli(name="toy", x_train=x, y_train=y, x_test=x, y_test=y, task="regression")
    found = Evaluation(of, {}, outputs)
    error = np.sum((y - outputs) ** 2, axis=0)
    np.testing.assert_allclose(found.r_squared, 1 - error / np.sum((y - y.mean(axis=0)) ** 2, axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.deviation, np.sqrt(error / 30), rtol=1e-12)
    assert found.confusion is None
    assert found.recall is None


def test_a_learner_is_left_as_it_was(run):
    """Its state before and after, bit for bit; evaluated twice, the numbers are the same."""
    opened = Run(run)
    learner = opened.learner(5)
    before = {name: values.copy() for name, values in learner.state_dict().items()}
    first, second = (
        evaluate(opened.circuit, learner, opened.stimuli, opened.configuration.entry, seed=1) for _ in range(2)
    )
    assert first.columns == second.columns
    for name, values in learner.state_dict().items():
        np.testing.assert_array_equal(values, before[name])
    assert len(first.outputs) == len(stimuli()["x"]) - len(opened.stimuli.x_train)


def test_every_column_of_the_published_runs_has_a_meaning():
    """All columns of the committed histories, of every rule, have a unit and a meaning with nothing left to fill in."""
    columns = {
        name
        for path in (ROOT / "results" / "runs").rglob("history.csv")
        for name in path.read_text(encoding="utf-8").partition("\n")[0].split(",")
    }
    assert len(columns) > 20
    for name in columns:
        if name.startswith("lateral_minimum_"):
            continue  # of an older version
        unit, meaning = quantity(name)
        assert unit, name
        assert meaning, name
        assert "{" not in meaning, name
    assert quantity("cmi_forward_1") == Quantity(
        "nat", "correlative mutual information, layer 2 predicted from layer 1"
    )
    assert "validation" in quantity("validation_accuracy").meaning
    assert quantity("mine_3", {"mine": Quantity("mV", "of layer {k}")}) == Quantity("mV", "of layer 3")
    assert quantity("nobody's") == Quantity("", "")
