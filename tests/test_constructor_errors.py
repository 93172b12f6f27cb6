"""Errors of constructors and functions that check their arguments: one line of ours, never the checking library's."""

import importlib
import inspect

import numpy as np
import pytest

from corinfomax.errors import ParameterError
from corinfomax.models import Cell
from corinfomax.networks import (
    Adam,
    Circuit,
    Constant,
    CorInfoMax,
    EquilibriumPropagation,
    GradientStep,
    Plasticity,
    PredictiveCoding,
    SimilarityMatchingCircuit,
)
from corinfomax.parameters import annotated_signature
from corinfomax.protocols.comparison import Plan
from corinfomax.protocols.systems import Model

PACKAGES = (
    "networks",
    "models",
    "models.domains",
    "protocols.clockwork",
    "protocols.perturbations",
    "protocols.systems",
)
#: What is made by the package itself, or by others' arrays alone: states, changes of weights, what a hook sees.
MADE_HERE = {
    "Calibration",
    "DenseChange",
    "Layers",
    "Moment",
    "OuterProducts",
    "PhaseEnd",
    "Progress",
    "Provenance",
    "Experiment",
    "Learner",
}
#: Checked in ways of their own; see the tests of each.
OWN_CHECKS = {
    "Circuit",
    "Trainable",
    "Population",
    "Phase",
    "Model",
    "Intervention",
    "Perturbation",
    "CellPerturbation",
}

#: Words of the checking library.
FOREIGN = ("Annotated", "pydantic", "http", "Input should", "validation", "function-")


class Wrong:
    """Of no type that any argument has."""

    def __repr__(self):
        return "<wrong>"


def _public():
    for package in PACKAGES:
        module = importlib.import_module(f"corinfomax.{package}")
        for name in getattr(module, "__all__", None) or vars(module):
            found = getattr(module, name)
            if callable(found) and not name.startswith("_") and found.__module__.startswith("corinfomax"):
                yield name, found


PUBLIC = dict(_public())
CHECKED = {name: each for name, each in PUBLIC.items() if any(
    hasattr(it, "annotated_signature") for it in (each, getattr(each, "__init__", None)))}  # fmt: skip


def test_every_public_constructor_checks_its_arguments():
    """By introspection: a class that takes arguments is checked, is a cell, or stands in the lists above."""
    classes = {
        name: each for name, each in PUBLIC.items() if inspect.isclass(each) and not issubclass(each, BaseException)
    }
    taking = {name for name, each in classes.items() if inspect.signature(each).parameters}
    cells = {name for name, each in classes.items() if issubclass(each, Cell)}
    assert taking - set(CHECKED) - cells == (MADE_HERE | OWN_CHECKS) & taking
    assert len(CHECKED) > 50


@pytest.mark.parametrize("name", sorted(CHECKED))
def test_a_wrong_argument_is_one_line(name):
    """Each argument in turn is of no type it could have: one line begins with the name and tells an argument."""
    signature = annotated_signature(CHECKED[name])
    arguments = [key for key in signature.parameters if key not in ("self", "values", "parameters", "stepping")]
    for argument in arguments:
        annotation = str(signature.parameters[argument].annotation)
        try:
            CHECKED[name](**{argument: Wrong()})
        except ParameterError as error:
            line = str(error)
            assert line.startswith((f"{name}: ", "Protocol: "))  # what is handed on is named by what it is handed to
            assert "\n" not in line
            assert any(key in line for key in arguments)
            assert not any(
                word in line for word in ("Annotated", "pydantic", "http", "Input should", "validation", "function-")
            )
        else:
            assert "Any" in annotation or "ndarray" in annotation or "dict" in annotation, argument


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: CorInfoMax(architecture=[64]),
         "CorInfoMax: architecture = [64]: List should have at least 3 items, not 1"),
        (lambda: EquilibriumPropagation([64, 9, 10], learning_rate="x"),
         "EquilibriumPropagation: learning_rate = 'x': should be a number"),
        (lambda: PredictiveCoding([64, 10], learning_rate=-1),
         "PredictiveCoding: learning_rate = -1: should be greater than or equal to 0"),
        (lambda: SimilarityMatchingCircuit([64, 0]),
         "SimilarityMatchingCircuit: architecture.1 = 0: should be greater than or equal to 1"),
        (lambda: SimilarityMatchingCircuit(), "SimilarityMatchingCircuit: key 'architecture' is missing"),
        (lambda: PredictiveCoding([64, 10], tauu=1), "PredictiveCoding: unknown key 'tauu'; did you mean 'tau'?"),
        (lambda: Adam(("W", 0), (2, 2), "x"), "Adam: learning_rate = 'x': should be a number"),
        (lambda: GradientStep(("W", 0), True), "GradientStep: learning_rate = True: should be a number"),
        (lambda: Constant(np.nan), "Constant: value = nan: should be a finite number"),
        (lambda: Plasticity(len, 3), "Plasticity: optimiser = 3: should be one, such as GradientStep"),
        (lambda: Plan(layout="mine"), "Plan: layout = 'mine': should be 'matched' or 'published'"),
        (lambda: Model(3), "Model: trainable = 3: should be callable, such as a class"),
        (lambda: Circuit(populations=[3], projections=[], plasticity=[], weights={}, layers=[], teacher=None, tau=1),
         "Circuit: populations: 3 should be one of a list of PopulationSpec"),
    ],
)  # fmt: skip
def test_lines(call, line):
    """The line as it stands here: class, argument, what was given, what is allowed."""
    with pytest.raises(ParameterError) as error:
        call()
    assert str(error.value) == line
