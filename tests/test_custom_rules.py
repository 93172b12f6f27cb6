"""Rules of one's own that cannot be: what they give and take is refused in one line, which names their weights."""

import functools

import numpy as np
import pytest

from corinfomax.errors import ParameterError
from corinfomax.networks import CorInfoMax, DenseChange, GradientStep, OuterProducts, Plasticity
from corinfomax.protocols.clockwork import Preparation, contrastive

TARGET = ("W_fb", 1)


def learn_by(change):
    """Let W_fb of 3-4-2, (4, 2), learn by a rule that gives a function of the first state, from one presentation."""
    circuit = CorInfoMax([3, 4, 2])
    rule = Plasticity(lambda weights, plus, minus: change(plus), GradientStep(TARGET, 1.0))
    circuit.exchange_plasticity(TARGET, rule)
    preparation = Preparation(circuit, 2, protocol=contrastive(free_steps=3, nudge_steps=2))
    preparation.present(np.full((2, 3), 0.5), np.eye(2), learn=True)


@pytest.mark.parametrize(
    ("shape", "change"),
    [
        (r"\(2,\)", lambda state: DenseChange(np.ones(2))),
        (r"\(2, 4\)", lambda state: OuterProducts(state.r[2], state.r[1])),
    ],
    ids=["of biases", "turned"],
)
def test_changes_of_another_shape_are_refused(shape, change):
    """What would be stretched to the weights, or has the cells the wrong way round; the line tells both shapes."""
    message = rf"^rule of W_fb\[1\]: gives a change of shape {shape}; the weights have \(4, 2\), \(post, pre\)$"
    with pytest.raises(ParameterError, match=message):
        learn_by(change)


@pytest.mark.parametrize("given", [None, np.ones((4, 2)), 0.5], ids=["nothing", "array", "number"])
def test_what_is_no_change_is_refused(given):
    """The line names the rule, what it gives, and what it should give."""
    message = rf"^rule of W_fb\[1\]: gives {type(given).__name__}; should give a change, such as OuterProducts"
    with pytest.raises(ParameterError, match=message):
        learn_by(lambda state: given)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (lambda weights: None, "called with the weights and the states of plus, minus; too many positional arguments"),
        (lambda weights, plus, minus, third: None, "missing a required argument: 'third'"),
    ],
)
def test_rules_that_cannot_be_called_are_refused(rule, message):
    """When the plasticity is made, before anything is presented: the line names the rule's weights and what it gets."""
    with pytest.raises(ParameterError, match=rf"^rule of W_fb\[1\]: .*{message}"):
        Plasticity(rule, GradientStep(TARGET, 1.0))


def test_rules_may_be_decorated():
    """What counts is how the decorated rule is called, not what it wraps."""

    @functools.wraps(lambda weights: None)
    def rule(*states):
        return None

    assert Plasticity(rule, GradientStep(TARGET, 1.0)).rule is rule


def test_changes_are_found_anew_after_a_fault():
    """A rule that fails leaves no ΔW behind; the next presentation finds it again (definition of `changes`)."""
    circuit, faults = CorInfoMax([3, 4, 2]), [None]
    kept = next(each.rule for each in circuit.plasticity if each.target == TARGET)

    def failing(weights, plus, minus):
        if faults:
            raise RuntimeError(faults.pop())
        return kept(weights, plus, minus)

    circuit.exchange_plasticity(TARGET, Plasticity(failing, GradientStep(TARGET, 1.0)))
    preparation = Preparation(circuit, 2, protocol=contrastive(free_steps=3, nudge_steps=2))
    x, y = np.full((2, 3), 0.5), np.eye(2)
    with pytest.raises(RuntimeError):
        preparation.present(x, y, learn=True)
    assert TARGET not in circuit.changes
    preparation.present(x, y, learn=True)
    assert circuit.changes[TARGET].shape == (4, 2)


def test_only_plasticity_takes_the_place_of_plasticity():
    """A bare function has no optimiser; the line says what is wanted."""
    with pytest.raises(ParameterError, match=r"\('W_fb', 1\): .* is no Plasticity, which has a rule and its optimiser"):
        CorInfoMax([3, 4, 2]).exchange_plasticity(TARGET, lambda weights, plus, minus: None)
