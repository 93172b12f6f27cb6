"""What a user reads: help, signatures and the errors of calls."""

import importlib
import inspect
import pydoc

import pytest

import corinfomax
from corinfomax import CorInfoMax, Preparation, contrastive
from corinfomax.errors import ParameterError
from corinfomax.networks import Backpropagation, EquilibriumPropagation, SimilarityMatchingCircuit
from corinfomax.parameters import annotated_signature, model_of

PACKAGES = (
    "corinfomax",
    "corinfomax.models",
    "corinfomax.networks",
    "corinfomax.protocols.clockwork",
    "corinfomax.protocols.comparison",
    "corinfomax.protocols.perturbations",
    "corinfomax.protocols.recording",
    "corinfomax.protocols.runs",
    "corinfomax.stimuli",
)


@pytest.mark.parametrize("package", PACKAGES)
def test_signatures_show_types_and_no_bounds(package):
    """No signature of a public name shows how its parameters are checked: neither Annotated nor FieldInfo."""
    module = importlib.import_module(package)
    shown = {}
    for name in module.__all__:
        found = getattr(module, name)
        if callable(found) and getattr(found, "__module__", "").startswith("corinfomax"):
            shown[name] = str(inspect.signature(found))
    assert {name for name, text in shown.items() if "Annotated" in text or "FieldInfo" in text} == set()


def test_help_of_a_circuit_begins_with_what_can_be_typed():
    """Within its first lines `help(CorInfoMax)` shows keys, types and defaults; the line fits on a screen."""
    text = pydoc.plain(pydoc.render_doc(CorInfoMax))
    head = text.partition("A supervised CorInfoMax circuit")[0]
    assert "architecture: list[int]" in head
    assert "epsilon: float | list[float] = 0.15" in head
    assert "Annotated" not in text
    assert len(head) < 2500


def test_what_is_shown_is_what_is_checked():
    """The signature that is shown has the names and defaults of the one that checks; this one keeps its bounds."""
    for function in (CorInfoMax, Preparation, contrastive, Backpropagation):
        shown, checked = inspect.signature(function).parameters, annotated_signature(function).parameters
        assert {n: p.default for n, p in shown.items()} == {n: p.default for n, p in checked.items() if n != "self"}
    assert model_of(CorInfoMax, leave_out=("weights",)).model_fields["forgetting"].metadata


@pytest.mark.parametrize(
    ("call", "begins"),
    [
        (lambda: CorInfoMax([64, 10]), "CorInfoMax: architecture = [64, 10]: "),
        (lambda: CorInfoMax([64, 8, 10], [3]), "CorInfoMax: weights = [3]: must be given by its name"),
        (lambda: CorInfoMax([64, 8, 10], epsilo=1), "CorInfoMax: unknown key 'epsilo'; did you mean 'epsilon'?"),
        (lambda: EquilibriumPropagation([3]), "EquilibriumPropagation: architecture = [3]: "),
        (lambda: Backpropagation([3, "a"]), "Backpropagation: architecture.1 = 'a': "),
        (lambda: SimilarityMatchingCircuit([3, 2, 1]), "SimilarityMatchingCircuit: architecture = [3, 2, 1]: "),
        (lambda: Preparation(3), "Preparation: circuit = 3: "),
        (lambda: Preparation(CorInfoMax([3, 4, 2]), 0), "Preparation: replicas = 0: "),
        (lambda: Preparation(CorInfoMax([3, 4, 2]), dtype="double32"), "dtype = 'double32': "),
        (lambda: contrastive(fre_steps=3), "contrastive: unknown key 'fre_steps'; did you mean 'free_steps'?"),
        (lambda: corinfomax.Protocol([3]), "Protocol: phases.0 = 3: "),
    ],
)
def test_errors_name_the_parameter(call, begins):
    """What is given by position is named as well, with what was given; a key that is misspelt finds the one meant."""
    with pytest.raises(ParameterError) as raised:
        call()
    assert str(raised.value).startswith(begins)
